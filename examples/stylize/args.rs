//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, ValueEnum};
use style_pictures::LARGEST_SIDE;
use style_transfer::Preset;
use style_transfer::models::Vgg;
use style_transfer::ops::Tv;

/// Repaint a photograph in the style of a painting.
///
/// The method is that of Gatys, Ecker and Bethge (2015): the picture's own pixels are moved until a pre-trained VGG
/// network sees the photograph's content and the painting's style in them.
#[derive(Debug, Parser)]
#[command(name = "stylize", version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Args {
    /// The photograph: PNG, JPEG, WebP or TIFF, 8 or 16 bits, with or without alpha [default: a sample]
    pub(crate) content: Option<PathBuf>,

    /// One or more paintings to take the style from; of several, the mean of their statistics, or each within its mask
    /// [default: a sample]
    #[arg(value_name = "STYLE")]
    pub(crate) styles: Vec<PathBuf>,

    /// Where the result goes; .png, .jpg, .jpeg, .webp, .tif or .tiff. Its folder must exist [default:
    /// out/stylized.png, whose folder is made]
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,

    /// Bits a channel of the result: 8, or in .png and .tif 16
    #[arg(long, value_name = "8|16", default_value_t = 8, value_parser = depth, help_heading = "Pictures")]
    pub(crate) depth: u8,

    /// How strongly the painting acts, whatever its contrast and the size: 0.5 keeps more of the photograph, 2 less
    /// [default: 1]
    #[arg(short, long, value_name = "F", allow_negative_numbers = true, conflicts_with_all = ["content_weight", "content_mean_weight", "style_weight"])]
    pub(crate) style_strength: Option<f64>,

    /// Whose settings to start from: gatys (the paper), stanford, johnson, anishathalye, gatys-pytorch or pystiche;
    /// options given beside it override it [default: our own, tuned to look good]
    #[arg(long, value_name = "NAME", hide_possible_values = true, value_parser = preset())]
    pub(crate) preset: Option<Preset>,

    /// Long side of the result in pixels; smaller photographs are enlarged. "native": the photograph as it is
    /// [default: 512, or the preset's]
    #[arg(long, value_name = "N|native", help_heading = "Pictures")]
    pub(crate) size: Option<Size>,

    /// Long side of the style pictures in pixels, or "native" [default: as --size]
    #[arg(long, value_name = "N|native", help_heading = "Pictures")]
    pub(crate) style_size: Option<Size>,

    /// Factor on the size of the style pictures, one for all or one for each: larger gives larger strokes [default: 1]
    #[arg(long, value_name = "F,...", value_delimiter = ',', allow_negative_numbers = true, help_heading = "Pictures")]
    pub(crate) style_scale: Vec<f64>,

    /// Share of each style picture in the mean of several; with a mask, factor of its loss [default: 1 each]
    #[arg(long, value_name = "F,...", value_delimiter = ',', allow_negative_numbers = true, help_heading = "Pictures")]
    pub(crate) style_share: Vec<f64>,

    /// Where in the result each style applies: a picture for each, white where it does, grey for soft edges, "none" for
    /// everywhere
    #[arg(long, value_name = "FILE,...", value_delimiter = ',', help_heading = "Pictures")]
    pub(crate) style_mask: Vec<MaskFile>,

    /// Which part of each style picture its style is taken from: likewise
    #[arg(long, value_name = "FILE,...", value_delimiter = ',', help_heading = "Pictures")]
    pub(crate) style_region: Vec<MaskFile>,

    /// Where in the result the photograph's content is kept: likewise
    #[arg(long, value_name = "FILE", help_heading = "Pictures")]
    pub(crate) content_mask: Option<PathBuf>,

    /// Whose colours: the painting's; the photograph's, by painting its luminance alone (luminance) or by giving the
    /// style pictures its colours first (cholesky, pca, symmetric)
    #[arg(long, value_enum, value_name = "NAME", default_value = "painting", help_heading = "Pictures")]
    pub(crate) colours: Colours,

    /// Where the painting starts: the photograph, white noise, the first style picture, or a picture of your own,
    /// which is stretched to the result's size [default: content]
    #[arg(long, value_name = "content|noise|style|FILE", help_heading = "Pictures")]
    pub(crate) init: Option<Start>,

    /// Share of white noise in the start, 0 to 1 [default: 0; with --init noise 1, and less mixes in the photograph]
    #[arg(long, value_name = "F", allow_negative_numbers = true, help_heading = "Pictures")]
    pub(crate) noise_ratio: Option<f32>,

    /// Seed of the noise: the same seed gives the same picture
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Pictures")]
    pub(crate) seed: u64,

    /// How many times loss and gradient are evaluated [default: 300, or the preset's]; with --scales auto, the time is that
    /// of so many at the result's size
    #[arg(long, value_name = "N", help_heading = "Descent")]
    pub(crate) iterations: Option<usize>,

    /// Sizes to paint at first, each started from the last: auto (from 128 pixels on, each of twice the area), none, or
    /// a list of SIZE=ITERATIONS, which --iterations at the result's size follow [default: auto, or none with a preset]
    #[arg(long, value_name = "auto|none|LIST", value_parser = scales, help_heading = "Descent")]
    pub(crate) scales: Option<Scales>,

    /// Save a running mean of the iterates, of which each counts F times as much as the next: 0.99, say. For Adam
    #[arg(long, value_name = "F", allow_negative_numbers = true, help_heading = "Descent")]
    pub(crate) ema: Option<f64>,

    /// The most memory that the job may take: 2GiB, 800MB or a number of bytes. A picture that wants more is painted in
    /// tiles, which takes longer and gives the same picture, but for rounding. Pictures take what they take while they are
    /// read; a --checkpoint takes more while it is written: as much as --plan tells of the optimiser
    #[arg(long, value_name = "BYTES", value_parser = bytes, help_heading = "Descent")]
    pub(crate) memory: Option<usize>,

    /// How the picture descends. L-BFGS paints better in the same time; Adam needs less memory; lbfgs-fixed has no line
    /// search, as many peers [default: lbfgs]
    #[arg(long, value_enum, value_name = "NAME", help_heading = "Descent")]
    pub(crate) optimizer: Option<OptimizerName>,

    /// Step size in 8-bit steps (255 is from black to white): Adam's rate [default: 5], or how far L-BFGS moves the
    /// picture on its very first step, in the mean [default: 5]; of lbfgs-fixed, a factor of each step [default: 1]
    #[arg(long, value_name = "F", allow_negative_numbers = true, help_heading = "Descent")]
    pub(crate) learning_rate: Option<f64>,

    /// Factor of the content loss, 1/2 sum (F - P)^2 [default: 1 over the number of features, which makes the sum a
    /// mean]
    #[arg(long, value_name = "F", allow_negative_numbers = true, help_heading = "Loss")]
    pub(crate) content_weight: Option<f64>,

    /// Factor of mean (F - P)^2, in place of --content-weight [default: 0.5]
    #[arg(
        long,
        value_name = "F",
        allow_negative_numbers = true,
        conflicts_with = "content_weight",
        help_heading = "Loss"
    )]
    pub(crate) content_mean_weight: Option<f64>,

    /// Factor of the style loss, sum of w E with E = 1/(4 N^2) sum (G/M - A/M')^2: more gives more painting and less
    /// photograph [default: 1]
    #[arg(long, value_name = "F", allow_negative_numbers = true, help_heading = "Loss")]
    pub(crate) style_weight: Option<f64>,

    /// Factor of the total variation, of differences between neighbours: more is smoother [default: 0]
    #[arg(long, value_name = "F", allow_negative_numbers = true, help_heading = "Loss")]
    pub(crate) tv_weight: Option<f64>,

    /// Which total variation: squared (half the sum), absolute, means (of squares), or power=B, 1 to 4
    /// [default: squared]
    #[arg(long, value_name = "NAME", value_parser = tv, help_heading = "Loss")]
    pub(crate) tv: Option<Tv>,

    /// Layers of the content loss, each "name" (weight 1) or "name=weight"; "none" for a texture without content
    /// [default: conv4_2]
    #[arg(long, value_name = "LIST", value_delimiter = ',', help_heading = "Loss")]
    pub(crate) content_layers: Option<Vec<LayerArg>>,

    /// Layers of the style loss, each "name" (weight 1/n, n the length of the list) or "name=weight", and with
    /// ":statistic" its own --statistic; "none" for a reconstruction without style
    /// [default: conv1_1,conv2_1,conv3_1,conv4_1,conv5_1]
    #[arg(long, value_name = "LIST", value_delimiter = ',', help_heading = "Loss")]
    pub(crate) style_layers: Option<Vec<LayerArg>>,

    /// What style is measured by: the Gram matrix, the same as a mean per element, the covariance, or mean and
    /// deviation (moments) [default: gram]
    #[arg(long, value_enum, value_name = "NAME", help_heading = "Loss")]
    pub(crate) statistic: Option<StatisticName>,

    /// The network's pooling: average, as in the paper, or maximum, as it was trained [default: avg]
    #[arg(long, value_enum, value_name = "NAME", help_heading = "Network")]
    pub(crate) pooling: Option<PoolingName>,

    /// What the network sees beside the picture: zero, its mean colour, as in the paper, or replicate, the border pixels
    /// again, which leaves no frame along the border [default: zero]
    #[arg(long, value_enum, value_name = "NAME", help_heading = "Network")]
    pub(crate) padding: Option<PaddingName>,

    /// vgg16 or vgg19, the paper's, which needs --weights [default: what the weights are; without a file vgg16]
    #[arg(long, value_name = "NAME", value_parser = vgg, help_heading = "Network")]
    pub(crate) network: Option<Vgg>,

    /// Weights from PyTorch (.pth), Keras (.h5), ONNX (.onnx), Caffe (.caffemodel), MatConvNet (.mat), NumPy (.npz or a
    /// folder of .npy) or safetensors [default: the VGG-16 inside this program]
    #[arg(long, value_name = "FILE", help_heading = "Network")]
    pub(crate) weights: Option<PathBuf>,

    /// The pixels that --weights were trained with: BGR, 0 to 255, minus the mean (caffe), or RGB, 0 to 1, normalised
    /// (torchvision) [default: what the file, its values or its names tell]
    #[arg(long, value_enum, value_name = "NAME", requires = "weights", help_heading = "Network")]
    pub(crate) input_space: Option<InputSpaceName>,

    /// What computes
    #[arg(long, value_enum, value_name = "NAME", default_value = "cpu", help_heading = "Network")]
    pub(crate) backend: BackendName,

    /// Threads of the CPU backend; the result does not depend on it [default: one a core]
    #[arg(long, value_name = "N", help_heading = "Network")]
    pub(crate) threads: Option<NonZeroUsize>,

    /// Which device of the CUDA backend: its number, or a part of its name
    #[arg(long, value_name = "DEVICE", default_value = "0", help_heading = "Network")]
    pub(crate) device: String,

    /// What the CUDA backend holds features in
    #[arg(long, value_enum, value_name = "TYPE", default_value = "f32", help_heading = "Network")]
    pub(crate) precision: PrecisionName,

    /// Direct convolution throughout, without Winograd's rounding: about three times as long
    #[arg(long, help_heading = "Network")]
    pub(crate) direct: bool,

    /// Tell the memory that the job would take and how each layer would be computed, and stop
    #[arg(long, help_heading = "Telling")]
    pub(crate) plan: bool,

    /// Also save the picture after every N iterations, as OUT_0050.png and so on
    #[arg(long, value_name = "N", help_heading = "Telling")]
    pub(crate) snapshot_every: Option<NonZeroUsize>,

    /// Keep in this file what the job can go on from: if it is there, the job goes on from it, and the rest of the command
    /// line must be what it was (but for --memory, --threads, what is told, and, where --scales is none or a list, --iterations)
    #[arg(long, value_name = "FILE", help_heading = "Telling")]
    pub(crate) checkpoint: Option<PathBuf>,

    /// Write --checkpoint after every N iterations; it is also written at the end, and on Ctrl-C or SIGTERM
    #[arg(long, value_name = "N", default_value = "20", requires = "checkpoint", help_heading = "Telling")]
    pub(crate) every: NonZeroUsize,

    /// Write the losses of each iteration as a line of JSON; iteration 0 is the start before any change
    #[arg(long, value_name = "FILE.jsonl", help_heading = "Telling")]
    pub(crate) log: Option<PathBuf>,

    /// Write losses, pictures and histograms for TensorBoard into this folder
    #[arg(long, value_name = "FOLDER", help_heading = "Telling")]
    pub(crate) tensorboard: Option<PathBuf>,

    /// Draw the course of the losses into this file at the end; of a resumed job, since then
    #[arg(long, value_name = "FILE.svg|png", help_heading = "Telling")]
    pub(crate) plot: Option<PathBuf>,

    /// Tell nothing but errors
    #[arg(long, help_heading = "Telling")]
    pub(crate) quiet: bool,
}

