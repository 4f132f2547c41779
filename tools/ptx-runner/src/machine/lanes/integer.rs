//! Integer arithmetic, logic and shifts.

use super::{Code, Entry, narrow, shrink, wide, widen};

/// `narrow!(bits, sources, |a, b, c| ..)`: a function of registers of 16 or 32 bits.
macro_rules! n {
    ($bits:literal, $count:literal, $f:expr) => {
        Entry::same($bits, $count, Code::Narrow3(|a, b, c| narrow(a, b, c, $f)))
    };
}

/// A function of registers of 64 bits.
macro_rules! w {
    ($count:literal, $f:expr) => {
        Entry::same(64, $count, Code::Wide3(|a, b, c| wide(a, b, c, $f)))
    };
}

/// A function with a wide result; the wide source is the last argument of `$f`, wherever it is written.
macro_rules! mixed {
    ($sources:expr, $f:expr) => {
        Entry { code: Code::Widen(|a, b, c| widen(a, b, c, $f)), destination: 64, sources: $sources.to_vec(), flops: 0 }
    };
}

/// A division; the machine checks the divisor first.
macro_rules! divide32 {
    ($f:expr) => {
        Entry::same(32, 2, Code::Divide32(|a, b, c| narrow(a, b, c, $f)))
    };
}

macro_rules! divide64 {
    ($f:expr) => {
        Entry::same(64, 2, Code::Divide64(|a, b, c| wide(a, b, c, $f)))
    };
}

const HALF: u32 = 0xffff;

/// The 16 bits of a register as a signed number.
fn s16(x: u32) -> i32 {
    i32::from(x as u16 as i16)
}

pub(super) fn entry(opcode: &str) -> Option<Entry> {
    words(opcode).or_else(|| halves(opcode)).or_else(|| wides(opcode)).or_else(|| fields(opcode))
}

/// 32 bits.
fn words(opcode: &str) -> Option<Entry> {
    Some(match opcode {
        "add.u32" | "add.s32" => n!(32, 2, |a, b, _| a.wrapping_add(b)),
        "sub.u32" | "sub.s32" => n!(32, 2, |a, b, _| a.wrapping_sub(b)),
        "mul.lo.u32" | "mul.lo.s32" => n!(32, 2, |a, b, _| a.wrapping_mul(b)),
        "mul.hi.u32" => n!(32, 2, |a, b, _| ((u64::from(a) * u64::from(b)) >> 32) as u32),
        "mul.hi.s32" => n!(32, 2, |a, b, _| ((i64::from(a as i32) * i64::from(b as i32)) >> 32) as u32),
        "mad.lo.u32" | "mad.lo.s32" => n!(32, 3, |a, b, c| a.wrapping_mul(b).wrapping_add(c)),
        "mad.hi.u32" => n!(32, 3, |a, b, c| (((u64::from(a) * u64::from(b)) >> 32) as u32).wrapping_add(c)),
        "neg.s32" => n!(32, 1, |a, _, _| a.wrapping_neg()),
        "abs.s32" => n!(32, 1, |a, _, _| (a as i32).wrapping_abs() as u32),
        "min.u32" => n!(32, 2, |a, b, _| a.min(b)),
        "max.u32" => n!(32, 2, |a, b, _| a.max(b)),
        "min.s32" => n!(32, 2, |a, b, _| (a as i32).min(b as i32) as u32),
        "max.s32" => n!(32, 2, |a, b, _| (a as i32).max(b as i32) as u32),
        "and.b32" => n!(32, 2, |a, b, _| a & b),
        "or.b32" => n!(32, 2, |a, b, _| a | b),
        "xor.b32" => n!(32, 2, |a, b, _| a ^ b),
        "not.b32" => n!(32, 1, |a, _, _| !a),
        "shl.b32" => n!(32, 2, |a, b, _| if b > 31 { 0 } else { a << (b & 31) }),
        "shr.u32" | "shr.b32" => n!(32, 2, |a, b, _| if b > 31 { 0 } else { a >> (b & 31) }),
        "shr.s32" => n!(32, 2, |a, b, _| ((a as i32) >> b.min(31)) as u32),
        "shf.l.wrap.b32" => n!(32, 3, |a, b, c| ((join(a, b) << (c & 31)) >> 32) as u32),
        "shf.r.wrap.b32" => n!(32, 3, |a, b, c| (join(a, b) >> (c & 31)) as u32),
        "shf.l.clamp.b32" => n!(32, 3, |a, b, c| ((join(a, b) << c.min(32)) >> 32) as u32),
        "shf.r.clamp.b32" => n!(32, 3, |a, b, c| (join(a, b) >> c.min(32)) as u32),
        "popc.b32" => n!(32, 1, |a, _, _| a.count_ones()),
        "clz.b32" => n!(32, 1, |a, _, _| a.leading_zeros()),
        "brev.b32" => n!(32, 1, |a, _, _| a.reverse_bits()),
        "bfind.u32" => n!(32, 1, |a, _, _| 31u32.wrapping_sub(a.leading_zeros())),
        "prmt.b32" => n!(32, 3, permute),
        "div.u32" => divide32!(|a, b, _| a.checked_div(b).unwrap_or(0)),
        "rem.u32" => divide32!(|a, b, _| a.checked_rem(b).unwrap_or(0)),
        "div.s32" => divide32!(|a, b, _| if b == 0 { 0 } else { (a as i32).wrapping_div(b as i32) as u32 }),
        "rem.s32" => divide32!(|a, b, _| if b == 0 { 0 } else { (a as i32).wrapping_rem(b as i32) as u32 }),
        _ => return None,
    })
}

