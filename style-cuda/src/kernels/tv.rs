//! Arguments of the `tv` kernels.

use super::Args;

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct TvArgs {
    pub(crate) x: u64,
    pub(crate) to: u64,
    pub(crate) vertical: f64,
    pub(crate) horizontal: f64,
    pub(crate) scale: f64,
    pub(crate) height: u32,
    pub(crate) width: u32,
    pub(crate) stride: u32,
    pub(crate) kind: u32,
    pub(crate) acc: u32,
    pub(crate) padding: u32,
}

const _: () = assert!(size_of::<TvArgs>() == 64);

// SAFETY: matches the struct Tv in tv.cu.
unsafe impl Args for TvArgs {}
