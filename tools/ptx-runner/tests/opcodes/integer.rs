//! Integers. The formulas are computed in 128 bits and truncated, whereas the machine wraps in the register's width.

use crate::Ty::{B16, B32, B64, Pred};
use crate::{Ty, check, compare, integers};

/// A register's bits as a signed number.
fn s(x: u64, bits: u32) -> i128 {
    i128::from((x << (64 - bits)) as i64 >> (64 - bits))
}

fn cut(x: i128, bits: u32) -> u64 {
    x as u64 & u64::MAX >> (64 - bits)
}

const WIDTHS: [(Ty, u32); 3] = [(B16, 16), (B32, 32), (B64, 64)];

/// "Performs addition and writes the resulting value into a destination register"; subtraction, multiplication and
/// negation likewise. Without `.sat` results wrap.
#[test]
fn sums_and_products() {
    for (ty, bits) in WIDTHS {
        for sign in ["u", "s"] {
            let value = |x: u64| if sign == "s" { s(x, bits) } else { i128::from(x) };
            let (a, b) = ([ty, ty], [ty, ty, ty]);
            check(&format!("add.{sign}{bits}"), ty, &a, |v| cut(value(v[0]) + value(v[1]), bits));
            check(&format!("sub.{sign}{bits}"), ty, &a, |v| cut(value(v[0]) - value(v[1]), bits));
            let product = |x, y| value(x).wrapping_mul(value(y));
            check(&format!("mul.lo.{sign}{bits}"), ty, &a, |v| cut(product(v[0], v[1]), bits));
            // "t = a * b; n = bitwidth of type; d = t<2n-1..n> for .hi variant"
            let high = |v: &[u64]| {
                if sign == "u" {
                    ((u128::from(v[0]) * u128::from(v[1])) >> bits) as u64
                } else {
                    cut(product(v[0], v[1]) >> bits, bits)
                }
            };
            check(&format!("mul.hi.{sign}{bits}"), ty, &a, high);
            check(&format!("mad.lo.{sign}{bits}"), ty, &b, |v| {
                cut(product(v[0], v[1]).wrapping_add(value(v[2])), bits)
            });
        }
        check(&format!("neg.s{bits}"), ty, &[ty], |v| cut(-s(v[0], bits), bits));
        check(&format!("abs.s{bits}"), ty, &[ty], |v| cut(s(v[0], bits).abs(), bits));
    }
    check("mad.hi.u32", B32, &[B32; 3], |v| cut(i128::from((v[0] * v[1]) >> 32) + i128::from(v[2]), 32));
}

/// "d = t for .wide variant": the product in twice the width, with its sign; `mad.wide` adds a third operand of that width.
#[test]
fn wide_products() {
    check("mul.wide.u16", B32, &[B16, B16], |v| v[0] * v[1]);
    check("mul.wide.s16", B32, &[B16, B16], |v| cut(s(v[0], 16) * s(v[1], 16), 32));
    check("mul.wide.u32", B64, &[B32, B32], |v| v[0] * v[1]);
    check("mul.wide.s32", B64, &[B32, B32], |v| cut(s(v[0], 32) * s(v[1], 32), 64));
    check("mad.wide.u32", B64, &[B32, B32, B64], |v| cut(i128::from(v[0]) * i128::from(v[1]) + i128::from(v[2]), 64));
    check("mad.wide.s32", B64, &[B32, B32, B64], |v| cut(s(v[0], 32) * s(v[1], 32) + s(v[2], 64), 64));
    // A negative index times a size, and the same bits unsigned.
    compare("mad.wide.s32", B64, &[B32, B32, B64], &[vec![0xffff_ffff, 4, 100]], |_| 96);
    compare("mad.wide.u32", B64, &[B32, B32, B64], &[vec![0xffff_ffff, 4, 100]], |_| 0x4_0000_0060);
}

/// "d = (a < b) ? a : b"
#[test]
fn minima() {
    for (ty, bits) in WIDTHS {
        check(&format!("min.u{bits}"), ty, &[ty, ty], |v| v[0].min(v[1]));
        check(&format!("max.u{bits}"), ty, &[ty, ty], |v| v[0].max(v[1]));
        check(&format!("min.s{bits}"), ty, &[ty, ty], |v| cut(s(v[0], bits).min(s(v[1], bits)), bits));
        check(&format!("max.s{bits}"), ty, &[ty, ty], |v| cut(s(v[0], bits).max(s(v[1], bits)), bits));
    }
}

