//! The list of adapters: GPUs and software drivers.

use std::fmt;

use style_core::{Error, ErrorKind, Result};

use crate::wait;

/// What an adapter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AdapterKind {
    /// A GPU with memory of its own.
    Discrete,
    /// A GPU that shares the CPU's memory.
    Integrated,
    /// A GPU of a virtual machine.
    Virtual,
    /// A driver that computes on the CPU, such as lavapipe or SwiftShader.
    Software,
    /// The driver does not say.
    Other,
}

impl AdapterKind {
    /// The order of preference: adapters of a lower rank are preferred.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Discrete => 0,
            Self::Integrated => 1,
            Self::Virtual => 2,
            Self::Other => 3,
            Self::Software => 4,
        }
    }

    const fn of(kind: wgpu::DeviceType) -> Self {
        match kind {
            wgpu::DeviceType::DiscreteGpu => Self::Discrete,
            wgpu::DeviceType::IntegratedGpu => Self::Integrated,
            wgpu::DeviceType::VirtualGpu => Self::Virtual,
            wgpu::DeviceType::Cpu => Self::Software,
            wgpu::DeviceType::Other => Self::Other,
        }
    }
}

impl fmt::Display for AdapterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Software => "software",
            Self::Other => "unknown kind",
        })
    }
}

/// An adapter, as its driver describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Adapter {
    /// The index in the list of [`adapters`], from 0.
    pub index: usize,
    /// The name.
    pub name: String,
    /// The interface: `vulkan`, `metal`, `dx12` or `webgpu`.
    pub interface: &'static str,
    /// What it is.
    pub kind: AdapterKind,
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({}, {})", self.index, self.name, self.interface, self.kind)
    }
}

impl Adapter {
    pub(crate) fn of(index: usize, adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        // Most browsers do not tell the name.
        let name = if info.name.is_empty() { "unnamed".into() } else { info.name };
        Self { index, name, interface: info.backend.to_str(), kind: AdapterKind::of(info.device_type) }
    }
}

/// Lists the adapters of all drivers; the list is never empty. It is in the drivers' order, with software drivers.
///
/// # Errors
/// `Unavailable` if there is none.
pub fn adapters() -> Result<Vec<Adapter>> {
    Ok(opened()?.into_iter().map(|(adapter, _)| adapter).collect())
}

/// The adapters with their handles.
pub(crate) fn opened() -> Result<Vec<(Adapter, wgpu::Adapter)>> {
    // Creating an instance without any interface would panic.
    if wgpu::Instance::enabled_backend_features().is_empty() {
        let message = "wgpu has no interface to GPUs on this operating system; use the CPU backend";
        return Err(Error::new(ErrorKind::Unavailable, message));
    }
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let found = wait::adapters(&instance);
    if found.is_empty() {
        return Err(Error::new(ErrorKind::Unavailable, wait::NO_ADAPTER));
    }
    Ok(found.into_iter().enumerate().map(|(i, handle)| (Adapter::of(i, &handle), handle)).collect())
}
