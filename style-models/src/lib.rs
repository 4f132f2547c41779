//! Neural style transfer: VGG-16 and VGG-19, their weight files, and embedded weights.

#[cfg(feature = "embedded")]
mod embedded;
mod formats;
mod load;
mod naming;
mod source;
mod tensors;
#[cfg(test)]
mod tests;
mod vgg;

#[cfg(feature = "embedded")]
pub use embedded::embedded;
pub use formats::safetensors::save;
pub use load::{Format, LoadOptions, Loaded, from_bytes, load};
pub use vgg::{Convolution, Vgg};
