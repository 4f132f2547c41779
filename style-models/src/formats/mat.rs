//! MATLAB's MAT files of version 5 (MATLAB's `-v6` and `-v7`, `scipy.io.savemat`): a tree of tagged elements.
//!
//! An element is a tag (type and number of bytes), followed by that many bytes, padded to eight. A variable is a matrix
//! element, or a zlib stream that holds one. The tree keeps a matrix's class, shape and the location of its values;
//! values are read only when needed. A compressed variable is unpacked as a stream and never held. Layouts follow
//! MathWorks' "MAT-File Format".
//!
//! The crates `matfile` (0.5) and `mat5` (0.1) do not support cells or structs, which networks use. `matrw`
//! (0.1) unpacks whole variables, including 490 MB of classifier, and panics on a damaged zlib stream.

use std::io::{self, BufReader, Read};

use flate2::bufread::ZlibDecoder;
use style_core::Result;

use crate::source::{Reader, Source};
use crate::tensors::{Number, count, from_column_major, reserved, show};

/// Text, version, and the letters that give the byte order.
const HEADER: u64 = 128;
/// Nearly twice the size of VGG-19 with its classifier.
const MAX_VARIABLE: u64 = 1 << 30;
/// A network of 43 layers has about 600.
const MAX_NODES: usize = 1 << 16;
const MAX_DEPTH: usize = 8;
/// MatConvNet's file has three.
const MAX_VARIABLES: usize = 1024;
const MAX_RANK: u64 = 8;
/// MATLAB's own limit for names is 63.
const MAX_NAME: u64 = 64;
const MAX_FIELDS: u64 = 256;
/// The text fields that the reader uses are shorter.
const MAX_TEXT: u64 = 256;

/// Element types.
const MI_INT8: u32 = 1;
const MI_INT32: u32 = 5;
const MI_UINT32: u32 = 6;
const MI_MATRIX: u32 = 14;
const MI_COMPRESSED: u32 = 15;

/// A matrix of any class.
#[derive(Debug)]
pub(crate) enum Value {
    /// A cell array, or a struct array whose element count is not one.
    List(Vec<Value>),
    Struct(Vec<(String, Value)>),
    Text(String),
    Array(Array),
    /// A class that no network needs.
    Other,
}

impl Value {
    /// A field of the struct.
    pub(crate) fn field(&self, name: &str) -> Option<&Value> {
        let Self::Struct(fields) = self else { return None };
        fields.iter().find_map(|(field, value)| (field == name).then_some(value))
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn array(&self) -> Option<&Array> {
        if let Self::Array(array) = self { Some(array) } else { None }
    }

    pub(crate) fn list(&self) -> Option<&[Value]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }
}

/// A numeric matrix whose values are still in the file.
#[derive(Clone, Debug)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    stored: Stored,
    variable: Variable,
    place: Place,
}

/// The location of an array's values.
#[derive(Clone, Debug)]
enum Place {
    /// Up to four bytes, inside their tag.
    Tag([u8; 4]),
    /// From this byte of the variable on.
    At(u64),
}

/// The encoding of values: MATLAB stores integral values as integers, whatever their class.
#[derive(Clone, Copy, Debug)]
enum Stored {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    Float(Number),
}

impl Stored {
    fn of(kind: u32) -> Option<Self> {
        Some(match kind {
            1 => Self::I8,
            2 => Self::U8,
            3 => Self::I16,
            4 => Self::U16,
            5 => Self::I32,
            6 => Self::U32,
            7 => Self::Float(Number::F32),
            9 => Self::Float(Number::F64),
            _ => return None,
        })
    }

