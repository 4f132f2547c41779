//! Pictures, and all about them that the network does not see.
//!
//! - [`Picture`]: a PNG, JPEG or WebP file opened as an [`Image`], with its transparency and colour profile; resized;
//!   encoded and saved.
//! - [`save`]: an [`Image`] into a file, at once or not at all.
//! - [`match_colours`], [`match_luminance`], [`keep_colours`]: the photograph's colours kept.
//! - [`mask`]: a picture as a mask.
//! - [`Sheet`]: pictures side by side, with labels.
//!
//! ```
//! use style_pictures::{Image, Picture, save};
//!
//! # fn main() -> style_pictures::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let (file, result) = (folder.path().join("photo.png"), folder.path().join("small.jpg"));
//! # save(&file, &Image::from_rgb8(64, 48, &[90; 64 * 48 * 3])?)?;
//! let photo = Picture::open(&file)?.sized(32)?;
//! assert_eq!((photo.image.width(), photo.image.height()), (32, 24));
//! save(&result, &photo.image)?;
//! # Ok(())
//! # }
//! ```
//!
//! Pixels are 8-bit units, 0 is black and 255 white, as encoded: nothing is linearised, no colour profile converted.

mod colour;
mod file;
mod mask;
mod matrix;
mod picture;
mod sheet;
mod text;

pub use colour::{Matching, keep_colours, luminance, match_colours, match_luminance};
pub use file::{Format, save};
pub use mask::{mask, mask_of};
pub use picture::{Extras, LARGEST_SIDE, Picture};
pub use sheet::Sheet;
pub use style_core::{Error, ErrorKind, Image, Mask, Result};
