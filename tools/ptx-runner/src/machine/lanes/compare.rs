//! `setp`: comparisons, and their combination with a predicate.

use crate::ptx::program::{L32, L64, Test32, Test64};

/// A comparison, with the width of its operands in bits.
pub(crate) enum Test {
    Narrow(Test32, u32),
    Wide(Test64),
}

#[inline(always)]
fn narrow(a: &L32, b: &L32, f: impl Fn(u32, u32) -> bool) -> u32 {
    (0..32).fold(0, |mask, i| mask | u32::from(f(a[i], b[i])) << i)
}

#[inline(always)]
fn wide(a: &L64, b: &L64, f: impl Fn(u64, u64) -> bool) -> u32 {
    (0..32).fold(0, |mask, i| mask | u32::from(f(a[i], b[i])) << i)
}

macro_rules! n {
    ($bits:literal, $f:expr) => {
        Test::Narrow(|a, b| narrow(a, b, $f), $bits)
    };
}

macro_rules! w {
    ($f:expr) => {
        Test::Wide(|a, b| wide(a, b, $f))
    };
}

/// The comparison of a type.
pub(crate) fn test(comparison: &str, kind: &str) -> Option<Test> {
    Some(match (comparison, kind) {
        ("eq", "b32" | "u32" | "s32") => n!(32, |a, b| a == b),
        ("ne", "b32" | "u32" | "s32") => n!(32, |a, b| a != b),
        ("lt", "u32") | ("lo", "u32") => n!(32, |a, b| a < b),
        ("le", "u32") | ("ls", "u32") => n!(32, |a, b| a <= b),
        ("gt", "u32") | ("hi", "u32") => n!(32, |a, b| a > b),
        ("ge", "u32") | ("hs", "u32") => n!(32, |a, b| a >= b),
        ("lt", "s32") => n!(32, |a, b| (a as i32) < b as i32),
        ("le", "s32") => n!(32, |a, b| a as i32 <= b as i32),
        ("gt", "s32") => n!(32, |a, b| a as i32 > b as i32),
        ("ge", "s32") => n!(32, |a, b| a as i32 >= b as i32),
        ("eq", "b16" | "u16" | "s16") => n!(16, |a, b| a == b),
        ("ne", "b16" | "u16" | "s16") => n!(16, |a, b| a != b),
        ("lt", "u16") | ("lo", "u16") => n!(16, |a, b| a < b),
        ("le", "u16") | ("ls", "u16") => n!(16, |a, b| a <= b),
        ("gt", "u16") | ("hi", "u16") => n!(16, |a, b| a > b),
        ("ge", "u16") | ("hs", "u16") => n!(16, |a, b| a >= b),
        ("lt", "s16") => n!(16, |a, b| (a as i16) < b as i16),
        ("le", "s16") => n!(16, |a, b| a as i16 <= b as i16),
        ("gt", "s16") => n!(16, |a, b| a as i16 > b as i16),
        ("ge", "s16") => n!(16, |a, b| a as i16 >= b as i16),
        ("eq", "b64" | "u64" | "s64") => w!(|a, b| a == b),
        ("ne", "b64" | "u64" | "s64") => w!(|a, b| a != b),
        ("lt", "u64") | ("lo", "u64") => w!(|a, b| a < b),
        ("le", "u64") | ("ls", "u64") => w!(|a, b| a <= b),
        ("gt", "u64") | ("hi", "u64") => w!(|a, b| a > b),
        ("ge", "u64") | ("hs", "u64") => w!(|a, b| a >= b),
        ("lt", "s64") => w!(|a, b| (a as i64) < b as i64),
        ("le", "s64") => w!(|a, b| a as i64 <= b as i64),
        ("gt", "s64") => w!(|a, b| a as i64 > b as i64),
        ("ge", "s64") => w!(|a, b| a as i64 >= b as i64),
        (_, "f32") => return single(comparison),
        (_, "f64") => return double(comparison),
        _ => return None,
    })
}

macro_rules! float {
    (f32, $f:expr) => {
        n!(32, |a, b| ordered(f32::from_bits(a), f32::from_bits(b), $f))
    };
    (f64, $f:expr) => {
        w!(|a, b| ordered(f64::from_bits(a), f64::from_bits(b), $f))
    };
}

#[inline(always)]
fn ordered<T>(a: T, b: T, f: impl Fn(T, T) -> bool) -> bool {
    f(a, b)
}

/// Comparisons of floats: those with `u` are true for a NaN, the others false.
macro_rules! floats {
    ($name:ident, $kind:ident) => {
        fn $name(comparison: &str) -> Option<Test> {
            Some(match comparison {
                "eq" => float!($kind, |a, b| a == b),
                "ne" => float!($kind, |a, b| a != b && !a.is_nan() && !b.is_nan()),
                "lt" => float!($kind, |a, b| a < b),
                "le" => float!($kind, |a, b| a <= b),
                "gt" => float!($kind, |a, b| a > b),
                "ge" => float!($kind, |a, b| a >= b),
                "equ" => float!($kind, |a, b| a == b || a.is_nan() || b.is_nan()),
                "neu" => float!($kind, |a, b| a != b),
                "ltu" => float!($kind, |a, b| a < b || a.is_nan() || b.is_nan()),
                "leu" => float!($kind, |a, b| a <= b || a.is_nan() || b.is_nan()),
                "gtu" => float!($kind, |a, b| a > b || a.is_nan() || b.is_nan()),
                "geu" => float!($kind, |a, b| a >= b || a.is_nan() || b.is_nan()),
                "num" => float!($kind, |a, b| !a.is_nan() && !b.is_nan()),
                "nan" => float!($kind, |a, b| a.is_nan() || b.is_nan()),
                _ => return None,
            })
        }
    };
}
floats!(single, f32);
floats!(double, f64);

/// The operation by which `setp.CmpOp.BoolOp` combines the comparison with its third operand.
pub(crate) fn combine(name: &str) -> Option<fn(u32, u32) -> u32> {
    Some(match name {
        "and" => |a, b| a & b,
        "or" => |a, b| a | b,
        "xor" => |a, b| a ^ b,
        _ => return None,
    })
}
