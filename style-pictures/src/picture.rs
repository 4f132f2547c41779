//! Pictures from files, and their sizes.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use style_core::{Error, ErrorKind, Image, Result, resample};

/// The longest side that a picture may have, in pixels.
pub const LARGEST_SIDE: u32 = 32_768;

/// The shortest side of a file to be painted or learned from: one position of the network's deepest layers.
const SMALLEST: usize = 16;

/// Memory that decoding one picture may take: enough for 130 megapixels of 16-bit RGBA.
const DECODE_BYTES: u64 = 1 << 30;

/// Visible enough for its colour to mean something.
const VISIBLE: f32 = 1.0 / 255.0;

/// A picture with what the network does not see.
///
/// A result takes on what the photograph had: `Picture { image: session.image()?, extras: photograph.extras }`.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The colours.
    pub image: Image,
    /// The rest.
    pub extras: Extras,
}

/// What is carried from a photograph to the result unseen by the network: transparency and colour profile.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// Opacity of each pixel, 0 to 1; `None` if all are opaque.
    alpha: Option<Vec<f32>>,
    /// Colour profile.
    icc: Option<Vec<u8>>,
}

impl Extras {
    /// Whether some of the picture is transparent.
    #[must_use]
    pub fn has_alpha(&self) -> bool {
        self.alpha.is_some()
    }

    /// The ICC profile of the colours, as the file has it.
    #[must_use]
    pub fn icc(&self) -> Option<&[u8]> {
        self.icc.as_deref()
    }

    /// The opacity of this image's pixels.
    pub(crate) fn alpha_of(&self, image: &Image) -> Result<Option<&[f32]>> {
        let pixels = image.width() * image.height();
        match self.alpha.as_deref() {
            Some(alpha) if alpha.len() != pixels => Err(Error::new(
                ErrorKind::Shape,
                format!(
                    "the transparency is of a picture of {} pixels, but the image has {}x{}; resize the picture that \
                     the transparency comes from",
                    alpha.len(),
                    image.width(),
                    image.height()
                ),
            )),
            alpha => Ok(alpha),
        }
    }
}

/// An opaque picture without a colour profile.
impl From<Image> for Picture {
    fn from(image: Image) -> Self {
        Self { image, extras: Extras::default() }
    }
}

