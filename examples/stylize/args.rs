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
/// The method is that of Gatys, Ecker and Bethge (2015): optimise the pixels of the result until a pre-trained VGG network
/// sees the content of the photograph and the style of the painting in it.
#[derive(Debug, Parser)]
#[command(name = "stylize", version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Args {
    /// The photograph: PNG, JPEG, WebP, TIFF, GIF or BMP, with or without alpha; "-" reads the standard input
    /// [default: a sample]
    pub(crate) content: Option<PathBuf>,

    /// One or more paintings to take the style from. Several are blended, or each applies within its --style-mask
    /// [default: a sample]
    #[arg(value_name = "STYLE")]
    pub(crate) styles: Vec<PathBuf>,

    /// Strength of the style: 0.5 keeps more of the photograph, 2 less. It means the same for every size and painting
    /// [default: 1]
    #[arg(short, long, value_name = "F", allow_negative_numbers = true, conflicts_with_all = ["content_weight", "content_mean_weight", "style_weight"])]
    pub(crate) style_strength: Option<f64>,

    /// File for the result: .png, .jpg, .jpeg, .webp, .tif or .tiff. Its folder must exist; "-" writes a PNG file to the
    /// standard output [default: out/stylized.png, whose folder is created]
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,

    /// Start from the settings of gatys (the paper), stanford, johnson, anishathalye, gatys-pytorch or pystiche; other
    /// options override them [default: none; the defaults below were chosen by eye]
    #[arg(long, value_name = "NAME", hide_possible_values = true, value_parser = preset())]
    pub(crate) preset: Option<Preset>,

    /// Bits per channel of the result: 8, or 16 in .png and .tif
    #[arg(long, value_name = "8|16", default_value_t = 8, value_parser = depth, help_heading = "Pictures")]
    pub(crate) depth: u8,

    /// Long side of the result in pixels; smaller photographs are enlarged. "native" keeps the size of the photograph
    /// [default: 512, or the preset's]
    #[arg(long, value_name = "N|native", help_heading = "Pictures")]
    pub(crate) size: Option<Size>,

    /// Long side of the style pictures in pixels, or "native" [default: same as --size]
    #[arg(long, value_name = "N|native", help_heading = "Pictures")]
    pub(crate) style_size: Option<Size>,

    /// Factor on the size of the style pictures, one for all or one for each: larger gives larger strokes [default: 1]
    #[arg(long, value_name = "F,...", value_delimiter = ',', allow_negative_numbers = true, help_heading = "Pictures")]
    pub(crate) style_scale: Vec<f64>,

    /// Share of each style picture in a blend; with a mask, the factor of its loss [default: 1 each]
    #[arg(long, value_name = "F,...", value_delimiter = ',', allow_negative_numbers = true, help_heading = "Pictures")]
    pub(crate) style_share: Vec<f64>,

    /// Where in the result each style applies: one picture per style, white where it applies, grey for soft edges, or
    /// "none" for everywhere
    #[arg(long, value_name = "FILE,...", value_delimiter = ',', help_heading = "Pictures")]
    pub(crate) style_mask: Vec<MaskFile>,

    /// Which part of each style picture to take the style from: one picture per style, or "none" for all of it
    #[arg(long, value_name = "FILE,...", value_delimiter = ',', help_heading = "Pictures")]
    pub(crate) style_region: Vec<MaskFile>,

    /// Where in the result to keep the content of the photograph: a picture, white where to keep it
    #[arg(long, value_name = "FILE", help_heading = "Pictures")]
    pub(crate) content_mask: Option<PathBuf>,

    /// Colours of the result: those of the painting, or those of the photograph, by painting only its luminance
    /// (luminance) or by matching the colours of the style pictures to it first (cholesky, pca, symmetric)
    #[arg(
        long,
        alias = "colors",
        value_enum,
        value_name = "NAME",
        default_value = "painting",
        help_heading = "Pictures"
    )]
    pub(crate) colours: Colours,

    /// Start image: the photograph, white noise, the first style picture, or a picture of your own, which is stretched to
    /// the size of the result [default: the photograph with 20 % noise, or the preset's]
    #[arg(long, value_name = "content|noise|style|FILE", help_heading = "Pictures")]
    pub(crate) init: Option<Start>,

    /// Share of white noise in the start image, 0 to 1 [default: 0.2, or the preset's; with --init 0, with --init noise 1,
    /// where a smaller share mixes in the photograph]
    #[arg(long, value_name = "F", allow_negative_numbers = true, help_heading = "Pictures")]
    pub(crate) noise_ratio: Option<f32>,

    /// Seed of the noise; the same seed gives the same picture
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Pictures")]
    pub(crate) seed: u64,

    /// Number of evaluations of loss and gradient [default: 80, or the preset's]. With --scales auto, the time that this
    /// number takes at the size of the result, spread over all scales
    #[arg(long, value_name = "N", help_heading = "Descent")]
    pub(crate) iterations: Option<usize>,

    /// Smaller sizes to paint first, each of which starts from the one before: auto (from 128 pixels on, doubling the
    /// area), none, or a list of SIZE=ITERATIONS, after which come --iterations at the size of the result [default: auto;
    /// with a preset none]
    #[arg(long, value_name = "auto|none|LIST", value_parser = scales, help_heading = "Descent")]
    pub(crate) scales: Option<Scales>,

    /// Save an exponential moving average of the iterates with decay F, for example 0.99. Useful with Adam [default: off]
    #[arg(long, value_name = "F", allow_negative_numbers = true, help_heading = "Descent")]
    pub(crate) ema: Option<f64>,

    /// Memory limit of the job: 2GiB, 800MB or a number of bytes. A picture that needs more is painted in tiles, which
    /// takes longer and gives the same picture up to rounding. The limit does not cover decoding the pictures, nor writing a
    /// --checkpoint, which takes as much again as --plan shows for the optimiser
    #[arg(long, value_name = "BYTES", value_parser = bytes, help_heading = "Descent")]
    pub(crate) memory: Option<usize>,

    /// Optimiser. L-BFGS gives better results in the same time; Adam needs less memory; lbfgs-fixed has no line search, like
    /// many other implementations [default: lbfgs, or the preset's]
    #[arg(long, value_enum, value_name = "NAME", help_heading = "Descent")]
    pub(crate) optimizer: Option<OptimizerName>,

    /// Step size. For adam, its learning rate in 8-bit units [default: 5]; for lbfgs, the mean change of a pixel in the very
    /// first step, in 8-bit units [default: 5]; for lbfgs-fixed, a factor on every step [default: 1]
    #[arg(long, value_name = "F", allow_negative_numbers = true, help_heading = "Descent")]
    pub(crate) learning_rate: Option<f64>,

    /// Absolute weight of the content loss, the paper's alpha: factor of 1/2 sum (F - P)^2. Replaces --style-strength
    /// [default: not used, or the preset's]
    #[arg(long, value_name = "F", allow_negative_numbers = true, help_heading = "Loss")]
    pub(crate) content_weight: Option<f64>,

    /// Absolute weight of the content loss as a factor of mean (F - P)^2. Replaces --style-strength [default: with
    /// --style-weight 0.5, otherwise not used, or the preset's]
    #[arg(
        long,
        value_name = "F",
        allow_negative_numbers = true,
        conflicts_with = "content_weight",
        help_heading = "Loss"
    )]
    pub(crate) content_mean_weight: Option<f64>,

    /// Absolute weight of the style loss, the paper's beta: factor of sum w E, for Gram matrices E = 1/(4 N^2) sum (G/M -
    /// A/M')^2. Replaces --style-strength [default: with --content-weight or --content-mean-weight 1, otherwise not used, or
    /// the preset's]
    #[arg(long, value_name = "F", allow_negative_numbers = true, help_heading = "Loss")]
    pub(crate) style_weight: Option<f64>,

    /// Weight of the total variation, which smooths the result [default: 0, or the preset's]
    #[arg(long, value_name = "F", allow_negative_numbers = true, help_heading = "Loss")]
    pub(crate) tv_weight: Option<f64>,

    /// Form of the total variation: squared (half the sum), absolute, means (of squares), or power=B with B from 1 to 4
    /// [default: squared, or the preset's]
    #[arg(long, value_name = "NAME", value_parser = tv, help_heading = "Loss")]
    pub(crate) tv: Option<Tv>,

    /// Layers of the content loss, each "name" (weight 1) or "name=weight"; "none" for a texture without content. Names of
    /// other programs are known too: relu4_2, block4_conv2 or r42 for conv4_2 [default: conv4_2]
    #[arg(long, value_name = "LIST", value_delimiter = ',', help_heading = "Loss")]
    pub(crate) content_layers: Option<Vec<LayerArg>>,

    /// Layers of the style loss, each "name" (weight 1/n, where n is the length of the list) or "name=weight", and with
    /// ":statistic" a --statistic of its own; "none" for a reconstruction without style
    /// [default: conv1_1=0.37,conv2_1=0.37,conv3_1=0.18,conv4_1=0.07,conv5_1=0.01, or the preset's]
    #[arg(long, value_name = "LIST", value_delimiter = ',', help_heading = "Loss")]
    pub(crate) style_layers: Option<Vec<LayerArg>>,

    /// Statistic that represents style, at all layers: the Gram matrix, the Gram matrix per element, the covariance, or mean
    /// and deviation (moments) [default: gram at conv1_1, covariance at the others, or the preset's]
    #[arg(long, value_enum, value_name = "NAME", help_heading = "Loss")]
    pub(crate) statistic: Option<StatisticName>,

    /// Pooling of the network: average, as in the paper, or maximum, as in training [default: avg, or the preset's]
    #[arg(long, value_enum, value_name = "NAME", help_heading = "Network")]
    pub(crate) pooling: Option<PoolingName>,

    /// What the first convolution reads outside the picture: replicate repeats the border pixels; zero, as in the paper,
    /// stands for the mean colour and leaves a frame along the border [default: replicate; with a preset zero]
    #[arg(long, value_enum, value_name = "NAME", help_heading = "Network")]
    pub(crate) padding: Option<PaddingName>,

    /// vgg16 or vgg19; vgg19, the paper's, needs --weights [default: the network of the weights; without a file vgg16]
    #[arg(long, value_name = "NAME", value_parser = vgg, help_heading = "Network")]
    pub(crate) network: Option<Vgg>,

    /// Weights from PyTorch (.pth), Keras (.h5), ONNX (.onnx), Caffe (.caffemodel), MatConvNet (.mat), NumPy (.npz or a
    /// folder of .npy) or safetensors [default: the original VGG-16, inside this program]
    #[arg(long, value_name = "FILE", help_heading = "Network")]
    pub(crate) weights: Option<PathBuf>,

    /// Input space of --weights: BGR, 0 to 255, minus the mean (caffe), or RGB, 0 to 1, normalised (torchvision) [default:
    /// recognised by the file, its values or its names]
    #[arg(long, value_enum, value_name = "NAME", requires = "weights", help_heading = "Network")]
    pub(crate) input_space: Option<InputSpaceName>,

    /// Compute backend
    #[arg(long, value_enum, value_name = "NAME", default_value = "cpu", help_heading = "Network")]
    pub(crate) backend: BackendName,

    /// Threads of the CPU backend; the result does not depend on their number [default: one per core]
    #[arg(long, value_name = "N", help_heading = "Network")]
    pub(crate) threads: Option<NonZeroUsize>,

    /// Device of the CUDA backend: its number, or a part of its name
    #[arg(long, value_name = "DEVICE", default_value = "0", help_heading = "Network")]
    pub(crate) device: String,

    /// Number format of features in the CUDA backend
    #[arg(long, value_enum, value_name = "TYPE", default_value = "f32", help_heading = "Network")]
    pub(crate) precision: PrecisionName,

    /// Use direct convolution throughout, without the rounding of Winograd's: takes about three times as long
    #[arg(long, help_heading = "Network")]
    pub(crate) direct: bool,

    /// Print the memory that the job needs and the algorithm of each layer, and exit
    #[arg(long, help_heading = "Output")]
    pub(crate) plan: bool,

    /// Also save the picture every N iterations, as OUT_0050.png and so on
    #[arg(long, value_name = "N", help_heading = "Output")]
    pub(crate) snapshot_every: Option<NonZeroUsize>,

    /// Save the state of the job in this file. If the file exists, the job resumes from it; the rest of the command line
    /// must then be the same, except for --memory, --threads, the options of this section and, unless --scales is auto,
    /// --iterations
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) checkpoint: Option<PathBuf>,

    /// Write --checkpoint every N iterations; it is also written at the end, and on Ctrl-C or SIGTERM
    #[arg(long, value_name = "N", default_value = "20", requires = "checkpoint", help_heading = "Output")]
    pub(crate) every: NonZeroUsize,

    /// Log the losses of each iteration as a line of JSON; iteration 0 is the start image
    #[arg(long, value_name = "FILE.jsonl", help_heading = "Output")]
    pub(crate) log: Option<PathBuf>,

    /// Write losses, pictures and histograms for TensorBoard to this folder
    #[arg(long, value_name = "FOLDER", help_heading = "Output")]
    pub(crate) tensorboard: Option<PathBuf>,

    /// Plot the losses to this file at the end; a resumed job plots from where it resumed
    #[arg(long, value_name = "FILE.svg|png", help_heading = "Output")]
    pub(crate) plot: Option<PathBuf>,

    /// Print only errors
    #[arg(long, help_heading = "Output")]
    pub(crate) quiet: bool,
}

const AFTER_HELP: &str = "\
After the first of several scales a preview is written beside the result, as OUT_preview.png; it is removed when the result \
is there.

Ctrl-C or SIGTERM stops after the current iteration and saves the best picture so far (exit status 130); a second one stops \
at once and saves nothing. With --checkpoint the same command resumes the job, --log included. Files appear under \
their names only when they are complete.

Pictures are converted from their colour profiles to sRGB, and the result is tagged as sRGB. The transparency of the \
photograph is carried over to it; transparent pixels of a painting do not count as style. Masks are used as they are stored.";

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
