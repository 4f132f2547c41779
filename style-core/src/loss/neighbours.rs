//! Neural neighbours (Kolkin, Kucera, Paris, Sykora, Shechtman and Shakhnarovich 2022, "Neural Neighbor Style Transfer"):
//! each hypercolumn of the image is held to that of the painting which is most like the photograph's at the same place.
//!
//! ```text
//! l = 1/M sum_i (1 - <h_i, t_i> / (|h_i| |t_i|)),  t_i = s_q(i)     h, c, s: hypercolumns of image, photograph, painting
//! q(i) = arg max_j <c_i - c, s_j - s> / (|c_i - c| |s_j - s|)       c, s without an index: the means over all places
//! ```
//!
//! A layer's features are divided by their number of channels, and there is a place every four pixels. The neighbours are
//! found once a scale. As they are those of the photograph, the loss holds the content too, and takes the place of both content
//! and style. Adjoint: that of [`CosineOps`](crate::backend::ops::CosineOps), followed by that of the hypercolumns.
//!
//! Departures from the paper:
//!
//! - The photograph alone is matched, not a mixture of it and the image (the authors' `alpha` of 1).
//! - The means are those of the photograph and of each painting as a whole, unturned.
//! - Layers finer than the grid are averaged over its cells. The authors take the four positions around a place; under L-BFGS
//!   that leaves a lattice.
//! - The authors' last pass, with neighbours of each layer by itself, is [`Patches`](crate::statistics::Patches) of one
//!   position.
//!
//! Several paintings count alike, whatever their shares: each place takes the nearest in any of them.

use crate::alloc::{collected, zeros};
use crate::backend::Backend;
use crate::backend::shape::{Acc, Shape};
use crate::distributed::Communicator;
use crate::error::{Result, bad};
use crate::image::Image;
use crate::loss::custom::{Described, Inputs, Loss};
use crate::loss::hypercolumns::{Columns, Hypercolumns, Places, channels, check, check_content, check_styles, cosine};
use crate::loss::term::{Buffers, Site, Term};

/// Pixels from one place to the next.
const STEP: usize = 4;

/// Neural neighbours, for [`SessionBuilder::loss`](crate::SessionBuilder::loss); usually without content and style layers.
/// Pictures may have 4 million pixels at most.
///
/// ```
/// # use style_core::backend::Backend;
/// # use style_core::{SessionBuilder, losses::Neighbours};
/// # fn describe<B: Backend>(builder: SessionBuilder<B>) {
/// let builder = builder.content_layers([] as [&str; 0]).style_layers([] as [&str; 0]).loss(1.0, Neighbours::default());
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbours {
    /// The layers of a hypercolumn. Default: the ten of VGG-16 up to conv4_3.
    pub layers: Vec<String>,
    /// Whether neighbours may be found in the painting turned by 90, 180 and 270 degrees too, as the authors do; finding
    /// them takes four times as long. Default: no.
    pub turned: bool,
}

impl Default for Neighbours {
    fn default() -> Self {
        let all = [
            "conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv4_1", "conv4_2",
            "conv4_3",
        ];
        Self { layers: all.map(Into::into).to_vec(), turned: false }
    }
}

/// The factor of a layer.
fn scale(layer: Shape) -> f32 {
    1.0 / layer.channels.max(1) as f32
}

/// The grid over a picture.
fn grid(height: usize, width: usize) -> Places {
    Places::Grid { height: (height / STEP).max(1), width: (width / STEP).max(1) }
}

/// The picture turned by 90 degrees.
fn turned(image: &Image) -> Result<Image> {
    let Shape { channels, height, width } = image.shape();
    let at = |i: usize| {
        let (k, row, column) = (i / (height * width), i / height % width, i % height);
        image.pixels()[(k * height + column) * width + width - 1 - row]
    };
    let pixels = collected(image.shape().len(), "a turned picture", (0..channels * height * width).map(at))?;
    Image::from_finite_planar(height, width, pixels)
}

