//! A network as data: a chain of 3x3 convolutions (each followed by a ReLU) and 2x2 pools, and the input space its weights
//! were trained in.

use crate::error::{Error, ErrorKind, Result};

/// Order of the colour channels that a network's first convolution expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red, as in OpenCV and Caffe.
    Bgr,
}

/// The input space of a network: channel `c` of its input is `(range * p[c] / 255 - mean[c]) / std[c]`, with `p` in 8-bit
/// units (0..=255) and in `order`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputSpace {
    /// Channel order; `mean` and `std` are in this order too.
    pub order: ChannelOrder,
    /// The value of white before the mean is subtracted: 255 or 1.
    pub range: f32,
    /// Mean of each channel, in units of `range`.
    pub mean: [f32; 3],
    /// Standard deviation of each channel, in units of `range`; 1 if the weights use none.
    pub std: [f32; 3],
}

impl InputSpace {
    /// Caffe's and Keras' VGG: BGR, 0..=255, minus (103.939, 116.779, 123.68).
    pub const CAFFE: Self =
        Self { order: ChannelOrder::Bgr, range: 255.0, mean: [103.939, 116.779, 123.68], std: [1.0; 3] };

    /// torchvision's VGG: RGB, 0..=1, minus ImageNet's mean, over its standard deviation.
    pub const TORCHVISION: Self =
        Self { order: ChannelOrder::Rgb, range: 1.0, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
}

/// A 3x3 convolution, stride 1, zero padding 1, followed by a ReLU.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvLayer {
    /// The layer's name, such as `conv1_1`: a tap of this name returns the values after the ReLU.
    pub name: String,
    /// Input channels I.
    pub in_channels: usize,
    /// Output channels O.
    pub out_channels: usize,
    /// Filters, `[O, I, 3, 3]`, row-major; applied as cross-correlation, as in all frameworks.
    pub weight: Vec<f32>,
    /// Bias, `[O]`.
    pub bias: Vec<f32>,
}

/// One layer of the chain.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Layer {
    /// Convolution and ReLU.
    Conv(ConvLayer),
    /// 2x2 pool, stride 2; a last odd row or column is dropped.
    Pool {
        /// The layer's name, such as `pool1`.
        name: String,
    },
}

impl Layer {
    /// The layer's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Conv(conv) => &conv.name,
            Self::Pool { name } => name,
        }
    }
}

/// A network with its weights: the contents of a weight file, and the input of [`crate::Network`].
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    name: String,
    input: InputSpace,
    layers: Vec<Layer>,
}

impl Model {
    /// Creates a model from its parts.
    ///
    /// # Errors
    /// `Weights` if the chain is empty, does not start with three channels, does not fit together, repeats a name, or
    /// contains a non-finite value.
    pub fn new(name: impl Into<String>, input: InputSpace, layers: Vec<Layer>) -> Result<Self> {
        let bad = |message: String| Err(Error::new(ErrorKind::Weights, message));
        let mut channels = 3;
        for (i, layer) in layers.iter().enumerate() {
            if layers[..i].iter().any(|l| l.name() == layer.name()) {
                return bad(format!("two layers are named {}", layer.name()));
            }
            let Layer::Conv(c) = layer else { continue };
            if c.in_channels != channels || c.out_channels == 0 {
                return bad(format!(
                    "{} has {} input and {} output channels, but the layer before it has {channels} output channels",
                    c.name, c.in_channels, c.out_channels
                ));
            }
            if Some(c.weight.len()) != c.in_channels.checked_mul(c.out_channels).and_then(|n| n.checked_mul(9))
                || c.bias.len() != c.out_channels
            {
                return bad(format!(
                    "{}: expected {}x{}x3x3 filters and {} biases; found {} and {} values",
                    c.name,
                    c.out_channels,
                    c.in_channels,
                    c.out_channels,
                    c.weight.len(),
                    c.bias.len()
                ));
            }
            // No early exit within a chunk, as it would prevent vectorisation.
            let finite = |values: &[f32]| values.iter().fold(true, |all, v| all & v.is_finite());
            if !c.weight.chunks(1 << 12).all(finite) || !finite(&c.bias) {
                return bad(format!("{} contains a value that is NaN or infinite", c.name));
            }
            channels = c.out_channels;
        }
        if !matches!(layers.first(), Some(Layer::Conv(_))) {
            return bad("a model must start with a convolution".into());
        }
        let in_space = [input.range].iter().chain(&input.std).all(|v| v.is_finite() && *v > 0.0)
            && input.mean.iter().all(|v| v.is_finite());
        if !in_space {
            return bad("the mean of the input space must be finite, and its range and deviations positive".into());
        }
        Ok(Self { name: name.into(), input, layers })
    }

    /// The model's name for messages, such as `VGG-19 (torchvision)`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The input space of the weights.
    #[must_use]
    pub fn input(&self) -> &InputSpace {
        &self.input
    }

    /// The chain, first layer first.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }
}
