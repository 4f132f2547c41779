//! Saving pictures: encoding, and writing to a file.

use std::error::Error as StdError;
use std::io::Write;
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageError, ImageFormat};
use style_core::{Error, ErrorKind, Image, Result};

use crate::picture::{Extras, Picture};
use crate::{srgb, tiff};

/// JPEG quality, of 100: higher values enlarge files without visible benefit.
const QUALITY: u8 = 95;

/// A file format for writing pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Lossless, 8 bits per channel.
    Png,
    /// Lossless, 16 bits per channel.
    Png16,
    /// Lossy, at quality 95 of 100; 8 bits, no transparency.
    Jpeg,
    /// Lossless here, 8 bits. At most 16,384 pixels per side, of which most other programs read 16,383.
    WebP,
    /// Lossless, 8 bits per channel, compressed by Deflate. Files below 4 GiB.
    Tiff,
    /// Lossless, 16 bits per channel.
    Tiff16,
}

impl Format {
    /// The 8-bit format for a file name's extension: `.png`, `.jpg`, `.jpeg`, `.webp`, `.tif` or `.tiff`,
    /// case-insensitive.
    ///
    /// ```
    /// use style_pictures::Format;
    ///
    /// assert_eq!(Format::from_path("out/cat.JPG")?, Format::Jpeg);
    /// assert!(Format::from_path("out/cat.txt").is_err());
    /// # Ok::<(), style_pictures::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Argument` for any other extension.
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        match path.extension().and_then(ImageFormat::from_extension) {
            Some(ImageFormat::Png) => Ok(Self::Png),
            Some(ImageFormat::Jpeg) => Ok(Self::Jpeg),
            Some(ImageFormat::WebP) => Ok(Self::WebP),
            Some(ImageFormat::Tiff) => Ok(Self::Tiff),
            _ => Err(Error::new(
                ErrorKind::Argument,
                format!("{}: unsupported extension; use .png, .jpg, .jpeg, .webp, .tif or .tiff", path.display()),
            )),
        }
    }

    /// The format with 16 bits per channel, which loses nothing visible of a result's values.
    ///
    /// ```
    /// use style_pictures::Format;
    ///
    /// assert_eq!(Format::from_path("cat.tif")?.deep()?, Format::Tiff16);
    /// assert!(Format::Jpeg.deep().is_err());
    /// # Ok::<(), style_pictures::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Argument` if it only has 8 bits: JPEG and WebP.
    pub fn deep(self) -> Result<Self> {
        match self {
            Self::Png | Self::Png16 => Ok(Self::Png16),
            Self::Tiff | Self::Tiff16 => Ok(Self::Tiff16),
            Self::Jpeg | Self::WebP => {
                let message = format!("{self:?} has 8 bits per channel; use PNG or TIFF for 16 bits");
                Err(Error::new(ErrorKind::Argument, message))
            }
        }
    }

    /// Whether this format supports transparency: all but JPEG, which gets the colours alone.
    #[must_use]
    pub fn carries_alpha(self) -> bool {
        self != Self::Jpeg
    }
}

/// Writes an image to a file, in the [`Format`] of its name. The folder must exist.
///
/// The file appears under its name when complete; on failure, an existing file stays.
///
/// # Errors
/// As for [`Picture::save`].
pub fn save(path: impl AsRef<Path>, image: &Image) -> Result<()> {
    let path = path.as_ref();
    write(path, &encode(image, &Extras::default(), Format::from_path(path)?)?)
}

impl Picture {
    /// Encodes the picture, rounded and clamped to the format's range, and tagged as sRGB.
    ///
    /// Transparency is kept if the format [supports it](Format::carries_alpha). A JPEG file gets the colours alone, in
    /// which invisible pixels have the mean of the visible ones.
    ///
    /// # Errors
    /// `Shape` if image and transparency differ in size; `Image` if the format cannot hold the picture.
    pub fn encode(&self, format: Format) -> Result<Vec<u8>> {
        encode(&self.image, &self.extras, format)
    }