#[test]
fn logic() {
    for (ty, bits) in WIDTHS {
        check(&format!("and.b{bits}"), ty, &[ty, ty], |v| v[0] & v[1]);
        check(&format!("or.b{bits}"), ty, &[ty, ty], |v| v[0] | v[1]);
        check(&format!("xor.b{bits}"), ty, &[ty, ty], |v| (v[0] | v[1]) - (v[0] & v[1]));
        check(&format!("not.b{bits}"), ty, &[ty], |v| (u64::MAX >> (64 - bits)) - v[0]);
    }
    check("and.pred", Pred, &[Pred, Pred], |v| v[0] * v[1]);
    check("or.pred", Pred, &[Pred, Pred], |v| (v[0] + v[1]).min(1));
    check("xor.pred", Pred, &[Pred, Pred], |v| (v[0] + v[1]) % 2);
    check("not.pred", Pred, &[Pred], |v| 1 - v[0]);
}

/// "Shift amounts greater than the register width N are clamped to N"; `.s` fills with the sign. The amount is a 32-bit
/// value whatever the type.
#[test]
fn shifts() {
    for (ty, bits) in WIDTHS {
        let power = |n: u64| 1i128 << n.min(u64::from(bits));
        check(&format!("shl.b{bits}"), ty, &[ty, B32], |v| cut(i128::from(v[0]).wrapping_mul(power(v[1])), bits));
        for kind in ["u", "b"] {
            check(&format!("shr.{kind}{bits}"), ty, &[ty, B32], |v| cut(i128::from(v[0]) / power(v[1]), bits));
        }
        check(&format!("shr.s{bits}"), ty, &[ty, B32], |v| cut(s(v[0], bits).div_euclid(power(v[1])), bits));
    }
    compare("shl.b32", B32, &[B32, B32], &[vec![1, 31], vec![1, 32], vec![1, u64::from(u32::MAX)]], |v| {
        if v[1] == 31 { 1 << 31 } else { 0 }
    });
    compare("shr.s32", B32, &[B32, B32], &[vec![0x8000_0000, 32], vec![0x8000_0000, 100]], |_| 0xffff_ffff);
}

/// `shf`: "shift the 64-bit value formed by concatenating operands a and b left or right by the amount c": b holds the
/// high word; `.l` gives the high word of the result, `.r` the low one. `.clamp` stops at 32, `.wrap` counts modulo 32.
#[test]
fn funnel_shifts() {
    for (mode, amount) in [("clamp", (|c| c.min(32)) as fn(u64) -> u64), ("wrap", |c| c % 32)] {
        let both = |v: &[u64]| u128::from(v[0]) | u128::from(v[1]) << 32;
        check(&format!("shf.l.{mode}.b32"), B32, &[B32; 3], |v| ((both(v) << amount(v[2])) >> 32) as u64 & 0xffff_ffff);
        check(&format!("shf.r.{mode}.b32"), B32, &[B32; 3], |v| (both(v) >> amount(v[2])) as u64 & 0xffff_ffff);
    }
}

/// "Divides a by b"; remainders have the dividend's sign, "d = a - (a / b) * b", as in C.
#[test]
fn quotients() {
    for (ty, bits) in [(B32, 32), (B64, 64)] {
        let nonzero: Vec<u64> = integers(ty).into_iter().filter(|v| *v != 0).collect();
        let cases = crate::tuples(&[integers(ty), nonzero]);
        let types = [ty, ty];
        compare(&format!("div.u{bits}"), ty, &types, &cases, |v| v[0] / v[1]);
        compare(&format!("rem.u{bits}"), ty, &types, &cases, |v| v[0] - v[0] / v[1] * v[1]);
        compare(&format!("div.s{bits}"), ty, &types, &cases, |v| cut(s(v[0], bits) / s(v[1], bits), bits));
        let rest = |v: &[u64]| s(v[0], bits) - s(v[0], bits) / s(v[1], bits) * s(v[1], bits);
        compare(&format!("rem.s{bits}"), ty, &types, &cases, |v| cut(rest(v), bits));
    }
}

/// "Count the number of one bits"; "leading zeros starting with the most-significant bit, ... a value between 0 and 32";
/// "reverse bits"; "bit position of the most significant 1, 0xffffffff if none".
#[test]
fn counts() {
    let text = |x: u64, bits: usize| format!("{x:0bits$b}");
    for (ty, bits) in [(B32, 32), (B64, 64)] {
        check(&format!("popc.b{bits}"), B32, &[ty], |v| text(v[0], bits).matches('1').count() as u64);
        check(&format!("clz.b{bits}"), B32, &[ty], |v| text(v[0], bits).find('1').unwrap_or(bits) as u64);
        check(&format!("brev.b{bits}"), ty, &[ty], |v| {
            u64::from_str_radix(&text(v[0], bits).chars().rev().collect::<String>(), 2).unwrap()
        });
    }
    check("bfind.u32", B32, &[B32], |v| text(v[0], 32).find('1').map_or(0xffff_ffff, |at| 31 - at as u64));
}

