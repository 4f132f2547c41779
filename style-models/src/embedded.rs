//! The embedded weights.

use style_core::Result;

use crate::assemble::from_tensors;
use crate::format::Format;
use crate::formats;
use crate::loaded::{LoadOptions, Loaded};
use crate::source::Source;
use crate::vgg::Vgg;

static FILE: &[u8] = include_bytes!("../weights/vgg16-q8.safetensors.gz");
/// SHA-256 of the file; also in `weights/README.md`.
const SHA256: &str = "8cb3f5005197c1a92ac4769237175e1507356e381536137da1f7fed237b8ca95";

/// The embedded network: a VGG-16 from `conv1_1` to `conv5_1`, for input in [`style_core::InputSpace::CAFFE`].
///
/// These are the convolutions of Simonyan and Zisserman's VGG-16 (ImageNet; CC BY 4.0) as published, stored with 8 bits
/// per value from `conv3_2` on. This crate's `weights/README.md` gives their origin and the rounding error. The paper's
/// network is VGG-19, which [`crate::load`] reads from a file.
///
/// Each call unpacks the file again, which takes about 70 ms on all cores; keep the result.
///
/// ```
/// let weights = style_models::embedded()?;
/// assert_eq!(weights.model().layers().last().map(|layer| layer.name()), Some("conv5_1"));
/// # Ok::<(), style_core::Error>(())
/// ```
///
/// # Errors
/// None expected; `Weights` would mean that the embedded file is damaged.
pub fn embedded() -> Result<Loaded> {
    let source = Source::memory("vgg16-q8 (embedded)", FILE);
    let options = LoadOptions::default().network(Vgg::Vgg16);
    from_tensors(&source, Format::Safetensors, formats::open_gzip(&source)?, || Ok(SHA256.into()), &options, 1)
}

#[cfg(test)]
mod tests {
    use style_core::{InputSpace, Layer};

    use super::{FILE, SHA256};

    #[test]
    fn decodes_to_vgg16_through_conv5_1() {
        let loaded = super::embedded().unwrap();
        assert_eq!(loaded.sha256(), SHA256);
        #[cfg(feature = "weight-files")]
        assert_eq!(crate::source::Source::memory("", FILE).sha256().unwrap(), SHA256);
        assert!(include_str!("../weights/README.md").contains(SHA256), "regenerate the README together with the file");
        assert_eq!((loaded.vgg(), loaded.format()), (crate::Vgg::Vgg16, crate::Format::Safetensors));
        let model = loaded.model();
        assert_eq!(*model.input(), InputSpace::CAFFE);
        let wanted = crate::Vgg::Vgg16.layer_names();
        let names: Vec<&str> = model.layers().iter().map(Layer::name).collect();
        assert_eq!(names, wanted[..15]);
        assert_eq!(names.last(), Some(&"conv5_1"));
        let convs: Vec<_> =
            model.layers().iter().filter_map(|l| if let Layer::Conv(c) = l { Some(c) } else { None }).collect();
        assert_eq!(convs.iter().map(|c| c.weight.len()).sum::<usize>(), 9_991_872);
        assert_eq!(convs[10].weight.len(), 512 * 512 * 9);
        // values that the Python package onnx reads from the .onnx: conv1_1 [0, 0, 0, 0] and [5, 2, 0, 1], conv5_1 [4,
        // 3, 1, 2], which is rounded to a step of 0.1904 / 127, and two biases
        assert!((convs[0].weight[0] - 0.429_470_57).abs() < 2e-4);
        assert!((convs[0].weight[(5 * 3 + 2) * 9 + 1] + 0.086_050_88).abs() < 3e-5);
        assert!((convs[10].weight[(4 * 512 + 3) * 9 + 5] - 0.010_096_467).abs() < 8e-4);
        assert_eq!((convs[0].bias[0], convs[10].bias[7]), (0.734_298_35, 0.062_493_417));
    }

    #[test]
    fn the_file_stays_small_enough_for_the_registry() {
        assert!(FILE.len() < 9_000_000);
    }
}
