//! The command line.

pub(crate) mod compute;
pub(crate) mod preview;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use style_transfer::backend::ops::Tv;
use style_transfer::losses::LossKind;
use style_transfer::pictures::LARGEST_SIDE;
use style_transfer::{Preset, Settings};

use compute::Compute;
use preview::Preview;

/// The options of painting.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Photograph: PNG, JPEG, WebP, TIFF, GIF or BMP, with or without alpha; "-" reads standard input [default: a sample
    /// photograph inside the program]
    pub(crate) content: Option<PathBuf>,

    /// Paintings to take the style from. Several are blended, or each applies within its --style-mask [default: a sample
    /// painting inside the program]
    #[arg(value_name = "STYLE")]
    pub(crate) styles: Vec<PathBuf>,

    /// Style strength: 0.5 keeps more of the photograph, 2 less; the same value has the same effect at any size and for any painting
    /// [default: 1]
    #[arg(short, long, value_name = "F", allow_negative_numbers = true, conflicts_with_all = ["content_weight", "content_mean_weight", "style_weight"])]
    pub(crate) style_strength: Option<f64>,

    /// Output file: .png, .jpg, .jpeg, .webp, .tif or .tiff. Its folder must exist; "-" writes a PNG file to standard
    /// output [default: out/stylized.png, whose folder is created]
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,

    /// Use the settings of the paper (gatys) or of a well-known implementation (stanford, johnson, anishathalye, gatys-pytorch,
    /// pystiche, crowson, cnnmrf, nnst, strotss). Other options override them
    #[arg(long, value_name = "NAME", hide_possible_values = true, value_parser = preset())]
    pub(crate) preset: Option<Preset>,

    /// Bits per channel of the result: 8, or 16 in .png and .tif
    #[arg(long, value_name = "8|16", default_value_t = 8, value_parser = depth, help_heading = "Pictures")]
    pub(crate) depth: u8,

    /// Long side of the result in pixels; smaller photographs are enlarged. "native" keeps the photograph's size
    /// [default: 512, or the preset's]
    #[arg(long, value_name = "N|native", help_heading = "Pictures")]
    pub(crate) size: Option<Size>,

    /// Long side of the style pictures in pixels, or "native" [default: same as --size]
    #[arg(long, value_name = "N|native", help_heading = "Pictures")]
    pub(crate) style_size: Option<Size>,

    /// Scale factor of the style pictures, one for all or one for each: larger gives larger strokes [default: 1]
    #[arg(long, value_name = "F,...", value_delimiter = ',', allow_negative_numbers = true, help_heading = "Pictures")]
    pub(crate) style_scale: Vec<f64>,

    /// Weight of each painting relative to the others, such as 1,3; for a painting with a mask, the factor of its loss
    /// [default: 1 each]
    #[arg(long, value_name = "F,...", value_delimiter = ',', allow_negative_numbers = true, help_heading = "Pictures")]
    pub(crate) style_share: Vec<f64>,

    /// Where in the RESULT each painting applies: one picture per painting, of the photograph's proportions, white where it
    /// applies, black elsewhere, grey for soft edges; or "none" for everywhere
    #[arg(long, value_name = "FILE,...", value_delimiter = ',', help_heading = "Pictures")]
    pub(crate) style_mask: Vec<MaskFile>,

    /// Which part of each PAINTING to take the style from: one picture per painting, of its proportions, white and black as above;
    /// or "none" for all of it
    #[arg(long, value_name = "FILE,...", value_delimiter = ',', help_heading = "Pictures")]
    pub(crate) style_region: Vec<MaskFile>,

    /// A map of the photograph, a picture of its proportions with each region in one flat colour, up to 16 colours: each region
    /// is painted in the style of the painting's region that has the same colour in --style-map
    #[arg(
        long,
        value_name = "FILE",
        requires = "style_map",
        conflicts_with_all = ["style_mask", "style_region"],
        help_heading = "Pictures"
    )]
    pub(crate) map: Option<PathBuf>,

    /// The map of the painting, of its proportions, with all colours of --map
    #[arg(
        long,
        value_name = "FILE",
        requires = "map",
        conflicts_with_all = ["style_mask", "style_region"],
        help_heading = "Pictures"
    )]
    pub(crate) style_map: Option<PathBuf>,

    /// Where to keep the photograph's content: a picture, white where to keep it; elsewhere the style is free
    #[arg(long, value_name = "FILE", help_heading = "Pictures")]
    pub(crate) content_mask: Option<PathBuf>,

    /// Colours of the result. painting: the painting's. luminance: the photograph's; only brightness is painted. cholesky, pca,
    /// symmetric: the photograph's; the painting's colours are matched to them first
    #[arg(
        long,
        alias = "colors",
        value_enum,
        value_name = "NAME",
        default_value = "painting",
        help_heading = "Pictures"
    )]
    pub(crate) colours: Colours,

    /// Start image: the photograph, white noise, the first style picture, or a custom picture, which is stretched to
    /// the size of the result [default: the photograph with 20 % noise, or the preset's]
    #[arg(long, value_name = "content|noise|style|FILE", help_heading = "Pictures")]
    pub(crate) init: Option<Start>,

    /// Share of white noise in the start image, 0 to 1 [default: 0.2, less below a style strength of 1, or the preset's; 0 with
    /// another --init; 1 with --init noise, where a smaller share mixes in the photograph]
    #[arg(long, value_name = "F", allow_negative_numbers = true, help_heading = "Pictures")]
    pub(crate) noise_ratio: Option<f32>,

    /// Noise seed; the same seed gives the same picture
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Pictures")]
    pub(crate) seed: u64,

    /// Number of loss and gradient evaluations [default: 80, or the preset's]. With --scales auto this is a time budget:
    /// 80 means as long as 80 at full size would take; small sizes are cheaper, so more run in total (163 at 512 pixels, say)
    #[arg(long, value_name = "N", help_heading = "Optimisation")]
    pub(crate) iterations: Option<usize>,

    /// Smaller sizes to paint first, each starting from the previous one: auto (starts at 128 pixels, each with twice
    /// the area of the last), none, or a list such as 128=100,256=60 (size=iterations), followed by --iterations at the result's
    /// size [default: auto, or the preset's]
    #[arg(long, value_name = "auto|none|LIST", value_parser = scales, help_heading = "Optimisation")]
    pub(crate) scales: Option<Scales>,

    /// When to end each size before its iterations are done: good ends where ten of them lower the loss by less than 5 %, and
    /// hardly change what a person sees; a number F ends where they lower it by less than that fraction [default: never]
    #[arg(long, value_name = "good|F", value_parser = until, allow_negative_numbers = true, help_heading = "Optimisation")]
    pub(crate) until: Option<f64>,

    /// Save an exponential moving average of the images, with decay F from 0 to below 1, for example 0.99; useful with Adam
    /// [default: off, or the preset's]
    #[arg(long, value_name = "F", allow_negative_numbers = true, help_heading = "Optimisation")]
    pub(crate) ema: Option<f64>,

    /// Memory limit: 2GiB, 800MB or a number of bytes. A picture that needs more is painted in tiles, which is slower
    /// and gives the same picture up to rounding. The limit excludes decoding pictures and writing a --checkpoint,
    /// which needs about as much as the "optimizer" line of --plan shows
    #[arg(long, value_name = "BYTES", value_parser = bytes, help_heading = "Optimisation")]
    pub(crate) memory: Option<usize>,

    /// Optimiser. L-BFGS gives better results in the same time; Adam needs less memory; lbfgs-fixed takes fixed steps, as
    /// PyTorch's L-BFGS does [default: lbfgs, or the preset's]
    #[arg(long, value_enum, value_name = "NAME", help_heading = "Optimisation")]
    pub(crate) optimizer: Option<OptimizerName>,

    /// Step size. For adam, its learning rate in 8-bit units [default: 5]; for lbfgs, the mean change of a pixel in the
    /// very first step, in 8-bit units [default: 5]; for lbfgs-fixed, a factor on every step [default: 1]
    #[arg(long, value_name = "F", allow_negative_numbers = true, help_heading = "Optimisation")]
    pub(crate) learning_rate: Option<f64>,

    /// Absolute weight of the content loss, the paper's alpha: factor of 1/2 sum (F - P)^2. Replaces --style-strength
    /// [default: not used, or the preset's]
    #[arg(long, value_name = "F", allow_negative_numbers = true, help_heading = "Loss")]
    pub(crate) content_weight: Option<f64>,

    /// Absolute weight of the content loss as a factor of mean (F - P)^2. Replaces --style-strength [default: 0.5 if
    /// --style-weight is given, otherwise not used, or the preset's]
    #[arg(
        long,
        value_name = "F",
        allow_negative_numbers = true,
        conflicts_with = "content_weight",
        help_heading = "Loss"
    )]
    pub(crate) content_mean_weight: Option<f64>,

    /// Absolute weight of the style loss, the paper's beta: factor of sum w E, for Gram matrices E = 1/(4 N^2) sum (G/M -
    /// A/M')^2. Replaces --style-strength [default: 1 if a content weight is given, otherwise not used, or the preset's]
    #[arg(long, value_name = "F", allow_negative_numbers = true, help_heading = "Loss")]
    pub(crate) style_weight: Option<f64>,

    /// Give each layer's loss, and each --loss and --laplacian, a gradient as large as its weight: divide it by the norm of its
    /// gradient at the photograph with 20 % noise, or at noise without a photograph
    #[arg(long, help_heading = "Loss")]
    pub(crate) balance: bool,

    /// Weight of the total variation, which smooths the result [default: 0, or the preset's]
    #[arg(long, value_name = "F", allow_negative_numbers = true, help_heading = "Loss")]
    pub(crate) tv_weight: Option<f64>,

    /// Form of the total variation: squared (half the sum), absolute, means (of squares), nine-point (the mean of squares
    /// over nine points), or power=B with B from 1 to 4 [default: squared, or the preset's]
    #[arg(long, value_name = "NAME", value_parser = tv, help_heading = "Loss")]
    pub(crate) tv: Option<Tv>,

    /// Layers of the content loss, each "name" (weight 1) or "name=weight"; "none" for a texture without content. Other
    /// programs' names also work: relu4_2, block4_conv2 or r42 for conv4_2 [default: conv4_2]
    #[arg(long, value_name = "LIST", value_delimiter = ',', help_heading = "Loss")]
    pub(crate) content_layers: Option<Vec<LayerArg>>,

    /// Layers of the style loss, each "name" (weight 1/n for a list of n layers) or "name=weight", optionally with its
    /// own --statistic as ":statistic"; "none" for a reconstruction without style [default:
    /// conv1_1=0.37,conv2_1=0.37,conv3_1=0.18,conv4_1=0.07,conv5_1=0.01, or the preset's]
    #[arg(long, value_name = "LIST", value_delimiter = ',', help_heading = "Loss")]
    pub(crate) style_layers: Option<Vec<LayerArg>>,

    /// Style statistic for all layers: the Gram matrix, the same over the number of feature values, the covariance, mean and
    /// deviation (moments), the Wasserstein distance of mean and covariance, the sliced Wasserstein distance, the histogram
    /// of each channel, or patches of 3x3 positions and their nearest neighbours in the painting. The time for patches grows
    /// with the square of the number of pixels: give them to deep layers only, as conv4_1:patches in --style-layers
    /// [default: gram at conv1_1, covariance at the others, or the preset's]
    #[arg(long, value_enum, value_name = "NAME", help_heading = "Loss")]
    pub(crate) statistic: Option<StatisticName>,

    /// Hold the image's Laplacian to the photograph's, which keeps edges: its weight, and the side of the squares of pixels that
    /// it is averaged over [default side: 4]. With the default weights 0.02 is visible. Repeat it for more than one side
    #[arg(long, value_name = "WEIGHT[:SIDE]", value_parser = laplacian, allow_negative_numbers = true, help_heading = "Loss")]
    pub(crate) laplacian: Vec<(f64, usize)>,

    /// Add a loss, with its weight; repeat it for several. They replace those of a preset. neighbours: each place is held to the place in the painting that is
    /// most like the photograph there, which keeps the content too. turned-neighbours: the painting is also turned by 90, 180
    /// and 270 degrees. relaxed-emd: all places together are held to those in the painting. self-similarity: what is alike in
    /// the photograph stays alike. palette: the colours. They replace the usual losses with --content-layers none and
    /// --style-layers none. Good to begin with: --content-layers none --loss neighbours=0.05
    #[arg(long, value_name = "NAME=WEIGHT", value_parser = loss, help_heading = "Loss")]
    pub(crate) loss: Vec<(LossKind, f64)>,

    /// Network pooling: average, as in the paper, or maximum, as in training [default: avg, or the preset's]
    #[arg(long, value_enum, value_name = "NAME", help_heading = "Network")]
    pub(crate) pooling: Option<PoolingName>,

    /// Paint a picture that repeats without seams, as a texture for tiling; its sides are rounded to multiples of 16 pixels,
    /// which may exceed --size and change its proportions a little
    #[arg(long, help_heading = "Network")]
    pub(crate) seamless: bool,

    /// Padding of the picture: replicate repeats its border pixels; zero, as in the paper, stands for the mean colour and
    /// leaves a frame along the border [default: replicate, or the preset's]
    #[arg(long, value_enum, value_name = "NAME", help_heading = "Network")]
    pub(crate) padding: Option<PaddingName>,

    #[command(flatten)]
    pub(crate) compute: Compute,

    /// Print the job's memory needs and the algorithm of each layer, and exit
    #[arg(long, help_heading = "Output")]
    pub(crate) plan: bool,

    /// Also save the picture every N iterations, as OUT_0050.png and so on
    #[arg(long, value_name = "N", help_heading = "Output")]
    pub(crate) snapshot_every: Option<NonZeroUsize>,

    /// Save the job's state to this file, and resume from it if it exists; delete it to start again. To resume, use the same options
    /// as before; --memory, --threads, --until, --style-strength, --style-weight, --output, the options of this section and, unless --scales is auto, --iterations may
    /// change
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) checkpoint: Option<PathBuf>,

    /// Write --checkpoint every N iterations; it is also written at the end, and on Ctrl-C or SIGTERM
    #[arg(long, value_name = "N", default_value = "20", requires = "checkpoint", help_heading = "Output")]
    pub(crate) every: NonZeroUsize,

    /// Log the losses of each iteration as one JSON line; iteration 1 has those of the start image
    #[arg(long, value_name = "FILE.jsonl", help_heading = "Output")]
    pub(crate) log: Option<PathBuf>,

    /// Write losses, pictures and histograms for TensorBoard to this folder
    #[arg(long, value_name = "FOLDER", help_heading = "Output")]
    pub(crate) tensorboard: Option<PathBuf>,

    /// Plot the losses to this file at the end; a resumed job plots only what follows its resumption
    #[arg(long, value_name = "FILE.svg|png", help_heading = "Output")]
    pub(crate) plot: Option<PathBuf>,

    /// Show the picture in the terminal while it is painted: by kitty's protocol, as sixels, or as half blocks; auto chooses by the
    /// terminal's name. Nothing is shown where the standard error is no terminal
    #[arg(long, value_enum, value_name = "NAME", default_value = "off", help_heading = "Output")]
    pub(crate) preview: Preview,

    /// Open the picture at the end with the system's program for pictures
    #[arg(long, help_heading = "Output")]
    pub(crate) open: bool,

    /// Print only errors
    #[arg(long, help_heading = "Output")]
    pub(crate) quiet: bool,

    /// Read defaults from a TOML file, which names options as on the command line: size = 768, balance = true, loss =
    /// ["palette=1"]; those of one subcommand go into the table of its name. "none" reads no file [default: stylize.toml in
    /// the user's configuration folder, if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

