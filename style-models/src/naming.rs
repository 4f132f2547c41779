//! The frameworks' names for VGG's tensors, and the convolution that each name denotes.

use std::collections::BTreeMap;

use crate::vgg::{Convolution, Vgg};

/// The naming family. It decides the input space when nothing else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    /// `conv1_1.weight`, as in the paper and Caffe.
    Caffe,
    /// `conv1_1_W`, with one letter for weight or bias.
    Letters,
    /// `features.0.weight`: the position in torchvision's `nn.Sequential`.
    Torchvision,
    /// `block1_conv1/...`, or Keras 3's numbered layers.
    Keras,
    /// A graph written by PyTorch, with uninformative names.
    TorchGraph,
    /// Any other graph.
    Graph,
}

/// The dimension order of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `[O, I, 3, 3]`: Caffe and PyTorch.
    Oihw,
    /// `[3, 3, I, O]`: TensorFlow, Keras and MatConvNet.
    Hwio,
}

/// The position of a convolution, as far as its name gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// Block and index within the block, both from 1.
    Named(usize, usize),
    /// Position in torchvision's `features`, which also counts ReLUs and pools.
    Position(usize),
    /// The number of convolutions before it.
    Ordinal(usize),
}

/// The two tensors of a convolution.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) weight: Option<String>,
    pub(crate) bias: Option<String>,
}

/// The convolutions found by a file's tensor names.
#[derive(Debug)]
pub(crate) struct Naming {
    pub(crate) family: Family,
    pub(crate) layout: Layout,
    pub(crate) first: Key,
    pub(crate) convs: BTreeMap<Key, Names>,
}

impl Naming {
    /// The convolutions of a graph; `first` is the graph's name for the node of its first convolution.
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

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Weight,
    Bias,
}

/// Parses the `name` of a tensor with `rank` dimensions into family, prefix, position and role.
pub(crate) fn parse(name: &str, rank: usize) -> Option<(Family, &str, Key, Role)> {
    let role = match rank {
        4 => Role::Weight,
        1 => Role::Bias,
        _ => return None,
    };
    if name.contains('/') { parse_keras(name, role) } else { parse_plain(name, role) }
}

/// A layer name, a dot or underscore, and the tensor's role.
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
    // `features` may have been saved alone: `0.weight`
    let features = before.strip_suffix(".module").unwrap_or(before); // wrapped in `DataParallel`
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

/// `block` and `index` from `{lead}{block}{between}{index}`.
fn block_and_index(text: &str, lead: &str, between: &str) -> Option<(usize, usize)> {
    let (block, index) = text.strip_prefix(lead)?.split_once(between)?;
    Some((number(block)?, number(index)?))
}

/// A small number, written in digits only.
fn number(text: &str) -> Option<usize> {
    (text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}
