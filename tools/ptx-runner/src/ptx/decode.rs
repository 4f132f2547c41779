//! Decodes computing statements from syntax to operations.

use super::Symbols;
use super::builder::Builder;
use super::parser::{Operand, Statement};
use super::program::*;
use crate::machine::{SHARED_WINDOW, lanes};

type Ops = Result<Vec<Op>, String>;

pub(super) fn decode(b: &mut Builder, s: &Statement, symbols: &Symbols) -> Ops {
    let parts: Vec<&str> = s.opcode.split('.').collect();
    let unknown = || format!("unknown opcode {}", s.opcode);
    match parts[..] {
        ["ret"] | ["exit"] | ["ret", "uni"] => operands::<0>(s).map(|_| vec![Op::Exit]),
        ["trap"] => operands::<0>(s).map(|_| vec![Op::Trap]),
        ["mov", kind] => mov(b, s, kind, symbols),
        ["setp", ..] => setp(b, s, &parts[1..], symbols),
        ["selp", kind] => selp(b, s, kind, symbols),
        [op @ ("and" | "or" | "xor" | "not"), "pred"] => logic(b, s, op),
        ["cvta", ref rest @ .., "u64"] => {
            let [d, a] = operands::<2>(s)?;
            let (d, a) = (wide(b, d)?, b.source64(a, symbols)?);
            let f: F64 = match *rest {
                ["to", "global"] | ["global"] => return Ok(vec![Op::Copy64 { d, a }]),
                ["shared"] => |a, _, _| a.map(|x| x.wrapping_add(SHARED_WINDOW)),
                ["to", "shared"] => |a, _, _| a.map(|x| x.wrapping_sub(SHARED_WINDOW)),
                _ => return Err(unknown()),
            };
            let zero = b.constant64(0)?;
            Ok(vec![Op::Wide3 { f, d, s: [a, zero, zero] }])
        }
        ["shfl", "sync", mode, "b32"] => {
            let mode = match mode {
                "up" => Shuffle::Up,
                "down" => Shuffle::Down,
                "bfly" => Shuffle::Butterfly,
                "idx" => Shuffle::Index,
                _ => return Err(unknown()),
            };
            let [d, a, lane, clamp, members] = operands::<5>(s)?;
            let (d, p) = match d {
                Operand::Pair(d, p) => (Operand::Name(d.clone()), Some(b.destination_pred(p)?)),
                other => (other.clone(), None),
            };
            let d = narrow(b, &d, 32)?;
            let [a, lane, clamp, members] = [a, lane, clamp, members].map(|o| b.source32(o, 32, symbols));
            Ok(vec![Op::Shuffle { mode, d, p, a: a?, lane: lane?, clamp: clamp?, members: members? }])
        }
        ["vote", "sync", mode, "pred"] => {
            let mode = match mode {
                "all" => Vote::All,
                "any" => Vote::Any,
                "uni" => Vote::Uniform,
                _ => return Err(unknown()),
            };
            let [d, a, members] = operands::<3>(s)?;
            let (a, negated) = negatable(b, a)?;
            let members = b.source32(members, 32, symbols)?;
            Ok(vec![Op::Vote { mode, d: pred(b, d)?, a, negated, members }])
        }
        ["vote", "sync", "ballot", "b32"] => {
            let [d, a, members] = operands::<3>(s)?;
            let (a, negated) = negatable(b, a)?;
            let members = b.source32(members, 32, symbols)?;
            Ok(vec![Op::Ballot { d: narrow(b, d, 32)?, a, negated, members }])
        }
        ["activemask", "b32"] => {
            let [d] = operands::<1>(s)?;
            Ok(vec![Op::ActiveMask { d: narrow(b, d, 32)? }])
        }
        ["bar", "sync"] | ["barrier", "sync"] | ["barrier", "sync", "aligned"] => {
            let [Operand::Integer(id @ 0..16)] = s.operands[..] else {
                return Err("expected a barrier number from 0 to 15 without a thread count".into());
            };
            Ok(vec![Op::Barrier { id: id as u32 }])
        }
        ["bar", "warp", "sync"] => {
            let [members] = operands::<1>(s)?;
            Ok(vec![Op::WarpBarrier { members: b.source32(members, 32, symbols)? }])
        }
        ["membar", "cta" | "gl" | "sys"] | ["fence", "acq_rel" | "sc", "cta" | "gpu" | "sys"] => {
            operands::<0>(s).map(|_| vec![])
        }
        ["bfi", "b32"] => {
            let [d, rest @ ..] = operands::<5>(s)?;
            let sources = rest.map(|o| b.source32(o, 32, symbols));
            let [x, y, position, len] = sources;
            Ok(vec![Op::Insert { d: narrow(b, d, 32)?, s: [x?, y?, position?, len?] }])
        }
        _ => computed(b, s, symbols),
    }
}

