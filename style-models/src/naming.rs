//! How the frameworks name VGG's tensors, and which convolution each name means.

use std::collections::BTreeMap;

use style_core::Result;

use crate::source::Source;
use crate::tensors::Tensors;
use crate::vgg::{Convolution, Vgg};

/// Whose names they are. It decides the input space where nothing else says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    /// `conv1_1.weight`, as the paper and Caffe.
    Caffe,
    /// `conv1_1_W`, with one letter for weight or bias.
    Letters,
    /// `features.0.weight`, the position in torchvision's `nn.Sequential`.
    Torchvision,
    /// `block1_conv1/...` or Keras 3's numbered layers.
    Keras,
    /// A graph that PyTorch wrote, whose names tell nothing.
    TorchGraph,
    /// Any other graph.
    Graph,
}

/// The order of a filter's dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `[O, I, 3, 3]`: Caffe and PyTorch.
    Oihw,
    /// `[3, 3, I, O]`: TensorFlow, Keras and MatConvNet.
    Hwio,
}

/// The place of a convolution, as far as its name tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// Block and place in it, both from 1.
    Named(usize, usize),
    /// Position in torchvision's `features`, which counts ReLUs and pools too.
    Position(usize),
    /// How many convolutions come before it.
    Ordinal(usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Weight,
    Bias,
}

/// The two tensors of a convolution.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) weight: Option<String>,
    pub(crate) bias: Option<String>,
}

/// The convolutions that a file's names tell of.
#[derive(Debug)]
pub(crate) struct Naming {
    pub(crate) family: Family,
    pub(crate) layout: Layout,
    first: Key,
    pub(crate) convs: BTreeMap<Key, Names>,
}

impl Naming {
    /// Those that a graph tells; `first` is what it calls the node of its first convolution.
    pub(crate) fn of_graph(convs: BTreeMap<Key, Names>, first: &str, producer: &str) -> Self {
        let key = Key::Named(1, 1);
        let weight = convs.get(&key).and_then(|c| c.weight.as_deref()).unwrap_or_default();
        let either = |part| weight.contains(part) || first.contains(part);
        let torchvision = matches!(parse(weight, 4), Some((Family::Torchvision, _, Key::Position(0), _)));
        let family = if torchvision || first.contains("features.0/") {
            Family::Torchvision
        } else if either("block1_conv1") {
            Family::Keras
        } else if either("conv1_1") {
            Family::Caffe
        } else if producer == "pytorch" {
            Family::TorchGraph
        } else {
            Family::Graph
        };
        Self { family, layout: Layout::Oihw, first: key, convs }
    }

    /// The keys of `convs`, the convolutions of `vgg`, in this naming.
    pub(crate) fn keys(&self, vgg: Vgg, convs: &[Convolution]) -> Vec<Key> {
        let mut position = 0;
        let mut keys = Vec::with_capacity(convs.len());
        for (ordinal, conv) in convs.iter().enumerate() {
            keys.push(match self.first {
                Key::Named(..) => Key::Named(conv.block, conv.index),
                Key::Position(_) => Key::Position(position),
                Key::Ordinal(_) => Key::Ordinal(ordinal),
            });
            // a convolution and its ReLU, and the pool after a block's last
            position += if conv.index == vgg.blocks()[conv.block - 1] { 3 } else { 2 };
        }
        keys
    }
}

/// Finds the convolutions among a file's tensors.
pub(crate) fn recognise(tensors: &dyn Tensors, source: &Source) -> Result<Naming> {
    if let Some(naming) = tensors.naming() {
        return Ok(naming);
    }
    let list = tensors.list();
    let mut groups: BTreeMap<(Family, Key, &str), BTreeMap<Key, Names>> = BTreeMap::new();
    for &(name, shape) in &list {
        let Some((family, prefix, key, role)) = parse(name, shape.len()) else { continue };
        let first = match key {
            Key::Named(..) => Key::Named(1, 1),
            Key::Position(_) => Key::Position(0),
            Key::Ordinal(_) => Key::Ordinal(0),
        };
        let names = groups.entry((family, first, prefix)).or_default().entry(key).or_default();
        let place = if role == Role::Weight { &mut names.weight } else { &mut names.bias };
        if let Some(other) = place {
            return Err(source.bad(format!("{other} and {name} both claim to be one tensor of one layer")));
        }
        *place = Some(name.to_owned());
    }
    groups.retain(|(_, first, _), convs| convs.get(first).is_some_and(|c| c.weight.is_some()));
    let mut groups = groups.into_iter();
    match (groups.next(), groups.next()) {
        (Some(((family, first, _), convs)), None) => {
            let weight = convs.get(&first).and_then(|c| c.weight.as_deref());
            let shape = list.iter().find(|(name, _)| Some(*name) == weight).map(|(_, shape)| *shape);
            let layout = layout(family, shape.unwrap_or_default());
            Ok(Naming { family, layout, first, convs })
        }
        (Some(((.., a), _)), Some(((.., b), _))) => Err(source.bad(format!(
            "several networks are in the file, at {a:?} and at {b:?}; write the one that is wanted to a file of its own"
        ))),
        (None, _) => {
            let some: Vec<&str> = list.iter().take(4).map(|(name, _)| *name).collect();
            let some = if some.is_empty() { "no tensors".into() } else { some.join(", ") };
            Err(source.bad(format!(
                "no first convolution of VGG-16 or VGG-19 was found (conv1_1.weight, conv1_1_W, features.0.weight or \
                 block1_conv1); the file has {} tensors: {some}{}. Give a file of VGG-16 or VGG-19 weights",
                list.len(),
                if list.len() > 4 { ", ..." } else { "" },
            )))
        }
    }
}

