//! Arguments of the kernel of samples.

use super::Args;

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct SampleArgs {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) offsets: u64,
    pub(crate) columns: u64,
    pub(crate) values: u64,
    pub(crate) rows: u64,
    pub(crate) entries: u32,
    pub(crate) last: u32,
    pub(crate) from_channels: u32,
    pub(crate) from_stride: u32,
    pub(crate) from_first: u32,
    pub(crate) to_stride: u32,
    pub(crate) to_first: u32,
    pub(crate) channels: u32,
    pub(crate) lanes: u32,
    pub(crate) from_type: u32,
    pub(crate) to_type: u32,
    pub(crate) acc: u32,
    pub(crate) scale: f32,
    pub(crate) padding: u32,
}

const _: () = assert!(size_of::<SampleArgs>() == 104);

// SAFETY: matches the struct Sample in sample.cu.
unsafe impl Args for SampleArgs {}
