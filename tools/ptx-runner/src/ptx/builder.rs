//! Names, constants and labels of a kernel during decoding.

use std::collections::HashMap;
use std::sync::Arc;

use super::Symbols;
use super::parser::{Operand, Statement};
use super::program::*;
use super::{decode, transfer};
use crate::machine::{PARAM_WINDOW, SHARED_GAP};

/// A kernel under construction.
pub(super) struct Builder {
    name: String,
    pub(super) target: u32,
    params: HashMap<String, u32>,
    param_bytes: u32,
    param_places: Vec<(usize, usize)>,
    declared: usize,
    registers: Registers,
    scopes: Vec<HashMap<String, Reg>>,
    constants32: HashMap<u32, R32>,
    constants64: HashMap<u64, R64>,
    constant_preds: HashMap<bool, Pred>,
    specials: HashMap<Special, R32>,
    shared: Vec<SharedArray>,
    labels: HashMap<String, u32>,
    jumps: Vec<(usize, String, u32)>,
    code: Vec<Inst>,
}

impl Builder {
    pub(super) fn new(name: &str, target: u32) -> Self {
        Self {
            name: name.into(),
            target,
            params: HashMap::new(),
            param_bytes: 0,
            param_places: Vec::new(),
            declared: 0,
            registers: Registers::default(),
            scopes: vec![HashMap::new()],
            constants32: HashMap::new(),
            constants64: HashMap::new(),
            constant_preds: HashMap::new(),
            specials: HashMap::new(),
            shared: Vec::new(),
            labels: HashMap::new(),
            jumps: Vec::new(),
            code: Vec::new(),
        }
    }

    /// Checks that all parameters together have at most 4352 bytes.
    pub(super) fn add_param(&mut self, name: String, align: u32, bytes: u32) -> Result<(), String> {
        let start = self.param_bytes.next_multiple_of(align);
        self.params.insert(name, start);
        self.param_bytes = start + bytes;
        self.param_places.push((start as usize, bytes as usize));
        if self.param_bytes > 4352 { Err("parameters exceed 4352 bytes".into()) } else { Ok(()) }
    }

    /// Places arrays with a gap in between, so that a small overrun hits no other array; the gap preserves the banks.
    pub(super) fn add_shared(&mut self, name: String, align: u32, bytes: u32) -> Result<(), String> {
        let end = self.shared.last().map_or(0, |a| a.start + a.len.next_multiple_of(SHARED_GAP) + SHARED_GAP);
        let start = end.next_multiple_of(align.max(16));
        if start > 1 << 20 {
            return Err("too much shared memory".into());
        }
        self.shared.push(SharedArray { name, start, len: bytes });
        Ok(())
    }

    pub(super) fn open_scope(&mut self) {
        self.scopes.push(HashMap::new());
    }

    pub(super) fn close_scope(&mut self) {
        self.scopes.pop();
    }

    pub(super) fn label(&mut self, name: &str) -> Result<(), String> {
        if self.params.contains_key(name) || self.shared.iter().any(|a| a.name == name) || self.named(name).is_some() {
            return Err(format!("the name of label {name} is already in use"));
        }
        let target = self.code.len() as u32;
        match self.labels.insert(name.into(), target) {
            None => Ok(()),
            Some(_) => Err(format!("duplicate label {name}")),
        }
    }

    pub(super) fn register(&mut self, kind: &str, name: String) -> Result<(), String> {
        let reg = match kind {
            ".pred" => Reg::Pred(self.new_pred()?),
            ".b16" | ".u16" | ".s16" | ".f16" => Reg::Half(self.new32()?),
            ".b32" | ".u32" | ".s32" | ".f32" | ".f16x2" => Reg::Word(self.new32()?),
            ".b64" | ".u64" | ".s64" | ".f64" => Reg::Wide(self.new64()?),
            other => return Err(format!("unknown register type {other}")),
        };
        self.declared += 1;
        let scope = self.scopes.last_mut().ok_or("register outside a scope")?;
        match scope.insert(name.clone(), reg) {
            None => Ok(()),
            Some(_) => Err(format!("duplicate register {name}")),
        }
    }

    fn new_pred(&mut self) -> Result<Pred, String> {
        self.registers.preds = self.registers.preds.checked_add(1).ok_or("too many registers")?;
        Ok(Pred(self.registers.preds - 1))
    }

    pub(super) fn new32(&mut self) -> Result<R32, String> {
        self.registers.narrow = self.registers.narrow.checked_add(1).ok_or("too many registers")?;
        Ok(R32(self.registers.narrow - 1))
    }

