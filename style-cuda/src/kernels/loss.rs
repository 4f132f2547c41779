//! Arguments of the `loss` kernels.

use super::Args;

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct DistanceArgs {
    pub(crate) a: u64,
    pub(crate) b: u64,
    pub(crate) partial: u64,
    pub(crate) length: u64,
    pub(crate) a_type: u32,
    pub(crate) b_type: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct DistanceBwdArgs {
    pub(crate) a: u64,
    pub(crate) b: u64,
    pub(crate) da: u64,
    pub(crate) pieces: u64,
    pub(crate) a_type: u32,
    pub(crate) b_type: u32,
    pub(crate) da_type: u32,
    pub(crate) acc: u32,
    pub(crate) scale: f32,
    pub(crate) padding: u32,
}

const _: () = assert!(size_of::<DistanceArgs>() == 40 && size_of::<DistanceBwdArgs>() == 56);

// SAFETY: match the structs Distance and DistanceBwd in loss.cu.
unsafe impl Args for DistanceArgs {}

// SAFETY: as above.
unsafe impl Args for DistanceBwdArgs {}