    fn size(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 => 4,
            Self::Float(number) => number.size(),
        }
    }

    #[allow(clippy::cast_precision_loss)] // inherent in reading integers as f32
    fn decode(self, bytes: &[u8]) -> Result<Vec<f32>> {
        let pairs = bytes.as_chunks::<2>().0.iter();
        let fours = bytes.as_chunks::<4>().0.iter();
        let mut values = match self {
            Self::Float(number) => return number.decode(bytes),
            _ => reserved(bytes.len() / self.size())?,
        };
        match self {
            Self::I8 => values.extend(bytes.iter().map(|&b| f32::from(b.cast_signed()))),
            Self::U8 => values.extend(bytes.iter().map(|&b| f32::from(b))),
            Self::I16 => values.extend(pairs.map(|&b| f32::from(i16::from_le_bytes(b)))),
            Self::U16 => values.extend(pairs.map(|&b| f32::from(u16::from_le_bytes(b)))),
            Self::I32 => values.extend(fours.map(|&b| i32::from_le_bytes(b) as f32)),
            Self::U32 => values.extend(fours.map(|&b| u32::from_le_bytes(b) as f32)),
            Self::Float(_) => {}
        }
        Ok(values)
    }
}

/// The bytes of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Variable {
    offset: u64,
    len: u64,
    compressed: bool,
}

/// An opened MAT file.
pub(crate) struct Mat {
    source: Source,
    variables: Vec<(String, Value)>,
    /// The last stream read: the next array usually follows in it.
    open: Option<(Variable, Stream)>,
}

impl Mat {
    /// Opens a file and reads the trees of the variables in `names`.
    pub(crate) fn open(source: &Source, names: &[&str]) -> Result<Self> {
        if source.read(HEADER - 2, 2)? != b"IM" {
            return Err(source.bad("big-endian MAT files are not supported; save the file on a little-endian machine"));
        }
        let mut variables: Vec<(String, Value)> = Vec::new();
        let (mut at, mut count) = (HEADER, 0);
        while at < source.len() {
            count += 1;
            if count > MAX_VARIABLES {
                return Err(source.bad("the MAT file has too many variables for a network; use a network as published"));
            }
            let word = |at| Ok(source.read(at, 4)?.try_into().map_or(0, u32::from_le_bytes));
            let (kind, len) = (word(at)?, word(at + 4)?);
            let end = at + 8 + u64::from(len);
            if end > source.len() {
                return Err(source.bad(format!(
                    "a variable ends at byte {end}, but the file has {} bytes; it is truncated, download it again",
                    source.len()
                )));
            }
            let variable = match kind {
                MI_COMPRESSED => Variable { offset: at + 8, len: len.into(), compressed: true },
                MI_MATRIX => Variable { offset: at, len: u64::from(len) + 8, compressed: false },
                _ => {
                    return Err(source.bad(format!(
                        "unknown element type {kind} at byte {at}; the file is damaged, download it again"
                    )));
                }
            };
            if let Some((name, value)) = Walk::new(source, variable).variable(names)? {
                if variables.iter().any(|(other, _)| *other == name) {
                    return Err(source.bad(format!("duplicate variable {name}; download the file again")));
                }
                variables.push((name, value));
            }
            at = end;
        }
        Ok(Self { source: source.clone(), variables, open: None })
    }

    /// One of the variables that `open` read.
    pub(crate) fn variable(&self, name: &str) -> Option<&Value> {
        self.variables.iter().find_map(|(other, value)| (other == name).then_some(value))
    }

    /// The values of an array, row-major.
    pub(crate) fn read(&mut self, array: &Array) -> Result<Vec<f32>> {
        let too_large = || {
            self.source.bad(format!("an array of {} is larger than the file; download it again", show(&array.shape)))
        };
        let len = count(&array.shape).and_then(|n| n.checked_mul(array.stored.size())).ok_or_else(too_large)?;
        let bytes = match array.place {
            Place::Tag(bytes) => bytes.get(..len).ok_or_else(too_large)?.to_vec(),
            Place::At(offset) => {
                let open =
                    self.open.take().filter(|(variable, stream)| *variable == array.variable && stream.at <= offset);
                let mut stream = open.map_or_else(|| Stream::new(&self.source, array.variable), |(_, stream)| stream);
                stream.skip(offset - stream.at)?;
                let bytes = stream.bytes(len as u64)?;
                self.open = Some((array.variable, stream));
                bytes
            }
        };
        from_column_major(&array.stored.decode(&bytes)?, &array.shape)
    }
}

