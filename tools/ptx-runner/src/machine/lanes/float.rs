//! Single and double precision. All arithmetic rounds to nearest even, with or without the modifier `.rn`; other roundings
//! are unknown opcodes. A NaN result in single precision is the canonical one, 0x7fffffff.
//!
//! The approximate functions are computed in double precision and rounded, more accurately than the PTX ISA requires.

use super::{Code, Entry, narrow, wide};
use crate::ptx::program::L32;

/// Canonical NaN of single precision.
pub(crate) const NAN: u32 = 0x7fff_ffff;

/// A result as bits, with the canonical NaN.
#[inline(always)]
pub(super) fn bits(x: f32) -> u32 {
    if x.is_nan() { NAN } else { x.to_bits() }
}

/// Subnormal numbers become zeros of the same sign: `.ftz`.
#[inline(always)]
fn flush(x: f32) -> f32 {
    if x.abs() < f32::MIN_POSITIVE { f32::from_bits(x.to_bits() & 0x8000_0000) } else { x }
}

/// A single-precision function, plain or with `.ftz`, with `flops` per lane.
macro_rules! f {
    ($ftz:expr, $count:literal, $flops:literal, $f:expr) => {{
        let plain = Code::Narrow3(|a, b, c| {
            narrow(a, b, c, |a, b, c| bits(call($f, f32::from_bits(a), f32::from_bits(b), f32::from_bits(c))))
        });
        let flushed = Code::Narrow3(|a, b, c| {
            narrow(a, b, c, |a, b, c| {
                let [a, b, c] = [a, b, c].map(|x| flush(f32::from_bits(x)));
                bits(flush(call($f, a, b, c)))
            })
        });
        Entry { flops: $flops, ..Entry::same(32, $count, if $ftz { flushed } else { plain }) }
    }};
}

#[inline(always)]
fn call(f: impl Fn(f32, f32, f32) -> f32, a: f32, b: f32, c: f32) -> f32 {
    f(a, b, c)
}

/// A double-precision function.
macro_rules! d {
    ($count:literal, $f:expr) => {
        Entry::same(
            64,
            $count,
            Code::Wide3(|a, b, c| {
                wide(a, b, c, |a, b, c| call64($f, f64::from_bits(a), f64::from_bits(b), f64::from_bits(c)).to_bits())
            }),
        )
    };
}

#[inline(always)]
fn call64(f: impl Fn(f64, f64, f64) -> f64, a: f64, b: f64, c: f64) -> f64 {
    f(a, b, c)
}

/// Approximations are computed in double precision.
#[inline(always)]
fn through(x: f32, f: impl Fn(f64) -> f64) -> f32 {
    f(f64::from(x)) as f32
}

/// The minimum; for a number and a NaN the number; -0 is less than +0.
#[inline(always)]
fn min32(a: f32, b: f32) -> f32 {
    if a.is_nan() {
        b
    } else if b.is_nan() {
        a
    } else if a == b {
        f32::from_bits(a.to_bits() | b.to_bits())
    } else if a < b {
        a
    } else {
        b
    }
}

#[inline(always)]
fn max32(a: f32, b: f32) -> f32 {
    -min32(-a, -b)
}

/// The canonical NaN if either operand is a NaN.
#[inline(always)]
fn nan_or(a: f32, b: f32, f: impl Fn(f32, f32) -> f32) -> f32 {
    if a.is_nan() || b.is_nan() { f32::from_bits(0x7fff_ffff) } else { f(a, b) }
}

fn min64(a: f64, b: f64) -> f64 {
    if a.is_nan() {
        b
    } else if b.is_nan() {
        a
    } else if a == b {
        f64::from_bits(a.to_bits() | b.to_bits())
    } else if a < b {
        a
    } else {
        b
    }
}

pub(super) fn entry(opcode: &str) -> Option<Entry> {
    single(opcode).or_else(|| double(opcode))
}

