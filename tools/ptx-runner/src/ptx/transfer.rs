//! Decodes statements that move data, and matrix operations.

use super::Symbols;
use super::builder::Builder;
use super::decode::width;
use super::parser::{Operand, Statement};
use super::program::*;

/// The operations of `ld`, `st`, `cp.async`, `ldmatrix` and `mma`; `None` for any other opcode.
pub(super) fn decode(b: &mut Builder, s: &Statement, symbols: &Symbols) -> Result<Option<Vec<Op>>, String> {
    let parts: Vec<&str> = s.opcode.split('.').collect();
    let op = match parts[0] {
        "ld" => Op::Load(transfer(b, s, &parts[1..], true, symbols)?),
        "st" => Op::Store(transfer(b, s, &parts[1..], false, symbols)?),
        "cp" => asynchronous(b, s, symbols)?,
        "ldmatrix" => load_matrix(b, s, symbols)?,
        "mma" => mma(b, s, symbols)?,
        _ => return Ok(None),
    };
    if b.target < 80 && matches!(parts[0], "cp" | "mma") {
        return Err(format!("{} requires sm_80", s.opcode));
    }
    Ok(Some(vec![op]))
}

fn unknown(s: &Statement) -> String {
    format!("unknown opcode {}", s.opcode)
}

/// `ld[.volatile][.space][.cop][.nc][.vec].type`, `st` likewise.
fn transfer(
    b: &mut Builder,
    s: &Statement,
    mut parts: &[&str],
    load: bool,
    symbols: &Symbols,
) -> Result<Transfer, String> {
    let take = |parts: &mut &[&str], names: &[&str]| match parts.first() {
        Some(first) if names.contains(first) => {
            let name = first.to_string();
            *parts = &parts[1..];
            Some(name)
        }
        _ => None,
    };
    let volatile = take(&mut parts, &["volatile"]).is_some();
    let space = match take(&mut parts, &["global", "shared", "param"]).as_deref() {
        Some("global") => Space::Global,
        Some("shared") => Space::Shared,
        Some(_) if load && !volatile => Space::Param,
        Some(_) => return Err(unknown(s)),
        None => Space::Generic,
    };
    if space != Space::Param && !volatile {
        take(&mut parts, if load { &["ca", "cg", "cs", "lu", "cv"] } else { &["wb", "cg", "cs", "wt"] });
    }
    let constant = load && space == Space::Global && !volatile && take(&mut parts, &["nc"]).is_some();
    let count = match take(&mut parts, &["v2", "v4"]).as_deref() {
        Some("v2") => 2,
        Some(_) => 4,
        None => 1,
    };
    let [kind] = parts else { return Err(unknown(s)) };
    let bits = match *kind {
        "b8" | "u8" | "s8" => 8,
        other => width(other)?,
    };
    if bits * count > 128 || *kind == "f16" || *kind == "f16x2" {
        return Err(unknown(s));
    }
    let [address, data] = match (&s.operands[..], load) {
        ([data, address], true) => [address, data],
        ([address, data], false) => [address, data],
        _ => return Err(format!("expected an address and data for {}", s.opcode)),
    };
    let list = match data {
        Operand::Vector(list) if count > 1 => list.as_slice(),
        single if count == 1 => std::slice::from_ref(single),
        _ => return Err(format!("expected {count} registers in braces for {}", s.opcode)),
    };
    if list.len() != count as usize {
        return Err(format!("expected {count} registers for {}", s.opcode));
    }
    let mut registers = Vec::new();
    for operand in list {
        let register = match operand {
            Operand::Name(_) => b.destination(operand)?,
            _ if load => return Err("expected registers for a load".into()),
            _ if bits == 64 => Reg::Wide(b.source64(operand, symbols)?),
            _ => Reg::Word(b.source32(operand, bits.max(16), symbols)?),
        };
        let held = match register {
            Reg::Half(_) => 16,
            Reg::Word(_) => 32,
            Reg::Wide(_) => 64,
            Reg::Pred(_) => 0,
        };
        // Integers narrower than their register are extended by a load and truncated by a store.
        if held < bits || (held > bits && kind.starts_with('f')) {
            return Err(format!("expected registers for .{kind}"));
        }
        registers.push(register);
    }
    let address = b.address(address, symbols)?;
    if matches!(address.base, Base::Narrow(_)) && space != Space::Shared {
        return Err("expected a 64-bit address; only shared memory has 32-bit addresses".into());
    }
    Ok(Transfer { space, address, bytes: bits as usize / 8, signed: kind.starts_with('s'), constant, registers })
}

