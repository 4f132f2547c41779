//! Neural style transfer by optimisation: repaint one picture in the style of another.

pub use style_core::*;
/// The CPU backend.
#[cfg(feature = "cpu")]
pub use style_cpu as cpu;
/// The beginning of a CUDA backend: finds devices, computes nothing yet.
#[cfg(feature = "cuda")]
pub use style_cuda as cuda;
/// VGG-16 and VGG-19, their weight files, and the embedded weights.
pub use style_models as models;