/// `b:a`, with the high word second, as in `shf`.
fn join(a: u32, b: u32) -> u64 {
    u64::from(b) << 32 | u64::from(a)
}

/// 16 bits, zero-extended in their registers.
fn halves(opcode: &str) -> Option<Entry> {
    Some(match opcode {
        "add.u16" | "add.s16" => n!(16, 2, |a, b, _| a.wrapping_add(b) & HALF),
        "sub.u16" | "sub.s16" => n!(16, 2, |a, b, _| a.wrapping_sub(b) & HALF),
        "mul.lo.u16" | "mul.lo.s16" => n!(16, 2, |a, b, _| a.wrapping_mul(b) & HALF),
        "mul.hi.u16" => n!(16, 2, |a, b, _| a.wrapping_mul(b) >> 16),
        "mul.hi.s16" => n!(16, 2, |a, b, _| (s16(a).wrapping_mul(s16(b)) >> 16) as u32 & HALF),
        "mad.lo.u16" | "mad.lo.s16" => n!(16, 3, |a, b, c| a.wrapping_mul(b).wrapping_add(c) & HALF),
        "neg.s16" => n!(16, 1, |a, _, _| a.wrapping_neg() & HALF),
        "abs.s16" => n!(16, 1, |a, _, _| s16(a).wrapping_abs() as u32 & HALF),
        "min.u16" => n!(16, 2, |a, b, _| a.min(b)),
        "max.u16" => n!(16, 2, |a, b, _| a.max(b)),
        "min.s16" => n!(16, 2, |a, b, _| s16(a).min(s16(b)) as u32 & HALF),
        "max.s16" => n!(16, 2, |a, b, _| s16(a).max(s16(b)) as u32 & HALF),
        "and.b16" => n!(16, 2, |a, b, _| a & b),
        "or.b16" => n!(16, 2, |a, b, _| a | b),
        "xor.b16" => n!(16, 2, |a, b, _| a ^ b),
        "not.b16" => n!(16, 1, |a, _, _| !a & HALF),
        "shl.b16" => {
            Entry { sources: vec![16, 32], ..n!(16, 2, |a, b, _| if b > 15 { 0 } else { (a << (b & 15)) & HALF }) }
        }
        "shr.u16" | "shr.b16" => {
            Entry { sources: vec![16, 32], ..n!(16, 2, |a, b, _| if b > 15 { 0 } else { a >> (b & 15) }) }
        }
        "shr.s16" => Entry { sources: vec![16, 32], ..n!(16, 2, |a, b, _| (s16(a) >> b.min(15)) as u32 & HALF) },
        "mul.wide.u16" => Entry { sources: vec![16, 16], ..n!(32, 2, |a, b, _| a.wrapping_mul(b)) },
        "mul.wide.s16" => Entry { sources: vec![16, 16], ..n!(32, 2, |a, b, _| s16(a).wrapping_mul(s16(b)) as u32) },
        _ => return None,
    })
}

