//! VGG-16 and VGG-19 (Simonyan and Zisserman 2014, configurations D and E) through `conv5_4`, as data.

use std::fmt;
use std::str::FromStr;

use style_core::{Error, ErrorKind};

/// Output channels of the convolutions in each block.
const WIDTHS: [usize; 5] = [64, 128, 256, 512, 512];

/// Which of the two networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vgg {
    /// Thirteen convolutions, `conv1_1` to `conv5_3`.
    Vgg16,
    /// Sixteen convolutions, `conv1_1` to `conv5_4`: the paper's network.
    Vgg19,
}

/// One 3x3 convolution of a [`Vgg`]: its position and shape, without weights.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Convolution {
    /// For example `conv3_2`: block 3, second convolution.
    pub name: String,
    /// Block, from 1 to 5. A pool separates each block from the next.
    pub block: usize,
    /// Index within the block, from 1.
    pub index: usize,
    /// Input channels.
    pub in_channels: usize,
    /// Output channels.
    pub out_channels: usize,
}

impl Vgg {
    /// Both networks.
    pub const ALL: [Self; 2] = [Self::Vgg16, Self::Vgg19];

    /// The number of convolutions in each block.
    #[must_use]
    pub fn blocks(self) -> [usize; 5] {
        match self {
            Self::Vgg16 => [2, 2, 3, 3, 3],
            Self::Vgg19 => [2, 2, 4, 4, 4],
        }
    }

    /// The convolutions, from the input on.
    ///
    /// ```
    /// let convs = style_models::Vgg::Vgg19.convolutions();
    /// assert_eq!(convs.len(), 16);
    /// assert_eq!((convs[9].name.as_str(), convs[9].in_channels, convs[9].out_channels), ("conv4_2", 512, 512));
    /// ```
    #[must_use]
    pub fn convolutions(self) -> Vec<Convolution> {
        Spec::of(self).convolutions()
    }

    /// Every layer of the chain, from the input on: `conv1_1`, `conv1_2`, `pool1`, `conv2_1`, and so on.
    #[must_use]
    pub fn layer_names(self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for conv in self.convolutions() {
            if conv.index == 1 && conv.block > 1 {
                names.push(pool_name(conv.block));
            }
            names.push(conv.name);
        }
        names
    }
}

/// The pool before `block`.
pub(crate) fn pool_name(block: usize) -> String {
    format!("pool{}", block - 1)
}

impl fmt::Display for Vgg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vgg16 => "VGG-16",
            Self::Vgg19 => "VGG-19",
        })
    }
}

impl FromStr for Vgg {
    type Err = Error;

    /// `vgg16` or `vgg19`, case-insensitive, with or without the hyphen.
    fn from_str(s: &str) -> Result<Self, Error> {
        match s.to_ascii_lowercase().replace('-', "").as_str() {
            "vgg16" => Ok(Self::Vgg16),
            "vgg19" => Ok(Self::Vgg19),
            _ => Err(Error::new(ErrorKind::Argument, format!("unknown network {s:?}; use vgg16 or vgg19"))),
        }
    }
}

/// The shapes that a weight file is checked against: a network, and a divisor of its widths so that tests can use files
/// of a few kilobytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    pub(crate) vgg: Vgg,
    pub(crate) divisor: usize,
}

impl Spec {
    pub(crate) fn of(vgg: Vgg) -> Self {
        Self { vgg, divisor: 1 }
    }

    pub(crate) fn convolutions(self) -> Vec<Convolution> {
        let mut convs = Vec::new();
        let mut in_channels = 3;
        for (block, (count, width)) in self.vgg.blocks().into_iter().zip(WIDTHS).enumerate() {
            for index in 1..=count {
                let (block, out_channels) = (block + 1, width / self.divisor);
                convs.push(Convolution {
                    name: format!("conv{block}_{index}"),
                    block,
                    index,
                    in_channels,
                    out_channels,
                });
                in_channels = out_channels;
            }
        }
        convs
    }
}
