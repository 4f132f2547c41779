//! Inspecting a network: the features of a picture, and what a neuron responds to.

pub(crate) mod features;
pub(crate) mod probe;