/// 64 bits.
fn wides(opcode: &str) -> Option<Entry> {
    Some(match opcode {
        "add.u64" | "add.s64" => w!(2, |a, b, _| a.wrapping_add(b)),
        "sub.u64" | "sub.s64" => w!(2, |a, b, _| a.wrapping_sub(b)),
        "mul.lo.u64" | "mul.lo.s64" => w!(2, |a, b, _| a.wrapping_mul(b)),
        "mul.hi.u64" => w!(2, |a, b, _| ((u128::from(a) * u128::from(b)) >> 64) as u64),
        "mul.hi.s64" => w!(2, |a, b, _| ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64),
        "mad.lo.u64" | "mad.lo.s64" => w!(3, |a, b, c| a.wrapping_mul(b).wrapping_add(c)),
        "neg.s64" => w!(1, |a, _, _| a.wrapping_neg()),
        "abs.s64" => w!(1, |a, _, _| (a as i64).wrapping_abs() as u64),
        "min.u64" => w!(2, |a, b, _| a.min(b)),
        "max.u64" => w!(2, |a, b, _| a.max(b)),
        "min.s64" => w!(2, |a, b, _| (a as i64).min(b as i64) as u64),
        "max.s64" => w!(2, |a, b, _| (a as i64).max(b as i64) as u64),
        "and.b64" => w!(2, |a, b, _| a & b),
        "or.b64" => w!(2, |a, b, _| a | b),
        "xor.b64" => w!(2, |a, b, _| a ^ b),
        "not.b64" => w!(1, |a, _, _| !a),
        "brev.b64" => w!(1, |a, _, _| a.reverse_bits()),
        "shl.b64" => mixed!([64, 32], |b, _, a| if b > 63 { 0 } else { a << (b & 63) }),
        "shr.u64" | "shr.b64" => mixed!([64, 32], |b, _, a| if b > 63 { 0 } else { a >> (b & 63) }),
        "shr.s64" => mixed!([64, 32], |b, _, a| ((a as i64) >> b.min(63)) as u64),
        "mul.wide.u32" => mixed!([32, 32], |a, b, _| u64::from(a) * u64::from(b)),
        "mul.wide.s32" => mixed!([32, 32], |a, b, _| (i64::from(a as i32) * i64::from(b as i32)) as u64),
        "mad.wide.u32" => mixed!([32, 32, 64], |a, b, c| (u64::from(a) * u64::from(b)).wrapping_add(c)),
        "mad.wide.s32" => {
            mixed!([32, 32, 64], |a, b, c| ((i64::from(a as i32) * i64::from(b as i32)) as u64).wrapping_add(c))
        }
        "popc.b64" => shrunk(Code::Narrow(|a| shrink(a, u64::count_ones))),
        "clz.b64" => shrunk(Code::Narrow(|a| shrink(a, u64::leading_zeros))),
        "div.u64" => divide64!(|a, b, _| a.checked_div(b).unwrap_or(0)),
        "rem.u64" => divide64!(|a, b, _| a.checked_rem(b).unwrap_or(0)),
        "div.s64" => divide64!(|a, b, _| if b == 0 { 0 } else { (a as i64).wrapping_div(b as i64) as u64 }),
        "rem.s64" => divide64!(|a, b, _| if b == 0 { 0 } else { (a as i64).wrapping_rem(b as i64) as u64 }),
        _ => return None,
    })
}

fn shrunk(code: Code) -> Entry {
    Entry { code, destination: 32, sources: vec![64], flops: 0 }
}

/// Bit fields. Position and length count modulo 256; a field may reach past the register's end.
fn fields(opcode: &str) -> Option<Entry> {
    Some(match opcode {
        "bfe.u32" => n!(32, 3, |a, pos, len| {
            let (pos, len) = (pos & 255, len & 255);
            let shifted = if pos > 31 { 0 } else { a >> (pos & 31) };
            if len > 31 { shifted } else { shifted & !(u32::MAX << (len & 31)) }
        }),
        "bfe.s32" => n!(32, 3, |a, pos, len| {
            let (pos, len) = (pos & 255, len & 255);
            // The field's sign is its top bit, or the register's if the field extends beyond the register.
            if len == 0 {
                return 0;
            }
            let sign = (a >> (pos + len - 1).min(31)) & 1;
            let field = if pos > 31 { 0 } else { a >> (pos & 31) };
            // The bits of the field within the register.
            let within = len.min(32u32.saturating_sub(pos));
            let low = if within > 31 { u32::MAX } else { !(u32::MAX << within) };
            (field & low) | if sign == 1 { !low } else { 0 }
        }),
        _ => return None,
    })
}

/// `prmt`: each nibble of the selector selects one of eight bytes, or replicates its sign.
fn permute(a: u32, b: u32, selector: u32) -> u32 {
    let bytes = join(a, b);
    let mut d = 0;
    for i in 0..4 {
        let pick = (selector >> (4 * i)) & 15;
        let byte = (bytes >> (8 * (pick & 7))) as u8;
        let byte = if pick & 8 != 0 { if byte & 0x80 != 0 { 0xff } else { 0 } } else { byte };
        d |= u32::from(byte) << (8 * i);
    }
    d
}