/// The bytes of a variable as a stream.
struct Stream {
    source: Source,
    input: Input,
    /// Bytes consumed.
    at: u64,
    /// The largest possible number of bytes.
    end: u64,
}

enum Input {
    Plain(BufReader<Reader>),
    Zlib(Box<ZlibDecoder<BufReader<io::Take<Reader>>>>),
}

impl Stream {
    fn new(source: &Source, variable: Variable) -> Self {
        let bytes = source.reader().at(variable.offset);
        let (input, end) = if variable.compressed {
            (Input::Zlib(Box::new(ZlibDecoder::new(BufReader::new(bytes.take(variable.len))))), MAX_VARIABLE)
        } else {
            (Input::Plain(BufReader::new(bytes)), variable.len)
        };
        Self { source: source.clone(), input, at: 0, end }
    }

    fn fault(&self, why: impl std::fmt::Display) -> style_core::Error {
        self.source.bad(format!("a variable of the MAT file is damaged ({why}); download the file again"))
    }

    fn check(&self, len: u64) -> Result<()> {
        let fits = self.at.checked_add(len).is_some_and(|end| end <= self.end);
        if fits { Ok(()) } else { Err(self.fault("an element extends past the end of the variable")) }
    }

    /// The next `len` bytes; memory grows with the bytes present, not with `len`.
    fn bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        self.check(len)?;
        let mut out = Vec::new();
        let read = match &mut self.input {
            Input::Plain(input) => input.take(len).read_to_end(&mut out),
            Input::Zlib(input) => input.take(len).read_to_end(&mut out),
        };
        let n = read.map_err(|e| self.fault(&e).with_source(e))? as u64;
        self.at += n;
        if n == len { Ok(out) } else { Err(self.fault("it is truncated")) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.bytes(N as u64)?.try_into().map_err(|_| self.fault("it is truncated"))
    }

    fn skip(&mut self, len: u64) -> Result<()> {
        self.check(len)?;
        let skipped = match &mut self.input {
            Input::Plain(input) => input.seek_relative(len.cast_signed()).map(|()| len),
            Input::Zlib(input) => io::copy(&mut input.take(len), &mut io::sink()),
        };
        let n = skipped.map_err(|e| self.fault(&e).with_source(e))?;
        self.at += n;
        if n == len { Ok(()) } else { Err(self.fault("it is truncated")) }
    }

    /// Whether no byte follows; this compares the checksum of a zlib stream.
    fn is_over(&mut self) -> Result<bool> {
        match &mut self.input {
            Input::Plain(_) => Ok(self.at == self.end),
            Input::Zlib(input) => input.read(&mut [0]).map(|n| n == 0).map_err(|e| self.fault(&e).with_source(e)),
        }
    }
}

/// The header of an element.
struct Tag {
    kind: u32,
    len: u64,
    /// An element of up to four bytes stores them in its header.
    inside: Option<[u8; 4]>,
}

/// A parser for a variable's tree.
struct Walk {
    variable: Variable,
    stream: Stream,
    nodes: usize,
}

/// The leading elements of a matrix.
struct Head {
    class: u8,
    shape: Vec<usize>,
    name: String,
}

impl Walk {
    fn new(source: &Source, variable: Variable) -> Self {
        Self { variable, stream: Stream::new(source, variable), nodes: 0 }
    }

    /// The variable's name and tree if it is in `names`; such a variable is read to its end.
    fn variable(&mut self, names: &[&str]) -> Result<Option<(String, Value)>> {
        let tag = self.tag()?;
        if tag.kind != MI_MATRIX || tag.inside.is_some() {
            return Err(self.stream.fault(format!("expected a matrix, found an element of type {}", tag.kind)));
        }
        if tag.len > MAX_VARIABLE {
            return Err(self.stream.fault(format!("its declared size is {} bytes", tag.len)));
        }
        let end = self.stream.at + tag.len;
        let head = self.head()?;
        if !names.contains(&head.name.as_str()) {
            return Ok(None);
        }
        let value = self.value(&head, end, 0)?;
        if !self.stream.is_over()? {
            return Err(self.stream.fault("unexpected bytes after its end"));
        }
        Ok(Some((head.name, value)))
    }

