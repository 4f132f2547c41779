//! The description of a session: pictures, layers, weights and settings, as given by the caller. Nothing here computes.

pub(crate) mod builder;
pub(crate) mod init;
pub(crate) mod manifest;
pub mod preset;
pub(crate) mod scale;
pub(crate) mod settings;
pub(crate) mod style;
pub(crate) mod targets;
