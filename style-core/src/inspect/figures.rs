//! Descriptions of the sessions that show what a network sees: what its layers retain of a picture (figure 1 of the paper), and
//! what a channel responds to most.

use std::sync::Arc;

use crate::backend::Backend;
use crate::backend::shape::Shape;
use crate::describe::builder::SessionBuilder;
use crate::describe::preset::Preset;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::image::mask::Mask;
use crate::loss::custom::HostLoss;
use crate::loss::losses::LayerWeight;
use crate::loss::temporal::Temporal;
use crate::network::Network;
use crate::session::Session;

/// The weight of the mean square of the image, in 8-bit units, against an excitation of 1.
const DECAY: f64 = 1e-3;

/// The weight of the total variation, against the same.
const SMOOTHING: f64 = 1e-6;

/// The information that a layer retains of a picture (the paper's figure 1, below): starting from white noise, the
/// content loss of this layer alone. Lower layers reproduce nearly every pixel, higher ones objects and their places.
pub fn content_of<B: Backend>(
    network: impl Into<Arc<Network<B>>>,
    picture: Image,
    layer: impl Into<String>,
) -> SessionBuilder<B> {
    let builder = Session::builder(network).preset(Preset::Gatys).content(picture);
    builder.content_layers([LayerWeight::new(layer, 1.0)]).without_style()
}

/// The information that layers retain of a painting's style (the paper's figure 1, above): starting from white noise, the
/// style loss of the first layer, of the first two, and so on, with equal weights. The painting passes through the network once.
///
/// Departure from the paper: each layer's loss is relative to its target. The paper's network was scaled to a mean activation
/// of 1; others are not.
///
/// # Errors
/// As [`SessionBuilder::targets`].
pub fn styles_of<B: Backend>(
    network: impl Into<Arc<Network<B>>>,
    painting: Image,
    layers: &[&str],
) -> Result<Vec<SessionBuilder<B>>> {
    let network = network.into();
    let builder = || Session::builder(Arc::clone(&network)).preset(Preset::Gatys).style_strength(1.0).without_content();
    let equal = |layers: &[&str]| -> Vec<_> {
        layers.iter().map(|&layer| LayerWeight::new(layer, 1.0 / layers.len() as f64)).collect()
    };
    let targets = builder().style(painting).style_layers(equal(layers)).targets()?;
    let first = |n: usize| builder().with_targets(&targets).style_layers(equal(&layers[..n]));
    Ok((1..=layers.len()).map(first).collect())
}

/// A picture that a channel of a layer responds to as much as possible (Simonyan, Vedaldi and Zisserman 2013, "Deep Inside
/// Convolutional Networks", equation 1, for the mean of a channel): starting from noise,
///
/// ```text
/// total = -1/unit mean F_k + 0.001/D sum (x - mean colour)^2 + 0.000001 tv(x)         D the number of values of x
/// ```
///
/// `unit` is a value of the channel that counts as one, such as its largest on a photograph. The total variation is not
/// in their paper.
///
/// # Errors
/// `Argument` if the layer has no such channel, is unknown, or the unit is not positive; `Shape` for an empty picture.
pub fn excite<B: Backend>(
    network: impl Into<Arc<Network<B>>>,
    layer: &str,
    channel: usize,
    unit: f32,
    (width, height): (usize, usize),
) -> Result<SessionBuilder<B>> {
    let network = network.into();
    let channels = network.layers[network.position(layer)?].channels;
    let bad = |message: String| Err(Error::new(ErrorKind::Argument, message));
    if channel >= channels {
        return bad(format!("there is no channel {channel} of {layer}, which has {channels}, from 0"));
    }
    if !(unit > 0.0 && unit.is_finite()) {
        return bad(format!("the unit of an excitation must be above 0, but is {unit}"));
    }
    let positions = width.saturating_mul(height);
    let flat = network.mean().into_iter().flat_map(|mean| std::iter::repeat_n(mean, positions)).collect();
    let grey = Image::from_planar(width, height, flat)?;
    let decay = Temporal { before: grey, mask: Mask::new(1, 1, vec![1.0])? };
    let builder = Session::builder(network).without_content().without_style().size(width, height);
    Ok(builder.loss_at(layer, 1.0, Excitation { channel, unit }).loss(DECAY, decay).tv_weight(SMOOTHING))
}

/// The mean of a channel, negative, so that it grows.
struct Excitation {
    channel: usize,
    unit: f32,
}

impl HostLoss for Excitation {
    fn name(&self) -> String {
        "excitation".into()
    }

    fn identity(&self) -> String {
        format!("excitation of {} in units of {}", self.channel, self.unit)
    }

    fn evaluate(&self, shape: Shape, features: &[f32], gradient: &mut [f32]) -> f64 {
        let m = shape.positions();
        let of = self.channel * m..(self.channel + 1) * m;
        let scale = 1.0 / (f64::from(self.unit) * m as f64);
        gradient[of.clone()].fill(-scale as f32);
        -scale * features[of].iter().map(|f| f64::from(*f)).sum::<f64>()
    }
}
