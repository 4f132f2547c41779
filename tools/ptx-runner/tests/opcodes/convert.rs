//! `cvt`, `mov` and `cvta`.

use crate::Ty::{B16, B32, B64};
use crate::float::{half, nearest_half};
use crate::{Ty, check, compare, integers, tuples};

/// Integer types: name, bits, signed, register.
const INTEGERS: [(&str, u32, bool, Ty); 8] = [
    ("u8", 8, false, B16),
    ("s8", 8, true, B16),
    ("u16", 16, false, B16),
    ("s16", 16, true, B16),
    ("u32", 32, false, B32),
    ("s32", 32, true, B32),
    ("u64", 64, false, B64),
    ("s64", 64, true, B64),
];

fn width(ty: Ty) -> u32 {
    match ty {
        B16 => 16,
        B32 => 32,
        _ => 64,
    }
}

/// The low bits of a register as a value of the type.
fn value(x: u64, bits: u32, signed: bool) -> i128 {
    let low = x & u64::MAX >> (64 - bits);
    if signed && low >> (bits - 1) == 1 { i128::from(low) - (1 << bits) } else { low.into() }
}

/// "Convert between types": integers are "chopped" or extended by the source's sign; the destination register is
/// extended by the destination's.
#[test]
fn among_integers() {
    for (d, d_bits, d_signed, d_ty) in INTEGERS {
        for (a, a_bits, a_signed, a_ty) in INTEGERS {
            check(&format!("cvt.{d}.{a}"), d_ty, &[a_ty], |v| {
                let chopped = value(value(v[0], a_bits, a_signed) as u64, d_bits, d_signed);
                chopped as u64 & u64::MAX >> (64 - width(d_ty))
            });
        }
    }
    // "A source register wider than the specified type may be used": how clang extends a byte in place.
    check("cvt.s32.s8", B32, &[B32], |v| value(v[0], 8, true) as u64 & 0xffff_ffff);
    check("cvt.s64.s8", B64, &[B64], |v| value(v[0], 8, true) as u64);
    check("cvt.s64.s32", B64, &[B64], |v| value(v[0], 32, true) as u64);
    check("cvt.s32.s16", B32, &[B32], |v| value(v[0], 16, true) as u64 & 0xffff_ffff);
}

/// Floats at the limits of every integer type.
fn reals() -> Vec<f64> {
    let edges = [0.0, 0.5, 1.5, 2.5, 0.75, 1.25, 127.5, 128.0, 255.5, 256.0, 32767.5, 65535.5, 65536.0, 1e-40, 1e9];
    let large = [8, 16, 31, 32, 63, 64].map(|n| 2f64.powi(n));
    let all = edges.into_iter().chain(large).chain(large.map(|v| v * (1.0 - 2f64.powi(-24)))).chain([f64::INFINITY]);
    all.flat_map(|v| [v, -v]).collect()
}

/// The rounding modifiers: `.rni` "to nearest integer, choosing even integer if source is equidistant", `.rzi` "in the
/// direction of zero", `.rmi` "of negative infinity", `.rpi` "of positive infinity".
fn rounded(mode: &str, x: f64) -> f64 {
    if x.abs() >= 2f64.powi(53) {
        return x;
    }
    let floor = (x.abs() as u64) as f64 * x.signum();
    let floor = if floor > x { floor - 1.0 } else { floor };
    let rest = x - floor;
    let up = match mode {
        "rmi" => false,
        "rpi" => rest > 0.0,
        "rzi" => rest > 0.0 && x < 0.0,
        _ => rest > 0.5 || rest == 0.5 && (floor as i64) % 2 != 0,
    };
    if up { floor + 1.0 } else { floor }
}

