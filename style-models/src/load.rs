//! From a weight file to a [`Model`].

use std::collections::BTreeMap;
use std::path::Path;

use style_core::{ConvLayer, Error, InputSpace, Layer, Model, Result};

use crate::formats;
use crate::formats::format::Format;
use crate::naming::{Key, Layout, Naming};
use crate::recognise::recognise;
use crate::source::Source;
use crate::space::{self, InputSpaceSource};
use crate::tensors::{Tensors, show, zeros};
use crate::vgg::{Spec, Vgg, pool_name};

/// Options for [`load`]: the expected network and the input space. The default accepts any.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LoadOptions {
    vgg: Option<Vgg>,
    input: Option<InputSpace>,
}

impl LoadOptions {
    /// The network that the file must hold. By default either is accepted; a file that ends before `conv3_4`, where the
    /// two are identical, counts as VGG-16.
    #[must_use]
    pub fn network(mut self, vgg: Vgg) -> Self {
        self.vgg = Some(vgg);
        self
    }

    /// The input space of the weights, for files whose family does not determine it.
    #[must_use]
    pub fn input_space(mut self, input: InputSpace) -> Self {
        self.input = Some(input);
        self
    }
}

/// A loaded weight file.
#[derive(Clone, Debug)]
pub struct Loaded {
    model: Model,
    vgg: Vgg,
    format: Format,
    sha256: String,
    input_source: InputSpaceSource,
}

impl Loaded {
    /// The network with its weights: the chain up to the last convolution in the file.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The model alone, by value.
    #[must_use]
    pub fn into_model(self) -> Model {
        self.model
    }

    /// The network that the file holds.
    #[must_use]
    pub fn vgg(&self) -> Vgg {
        self.vgg
    }

    /// The file's format.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The source of the model's input space. If it is [`InputSpaceSource::Assumed`], find it out and set it with
    /// [`LoadOptions::input_space`]: weights in the wrong space load and paint, but give poor results.
    #[must_use]
    pub fn input_space_source(&self) -> InputSpaceSource {
        self.input_source
    }

    /// The model's input space in a word or two, for example `caffe` or `torchvision`.
    #[must_use]
    pub fn input_space_name(&self) -> String {
        space::describe(self.model.input())
    }

