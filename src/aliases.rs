//! The generic types of `style_core`, on a [`Device`] unless another backend is named.

use crate::device::Device;

/// [`style_core::Network`], on a [`Device`] unless another backend is named.
pub type Network<B = Device> = style_core::Network<B>;
/// [`style_core::inspect::Probe`], on a [`Device`] unless another backend is named.
pub type Probe<B = Device> = style_core::inspect::Probe<B>;
/// [`style_core::Session`], on a [`Device`] unless another backend is named.
pub type Session<B = Device> = style_core::Session<B>;
/// [`style_core::SessionBuilder`], on a [`Device`] unless another backend is named.
pub type SessionBuilder<B = Device> = style_core::SessionBuilder<B>;
/// [`style_core::Targets`], on a [`Device`] unless another backend is named.
pub type Targets<B = Device> = style_core::Targets<B>;
