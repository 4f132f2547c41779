//! What a neuron responds to: one value of one layer, and the parts of the picture that contribute to it.
//!
//! The gradient is one at the neuron and zero elsewhere, `dF = e_(k, p)`, and is propagated to the picture by one of the
//! rules of [`ReluRule`]. [`ReluRule::Gradient`] gives the exact gradient of the neuron's value (Simonyan et al. 2013); the
//! others give the visualisations of Zeiler and Fergus 2014 and Springenberg et al. 2015.

use std::ops::Range;
use std::sync::Arc;

use crate::alloc::zeros;
use crate::backend::Backend;
use crate::backend::ops::conv2d::Padding;
use crate::backend::ops::pool2d::Pooling;
use crate::backend::ops::relu::ReluRule;
use crate::backend::shape::Shape;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::inspect::features::Features;
use crate::network::Network;
use crate::network::taps::Taps;
use crate::pass::chain::Chain;
use crate::pass::plan::ChainPlan;

/// The response of one layer of a network to a picture, from which signals can be propagated back.
///
/// ```
/// # use style_core::backend::{Backend, ops::ReluRule};
/// # use style_core::inspect::Probe;
/// # use style_core::{Image, Network, Padding, Pooling, Result};
/// # fn look<B: Backend>(network: std::sync::Arc<Network<B>>, photo: Image) -> Result<()> {
/// let mut probe = Probe::new(network, &photo, "conv4_1", Pooling::Max, Padding::Zero)?;
/// for (channel, _) in probe.strongest_channels().into_iter().take(9) {
///     let neuron = probe.strongest(channel)?;
///     let response = probe.back(neuron, ReluRule::Guided)?;
///     let patch = photo.crop(response.columns, response.rows)?;
/// }
/// # Ok(())
/// # }
/// ```
pub struct Probe<B: Backend> {
    network: Arc<Network<B>>,
    chain: Chain<B>,
    position: usize,
    image: B::Tensor,
    features: Features,
    gradient: B::Tensor,
    workspace: B::Workspace,
}

/// One value of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neuron {
    /// Index of the feature map.
    pub channel: usize,
    /// Row in the feature map.
    pub row: usize,
    /// Column in the feature map.
    pub column: usize,
}

/// The signal propagated back from a neuron.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The neuron.
    pub neuron: Neuron,
    /// Its value.
    pub activation: f32,
    /// The signal at the picture: `[3, H, W]` row-major, RGB, per 8-bit unit.
    pub signal: Vec<f32>,
    /// The columns of the picture in the neuron's receptive field.
    pub columns: Range<usize>,
    /// The rows of the picture in the neuron's receptive field.
    pub rows: Range<usize>,
}

impl Response {
    /// The signal in the neuron's receptive field as a picture: grey where it is zero, black or white where it is largest.
    ///
    /// # Errors
    /// `Shape` if the receptive field is empty, which that of a [`Probe`] is not.
    pub fn picture(&self, image: &Image) -> Result<Image> {
        let largest = self.signal.iter().fold(f32::MIN_POSITIVE, |most, v| most.max(v.abs()));
        let pixels = self.signal.iter().map(|v| 127.5 * (1.0 + v / largest)).collect();
        let all = Image::from_planar(image.width(), image.height(), pixels)?;
        all.crop(self.columns.clone(), self.rows.clone())
    }
}

impl<B: Backend> Probe<B> {
    /// Runs a picture forward to a layer; the padding applies to the first convolution.
    ///
    /// # Errors
    /// `Argument` if the layer is unknown; `TooSmall` if the picture is too small for it; backend errors.
    pub fn new(
        network: impl Into<Arc<Network<B>>>,
        image: &Image,
        layer: &str,
        pooling: Pooling,
        padding: Padding,
    ) -> Result<Self> {
        let network = network.into();
        let backend = network.backend();
        let position = network.position(layer)?;
        let plan = ChainPlan::new(&network, image.shape(), &Taps::new([position]), pooling, padding, true, None)?;
        let mut workspace = backend.workspace(plan.workspace())?;
        let mut chain = Chain::new(backend, &[Arc::new(plan)])?;
        let mut features = Features { layer: layer.to_owned(), shape: Shape::new(0, 0, 0), values: vec![] };
        let uploaded = network.upload(image)?;
        chain.forward(&network, &uploaded, &mut workspace, |tapped, _| {
            features.shape = tapped.whole;
            features.values = zeros(features.shape.len(), "features")?;
            backend.download(tapped.features, &mut features.values)
        })?;
        let gradient = backend.tensor(image.shape())?;
        Ok(Self { chain, position, image: uploaded, features, gradient, workspace, network })
    }

    /// The layer's features.
    #[must_use]
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// All channels with the largest value of each, in descending order.
    #[must_use]
    pub fn strongest_channels(&self) -> Vec<(usize, f32)> {
        let maps = self.features.values.chunks(self.features.shape.positions().max(1));
        let mut channels: Vec<_> = maps.map(|map| map.iter().copied().fold(0.0, f32::max)).enumerate().collect();
        channels.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        channels
    }

    /// The neuron with the largest value in a channel; among equal values, the first in row-major order.
    ///
    /// # Errors
    /// `Argument` if there is no such channel.
    pub fn strongest(&self, channel: usize) -> Result<Neuron> {
        self.check(Neuron { channel, row: 0, column: 0 })?;
        let Shape { width, .. } = self.features.shape;
        let m = self.features.shape.positions();
        let map = &self.features.values[channel * m..][..m];
        let best = (1..m).fold(0, |best, i| if map[i] > map[best] { i } else { best });
        Ok(Neuron { channel, row: best / width, column: best % width })
    }

    /// Propagates a signal of 1 from a neuron back to the picture.
    ///
    /// # Errors
    /// `Argument` if there is no such neuron; backend errors.
    pub fn back(&mut self, neuron: Neuron, rule: ReluRule) -> Result<Response> {
        let at = self.check(neuron)?;
        let mut seed = zeros(self.features.shape.len(), "a neuron")?;
        seed[at] = 1.0;
        let Self { network, chain, image, gradient, workspace, .. } = self;
        let backend = network.backend();
        chain.backward(network, rule, image, gradient, workspace, |_, _, dfeatures, _| {
            backend.upload(&seed, dfeatures)
        })?;
        let shape = backend.shape(image);
        let mut signal = zeros(shape.len(), "a signal")?;
        backend.download(gradient, &mut signal)?;
        let sees = |at: usize, most: usize| {
            let Range { start, end } = self.network.receptive_field(self.position, at);
            start.clamp(0, most as isize) as usize..end.clamp(0, most as isize) as usize
        };
        Ok(Response {
            neuron,
            activation: self.features.values[at],
            signal,
            columns: sees(neuron.column, shape.width),
            rows: sees(neuron.row, shape.height),
        })
    }

    /// The index of a neuron in the features.
    fn check(&self, neuron: Neuron) -> Result<usize> {
        let Shape { channels, height, width } = self.features.shape;
        let Neuron { channel, row, column } = neuron;
        if channel >= channels || row >= height || column >= width {
            return Err(Error::new(
                ErrorKind::Argument,
                format!(
                    "no neuron at channel {channel}, row {row}, column {column} of {}, which has {channels} channels, {height} rows and {width} columns",
                    self.features.layer
                ),
            ));
        }
        Ok((channel * height + row) * width + column)
    }
}
