//! Picture files and everything about them that the network does not see.
//!
//! - [`Picture`]: a PNG, JPEG, WebP, TIFF, GIF or BMP file opened as an [`Image`] in sRGB, with its transparency; resized;
//!   encoded and saved as PNG, JPEG, WebP or TIFF, in 8 or 16 bits a channel.
//! - [`dimensions`]: the size of a picture by its header.
//! - [`save`]: writes an [`Image`] to a file, completely or not at all.
//! - [`match_colours`], [`match_luminance`], [`keep_colours`]: keep the photograph's colours.
//! - [`mask`]: a picture as a mask.
//! - [`SemanticMap`]: a picture whose colours are regions, as masks for a photograph and a painting.
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
//! Two features are on by default: `icc` converts colours by the profiles of files, without which a note says of every
//! file with a profile that its colours are taken as sRGB; `sheets` is [`Sheet`] with its font.
//!
//! Pixels are sRGB-encoded, in 8-bit units: 0 is black and 255 white. Colours of other profiles are converted when a
//! file is opened, written files are tagged as sRGB, and nothing is linearised, not even for resizing.

#![forbid(unsafe_code)]

mod bmp;
mod colour;
mod decode;
mod file;
mod formats;
mod gif;
mod header;
#[cfg_attr(not(feature = "icc"), path = "no_icc.rs")]
mod icc;
mod jpeg;
mod limits;
mod maps;
mod mask;
mod matrix;
mod picture;
#[cfg(feature = "sheets")]
mod sheet;
mod srgb;
#[cfg(feature = "sheets")]
mod text;
mod tiff;

pub use colour::{Matching, keep_colours, luminance, match_colours, match_luminance};
pub use file::{Format, save};
pub use header::dimensions;
pub use limits::{LARGEST_AREA, LARGEST_SIDE};
pub use maps::{MapColour, MatchedRegion, SemanticMap};
pub use mask::{mask, mask_of};
pub use picture::{Extras, Picture};
#[cfg(feature = "sheets")]
pub use sheet::Sheet;
pub use style_core::{Error, ErrorKind, Image, Mask, Result};
