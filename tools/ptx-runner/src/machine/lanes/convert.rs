//! `cvt` between integers and floats. Floats to integers saturate, as in the PTX ISA; a NaN becomes 0, or only the top bit
//! is set if either side has 64 bits.

use super::float::{NAN, bits, saturate};
use super::{Code, Entry, narrow, shrink, wide, widen};

/// An integer type; values pass through 64 bits.
trait Int {
    const BITS: u32;
    fn get(register: u64) -> i64;
    /// Converts to a register, extended by the sign of the type.
    fn put(value: i64) -> u64;
    fn saturating(value: f64) -> u64;
}

macro_rules! int {
    ($type:ty, $bits:literal, $register:expr) => {
        impl Int for $type {
            const BITS: u32 = $bits;
            #[inline(always)]
            fn get(register: u64) -> i64 {
                register as $type as i64
            }
            #[inline(always)]
            fn put(value: i64) -> u64 {
                (value as $type as i64 as u64) & $register
            }
            #[inline(always)]
            fn saturating(value: f64) -> u64 {
                (value as $type as i64 as u64) & $register
            }
        }
    };
}
int!(u8, 8, 0xffff);
int!(i8, 8, 0xffff);
int!(u16, 16, 0xffff);
int!(i16, 16, 0xffff);
int!(u32, 32, 0xffff_ffff);
int!(i32, 32, 0xffff_ffff);
int!(u64, 64, u64::MAX);
int!(i64, 64, u64::MAX);

/// The width of the register for a type of this many bits.
fn register(bits: u32) -> u32 {
    bits.max(16)
}

fn from_int<A: Int, D: Int>() -> Entry {
    let code = match (A::BITS, D::BITS) {
        (64, 64) => Code::Wide3(|a, b, c| wide(a, b, c, |a, _, _| D::put(A::get(a)))),
        (64, _) => Code::Narrow(|a| shrink(a, |a| D::put(A::get(a)) as u32)),
        (_, 64) => Code::Widen(|a, b, c| widen(a, b, c, |a, _, _| D::put(A::get(u64::from(a))))),
        _ => Code::Narrow3(|a, b, c| narrow(a, b, c, |a, _, _| D::put(A::get(u64::from(a))) as u32)),
    };
    Entry { code, destination: register(D::BITS), sources: vec![register(A::BITS)], flops: 0 }
}

/// `.rn` from an integer to a float.
fn to_float<A: Int>(kind: &str, unsigned: bool) -> Option<Entry> {
    let code = match (kind, A::BITS, unsigned) {
        ("f32", 64, true) => Code::Narrow(|a| shrink(a, |a| (a as f32).to_bits())),
        ("f32", 64, false) => Code::Narrow(|a| shrink(a, |a| (a as i64 as f32).to_bits())),
        ("f32", ..) => Code::Narrow3(|a, b, c| narrow(a, b, c, |a, _, _| (A::get(u64::from(a)) as f32).to_bits())),
        ("f64", 64, true) => Code::Wide3(|a, b, c| wide(a, b, c, |a, _, _| (a as f64).to_bits())),
        ("f64", 64, false) => Code::Wide3(|a, b, c| wide(a, b, c, |a, _, _| (a as i64 as f64).to_bits())),
        ("f64", ..) => Code::Widen(|a, b, c| widen(a, b, c, |a, _, _| (A::get(u64::from(a)) as f64).to_bits())),
        _ => return None,
    };
    let destination = if kind == "f32" { 32 } else { 64 };
    Some(Entry { code, destination, sources: vec![register(A::BITS)], flops: 0 })
}

/// The rounding of a float to an integer.
#[inline(always)]
fn round<const R: u8>(x: f64) -> f64 {
    match R {
        0 => x.round_ties_even(),
        1 => x.trunc(),
        2 => x.floor(),
        _ => x.ceil(),
    }
}

/// The result for a NaN; `wide` if source or destination has 64 bits.
#[inline(always)]
fn integer<D: Int, const R: u8>(x: f64, wide: bool) -> u64 {
    if x.is_nan() {
        return if wide { D::put((1u64 << (D::BITS - 1)) as i64) } else { 0 };
    }
    D::saturating(round::<R>(x))
}