impl Picture {
    /// Reads a PNG, JPEG or WebP file of 8 or 16 bits a channel, upright as its EXIF orientation says.
    ///
    /// Colours are taken as they are stored, not multiplied by alpha; where nothing is visible they are the mean of
    /// the visible ones, so that the network sees no edge that a viewer does not.
    ///
    /// # Errors
    /// `Io` if the file cannot be read; `Image` if it is empty, damaged, cut short, too large (a side above
    /// [`LARGEST_SIDE`], or more than 1 GiB once decoded) or no picture; `Shape` if a side has fewer than 16 pixels,
    /// which the network cannot see.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (decoded, icc) = decode(path)?;
        let picture = Self::from_decoded(decoded, icc)?;
        let (w, h) = (picture.image.width(), picture.image.height());
        if w.min(h) < SMALLEST {
            return Err(Error::new(
                ErrorKind::Shape,
                format!(
                    "{}: the picture has {w}x{h} pixels, too few for the network: give one of at least \
                     {SMALLEST}x{SMALLEST}",
                    path.display()
                ),
            ));
        }
        Ok(picture)
    }

    fn from_decoded(decoded: DynamicImage, icc: Option<Vec<u8>>) -> Result<Self> {
        let (width, height) = (decoded.width() as usize, decoded.height() as usize);
        let has_alpha = decoded.has_alpha();
        let [r, g, b, alpha] = rgba_planes(decoded);
        let mut colours = [r, g, b];
        let alpha = (has_alpha && alpha.iter().any(|a| *a < 1.0)).then_some(alpha);
        if let Some(alpha) = &alpha {
            colours.iter_mut().for_each(|plane| fill_invisible(plane, alpha));
        }
        Ok(Self { image: Image::from_planar(width, height, colours.concat())?, extras: Extras { alpha, icc } })
    }

    /// The picture with a long side of so many pixels, and the same proportions.
    ///
    /// ```
    /// use style_pictures::{Image, Picture};
    ///
    /// let picture = Picture::from(Image::from_rgb8(40, 20, &[128; 40 * 20 * 3])?);
    /// let small = picture.sized(30)?.image;
    /// assert_eq!((small.width(), small.height()), (30, 15));
    /// let twice = picture.scaled(2.0)?.image;
    /// assert_eq!((twice.width(), twice.height()), (80, 40));
    /// # Ok::<(), style_pictures::Error>(())
    /// ```
    ///
    /// # Errors
    /// As of [`stretched`](Self::stretched).
    pub fn sized(&self, long_side: u32) -> Result<Self> {
        self.scaled(f64::from(long_side) / self.long_side() as f64)
    }

    /// The picture with sides of so many times the length, rounded, at least 1 pixel.
    ///
    /// # Errors
    /// `Argument` if the factor is not above 0; those of [`stretched`](Self::stretched).
    pub fn scaled(&self, factor: f64) -> Result<Self> {
        let (w, h) = (self.image.width(), self.image.height());
        let side = |n: usize| (n as f64 * factor).round().max(1.0);
        if !factor.is_finite() || factor <= 0.0 || side(w).max(side(h)) > f64::from(LARGEST_SIDE) {
            return Err(Error::new(
                ErrorKind::Argument,
                format!(
                    "a picture of {w}x{h} pixels cannot be made {factor} times as large; its long side may have 1 to \
                     {LARGEST_SIDE} pixels"
                ),
            ));
        }
        self.stretched(side(w) as usize, side(h) as usize)
    }

    /// The picture at exactly this size, by Lanczos' filter of three lobes; the very same values if it has it.
    ///
    /// ```
    /// # use style_pictures::{Image, Picture};
    /// # let picture = Picture::from(Image::from_rgb8(40, 20, &[128; 40 * 20 * 3])?);
    /// let square = picture.stretched(30, 30)?.image;
    /// assert_eq!((square.width(), square.height()), (30, 30));
    /// # Ok::<(), style_pictures::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Argument` if a side would have no pixel or more than [`LARGEST_SIDE`]; `Shape` if image and transparency are
    /// of different sizes.
    pub fn stretched(&self, width: usize, height: usize) -> Result<Self> {
        let (w, h) = (self.image.width(), self.image.height());
        if (w, h) == (width, height) {
            return Ok(self.clone());
        }
        if width.min(height) == 0 || width.max(height) > LARGEST_SIDE as usize {
            return Err(Error::new(
                ErrorKind::Argument,
                format!("a picture cannot be made {width}x{height}; a side may have 1 to {LARGEST_SIDE} pixels"),
            ));
        }
        let alpha = self.extras.alpha_of(&self.image)?;
        let resampled = |plane: &[f32]| resample(plane, (w, h), (width, height));
        let colours = self.image.pixels().chunks_exact(w * h);
        let Some(alpha) = alpha else {
            let planes = colours.map(resampled).collect::<Result<Vec<_>>>()?;
            let image = Image::from_planar(width, height, clamped(planes.concat(), 255.0))?;
            return Ok(Self { image, extras: self.extras.clone() });
        };
        // Colours count as much as they are visible.
        let new_alpha = resampled(alpha)?;
        let mut planes = vec![];
        for plane in colours {
            let weighted: Vec<f32> = plane.iter().zip(alpha).map(|(v, a)| v * a).collect();
            let mut plane = resampled(&weighted)?;
            plane.iter_mut().zip(&new_alpha).for_each(|(v, a)| *v /= a.max(VISIBLE));
            fill_invisible(&mut plane, &new_alpha);
            planes.push(plane);
        }
        let image = Image::from_planar(width, height, clamped(planes.concat(), 255.0))?;
        let extras = Extras { alpha: Some(clamped(new_alpha, 1.0)), icc: self.extras.icc.clone() };
        Ok(Self { image, extras })
    }

    /// Pixels of the longer side.
    #[must_use]
    pub fn long_side(&self) -> usize {
        self.image.width().max(self.image.height())
    }
}

