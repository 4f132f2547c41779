//! Pictures from files, transparency, and resizing.

use std::path::Path;

use image::DynamicImage;
use style_core::{Error, ErrorKind, Image, Mask, Result, resample};

use crate::decode::{decode, decode_bytes, planes};
use crate::icc::ToSrgb;
use crate::limits::{Decoded, LARGEST_AREA, LARGEST_SIDE, bad, unusable};

/// The shortest side of a content or style picture: one position of the network's deepest layers.
const SMALLEST: usize = 16;

/// Opacity above which a pixel's colour is meaningful.
pub(crate) const VISIBLE: f32 = 1.0 / 255.0;

/// A picture with the extras that the network does not see.
///
/// A result takes over the photograph's extras: `Picture { image: session.image()?, extras: photograph.extras }`.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The colours.
    pub image: Image,
    /// Transparency and notes.
    pub extras: Extras,
}

/// Data carried from a photograph to the result unseen by the network: transparency, and notes about the file.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// `None` if all pixels are opaque.
    alpha: Option<Mask>,
    notes: Vec<String>,
}

impl Extras {
    /// Whether any part of the picture is transparent.
    #[must_use]
    pub fn has_alpha(&self) -> bool {
        self.alpha.is_some()
    }

    /// The opacity of each pixel; `None` if all are opaque.
    #[must_use]
    pub fn alpha(&self) -> Option<&Mask> {
        self.alpha.as_ref()
    }

    /// The opacity of this image's pixels.
    pub(crate) fn alpha_of(&self, image: &Image) -> Result<Option<&[f32]>> {
        self.alpha().map(|alpha| same_size(image, alpha).map(|()| alpha.values())).transpose()
    }
}

fn same_size(image: &Image, alpha: &Mask) -> Result<()> {
    if (image.width(), image.height()) == (alpha.width(), alpha.height()) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Shape,
        format!(
            "the transparency is of a picture of {}x{} pixels, but the image has {}x{}; resize the picture that the \
             transparency comes from",
            alpha.width(),
            alpha.height(),
            image.width(),
            image.height()
        ),
    ))
}

/// An opaque picture.
impl From<Image> for Picture {
    fn from(image: Image) -> Self {
        Self { image, extras: Extras::default() }
    }
}

/// A decoded picture of 8 or 16 bits per channel, with its transparency. Colours are taken as sRGB and the picture as
/// upright: a `DynamicImage` has lost its file's profile and orientation, which [`Picture::from_bytes`] heeds.
impl TryFrom<DynamicImage> for Picture {
    type Error = Error;

    /// # Errors
    /// `Image` if channels have neither 8 nor 16 bits, or every pixel is transparent; `Shape` if a side is zero;
    /// `OutOfMemory`.
    fn try_from(pixels: DynamicImage) -> Result<Self> {
        Self::from_decoded(Decoded { pixels, icc: None, notes: vec![] })
    }
}

