//! Arguments of the `history` kernels.

use super::Args;

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct ConvertArgs {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) pieces: u64,
    pub(crate) from_type: u32,
    pub(crate) to_type: u32,
}

const _: () = assert!(size_of::<ConvertArgs>() == 32);

// SAFETY: matches the struct Convert in history.cu.
unsafe impl Args for ConvertArgs {}
