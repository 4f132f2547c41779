//! Arguments of the `moments` kernels.

use super::Args;

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct SumArgs {
    pub(crate) x: u64,
    pub(crate) t: u64,
    pub(crate) mean: u64,
    pub(crate) partial: u64,
    pub(crate) positions: u64,
    pub(crate) channels: u32,
    pub(crate) stride: u32,
    pub(crate) dtype: u32,
    pub(crate) padding: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct FinishArgs {
    pub(crate) partial: u64,
    pub(crate) exact: u64,
    pub(crate) out: u64,
    pub(crate) scale: f64,
    pub(crate) count: u32,
    pub(crate) channels: u32,
    pub(crate) root: u32,
    pub(crate) padding: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct MomentsBwdArgs {
    pub(crate) x: u64,
    pub(crate) t: u64,
    pub(crate) mean: u64,
    pub(crate) dmean: u64,
    pub(crate) deviation: u64,
    pub(crate) ddeviation: u64,
    pub(crate) dx: u64,
    pub(crate) positions: u64,
    pub(crate) even: f32,
    pub(crate) stride: u32,
    pub(crate) x_type: u32,
    pub(crate) dx_type: u32,
    pub(crate) acc: u32,
    pub(crate) channels: u32,
}

const _: () = assert!(size_of::<SumArgs>() == 56 && size_of::<FinishArgs>() == 48 && size_of::<MomentsBwdArgs>() == 88);

// SAFETY: match the structs Sum, Finish and MomentsBwd in moments.cu.
unsafe impl Args for SumArgs {}

// SAFETY: as above.
unsafe impl Args for FinishArgs {}

// SAFETY: as above.
unsafe impl Args for MomentsBwdArgs {}
