//! Arguments of the transport kernels.

use super::Args;

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct SortArgs {
    pub(crate) x: u64,
    pub(crate) pairs: u64,
    pub(crate) positions: u32,
    pub(crate) stride: u32,
    pub(crate) size: u32,
    pub(crate) merged: u32,
    pub(crate) step: u32,
    pub(crate) padding: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct TransportArgs {
    pub(crate) x: u64,
    pub(crate) t: u64,
    pub(crate) d: u64,
    pub(crate) pairs: u64,
    pub(crate) partial: u64,
    pub(crate) positions: u32,
    pub(crate) stride: u32,
    pub(crate) size: u32,
    pub(crate) padding: u32,
}

const _: () = assert!(size_of::<SortArgs>() == 40 && size_of::<TransportArgs>() == 56);

// SAFETY: match the structs Sort and Transport in transport.cu.
unsafe impl Args for SortArgs {}

// SAFETY: as above.
unsafe impl Args for TransportArgs {}