const AFTER_HELP: &str = "\
Ctrl-C ends after the iteration at work and saves the best picture so far (exit status 130); \
a second Ctrl-C ends at once and saves nothing. So does SIGTERM. With --checkpoint the same command goes on from \
there, --log included. Files appear under their names only when they are complete.

Pictures are converted from their colour profiles to sRGB, and the result is tagged as sRGB. The photograph's transparency \
is carried to it. Masks are taken as they are stored.";

fn depth(s: &str) -> Result<u8, String> {
    match s {
        "8" => Ok(8),
        "16" => Ok(16),
        _ => Err("a result has 8 or 16 bits a channel".into()),
    }
}

/// `--size` and `--style-size`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Size {
    Native,
    LongSide(u32),
}

impl FromStr for Size {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s.parse() {
            _ if s == "native" => Ok(Self::Native),
            Ok(n) if (1..=LARGEST_SIDE).contains(&n) => Ok(Self::LongSide(n)),
            _ => Err(format!("a size is a number of pixels from 1 to {LARGEST_SIDE}, or \"native\"")),
        }
    }
}

/// `--scales`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scales {
    Auto,
    /// Sizes and iterations.
    List(Vec<(usize, usize)>),
}

fn scales(s: &str) -> Result<Scales, String> {
    let one = |entry: &str| {
        let (size, iterations) = entry.split_once('=')?;
        Some((size.trim().parse().ok()?, iterations.trim().parse().ok()?))
    };
    match s {
        "auto" => Ok(Scales::Auto),
        "none" => Ok(Scales::List(vec![])),
        list => {
            list.split(',').map(one).collect::<Option<_>>().map(Scales::List).ok_or_else(|| {
                "scales are \"auto\", \"none\", or a list of SIZE=ITERATIONS: 128=100,256=60, say".into()
            })
        }
    }
}

