//! Inspecting a network: the features of a picture, and what a neuron responds to.

pub(crate) mod features;
pub(crate) mod figures;
pub(crate) mod probe;

pub use features::Features;
pub use figures::{content_of, excite, styles_of};
pub use probe::{Neuron, Probe, Response};

pub use crate::backend::ops::relu::ReluRule;
