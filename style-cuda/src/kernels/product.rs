//! Arguments of the product kernels.

use super::Args;

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct SpreadArgs {
    pub(crate) matrix: u64,
    pub(crate) s: u64,
    pub(crate) row_step: u64,
    pub(crate) column_step: u64,
    pub(crate) rows: u32,
    pub(crate) columns: u32,
    pub(crate) s_columns: u32,
    pub(crate) scale: f32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct ProjectArgs {
    pub(crate) x: u64,
    pub(crate) s: u64,
    pub(crate) to: u64,
    pub(crate) positions: u64,
    pub(crate) channels: u32,
    pub(crate) stride: u32,
    pub(crate) s_columns: u32,
    pub(crate) to_stride: u32,
    pub(crate) x_type: u32,
    pub(crate) to_type: u32,
    pub(crate) acc: u32,
    pub(crate) padding: u32,
}

const _: () = assert!(size_of::<SpreadArgs>() == 48 && size_of::<ProjectArgs>() == 64);

// SAFETY: match the structs Spread and Project in product.cu.
unsafe impl Args for SpreadArgs {}

// SAFETY: as above.
unsafe impl Args for ProjectArgs {}
