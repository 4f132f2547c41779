//! Inspecting a network: the features of a picture, and what a neuron responds to.

pub(crate) mod features;
pub(crate) mod probe;

pub use features::Features;
pub use probe::{Neuron, Probe, Response};

pub use crate::backend::ops::relu::ReluRule;
