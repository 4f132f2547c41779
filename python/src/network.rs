//! A network on a device.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use style_transfer::backend::Storage;
use style_transfer::cpu::{Cpu, Precision};
use style_transfer::models::{self, LoadOptions};
use style_transfer::{Device, InputSpace, Result};

use crate::errors::{argument, raised};

/// A network on a device, for any number of sessions.
///
/// `weights` is a file of VGG-16 or VGG-19 weights: PyTorch's .pth, Keras' .h5, .onnx, .caffemodel, MatConvNet's .mat, .npz
/// or safetensors; None is the VGG-16 inside the package. `input_space` is that of the weights, "caffe" or "torchvision";
/// None finds it out. `device` is one of `devices()`, or "best"; `threads` are those of the CPU, by default
/// all, and `precision` is that of its products: "f32" or, on a processor with AVX-512 BF16, "bf16", which is faster on AMD since Zen 4.
#[pyclass(frozen, module = "style_transfer")]
pub(crate) struct Network {
    pub(crate) network: Arc<style_transfer::Network>,
    weights: String,
}

#[pymethods]
impl Network {
    #[new]
    #[pyo3(signature = (weights=None, *, input_space=None, device="best", threads=None, precision=None))]
    fn new(
        py: Python<'_>,
        weights: Option<PathBuf>,
        input_space: Option<&str>,
        device: &str,
        threads: Option<usize>,
        precision: Option<&str>,
    ) -> PyResult<Self> {
        py.detach(|| open(weights, input_space, opened(device, threads, precision)?)).map_err(raised)
    }

    /// The network, such as `VGG-16`.
    #[getter]
    fn name(&self) -> &str {
        self.network.name()
    }

    /// The device, such as `cpu (avx2, 8 threads)`.
    #[getter]
    fn device(&self) -> String {
        self.network.backend().description()
    }

    /// The format of the weights.
    #[getter]
    fn weights(&self) -> &str {
        &self.weights
    }
}

fn open(weights: Option<PathBuf>, input_space: Option<&str>, device: Device) -> Result<Network> {
    let mut options = LoadOptions::default();
    match input_space {
        None => {}
        Some("caffe") => options = options.input_space(InputSpace::CAFFE),
        Some("torchvision") => options = options.input_space(InputSpace::TORCHVISION),
        Some(other) => {
            return Err(argument(format!("there is no input space \"{other}\"; name it caffe or torchvision")));
        }
    }
    let loaded = match weights {
        Some(path) => models::load(path, &options)?,
        None => models::embedded()?,
    };
    let network = style_transfer::Network::new(device, loaded.model())?;
    Ok(Network { network: Arc::new(network), weights: loaded.format().to_string() })
}

fn opened(device: &str, threads: Option<usize>, precision: Option<&str>) -> Result<Device> {
    if threads.is_none() && precision.is_none() {
        return Device::by_name(device);
    }
    if !matches!(device, "best" | "cpu") {
        let message =
            format!("threads and precision are those of the CPU, but the device is \"{device}\"; name it cpu");
        return Err(argument(message));
    }
    let precision = match precision {
        None | Some("f32") => Precision::F32,
        Some("bf16") => Precision::Bf16,
        Some(other) => return Err(argument(format!("there is no precision \"{other}\"; name it f32 or bf16"))),
    };
    let cpu = Cpu::builder().precision(precision);
    Ok(threads.map_or(cpu, |count| cpu.threads(count)).build()?.into())
}

/// The devices that this build can paint on, fastest first: their names and descriptions.
#[pyfunction]
pub(crate) fn devices() -> Vec<(String, String)> {
    Device::available().into_iter().map(|device| (device.name, device.description)).collect()
}
