//! The options of what computes.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::ValueEnum;
use style_transfer::Error;
use style_transfer::models::Vgg;

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

    /// Number format: of features with --backend cuda, of the products of convolutions with --backend cpu
    #[arg(long, value_enum, value_name = "TYPE", default_value = "f32", help_heading = "Network")]
    pub(crate) precision: PrecisionName,

    /// Avoid the Winograd algorithm: slightly more exact, about three times slower
    #[arg(long, help_heading = "Network")]
    pub(crate) direct: bool,
}

fn vgg(s: &str) -> Result<Vgg, Error> {
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
    /// Half precision on tensor cores, with --backend cuda; features beyond 65504 are clamped
    F16,
    /// Half precision with the range of f32; --backend cpu requires AVX-512 BF16, and is faster on AMD since Zen 4
    Bf16,
}
