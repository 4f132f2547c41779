//! A network on a device.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use style_transfer::backend::Storage;
use style_transfer::cpu::Cpu;
use style_transfer::models::{self, LoadOptions};
use style_transfer::{Device, InputSpace, Result};

use crate::errors::{argument, raised};

/// A network on a device, for any number of sessions.
///
/// `weights` is a file of VGG-16 or VGG-19 weights: PyTorch's .pth, Keras' .h5, .onnx, .caffemodel, MatConvNet's .mat, .npz
/// or safetensors; None is the VGG-16 inside the package. `input_space` is that of the weights, "caffe" or "torchvision";
/// None finds it out. `device` is one of `devices()`, or "best"; `threads` are those of the CPU, by default all.
#[pyclass(frozen, module = "style_transfer")]
pub(crate) struct Network {
    pub(crate) network: Arc<style_transfer::Network>,
    weights: String,
}

#[pymethods]
impl Network {
    #[new]
    #[pyo3(signature = (weights=None, *, input_space=None, device="best", threads=None))]
    fn new(
        py: Python<'_>,
        weights: Option<PathBuf>,
        input_space: Option<&str>,
        device: &str,
        threads: Option<usize>,
    ) -> PyResult<Self> {
        py.detach(|| open(weights, input_space, device, threads)).map_err(raised)
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

fn open(weights: Option<PathBuf>, input_space: Option<&str>, device: &str, threads: Option<usize>) -> Result<Network> {
    let mut options = LoadOptions::default();
    match input_space {
        None => {}
        Some("caffe") => options = options.input_space(InputSpace::CAFFE),
        Some("torchvision") => options = options.input_space(InputSpace::TORCHVISION),
        Some(other) => {
            return Err(argument(format!("there is no input space \"{other}\"; name it caffe or torchvision")));
        }
    }
    let device = match threads {
        None => Device::by_name(device)?,
        Some(count) if matches!(device, "best" | "cpu") => Cpu::builder().threads(count).build()?.into(),
        Some(_) => {
            return Err(argument(format!("threads are those of the CPU, but the device is \"{device}\"; name it cpu")));
        }
    };
    let loaded = match weights {
        Some(path) => models::load(path, &options)?,
        None => models::embedded()?,
    };
    let network = style_transfer::Network::new(device, loaded.model())?;
    Ok(Network { network: Arc::new(network), weights: loaded.format().to_string() })
}

/// The devices that this build can paint on, fastest first: their names and descriptions.
#[pyfunction]
pub(crate) fn devices() -> Vec<(String, String)> {
    Device::available().into_iter().map(|device| (device.name, device.description)).collect()
}