/// The layout of a file whose first filters have this shape. Three inputs and 64 outputs tell the two apart; of any
/// other shape, what the family usually has.
fn layout(family: Family, first: &[usize]) -> Layout {
    match (first, family) {
        ([_, 3, 3, 3], _) if first[0] != 3 => Layout::Oihw,
        ([3, 3, 3, _], _) if first[3] != 3 => Layout::Hwio,
        (_, Family::Keras) => Layout::Hwio,
        _ => Layout::Oihw,
    }
}

/// What `name`, of a tensor with `rank` dimensions, means: family, what stands before, place, and role.
fn parse(name: &str, rank: usize) -> Option<(Family, &str, Key, Role)> {
    let role = match rank {
        4 => Role::Weight,
        1 => Role::Bias,
        _ => return None,
    };
    if name.contains('/') { parse_keras(name, role) } else { parse_plain(name, role) }
}

/// A layer, a dot or an underscore, and what the tensor is to it.
fn parse_plain(name: &str, role: Role) -> Option<(Family, &str, Key, Role)> {
    let (path, last) = name.rsplit_once('.').or_else(|| name.rsplit_once('_'))?;
    let meant = match last {
        "weight" | "weights" | "kernel" | "W" | "w" => Role::Weight,
        "bias" | "biases" | "b" => Role::Bias,
        _ => return None,
    };
    if meant != role {
        return None;
    }
    let (before, layer) = path.rsplit_once('.').unwrap_or(("", path));
    if let Some((block, index)) = block_and_index(layer, "conv", "_") {
        let family = if last.len() == 1 { Family::Letters } else { Family::Caffe };
        return Some((family, before, Key::Named(block, index), role));
    }
    if let Some((block, index)) = block_and_index(layer, "block", "_conv") {
        return Some((Family::Keras, before, Key::Named(block, index), role));
    }
    let position = Key::Position(number(layer)?);
    // `features` alone may have been saved: `0.weight`
    let features = before.strip_suffix(".module").unwrap_or(before); // of `DataParallel` around them
    let prefix = if path == layer { "" } else { features.strip_suffix("features")? };
    (prefix.is_empty() || prefix.ends_with('.')).then_some((Family::Torchvision, prefix, position, role))
}

fn parse_keras(name: &str, role: Role) -> Option<(Family, &str, Key, Role)> {
    if name.starts_with("optimizer") {
        return None;
    }
    let mut start = 0;
    let mut previous: Option<(usize, &str)> = None;
    let mut parts = name.split('/');
    while let Some(part) = parts.next() {
        if let Some((block, index)) = block_and_index(part, "block", "_conv") {
            return Some((Family::Keras, &name[..start], Key::Named(block, index), role));
        }
        if part == "layers" {
            let ordinal = match parts.next()? {
                "conv2d" => 0,
                other => number(other.strip_prefix("conv2d_")?)?,
            };
            if parts.next()? != "vars" {
                return None;
            }
            let block = previous.and_then(|(at, p)| Some((at, number(p.strip_prefix("block")?)?)));
            return Some(match block {
                Some((at, block)) => (Family::Keras, &name[..at], Key::Named(block, ordinal + 1), role),
                None => (Family::Keras, &name[..start], Key::Ordinal(ordinal), role),
            });
        }
        previous = Some((start, part));
        start += part.len() + 1;
    }
    None
}

/// `block` and `index` of `{lead}{block}{between}{index}`.
fn block_and_index(text: &str, lead: &str, between: &str) -> Option<(usize, usize)> {
    let (block, index) = text.strip_prefix(lead)?.split_once(between)?;
    Some((number(block)?, number(index)?))
}

/// A small number, written as digits only.
fn number(text: &str) -> Option<usize> {
    (text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}
