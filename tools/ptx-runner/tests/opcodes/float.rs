//! Floats against arithmetic in higher precision.
//!
//! For `+ - * /` and the square root, rounding to f64 and then to f32 equals a single rounding (Figueroa, "When is double
//! rounding innocuous?", 1995). For `fma` it does not, so the oracle first rounds to odd (Boldo and Melquiond, "Emulation of
//! FMA and correctly rounded sums", 2008).

use crate::Ty::{B16, B32, B64, Pred};
use crate::{compare, tuples};

const NAN: u32 = 0x7fff_ffff;

/// Zeros, subnormals, halfway cases, extremes, infinities and NaNs.
fn singles() -> Vec<u64> {
    let values = [
        0.0f32,
        1.0,
        1.5,
        0.1,
        3.0,
        2.5,
        0.5,
        1.0 + f32::EPSILON,
        1.0 - f32::EPSILON / 2.0,
        16_777_216.0,
        16_777_218.0,
        f32::MAX,
        f32::MIN_POSITIVE,
        f32::MIN_POSITIVE / 2.0,
        1e-45,
        1e20,
        1e-20,
        f32::INFINITY,
        123.456,
        5.960_464_5e-8,
    ];
    let both = values.iter().flat_map(|x| [*x, -*x]).map(|x| u64::from(x.to_bits()));
    both.chain([0x7fc0_0001, 0xffc0_0000, 0x7f80_0001]).collect()
}

fn x(v: u64) -> f64 {
    f64::from(f32::from_bits(v as u32))
}

/// A result in single precision: "NaN payloads are not preserved", the result is the canonical NaN.
fn out(value: f64) -> u64 {
    u64::from(if value.is_nan() { NAN } else { (value as f32).to_bits() })
}

fn flush(v: u64) -> u64 {
    let value = f32::from_bits(v as u32);
    if value.is_subnormal() { v & 0x8000_0000 } else { v }
}

/// "Performs addition", rounded to nearest even; "subnormal numbers are supported" unless `.ftz` "flushes subnormal
/// inputs and results to sign-preserving zero".
#[test]
fn arithmetic() {
    let cases = tuples(&[singles(), singles()]);
    for (name, f) in [("add", (|a, b| a + b) as fn(f64, f64) -> f64), ("sub", |a, b| a - b), ("mul", |a, b| a * b)] {
        for opcode in [format!("{name}.f32"), format!("{name}.rn.f32")] {
            compare(&opcode, B32, &[B32, B32], &cases, |v| out(f(x(v[0]), x(v[1]))));
        }
        compare(&format!("{name}.ftz.f32"), B32, &[B32, B32], &cases, |v| {
            flush(out(f(x(flush(v[0])), x(flush(v[1])))))
        });
    }
    for opcode in ["div.rn.f32", "div.full.f32", "div.approx.f32"] {
        compare(opcode, B32, &[B32, B32], &cases, |v| out(x(v[0]) / x(v[1])));
    }
    // 1 + 2^-24 is a tie, which goes to the even 1; 1 + 3 * 2^-24 goes up to 1 + 2^-22.
    let half = f32::EPSILON / 2.0;
    let tie = [1.0f32, half].map(|v| u64::from(v.to_bits())).to_vec();
    compare("add.rn.f32", B32, &[B32, B32], &[tie], |_| 0x3f80_0000);
    let up = [1.0 + f32::EPSILON, half].map(|v| u64::from(v.to_bits())).to_vec();
    compare("add.rn.f32", B32, &[B32, B32], &[up], |_| 0x3f80_0002);
    // ".sat clamps the result to [0.0, 1.0]. NaN results are flushed to +0.0f."
    for (opcode, f) in [("add.sat.f32", (|a, b| a + b) as fn(f64, f64) -> f64), ("mul.sat.f32", |a, b| a * b)] {
        compare(opcode, B32, &[B32, B32], &cases, |v| {
            let sum = f32::from_bits(out(f(x(v[0]), x(v[1]))) as u32);
            u64::from(
                (if sum >= 1.0 {
                    1.0
                } else if sum > 0.0 {
                    sum
                } else {
                    0.0f32
                })
                .to_bits(),
            )
        });
    }
}

/// `a * b + c` rounded once: the product is exact in double precision; the sum is rounded to odd, then to single precision.
fn fused(a: f64, b: f64, c: f64) -> u64 {
    let product = a * b;
    let sum = product + c;
    if !sum.is_finite() || sum == 0.0 {
        return out(sum);
    }
    // Two-sum: sum + error is exact.
    let part = sum - product;
    let error = (product - (sum - part)) + (c - part);
    let mut odd = sum;
    if error != 0.0 && sum.to_bits() & 1 == 0 {
        let away = (error > 0.0) == (sum > 0.0);
        odd = f64::from_bits(if away { sum.to_bits() + 1 } else { sum.to_bits() - 1 });
    }
    out(odd)
}

