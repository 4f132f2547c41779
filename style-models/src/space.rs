//! The input space of weights, and its source.

use std::fmt;

use style_core::{ChannelOrder, InputSpace};

use crate::format::Format;
use crate::naming::{Family, Layout, Naming};

/// Caffe's weights for RGB pictures, as used with TensorFlow and MATLAB: 0..=255, minus the mean.
pub(crate) const CAFFE_RGB: InputSpace =
    InputSpace { order: ChannelOrder::Rgb, range: 255.0, mean: [123.68, 116.779, 103.939], std: [1.0; 3] };

/// The entry of a safetensors file's metadata that states the input space, in the form of [`show`].
pub(crate) const INPUT_SPACE: &str = "input_space";

/// The source of a weight file's input space: see [`crate::load`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputSpaceSource {
    /// The caller gave it ([`crate::LoadOptions::input_space`]).
    Given,
    /// The file states it.
    File,
    /// The file is a known one, identified by its SHA-256.
    Checksum,
    /// The values of `conv1_1` are those of a published set, or derive from them.
    Values,
    /// The layer names, or the format, belong to a family of weights.
    Names,
    /// Unknown.
    Assumed,
}

impl fmt::Display for InputSpaceSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Given => "as given",
            Self::File => "as stated in the file",
            Self::Checksum => "by the file's checksum",
            Self::Values => "by conv1_1's values",
            Self::Names => "by the layer names",
            Self::Assumed => "assumed",
        })
    }
}

/// The input space of a file that does not state it; `first` are the filters of `conv1_1`, `[O, I, 3, 3]`.
pub(crate) fn find(naming: &Naming, format: Format, sha256: &str, first: &[f32]) -> (InputSpace, InputSpaceSource) {
    use InputSpaceSource::{Assumed, Checksum, Names, Values};
    // Caffe's weights in torchvision's names. PyTorch's hub puts the first eight digits of a file's SHA-256 into its name
    if sha256.starts_with("00b39a1b") || sha256.starts_with("d01eb7cb") {
        return (InputSpace::CAFFE, Checksum);
    }
    if let Some(space) = by_values(first) {
        return (space, Values);
    }
    match (naming.family, naming.layout, format) {
        (Family::Torchvision, ..) => (InputSpace::TORCHVISION, Names),
        (Family::Letters, Layout::Hwio, _) => (CAFFE_RGB, Names),
        (Family::Keras, ..) | (.., Format::Caffe) => (InputSpace::CAFFE, Names),
        (Family::TorchGraph, ..) => (InputSpace::TORCHVISION, Assumed),
        _ => (InputSpace::CAFFE, Assumed),
    }
}

/// The mean cosine above which filters count as related. Between filters of two independent trainings it deviates by
/// about 0.05 from zero; for filters fine-tuned from these (at a tiny learning rate) it was 0.99.
const RELATED: f64 = 0.8;
/// The largest common scale factor of all filters, up or down: smaller than any other pixel range would cause.
const SCALE: f64 = 4.0;

/// The space of VGG-16 as its authors published it (Caffe's file, Keras'), if these filters are theirs: unchanged,
/// rounded, or fine-tuned. With the input channels reversed they take RGB.
///
/// Filters are compared individually, by direction, so the values themselves decide. Statistics are not enough: this
/// layer's biases are 0.56 of its filters' norms (root mean squares), although its inputs deviate by about 60, and that
/// would equally fit a network for inputs that deviate by 1.
fn by_values(first: &[f32]) -> Option<InputSpace> {
    if first.len() != 64 * 27 {
        return None;
    }
    let (mut bgr, mut rgb, mut norm, mut expected) = (0.0, 0.0, 0.0, 0.0);
    for (filter, published) in first.chunks_exact(27).zip(&VGG16) {
        let (mut straight, mut rotated, mut square, mut published_square) = (0.0, 0.0, 0.0, 0.0);
        for (at, &p) in published.iter().enumerate() {
            let (w, p) = (f64::from(filter[at]), f64::from(p) / 100.0);
            straight += w * p;
            rotated += f64::from(filter[(2 - at / 9) * 9 + at % 9]) * p;
            square += w * w;
            published_square += p * p;
        }
        let length = (square * published_square).sqrt();
        bgr += straight / length;
        rgb += rotated / length;
        norm += square;
        expected += published_square;
    }
    let scale = (norm / expected).sqrt();
    let least = RELATED * VGG16.len() as f64;
    let related = (bgr >= least || rgb >= least) && (1.0 / SCALE..=SCALE).contains(&scale);
    related.then_some(if bgr >= rgb { InputSpace::CAFFE } else { CAFFE_RGB })
}