    fn tag(&mut self) -> Result<Tag> {
        let [a, b, c, d, inside @ ..] = self.stream.array::<8>()?;
        let first = u32::from_le_bytes([a, b, c, d]);
        if first >> 16 == 0 {
            return Ok(Tag { kind: first, len: u32::from_le_bytes(inside).into(), inside: None });
        }
        let len = u64::from(first >> 16);
        if len > 4 {
            return Err(self.stream.fault("small element of more than four bytes"));
        }
        Ok(Tag { kind: first & 0xffff, len, inside: Some(inside) })
    }

    /// The bytes of an element that must have this type and at most `most` bytes.
    fn element(&mut self, kind: u32, most: u64) -> Result<Vec<u8>> {
        let tag = self.tag()?;
        if tag.kind != kind || tag.len > most {
            return Err(self.stream.fault(format!(
                "expected an element of type {kind} with at most {most} bytes, found type {} with {} bytes",
                tag.kind, tag.len
            )));
        }
        match tag.inside {
            Some(bytes) => Ok(bytes.into_iter().take(usize::try_from(tag.len).unwrap_or(4)).collect()),
            None => {
                let bytes = self.stream.bytes(tag.len)?;
                self.stream.skip(padding(tag.len))?;
                Ok(bytes)
            }
        }
    }

    fn head(&mut self) -> Result<Head> {
        let class = self.element(MI_UINT32, 8)?.first().copied().unwrap_or(0);
        // function handles and objects of newer classes have other layouts
        if !(1..=15).contains(&class) {
            return Ok(Head { class, shape: Vec::new(), name: String::new() });
        }
        let dims = self.element(MI_INT32, 4 * MAX_RANK)?;
        let shape: Option<Vec<usize>> =
            dims.as_chunks::<4>().0.iter().map(|&d| usize::try_from(i32::from_le_bytes(d)).ok()).collect();
        let shape = shape.ok_or_else(|| self.stream.fault("negative dimension"))?;
        let name = self.element(MI_INT8, MAX_NAME)?;
        let name = String::from_utf8(name).map_err(|_| self.stream.fault("name is not valid text"))?;
        Ok(Head { class, shape, name })
    }

