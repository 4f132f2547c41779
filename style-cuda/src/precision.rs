//! Number formats of features.

/// The number format of features and filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Precision {
    /// `f32` throughout.
    #[default]
    F32,
    /// Features in `f16`, their gradients in `bf16`, on tensor cores that accumulate in `f32`.
    F16,
    /// Both in `bf16`, for networks whose features exceed 65504.
    Bf16,
}