    fn new64(&mut self) -> Result<R64, String> {
        self.registers.wide = self.registers.wide.checked_add(1).ok_or("too many registers")?;
        Ok(R64(self.registers.wide - 1))
    }

    /// A register by name.
    pub(super) fn named(&self, name: &str) -> Option<Reg> {
        self.scopes.iter().rev().find_map(|s| s.get(name)).copied()
    }

    pub(super) fn constant32(&mut self, value: u32) -> Result<R32, String> {
        if let Some(found) = self.constants32.get(&value) {
            return Ok(*found);
        }
        let register = self.new32()?;
        self.constants32.insert(value, register);
        self.registers.constants32.push((register, value));
        Ok(register)
    }

    pub(super) fn constant64(&mut self, value: u64) -> Result<R64, String> {
        if let Some(found) = self.constants64.get(&value) {
            return Ok(*found);
        }
        let register = self.new64()?;
        self.constants64.insert(value, register);
        self.registers.constants64.push((register, value));
        Ok(register)
    }

    fn constant_pred(&mut self, value: bool) -> Result<Pred, String> {
        if let Some(found) = self.constant_preds.get(&value) {
            return Ok(*found);
        }
        let register = self.new_pred()?;
        self.constant_preds.insert(value, register);
        self.registers.constant_preds.push((register, value));
        Ok(register)
    }

    fn special(&mut self, name: &str) -> Result<Option<R32>, String> {
        let axis = |rest: &str| ["x", "y", "z"].iter().position(|a| *a == rest);
        let which = match name.strip_prefix('%').unwrap_or("").split_once('.') {
            Some(("tid", rest)) => axis(rest).map(Special::Tid),
            Some(("ntid", rest)) => axis(rest).map(Special::Ntid),
            Some(("ctaid", rest)) => axis(rest).map(Special::Ctaid),
            Some(("nctaid", rest)) => axis(rest).map(Special::Nctaid),
            _ => match name {
                "%laneid" => Some(Special::LaneId),
                "%warpid" => Some(Special::WarpId),
                "%nwarpid" => Some(Special::WarpCount),
                "%lanemask_eq" => Some(Special::LaneMask(LaneMask::Eq)),
                "%lanemask_lt" => Some(Special::LaneMask(LaneMask::Lt)),
                "%lanemask_le" => Some(Special::LaneMask(LaneMask::Le)),
                "%lanemask_gt" => Some(Special::LaneMask(LaneMask::Gt)),
                "%lanemask_ge" => Some(Special::LaneMask(LaneMask::Ge)),
                _ => None,
            },
        };
        let Some(which) = which else { return Ok(None) };
        if let Some(found) = self.specials.get(&which) {
            return Ok(Some(*found));
        }
        let register = self.new32()?;
        self.specials.insert(which, register);
        self.registers.specials.push((register, which));
        Ok(Some(register))
    }

    /// The address of a shared array or a parameter.
    fn symbol(&mut self, name: &str, symbols: &Symbols) -> Option<u64> {
        if let Some(offset) = self.params.get(name) {
            return Some(PARAM_WINDOW + u64::from(*offset));
        }
        if !self.shared.iter().any(|a| a.name == name) {
            let (name, align, bytes) = symbols.iter().find(|s| s.0 == name)?;
            self.add_shared(name.clone(), *align, *bytes).ok()?;
        }
        self.shared.iter().find(|a| a.name == name).map(|a| u64::from(a.start))
    }

    /// A source of 16 or 32 bits.
    pub(super) fn source32(&mut self, operand: &Operand, bits: u32, symbols: &Symbols) -> Result<R32, String> {
        match operand {
            Operand::Name(name) => match self.named(name) {
                Some(Reg::Half(r)) if bits == 16 => Ok(r),
                Some(Reg::Word(r)) if bits == 32 => Ok(r),
                Some(_) => Err(format!("expected a register of {bits} bits, found {name}")),
                None => match self.special(name)? {
                    Some(r) if bits == 32 => Ok(r),
                    _ => match self.symbol(name, symbols) {
                        Some(address) if bits == 32 && address < PARAM_WINDOW => self.constant32(address as u32),
                        _ => Err(format!("unknown operand {name}")),
                    },
                },
            },
            Operand::Integer(n) => self.constant32(integer(*n, bits)? as u32),
            Operand::Single(value) if bits == 32 => self.constant32(*value),
            other => Err(format!("expected an operand of {bits} bits, found {other:?}")),
        }
    }

