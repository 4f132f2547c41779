//! Neural style transfer by optimisation, generic over a compute backend.
//!
//! The algorithm of Gatys, Ecker and Bethge, "A Neural Algorithm of Artistic Style" (arXiv 1508.06576): run an image
//! through a pre-trained network, compare its features with a content image's and its Gram matrices with a style image's,
//! and optimise the image's own pixels by gradient descent.
//!
//! A [`Model`] (data) becomes a [`Network`] (on a [`Backend`](backend::Backend)), on which a [`Session`] repaints an [`Image`].

#![forbid(unsafe_code)]

mod alloc;
pub mod backend;
mod checkpoint;
mod describe;
pub mod distributed;
mod error;
mod image;
pub mod inspect;
mod loss;
mod network;
mod optim;
mod pass;
mod prepare;
mod session;

pub use backend::ops::conv2d::Padding;
pub use backend::ops::pool2d::Pooling;
pub use backend::ops::tv::Tv;
pub use checkpoint::Checkpoint;
pub use describe::builder::SessionBuilder;
pub use describe::init::{Init, Noise, Start};
pub use describe::preset;
pub use describe::preset::Preset;
pub use describe::scale::Scale;
pub use describe::settings::{ContentWeight, Settings};
pub use describe::style::Style;
pub use describe::targets::Targets;
pub use error::{Error, ErrorKind, Result};
pub use image::Image;
pub use image::mask::Mask;
pub use image::resample::resample;
pub use loss::losses::{LayerLoss, LayerWeight, Losses, StyleLayer, TermLoss};
pub use loss::statistics;
pub use network::Network;
pub use network::model::{ChannelOrder, ConvLayer, InputSpace, Layer, Model};
pub use optim::Optimizer;
pub use optim::adam::AdamOptions;
pub use optim::lbfgs::LbfgsOptions;
pub use pass::cancel::Cancel;
pub use pass::plan::PlannedConvolution;
pub use prepare::plan::Plan;
pub use session::Session;
pub use session::handle::{Handle, Updates};
pub use session::job::{Ending, Job, Outcome};
pub use session::observer::{Observer, View};
pub use session::progress::Progress;

/// The names that most programs use.
///
/// ```
/// use style_core::prelude::*;
/// ```
pub mod prelude {
    pub use crate::backend::Backend;
    pub use crate::{Image, Mask, Model, Network, Preset, Scale, Session, SessionBuilder, Settings, Style};
}

/// Losses of your own: the interface of a [loss](losses::Loss) and its [term](losses::Term) in the objective.
pub mod losses {
    pub use crate::loss::custom::{Described, HostLoss, Inputs, Loss};
    pub use crate::loss::guide::Guide;
    pub use crate::loss::kind::LossKind;
    pub use crate::loss::laplacian::Laplacian;
    pub use crate::loss::losses::{CONTENT, STYLE, TV};
    pub use crate::loss::neighbours::Neighbours;
    pub use crate::loss::relaxed_emd::{Palette, RelaxedEmd};
    pub use crate::loss::self_similarity::SelfSimilarity;
    pub use crate::loss::temporal::Temporal;
    pub use crate::loss::term::{Additivity, Buffers, Site, Term};
}
