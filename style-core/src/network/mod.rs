//! A model on a device.

pub(crate) mod fingerprint;
pub(crate) mod model;
pub(crate) mod taps;

use std::fmt;
use std::ops::Range;

use crate::alloc::{collected, zeros};
use crate::backend::Backend;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::network::fingerprint::hash;
use crate::network::model::{ChannelOrder, InputSpace, Layer, Model};

/// A [`Model`] with its filters packed by a backend: created once, shared by any number of sessions (`Arc`).
///
/// Its input tensors are `[1, 3, H, W]`, RGB in 8-bit units minus the weights' mean colour, for every weight family:
/// channel order, range and standard deviation are folded into the first convolution's filters. The features are those of
/// the original input space, since the zero padding still stands for the mean colour.
pub struct Network<B: Backend> {
    backend: B,
    name: String,
    mean: [f32; 3],
    /// Hash of the weights and their input space.
    fingerprint: String,
    pub(crate) layers: Vec<NetworkLayer<B>>,
}

/// One layer of a network's chain.
pub(crate) struct NetworkLayer<B: Backend> {
    pub(crate) name: String,
    /// Output channels.
    pub(crate) channels: usize,
    /// The filters of a convolution; `None` for a pool.
    pub(crate) filter: Option<B::Filter>,
}

impl<B: Backend> Network<B> {
    /// Packs a model's filters for a backend.
    ///
    /// # Errors
    /// Errors of the backend's [`pack`](crate::backend::ops::Conv2dOps::pack).
    pub fn new(backend: B, model: &Model) -> Result<Self> {
        let mut channels = 3;
        let mut layers = Vec::with_capacity(model.layers().len());
        for (i, layer) in model.layers().iter().enumerate() {
            let filter = match layer {
                Layer::Pool { .. } => None,
                Layer::Conv(conv) => {
                    channels = conv.out_channels;
                    let folded = (i == 0).then(|| fold_input_space(model.input(), &conv.weight)).transpose()?;
                    let weight = folded.as_deref().unwrap_or(&conv.weight);
                    Some(backend.pack(conv.in_channels, conv.out_channels, weight, &conv.bias)?)
                }
            };
            layers.push(NetworkLayer { name: layer.name().to_owned(), channels, filter });
        }
        let input = model.input();
        let mean = [0, 1, 2].map(|c| input.mean[source_channel(input, c)] * 255.0 / input.range);
        let weights = model.layers().iter().filter_map(|layer| match layer {
            Layer::Conv(conv) => Some([&conv.weight[..], &conv.bias[..]]),
            Layer::Pool { .. } => None,
        });
        let order = [input.range, f32::from(input.order == ChannelOrder::Bgr)];
        let space = [order.as_slice(), &input.mean, &input.std];
        let fingerprint = hash(weights.flatten().chain(space));
        Ok(Self { backend, name: model.name().to_owned(), mean, fingerprint, layers })
    }

    /// A hash of the weights and their input space.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The backend that holds the filters.
    #[must_use]
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// The model's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the layers that can be tapped, first to last.
    pub fn layer_names(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().map(|l| l.name.as_str())
    }

