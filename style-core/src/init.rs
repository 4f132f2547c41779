//! Where the image starts.

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::{Error, ErrorKind, Image, Result};

/// Where the image starts: `noise_ratio` of white noise and the rest of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Init {
    /// What the noise is mixed into.
    pub from: InitFrom,
    /// Share of noise, 0 to 1; 1 is noise alone.
    pub noise_ratio: f32,
}

/// What the noise is mixed into.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum InitFrom {
    /// The content picture.
    Content,
    /// The first style picture, stretched to the content's size (bilinear).
    Style,
    /// A picture of the content's size.
    Image(Image),
}

/// Half the width of the noise, in 8-bit units: each value is the network's mean colour plus U(-NOISE, NOISE).
const NOISE: f32 = 64.0;

impl Init {
    /// The content picture itself.
    #[allow(non_upper_case_globals)]
    pub const Content: Self = Self { from: InitFrom::Content, noise_ratio: 0.0 };

    /// White noise, as in the paper.
    #[allow(non_upper_case_globals)]
    pub const Noise: Self = Self { from: InitFrom::Content, noise_ratio: 1.0 };

    /// The first style picture, stretched to the content's size.
    #[allow(non_upper_case_globals)]
    pub const Style: Self = Self { from: InitFrom::Style, noise_ratio: 0.0 };

    pub(crate) fn check(&self, content: &Image) -> Result<()> {
        if !(0.0..=1.0).contains(&self.noise_ratio) {
            return Err(Error::new(
                ErrorKind::Argument,
                format!("the noise ratio must lie in 0..=1, but is {}", self.noise_ratio),
            ));
        }
        match &self.from {
            InitFrom::Image(image) => crate::expect_shape("the start picture", content.shape(), image.shape()),
            _ => Ok(()),
        }
    }

    /// The start image.
    pub(crate) fn image(&self, content: &Image, style: Option<&Image>, mean: [f32; 3], seed: u64) -> Result<Image> {
        let (width, height) = (content.width(), content.height());
        let stretched;
        let base = match (&self.from, style) {
            (InitFrom::Content, _) => content,
            (InitFrom::Image(image), _) => image,
            (InitFrom::Style, Some(style)) => {
                stretched = stretch(style, width, height)?;
                &stretched
            }
            (InitFrom::Style, None) => {
                return Err(Error::new(ErrorKind::Argument, "a start from the style needs a style picture"));
            }
        };
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let ratio = self.noise_ratio;
        let pixels = base.pixels().iter().enumerate().map(|(i, &p)| {
            // 24 bits make every f32 of [0, 1) exact.
            let unit = (rng.next_u64() >> 40) as f32 / (1u32 << 24) as f32;
            let noise = mean[i / (width * height)] + NOISE * (2.0 * unit - 1.0);
            ratio * noise + (1.0 - ratio) * p
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
