//! Caffe's `.caffemodel`: a `NetParameter` in the Protocol Buffers wire format (`src/caffe/proto/caffe.proto`).
//!
//! Only the fields that lead to a layer's blobs are parsed; all others are skipped. Blobs are read on demand.
//!
//! | message | fields |
//! |---|---|
//! | `NetParameter` | `layers` = 2 (`V1LayerParameter`, until 2014), `layer` = 100 (`LayerParameter`) |
//! | `V1LayerParameter` | `name` = 4, `blobs` = 6 |
//! | `LayerParameter` | `name` = 1, `blobs` = 7 |
//! | `BlobProto` | `num`, `channels`, `height`, `width` = 1 to 4; `data` = 5, `shape` = 7, `double_data` = 8 |
//! | `BlobShape` | `dim` = 1 |
//!
//! Filters are [O, I, H, W], applied as cross-correlation to BGR input.

use std::collections::BTreeMap;

use style_core::Result;

use super::wire::{Body, Field, Values, Walk};
use crate::source::Source;
use crate::tensors::{Number, Tensors};

/// VGG-19's file has 46 layers.
const MAX_LAYERS: usize = 4096;
const MAX_BLOBS: usize = 64;
const MAX_NAME: u64 = 256;

/// An opened network.
pub(crate) struct Caffe {
    source: Source,
    tensors: BTreeMap<String, Values>,
}

/// Whether the first bytes belong to a network: its name and a field that can follow, or its first layer.
pub(crate) fn is_caffe(head: &[u8]) -> bool {
    let follows = |rest: &[u8]| match rest {
        // layers, input or layer; or a name that extends past the inspected bytes
        [0x12 | 0x1a, ..] | [0xa2, 0x06, ..] | [] => true,
        _ => false,
    };
    match head {
        [0x0a, len, rest @ ..] if *len > 0 && *len < 0x80 => {
            let (name, after) = rest.split_at(rest.len().min(usize::from(*len)));
            name.iter().all(|b| (b' '..=b'~').contains(b)) && !name.is_empty() && follows(after)
        }
        [0x12, rest @ ..] | [0xa2, 0x06, rest @ ..] => {
            // a length, then the bottom, top or name of a layer
            let len = rest.iter().position(|b| b & 0x80 == 0).unwrap_or(rest.len());
            matches!(rest.get(len + 1), Some(0x0a | 0x12 | 0x1a | 0x22))
        }
        _ => false,
    }
}

impl Caffe {
    pub(crate) fn open(source: &Source) -> Result<Self> {
        let mut walk = Walk::new(source, "caffemodel");
        let mut tensors = BTreeMap::new();
        let mut layers = 0;
        while walk.at < source.len() {
            match walk.field(source.len())? {
                Field { number: 2, body: Body::Len(end) } => layer(&mut walk, end, 4, 6, &mut tensors)?,
                Field { number: 100, body: Body::Len(end) } => layer(&mut walk, end, 1, 7, &mut tensors)?,
                other => {
                    walk.pass(&other)?;
                    continue;
                }
            }
            layers += 1;
            if layers > MAX_LAYERS {
                return Err(
                    source.bad(format!("expected at most {MAX_LAYERS} layers, found more; download the file again"))
                );
            }
        }
        Ok(Self { source: source.clone(), tensors })
    }
}

impl Tensors for Caffe {
    fn list(&self) -> Vec<(&str, &[usize])> {
        self.tensors.iter().map(|(name, blob)| (name.as_str(), blob.shape.as_slice())).collect()
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>> {
        let Some(blob) = self.tensors.get(name) else {
            return Err(self.source.bad(format!("{name} is missing")));
        };
        blob.read(&self.source, name)
    }
}

/// A layer that ends at `end`: its first blob is the weight, its second the bias.
fn layer(
    walk: &mut Walk,
    end: u64,
    name_field: u64,
    blobs_field: u64,
    tensors: &mut BTreeMap<String, Values>,
) -> Result<()> {
    let mut name = String::new();
    let mut blobs = Vec::new();
    while walk.at < end {
        let field = walk.field(end)?;
        match field.body {
            Body::Len(to) if field.number == name_field => name = walk.text(to, MAX_NAME, "layer name")?,
            Body::Len(to) if field.number == blobs_field => {
                blobs.push(blob(walk, to)?);
                if blobs.len() > MAX_BLOBS {
                    return Err(walk.fault("layer with too many blobs"));
                }
            }
            _ => walk.pass(&field)?,
        }
    }
    for (mut blob, role) in blobs.into_iter().zip(["weight", "bias"]) {
        if role == "bias" {
            // 1 x 1 x 1 x O, before blobs had shapes
            let ones = blob.shape.iter().take_while(|&&d| d == 1).count();
            blob.shape.drain(..ones.min(blob.shape.len().saturating_sub(1)));
        }
        if tensors.insert(format!("{name}.{role}"), blob).is_some() {
            return Err(walk.source.bad(format!("duplicate layer {name}; use a network as published")));
        }
    }
    Ok(())
}

fn blob(walk: &mut Walk, end: u64) -> Result<Values> {
    let mut blob = Values::default();
    let mut legacy = [None; 4];
    while walk.at < end {
        let field = walk.field(end)?;
        match (field.number, &field.body) {
            (number @ 1..=4, &Body::Varint(size)) => {
                if let Some(place) = usize::try_from(number - 1).ok().and_then(|n| legacy.get_mut(n)) {
                    *place = Some(size);
                }
            }
            (7, &Body::Len(to)) => blob.shape = shape(walk, to)?,
            (5, Body::Len(_) | Body::Fixed(Number::F32)) => blob.add(walk, &field.body, Number::F32)?,
            (8, Body::Len(_) | Body::Fixed(Number::F64)) => blob.add(walk, &field.body, Number::F64)?,
            _ => walk.pass(&field)?,
        }
    }
    if blob.shape.is_empty() && legacy.iter().any(Option::is_some) {
        let size = |d: Option<u64>| usize::try_from(d.unwrap_or(0)).ok();
        let shape: Option<Vec<usize>> = legacy.into_iter().map(size).collect();
        blob.shape = shape.ok_or_else(|| walk.fault("dimension out of range"))?;
    }
    Ok(blob)
}

/// The dimensions of a `BlobShape`, packed or unpacked.
fn shape(walk: &mut Walk, end: u64) -> Result<Vec<usize>> {
    let mut sizes = Vec::new();
    while walk.at < end {
        match walk.field(end)? {
            Field { number: 1, body: body @ (Body::Varint(_) | Body::Len(_)) } => walk.sizes(&body, &mut sizes)?,
            other => walk.pass(&other)?,
        }
    }
    Ok(sizes)
}
