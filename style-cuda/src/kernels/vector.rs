//! Arguments of the vector kernels, and the number of their partial sums.

use super::Args;

/// The most left and right vectors per call of `dots`, and terms per call of `combine`; match vector.cu.
pub(crate) const LEFT: usize = 4;

pub(crate) const RIGHT: usize = 240;

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct DotsArgs {
    pub(crate) left: [u64; LEFT],
    pub(crate) right: [u64; RIGHT],
    pub(crate) partial: u64,
    pub(crate) length: u64,
    pub(crate) lefts: u32,
    pub(crate) rights: u32,
    pub(crate) right_type: u32,
    pub(crate) padding: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct ReduceArgs {
    pub(crate) partial: u64,
    pub(crate) out: u64,
    pub(crate) scale: f64,
    pub(crate) count: u32,
    pub(crate) padding: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct CombineArgs {
    pub(crate) x: [u64; TERMS],
    pub(crate) c: [f64; TERMS],
    pub(crate) y: u64,
    pub(crate) pieces: u64,
    pub(crate) terms: u32,
    pub(crate) halves: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct ScaleByArgs {
    pub(crate) x: u64,
    pub(crate) s: u64,
    pub(crate) y: u64,
    pub(crate) power: f64,
    pub(crate) pieces: u64,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct AdamArgs {
    pub(crate) g: u64,
    pub(crate) m: u64,
    pub(crate) v: u64,
    pub(crate) x: u64,
    pub(crate) pieces: u64,
    pub(crate) rate: f32,
    pub(crate) beta1: f32,
    pub(crate) beta2: f32,
    pub(crate) correction2: f32,
    pub(crate) epsilon: f32,
    pub(crate) padding: u32,
}

const _: () = assert!(size_of::<DotsArgs>() == 1984 && size_of::<ReduceArgs>() == 32);

const _: () = assert!(size_of::<CombineArgs>() == 3864 && size_of::<AdamArgs>() == 64);

const _: () = assert!(size_of::<ScaleByArgs>() == 40);

// SAFETY: match the structs Dots, Reduce, Combine, ScaleBy and Adam in vector.cu.
unsafe impl Args for DotsArgs {}

// SAFETY: as above.
unsafe impl Args for ReduceArgs {}

// SAFETY: as above.
unsafe impl Args for CombineArgs {}

// SAFETY: as above.
unsafe impl Args for ScaleByArgs {}

// SAFETY: as above.
unsafe impl Args for AdamArgs {}

/// The most blocks of a reduction.
pub(crate) const PARTS: usize = 256;

/// The size in bytes of the partial sums of the largest reduction.
pub(crate) const PARTIAL_BYTES: usize = 8 * PARTS * LEFT * RIGHT;

pub(crate) const TERMS: usize = 240;
