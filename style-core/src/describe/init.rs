//! The start image.

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

use crate::alloc::collected;
use crate::backend::shape::{Shape, expect_shape};
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;

/// The start image; [`crate::SessionBuilder::noise_ratio`] mixes white noise into it. Without an explicit start, a session
/// starts from the content picture with 20 % noise.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Init {
    /// The content picture.
    Content,
    /// White noise, as in the paper; with a noise ratio below 1, the rest is the content picture.
    Noise,
    /// The first style picture, stretched to the result's size.
    Style,
    /// A picture of the result's size.
    Image(Image),
}

/// An [`Init`] as plain data, in [`Settings`](crate::Settings): the picture is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Start {
    /// [`Init::Content`].
    Content,
    /// [`Init::Noise`].
    Noise,
    /// [`Init::Style`].
    Style,
    /// [`Init::Image`], which must be given again.
    Image,
}

impl Init {
    /// The plain data, and the picture.
    pub(crate) fn split(self) -> (Start, Option<Image>) {
        match self {
            Self::Content => (Start::Content, None),
            Self::Noise => (Start::Noise, None),
            Self::Style => (Start::Style, None),
            Self::Image(image) => (Start::Image, Some(image)),
        }
    }
}

/// The distribution of the start noise. Its mean is the network's mean colour; its values are in 8-bit units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Noise {
    /// Uniform, up to this far from the mean on either side.
    Uniform(f32),
    /// Gaussian, with this standard deviation. (Computed from the uniform noise by the Box-Muller formula, so the logarithm
    /// of another system may change a last bit.)
    Normal(f32),
}

impl Default for Noise {
    fn default() -> Self {
        Self::Uniform(64.0)
    }
}

/// The inputs of a start image.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    pub(crate) shape: Shape,
    /// The caller's own picture.
    pub(crate) image: Option<&'a Image>,
    pub(crate) content: Option<&'a Image>,
    pub(crate) style: Option<&'a Image>,
    pub(crate) noise: Noise,
    pub(crate) ratio: f32,
    pub(crate) mean: [f32; 3],
    pub(crate) seed: u64,
}

impl Start {
    /// The default share of noise.
    pub(crate) fn default_noise_ratio(self) -> f32 {
        if self == Self::Noise { 1.0 } else { 0.0 }
    }

    pub(crate) fn check(
        self,
        image: Option<&Image>,
        shape: Shape,
        has_content: bool,
        noise: Noise,
        ratio: f32,
    ) -> Result<()> {
        let bad = |message: String| Err(Error::new(ErrorKind::Argument, message));
        if !(0.0..=1.0).contains(&ratio) {
            return bad(format!("the noise ratio must be in 0..=1; found {ratio}"));
        }
        let (Noise::Uniform(width) | Noise::Normal(width)) = noise;
        if !(0.0..=1e6).contains(&width) {
            return bad(format!("the width of the noise must be in 0..=1e6 8-bit units; found {width}"));
        }
        match self {
            Self::Image => match image {
                Some(image) => expect_shape("the start picture", shape, image.shape()),
                None => {
                    bad("the settings start from a picture, but none is given; pass it with init(Init::Image(..))"
                        .into())
                }
            },
            Self::Content if !has_content => bad("the start is the content picture, but there is none".into()),
            Self::Noise if !has_content && ratio < 1.0 => {
                bad(format!("a noise ratio of {ratio} mixes noise with the content picture, but there is none"))
            }
            _ => Ok(()),
        }
    }

    /// The start image.
    pub(crate) fn image(self, inputs: &Inputs<'_>) -> Result<Image> {
        let Shape { width, height, .. } = inputs.shape;
        let ratio = inputs.ratio;
        let stretched;
        let base = match self {
            Self::Content | Self::Noise => inputs.content,
            Self::Image => inputs.image,
            Self::Style => {
                let message = "the start is the style picture, but there is none";
                let style = inputs.style.ok_or_else(|| Error::new(ErrorKind::Argument, message))?;
                stretched = style.resized(width, height)?;
                Some(&stretched)
            }
        };
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(inputs.seed);
        // 24 bits make every f32 of [0, 1) exact.
        let mut unit = || (rng.next_u64() >> 40) as f32 / (1u32 << 24) as f32;
        let pixels = (0..inputs.shape.len()).map(|i| {
            let noise = match inputs.noise {
                Noise::Uniform(width) => width * (2.0 * unit() - 1.0),
                Noise::Normal(deviation) => {
                    let (u, v) = (f64::from(1.0 - unit()), f64::from(unit()));
                    deviation * ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
                }
            };
            let noise = inputs.mean[i / (width * height)] + noise;
            match base {
                None => noise,
                Some(base) => ratio * noise + (1.0 - ratio) * base.pixels()[i],
            }
        });
        Image::from_finite_planar(width, height, collected(inputs.shape.len(), "an image", pixels)?)
    }
}