impl Neighbours {
    /// The hypercolumns of the painting that each of the photograph's is nearest to.
    fn target<B: Backend>(&self, inputs: &Inputs<'_, B>, places: &Places, content: &Image) -> Result<B::Tensor> {
        let backend = inputs.network.backend();
        let mut photograph = Hypercolumns::of(inputs, content, &self.layers, places, scale)?;
        let columns = Columns::download(backend, &photograph)?;
        let centred = columns.without(&columns.means())?;
        backend.upload(&centred.values, &mut photograph)?;
        let (shape, count) = (backend.shape(&photograph), columns.places);
        let mut found = backend.tensor(Shape { channels: 1, ..shape })?;
        let (mut numbers, mut best) = (zeros(count, "neighbours")?, vec![f64::NEG_INFINITY; count]);
        let mut target = columns.values;
        for style in inputs.styles {
            let (mut painting, mut means) = (style.copied()?, None);
            for turn in 0..if self.turned { 4 } else { 1 } {
                if turn > 0 {
                    painting = turned(&painting)?;
                }
                inputs.cancel.check()?;
                let Shape { height, width, .. } = painting.shape();
                let mut of_style = Hypercolumns::of(inputs, &painting, &self.layers, &grid(height, width), scale)?;
                let columns = Columns::download(backend, &of_style)?;
                let style_centred = columns.without(means.get_or_insert_with(|| columns.means()))?;
                backend.upload(&style_centred.values, &mut of_style)?;
                let mut workspace = backend.workspace(backend.nearest_workspace(shape, 1))?;
                backend.nearest(&photograph, &of_style, 1, &mut found, &mut workspace)?;
                backend.download(&found, &mut numbers)?;
                let nearest = numbers.iter().map(|&q| (q as usize).min(columns.places - 1));
                let pairs: Vec<_> = nearest.enumerate().collect();
                let products = centred.products(&style_centred, &pairs);
                for ((&(i, j), best), products) in pairs.iter().zip(&mut best).zip(products) {
                    let cosine = cosine(products);
                    if cosine > *best {
                        *best = cosine;
                        let channels = target.chunks_exact_mut(count).zip(columns.channels());
                        channels.for_each(|(to, from)| to[i] = from[j]);
                    }
                }
            }
        }
        backend.upload(&target, &mut photograph)?;
        Ok(photograph)
    }
}

impl<B: Backend> Loss<B> for Neighbours {
    fn name(&self) -> String {
        if self.turned { "turned-neighbours" } else { "neighbours" }.into()
    }

    fn identity(&self) -> String {
        format!("{} by {}", Loss::<B>::name(self), self.layers.join(" "))
    }

    fn layers(&self) -> Vec<String> {
        self.layers.clone()
    }

    fn check(&self, of: &Described<'_>) -> Result<()> {
        check(&self.layers, of)?;
        check_content(of)?;
        check_styles(of, usize::MAX)
    }

    fn bytes(&self, backend: &B, of: &Described<'_>) -> usize {
        let columns = |picture: &Shape| grid(picture.height, picture.width).shape(channels(of.features));
        let [own, style] = [
            backend.tensor_bytes(columns(&of.image)),
            of.styles.iter().map(|s| backend.tensor_bytes(columns(s))).fold(0, usize::max),
        ];
        // Later, the target and the gradient; while neighbours are found, three of each.
        let more = own.saturating_mul(3).saturating_add(style.saturating_mul(3)).max(own.saturating_mul(2));
        Hypercolumns::bytes(backend, of.features, columns(&of.image)).saturating_add(more)
    }

    fn term(&self, inputs: &Inputs<'_, B>) -> Result<Box<dyn Term<B>>> {
        let backend = inputs.network.backend();
        let content = inputs.content.ok_or_else(|| bad("neighbours: expected a content picture, found none"))?;
        let places = grid(content.height(), content.width());
        let target = self.target(inputs, &places, content)?;
        let scales: Vec<_> = inputs.features.iter().map(|&s| scale(s)).collect();
        let columns = Hypercolumns::new(backend, &inputs.features, &scales, &places)?;
        let gradient = backend.tensor(backend.shape(&columns.values))?;
        let share = 1.0 / backend.shape(&gradient).positions().max(1) as f64;
        Ok(Box::new(Matched { columns, target, gradient, share }))
    }
}

/// The term of [`Neighbours`].
struct Matched<B: Backend> {
    columns: Hypercolumns<B>,
    target: B::Tensor,
    /// `dl/dh`, but for the share.
    gradient: B::Tensor,
    /// `1/M`.
    share: f64,
}

impl<B: Backend> Term<B> for Matched<B> {
    fn slots(&self) -> usize {
        1
    }

    fn forward(&mut self, at: &Site<'_, B>, _buffers: Buffers<'_, B>) -> Result<()> {
        self.columns.read(at.backend, at.layer, at.features)
    }

    fn end(&mut self, backend: &B, _communicator: &dyn Communicator, buffers: Buffers<'_, B>) -> Result<()> {
        let Buffers { scalars, slot, .. } = buffers;
        backend.cosine(&self.columns.values, &self.target, scalars, slot, &mut self.gradient)
    }

    fn backward(
        &mut self,
        at: &Site<'_, B>,
        weight: f64,
        acc: Acc,
        dfeatures: &mut B::Tensor,
        _buffers: Buffers<'_, B>,
    ) -> Result<()> {
        self.columns.read_bwd(at.backend, at.layer, &self.gradient, weight * self.share, acc, dfeatures)
    }

    fn loss(&self, scalars: &[f64]) -> f64 {
        self.share * scalars[0]
    }
}
