//! Finished pictures: into the bytes of a file format, and into a file.

use std::fs;
use std::io::Write;
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageFormat};
use style_core::{Error, ErrorKind, Image, Result};

use crate::{Extras, Picture};

/// JPEG's quality, of 100: beyond, files grow and nobody sees why.
const QUALITY: u8 = 95;

/// A file format that pictures are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Lossless.
    Png,
    /// Lossy, at quality 95 of 100; knows no transparency.
    Jpeg,
    /// Lossless here. At most 16,383 pixels a side.
    WebP,
}

impl Format {
    /// The format that a file's name ends in: `.png`, `.jpg`, `.jpeg` or `.webp`, in letters of either case.
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
    /// `Argument` if the name ends otherwise.
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        match path.extension().and_then(ImageFormat::from_extension) {
            Some(ImageFormat::Png) => Ok(Self::Png),
            Some(ImageFormat::Jpeg) => Ok(Self::Jpeg),
            Some(ImageFormat::WebP) => Ok(Self::WebP),
            _ => Err(Error::new(
                ErrorKind::Argument,
                format!(
                    "{}: a picture can be written as .png, .jpg, .jpeg or .webp; give it such a name",
                    path.display()
                ),
            )),
        }
    }

    /// Whether pictures of this format can be transparent.
    #[must_use]
    pub fn carries_alpha(self) -> bool {
        self != Self::Jpeg
    }
}

/// Writes an image into a file, in the [`Format`] of its name. The folder must exist.
///
/// The file appears under its name when it is complete; if that fails, what was there before stays.
///
/// # Errors
/// As of [`Picture::save`].
pub fn save(path: impl AsRef<Path>, image: &Image) -> Result<()> {
    let path = path.as_ref();
    write(path, &encode(image, &Extras::default(), Format::from_path(path)?)?)
}

impl Picture {
    /// The picture in the bytes of a file: 8 bits a channel, with transparency if the format has it, and the profile.
    ///
    /// # Errors
    /// `Shape` if image and transparency are of different sizes; `Image` if the format cannot hold the picture.
    pub fn encode(&self, format: Format) -> Result<Vec<u8>> {
        encode(&self.image, &self.extras, format)
    }

    /// Writes the picture into a file, in the [`Format`] of its name. The folder must exist.
    ///
    /// The file appears under its name when it is complete; if that fails, what was there before stays.
    ///
    /// # Errors
    /// `Argument` if the name ends in no format that is known; `Io` if the file cannot be written; those of
    /// [`encode`](Self::encode).
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        write(path, &self.encode(Format::from_path(path)?)?)
    }
}

fn encode(image: &Image, extras: &Extras, format: Format) -> Result<Vec<u8>> {
    let failed = |e: image::ImageError| {
        Error::new(ErrorKind::Image, "the picture cannot be written in this format").with_source(e)
    };
    let [width, height] = [image.width(), image.height()].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    let mut pixels = image.to_rgb8();
    let mut colour = ExtendedColorType::Rgb8;
    if let Some(alpha) = extras.alpha_of(image)?.filter(|_| format.carries_alpha()) {
        let rgba = |(rgb, a): (&[u8], &f32)| [rgb[0], rgb[1], rgb[2], (a * 255.0).round() as u8];
        pixels = pixels.chunks_exact(3).zip(alpha).flat_map(rgba).collect();
        colour = ExtendedColorType::Rgba8;
    }
    let mut bytes = vec![];
    let icc = extras.icc();
    match format {
        Format::Jpeg => put(JpegEncoder::new_with_quality(&mut bytes, QUALITY), icc, &pixels, [width, height], colour),
        Format::WebP => put(WebPEncoder::new_lossless(&mut bytes), icc, &pixels, [width, height], colour),
        Format::Png => put(PngEncoder::new(&mut bytes), icc, &pixels, [width, height], colour),
    }
    .map_err(failed)?;
    Ok(bytes)
}

fn put(
    mut encoder: impl ImageEncoder,
    icc: Option<&[u8]>,
    pixels: &[u8],
    [width, height]: [u32; 2],
    colour: ExtendedColorType,
) -> image::ImageResult<()> {
    if let Some(icc) = icc {
        // A format without profiles does without.
        let _ = encoder.set_icc_profile(icc.to_vec());
    }
    encoder.write_image(pixels, width, height, colour)
}

/// Writes beside the file and then renames, so that it is never there in part.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".picture-");
    #[cfg(unix)]
    {
        // Those of any other new file.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
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
