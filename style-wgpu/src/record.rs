//! What is dispatched, for those who count it (feature `record`): a device that computes nothing, and its list of dispatches.

use style_core::{Error, ErrorKind, Result};

use crate::adapter::Adapter;
use crate::backend::{Convolution, Wgpu};
use crate::kernels::Kernel;

/// One dispatch.
#[derive(Clone, Debug)]
pub struct Launch {
    kernel: &'static Kernel,
    groups: [u32; 2],
    parameters: Vec<u32>,
}

impl Launch {
    pub(crate) fn new(kernel: &'static Kernel, groups: [u32; 2], parameters: &[u32]) -> Self {
        Self { kernel, groups, parameters: parameters.to_vec() }
    }

    /// The name of the kernel.
    #[must_use]
    pub fn kernel(&self) -> &'static str {
        self.kernel.name
    }

    /// The kernel's WGSL, whose uniform says what the parameters are.
    #[must_use]
    pub fn source(&self) -> String {
        self.kernel.source()
    }

    /// Workgroups in both dimensions.
    #[must_use]
    pub fn groups(&self) -> [u32; 2] {
        self.groups
    }

    /// The words of the uniform.
    #[must_use]
    pub fn parameters(&self) -> &[u32] {
        &self.parameters
    }
}

impl Wgpu {
    /// A device that checks all calls, compiles nothing and computes nothing; every sum is 0. It needs no driver.
    ///
    /// # Errors
    /// `OutOfMemory`; `Unavailable` if wgpu lacks that device.
    pub fn on_paper(convolution: Convolution) -> Result<Self> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = wgpu::Backends::NOOP;
        descriptor.backend_options.noop = wgpu::NoopBackendOptions::enabled();
        let instance = wgpu::Instance::new(descriptor);
        let found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::NOOP));
        let handle = found.first().ok_or_else(|| {
            Error::new(ErrorKind::Unavailable, "wgpu has no device without a driver; build with the feature record")
        })?;
        Self::on(Adapter::of(0, handle), handle, None, convolution)
    }

    /// Takes the list of all dispatches since the last call.
    ///
    /// # Errors
    /// The error that the device has reported.
    pub fn take_launches(&self) -> Result<Vec<Launch>> {
        Ok(self.context.enter()?.take_recorded())
    }
}

#[cfg(test)]
mod tests {
    use style_core::backend::ops::{Conv2d, Conv2dOps, Epilogue};
    use style_core::backend::{Shape, Storage};

    use super::*;

    #[test]
    fn a_device_on_paper_lists_dispatches() {
        let wgpu = Wgpu::on_paper(Convolution::Planned).unwrap();
        let op = Conv2d::new(8, 64, 20, 33);
        let filter = wgpu.pack(8, 64, &[0.5; 8 * 64 * 9], &[0.0; 64]).unwrap();
        let (x, mut y) = (wgpu.tensor(op.input()).unwrap(), wgpu.tensor(op.output()).unwrap());
        wgpu.conv2d_fwd(&op, &x, &filter, Epilogue::Relu, &mut y, &mut wgpu.workspace(0).unwrap()).unwrap();
        let launches = wgpu.take_launches().unwrap();
        assert_eq!(launches.len(), 1);
        // Tiles of 8 rows by 16 columns, all 64 channels.
        assert_eq!((launches[0].kernel(), launches[0].groups()), ("conv2d", [9, 1]));
        assert!(wgpu.take_launches().unwrap().is_empty());
        wgpu.download(&y, &mut vec![1.0; Shape::new(64, 20, 33).len()]).unwrap();
    }

    #[test]
    fn winograd_is_three_kernels() {
        let wgpu = Wgpu::on_paper(Convolution::Planned).unwrap();
        let op = Conv2d::new(128, 256, 20, 33);
        let filter = wgpu.pack(128, 256, &[0.5; 128 * 256 * 9], &[0.0; 256]).unwrap();
        let (x, mut y) = (wgpu.tensor(op.input()).unwrap(), wgpu.tensor(op.output()).unwrap());
        let mut workspace = wgpu.workspace(wgpu.conv2d_workspace(&op)).unwrap();
        wgpu.conv2d_fwd(&op, &x, &filter, Epilogue::Relu, &mut y, &mut workspace).unwrap();
        // 10 x 18 tiles are two strips of 128.
        let launches = wgpu.take_launches().unwrap();
        let found: Vec<_> = launches.iter().map(|launch| (launch.kernel(), launch.groups()[0])).collect();
        let kernels = ["conv2d_winograd_input", "conv2d_winograd_product", "conv2d_winograd_output"];
        assert_eq!(found, kernels.into_iter().zip([4 * 8, 16 * 2 * 4, 8 * 4]).collect::<Vec<_>>());
    }
}