    /// A source of 64 bits.
    pub(super) fn source64(&mut self, operand: &Operand, symbols: &Symbols) -> Result<R64, String> {
        match operand {
            Operand::Name(name) => match self.named(name) {
                Some(Reg::Wide(r)) => Ok(r),
                Some(_) => Err(format!("expected a register of 64 bits, found {name}")),
                None => match self.symbol(name, symbols) {
                    Some(address) => self.constant64(address),
                    None => Err(format!("unknown operand {name}")),
                },
            },
            Operand::Integer(n) => self.constant64(integer(*n, 64)?),
            Operand::Double(value) => self.constant64(*value),
            other => Err(format!("expected an operand of 64 bits, found {other:?}")),
        }
    }

    /// A predicate as a source.
    pub(super) fn source_pred(&mut self, operand: &Operand) -> Result<Pred, String> {
        match operand {
            Operand::Name(name) => self.destination_pred(name),
            Operand::Integer(n) => self.constant_pred(*n != 0),
            other => Err(format!("expected a predicate, found {other:?}")),
        }
    }

    /// A predicate register by name.
    pub(super) fn destination_pred(&self, name: &str) -> Result<Pred, String> {
        match self.named(name) {
            Some(Reg::Pred(p)) => Ok(p),
            _ => Err(format!("expected a predicate register, found {name}")),
        }
    }

    /// A register as a destination.
    pub(super) fn destination(&self, operand: &Operand) -> Result<Reg, String> {
        match operand {
            Operand::Name(name) => self.named(name).ok_or_else(|| format!("unknown register {name}")),
            other => Err(format!("expected a register, found {other:?}")),
        }
    }

    pub(super) fn address(&mut self, operand: &Operand, symbols: &Symbols) -> Result<Address, String> {
        let Operand::Address(base, offset) = operand else {
            return Err(format!("expected an address, found {operand:?}"));
        };
        let base = match &**base {
            Operand::Name(name) => match self.named(name) {
                Some(Reg::Word(r)) => Base::Narrow(r),
                _ => Base::Wide(self.source64(&Operand::Name(name.clone()), symbols)?),
            },
            other => return Err(format!("expected an address of a register or variable, found {other:?}")),
        };
        Ok(Address { base, offset: *offset })
    }

    /// Decodes a statement and appends it.
    pub(super) fn statement(&mut self, statement: &Statement, symbols: &Symbols) -> Result<(), String> {
        let guard = match &statement.guard {
            None => None,
            Some((name, negated)) => Some((self.destination_pred(name)?, *negated)),
        };
        if let "bra" | "bra.uni" = statement.opcode.as_str() {
            let [Operand::Name(label)] = &statement.operands[..] else {
                return Err("expected a label after bra".into());
            };
            self.jumps.push((self.code.len(), label.clone(), statement.line));
            self.code.push(Inst { op: Op::Branch { target: 0 }, guard, line: statement.line });
            return Ok(());
        }
        let ops = match transfer::decode(self, statement, symbols)? {
            Some(ops) => ops,
            None => decode::decode(self, statement, symbols)?,
        };
        self.code.extend(ops.into_iter().map(|op| Inst { op, guard, line: statement.line }));
        Ok(())
    }

    pub(super) fn finish(mut self, source: Arc<Vec<String>>, max_threads: Option<u32>) -> Result<Kernel, String> {
        for (at, label, line) in &self.jumps {
            let to = self.labels.get(label).ok_or_else(|| format!("line {line}: unknown label {label}"))?;
            self.code[*at].op = Op::Branch { target: *to };
        }
        let line = self.code.last().map_or(1, |i| i.line);
        self.code.push(Inst { op: Op::Exit, guard: None, line });
        let granule = self.code.iter().filter_map(|i| shared_size(&i.op)).min().unwrap_or(4).min(16);
        Ok(Kernel {
            name: self.name,
            source,
            param_bytes: self.param_bytes as usize,
            params: self.param_places,
            declared: self.declared,
            registers: self.registers,
            shared: self.shared,
            max_threads,
            code: self.code,
            granule,
        })
    }
}

/// The bytes per access of an operation that can reach shared memory.
fn shared_size(op: &Op) -> Option<usize> {
    match op {
        Op::Load(t) | Op::Store(t) if matches!(t.space, Space::Shared | Space::Generic) => Some(t.size()),
        Op::CopyAsync { size, .. } => Some(*size as usize),
        Op::LoadMatrix { .. } => Some(16),
        _ => None,
    }
}

/// An integer in `bits` bits: unsigned or in two's complement.
fn integer(n: i128, bits: u32) -> Result<u64, String> {
    let range = -(1i128 << (bits - 1))..(1i128 << bits);
    if !range.contains(&n) {
        return Err(format!("{n} does not fit in {bits} bits"));
    }
    Ok((n as u64) & (u64::MAX >> (64 - bits)))
}