/// Floats to integers: "the result is clamped to the range of the destination type by default"; of a NaN "zero if source
/// is not .f64 and destination is not .s64/.u64; otherwise 1 << (BitWidth(dst) - 1)".
#[test]
fn floats_to_integers() {
    for (d, bits, signed, ty) in INTEGERS {
        let (least, most) =
            if signed { (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1) } else { (0, (1i128 << bits) - 1) };
        let clamp = |mode: &str, x: f64, wide: bool| {
            let exact = if x.is_nan() {
                if wide { 1i128 << (bits - 1) } else { 0 }
            } else {
                (rounded(mode, x) as i128).clamp(least, most)
            };
            // A narrow destination is sign-extended like an integer of its type.
            let kept = if x.is_nan() && wide { value(exact as u64, bits, signed) } else { exact };
            kept as u64 & u64::MAX >> (64 - width(ty))
        };
        for mode in ["rni", "rzi", "rmi", "rpi"] {
            let narrow = reals().into_iter().map(|x| vec![u64::from((x as f32).to_bits())]);
            let cases: Vec<_> = narrow.chain([vec![0x7fc0_0000]]).collect();
            compare(&format!("cvt.{mode}.{d}.f32"), ty, &[B32], &cases, |v| {
                clamp(mode, f64::from(f32::from_bits(v[0] as u32)), bits == 64)
            });
            let cases: Vec<_> = reals().into_iter().chain([f64::NAN]).map(|x| vec![x.to_bits()]).collect();
            compare(&format!("cvt.{mode}.{d}.f64"), ty, &[B64], &cases, |v| clamp(mode, f64::from_bits(v[0]), true));
        }
    }
    let case = |x: f32| vec![u64::from(x.to_bits())];
    compare("cvt.rzi.u32.f32", B32, &[B32], &[case(-1.0), case(-0.9)], |_| 0);
    compare("cvt.rzi.s32.f32", B32, &[B32], &[case(3e9), case(f32::INFINITY)], |_| 0x7fff_ffff);
    compare("cvt.rzi.s32.f32", B32, &[B32], &[case(-3e9), case(f32::NEG_INFINITY)], |_| 0x8000_0000);
    compare("cvt.rzi.u16.f32", B16, &[B32], &[case(65536.0), case(1e9)], |_| 0xffff);
}

/// Integers to floats, `.rn`: "mantissa LSB rounds to nearest even", determined here from the neighbours.
#[test]
fn integers_to_floats() {
    for (a, bits, signed, ty) in INTEGERS {
        let nearest = |exact: i128, digits: u32| {
            // Keeps this many digits of the absolute value; ties to even.
            let size = exact.unsigned_abs();
            let extra = (128 - size.leading_zeros()).saturating_sub(digits);
            let (kept, rest, half) =
                (size >> extra, size & ((1 << extra) - 1), if extra > 0 { 1u128 << (extra - 1) } else { 1 });
            let kept = kept + u128::from(rest > half || rest == half && extra > 0 && kept % 2 == 1);
            let value = kept as f64 * 2f64.powi(extra as i32);
            if exact < 0 { -value } else { value }
        };
        check(&format!("cvt.rn.f32.{a}"), B32, &[ty], |v| {
            u64::from((nearest(value(v[0], bits, signed), 24) as f32).to_bits())
        });
        check(&format!("cvt.rn.f64.{a}"), B64, &[ty], |v| nearest(value(v[0], bits, signed), 53).to_bits());
    }
    // 2^24 + 1 is a tie.
    compare("cvt.rn.f32.u32", B32, &[B32], &[vec![16_777_217]], |_| u64::from(16_777_216f32.to_bits()));
    compare("cvt.rn.f32.u32", B32, &[B32], &[vec![16_777_219]], |_| u64::from(16_777_220f32.to_bits()));
}