    /// Size of the packed filters in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let mut in_channels = 3;
        let mut bytes = 0usize;
        for layer in &self.layers {
            if layer.filter.is_some() {
                bytes = bytes.saturating_add(self.backend.filter_bytes(in_channels, layer.channels));
            }
            in_channels = layer.channels;
        }
        bytes
    }

    /// The mean colour of the weights' training set, RGB in 8-bit units: the colour of a zero input.
    #[must_use]
    pub fn mean(&self) -> [f32; 3] {
        self.mean
    }

    /// This network's name for a layer that other programs call `relu4_2` (jcjohnson/neural-style), `block4_conv2` (Keras)
    /// or `r42` (leongatys/PytorchNeuralStyleTransfer); any other name is returned unchanged.
    pub(crate) fn own_name(&self, name: String) -> String {
        let has = |name: &str| self.layers.iter().any(|l| l.name == name);
        if has(&name) {
            return name;
        }
        peers_name(&name).filter(|own| has(own)).unwrap_or(name)
    }

    /// Position of a layer in the chain.
    pub(crate) fn position(&self, name: &str) -> Result<usize> {
        let own = self.own_name(name.to_owned());
        self.layers.iter().position(|l| l.name == own).ok_or_else(|| {
            let names: Vec<_> = self.layer_names().collect();
            Error::new(
                ErrorKind::Argument,
                format!("{} has no layer \"{name}\"; its layers are {}", self.name, names.join(", ")),
            )
        })
    }

    /// The number of pools before or at this position.
    pub(crate) fn pools_before(&self, position: usize) -> usize {
        self.layers.iter().take(position + 1).filter(|l| l.filter.is_none()).count()
    }

    /// The receptive field of position `at` of a layer along one axis, in pixels; it may extend beyond the picture.
    pub(crate) fn receptive_field(&self, position: usize, at: usize) -> Range<isize> {
        self.field(0, position, at as isize..at as isize + 1)
    }

    /// The outputs of the layer before `from` that some outputs of the layer at `position` depend on, along one axis.
    pub(crate) fn field(&self, from: usize, position: usize, of: Range<isize>) -> Range<isize> {
        let layers = self.layers.iter().take(position + 1).skip(from).rev();
        layers.fold(
            of,
            |Range { start, end }, layer| {
                if layer.filter.is_some() { start - 1..end + 1 } else { 2 * start..2 * end }
            },
        )
    }

    /// Uploads a picture as network input.
    pub(crate) fn upload(&self, image: &Image) -> Result<B::Tensor> {
        self.upload_owned(image.copied()?)
    }

    /// As above, with one copy less in memory.
    pub(crate) fn upload_owned(&self, image: Image) -> Result<B::Tensor> {
        let (shape, n) = (image.shape(), image.width() * image.height());
        let mut values = image.into_pixels();
        values.iter_mut().enumerate().for_each(|(i, p)| *p -= self.mean[i / n]);
        let mut x = self.backend.tensor(shape)?;
        self.backend.upload(&values, &mut x)?;
        Ok(x)
    }

    /// Downloads an input as a picture, after dividing it by `divisor`.
    pub(crate) fn download(&self, x: &B::Tensor, divisor: f64) -> Result<Image> {
        let shape = self.backend.shape(x);
        let mut pixels = zeros(shape.len(), "an image")?;
        self.backend.download(x, &mut pixels)?;
        // Keeps finite values finite: a sum near the end of f32's range may round beyond it.
        let most = f64::from(f32::MAX);
        let value = |p: f32, mean: f32| (f64::from(p) / divisor + f64::from(mean)).clamp(-most, most) as f32;
        let n = shape.positions();
        pixels.iter_mut().enumerate().for_each(|(i, p)| *p = value(*p, self.mean[i / n]));
        Image::from_finite_planar(shape.width, shape.height, pixels)
    }
}

impl<B: Backend> fmt::Debug for Network<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backend = self.backend.description();
        f.debug_struct("Network").field("name", &self.name).field("backend", &backend).finish_non_exhaustive()
    }
}

/// Translates another program's layer name. All of these refer to the values after the ReLU, as here.
fn peers_name(name: &str) -> Option<String> {
    if let Some(rest) = name.strip_prefix("relu") {
        return Some(format!("conv{rest}"));
    }
    if let Some((block, layer)) = name.strip_prefix("block").and_then(|rest| rest.split_once('_')) {
        return match layer.strip_prefix("conv") {
            Some(conv) => Some(format!("conv{block}_{conv}")),
            None => (layer == "pool").then(|| format!("pool{block}")),
        };
    }
    match name.as_bytes() {
        [b'r', block, conv] => Some(format!("conv{}_{}", char::from(*block), char::from(*conv))),
        _ => None,
    }
}

/// The channel of `input` that holds RGB channel `c`.
fn source_channel(input: &InputSpace, c: usize) -> usize {
    match input.order {
        ChannelOrder::Rgb => c,
        ChannelOrder::Bgr => 2 - c,
    }
}

/// First-layer filters for RGB in 8-bit units minus the mean: channels reordered and scaled by `range / (255 std)`.
fn fold_input_space(input: &InputSpace, weight: &[f32]) -> Result<Vec<f32>> {
    let mut folded = collected(weight.len(), "filters", weight.iter().copied())?;
    for (i, taps) in folded.chunks_exact_mut(9).enumerate() {
        let source = source_channel(input, i % 3);
        let scale = f64::from(input.range) / (255.0 * f64::from(input.std[source]));
        for (w, &v) in taps.iter_mut().zip(&weight[(i - i % 3 + source) * 9..]) {
            *w = (f64::from(v) * scale) as f32;
        }
    }
    Ok(folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_names_are_known() {
        for (peers, own) in
            [("relu4_2", "conv4_2"), ("block4_conv2", "conv4_2"), ("block5_pool", "pool5"), ("r42", "conv4_2")]
        {
            assert_eq!(peers_name(peers).as_deref(), Some(own));
        }
        for name in ["conv4_2", "pool4", "block4_flatten", "block4", "r421"] {
            assert_eq!(peers_name(name), None);
        }
    }

    #[test]
    fn folding_reorders_and_scales() {
        let weight: Vec<f32> = (0..27).map(|i| i as f32).collect();
        let bgr = fold_input_space(&InputSpace::CAFFE, &weight).unwrap();
        assert_eq!((bgr[0], bgr[9], bgr[18]), (18.0, 9.0, 0.0));
        let rgb = fold_input_space(&InputSpace::TORCHVISION, &weight).unwrap();
        assert!((rgb[9] - 9.0 / (255.0 * 0.224)).abs() < 1e-6);
    }
}
