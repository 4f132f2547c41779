//! Caffe's `.caffemodel`: a `NetParameter` in Protocol Buffers' wire format (`src/caffe/proto/caffe.proto`).
//!
//! Only the fields on the way to a layer's blobs are looked at, all else is passed over, and so are the blobs until one
//! is asked for: VGG-19's file is 575 MB, of which the convolutions take 80. The readers generated from a `.proto`
//! (`prost`, `quick-protobuf`) hold a whole message in memory, so the few lines of wire format are written out here.
//!
//! | message | fields |
//! |---|---|
//! | `NetParameter` | `layers` = 2 (`V1LayerParameter`, until 2014), `layer` = 100 (`LayerParameter`) |
//! | `V1LayerParameter` | `name` = 4, `blobs` = 6 |
//! | `LayerParameter` | `name` = 1, `blobs` = 7 |
//! | `BlobProto` | `num`, `channels`, `height`, `width` = 1 to 4; `data` = 5, `shape` = 7, `double_data` = 8 |
//! | `BlobShape` | `dim` = 1 |
//!
//! Filters are [O, I, H, W], applied as cross-correlation, to BGR.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};

use style_core::Result;

use crate::source::{Reader, Source};
use crate::tensors::{Number, Tensors, count, reserved, show};

/// VGG-19's file has 46 layers.
const MAX_LAYERS: usize = 4096;
const MAX_BLOBS: usize = 64;
const MAX_RANK: usize = 8;
/// A blob's values are one piece, or as many as its writer cut them into.
const MAX_PIECES: usize = 1024;
const MAX_NAME: u64 = 256;

/// Wire types.
const VARINT: u8 = 0;
const I64: u8 = 1;
const LEN: u8 = 2;
const I32: u8 = 5;

/// An opened network.
pub(crate) struct Caffe {
    source: Source,
    tensors: BTreeMap<String, Blob>,
}

#[derive(Default)]
struct Blob {
    shape: Vec<usize>,
    pieces: Vec<Piece>,
}

/// Values at equal distances.
#[derive(Clone, Copy)]
struct Piece {
    offset: u64,
    count: u64,
    /// From one value to the next: more than its size where each has a tag of its own.
    step: u64,
    number: Number,
}

/// Whether the first bytes are those of a network: its name and a field that can follow, or its first layer.
pub(crate) fn is_caffe(head: &[u8]) -> bool {
    let follows = |rest: &[u8]| match rest {
        // layers, input or layer; or a name that goes beyond what is looked at
        [0x12 | 0x1a, ..] | [0xa2, 0x06, ..] | [] => true,
        _ => false,
    };
    match head {
        [0x0a, len, rest @ ..] if *len > 0 && *len < 0x80 => {
            let (name, after) = rest.split_at(rest.len().min(usize::from(*len)));
            name.iter().all(|b| (b' '..=b'~').contains(b)) && !name.is_empty() && follows(after)
        }
        [0x12, rest @ ..] | [0xa2, 0x06, rest @ ..] => {
            // a length, then bottom, top or name of a layer
            let len = rest.iter().position(|b| b & 0x80 == 0).unwrap_or(rest.len());
            matches!(rest.get(len + 1), Some(0x0a | 0x12 | 0x1a | 0x22))
        }
        _ => false,
    }
}

