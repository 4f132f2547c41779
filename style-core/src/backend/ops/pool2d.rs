//! Pooling over 2x2 windows, stride 2; a last odd row or column is dropped.
//!
//! Average, `x: [1, C, H, W]`, `y: [1, C, H/2, W/2]`: `y[k, r, c] = 1/4 sum_{u,v in {0,1}} x[k, 2r+u, 2c+v]`.
//! Adjoint: `dx[k, 2r+u, 2c+v] (=|+=) dy[k, r, c] / 4`.
//!
//! Max: `y[k, r, c] = max_{u,v} x[k, 2r+u, 2c+v]`; among equal values the first in row-major order is selected, as in
//! PyTorch. Adjoint: all of `dy[k, r, c]` goes to the selected element.
//!
//! A dropped row or column is set to zero under `Store` and left unchanged under `Add`.

use serde::{Deserialize, Serialize};

use crate::backend::shape::{Acc, Shape};
use crate::backend::storage::Storage;
use crate::error::Result;

/// The pooling between the blocks. The paper replaces VGG's max pooling by average pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// Mean of each 2x2 window, stride 2 (the paper's choice).
    #[default]
    Average,
    /// Maximum of each 2x2 window, stride 2 (as VGG was trained).
    Max,
}

/// The extents of one pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pool2d {
    /// Average or max.
    pub pooling: Pooling,
    /// C, of input and output.
    pub channels: usize,
    /// H of the input.
    pub height: usize,
    /// W of the input.
    pub width: usize,
}

impl Pool2d {
    /// Shape of the input.
    #[must_use]
    pub const fn input(&self) -> Shape {
        Shape::new(self.channels, self.height, self.width)
    }

    /// Shape of the output.
    #[must_use]
    pub const fn output(&self) -> Shape {
        Shape::new(self.channels, self.height / 2, self.width / 2)
    }
}

/// Pooling in both directions.
pub trait Pool2dOps: Storage {
    /// `y = pool(x)`; a max pool records the selected elements in `switches`, if given.
    ///
    /// # Errors
    /// `Shape` if an operand does not fit `op`.
    fn pool2d_fwd(
        &self,
        op: &Pool2d,
        x: &Self::Tensor,
        y: &mut Self::Tensor,
        switches: Option<&mut Self::Switches>,
    ) -> Result<()>;

    /// `dx (=|+=) pool^T dy`; max pooling needs the switches of the forward pass.
    ///
    /// # Errors
    /// `Shape` if an operand does not fit `op`; `Argument` for a max pool without switches.
    fn pool2d_bwd(
        &self,
        op: &Pool2d,
        dy: &Self::Tensor,
        switches: Option<&Self::Switches>,
        acc: Acc,
        dx: &mut Self::Tensor,
    ) -> Result<()>;
}
