//! The Protocol Buffers wire format, which Caffe and ONNX use, read field by field.
//!
//! A reader generated from a `.proto` (`prost`, `quick-protobuf`) holds a whole message in memory; VGG-19's file is 575
//! MB, of which the convolutions take 80. This reader skips a field unless its format module needs it: values stay in
//! the file until they are needed, and no length may exceed its enclosing field.

use std::io::{BufReader, Read};

use style_core::{Error, Result};

use crate::source::{Reader, Source};
use crate::tensors::{Number, count, reserved, show};

const MAX_RANK: usize = 8;
/// A tensor's values are one piece, or several if its writer split them.
const MAX_PIECES: usize = 1024;

/// Wire types.
const VARINT: u8 = 0;
const I64: u8 = 1;
const LEN: u8 = 2;
const I32: u8 = 5;

/// A field's number and content.
pub(super) struct Field {
    pub(super) number: u64,
    pub(super) body: Body,
}

pub(super) enum Body {
    Varint(u64),
    /// Four or eight bytes, which follow.
    Fixed(Number),
    /// Bytes up to this position, which follow.
    Len(u64),
}

/// A cursor in the file.
pub(super) struct Walk<'a> {
    pub(super) source: &'a Source,
    /// The position in the file.
    pub(super) at: u64,
    /// The file's name in messages.
    file: &'static str,
    input: BufReader<Reader>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(source: &'a Source, file: &'static str) -> Self {
        Self { source, at: 0, file, input: BufReader::new(source.reader()) }
    }

    pub(super) fn fault(&self, what: &str) -> Error {
        self.source
            .bad(format!("the {} is damaged or truncated ({what} at byte {}); download it again", self.file, self.at))
    }

    pub(super) fn varint(&mut self, end: u64) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            if self.at >= end || self.input.read_exact(&mut byte).is_err() {
                return Err(self.fault("unterminated number"));
            }
            self.at += 1;
            value |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.fault("number of more than 64 bits"))
    }

    /// The next field of a message that ends at `end`.
    pub(super) fn field(&mut self, end: u64) -> Result<Field> {
        let tag = self.varint(end)?;
        let (number, kind) = (tag >> 3, (tag & 7) as u8);
        let room = |walk: &Self, len| walk.at.checked_add(len).filter(|&to| to <= end);
        let body = match kind {
            VARINT => Body::Varint(self.varint(end)?),
            I64 if room(self, 8).is_some() => Body::Fixed(Number::F64),
            I32 if room(self, 4).is_some() => Body::Fixed(Number::F32),
            LEN => {
                let len = self.varint(end)?;
                Body::Len(room(self, len).ok_or_else(|| self.fault("field longer than its message"))?)
            }
            _ => return Err(self.fault("unknown field type")),
        };
        if number == 0 { Err(self.fault("field number 0")) } else { Ok(Field { number, body }) }
    }

    pub(super) fn pass(&mut self, field: &Field) -> Result<()> {
        match field.body {
            Body::Varint(_) => Ok(()),
            Body::Fixed(number) => self.jump(self.at + number.size() as u64),
            Body::Len(end) => self.jump(end),
        }
    }

    pub(super) fn jump(&mut self, to: u64) -> Result<()> {
        let by = (to - self.at).cast_signed();
        self.input.seek_relative(by).map_err(|e| self.fault("seek failed").with_source(e))?;
        self.at = to;
        Ok(())
    }

    /// A text up to `to`, of at most `most` bytes; errors call it `what`.
    pub(super) fn text(&mut self, to: u64, most: u64, what: &str) -> Result<String> {
        if to - self.at > most {
            return Err(self.fault(&format!("{what} too long")));
        }
        let bytes = self.source.read(self.at, to - self.at)?;
        let text = String::from_utf8(bytes).map_err(|_| self.fault(&format!("{what} is not valid text")))?;
        self.jump(to)?;
        Ok(text)
    }

    /// Appends dimensions of a tensor, packed or a single one, to `sizes`.
    pub(super) fn sizes(&mut self, body: &Body, sizes: &mut Vec<usize>) -> Result<()> {
        let mut add = |walk: &Self, size| {
            if sizes.len() >= MAX_RANK {
                return Err(walk.fault("tensor with too many dimensions"));
            }
            sizes.push(usize::try_from(size).map_err(|_| walk.fault("dimension out of range"))?);
            Ok(())
        };
        match *body {
            Body::Varint(size) => add(self, size)?,
            Body::Len(to) => {
                while self.at < to {
                    let size = self.varint(to)?;
                    add(self, size)?;
                }
            }
            Body::Fixed(_) => return Err(self.fault("dimension is not an integer")),
        }
        Ok(())
    }
}

/// The location of a tensor's values.
#[derive(Default)]
pub(super) struct Values {
    pub(super) shape: Vec<usize>,
    pieces: Vec<Piece>,
}

/// Values at equal distances.
#[derive(Clone, Copy)]
struct Piece {
    offset: u64,
    count: u64,
    /// Distance between values: more than their size if each has its own tag.
    step: u64,
    number: Number,
}

impl Values {
    /// Records the values of the next field and moves to its end: packed, or a single one with a one-byte tag.
    pub(super) fn add(&mut self, walk: &mut Walk, body: &Body, number: Number) -> Result<()> {
        match *body {
            Body::Len(to) => self.add_bytes(walk, to, number)?,
            Body::Fixed(fixed) if fixed == number => {
                let step = number.size() as u64 + 1;
                match self.pieces.last_mut() {
                    Some(p) if p.step == step && p.number == number && p.offset + p.count * step == walk.at => {
                        p.count += 1;
                    }
                    _ => self.pieces.push(Piece { offset: walk.at, count: 1, step, number }),
                }
                walk.jump(walk.at + number.size() as u64)?;
            }
            _ => return Err(walk.fault("unexpected type of values")),
        }
        if self.pieces.len() > MAX_PIECES {
            return Err(walk.fault("values in too many pieces"));
        }
        Ok(())
    }

    /// The same for bytes up to `to`.
    fn add_bytes(&mut self, walk: &mut Walk, to: u64, number: Number) -> Result<()> {
        let (width, len) = (number.size() as u64, to - walk.at);
        if len % width != 0 {
            return Err(walk.fault("incomplete value"));
        }
        if len > 0 {
            self.pieces.push(Piece { offset: walk.at, count: len / width, step: width, number });
        }
        walk.jump(to)
    }

    /// Values of `len` bytes at `offset`, which lie within the file.
    pub(super) fn at(shape: Vec<usize>, offset: u64, len: u64, number: Number) -> Self {
        let width = number.size() as u64;
        let piece = (len >= width).then_some(Piece { offset, count: len / width, step: width, number });
        Self { shape, pieces: piece.into_iter().collect() }
    }

    /// The values of the tensor `name`, whose shape must match the values present.
    pub(super) fn read(&self, source: &Source, name: &str) -> Result<Vec<f32>> {
        let held: u64 = self.pieces.iter().map(|piece| piece.count).sum();
        if count(&self.shape).map(|n| n as u64) != Some(held) {
            return Err(
                source.bad(format!("{name} is {}, but has {held} values; download the file again", show(&self.shape)))
            );
        }
        let mut values = reserved(usize::try_from(held).unwrap_or(usize::MAX))?;
        for piece in &self.pieces {
            let width = piece.number.size();
            let step = usize::try_from(piece.step).unwrap_or(width).max(width);
            let tags = (piece.count - 1) * piece.step + width as u64;
            let bytes = source.read(piece.offset, tags)?;
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