/// A number of bytes, with or without a unit.
fn bytes(s: &str) -> Result<usize, String> {
    let end = s.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(s.len());
    let (number, unit) = s.split_at(end);
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "kb" => 1e3,
        "m" | "mib" => f64::from(1 << 20),
        "mb" => 1e6,
        "g" | "gib" => f64::from(1 << 30),
        "gb" => 1e9,
        _ => f64::NAN,
    };
    match number.parse::<f64>().map(|n| n * unit) {
        Ok(bytes) if bytes >= 1.0 && bytes < 2f64.powi(53) => Ok(bytes as usize),
        _ => Err("memory is a number of bytes, with a unit if you like: 2GiB, 800MB".into()),
    }
}

/// `--init`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Start {
    Content,
    Noise,
    Style,
    File(PathBuf),
}

impl FromStr for Start {
    type Err = std::convert::Infallible;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Ok(match s {
            "content" => Self::Content,
            "noise" => Self::Noise,
            "style" => Self::Style,
            file => Self::File(file.into()),
        })
    }
}

/// An entry of `--content-layers` or `--style-layers`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LayerArg {
    pub(crate) name: String,
    pub(crate) weight: Option<f64>,
    pub(crate) statistic: Option<StatisticName>,
}

impl FromStr for LayerArg {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let (s, statistic) = match s.split_once(':') {
            None => (s, None),
            Some((s, name)) => (s, Some(StatisticName::from_str(name.trim(), true)?)),
        };
        let Some((name, weight)) = s.split_once('=') else {
            return Ok(Self { name: s.trim().into(), weight: None, statistic });
        };
        let number = weight.trim().parse().map_err(|_| format!("the weight {weight:?} is not a number"))?;
        Ok(Self { name: name.trim().into(), weight: Some(number), statistic })
    }
}

