//! Half precision: `cvt` to and from f16 and bf16, one or two per register, and f16 arithmetic.
//!
//! Conversions round to nearest even and keep subnormal numbers; a NaN becomes the canonical one, 0x7fff. Arithmetic is
//! in double precision, which holds sums and products of f16 exactly, and is rounded once.

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::{Code, Entry, narrow};
use crate::ptx::program::L32;

/// Bits of the nearest f16 of each lane.
fn f16s(a: &L32) -> L32 {
    let mut halves = [f16::ZERO; 32];
    halves.convert_from_f32_slice(&a.map(f32::from_bits));
    let mut d = halves.map(|h| u32::from(h.to_bits()));
    for i in 0..32 {
        if f32::from_bits(a[i]).is_nan() {
            d[i] = 0x7fff;
        }
    }
    d
}

/// Each lane's low half, an f16, as bits of an f32.
fn singles(a: &L32) -> L32 {
    let mut wide = [0f32; 32];
    a.map(|x| f16::from_bits(x as u16)).convert_to_f32_slice(&mut wide);
    wide.map(super::float::bits)
}

/// Bits of the nearest bf16.
#[inline(always)]
fn brain(x: u32) -> u32 {
    // The upper half of an f32; ties round to even, and the carry may reach the exponent.
    let rounded = (x.wrapping_add(0x7fff + ((x >> 16) & 1))) >> 16;
    if x & 0x7fff_ffff > 0x7f80_0000 { 0x7fff } else { rounded }
}

/// Negative values become +0, a NaN the canonical NaN.
fn relu(x: u32) -> u32 {
    if x & 0x8000 != 0 { 0 } else { x }
}

fn f16_pair(a: &L32, b: &L32) -> L32 {
    let (high, low) = (f16s(a), f16s(b));
    narrow(&high, &low, &low, |h, l, _| h << 16 | l)
}

fn to_half(code: fn(&L32, &L32, &L32) -> L32) -> Entry {
    Entry { code: Code::Narrow3(code), destination: 16, sources: vec![32], flops: 0 }
}

/// An operation on f16, or on each half of a pair.
macro_rules! f16 {
    ($bits:literal, $count:literal, $f:expr) => {
        Entry::same(
            $bits,
            $count,
            Code::Narrow3(|a, b, c| {
                narrow(a, b, c, |a, b, c| {
                    let low = each($f, a, b, c);
                    if $bits == 16 { low } else { low | each($f, a >> 16, b >> 16, c >> 16) << 16 }
                })
            }),
        )
    };
}

fn each(f: impl Fn(f64, f64, f64) -> f64, a: u32, b: u32, c: u32) -> u32 {
    let [a, b, c] = [a, b, c].map(|x| f16::from_bits(x as u16).to_f64());
    let d = f(a, b, c);
    if d.is_nan() { 0x7fff } else { u32::from(f16::from_f64(d).to_bits()) }
}

fn both(opcode: &str) -> Option<Entry> {
    Some(match opcode {
        "add.f16" | "add.rn.f16" => f16!(16, 2, |a, b, _| a + b),
        "sub.f16" | "sub.rn.f16" => f16!(16, 2, |a, b, _| a - b),
        "mul.f16" | "mul.rn.f16" => f16!(16, 2, |a, b, _| a * b),
        "add.f16x2" | "add.rn.f16x2" => f16!(32, 2, |a, b, _| a + b),
        "sub.f16x2" | "sub.rn.f16x2" => f16!(32, 2, |a, b, _| a - b),
        "mul.f16x2" | "mul.rn.f16x2" => f16!(32, 2, |a, b, _| a * b),
        _ => return None,
    })
}

pub(super) fn entry(opcode: &str) -> Option<Entry> {
    Some(match opcode {
        "cvt.f32.f16" => {
            Entry { code: Code::Narrow3(|a, _, _| singles(a)), destination: 32, sources: vec![16], flops: 0 }
        }
        "cvt.rn.f16.f32" => to_half(|a, _, _| f16s(a)),
        "cvt.rn.relu.f16.f32" => to_half(|a, _, _| f16s(a).map(relu)),
        "cvt.rn.bf16.f32" => to_half(|a, _, _| a.map(brain)),
        "cvt.rn.relu.bf16.f32" => to_half(|a, _, _| a.map(|x| relu(brain(x)))),
        "cvt.rn.f16x2.f32" => Entry::same(32, 2, Code::Narrow3(|a, b, _| f16_pair(a, b))),
        "cvt.rn.relu.f16x2.f32" => {
            Entry::same(32, 2, Code::Narrow3(|a, b, _| f16_pair(a, b).map(|x| relu(x >> 16) << 16 | relu(x & 0xffff))))
        }
        "cvt.rn.bf16x2.f32" => {
            Entry::same(32, 2, Code::Narrow3(|a, b, c| narrow(a, b, c, |a, b, _| brain(a) << 16 | brain(b))))
        }
        "cvt.rn.relu.bf16x2.f32" => Entry::same(
            32,
            2,
            Code::Narrow3(|a, b, c| narrow(a, b, c, |a, b, _| relu(brain(a)) << 16 | relu(brain(b)))),
        ),
        _ => return both(opcode),
    })
}
