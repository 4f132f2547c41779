//! Neural style transfer by optimisation: repaint one picture in the style of another.

pub use style_core::*;
/// The CPU backend.
#[cfg(feature = "cpu")]
pub use style_cpu as cpu;
/// VGG-16 and VGG-19, their weight files, and the embedded weights.
pub use style_models as models;
