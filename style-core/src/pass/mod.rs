//! Forward and backward passes of a picture through the network, whole or tile by tile.

pub(crate) mod cancel;
pub(crate) mod chain;
pub(crate) mod plan;
pub(crate) mod tiled;
pub(crate) mod tiles;