/// Decodes opcodes from the table of functions over lanes.
fn computed(b: &mut Builder, s: &Statement, symbols: &Symbols) -> Ops {
    use lanes::Code;
    let entry = lanes::entry(&s.opcode).ok_or_else(|| format!("unknown opcode {}", s.opcode))?;
    if b.target < 80 && (s.opcode.contains("bf16") || s.opcode.contains("relu")) {
        return Err(format!("{} requires sm_80", s.opcode));
    }
    if s.operands.len() != 1 + entry.sources.len() {
        return Err(format!("expected {1} operands for {0}", s.opcode, 1 + entry.sources.len()));
    }
    let mut ops = Vec::new();
    let (mut narrows, mut wides) = (Vec::new(), Vec::new());
    for (operand, bits) in s.operands[1..].iter().zip(&entry.sources) {
        let register = if let Operand::Name(name) = operand { b.named(name) } else { None };
        match register {
            // The sources of cvt may be wider than its type.
            Some(Reg::Word(r)) if *bits == 16 && s.opcode.starts_with("cvt.") => narrows.push(r),
            Some(Reg::Wide(a)) if *bits < 64 && s.opcode.starts_with("cvt.") => {
                let low = b.new32()?;
                ops.push(Op::Unpack64 { d: [Some(low), None], a });
                narrows.push(low);
            }
            _ if *bits == 64 => wides.push(b.source64(operand, symbols)?),
            _ => narrows.push(b.source32(operand, *bits, symbols)?),
        }
    }
    let d = b.destination(&s.operands[0])?;
    let (zero32, zero64) = (b.constant32(0)?, b.constant64(0)?);
    let (n, w) = (|i: usize| *narrows.get(i).unwrap_or(&zero32), |i: usize| *wides.get(i).unwrap_or(&zero64));
    let d = match (d, entry.destination) {
        (Reg::Half(d), 16) | (Reg::Word(d), 32) => Reg::Word(d),
        (Reg::Wide(d), 64) => Reg::Wide(d),
        _ => return Err(format!("expected a destination of {} bits", entry.destination)),
    };
    ops.push(match (entry.code, d) {
        (Code::Narrow3(f), Reg::Word(d)) => Op::Narrow3 { f, d, s: [n(0), n(1), n(2)], flops: entry.flops },
        (Code::Wide3(f), Reg::Wide(d)) => Op::Wide3 { f, d, s: [w(0), w(1), w(2)] },
        (Code::Widen(f), Reg::Wide(d)) => Op::Widen { f, d, a: n(0), b: n(1), c: w(0) },
        (Code::Narrow(f), Reg::Word(d)) => Op::Narrow { f, d, a: w(0) },
        (Code::Divide32(f), Reg::Word(d)) => Op::Divide32 { f, d, a: n(0), b: n(1) },
        (Code::Divide64(f), Reg::Wide(d)) => Op::Divide64 { f, d, a: w(0), b: w(1) },
        _ => return Err(format!("{} does not match its destination", s.opcode)),
    });
    Ok(ops)
}

/// Exactly `N` operands.
fn operands<const N: usize>(s: &Statement) -> Result<[&Operand; N], String> {
    let list: Vec<&Operand> = s.operands.iter().collect();
    list.try_into().map_err(|_| format!("expected {N} operands for {}, found {}", s.opcode, s.operands.len()))
}

fn narrow(b: &Builder, operand: &Operand, bits: u32) -> Result<R32, String> {
    match b.destination(operand)? {
        Reg::Half(r) if bits == 16 => Ok(r),
        Reg::Word(r) if bits == 32 => Ok(r),
        _ => Err(format!("expected a destination of {bits} bits")),
    }
}

fn wide(b: &Builder, operand: &Operand) -> Result<R64, String> {
    match b.destination(operand)? {
        Reg::Wide(r) => Ok(r),
        _ => Err("expected a destination of 64 bits".into()),
    }
}

fn pred(b: &Builder, operand: &Operand) -> Result<Pred, String> {
    match operand {
        Operand::Name(name) => b.destination_pred(name),
        other => Err(format!("expected a predicate register, found {other:?}")),
    }
}

fn negatable(b: &mut Builder, operand: &Operand) -> Result<(Pred, bool), String> {
    match operand {
        Operand::Not(name) => Ok((b.destination_pred(name)?, true)),
        other => Ok((b.source_pred(other)?, false)),
    }
}

/// The width in bits of an untyped, integer or floating-point type.
pub(super) fn width(kind: &str) -> Result<u32, String> {
    match kind {
        "b16" | "u16" | "s16" | "f16" => Ok(16),
        "b32" | "u32" | "s32" | "f32" | "f16x2" => Ok(32),
        "b64" | "u64" | "s64" | "f64" => Ok(64),
        _ => Err(format!("unknown type .{kind}")),
    }
}

