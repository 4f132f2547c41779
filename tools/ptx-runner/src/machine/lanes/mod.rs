//! The functions of all opcodes over the 32 lanes of a warp, looked up by the opcode's full text.
//!
//! All lanes are computed, whatever the active mask; the caller keeps the active ones.

mod compare;
mod convert;
mod float;
mod halves;
mod integer;

pub(crate) use compare::{Test, combine, test};
pub(crate) use float::NAN;

use crate::ptx::program::{F32, F64, L32, L64, Narrow, Widen};

/// A function over lanes, by its signature.
#[derive(Clone, Copy)]
pub(crate) enum Code {
    Narrow3(F32),
    Wide3(F64),
    /// Narrow sources in the order written, then the wide one, wherever it is written.
    Widen(Widen),
    Narrow(Narrow),
    Divide32(F32),
    Divide64(F64),
}

/// An opcode: its function, and the widths of its destination and sources in bits.
pub(crate) struct Entry {
    pub(crate) code: Code,
    pub(crate) destination: u32,
    pub(crate) sources: Vec<u32>,
    /// Single-precision operations per lane.
    pub(crate) flops: u8,
}

impl Entry {
    /// `count` sources as wide as the destination.
    pub(crate) fn same(bits: u32, count: usize, code: Code) -> Self {
        Self { code, destination: bits, sources: vec![bits; count], flops: 0 }
    }
}

/// The function of an opcode, found by its full text.
pub(crate) fn entry(opcode: &str) -> Option<Entry> {
    integer::entry(opcode)
        .or_else(|| float::entry(opcode))
        .or_else(|| convert::entry(opcode))
        .or_else(|| halves::entry(opcode))
}

/// Applies a function to each lane of narrow registers.
#[inline(always)]
pub(crate) fn narrow(a: &L32, b: &L32, c: &L32, f: impl Fn(u32, u32, u32) -> u32) -> L32 {
    let mut d = [0; 32];
    for i in 0..32 {
        d[i] = f(a[i], b[i], c[i]);
    }
    d
}

/// Applies a function to each lane of wide registers.
#[inline(always)]
pub(crate) fn wide(a: &L64, b: &L64, c: &L64, f: impl Fn(u64, u64, u64) -> u64) -> L64 {
    let mut d = [0; 32];
    for i in 0..32 {
        d[i] = f(a[i], b[i], c[i]);
    }
    d
}

/// Applies a function of two narrow sources and a wide one.
#[inline(always)]
pub(crate) fn widen(a: &L32, b: &L32, c: &L64, f: impl Fn(u32, u32, u64) -> u64) -> L64 {
    let mut d = [0; 32];
    for i in 0..32 {
        d[i] = f(a[i], b[i], c[i]);
    }
    d
}

/// Applies a function of a wide source.
#[inline(always)]
pub(crate) fn shrink(a: &L64, f: impl Fn(u64) -> u32) -> L32 {
    a.map(f)
}
