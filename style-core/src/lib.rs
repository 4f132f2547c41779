//! Neural style transfer by optimisation, generic over a compute backend.
//!
//! The algorithm of Gatys, Ecker and Bethge, "A Neural Algorithm of Artistic Style" (arXiv 1508.06576).

mod error;
mod model;

pub use error::{Error, ErrorKind, Result};
pub use model::{ChannelOrder, ConvLayer, InputSpace, Layer, Model, Pooling};
