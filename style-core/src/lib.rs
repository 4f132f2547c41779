//! Neural style transfer by optimisation, generic over a compute backend.
//!
//! The algorithm of Gatys, Ecker and Bethge, "A Neural Algorithm of Artistic Style" (arXiv 1508.06576): feed an image
//! through a pre-trained network, hold its features to a content image's and its Gram matrices to a style image's,
//! and descend on the image's own pixels.

mod backend;
mod error;
mod model;
pub mod ops;

pub use backend::{Acc, Backend, Shape, Storage, expect_shape};
pub use error::{Error, ErrorKind, Result};
pub use model::{ChannelOrder, ConvLayer, InputSpace, Layer, Model, Pooling};
