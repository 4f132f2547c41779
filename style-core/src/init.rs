//! Where the image starts.

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::{Error, ErrorKind, Image, Result};

/// Where the image starts; [`crate::SessionBuilder::noise_ratio`] mixes white noise into it.
#[derive(Clone, Debug, PartialEq, Default)]
#[non_exhaustive]
pub enum Init {
    /// The content picture.
    #[default]
    Content,
    /// White noise, as in the paper; with a noise ratio below 1, the rest is the content picture.
    Noise,
    /// The first style picture, stretched to the content's size (bilinear).
    Style,
    /// A picture of the content's size.
    Image(Image),
}

/// Half the width of the noise, in 8-bit units: each value is the network's mean colour plus U(-NOISE, NOISE).
const NOISE: f32 = 64.0;

impl Init {
    /// The share of noise where none was asked for.
    pub(crate) fn default_noise_ratio(&self) -> f32 {
        if *self == Self::Noise { 1.0 } else { 0.0 }
    }

    pub(crate) fn check(&self, content: &Image, noise_ratio: f32) -> Result<()> {
        if !(0.0..=1.0).contains(&noise_ratio) {
            let message = format!("the noise ratio must lie in 0..=1, but is {noise_ratio}");
            return Err(Error::new(ErrorKind::Argument, message));
        }
        match self {
            Self::Image(image) => crate::expect_shape("the start picture", content.shape(), image.shape()),
            _ => Ok(()),
        }
    }

    /// The start image.
    pub(crate) fn image(
        &self,
        content: &Image,
        style: Option<&Image>,
        noise_ratio: f32,
        mean: [f32; 3],
        seed: u64,
    ) -> Result<Image> {
        let (width, height) = (content.width(), content.height());
        let stretched;
        let base = match (self, style) {
            (Self::Content | Self::Noise, _) => content,
            (Self::Image(image), _) => image,
            (Self::Style, Some(style)) => {
                stretched = stretch(style, width, height)?;
                &stretched
            }
            (Self::Style, None) => {
                return Err(Error::new(ErrorKind::Argument, "a start from the style needs a style picture"));
            }
        };
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let pixels = base.pixels().iter().enumerate().map(|(i, &p)| {
            // 24 bits make every f32 of [0, 1) exact.
            let unit = (rng.next_u64() >> 40) as f32 / (1u32 << 24) as f32;
            let noise = mean[i / (width * height)] + NOISE * (2.0 * unit - 1.0);
            noise_ratio * noise + (1.0 - noise_ratio) * p
        });
        Image::from_planar(width, height, pixels.collect())
    }
}

/// Bilinear resampling, pixel centres aligned; enough for a start image.
fn stretch(image: &Image, width: usize, height: usize) -> Result<Image> {
    let (w, h) = (image.width(), image.height());
    let at = |i: usize, n: usize, m: usize| {
        let p = ((i as f32 + 0.5) * m as f32 / n as f32 - 0.5).clamp(0.0, (m - 1) as f32);
        (p as usize, (p as usize + 1).min(m - 1), p.fract())
    };
    let mut pixels = Vec::with_capacity(3 * width * height);
    for plane in image.pixels().chunks_exact(w * h) {
        for r in 0..height {
            let (r0, r1, v) = at(r, height, h);
            for c in 0..width {
                let (c0, c1, u) = at(c, width, w);
                let row = |r: usize| (1.0 - u) * plane[r * w + c0] + u * plane[r * w + c1];
                pixels.push((1.0 - v) * row(r0) + v * row(r1));
            }
        }
    }
    Image::from_planar(width, height, pixels)
}
