//! MatConvNet's `imagenet-vgg-verydeep-16.mat` and `-19.mat`: a network as a MATLAB structure.
//!
//! `layers` is a row of cells, each a struct with `name`, `type` and, for a convolution, `weights = {filters, biases}`;
//! older files have two separate fields, `filters` and `biases`.
//!
//! **Filters are [H, W, I, O].** MatConvNet's importer (`utils/import-caffe.py`) reverses Caffe's `[O, I, H, W]` to
//! `[W, H, I, O]` and then swaps the first two dimensions, since its option `--transpose` is on by default and
//! `utils/import-ref-models.sh` does not switch it off. That agrees with MatConvNet's own image layout, `[H, W, C]`.
//! The documentation of `vl_nnconv` once gave `FW x FH`, and some ports to TensorFlow (anishathalye/neural-style)
//! therefore swap H and W, which transposes every filter. A user who tried both found that it harms the result (issue
//! 180 of that project). This reader swaps nothing.
//!
//! **The first convolution takes RGB**: the same importer reverses its input channels. The mean colour is the mean over
//! all positions of `averageImage`, in `meta.normalization`, or `normalization` in older files.

use std::collections::BTreeMap;

use style_core::{InputSpace, Result};

use super::mat::{Array, Mat, Value};
use crate::source::Source;
use crate::space::CAFFE_RGB;
use crate::tensors::{Tensors, count, show};

/// An average image has the size of the network's input, 224 x 224.
const MAX_AVERAGE: usize = 1 << 18;

/// An opened network.
pub(crate) struct MatConvNet {
    source: Source,
    mat: Mat,
    tensors: BTreeMap<String, Tensor>,
    input: InputSpace,
}

struct Tensor {
    /// The shape as MATLAB means it: with the trailing ones that it drops restored, and one dimension for a bias.
    shape: Vec<usize>,
    array: Array,
}

impl MatConvNet {
    pub(crate) fn open(source: &Source) -> Result<Self> {
        let mut mat = Mat::open(source, &["layers", "meta", "normalization", "net"])?;
        let net = mat.variable("net");
        let layers = mat.variable("layers").or_else(|| net?.field("layers"));
        let Some(layers) = layers.and_then(Value::list) else {
            return Err(source.bad(
                "expected the variable `layers` of a MatConvNet network (a row of cells), found none; use \
                 imagenet-vgg-verydeep-16.mat or imagenet-vgg-verydeep-19.mat",
            ));
        };
        let mut tensors = BTreeMap::new();
        for layer in layers {
            let Some(name) = layer.field("name").and_then(Value::text) else { continue };
            let pair = layer.field("weights").and_then(Value::list).unwrap_or_default();
            let part = |at: usize, field| pair.get(at).or_else(|| layer.field(field)).and_then(Value::array);
            if let Some(array) = part(0, "filters") {
                let mut shape = array.shape.clone();
                shape.resize(shape.len().max(4), 1);
                insert(&mut tensors, source, format!("{name}.weight"), shape, array)?;
            }
            if let Some(array) = part(1, "biases") {
                let shape = array.shape.iter().copied().filter(|&d| d != 1).collect::<Vec<_>>();
                let shape = if shape.is_empty() { vec![1] } else { shape };
                insert(&mut tensors, source, format!("{name}.bias"), shape, array)?;
            }
        }
        let mean = mean(&mut mat, source)?.unwrap_or(CAFFE_RGB.mean);
        let input = InputSpace { mean, ..CAFFE_RGB };
        Ok(Self { source: source.clone(), mat, tensors, input })
    }
}

/// The mean over the positions of the average image, if present.
fn mean(mat: &mut Mat, source: &Source) -> Result<Option<[f32; 3]>> {
    let meta = mat.variable("meta").or_else(|| mat.variable("net")?.field("meta"));
    let normalization = meta.and_then(|m| m.field("normalization")).or_else(|| mat.variable("normalization"));
    let image = normalization.and_then(|n| n.field("averageImage")).and_then(Value::array);
    // the importer writes two zeros if there is none
    let Some(image) = image.filter(|i| i.shape.last() == Some(&3) || i.shape == [3, 1]).cloned() else {
        return Ok(None);
    };
    let bad = |what: &str| {
        source.bad(format!("averageImage ({}) {what}; the file is damaged, download it again", show(&image.shape)))
    };
    if count(&image.shape).is_none_or(|n| n == 0 || n > MAX_AVERAGE) {
        return Err(bad("does not have the size of a picture"));
    }
    let mut sums = [0.0_f64; 3];
    let values = mat.read(&image)?;
    for position in values.as_chunks::<3>().0 {
        for (sum, value) in sums.iter_mut().zip(position) {
            *sum += f64::from(*value);
        }
    }
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // few positions; f32 is intended
    let mean = sums.map(|sum| (sum * 3.0 / values.len() as f64) as f32);
    if mean.iter().all(|m| (0.0..=255.0).contains(m)) {
        Ok(Some(mean))
    } else {
        Err(bad("has a mean that is not a colour"))
    }
}

fn insert(
    tensors: &mut BTreeMap<String, Tensor>,
    source: &Source,
    name: String,
    shape: Vec<usize>,
    array: &Array,
) -> Result<()> {
    if tensors.contains_key(&name) {
        return Err(source.bad(format!("duplicate tensor {name}; download the file again")));
    }
    tensors.insert(name, Tensor { shape, array: array.clone() });
    Ok(())
}

impl Tensors for MatConvNet {
    fn list(&self) -> Vec<(&str, &[usize])> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.shape.as_slice())).collect()
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>> {
        let Some(tensor) = self.tensors.get(name) else {
            return Err(self.source.bad(format!("{name} is missing")));
        };
        self.mat.read(&tensor.array)
    }

    fn input_space(&self) -> Option<Result<InputSpace>> {
        Some(Ok(self.input))
    }
}
