//! From a description to what iterations need: checked, cut into tiles, with targets, in memory.

pub(crate) mod budget;
pub(crate) mod check;
pub(crate) mod layout;
pub(crate) mod plan;
pub(crate) mod scales;
pub(crate) mod stage;
pub(crate) mod targets;