/// Between floats: widening is exact; `.rn` narrows; `.r*i` rounds to an integer that stays a float; `.sat` clamps to
/// [0, 1] and makes a NaN +0.
#[test]
fn among_floats() {
    let singles: Vec<_> = reals().into_iter().map(|x| vec![u64::from((x as f32).to_bits())]).collect();
    compare("cvt.f64.f32", B64, &[B32], &singles, |v| {
        let (sign, exponent, fraction) = (v[0] >> 31, (v[0] >> 23 & 255) as i32, (v[0] & 0x7f_ffff) as f64);
        let size = match exponent {
            0 => fraction * 2f64.powi(-149),
            255 => f64::INFINITY,
            e => (1.0 + fraction / 8_388_608.0) * 2f64.powi(e - 127),
        };
        (if sign == 1 { -size } else { size }).to_bits()
    });
    let ties =
        [(1.0 + 2f64.powi(-24), 1.0f32), (1.0 + 3.0 * 2f64.powi(-24), 1.0 + 2.0 * f32::EPSILON), (1e39, f32::INFINITY)];
    for (x, expected) in ties {
        compare("cvt.rn.f32.f64", B32, &[B64], &[vec![x.to_bits()]], |_| u64::from(expected.to_bits()));
    }
    compare("cvt.rn.f32.f64", B32, &[B64], &[vec![f64::NAN.to_bits()]], |_| 0x7fff_ffff);
    for mode in ["rni", "rzi", "rmi", "rpi"] {
        compare(&format!("cvt.{mode}.f32.f32"), B32, &[B32], &singles, |v| {
            let x = f32::from_bits(v[0] as u32);
            u64::from((rounded(mode, f64::from(x)) as f32).copysign(x).to_bits())
        });
    }
    let list = [(0.25f32, 0.25f32), (-0.5, 0.0), (1.5, 1.0), (f32::NAN, 0.0), (-0.0, 0.0), (f32::INFINITY, 1.0)];
    for (x, expected) in list {
        compare("cvt.sat.f32.f32", B32, &[B32], &[vec![x.to_bits().into()]], |_| expected.to_bits().into());
    }
}

/// f16: widening is exact; the oracle for narrowing searches for the nearest value; "subnormal numbers are supported".
#[test]
fn f16() {
    let all: Vec<_> = (0..=0xffffu64).map(|v| vec![v]).collect();
    compare("cvt.f32.f16", B32, &[B16], &all, |v| {
        let x = half(v[0]);
        if x.is_nan() { 0x7fff_ffff } else { u64::from((x as f32).to_bits()) }
    });
    // Every 7th f16, the tie above it, and the floats next to the tie.
    let mut cases = vec![vec![0x7fc0_0000u64], vec![0xff80_0000], vec![f32::MAX.to_bits().into()], vec![1]];
    for v in (0..0x7c00u64).step_by(7) {
        let tie = ((half(v) + if v == 0x7bff { 65536.0 } else { half(v + 1) }) / 2.0) as f32;
        for bits in [tie.to_bits() - 1, tie.to_bits(), tie.to_bits() + 1, (half(v) as f32).to_bits()] {
            cases.extend([vec![bits.into()], vec![u64::from(bits | 1 << 31)]]);
        }
    }
    let x = |v: u64| f64::from(f32::from_bits(v as u32));
    compare("cvt.rn.f16.f32", B16, &[B32], &cases, |v| nearest_half(x(v[0])));
    // ".relu clamps negative result to 0; NaN result is converted to canonical NaN"
    let relu = |v: u64| if v >> 31 == 1 && !x(v).is_nan() { 0 } else { nearest_half(x(v)) };
    compare("cvt.rn.relu.f16.f32", B16, &[B32], &cases, |v| relu(v[0]));
    // "For .f16x2 the converted values are packed ... the value from a in the upper half, from b in the lower half"
    let pairs: Vec<_> = cases.windows(2).map(|w| vec![w[0][0], w[1][0]]).collect();
    compare("cvt.rn.f16x2.f32", B32, &[B32, B32], &pairs, |v| nearest_half(x(v[0])) << 16 | nearest_half(x(v[1])));
    compare("cvt.rn.relu.f16x2.f32", B32, &[B32, B32], &pairs, |v| relu(v[0]) << 16 | relu(v[1]));
}