fn single(opcode: &str) -> Option<Entry> {
    let ftz = opcode.contains(".ftz");
    let without = opcode.replacen(".ftz", "", 1);
    Some(match without.as_str() {
        "add.f32" | "add.rn.f32" => f!(ftz, 2, 1, |a, b, _| a + b),
        "sub.f32" | "sub.rn.f32" => f!(ftz, 2, 1, |a, b, _| a - b),
        "mul.f32" | "mul.rn.f32" => f!(ftz, 2, 1, |a, b, _| a * b),
        "add.sat.f32" | "add.rn.sat.f32" => f!(ftz, 2, 1, |a, b, _| saturate(a + b)),
        "mul.sat.f32" | "mul.rn.sat.f32" => f!(ftz, 2, 1, |a, b, _| saturate(a * b)),
        "fma.rn.f32" if !ftz => Entry { flops: 2, ..Entry::same(32, 3, Code::Narrow3(fused())) },
        "fma.rn.f32" => f!(ftz, 3, 2, |a, b, c| a.mul_add(b, c)),
        "div.rn.f32" | "div.approx.f32" | "div.full.f32" => f!(ftz, 2, 1, |a, b, _| a / b),
        "rcp.rn.f32" | "rcp.approx.f32" => f!(ftz, 1, 1, |a, _, _| 1.0 / a),
        "sqrt.rn.f32" | "sqrt.approx.f32" => f!(ftz, 1, 1, |a, _, _| a.sqrt()),
        "rsqrt.approx.f32" => f!(ftz, 1, 1, |a, _, _| through(a, |x| if x == 0.0 { 1.0 / x } else { 1.0 / x.sqrt() })),
        "ex2.approx.f32" => f!(ftz, 1, 1, |a, _, _| through(a, f64::exp2)),
        "lg2.approx.f32" => f!(ftz, 1, 1, |a, _, _| through(a, f64::log2)),
        "sin.approx.f32" => f!(ftz, 1, 1, |a, _, _| through(a, f64::sin)),
        "cos.approx.f32" => f!(ftz, 1, 1, |a, _, _| through(a, f64::cos)),
        "tanh.approx.f32" if !ftz => f!(false, 1, 1, |a, _, _| through(a, f64::tanh)),
        "min.f32" => f!(ftz, 2, 1, |a, b, _| min32(a, b)),
        "max.f32" => f!(ftz, 2, 1, |a, b, _| max32(a, b)),
        "min.NaN.f32" => f!(ftz, 2, 1, |a, b, _| nan_or(a, b, min32)),
        "max.NaN.f32" => f!(ftz, 2, 1, |a, b, _| nan_or(a, b, max32)),
        "abs.f32" => f!(ftz, 1, 0, |a, _, _| a.abs()),
        "neg.f32" => f!(ftz, 1, 0, |a, _, _| -a),
        // Copies the sign bit of the first onto the second.
        "copysign.f32" if !ftz => {
            Entry::same(32, 2, Code::Narrow3(|a, b, c| narrow(a, b, c, |a, b, _| (a & 1 << 31) | (b & !(1 << 31)))))
        }
        _ => return None,
    })
}

/// Clamps to [0, 1]; a NaN becomes +0.
#[inline(always)]
pub(super) fn saturate(x: f32) -> f32 {
    if x > 0.0 { if x < 1.0 { x } else { 1.0 } } else { 0.0 }
}

fn double(opcode: &str) -> Option<Entry> {
    Some(match opcode {
        "add.f64" | "add.rn.f64" => d!(2, |a, b, _| a + b),
        "sub.f64" | "sub.rn.f64" => d!(2, |a, b, _| a - b),
        "mul.f64" | "mul.rn.f64" => d!(2, |a, b, _| a * b),
        "fma.rn.f64" => d!(3, |a, b, c| a.mul_add(b, c)),
        "div.rn.f64" => d!(2, |a, b, _| a / b),
        "rcp.rn.f64" => d!(1, |a, _, _| 1.0 / a),
        "sqrt.rn.f64" => d!(1, |a, _, _| a.sqrt()),
        "min.f64" => d!(2, |a, b, _| min64(a, b)),
        "max.f64" => d!(2, |a, b, _| -min64(-a, -b)),
        "abs.f64" => d!(1, |a, _, _| a.abs()),
        "neg.f64" => d!(1, |a, _, _| -a),
        _ => return None,
    })
}

/// `fma.rn.f32`, by the processor's instruction if available.
fn fused() -> fn(&L32, &L32, &L32) -> L32 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("fma") && is_x86_feature_detected!("avx2") {
        #[target_feature(enable = "avx2,fma")]
        fn lanes(a: &L32, b: &L32, c: &L32) -> L32 {
            let mut d = [0; 32];
            for i in 0..32 {
                d[i] = bits(f32::from_bits(a[i]).mul_add(f32::from_bits(b[i]), f32::from_bits(c[i])));
            }
            d
        }
        // SAFETY: the processor has AVX2 and FMA, as checked when the kernel was decoded.
        return |a, b, c| unsafe { lanes(a, b, c) };
    }
    |a, b, c| narrow(a, b, c, |a, b, c| bits(f32::from_bits(a).mul_add(f32::from_bits(b), f32::from_bits(c))))
}
