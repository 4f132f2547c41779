//! From the tensors of a file to a [`Model`]: identifies the network, checks completeness.

use std::collections::BTreeMap;
use std::path::Path;

use style_core::{ConvLayer, Error, InputSpace, Layer, Model, Result};

use crate::format::Format;
#[cfg(feature = "weight-files")]
use crate::formats;
use crate::loaded::{LoadOptions, Loaded};
use crate::naming::{Key, Layout, Naming};
use crate::recognise::recognise;
use crate::source::Source;
use crate::space::{self, InputSpaceSource};
use crate::tensors::{Tensors, show, zeros};
use crate::vgg::{Spec, Vgg, pool_name};

/// The file or folder at `path`.
#[cfg(feature = "weight-files")]
pub(crate) fn source(path: &Path) -> Result<Source> {
    if path.is_dir() { Source::folder(path, "npy") } else { Source::open(path) }
}

/// The weights of a file of any format, with widths divided by `divisor`.
#[cfg(feature = "weight-files")]
pub(crate) fn from_source(source: &Source, options: &LoadOptions, divisor: usize) -> Result<Loaded> {
    let (format, tensors) = formats::open(source)?;
    from_tensors(source, format, tensors, || source.sha256(), options, divisor)
}

/// The weights among the tensors of a file; its checksum is asked for only if they are complete.
pub(crate) fn from_tensors(
    source: &Source,
    format: Format,
    mut tensors: Box<dyn Tensors>,
    sha256: impl FnOnce() -> Result<String>,
    options: &LoadOptions,
    divisor: usize,
) -> Result<Loaded> {
    let naming = recognise(&*tensors, source)?;
    let (vgg, plan) = plan(&*tensors, &naming, options.vgg, divisor, source)?;
    let sha256 = sha256()?;
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