fn mov(b: &mut Builder, s: &Statement, kind: &str, symbols: &Symbols) -> Ops {
    let [d, a] = operands::<2>(s)?;
    if kind == "pred" {
        return Ok(vec![Op::CopyPred { d: pred(b, d)?, a: b.source_pred(a)? }]);
    }
    let bits = width(kind)?;
    match (d, a) {
        (Operand::Vector(d), a) if kind.starts_with('b') && d.len() == 2 && bits > 16 => {
            let mut registers = [None; 2];
            for (register, operand) in registers.iter_mut().zip(d) {
                if *operand != Operand::Name("_".into()) {
                    *register = Some(narrow(b, operand, bits / 2)?);
                }
            }
            Ok(vec![match bits {
                32 => Op::Unpack32 { d: registers, a: b.source32(a, 32, symbols)? },
                _ => Op::Unpack64 { d: registers, a: b.source64(a, symbols)? },
            }])
        }
        (d, Operand::Vector(a)) if kind.starts_with('b') && a.len() == 2 && bits > 16 => {
            let a = [b.source32(&a[0], bits / 2, symbols)?, b.source32(&a[1], bits / 2, symbols)?];
            Ok(vec![match bits {
                32 => Op::Pack32 { d: narrow(b, d, 32)?, a },
                _ => Op::Pack64 { d: wide(b, d)?, a },
            }])
        }
        _ if bits == 64 => Ok(vec![Op::Copy64 { d: wide(b, d)?, a: b.source64(a, symbols)? }]),
        _ => Ok(vec![Op::Copy32 { d: narrow(b, d, bits)?, a: b.source32(a, bits, symbols)? }]),
    }
}

fn setp(b: &mut Builder, s: &Statement, parts: &[&str], symbols: &Symbols) -> Ops {
    let (comparison, boolean, kind) = match *parts {
        [comparison, kind] => (comparison, None, kind),
        [comparison, boolean, kind] => (comparison, Some(boolean), kind),
        _ => return Err(format!("unknown opcode {}", s.opcode)),
    };
    let unknown = || format!("unknown opcode {}", s.opcode);
    let test = lanes::test(comparison, kind).ok_or_else(unknown)?;
    let combine = match boolean {
        None => operands::<3>(s).map(|_| None)?,
        Some(name) => {
            let with = lanes::combine(name).ok_or_else(unknown)?;
            let (c, negated) = negatable(b, operands::<4>(s)?[3])?;
            Some(Combine { with, c, negated })
        }
    };
    let (d, q) = match &s.operands[0] {
        Operand::Pair(d, q) => (b.destination_pred(d)?, Some(b.destination_pred(q)?)),
        other => (pred(b, other)?, None),
    };
    Ok(vec![match test {
        lanes::Test::Narrow(f, bits) => {
            let (x, y) = (b.source32(&s.operands[1], bits, symbols)?, b.source32(&s.operands[2], bits, symbols)?);
            Op::Test32 { f, d, q, a: x, b: y, combine }
        }
        lanes::Test::Wide(f) => {
            let (x, y) = (b.source64(&s.operands[1], symbols)?, b.source64(&s.operands[2], symbols)?);
            Op::Test64 { f, d, q, a: x, b: y, combine }
        }
    }])
}

fn selp(b: &mut Builder, s: &Statement, kind: &str, symbols: &Symbols) -> Ops {
    let [d, x, y, p] = operands::<4>(s)?;
    let p = b.source_pred(p)?;
    Ok(vec![match width(kind)? {
        64 => Op::Select64 { d: wide(b, d)?, a: b.source64(x, symbols)?, b: b.source64(y, symbols)?, p },
        bits => {
            let (x, y) = (b.source32(x, bits, symbols)?, b.source32(y, bits, symbols)?);
            Op::Select32 { d: narrow(b, d, bits)?, a: x, b: y, p }
        }
    }])
}

fn logic(b: &mut Builder, s: &Statement, op: &str) -> Ops {
    let f: fn(u32, u32) -> u32 = match op {
        "and" => |a, b| a & b,
        "or" => |a, b| a | b,
        "xor" => |a, b| a ^ b,
        _ => |a, _| !a,
    };
    let (d, x, y) = if op == "not" {
        let [d, a] = operands::<2>(s)?;
        (d, a, a)
    } else {
        let [d, a, b] = operands::<3>(s)?;
        (d, a, b)
    };
    Ok(vec![Op::Logic { f, d: pred(b, d)?, a: b.source_pred(x)?, b: b.source_pred(y)? }])
}