/// An entry of `--style-mask` or `--style-region`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MaskFile(pub(crate) Option<PathBuf>);

impl FromStr for MaskFile {
    type Err = std::convert::Infallible;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Ok(Self((s != "none").then(|| s.into())))
    }
}

fn tv(s: &str) -> Result<Tv, String> {
    match (s, s.strip_prefix("power=").map(str::parse)) {
        ("squared", _) => Ok(Tv::Squared),
        ("absolute", _) => Ok(Tv::Absolute),
        ("means", _) => Ok(Tv::Means),
        (_, Some(Ok(b))) => Ok(Tv::Power(b)),
        _ => Err("a total variation is squared, absolute, means, or power=B with B a number".into()),
    }
}

fn preset() -> impl TypedValueParser<Value = Preset> {
    PossibleValuesParser::new(Preset::ALL.map(Preset::name)).try_map(|name| name.parse::<Preset>())
}

fn vgg(s: &str) -> Result<Vgg, style_transfer::Error> {
    s.parse()
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Colours {
    Painting,
    Luminance,
    Cholesky,
    Pca,
    Symmetric,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum StatisticName {
    Gram,
    GramPerElement,
    Covariance,
    Moments,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum OptimizerName {
    Lbfgs,
    LbfgsFixed,
    Adam,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum InputSpaceName {
    Caffe,
    Torchvision,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PoolingName {
    Avg,
    Max,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PaddingName {
    Zero,
    Replicate,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum BackendName {
    Cpu,
    /// An NVIDIA device, in a build with `--features cuda`
    Cuda,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PrecisionName {
    F32,
    /// Half precision on tensor cores; features beyond 65504 are cut
    F16,
    /// Half precision with the range of f32
    Bf16,
}