    /// Writes the picture to a file, in the [`Format`] of its name, with 8 bits per channel. The folder must exist.
    ///
    /// The file appears under its name when complete; on failure, an existing file stays.
    ///
    /// # Errors
    /// `Argument` if the extension is not a known format; `Io` if the file cannot be written; those of
    /// [`encode`](Self::encode).
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        self.save_as(path, Format::from_path(path)?)
    }

    /// The same in a given format, whatever the name.
    ///
    /// ```
    /// use style_pictures::{Format, Image, Picture};
    ///
    /// # fn main() -> style_pictures::Result<()> {
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let file = folder.path().join("deep.png");
    /// let picture = Picture::from(Image::from_planar(16, 16, vec![100.25; 3 * 16 * 16])?);
    /// picture.save_as(&file, Format::Png16)?;
    /// let back = Picture::open(&file)?.image;
    /// assert!((back.pixels()[0] - 100.25).abs() < 0.5 / 257.0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Io` if the file cannot be written; those of [`encode`](Self::encode).
    pub fn save_as(&self, path: impl AsRef<Path>, format: Format) -> Result<()> {
        write(path.as_ref(), &self.encode(format)?)
    }
}

fn encode(image: &Image, extras: &Extras, format: Format) -> Result<Vec<u8>> {
    let alpha = extras.alpha_of(image)?.filter(|_| format.carries_alpha());
    encoded(image, alpha, format)
        .map_err(|e| Error::new(ErrorKind::Image, "cannot encode the picture in this format").with_source(e))
}

fn encoded(image: &Image, alpha: Option<&[f32]>, format: Format) -> Result<Vec<u8>, Box<dyn StdError + Send + Sync>> {
    let size = [image.width(), image.height()].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    let has_alpha = alpha.is_some();
    let colour8 = if has_alpha { ExtendedColorType::Rgba8 } else { ExtendedColorType::Rgb8 };
    let colour16 = if has_alpha { ExtendedColorType::Rgba16 } else { ExtendedColorType::Rgb16 };
    // Casts saturate.
    let bytes = || interleaved(image, alpha, |v| v.round() as u8);
    let words = || interleaved(image, alpha, |v| (v * 257.0).round() as u16);
    let icc = srgb::profile();
    let mut file = vec![];
    match format {
        Format::Png => put(PngEncoder::new(&mut file), icc, &bytes(), size, colour8)?,
        Format::Png16 => {
            let words: Vec<u8> = words().into_iter().flat_map(u16::to_ne_bytes).collect();
            put(PngEncoder::new(&mut file), icc, &words, size, colour16)?;
        }
        Format::Jpeg => put(JpegEncoder::new_with_quality(&mut file, QUALITY), icc, &bytes(), size, colour8)?,
        Format::WebP => put(WebPEncoder::new_lossless(&mut file), icc, &bytes(), size, colour8)?,
        Format::Tiff => file = tiff::encode8(&bytes(), size, has_alpha, &icc)?,
        Format::Tiff16 => file = tiff::encode16(&words(), size, has_alpha, &icc)?,
    }
    Ok(file)
}

/// Interleaved values of each pixel, from 8-bit units.
fn interleaved<T>(image: &Image, alpha: Option<&[f32]>, value: impl Fn(f32) -> T) -> Vec<T> {
    let n = image.width() * image.height();
    let channels = if alpha.is_some() { 4 } else { 3 };
    let mut values = Vec::with_capacity(channels * n);
    for i in 0..n {
        values.extend((0..3).map(|c| value(image.pixels()[c * n + i])));
        values.extend(alpha.map(|alpha| value(alpha[i] * 255.0)));
    }
    values
}

fn put(
    mut encoder: impl ImageEncoder,
    icc: Vec<u8>,
    values: &[u8],
    [width, height]: [u32; 2],
    colour: ExtendedColorType,
) -> image::ImageResult<()> {
    encoder.set_icc_profile(icc).map_err(ImageError::Unsupported)?;
    encoder.write_image(values, width, height, colour)
}

/// Writes to a temporary file and renames it, so that the file is never there in part.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".picture-");
    #[cfg(unix)]
    {
        // The permissions of any other new file.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let write = || {
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    };
    write().map_err(|e: std::io::Error| {
        Error::new(ErrorKind::Io, format!("cannot write {}", path.display())).with_source(e)
    })
}