/// "fma performs ... a*b+c in infinite precision ... rounded to nearest even, no loss of precision in the intermediate".
#[test]
fn multiply_add() {
    let cases = tuples(&[singles(), singles(), singles()]);
    compare("fma.rn.f32", B32, &[B32; 3], &cases, |v| fused(x(v[0]), x(v[1]), x(v[2])));
    compare("fma.rn.ftz.f32", B32, &[B32; 3], &cases, |v| flush(fused(x(flush(v[0])), x(flush(v[1])), x(flush(v[2])))));
    // (1 + 2^-12)^2 - (1 + 2^-11) = 2^-24, which two roundings lose.
    let a = (1.0f32 + 2f32.powi(-12)).to_bits();
    let c = (-1.0f32 - 2f32.powi(-11)).to_bits();
    let case = vec![a.into(), a.into(), c.into()];
    compare("fma.rn.f32", B32, &[B32; 3], &[case], |_| u64::from(2f32.powi(-24).to_bits()));
}

/// "If one of the inputs is NaN, then the result is the other"; both NaN give the canonical NaN; "+0.0 > -0.0".
#[test]
fn minima() {
    let order = |v: u64| {
        let bits = v as u32 as i32;
        if bits < 0 { i32::MIN.wrapping_sub(bits) as i64 * 2 - 1 } else { i64::from(bits) * 2 }
    };
    let nan = |v: u64| x(v).is_nan();
    let cases = tuples(&[singles(), singles()]);
    let pick = |v: &[u64], first: bool| match (nan(v[0]), nan(v[1])) {
        (true, true) => u64::from(NAN),
        (true, false) => v[1],
        (false, true) => v[0],
        _ => {
            if first {
                v[0]
            } else {
                v[1]
            }
        }
    };
    compare("min.f32", B32, &[B32, B32], &cases, |v| pick(v, order(v[0]) <= order(v[1])));
    compare("max.f32", B32, &[B32, B32], &cases, |v| pick(v, order(v[0]) >= order(v[1])));
    // "If the .NaN modifier is specified, the result is canonical NaN if either of the inputs is NaN."
    let or_nan = |v: &[u64], first| if v.iter().any(|&v| nan(v)) { u64::from(NAN) } else { pick(v, first) };
    compare("min.NaN.f32", B32, &[B32, B32], &cases, |v| or_nan(v, order(v[0]) <= order(v[1])));
    compare("max.NaN.f32", B32, &[B32, B32], &cases, |v| or_nan(v, order(v[0]) >= order(v[1])));
}

#[test]
fn signs() {
    let cases = tuples(&[singles()]);
    let numbers: Vec<_> = cases.iter().filter(|v| !x(v[0]).is_nan()).cloned().collect();
    compare("abs.f32", B32, &[B32], &numbers, |v| v[0] & 0x7fff_ffff);
    compare("neg.f32", B32, &[B32], &numbers, |v| v[0] ^ 0x8000_0000);
    // "Copies the sign bit of a into b"
    compare("copysign.f32", B32, &[B32, B32], &tuples(&[singles(), singles()]), |v| {
        v[0] & 0x8000_0000 | v[1] & 0x7fff_ffff
    });
}

