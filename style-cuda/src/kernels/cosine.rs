//! Arguments of the kernel of cosine distances.

use super::Args;

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct CosineArgs {
    pub(crate) x: u64,
    pub(crate) t: u64,
    pub(crate) d: u64,
    pub(crate) partial: u64,
    pub(crate) positions: u64,
    pub(crate) channels: u32,
    pub(crate) stride: u32,
}

const _: () = assert!(size_of::<CosineArgs>() == 48);

// SAFETY: matches the struct Cosine in cosine.cu.
unsafe impl Args for CosineArgs {}