    /// The rest of a matrix that ends at `end`; leaves the stream there.
    fn value(&mut self, head: &Head, end: u64, depth: usize) -> Result<Value> {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            return Err(self.stream.fault("too many cells and fields for a network"));
        }
        let count = count(&head.shape).ok_or_else(|| self.stream.fault("matrix size out of range"))?;
        let value = match head.class {
            1 => {
                let mut items = Vec::new();
                for _ in 0..count {
                    items.push(self.child(depth)?);
                }
                Value::List(items)
            }
            2 => self.structs(count, depth)?,
            4 => self.characters(end)?,
            6 | 7 => self.numbers(head, end)?,
            _ => Value::Other,
        };
        let rest = end.checked_sub(self.stream.at);
        self.stream.skip(rest.ok_or_else(|| self.stream.fault("matrix longer than its declared size"))?)?;
        Ok(value)
    }

    /// A matrix in a cell or a field.
    fn child(&mut self, depth: usize) -> Result<Value> {
        let tag = self.tag()?;
        if tag.kind != MI_MATRIX || tag.inside.is_some() {
            return Err(self.stream.fault(format!("expected a matrix, found an element of type {}", tag.kind)));
        }
        let end = self.stream.at + tag.len;
        if tag.len == 0 {
            self.nodes += 1;
            return if self.nodes > MAX_NODES { Err(self.stream.fault("too many cells")) } else { Ok(Value::Other) };
        }
        let head = self.head()?;
        self.value(&head, end, depth + 1)
    }

    /// One struct, or an array of several: the field names, then the fields of each.
    fn structs(&mut self, count: usize, depth: usize) -> Result<Value> {
        let width = self.element(MI_INT32, 4)?;
        let width = width.try_into().map_or(0, i32::from_le_bytes);
        let width = usize::try_from(width).ok().filter(|&w| w > 0 && w as u64 <= MAX_NAME);
        let width = width.ok_or_else(|| self.stream.fault("invalid length of field names"))?;
        let names = self.element(MI_INT8, MAX_FIELDS * MAX_NAME)?;
        let name = |bytes: &[u8]| {
            let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end]).into_owned()
        };
        let names: Vec<String> = names.chunks_exact(width).map(name).collect();
        let mut items = Vec::new();
        for _ in 0..if names.is_empty() { 0 } else { count } {
            let mut fields = Vec::new();
            for name in &names {
                fields.push((name.clone(), self.child(depth)?));
            }
            items.push(Value::Struct(fields));
        }
        Ok(if items.len() == 1 { items.remove(0) } else { Value::List(items) })
    }

    fn characters(&mut self, end: u64) -> Result<Value> {
        if end.saturating_sub(self.stream.at) > MAX_TEXT {
            return Ok(Value::Other);
        }
        let tag = self.tag()?;
        let bytes = match tag.inside {
            Some(bytes) => bytes.into_iter().take(usize::try_from(tag.len).unwrap_or(4)).collect(),
            None => self.stream.bytes(tag.len.min(MAX_TEXT))?,
        };
        Ok(match tag.kind {
            // bytes, UTF-8
            1 | 2 | 16 => String::from_utf8(bytes).ok(),
            // two bytes per letter
            4 | 17 => {
                let letters: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|&b| u16::from_le_bytes(b)).collect();
                String::from_utf16(&letters).ok()
            }
            _ => None,
        }
        .map_or(Value::Other, Value::Text))
    }

    fn numbers(&mut self, head: &Head, end: u64) -> Result<Value> {
        let tag = self.tag()?;
        let Some(stored) = Stored::of(tag.kind) else { return Ok(Value::Other) };
        let place = tag.inside.map_or(Place::At(self.stream.at), Place::Tag);
        let expected = count(&head.shape).and_then(|n| n.checked_mul(stored.size())).map(|n| n as u64);
        if expected != Some(tag.len) || (tag.inside.is_none() && tag.len > end.saturating_sub(self.stream.at)) {
            return Err(self.stream.fault(format!("array of {} with {} bytes", show(&head.shape), tag.len)));
        }
        Ok(Value::Array(Array { shape: head.shape.clone(), stored, variable: self.variable, place }))
    }
}

/// The padding of `len` to a multiple of eight.
fn padding(len: u64) -> u64 {
    len.next_multiple_of(8) - len
}

#[cfg(test)]
mod tests {
    use super::Stored;

    /// Type numbers from MathWorks' "MAT-File Format", table 1.
    #[test]
    fn every_type_of_number() {
        let cases: [(u32, &[u8], &[f32]); 8] = [
            (1, &[0x80, 0x7f], &[-128.0, 127.0]),
            (2, &[0, 255], &[0.0, 255.0]),
            (3, &[0, 0x80, 1, 0], &[-32768.0, 1.0]),
            (4, &[0xff, 0xff, 1, 0], &[65535.0, 1.0]),
            (5, &[0xfe, 0xff, 0xff, 0xff], &[-2.0]),
            (6, &[0, 0, 0, 0x80], &[2_147_483_648.0]),
            (7, &[0, 0, 0x20, 0xc1], &[-10.0]),
            (9, &[0, 0, 0, 0, 0, 0, 0xf8, 0x3f], &[1.5]),
        ];
        for (kind, bytes, values) in cases {
            let stored = Stored::of(kind).unwrap();
            assert_eq!(stored.decode(bytes).unwrap(), values, "{kind}");
            assert_eq!(stored.size() * values.len(), bytes.len(), "{kind}");
        }
        assert!([0, 8, 12, 14, 15, 16].iter().all(|&kind| Stored::of(kind).is_none()));
    }
}
