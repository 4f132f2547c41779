//! From a description to everything the iterations need: checks, tiling, targets and memory.

pub(crate) mod budget;
pub(crate) mod check;
pub(crate) mod layout;
pub(crate) mod plan;
pub(crate) mod scales;
pub(crate) mod stage;
pub(crate) mod targets;
