//! Arguments of the Gram matrix kernels.

use super::Args;

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct FinishArgs {
    pub(crate) partial: u64,
    pub(crate) g: u64,
    pub(crate) parts: u32,
    pub(crate) tiles: u32,
    pub(crate) channels: u32,
    pub(crate) acc: u32,
    pub(crate) scale: f32,
    pub(crate) padding: u32,
}

const _: () = assert!(size_of::<FinishArgs>() == 40);

// SAFETY: matches the struct Finish in gram.cu.
unsafe impl Args for FinishArgs {}

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct GramArgs {
    pub(crate) features: u64,
    pub(crate) partial: u64,
    pub(crate) positions: u64,
    pub(crate) part: u64,
    pub(crate) channels: u32,
    pub(crate) stride: u32,
    pub(crate) dtype: u32,
    pub(crate) padding: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct SymmetricArgs {
    pub(crate) dg: u64,
    pub(crate) s: u64,
    pub(crate) channels: u32,
    pub(crate) columns: u32,
    pub(crate) scale: f32,
    pub(crate) padding: u32,
}

const _: () = assert!(size_of::<GramArgs>() == 48 && size_of::<SymmetricArgs>() == 32);

// SAFETY: match the structs Gram and Symmetric in gram.cu.
unsafe impl Args for GramArgs {}

// SAFETY: as above.
unsafe impl Args for SymmetricArgs {}

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct GramTensorArgs {
    pub(crate) features: u64,
    pub(crate) partial: u64,
    pub(crate) positions: u64,
    pub(crate) part: u64,
    pub(crate) stride: u32,
    pub(crate) padding: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct FiltersArgs {
    pub(crate) dg: u64,
    pub(crate) filters: u64,
    pub(crate) channels: u32,
    pub(crate) chunks: u32,
    pub(crate) scale: f32,
    pub(crate) padding: u32,
}

const _: () = assert!(size_of::<GramTensorArgs>() == 40 && size_of::<FiltersArgs>() == 32);

// SAFETY: match the structs GramTensor and Filters in gram_tensor.cu.
unsafe impl Args for GramTensorArgs {}

// SAFETY: as above.
unsafe impl Args for FiltersArgs {}
