//! Half the squared distance: the paper's content loss (equation 1) and, on Gram matrices, its style loss.
//!
//! `l(a, b) = 1/2 sum (a - b)^2`; adjoint: `da (=|+=) dl (a - b)`.

use crate::backend::shape::Acc;
use crate::backend::storage::Storage;
use crate::error::Result;

/// Half the squared distance and its gradient.
pub trait LossOps: Storage {
    /// `out[slot] = 1/2 sum (a - b)^2`, summed in `f64`.
    ///
    /// # Errors
    /// `Shape` if the shapes differ or there is no such slot.
    fn half_squared_distance(
        &self,
        a: &Self::Tensor,
        b: &Self::Tensor,
        out: &mut Self::Scalars,
        slot: usize,
    ) -> Result<()>;

    /// `da (=|+=) scale (a - b)`.
    ///
    /// # Errors
    /// `Shape` if the shapes differ.
    fn half_squared_distance_bwd(
        &self,
        a: &Self::Tensor,
        b: &Self::Tensor,
        scale: f32,
        acc: Acc,
        da: &mut Self::Tensor,
    ) -> Result<()>;
}
