//! Number formats of features.

/// What features and filters are held in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Precision {
    /// `f32` throughout.
    #[default]
    F32,
    /// Features in `f16`, their gradients in `bf16`, on tensor cores that add up in `f32`.
    F16,
    /// Both in `bf16`, for networks whose features are beyond 65504.
    Bf16,
}