impl Caffe {
    pub(crate) fn open(source: &Source) -> Result<Self> {
        let mut walk = Walk { source, input: BufReader::new(source.reader()), at: 0 };
        let mut tensors = BTreeMap::new();
        let mut layers = 0;
        while walk.at < source.len() {
            match walk.field(source.len())? {
                Field { number: 2, body: Body::Len(end) } => walk.layer(end, 4, 6, &mut tensors)?,
                Field { number: 100, body: Body::Len(end) } => walk.layer(end, 1, 7, &mut tensors)?,
                other => {
                    walk.pass(&other)?;
                    continue;
                }
            }
            layers += 1;
            if layers > MAX_LAYERS {
                return Err(source.bad("the network has more layers than any: the file is damaged"));
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
        let held: u64 = blob.pieces.iter().map(|piece| piece.count).sum();
        if count(&blob.shape).map(|n| n as u64) != Some(held) {
            return Err(self
                .source
                .bad(format!("{name} is {}, but has {held} values; fetch the file again", show(&blob.shape))));
        }
        let mut values = reserved(usize::try_from(held).unwrap_or(usize::MAX))?;
        for piece in &blob.pieces {
            let width = piece.number.size();
            let step = usize::try_from(piece.step).unwrap_or(width).max(width);
            let tags = (piece.count - 1) * piece.step + width as u64;
            let bytes = self.source.read(piece.offset, tags)?;
            if step == width {
                values.extend(piece.number.decode(&bytes)?);
            } else {
                let mut bare = reserved(bytes.len() / step * width + width)?;
                bare.extend(bytes.chunks(step).flat_map(|c| &c[..width.min(c.len())]));
                values.extend(piece.number.decode(&bare)?);
            }
        }
        Ok(values)
    }
}

/// A field's number and what it holds.
struct Field {
    number: u64,
    body: Body,
}

enum Body {
    Varint(u64),
    /// Four or eight bytes, which are next.
    Fixed(Number),
    /// Bytes up to this place, which are next.
    Len(u64),
}

/// The way through the file.
struct Walk<'a> {
    source: &'a Source,
    input: BufReader<Reader>,
    at: u64,
}

impl Walk<'_> {
    fn fault(&self, what: &str) -> style_core::Error {
        self.source.bad(format!("the caffemodel is damaged or cut short ({what} at byte {}); fetch it again", self.at))
    }

