//! The device of this build.

use style_transfer::Result;

#[cfg(not(feature = "gpu"))]
pub(crate) type Backend = style_transfer::cpu::Cpu;
#[cfg(feature = "gpu")]
pub(crate) type Backend = style_transfer::wgpu::Wgpu;

/// The one processor that a worker has.
#[cfg(not(feature = "gpu"))]
pub(crate) fn opened(_software: bool) -> Result<Backend> {
    Backend::builder().threads(1).build()
}

/// The GPU that the browser offers.
#[cfg(feature = "gpu")]
pub(crate) fn opened(software: bool) -> Result<Backend> {
    Backend::builder().software(software).build()
}
