//! Arguments of the kernels of nearest neighbours.

use super::Args;

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct NearestArgs {
    pub(crate) x: u64,
    pub(crate) y: u64,
    pub(crate) best: u64,
    pub(crate) channels: u32,
    pub(crate) stride: u32,
    pub(crate) side: u32,
    pub(crate) x_width: u32,
    pub(crate) x_columns: u32,
    pub(crate) x_patches: u32,
    pub(crate) y_width: u32,
    pub(crate) y_columns: u32,
    pub(crate) y_patches: u32,
    pub(crate) part: u32,
    pub(crate) x_type: u32,
    pub(crate) y_type: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct PickArgs {
    pub(crate) best: u64,
    pub(crate) found: u64,
    pub(crate) parts: u32,
    pub(crate) patches: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct NearestDistanceArgs {
    pub(crate) x: u64,
    pub(crate) y: u64,
    pub(crate) found: u64,
    pub(crate) d: u64,
    pub(crate) partial: u64,
    pub(crate) positions: u64,
    pub(crate) channels: u32,
    pub(crate) stride: u32,
    pub(crate) side: u32,
    pub(crate) width: u32,
    pub(crate) rows: u32,
    pub(crate) columns: u32,
    pub(crate) y_width: u32,
    pub(crate) y_columns: u32,
    pub(crate) last: u32,
    pub(crate) x_type: u32,
    pub(crate) y_type: u32,
    pub(crate) padding: u32,
}

const _: () = assert!(size_of::<NearestArgs>() == 72 && size_of::<PickArgs>() == 24);

const _: () = assert!(size_of::<NearestDistanceArgs>() == 96);

// SAFETY: match the structs Nearest, Pick and Distance in nearest.cu.
unsafe impl Args for NearestArgs {}

// SAFETY: as above.
unsafe impl Args for PickArgs {}

// SAFETY: as above.
unsafe impl Args for NearestDistanceArgs {}
