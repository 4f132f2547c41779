//! Pictures from files, and their sizes.

use std::path::Path;

use style_core::{Error, ErrorKind, Image, Mask, Result, resample};

use crate::decode::{decode, decode_bytes, planes};
use crate::icc::ToSrgb;
use crate::limits::{Decoded, LARGEST_AREA, LARGEST_SIDE, bad, unusable};

/// The shortest side of a file to be painted or learned from: one position of the network's deepest layers.
const SMALLEST: usize = 16;

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

/// What is carried from a photograph to the result unseen by the network: transparency, and what was told of the file.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// Opacity of each pixel, 0 to 1; `None` if all are opaque.
    alpha: Option<Vec<f32>>,
    notes: Vec<String>,
}

impl Extras {
    /// Whether some of the picture is transparent.
    #[must_use]
    pub fn has_alpha(&self) -> bool {
        self.alpha.is_some()
    }

    /// The opacity of each pixel, 0 to 1, `[H, W]` row-major; `None` if all are opaque.
    #[must_use]
    pub fn alpha(&self) -> Option<&[f32]> {
        self.alpha.as_deref()
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

/// An opaque picture.
impl From<Image> for Picture {
    fn from(image: Image) -> Self {
        Self { image, extras: Extras::default() }
    }
}

impl Picture {
    /// Reads a PNG, JPEG, WebP, TIFF, GIF or BMP file, upright as its EXIF orientation says. The content tells the format, and
    /// not the name.
    ///
    /// Channels have 8 or 16 bits, fewer where there is a palette or only grey, and in TIFF also 32, or floating point with 1
    /// for white. JPEG is baseline or progressive, of 8 bits; its pixels are those of libjpeg. Of several frames or pictures the first
    /// is taken, which [`notes`](Self::notes) tells. CMYK becomes RGB by rule of thumb, which they tell as well, and that a
    /// JPEG lacks its end mark. Whatever else there is, such as HEIC, a camera's raw file or a TIFF packed by Zstandard, is
    /// refused by its name, with a way out.
    ///
    /// Colours are converted from the file's ICC profile, of RGB or of greys, to sRGB, by the rendering intent that the
    /// profile asks for and without black point compensation; what sRGB cannot hold is clamped to it. A profile that is
    /// sRGB, but for half a step of 8 bits, changes nothing, and a file without one is taken as sRGB; so is one whose
    /// profile cannot be used, or which says in another way that its colours are not sRGB (gAMA, cHRM or cICP in PNG), which
    /// [`notes`](Self::notes) tells.
    ///
    /// Colours are not multiplied by alpha, nor taken so (TIFF that has them so is divided by it); where nothing is
    /// visible they are the mean of the visible ones, so that the network sees no edge that a viewer does not.
    ///
    /// # Errors
    /// `Io` if the file cannot be read; `Image` if it is empty, damaged, cut short, too large (a side above
    /// [`LARGEST_SIDE`] or more than [`LARGEST_AREA`] pixels, which is known before memory is taken for them) or of a
    /// kind that cannot be read, which it names; `OutOfMemory` if there is none for it; `Shape` if a side has fewer than 16 pixels, which
    /// the network cannot see.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let decoded = decode(path)?;
        let picture = Self::from_decoded(decoded).and_then(Self::large_enough);
        picture.map_err(|e| e.context(path.display()))
    }

    /// The same of the bytes of a file, from a clipboard or a network, say.
    ///
    /// # Errors
    /// As of [`open`](Self::open), but for `Io`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        decode_bytes(bytes).and_then(Self::from_decoded)?.large_enough()
    }

    fn large_enough(self) -> Result<Self> {
        let (w, h) = (self.image.width(), self.image.height());
        if w.min(h) < SMALLEST {
            let message = format!(
                "the picture has {w}x{h} pixels, too few for the network: give one of at least {SMALLEST}x{SMALLEST}"
            );
            return Err(Error::new(ErrorKind::Shape, message));
        }
        Ok(self)
    }

    fn from_decoded(Decoded { pixels, icc, mut notes }: Decoded) -> Result<Self> {
        let (width, height) = (pixels.width() as usize, pixels.height() as usize);
        let grey = pixels.color().channel_count() < 3;
        let convert = icc.map_or(Ok(None), |icc| ToSrgb::new(&icc, grey)).unwrap_or_else(|e| {
            notes.push(unusable(&e));
            None
        });
        let (mut colours, alpha) = planes(&pixels, convert.as_ref())?;
        drop(pixels);
        let alpha = alpha.filter(|alpha| alpha.iter().any(|a| *a < 1.0));
        if let Some(alpha) = &alpha {
            if alpha.iter().all(|a| *a < VISIBLE) {
                return Err(bad("every pixel is transparent: nothing of the picture can be seen; make it opaque"));
            }
            colours.chunks_exact_mut(width * height).for_each(|plane| fill_invisible(plane, alpha));
        }
        Ok(Self { image: Image::from_planar(width, height, colours)?, extras: Extras { alpha, notes } })
    }

    /// What of the file could not be used or kept, a sentence each, for a program to tell: a colour profile that is damaged or
    /// of other colours than the pixels, CMYK, further frames or pictures, a missing end. Empty for most.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.extras.notes
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
    /// Values are filtered as they are encoded, not in linear light: the network sees encoded values, so a region keeps the
    /// mean that its features are made from; so did the pictures that networks were trained on, and what the implementations
    /// before this one paint from; and the filter's overshoot is as visible in the dark as in the light. The price is that
    /// fine patterns of black and white become a little darker than they look from afar. Where there is transparency, colours
    /// count by it, and it is resized apart.
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
    /// `Argument` if a side would have no pixel or more than [`LARGEST_SIDE`], or all of it more than [`LARGEST_AREA`];
    /// `Shape` if image and transparency are of different sizes.
    pub fn stretched(&self, width: usize, height: usize) -> Result<Self> {
        let (w, h) = (self.image.width(), self.image.height());
        if (w, h) == (width, height) {
            return Ok(self.clone());
        }
        if width.min(height) == 0
            || width.max(height) > LARGEST_SIDE as usize
            || width as u64 * height as u64 > LARGEST_AREA
        {
            return Err(Error::new(
                ErrorKind::Argument,
                format!(
                    "a picture cannot be made {width}x{height}; a side may have 1 to {LARGEST_SIDE} pixels, and all of \
                     it {LARGEST_AREA}"
                ),
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
        let extras = Extras { alpha: Some(clamped(new_alpha, 1.0)), notes: self.extras.notes.clone() };
        Ok(Self { image, extras })
    }

    /// Where the picture is opaque: the region of a painting that a style is taken from. `None` if all of it is.
    ///
    /// # Errors
    /// `Shape` if image and transparency are of different sizes.
    pub fn opaque_part(&self) -> Result<Option<Mask>> {
        let (width, height) = (self.image.width(), self.image.height());
        let alpha = self.extras.alpha_of(&self.image)?;
        let seen = |a: &f32| if *a < VISIBLE { 0.0 } else { *a };
        alpha.map(|alpha| Mask::new(width, height, alpha.iter().map(seen).collect())).transpose()
    }

    /// Pixels of the longer side.
    #[must_use]
    pub fn long_side(&self) -> usize {
        self.image.width().max(self.image.height())
    }
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