/// The planes of red, green and blue in 8-bit units, and of alpha, 0 to 1.
pub(crate) fn rgba_planes(decoded: DynamicImage) -> [Vec<f32>; 4] {
    let deep = decoded.color().bytes_per_pixel() > decoded.color().channel_count();
    let mut planes = if deep {
        planes(decoded.into_rgba16().as_raw(), |v| f32::from(v) / 257.0)
    } else {
        planes(decoded.into_rgba8().as_raw(), f32::from)
    };
    planes[3].iter_mut().for_each(|a| *a /= 255.0);
    planes
}

/// Four planes of interleaved RGBA.
fn planes<T: Copy>(interleaved: &[T], value: impl Fn(T) -> f32) -> [Vec<f32>; 4] {
    [0, 1, 2, 3].map(|c| interleaved.iter().skip(c).step_by(4).map(|&v| value(v)).collect())
}

fn clamped(mut values: Vec<f32>, most: f32) -> Vec<f32> {
    values.iter_mut().for_each(|v| *v = v.clamp(0.0, most));
    values
}

/// Gives invisible pixels the mean of the visible ones.
fn fill_invisible(plane: &mut [f32], alpha: &[f32]) {
    let (mut sum, mut weight) = (0.0, 0.0);
    for (v, a) in plane.iter().zip(alpha).filter(|(_, a)| **a >= VISIBLE) {
        sum += f64::from(v * a);
        weight += f64::from(*a);
    }
    let mean = if weight > 0.0 { (sum / weight) as f32 } else { 127.5 };
    plane.iter_mut().zip(alpha).filter(|(_, a)| **a < VISIBLE).for_each(|(v, _)| *v = mean);
}

/// Whether a JPEG stream has its end marker: the decoder fills what is missing with grey and says nothing.
fn jpeg_is_complete(bytes: &[u8]) -> bool {
    // Segments up to the first scan have a length, and may hold whole thumbnails; in a scan, 0xFF is always escaped.
    let mut at = 2;
    while let Some([0xff, marker, high, low]) = bytes.get(at..at + 4) {
        if *marker == 0xda {
            return bytes[at..].windows(2).any(|w| w == [0xff, 0xd9]);
        }
        // Fill bytes may stand before a marker.
        at += if *marker == 0xff { 1 } else { 2 + usize::from(u16::from_be_bytes([*high, *low])) };
    }
    false
}

/// A file as it is, turned upright, and its colour profile if that is one of RGB.
pub(crate) fn decode(path: &Path) -> Result<(DynamicImage, Option<Vec<u8>>)> {
    let bad = |what: &str| Error::new(ErrorKind::Image, format!("{}: {what}", path.display()));
    let bytes = fs::read(path)
        .map_err(|e| Error::new(ErrorKind::Io, format!("cannot read {}", path.display())).with_source(e))?;
    if bytes.is_empty() {
        return Err(bad("the file is empty; a PNG, JPEG or WebP picture is wanted"));
    }
    let wanted = "not a picture that can be read; PNG, JPEG and WebP can";
    let format = image::guess_format(&bytes).map_err(|e| bad(wanted).with_source(e))?;
    if format == ImageFormat::Jpeg && !jpeg_is_complete(&bytes) {
        return Err(bad("the JPEG file ends before the picture does: it is damaged or was not copied in full"));
    }
    let mut reader = ImageReader::with_format(Cursor::new(&bytes), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(LARGEST_SIDE);
    limits.max_image_height = Some(LARGEST_SIDE);
    limits.max_alloc = Some(DECODE_BYTES);
    reader.limits(limits);
    let decode = || {
        let mut decoder = reader.into_decoder()?;
        let orientation = decoder.orientation()?;
        // A profile of grey or CMYK values would not fit the RGB result.
        let icc = decoder.icc_profile()?.filter(|p| p.get(16..20) == Some(b"RGB "));
        let mut decoded = DynamicImage::from_decoder(decoder)?;
        decoded.apply_orientation(orientation);
        Ok((decoded, icc))
    };
    decode().map_err(|e: image::ImageError| {
        bad("the picture is damaged, too large, or of a kind that cannot be read").with_source(e)
    })
}
