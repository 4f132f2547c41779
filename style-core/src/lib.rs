//! Neural style transfer by optimisation, generic over a compute backend.
//!
//! The algorithm of Gatys, Ecker and Bethge, "A Neural Algorithm of Artistic Style" (arXiv 1508.06576): feed an image
//! through a pre-trained network, hold its features to a content image's and its Gram matrices to a style image's,
//! and descend on the image's own pixels.
//!
//! A [`Model`] (data) becomes a [`Network`] (on a [`Backend`]), on which a [`Session`] repaints an [`Image`].

#![forbid(unsafe_code)]

mod average;
mod backend;
mod build;
mod builder;
mod chain;
mod check;
mod checkpoint;
mod error;
mod features;
mod image;
mod init;
mod mask;
mod measure;
mod memory;
mod model;
mod network;
mod objective;
mod observer;
pub mod ops;
mod optim;
mod passes;
mod plan;
mod planning;
pub mod preset;
mod probe;
mod reduce;
mod scale;
mod session;
pub mod statistics;
mod style;
mod targets;
mod tiles;

pub use backend::{Acc, Backend, Shape, Storage, expect_shape};
pub use builder::SessionBuilder;
pub use checkpoint::Checkpoint;
pub use error::{Error, ErrorKind, Result};
pub use features::Features;
pub use image::{Image, resample};
pub use init::{Init, Noise};
pub use mask::{Guide, Mask};
pub use model::{ChannelOrder, ConvLayer, InputSpace, Layer, Model, Pooling};
pub use network::Network;
pub use objective::{LayerLoss, LayerWeight, Losses};
pub use observer::{Observer, View};
pub use ops::Padding;
pub use optim::{AdamOptions, LbfgsOptions, Optimizer};
pub use plan::{Plan, PlannedConvolution};
pub use preset::Preset;
pub use probe::{Neuron, Probe, Response};
pub use reduce::Reduce;
pub use scale::Scale;
pub use session::{Progress, Session};
pub use style::Style;
pub use targets::Targets;