/// The first filters of `conv1_1`, `[I, 3, 3]` each for BGR, in hundredths.
#[rustfmt::skip]
pub(crate) const VGG16: [[i8; 27]; 16] = [
    [43, 37, -6, 27, 4, -37, -6, -26, -35, 55, 44, -8, 35, 4, -45, -6, -33, -49, 48, 41, -7, 31, 5, -40, -5, -29, -42],
    [12, 16, 14, 15, 20, 16, 13, 17, 14, 2, 5, 4, 3, 7, 5, 3, 5, 4, -17, -17, -15, -19, -18, -17, -17, -17, -16],
    [3, 0, -12, 16, 16, -9, 1, 0, -13, 10, 5, -10, 24, 22, -7, 8, 5, -11, 4, 0, -14, 17, 15, -11, 2, -1, -15],
    [35, 28, 30, 10, -36, -5, 0, -40, -15, 44, 32, 35, 10, -42, -9, -5, -52, -24, 41, 31, 34, 10, -39, -6, -3, -47, -19],
    [-9, 19, 17, -19, 18, 15, -24, -14, -10, -11, 24, 24, -23, 21, 21, -34, -18, -11, -8, 25, 23, -18, 24, 23, -28, -12, -7],
    [23, 24, 23, 25, 27, 24, 23, 26, 22, -19, -22, -19, -21, -24, -22, -19, -20, -19, -5, -9, -4, -7, -10, -8, -5, -6, -5],
    [7, -11, -17, 15, -5, -16, 15, 10, 1, 10, -13, -21, 20, -4, -18, 23, 14, 2, 7, -15, -21, 16, -8, -19, 18, 10, 0],
    [4, 12, 10, -21, -15, 4, -21, -19, 0, 8, 21, 23, -23, -11, 13, -28, -20, 4, 12, 26, 26, -17, -4, 19, -22, -13, 9],
    [13, 10, 13, 11, 8, 10, 11, 11, 9, -28, -32, -27, -29, -34, -30, -28, -28, -29, 16, 17, 17, 20, 20, 19, 17, 22, 17],
    [3, -5, 2, 15, 10, 15, 23, 24, 23, -14, -25, -16, -2, -9, -2, 11, 10, 10, -16, -28, -18, -6, -14, -6, 7, 5, 6],
    [10, 50, 5, 0, 49, -4, -38, -31, -39, 17, 61, 11, 1, 53, -4, -49, -41, -50, 15, 56, 10, 0, 51, -4, -45, -37, -45],
    [-9, 10, 4, -16, 9, 4, -22, -15, -12, 4, 29, 25, -5, 25, 22, -16, -4, 1, -9, 13, 9, -19, 9, 6, -28, -18, -12],
    [-16, -14, -15, -14, -11, -12, -17, -16, -16, 29, 35, 31, 36, 44, 38, 30, 35, 31, -22, -20, -21, -19, -14, -17, -21, -19, -21],
    [5, -1, -11, 20, 17, -2, 20, 20, 4, 2, -8, -19, 18, 12, -9, 20, 17, 0, -13, -23, -31, 0, -6, -23, 4, 0, -13],
    [-8, -38, -6, -4, -40, 1, 23, 16, 26, -13, -46, -9, -5, -44, 2, 31, 22, 36, -10, -42, -6, -3, -40, 4, 30, 22, 34],
    [16, 14, 13, 10, 3, 9, 12, 10, 13, -16, -19, -19, -24, -33, -25, -20, -24, -20, 16, 15, 13, 10, 4, 8, 10, 9, 11],
];

/// Describes a space in a word or two.
pub(crate) fn describe(space: &InputSpace) -> String {
    if *space == CAFFE_RGB { "caffe with RGB order".into() } else { show(space) }
}

/// A space as written in safetensors metadata.
pub(crate) fn show(space: &InputSpace) -> String {
    if *space == InputSpace::CAFFE {
        return "caffe".into();
    }
    if *space == InputSpace::TORCHVISION {
        return "torchvision".into();
    }
    let order = match space.order {
        ChannelOrder::Rgb => "rgb",
        ChannelOrder::Bgr => "bgr",
    };
    let three = |v: [f32; 3]| v.map(|x| x.to_string()).join(",");
    format!("{order};{};{};{}", space.range, three(space.mean), three(space.std))
}

/// Parses that form.
pub(crate) fn parse(text: &str) -> Option<InputSpace> {
    match text {
        "caffe" => return Some(InputSpace::CAFFE),
        "torchvision" => return Some(InputSpace::TORCHVISION),
        _ => {}
    }
    let mut parts = text.split(';');
    let order = match parts.next()? {
        "rgb" => ChannelOrder::Rgb,
        "bgr" => ChannelOrder::Bgr,
        _ => return None,
    };
    let range = parts.next()?.parse().ok()?;
    let three = |text: &str| -> Option<[f32; 3]> {
        text.split(',').map(|v| v.parse().ok()).collect::<Option<Vec<f32>>>()?.try_into().ok()
    };
    let (mean, std) = (three(parts.next()?)?, three(parts.next()?)?);
    parts.next().is_none().then_some(InputSpace { order, range, mean, std })
}