    fn varint(&mut self, end: u64) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            if self.at >= end || self.input.read_exact(&mut byte).is_err() {
                return Err(self.fault("a number without an end"));
            }
            self.at += 1;
            value |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.fault("a number of more than 64 bits"))
    }

    /// The next field of a message that ends at `end`.
    fn field(&mut self, end: u64) -> Result<Field> {
        let tag = self.varint(end)?;
        let (number, kind) = (tag >> 3, (tag & 7) as u8);
        let room = |walk: &Self, len| walk.at.checked_add(len).filter(|&to| to <= end);
        let body = match kind {
            VARINT => Body::Varint(self.varint(end)?),
            I64 if room(self, 8).is_some() => Body::Fixed(Number::F64),
            I32 if room(self, 4).is_some() => Body::Fixed(Number::F32),
            LEN => {
                let len = self.varint(end)?;
                Body::Len(room(self, len).ok_or_else(|| self.fault("a field that ends beyond what holds it"))?)
            }
            _ => return Err(self.fault("a field of an unknown kind")),
        };
        if number == 0 { Err(self.fault("a field without a number")) } else { Ok(Field { number, body }) }
    }

    fn pass(&mut self, field: &Field) -> Result<()> {
        match field.body {
            Body::Varint(_) => Ok(()),
            Body::Fixed(number) => self.jump(self.at + number.size() as u64),
            Body::Len(end) => self.jump(end),
        }
    }

    fn jump(&mut self, to: u64) -> Result<()> {
        let by = (to - self.at).cast_signed();
        self.input.seek_relative(by).map_err(|e| self.fault("a place that cannot be reached").with_source(e))?;
        self.at = to;
        Ok(())
    }

    /// A layer that ends at `end`: its first blob is the weight, its second the bias.
    fn layer(
        &mut self,
        end: u64,
        name_field: u64,
        blobs_field: u64,
        tensors: &mut BTreeMap<String, Blob>,
    ) -> Result<()> {
        let mut name = String::new();
        let mut blobs = Vec::new();
        while self.at < end {
            let field = self.field(end)?;
            match field.body {
                Body::Len(to) if field.number == name_field => {
                    if to - self.at > MAX_NAME {
                        return Err(self.fault("a layer's name that is far too long"));
                    }
                    let bytes = self.source.read(self.at, to - self.at)?;
                    name = String::from_utf8(bytes).map_err(|_| self.fault("a layer's name that is no text"))?;
                    self.jump(to)?;
                }
                Body::Len(to) if field.number == blobs_field => {
                    blobs.push(self.blob(to)?);
                    if blobs.len() > MAX_BLOBS {
                        return Err(self.fault("a layer of too many blobs"));
                    }
                }
                _ => self.pass(&field)?,
            }
        }
        for (mut blob, role) in blobs.into_iter().zip(["weight", "bias"]) {
            if role == "bias" {
                // 1 x 1 x 1 x O before blobs had shapes
                let ones = blob.shape.iter().take_while(|&&d| d == 1).count();
                blob.shape.drain(..ones.min(blob.shape.len().saturating_sub(1)));
            }
            if tensors.insert(format!("{name}.{role}"), blob).is_some() {
                return Err(self.source.bad(format!("two layers are called {name}; give a network as published")));
            }
        }
        Ok(())
    }

    fn blob(&mut self, end: u64) -> Result<Blob> {
        let mut blob = Blob::default();
        let mut legacy = [None; 4];
        while self.at < end {
            let field = self.field(end)?;
            match (field.number, &field.body) {
                (number @ 1..=4, &Body::Varint(size)) => {
                    if let Some(place) = usize::try_from(number - 1).ok().and_then(|n| legacy.get_mut(n)) {
                        *place = Some(size);
                    }
                }
                (7, &Body::Len(to)) => blob.shape = self.dims(to)?,
                (5 | 8, &Body::Len(to)) => {
                    let number = if field.number == 5 { Number::F32 } else { Number::F64 };
                    let (width, len) = (number.size() as u64, to - self.at);
                    if len % width != 0 {
                        return Err(self.fault("values that are not whole"));
                    }
                    if len > 0 {
                        blob.pieces.push(Piece { offset: self.at, count: len / width, step: width, number });
                    }
                    self.jump(to)?;
                }
                (5, &Body::Fixed(number @ Number::F32)) | (8, &Body::Fixed(number @ Number::F64)) => {
                    let step = number.size() as u64 + 1; // a tag of one byte before each value
                    match blob.pieces.last_mut() {
                        Some(p) if p.step == step && p.number == number && p.offset + p.count * step == self.at => {
                            p.count += 1;
                        }
                        _ => blob.pieces.push(Piece { offset: self.at, count: 1, step, number }),
                    }
                    self.pass(&field)?;
                }
                _ => self.pass(&field)?,
            }
            if blob.pieces.len() > MAX_PIECES {
                return Err(self.fault("values in too many pieces"));
            }
        }
        if blob.shape.is_empty() && legacy.iter().any(Option::is_some) {
            let size = |d: Option<u64>| usize::try_from(d.unwrap_or(0)).ok();
            let shape: Option<Vec<usize>> = legacy.into_iter().map(size).collect();
            blob.shape = shape.ok_or_else(|| self.fault("a size without bounds"))?;
        }
        Ok(blob)
    }

    /// The sizes of a `BlobShape`, packed or one by one.
    fn dims(&mut self, end: u64) -> Result<Vec<usize>> {
        let mut dims = Vec::new();
        while self.at < end {
            let field = self.field(end)?;
            let to = match field {
                Field { number: 1, body: Body::Varint(size) } if dims.len() < MAX_RANK => {
                    dims.push(size);
                    continue;
                }
                Field { number: 1, body: Body::Len(to) } => to,
                other => {
                    self.pass(&other)?;
                    continue;
                }
            };
            while self.at < to && dims.len() <= MAX_RANK {
                let size = self.varint(to)?;
                dims.push(size);
            }
            if dims.len() > MAX_RANK {
                return Err(self.fault("a blob of too many dimensions"));
            }
        }
        let dims: Option<Vec<usize>> = dims.into_iter().map(|d| usize::try_from(d).ok()).collect();
        dims.filter(|d| d.len() <= MAX_RANK).ok_or_else(|| self.fault("a size without bounds"))
    }
}