/// `cvt.r*i` from a float to an integer.
fn to_int<D: Int, const R: u8>(kind: &str) -> Option<Entry> {
    let (code, source) = match (kind, D::BITS) {
        ("f32", 64) => {
            (Code::Widen(|a, b, c| widen(a, b, c, |a, _, _| integer::<D, R>(f64::from(f32::from_bits(a)), true))), 32)
        }
        ("f32", _) => (
            Code::Narrow3(|a, b, c| {
                narrow(a, b, c, |a, _, _| integer::<D, R>(f64::from(f32::from_bits(a)), false) as u32)
            }),
            32,
        ),
        ("f64", 64) => (Code::Wide3(|a, b, c| wide(a, b, c, |a, _, _| integer::<D, R>(f64::from_bits(a), true))), 64),
        ("f64", _) => (Code::Narrow(|a| shrink(a, |a| integer::<D, R>(f64::from_bits(a), true) as u32)), 64),
        _ => return None,
    };
    Some(Entry { code, destination: register(D::BITS), sources: vec![source], flops: 0 })
}

/// `$call::<T>` for the type of a name.
macro_rules! by_type {
    ($name:expr, $call:ident $(, $more:tt)* ; $($argument:expr),*) => {
        match $name {
            "u8" => $call::<u8 $(, $more)*>($($argument),*),
            "s8" => $call::<i8 $(, $more)*>($($argument),*),
            "u16" => $call::<u16 $(, $more)*>($($argument),*),
            "s16" => $call::<i16 $(, $more)*>($($argument),*),
            "u32" => $call::<u32 $(, $more)*>($($argument),*),
            "s32" => $call::<i32 $(, $more)*>($($argument),*),
            "u64" => $call::<u64 $(, $more)*>($($argument),*),
            "s64" => $call::<i64 $(, $more)*>($($argument),*),
            _ => None,
        }
    };
}

fn int_to_int<A: Int>(destination: &str) -> Option<Entry> {
    fn pair<D: Int, A: Int>() -> Option<Entry> {
        Some(from_int::<A, D>())
    }
    by_type!(destination, pair, A;)
}

fn unsigned(kind: &str) -> bool {
    kind.starts_with('u')
}

pub(super) fn entry(opcode: &str) -> Option<Entry> {
    let parts: Vec<&str> = opcode.strip_prefix("cvt.")?.split('.').collect();
    match parts[..] {
        [d, a] if !d.starts_with('f') && !a.starts_with('f') => by_type!(a, int_to_int; d),
        ["rn", d @ ("f32" | "f64"), a] if !a.starts_with('f') => by_type!(a, to_float; d, unsigned(a)),
        ["rni", d, a] if !d.starts_with('f') => by_type!(d, to_int, 0; a),
        ["rzi", d, a] if !d.starts_with('f') => by_type!(d, to_int, 1; a),
        ["rmi", d, a] if !d.starts_with('f') => by_type!(d, to_int, 2; a),
        ["rpi", d, a] if !d.starts_with('f') => by_type!(d, to_int, 3; a),
        ["f64", "f32"] => Some(Entry {
            code: Code::Widen(|a, b, c| widen(a, b, c, |a, _, _| f64::from(f32::from_bits(a)).to_bits())),
            destination: 64,
            sources: vec![32],
            flops: 0,
        }),
        ["rn", "f32", "f64"] => Some(Entry {
            code: Code::Narrow(|a| shrink(a, |a| bits(f64::from_bits(a) as f32))),
            destination: 32,
            sources: vec![64],
            flops: 0,
        }),
        ["rni", "f32", "f32"] => Some(rounded::<0>()),
        ["rzi", "f32", "f32"] => Some(rounded::<1>()),
        ["rmi", "f32", "f32"] => Some(rounded::<2>()),
        ["rpi", "f32", "f32"] => Some(rounded::<3>()),
        ["sat", "f32", "f32"] => Some(Entry::same(
            32,
            1,
            Code::Narrow3(|a, b, c| narrow(a, b, c, |a, _, _| saturate(f32::from_bits(a)).to_bits())),
        )),
        _ => None,
    }
}

/// `cvt.r*i.f32.f32`
fn rounded<const R: u8>() -> Entry {
    Entry::same(
        32,
        1,
        Code::Narrow3(|a, b, c| {
            narrow(a, b, c, |a, _, _| {
                let x = f32::from_bits(a);
                if x.is_nan() { NAN } else { (round::<R>(f64::from(x)) as f32).to_bits() }
            })
        }),
    )
}