/// The pseudocode of `bfe`: position and length are c and d modulo 256, the sign bit is that of the field's top bit or
/// of the register's; bits beyond are the sign.
#[test]
fn fields() {
    for sign in ["u", "s"] {
        check(&format!("bfe.{sign}32"), B32, &[B32; 3], |v| {
            let (pos, len) = (v[1] & 0xff, v[2] & 0xff);
            let bit = |i: u64| v[0] >> i & 1;
            let sbit = if sign == "u" || len == 0 { 0 } else { bit((pos + len - 1).min(31)) };
            (0..32).map(|i| if i < len && pos + i <= 31 { bit(pos + i) << i } else { sbit << i }).sum()
        });
    }
    // "f = b; for (i = 0; i < len && pos + i <= msb; i++) f[pos + i] = a[i]"
    check("bfi.b32", B32, &[B32; 4], |v| {
        let (pos, len) = (v[2] & 0xff, v[3] & 0xff);
        let mut f = v[1];
        let mut i = 0;
        while i < len && pos + i <= 31 {
            f = f & !(1 << (pos + i)) | (v[0] >> i & 1) << (pos + i);
            i += 1;
        }
        f
    });
}

/// `prmt`: "a sequence of four 4-bit selection values; the msb defines whether the byte value should be copied, or if
/// the sign (msb of the byte) is replicated"; bytes 0 to 3 are a's, 4 to 7 b's.
#[test]
fn permutations() {
    let cases: Vec<Vec<u64>> = [0x3210u64, 0x7654, 0x0123, 0x5410, 0x7632, 0xba98, 0xfedc, 0x0000, 0x8f07, 0x12345]
        .into_iter()
        .map(|selector| vec![0x8142_c304, 0x75f6_0798, selector])
        .collect();
    compare("prmt.b32", B32, &[B32; 3], &cases, |v| {
        let bytes = [(v[0] as u32).to_le_bytes(), (v[1] as u32).to_le_bytes()].concat();
        let digits = format!("{:04x}", v[2] & 0xffff);
        digits.chars().fold(0, |d, digit| {
            let pick = digit.to_digit(16).unwrap() as usize;
            let byte = if pick < 8 { bytes[pick] } else { ((bytes[pick - 8] as i8) >> 7) as u8 };
            d << 8 | u64::from(byte)
        })
    });
    compare("prmt.b32", B32, &[B32; 3], &[vec![0x4433_2211, 0x8877_6655, 0x5410]], |_| 0x6655_2211);
}

/// "Compares two values": lo, ls, hi and hs are the unsigned comparisons.
#[test]
fn comparisons() {
    for (ty, bits) in WIDTHS {
        let types = [ty, ty];
        for (name, holds) in [
            ("eq", (|a, b| a == b) as fn(i128, i128) -> bool),
            ("ne", |a, b| a != b),
            ("lt", |a, b| a < b),
            ("le", |a, b| a <= b),
            ("gt", |a, b| a > b),
            ("ge", |a, b| a >= b),
        ] {
            let unsigned = |v: &[u64]| u64::from(holds(v[0].into(), v[1].into()));
            check(&format!("setp.{name}.u{bits}"), Pred, &types, unsigned);
            check(&format!("setp.{name}.s{bits}"), Pred, &types, |v| u64::from(holds(s(v[0], bits), s(v[1], bits))));
            let other = match name {
                "lt" => "lo",
                "le" => "ls",
                "gt" => "hi",
                "ge" => "hs",
                _ => {
                    check(&format!("setp.{name}.b{bits}"), Pred, &types, unsigned);
                    continue;
                }
            };
            check(&format!("setp.{other}.u{bits}"), Pred, &types, unsigned);
        }
        // "p = BoolOp(t, c)"
        check(&format!("setp.lt.and.u{bits}"), Pred, &[ty, ty, Pred], |v| u64::from(v[0] < v[1] && v[2] == 1));
        check(&format!("setp.lt.or.u{bits}"), Pred, &[ty, ty, Pred], |v| u64::from(v[0] < v[1] || v[2] == 1));
        check(&format!("setp.lt.xor.u{bits}"), Pred, &[ty, ty, Pred], |v| u64::from((v[0] < v[1]) != (v[2] == 1)));
        // "d = (c == 1) ? a : b"
        check(&format!("selp.b{bits}"), ty, &[ty, ty, Pred], |v| if v[2] == 1 { v[0] } else { v[1] });
    }
}