/// Reciprocals and roots: with `.rn`, correctly rounded; approximate ones within the error bounds of the PTX ISA, with its
/// special values: `rcp.approx` +0 -> +Inf, -0 -> -Inf; `rsqrt.approx` -0 -> -Inf, negative -> NaN; `ex2.approx` -Inf -> +0,
/// +-0 -> 1; `lg2.approx` +-0 -> -Inf, negative -> NaN.
#[test]
fn functions() {
    let cases = tuples(&[singles()]);
    for opcode in ["rcp.rn.f32", "rcp.approx.f32"] {
        compare(opcode, B32, &[B32], &cases, |v| out(1.0 / x(v[0])));
    }
    for opcode in ["sqrt.rn.f32", "sqrt.approx.f32"] {
        compare(opcode, B32, &[B32], &cases, |v| out(x(v[0]).sqrt()));
    }
    let near = |opcode: &str, f: fn(f64) -> f64, within: f64| {
        for (case, found) in cases.iter().zip(crate::each(opcode, B32, &[B32], &cases)) {
            let (found, expected) = (x(found), f(x(case[0])));
            let same = found == expected || found.is_nan() && expected.is_nan();
            let small = expected.abs() < f64::from(f32::MIN_POSITIVE) && found.abs() <= f64::from(f32::MIN_POSITIVE);
            let large = expected.abs() > f64::from(f32::MAX) && found == f64::INFINITY.copysign(expected);
            let close = ((found - expected) / expected).abs() <= within;
            assert!(same || close || small || large, "{opcode} of {case:x?}: {found}, expected {expected}");
        }
    };
    let root = |x: f64| if x == 0.0 { f64::INFINITY.copysign(x) } else { 1.0 / x.sqrt() };
    near("rsqrt.approx.f32", root, 2f64.powf(-22.9));
    near(
        "rsqrt.approx.ftz.f32",
        |x| if x.abs() < f64::from(f32::MIN_POSITIVE) { f64::INFINITY.copysign(x) } else { 1.0 / x.sqrt() },
        2f64.powf(-22.9),
    );
    near("ex2.approx.f32", |x| 2f64.powf(x), 2f64.powi(-22));
    near("lg2.approx.f32", |x| x.ln() / 2f64.ln(), 2f64.powi(-22));
    near(
        "tanh.approx.f32",
        |x| {
            if x.abs() > 20.0 {
                x.signum()
            } else if x.abs() < 1e-4 {
                x
            } else {
                (x.exp() - (-x).exp()) / (x.exp() + (-x).exp())
            }
        },
        2f64.powi(-11),
    );
    let zero = vec![vec![0x8000_0000]];
    compare("rcp.approx.f32", B32, &[B32], &zero, |_| 0xff80_0000);
    compare("rsqrt.approx.f32", B32, &[B32], &zero, |_| 0xff80_0000);
    compare("ex2.approx.f32", B32, &[B32], &zero, |_| 0x3f80_0000);
    compare("lg2.approx.f32", B32, &[B32], &zero, |_| 0xff80_0000);
    let angles = tuples(&[[0.0f32, 0.5, 1.0, -2.0, 3.0].map(|v| u64::from(v.to_bits())).to_vec()]);
    for (opcode, f) in [("sin.approx.f32", f64::sin as fn(f64) -> f64), ("cos.approx.f32", f64::cos)] {
        for (case, found) in angles.iter().zip(crate::each(opcode, B32, &[B32], &angles)) {
            // "max absolute error 2^-20.5 in the range [-pi, pi]"
            assert!((x(found) - f(x(case[0]))).abs() < 2f64.powf(-20.5), "{opcode}");
        }
    }
}

/// The comparisons of floats: without `u` "if either operand is NaN, the result is false", with it true; `num` and `nan`
/// test for NaN.
#[test]
fn comparisons() {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let list: [(&str, &[std::cmp::Ordering]); 6] = [
        ("eq", &[Equal]),
        ("ne", &[Less, Greater]),
        ("lt", &[Less]),
        ("le", &[Less, Equal]),
        ("gt", &[Greater]),
        ("ge", &[Greater, Equal]),
    ];
    let doubles: Vec<u64> = singles().iter().map(|v| x(*v).to_bits()).collect();
    let (narrow, wide) = (tuples(&[singles(), singles()]), tuples(&[doubles.clone(), doubles]));
    let y = f64::from_bits;
    for (name, allowed) in list {
        for (suffix, of_nan) in [("", false), ("u", true)] {
            let holds = |a: f64, b: f64| u64::from(a.partial_cmp(&b).map_or(of_nan, |o| allowed.contains(&o)));
            compare(&format!("setp.{name}{suffix}.f32"), Pred, &[B32, B32], &narrow, |v| holds(x(v[0]), x(v[1])));
            compare(&format!("setp.{name}{suffix}.f64"), Pred, &[B64, B64], &wide, |v| holds(y(v[0]), y(v[1])));
        }
    }
    let nan = |a: f64, b: f64| u64::from(a.partial_cmp(&b).is_none());
    compare("setp.nan.f32", Pred, &[B32, B32], &narrow, |v| nan(x(v[0]), x(v[1])));
    compare("setp.num.f32", Pred, &[B32, B32], &narrow, |v| 1 - nan(x(v[0]), x(v[1])));
    compare("setp.nan.f64", Pred, &[B64, B64], &wide, |v| nan(y(v[0]), y(v[1])));
    compare("setp.num.f64", Pred, &[B64, B64], &wide, |v| 1 - nan(y(v[0]), y(v[1])));
}

