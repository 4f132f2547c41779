//! Arguments of the `guide` kernels.

use super::Args;

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct GuideArgs {
    pub(crate) x: u64,
    pub(crate) t: u64,
    pub(crate) y: u64,
    pub(crate) positions: u64,
    pub(crate) stride: u32,
    pub(crate) x_type: u32,
    pub(crate) y_type: u32,
    pub(crate) acc: u32,
    pub(crate) scale: f32,
    pub(crate) padding: u32,
}

const _: () = assert!(size_of::<GuideArgs>() == 56);

// SAFETY: matches the struct Guide in guide.cu.
unsafe impl Args for GuideArgs {}
