//! Arguments of the `window` kernels.

use super::Args;

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct WindowArgs {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) whole: [u32; 2],
    pub(crate) at: [u32; 2],
    pub(crate) window: [u32; 2],
    pub(crate) stride: u32,
    pub(crate) from_type: u32,
    pub(crate) to_type: u32,
    pub(crate) acc: u32,
}

const _: () = assert!(size_of::<WindowArgs>() == 56);

// SAFETY: matches the struct Window in window.cu.
unsafe impl Args for WindowArgs {}