impl Picture {
    /// Reads a PNG, JPEG, WebP, TIFF, GIF or BMP file, upright according to its EXIF orientation. The content
    /// determines the format, not the name.
    ///
    /// Channels have 8 or 16 bits, or fewer with a palette or only grey; TIFF also has 32 bits, or floating point with
    /// 1 for white. JPEG is baseline or progressive with 8 bits; its pixels are identical to libjpeg's. Of several
    /// frames or pictures, the first is read. CMYK is converted to RGB by a rule of thumb. [`notes`](Self::notes)
    /// reports both, and a JPEG without its end mark. Any other kind, such as HEIC, a camera's raw file or a TIFF
    /// compressed by Zstandard, is refused by name, with an alternative.
    ///
    /// Colours are converted to sRGB from the file's ICC profile, of RGB or of greys, by the profile's rendering intent
    /// and without black point compensation; colours outside sRGB are clamped to it. A profile within half an 8-bit
    /// step of sRGB changes nothing. A file without a profile is taken as sRGB; so is one whose profile is unusable, or
    /// which states by other means that its colours are not sRGB (gAMA, cHRM or cICP in PNG), which
    /// [`notes`](Self::notes) reports. Without the feature `icc` no profile is usable but that of our own results.
    ///
    /// Colours are not premultiplied by alpha (those of a premultiplied TIFF are divided by it). Invisible pixels get
    /// the mean colour of the visible ones, so that the network sees no edge that a viewer does not.
    ///
    /// # Errors
    /// `Io` if the file cannot be read; `Image` if it is empty, damaged, cut short, too large (a side above
    /// [`LARGEST_SIDE`] or more than [`LARGEST_AREA`] pixels, which is checked before memory is allocated for them) or
    /// of an unreadable kind, which it names; `OutOfMemory` if there is not enough memory; `Shape` if a side has fewer
    /// than 16 pixels, which the network cannot see.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let decoded = decode(path)?;
        let picture = Self::from_decoded(decoded).and_then(Self::large_enough);
        picture.map_err(|e| e.context(path.display()))
    }

    /// The same for the bytes of a file, for example from a clipboard or a network.
    ///
    /// # Errors
    /// As for [`open`](Self::open), except `Io`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::from_bytes_within(bytes, LARGEST_AREA)
    }

    /// The same with a limit on the number of pixels, for example where strangers may upload pictures: decoding takes about 20
    /// bytes of memory per pixel. The limit is checked before that memory is allocated, and none above [`LARGEST_AREA`] has
    /// an effect.
    ///
    /// ```
    /// use style_pictures::{Format, Image, Picture};
    ///
    /// let file = Picture::from(Image::from_rgb8(20, 20, &[90; 1200])?).encode(Format::Png)?;
    /// assert!(Picture::from_bytes_within(&file, 400).is_ok());
    /// assert!(Picture::from_bytes_within(&file, 399).is_err());
    /// # Ok::<(), style_pictures::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`from_bytes`](Self::from_bytes).
    pub fn from_bytes_within(bytes: &[u8], most_pixels: u64) -> Result<Self> {
        decode_bytes(bytes, most_pixels).and_then(Self::from_decoded)?.large_enough()
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

    pub(crate) fn from_decoded(Decoded { pixels, icc, mut notes }: Decoded) -> Result<Self> {
        let (width, height) = (pixels.width() as usize, pixels.height() as usize);
        let grey = pixels.color().channel_count() < 3;
        let convert = icc.map_or(Ok(None), |icc| ToSrgb::new(&icc, grey)).unwrap_or_else(|e| {
            notes.push(unusable(&e));
            None
        });
        let (colours, alpha) = planes(&pixels, convert.as_ref())?;
        drop(pixels);
        let image = Image::from_finite_planar(width, height, colours)?;
        let extras = Extras { alpha: None, notes };
        match alpha.filter(|alpha| alpha.iter().any(|a| *a < 1.0)) {
            Some(alpha) => {
                check_visible(&alpha)?;
                Self { image, extras }.with_alpha(Mask::new(width, height, alpha)?)
            }
            None => Ok(Self { image, extras }),
        }
    }

    /// The opacity of each pixel, of the picture's size; `None` if all are opaque.
    ///
    /// It is saved with the picture in every [`Format`](crate::Format) but JPEG, which
    /// [holds colours alone](crate::Format::carries_alpha). As the [region](style_core::Style::region) of a style, take
    /// [`opaque_part`](Self::opaque_part).
    #[must_use]
    pub fn alpha(&self) -> Option<&Mask> {
        self.extras.alpha()
    }

    /// The picture with this opacity in place of its own. As when a file is opened, invisible pixels get the mean colour of
    /// the visible ones.
    ///
    /// ```
    /// use style_pictures::{Format, Image, Mask, Picture};
    ///
    /// let pixels = [[90, 80, 70], [0, 0, 0]].concat().repeat(16 * 8);
    /// let alpha = Mask::new(16, 16, [1.0, 0.0].repeat(16 * 8))?;
    /// let picture = Picture::from(Image::from_rgb8(16, 16, &pixels)?).with_alpha(alpha)?;
    /// assert_eq!(picture.image.to_rgb8()[3..6], [90, 80, 70]);
    /// let file = picture.encode(Format::Png)?;
    /// assert_eq!(Picture::from_bytes(&file)?.alpha(), picture.alpha());
    /// # Ok::<(), style_pictures::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Shape` if image and opacity differ in size; `Image` if every pixel is transparent; `OutOfMemory`.
    pub fn with_alpha(self, alpha: Mask) -> Result<Self> {
        same_size(&self.image, &alpha)?;
        check_visible(alpha.values())?;
        let (width, height) = (alpha.width(), alpha.height());
        let mut colours = self.image.into_pixels();
        colours.chunks_exact_mut(width * height).for_each(|plane| fill_invisible(plane, alpha.values()));
        let alpha = Some(alpha).filter(|alpha| alpha.values().iter().any(|a| *a < 1.0));
        let image = Image::from_finite_planar(width, height, colours)?;
        Ok(Self { image, extras: Extras { alpha, ..self.extras } })
    }

    /// The parts of the file that could not be used or kept, one sentence each, for display: a colour profile that is
    /// damaged or of other colours than the pixels, CMYK, further frames or pictures, a missing end. Empty for most
    /// files.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.extras.notes
    }

    /// The picture resized to this long side, with the same proportions.
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
    /// As for [`stretched`](Self::stretched).
    pub fn sized(&self, long_side: u32) -> Result<Self> {
        self.scaled(f64::from(long_side) / self.long_side() as f64)
    }

    /// The picture with both sides scaled by this factor, rounded, at least 1 pixel.
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

    /// The picture resized to exactly this size by a three-lobed Lanczos filter; unchanged values if it already has
    /// this size.
    ///
    /// Filtering uses encoded values, not linear light. The network sees encoded values, so a region keeps the mean
    /// from which its features are computed; the networks' training pictures and earlier implementations did the same;
    /// and the filter's overshoot is equally visible in dark and light areas. The cost is that fine black and white
    /// patterns become slightly darker than they look from a distance. Transparency weights the colours, and is resized
    /// separately.
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
    /// `Argument` if a side would have no pixel or more than [`LARGEST_SIDE`], or the whole more than [`LARGEST_AREA`];
    /// `Shape` if image and transparency differ in size; `Image` if too little of the picture is visible at this size.
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
            let image = Image::from_finite_planar(width, height, clamped(planes.concat(), 255.0))?;
            return Ok(Self { image, extras: self.extras.clone() });
        };
        // Colours are weighted by their opacity.
        let new_alpha = resampled(alpha)?;
        check_visible(&new_alpha)?;
        let mut planes = vec![];
        for plane in colours {
            let weighted: Vec<f32> = plane.iter().zip(alpha).map(|(v, a)| v * a).collect();
            let mut plane = resampled(&weighted)?;
            plane.iter_mut().zip(&new_alpha).for_each(|(v, a)| *v /= a.max(VISIBLE));
            planes.push(plane);
        }
        let image = Image::from_finite_planar(width, height, clamped(planes.concat(), 255.0))?;
        let alpha = Mask::new(width, height, clamped(new_alpha, 1.0))?;
        Self { image, extras: self.extras.clone() }.with_alpha(alpha)
    }

    /// The opaque part of the picture: the region of a painting that a style is taken from. It is [`alpha`](Self::alpha)
    /// with 0 for pixels that are as good as invisible. `None` if all of the picture is opaque.
    ///
    /// # Errors
    /// `Shape` if image and transparency differ in size.
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

/// Checks that not every pixel is transparent.
fn check_visible(alpha: &[f32]) -> Result<()> {
    if alpha.iter().all(|a| *a < VISIBLE) {
        return Err(bad("every pixel is transparent; make the picture opaque"));
    }
    Ok(())
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