fn asynchronous(b: &mut Builder, s: &Statement, symbols: &Symbols) -> Result<Op, String> {
    let number = |operand: &Operand| match operand {
        Operand::Integer(n @ 0..=64) => Ok(*n as u32),
        other => Err(format!("expected a small number, found {other:?}")),
    };
    match (s.opcode.as_str(), &s.operands[..]) {
        ("cp.async.commit_group", []) => Ok(Op::CommitGroup),
        ("cp.async.wait_all", []) => Ok(Op::WaitGroup(None)),
        ("cp.async.wait_group", [n]) => Ok(Op::WaitGroup(Some(number(n)?))),
        ("cp.async.cg.shared.global" | "cp.async.ca.shared.global", [to, from, size, rest @ ..]) => {
            let size = number(size)?;
            let allowed: &[u32] = if s.opcode.contains(".cg.") { &[16] } else { &[4, 8, 16] };
            if !allowed.contains(&size) || rest.len() > 1 {
                return Err(format!("{} does not support {size} bytes", s.opcode));
            }
            let source_size = match rest.first() {
                Some(operand) => Some(b.source32(operand, 32, symbols)?),
                None => None,
            };
            let (to, from) = (b.address(to, symbols)?, b.address(from, symbols)?);
            if matches!(from.base, Base::Narrow(_)) {
                return Err("expected a 64-bit global address".into());
            }
            Ok(Op::CopyAsync { to, from, size, source_size })
        }
        _ => Err(unknown(s)),
    }
}

/// 32-bit registers in braces.
fn words<const N: usize>(b: &mut Builder, operand: &Operand) -> Result<[R32; N], String> {
    let Operand::Vector(list) = operand else { return Err(format!("expected {N} registers in braces")) };
    let mut registers = Vec::new();
    for operand in list {
        match b.destination(operand)? {
            Reg::Word(r) => registers.push(r),
            _ => return Err("expected 32-bit registers".into()),
        }
    }
    registers.try_into().map_err(|_| format!("expected {N} registers in braces"))
}

fn load_matrix(b: &mut Builder, s: &Statement, symbols: &Symbols) -> Result<Op, String> {
    let [d, address] = &s.operands[..] else {
        return Err(format!("expected registers and an address for {}", s.opcode));
    };
    let rest = s.opcode.strip_prefix("ldmatrix.sync.aligned.m8n8.").ok_or_else(|| unknown(s))?;
    let (count, transposed) = match rest {
        "x1.shared.b16" => (1, false),
        "x2.shared.b16" => (2, false),
        "x4.shared.b16" => (4, false),
        "x1.trans.shared.b16" => (1, true),
        "x2.trans.shared.b16" => (2, true),
        "x4.trans.shared.b16" => (4, true),
        _ => return Err(unknown(s)),
    };
    let d = match count {
        1 if !matches!(d, Operand::Vector(_)) => words::<1>(b, &Operand::Vector(vec![d.clone()]))?.to_vec(),
        1 => words::<1>(b, d)?.to_vec(),
        2 => words::<2>(b, d)?.to_vec(),
        _ => words::<4>(b, d)?.to_vec(),
    };
    Ok(Op::LoadMatrix { d, transposed, address: b.address(address, symbols)? })
}

fn mma(b: &mut Builder, s: &Statement, symbols: &Symbols) -> Result<Op, String> {
    let bf16 = match s.opcode.as_str() {
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32" => false,
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32" => true,
        _ => return Err(unknown(s)),
    };
    let [d, x, y, c] = &s.operands[..] else { return Err(format!("expected 4 operands for {}", s.opcode)) };
    let (d, x, y) = (words(b, d)?, words(b, x)?, words(b, y)?);
    // The accumulators may be constants.
    let Operand::Vector(list) = c else { return Err("expected 4 accumulators in braces".into()) };
    let mut accumulators = Vec::new();
    for operand in list {
        accumulators.push(b.source32(operand, 32, symbols)?);
    }
    let c = accumulators.try_into().map_err(|_| "expected 4 accumulators in braces")?;
    Ok(Op::Mma { bf16, d, a: x, b: y, c })
}
