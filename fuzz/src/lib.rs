//! The bodies of the fuzz targets: cargo-fuzz feeds them its inputs, `tests/seeds.rs` the committed seeds.
//!
//! | module | inputs |
//! |---|---|
//! | `weights` | every weight format, through `style_models::from_bytes` |
//! | `pictures` | picture files, profiles and masks, through `style_pictures::{Picture::open, mask}` |
//! | `checkpoints` | `Checkpoint::from_bytes`, and sessions that resume from altered and rehashed checkpoints |
//! | `arguments` | the command line of `stylize` |
//! | `values` | images and masks from values, and sessions under such masks |
//! | `repair` | repair of checksums, which would otherwise stop a fuzzer early |
//! | `tiny` | a network and pictures for sessions that take a millisecond |

#[path = "../../stylize/src/args/mod.rs"]
#[allow(dead_code)] // the program's use of them
mod args;
mod arguments;
mod checkpoints;
mod pictures;
mod repair;
#[path = "../../stylize/src/settings.rs"]
mod settings;
mod tiny;
mod values;
mod weights;

use style_models::Format;

/// The targets' names, each also a folder of seeds.
pub const TARGETS: [&str; 18] = [
    "arguments",
    "bmp",
    "caffemodel",
    "checkpoint",
    "gif",
    "h5",
    "icc",
    "jpeg",
    "mat",
    "npz",
    "onnx",
    "png",
    "pth",
    "pth_legacy",
    "safetensors",
    "tiff",
    "values",
    "webp",
];

/// A target's result on an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not the target's format; not worth keeping.
    Foreign,
    /// An expected error.
    Rejected,
    /// Accepted.
    Accepted,
}

/// Runs a target on some bytes.
///
/// # Panics
/// If a check fails, or the target is unknown.
pub fn target(name: &str, data: &[u8]) -> Outcome {
    match name {
        "arguments" => arguments::run(data),
        "caffemodel" => weights::run(Format::Caffe, data),
        "checkpoint" => checkpoints::run(data),
        "h5" => weights::run(Format::Keras, data),
        "icc" => pictures::profile(data),
        "bmp" | "gif" | "jpeg" | "png" | "tiff" | "webp" => pictures::run(name, data),
        "mat" => weights::run(Format::MatConvNet, data),
        "npz" => weights::run(Format::Numpy, data),
        "onnx" => weights::run(Format::Onnx, data),
        "pth" => weights::run(Format::Torch, data),
        "pth_legacy" => weights::run(Format::TorchLegacy, data),
        "safetensors" => weights::run(Format::Safetensors, data),
        "values" => values::run(data),
        _ => panic!("unknown target {name}"),
    }
}

/// Checks that an error has a message.
fn check_message(error: &style_core::Error) {
    assert!(error.to_string().len() > 10, "{error:?}");
}
