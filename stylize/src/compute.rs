//! What computes: the network with its weights, and the device.

use std::path::PathBuf;

use style_transfer::backend::Storage;
use style_transfer::cpu::{self, Convolution, Cpu};
#[cfg(feature = "cuda")]
use style_transfer::cuda::{
    Convolution::{Direct, Planned},
    Cuda, Precision,
};
use style_transfer::models::{self, InputSpaceSource, LoadOptions, Loaded, Vgg};
#[cfg(feature = "wgpu")]
use style_transfer::wgpu::Wgpu;
use style_transfer::{Device, InputSpace, Network, Result};

use crate::args::compute::{BackendName, Compute, InputSpaceName, PrecisionName};
use crate::report::Report;
use crate::styles::argument;

impl Compute {
    /// The network on its device, both of which are reported.
    pub(crate) fn network(&self, report: &Report) -> Result<Network> {
        self.network_of(self.weights()?, report)
    }

    /// The same of weights that are loaded.
    pub(crate) fn network_of(&self, weights: Loaded, report: &Report) -> Result<Network> {
        let network = Network::new(self.device()?, weights.model())?;
        let sha256 = weights.sha256().get(..16).unwrap_or_default();
        report.say(format!("network  {}, {}, sha256 {sha256}...", network.name(), weights.format()));
        if self.weights.is_some() {
            let known = weights.input_space_source();
            let hint = if known == InputSpaceSource::Assumed { "; --input-space sets another" } else { "" };
            report.say(format!("input    {} ({known}{hint})", weights.input_space_name()));
        }
        report.say(format!("backend  {}", network.backend().description()));
        Ok(network)
    }

    fn device(&self) -> Result<Device> {
        match self.backend {
            BackendName::Cpu => {
                if self.direct && matches!(self.precision, PrecisionName::Bf16) {
                    return Err(argument("--direct and --precision bf16 exclude each other"));
                }
                let mut backend = Cpu::builder();
                if let Some(n) = self.threads {
                    backend = backend.threads(n.get());
                }
                if self.direct {
                    backend = backend.convolution(Convolution::Direct);
                }
                backend = backend.precision(match self.precision {
                    PrecisionName::F32 => cpu::Precision::F32,
                    PrecisionName::Bf16 => cpu::Precision::Bf16,
                    PrecisionName::F16 => {
                        return Err(argument("--precision f16 needs --backend cuda; the CPU has f32 and bf16"));
                    }
                });
                Ok(backend.build()?.into())
            }
            #[cfg(feature = "cuda")]
            BackendName::Cuda => {
                let backend = Cuda::builder().precision(match self.precision {
                    PrecisionName::F32 => Precision::F32,
                    PrecisionName::F16 => Precision::F16,
                    PrecisionName::Bf16 => Precision::Bf16,
                });
                let backend = backend.convolution(if self.direct { Direct } else { Planned });
                let backend = match self.device.as_deref().map(|name| (name, name.parse())) {
                    Some((_, Ok(index))) => backend.device(index),
                    Some((name, Err(_))) => backend.named(name),
                    None => backend,
                };
                Ok(backend.build()?.into())
            }
            #[cfg(not(feature = "cuda"))]
            BackendName::Cuda => {
                let message = "this build has no CUDA backend; build it with --features cuda, or use --backend cpu";
                Err(style_transfer::Error::new(style_transfer::ErrorKind::Unavailable, message))
            }
            #[cfg(feature = "wgpu")]
            BackendName::Wgpu => {
                if !matches!(self.precision, PrecisionName::F32) {
                    return Err(argument("--precision f16 and bf16 need --backend cuda or cpu; wgpu has f32"));
                }
                let backend = Wgpu::builder().convolution(if self.direct {
                    style_transfer::wgpu::Convolution::Direct
                } else {
                    style_transfer::wgpu::Convolution::Planned
                });
                let backend = match self.device.as_deref().map(|name| (name, name.parse())) {
                    Some((_, Ok(index))) => backend.adapter(index),
                    Some((name, Err(_))) => backend.named(name),
                    None => backend,
                };
                Ok(backend.build()?.into())
            }
            #[cfg(not(feature = "wgpu"))]
            BackendName::Wgpu => {
                let message = "this build has no wgpu backend; build it with --features wgpu, or use --backend cpu";
                Err(style_transfer::Error::new(style_transfer::ErrorKind::Unavailable, message))
            }
        }
    }

    pub(crate) fn weights(&self) -> Result<Loaded> {
        let mut options = LoadOptions::default();
        if let Some(vgg) = self.network {
            options = options.network(vgg);
        }
        match self.input_space {
            Some(InputSpaceName::Caffe) => options = options.input_space(InputSpace::CAFFE),
            Some(InputSpaceName::Torchvision) => options = options.input_space(InputSpace::TORCHVISION),
            None => {}
        }
        match (&self.weights, self.network) {
            (Some(path), _) => models::load(path, &options),
            (None, None | Some(Vgg::Vgg16)) => models::embedded(),
            (None, Some(Vgg::Vgg19)) => Err(argument(no_vgg19(&models::cached(Vgg::Vgg19)))),
        }
    }
}

/// Advice on missing VGG-19 weights, some of which may be in the usual caches.
fn no_vgg19(cached: &[PathBuf]) -> String {
    let Some(first) = cached.first() else {
        return "VGG-19 is not inside this program: get torchvision's vgg19-dcbb9e9d.pth or Keras' \
                vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5, and give it with --weights FILE"
            .into();
    };
    let others: Vec<_> = cached[1..].iter().map(|path| path.display().to_string()).collect();
    let others = if others.is_empty() { String::new() } else { format!(" (also there: {})", others.join(", ")) };
    format!("VGG-19 is not inside this program, but on this machine: give --weights {}{others}", first.display())
}