/// bf16 has the exponent of f32 and seven fraction bits.
#[test]
fn bf16() {
    let mut cases = vec![vec![0x7fc0_0001u64], vec![0xffff_ffff], vec![0x7f80_0001], vec![f32::MAX.to_bits().into()]];
    for high in (0..0x1_0000u64).step_by(37).filter(|h| h & 0x7f80 != 0x7f80) {
        for low in [0u64, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
            cases.push(vec![high << 16 | low]);
        }
    }
    let x = |v: u64| f64::from(f32::from_bits(v as u32));
    let nearest = |v: u64| {
        if x(v).is_nan() {
            return 0x7fff;
        }
        // The neighbours by truncation; infinity follows the largest value.
        let below = v >> 16;
        let value = |b: u64| if b & 0x7fff == 0x7f80 { 2f64.powi(128) } else { x(b << 16).abs() };
        let (low, high) = (x(v).abs() - value(below), value(below + 1) - x(v).abs());
        if low < high || low == high && below.is_multiple_of(2) { below } else { below + 1 }
    };
    compare("cvt.rn.bf16.f32", B16, &[B32], &cases, |v| nearest(v[0]));
    let relu = |v: u64| if v >> 31 == 1 && !x(v).is_nan() { 0 } else { nearest(v) };
    compare("cvt.rn.relu.bf16.f32", B16, &[B32], &cases, |v| relu(v[0]));
    let pairs: Vec<_> = cases.windows(2).map(|w| vec![w[0][0], w[1][0]]).collect();
    compare("cvt.rn.bf16x2.f32", B32, &[B32, B32], &pairs, |v| nearest(v[0]) << 16 | nearest(v[1]));
    compare("cvt.rn.relu.bf16x2.f32", B32, &[B32, B32], &pairs, |v| relu(v[0]) << 16 | relu(v[1]));
}

/// `mov` copies; a vector in braces packs or unpacks, the first element in the low bits.
#[test]
fn moves() {
    for (ty, kinds) in [(B16, "b16 u16 s16"), (B32, "b32 u32 s32 f32"), (B64, "b64 u64 s64 f64")] {
        for kind in kinds.split(' ') {
            check(&format!("mov.{kind}"), ty, &[ty], |v| v[0]);
        }
    }
    let out = crate::lanes(
        "mov.b64 %d1, {%lane, 7}; mov.b64 {%r1, %r2}, %d1; mov.b32 {%h1, %h2}, %r1; mov.b32 %r3, {%h2, %h1};\n\
         mov.b64 {_, %r4}, %d1; add.s32 %out, %r3, %r2; add.s32 %out, %out, %r4;",
    );
    assert_eq!(out.unwrap(), std::array::from_fn(|i| ((i as u32) << 16) + 14));
    // "cvta": global addresses are generic; shared memory has a window.
    check("cvta.to.global.u64", B64, &[B64], |v| v[0]);
    let body = ".shared .b32 %s[8];\nmov.u32 %r1, 41; st.shared.b32 [%s+4], %r1; cvta.shared.u64 %d1, %s;\n\
                ld.b32 %r2, [%d1+4]; cvta.to.shared.u64 %d2, %d1; cvt.u32.u64 %r3, %d2; ld.shared.b32 %r4, [%r3+4];\n\
                add.s32 %out, %r2, %r4;";
    let one_writer = body
        .replace("st.shared", "setp.eq.u32 %p1, %lane, 0; @%p1 st.shared")
        .replace("cvta.shared", "bar.sync 0; cvta.shared");
    assert_eq!(crate::lanes(&one_writer).unwrap(), [82; 32]);
}

/// Thinned tuples must keep every edge value.
#[test]
fn tuples_cover() {
    let list = tuples(&[integers(B32), integers(B32), integers(B32)]);
    for k in 0..3 {
        for v in integers(B32) {
            assert!(list.iter().any(|t| t[k] == v));
        }
    }
}
