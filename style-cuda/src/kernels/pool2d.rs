//! Arguments of the `pool2d` kernels.

use super::Args;

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct PoolArgs {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) switches: u64,
    pub(crate) height: u32,
    pub(crate) width: u32,
    pub(crate) stride: u32,
    pub(crate) from_type: u32,
    pub(crate) to_type: u32,
    pub(crate) acc: u32,
    pub(crate) max: u32,
    pub(crate) padding: u32,
}

const _: () = assert!(size_of::<PoolArgs>() == 56);

// SAFETY: matches the struct Pool in pool2d.cu.
unsafe impl Args for PoolArgs {}