/// Double precision, on numbers with exact or known results.
#[test]
fn doubles() {
    let d = |opcode: &str, list: &[(&[f64], f64)]| {
        let cases: Vec<_> = list.iter().map(|(v, _)| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>()).collect();
        let types = vec![B64; cases[0].len()];
        let found = crate::each(opcode, B64, &types, &cases);
        for ((v, expected), found) in list.iter().zip(found) {
            let found = f64::from_bits(found);
            let same = found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan();
            assert!(same, "{opcode} of {v:?}: {found}, expected {expected}");
        }
    };
    let e = f64::EPSILON;
    for rn in ["", ".rn"] {
        d(
            &format!("add{rn}.f64"),
            &[(&[1.0, e / 2.0], 1.0), (&[1.0 + e, e / 2.0], 1.0 + 2.0 * e), (&[0.5, 0.25], 0.75)],
        );
        d(&format!("sub{rn}.f64"), &[(&[1.0, 0.75], 0.25), (&[1.0, e / 4.0], 1.0), (&[0.0, 0.0], 0.0)]);
        d(&format!("mul{rn}.f64"), &[(&[1.5, -1.5], -2.25), (&[1e308, 10.0], f64::INFINITY), (&[5e-324, 0.5], 0.0)]);
    }
    // (1 + e)^2 - (1 + 2 e) = e^2
    d("fma.rn.f64", &[(&[1.0 + e, 1.0 + e, -1.0 - 2.0 * e], e * e), (&[2.0, 3.0, 4.0], 10.0)]);
    d(
        "div.rn.f64",
        &[(&[1.0, 3.0], 0.333_333_333_333_333_3), (&[1.0, -0.0], f64::NEG_INFINITY), (&[0.0, 0.0], f64::NAN)],
    );
    d("rcp.rn.f64", &[(&[8.0], 0.125), (&[-0.0], f64::NEG_INFINITY)]);
    d("sqrt.rn.f64", &[(&[2.0], std::f64::consts::SQRT_2), (&[-1.0], f64::NAN), (&[-0.0], -0.0), (&[2.25], 1.5)]);
    d("min.f64", &[(&[1.0, f64::NAN], 1.0), (&[f64::NAN, 2.0], 2.0), (&[0.0, -0.0], -0.0), (&[-3.0, 2.0], -3.0)]);
    d("max.f64", &[(&[1.0, f64::NAN], 1.0), (&[f64::NAN, 2.0], 2.0), (&[-0.0, 0.0], 0.0), (&[-3.0, 2.0], 2.0)]);
    d("abs.f64", &[(&[-1.25], 1.25), (&[-0.0], 0.0)]);
    d("neg.f64", &[(&[1.25], -1.25), (&[0.0], -0.0)]);
}

/// The value of an f16, from its fields.
pub(crate) fn half(v: u64) -> f64 {
    let (sign, exponent, fraction) = (v >> 15 & 1, (v >> 10 & 31) as i32, (v & 1023) as f64);
    let size = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        e => (1.0 + fraction / 1024.0) * 2f64.powi(e - 15),
    };
    if sign == 1 { -size } else { size }
}

/// The nearest f16 by search, ties to even; overflow from 65520 on.
pub(crate) fn nearest_half(value: f64) -> u64 {
    if value.is_nan() {
        return 0x7fff;
    }
    let sign = if value.is_sign_negative() { 0x8000 } else { 0 };
    let size = value.abs();
    if size >= 65520.0 {
        return sign | 0x7c00;
    }
    // The last of the sorted f16 values that is not above the value, and the next.
    let mut below = 0u64;
    for bit in (0..15).rev() {
        let next = below | 1 << bit;
        if next <= 0x7bff && half(next) <= size {
            below = next;
        }
    }
    if below == 0x7bff {
        return sign | below;
    }
    let (low, high) = (size - half(below), half(below + 1) - size);
    sign | if low < high || low == high && below.is_multiple_of(2) { below } else { below + 1 }
}

/// f16 arithmetic: the exact result rounded once, separately for each half of a pair.
#[test]
fn halves() {
    let values = [
        0x0000u64, 0x8000, 0x3c00, 0xbc00, 0x3c01, 0x0001, 0x83ff, 0x0400, 0x7bff, 0x7c00, 0xfc00, 0x7e00, 0x3555,
        0x5640,
    ];
    let cases = tuples(&[values.to_vec(), values.to_vec()]);
    for (name, f) in [("add", (|a, b| a + b) as fn(f64, f64) -> f64), ("sub", |a, b| a - b), ("mul", |a, b| a * b)] {
        let exact = |a: u64, b: u64| nearest_half(f(half(a & 0xffff), half(b & 0xffff)));
        for rn in ["", ".rn"] {
            compare(&format!("{name}{rn}.f16"), B16, &[B16, B16], &cases, |v| exact(v[0], v[1]));
            let pairs: Vec<_> = cases.iter().map(|v| vec![v[0] << 16 | v[1], v[1] << 16 | 0x3c00]).collect();
            compare(&format!("{name}{rn}.f16x2"), B32, &[B32, B32], &pairs, |v| {
                exact(v[0] >> 16, v[1] >> 16) << 16 | exact(v[0], v[1])
            });
        }
    }
}