    /// SHA-256 of the whole file, 64 lower-case hexadecimal digits; for a folder, of its `.npy` files concatenated in
    /// the order of their names.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

/// Reads a weight file, or a folder of NumPy arrays. The format is recognised by content, not by name: safetensors,
/// PyTorch's `.pth`, Keras' `.h5`, ONNX's `.onnx`, MatConvNet's `.mat`, Caffe's `.caffemodel` and NumPy's `.npz`.
///
/// Filters become `[O, I, 3, 3]` f32 in every case. Filters of this shape in Keras files are Theano's, which applies
/// them as a convolution; they are rotated by 180 degrees. The chain ends with the last convolution present and must
/// have no gap before it. Other tensors, such as the classifier's, are neither read nor needed.
///
/// Layers are identified by name, except in an ONNX model, where the graph identifies them: they are the consecutive
/// convolutions from the graph's input to the fifth pool or the first node that VGG's chain does not have. A
/// convolution of another kind on the way is an error. Values that an ONNX model keeps in other files (external data)
/// are not read.
///
/// The input space is the first of these that applies; [`Loaded::input_space_source`] reports which:
///
/// 1. the one in `options`;
/// 2. the statement in a safetensors file written by [`crate::save`], or the average image of a MatConvNet file, which
///    is RGB, 0..=255;
/// 3. [`InputSpace::CAFFE`] for two known PyTorch files that hold Caffe's weights (`vgg16-00b39a1b.pth` and
///    `vgg19-d01eb7cb.pth`, identified by their checksums);
/// 4. [`InputSpace::CAFFE`], with channels in the order BGR or RGB, if the filters of `conv1_1` are those of VGG-16 as
///    its authors published it, or were fine-tuned from them, whatever the names are. The values of other published sets
///    (torchvision's, Caffe's VGG-19) are not known here;
/// 5. the names: [`InputSpace::TORCHVISION`] for layers named `features.0`; `CAFFE` for Keras' names and in Caffe's
///    files; `CAFFE` with channels in RGB order for arrays named `conv1_1_W` with filters `[3, 3, I, O]`, as in
///    Frossard's `vgg16_weights.npz`;
/// 6. otherwise an assumption: `TORCHVISION` in an ONNX model written by PyTorch, `CAFFE` in all others.
///
/// ```no_run
/// use style_models::{LoadOptions, Vgg, load};
///
/// let vgg19 = load("vgg19-dcbb9e9d.pth", &LoadOptions::default().network(Vgg::Vgg19))?;
/// assert_eq!(*vgg19.model().input(), style_core::InputSpace::TORCHVISION);
/// # Ok::<(), style_core::Error>(())
/// ```
///
/// # Errors
/// `Io` if the file cannot be read, `Unsupported` if this build lacks its format or it is an `.npy` of Python objects,
/// and `Weights` if it is damaged, has an unknown format, or does not hold the convolutions of VGG-16 or VGG-19: the
/// message names the file and the tensor, the expected and the found value, and what to do.
pub fn load(path: impl AsRef<Path>, options: &LoadOptions) -> Result<Loaded> {
    from_source(&source(path.as_ref())?, options, 1)
}

/// The file or folder at `path`.
pub(crate) fn source(path: &Path) -> Result<Source> {
    if path.is_dir() { Source::folder(path, "npy") } else { Source::open(path) }
}

/// Reads a weight file from memory; messages call it `name`. Otherwise like [`load`].
///
/// # Errors
/// As for [`load`].
pub fn from_bytes(name: &str, bytes: Vec<u8>, options: &LoadOptions) -> Result<Loaded> {
    from_source(&Source::memory(name, bytes), options, 1)
}

/// Implements [`load`], with widths divided by `divisor`.
pub(crate) fn from_source(source: &Source, options: &LoadOptions, divisor: usize) -> Result<Loaded> {
    let (format, mut tensors) = formats::open(source)?;
    let naming = recognise(&*tensors, source)?;
    let (vgg, plan) = plan(&*tensors, &naming, options.vgg, divisor, source)?;
    let sha256 = source.sha256()?;
    let flips = tensors.flips(naming.layout);
    let mut layers = Vec::new();
    for conv in plan {
        if conv.index == 1 && conv.block > 1 {
            layers.push(Layer::Pool { name: pool_name(conv.block) });
        }
        let mut weight = tensors.read(&conv.weight)?;
        if naming.layout == Layout::Hwio {
            weight = hwio_to_oihw(&weight, conv.in_channels, conv.out_channels)?;
        }
        if flips {
            weight.chunks_exact_mut(9).for_each(<[f32]>::reverse);
        }
        let bias = tensors.read(&conv.bias)?;
        layers.push(Layer::Conv(ConvLayer {
            name: conv.name,
            in_channels: conv.in_channels,
            out_channels: conv.out_channels,
            weight,
            bias,
        }));
    }
    let (input, input_source) = match (options.input, tensors.input_space(), layers.first()) {
        (Some(input), ..) => (input, InputSpaceSource::Given),
        (None, Some(input), _) => (input?, InputSpaceSource::File),
        (None, None, Some(Layer::Conv(first))) => space::find(&naming, format, &sha256, &first.weight),
        _ => (InputSpace::CAFFE, InputSpaceSource::Assumed),
    };
    let file = Path::new(source.name()).file_name().map_or(source.name().into(), |n| n.to_string_lossy());
    let model = Model::new(format!("{vgg} ({file})"), input, layers).map_err(|e| e.context(source.name()))?;
    Ok(Loaded { model, vgg, format, sha256, input_source })
}

/// A convolution, and its tensors in the file.
struct Planned {
    name: String,
    block: usize,
    index: usize,
    in_channels: usize,
    out_channels: usize,
    weight: String,
    bias: String,
}

/// Identifies the network and the tensors of its convolutions; checks every shape.
fn plan(
    tensors: &dyn Tensors,
    naming: &Naming,
    asked: Option<Vgg>,
    divisor: usize,
    source: &Source,
) -> Result<(Vgg, Vec<Planned>)> {
    let attempt = |vgg| plan_as(tensors, naming, Spec { vgg, divisor }, source);
    let [as16, as19] = Vgg::ALL.map(attempt);
    match (asked, as16, as19) {
        (None | Some(Vgg::Vgg16), Ok(plan), _) => Ok((Vgg::Vgg16, plan)),
        (None | Some(Vgg::Vgg19), _, Ok(plan)) => Ok((Vgg::Vgg19, plan)),
        (Some(Vgg::Vgg16), Err(_), Ok(_)) => Err(other_network(source, Vgg::Vgg16, Vgg::Vgg19)),
        (Some(Vgg::Vgg19), Ok(_), Err(_)) => Err(other_network(source, Vgg::Vgg19, Vgg::Vgg16)),
        (Some(Vgg::Vgg16), Err(e), _) | (Some(Vgg::Vgg19), _, Err(e)) => Err(e.error),
        (None, Err(a), Err(b)) => Err(if a.matched > b.matched { a.error } else { b.error }),
    }
}

fn other_network(source: &Source, asked: Vgg, found: Vgg) -> Error {
    source.bad(format!("expected {asked}, found {found}; request {found}, or use a {asked} file"))
}

struct Misfit {
    matched: usize,
    error: Error,
}

fn plan_as(
    tensors: &dyn Tensors,
    naming: &Naming,
    spec: Spec,
    source: &Source,
) -> std::result::Result<Vec<Planned>, Misfit> {
    let vgg = spec.vgg;
    let convs = spec.convolutions();
    let keys = naming.keys(vgg, &convs);
    let mut left: Vec<(Key, &str)> =
        naming.convs.iter().filter_map(|(&key, names)| Some((key, names.weight.as_deref()?))).collect();
    let shapes: BTreeMap<&str, &[usize]> = tensors.list().into_iter().collect();
    let mut plan = Vec::new();
    for (conv, key) in convs.into_iter().zip(keys) {
        let misfit = |message: String| Misfit { matched: plan.len(), error: source.bad(message) };
        let names = naming.convs.get(&key);
        let Some(weight) = names.and_then(|n| n.weight.as_deref()) else {
            let Some((_, beyond)) = left.first() else { break };
            return Err(misfit(format!(
                "{} of {vgg} is missing, but {beyond} is present; the file is incomplete or another network (such as a \
                 variant with batch normalisation), use a complete VGG-16 or VGG-19 file",
                conv.name
            )));
        };
        let Some(bias) = names.and_then(|n| n.bias.as_deref()) else {
            return Err(misfit(format!(
                "the bias for {weight} ({} of {vgg}) is missing; the file is incomplete or another network, use a VGG-16 or \
                 VGG-19 file as published",
                conv.name
            )));
        };
        let (i, o) = (conv.in_channels, conv.out_channels);
        let filters = match naming.layout {
            Layout::Hwio => [3, 3, i, o],
            Layout::Oihw => [o, i, 3, 3],
        };
        for (tensor, expected) in [(weight, &filters[..]), (bias, &[o][..])] {
            let found = shapes.get(tensor).copied().unwrap_or_default();
            if found != expected {
                return Err(misfit(format!(
                    "expected {} for {} of {vgg}, found {} in {tensor}; use a VGG-16 or VGG-19 file as published",
                    show(expected),
                    conv.name,
                    show(found)
                )));
            }
        }
        left.retain(|(k, _)| *k != key);
        plan.push(Planned {
            name: conv.name,
            block: conv.block,
            index: conv.index,
            in_channels: i,
            out_channels: o,
            weight: weight.into(),
            bias: bias.into(),
        });
    }
    match left.first() {
        None => Ok(plan),
        Some((_, name)) => Err(Misfit {
            matched: plan.len(),
            error: source
                .bad(format!("{name} is not a convolution of {vgg}; use a VGG-16 or VGG-19 file as published")),
        }),
    }
}

/// `[3, 3, I, O]` as `[O, I, 3, 3]`.
fn hwio_to_oihw(hwio: &[f32], i: usize, o: usize) -> Result<Vec<f32>> {
    let mut oihw = zeros(hwio.len())?;
    for (tap, filters) in hwio.chunks_exact(i * o).enumerate() {
        for (input, row) in filters.chunks_exact(o).enumerate() {
            for (output, value) in row.iter().enumerate() {
                oihw[(output * i + input) * 9 + tap] = *value;
            }
        }
    }
    Ok(oihw)
}
