//! Arguments of the `relu` kernels.

use super::Args;

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct RectifyArgs {
    pub(crate) x: u64,
    pub(crate) pieces: u64,
    pub(crate) dtype: u32,
    pub(crate) padding: u32,
}

const _: () = assert!(size_of::<RectifyArgs>() == 24);

// SAFETY: matches the struct Rectify in relu.cu.
unsafe impl Args for RectifyArgs {}
