//! What computes: the network with its weights, and the device.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::ValueEnum;
use style_transfer::backend::Storage;
use style_transfer::cpu::{Convolution, Cpu};
#[cfg(feature = "cuda")]
use style_transfer::cuda::{
    Convolution::{Direct, Planned},
    Cuda, Precision,
};
use style_transfer::models::{self, InputSpaceSource, LoadOptions, Loaded, Vgg};
#[cfg(feature = "wgpu")]
use style_transfer::wgpu::Wgpu;
use style_transfer::{Device, InputSpace, Network, Result};

use crate::report::Report;
use crate::styles::argument;

/// The options of the network and the device.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Compute {
    /// vgg16 or vgg19; vgg19, the paper's, needs --weights [default: the network in the weight file, or vgg16 without one]
    #[arg(long, value_name = "NAME", value_parser = vgg, help_heading = "Network")]
    pub(crate) network: Option<Vgg>,

    /// Weights from PyTorch (.pth), Keras (.h5), ONNX (.onnx), Caffe (.caffemodel), MatConvNet (.mat), NumPy (.npz or a
    /// folder of .npy) or safetensors [default: the embedded original VGG-16]
    #[arg(long, value_name = "FILE", help_heading = "Network")]
    pub(crate) weights: Option<PathBuf>,

    /// Input space of --weights: BGR, 0 to 255, minus the mean (caffe), or RGB, 0 to 1, normalised (torchvision)
    /// [default: recognised from the file, its values or its names]
    #[arg(long, value_enum, value_name = "NAME", requires = "weights", help_heading = "Network")]
    pub(crate) input_space: Option<InputSpaceName>,

    /// Compute backend
    #[arg(long, value_enum, value_name = "NAME", default_value = "cpu", help_heading = "Network")]
    pub(crate) backend: BackendName,

    /// Threads of the CPU backend; their number does not affect the result [default: one per core]
    #[arg(long, value_name = "N", help_heading = "Network")]
    pub(crate) threads: Option<NonZeroUsize>,

    /// Device for --backend cuda or wgpu: its index, or part of its name; a software driver of wgpu is used only if named here
    /// [default: 0 with cuda, the best GPU with wgpu]
    #[arg(long, value_name = "DEVICE", help_heading = "Network")]
    pub(crate) device: Option<String>,

    /// Number format of features with --backend cuda
    #[arg(long, value_enum, value_name = "TYPE", default_value = "f32", help_heading = "Network")]
    pub(crate) precision: PrecisionName,

    /// Avoid the Winograd algorithm: slightly more exact, about three times slower
    #[arg(long, help_heading = "Network")]
    pub(crate) direct: bool,
}

fn vgg(s: &str) -> Result<Vgg, style_transfer::Error> {
    s.parse()
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum InputSpaceName {
    Caffe,
    Torchvision,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum BackendName {
    Cpu,
    /// An NVIDIA device, in a build with `--features cuda`
    Cuda,
    /// Any GPU, by Vulkan, Metal or DirectX 12, in a build with `--features wgpu`
    Wgpu,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PrecisionName {
    F32,
    /// Half precision on tensor cores; features beyond 65504 are clamped
    F16,
    /// Half precision with the range of f32
    Bf16,
}

impl Compute {
    /// The network on its device, both of which are reported.
    pub(crate) fn network(&self, report: &Report) -> Result<Network> {
        let weights = self.weights()?;
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
                let mut backend = Cpu::builder();
                if let Some(n) = self.threads {
                    backend = backend.threads(n.get());
                }
                if self.direct {
                    backend = backend.convolution(Convolution::Direct);
                }
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
                let backend = Wgpu::builder();
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

    fn weights(&self) -> Result<Loaded> {
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