fn until(s: &str) -> Result<f64, String> {
    match s.parse() {
        _ if s == "good" => Ok(Settings::GOOD),
        Ok(fraction) if (0.0..1.0).contains(&fraction) => Ok(fraction),
        _ => Err("expected \"good\", or a fraction of the loss from 0 to below 1, such as 0.02".into()),
    }
}

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

/// A number of bytes, with an optional unit.
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
            Some((s, name)) => {
                let names: Vec<_> =
                    StatisticName::value_variants().iter().filter_map(|v| v.to_possible_value()).collect();
                let names: Vec<_> = names.iter().map(|v| v.get_name()).collect();
                let unknown = |_| format!("no statistic is called {name:?}; they are {}", names.join(", "));
                (s, Some(StatisticName::from_str(name.trim(), true).map_err(unknown)?))
            }
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

fn loss(s: &str) -> Result<(LossKind, f64), String> {
    let expected = || {
        let names = LossKind::ALL.map(LossKind::name).join(", ");
        format!("expected NAME=WEIGHT, for example neighbours=1; the names are {names}")
    };
    let (name, weight) = s.split_once('=').ok_or_else(expected)?;
    Ok((name.parse().map_err(|_| expected())?, weight.parse().map_err(|_| expected())?))
}

fn laplacian(s: &str) -> Result<(f64, usize), String> {
    let (weight, side) = s.split_once(':').unwrap_or((s, "4"));
    match (weight.trim().parse(), side.trim().parse()) {
        (Ok(weight), Ok(side)) => Ok((weight, side)),
        _ => Err("a Laplacian is a weight, or a weight and a side in pixels: 0.02:4, say".into()),
    }
}

fn tv(s: &str) -> Result<Tv, String> {
    match (s, s.strip_prefix("power=").map(str::parse)) {
        ("squared", _) => Ok(Tv::Squared),
        ("absolute", _) => Ok(Tv::Absolute),
        ("means", _) => Ok(Tv::Means),
        ("nine-point", _) => Ok(Tv::NinePoint),
        (_, Some(Ok(b))) => Ok(Tv::Power(b)),
        _ => Err("a total variation is squared, absolute, means, nine-point, or power=B with B a number".into()),
    }
}

fn preset() -> impl TypedValueParser<Value = Preset> {
    PossibleValuesParser::new(Preset::ALL.map(Preset::name)).try_map(|name| name.parse::<Preset>())
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
    Wasserstein,
    SlicedWasserstein,
    Histogram,
    Patches,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum OptimizerName {
    Lbfgs,
    LbfgsFixed,
    Adam,
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
