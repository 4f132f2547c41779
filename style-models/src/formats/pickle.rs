//! Python's pickle, as far as `torch.save` of a state dict uses it.
//!
//! A pickle is a program for a small stack machine that can call any Python function by name. This reader allows none
//! of that: a global is one of the few in [`Global`] or an error, and calling one only makes a [`Node`]. All nodes live
//! in one arena and refer to each other by index, so neither deep nor circular structures can exhaust the stack, and
//! memory grows no faster than the bytes read.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};

use style_core::Result;

use crate::source::{Reader, Source};
use crate::tensors::Number;

/// A state dict of VGG-19 takes about 2000 steps. Each step may leave a node of some hundred bytes, and in a zip
/// archive a thousand steps may take one byte.
const MAX_STEPS: usize = 1 << 17;
/// The longest text or byte string kept.
const MAX_TEXT: u64 = 1 << 16;
/// State dicts nest once or twice.
const MAX_DEPTH: usize = 8;
/// The most entries of all dicts together; a large network has a few thousand.
const MAX_ENTRIES: usize = 1 << 14;
const MAX_RANK: usize = 8;
/// Names are copied for each use, so their limit is tighter than that of other text.
const MAX_NAME: usize = 256;

/// An index into the arena.
type Id = usize;

/// The globals that a pickle may name.
#[derive(Clone, Copy, Debug)]
enum Global {
    OrderedDict,
    /// `_rebuild_tensor_v2`, and `_rebuild_tensor` of PyTorch before 0.4: storage, offset, size, stride, ...
    RebuildTensor,
    /// The first argument of an `nn.Parameter` is its tensor.
    RebuildParameter,
    Size,
    /// `FloatStorage` and so on.
    Storage(Element),
}

#[derive(Clone, Debug)]
enum Node {
    /// `None`, and anything that no tensor depends on.
    Other,
    Bool(bool),
    Int(i64),
    Text(String),
    /// A tuple or a list.
    Sequence(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Storage),
    Tensor(Tensor),
}

/// A storage's element type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element {
    /// Bytes per value.
    pub(crate) size: u64,
    /// The number format; `None` for integers, which weights never are.
    pub(crate) number: Option<Number>,
}

/// The values that tensors are views of.
#[derive(Clone, Debug)]
pub(crate) struct Storage {
    /// Its name in the file.
    pub(crate) key: String,
    pub(crate) element: Element,
    /// Values before it in the storage `key`, of which it is a part.
    pub(crate) start: usize,
    /// Its number of values.
    pub(crate) len: usize,
}

/// A view of a storage.
#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    pub(crate) storage: Storage,
    /// In values, like the strides.
    pub(crate) offset: usize,
    pub(crate) size: Vec<usize>,
    pub(crate) stride: Vec<usize>,
}

/// A decoded pickle.
pub(crate) struct Pickle {
    nodes: Vec<Node>,
    root: Id,
}

impl Pickle {
    /// Every tensor of nested dicts, under its keys joined by dots.
    pub(crate) fn into_tensors(self, source: &Source) -> Result<Vec<(String, Tensor)>> {
        if !matches!(self.nodes[self.root], Node::Dict(_)) {
            return Err(
                source.bad("the file has no state dict; save the weights with torch.save(model.state_dict(), ...)")
            );
        }
        let mut tensors = Vec::new();
        let mut open = vec![(String::new(), self.root, 0)];
        let mut visited = 0;
        while let Some((prefix, id, depth)) = open.pop() {
            let Node::Dict(entries) = &self.nodes[id] else { continue };
            for &(key, value) in entries {
                visited += 1;
                if visited > MAX_ENTRIES {
                    return Err(
                        source.bad("the state dict has too many entries for a network; download the file again")
                    );
                }
                let Node::Text(key) = &self.nodes[key] else { continue };
                if key.len() > MAX_NAME {
                    continue;
                }
                match &self.nodes[value] {
                    Node::Tensor(tensor) => tensors.push((format!("{prefix}{key}"), tensor.clone())),
                    Node::Dict(_) if depth < MAX_DEPTH => open.push((format!("{prefix}{key}."), value, depth + 1)),
                    _ => {}
                }
            }
        }
        Ok(tensors)
    }

    /// Every storage in the pickle, whether or not it belongs to a state dict.
    pub(crate) fn storages(&self) -> impl Iterator<Item = &Storage> {
        self.nodes.iter().filter_map(|node| if let Node::Storage(storage) = node { Some(storage) } else { None })
    }

    /// The strings of a list.
    pub(crate) fn texts(&self) -> Option<Vec<&str>> {
        let Node::Sequence(items) = &self.nodes[self.root] else { return None };
        items.iter().map(|&i| if let Node::Text(t) = &self.nodes[i] { Some(t.as_str()) } else { None }).collect()
    }

    /// The bool under `name` in a dict.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        let Node::Dict(entries) = &self.nodes[self.root] else { return None };
        entries.iter().find_map(|&(key, value)| match (&self.nodes[key], &self.nodes[value]) {
            (Node::Text(key), Node::Bool(value)) if key == name => Some(*value),
            _ => None,
        })
    }
}

/// Reads consecutive pickles from a source.
pub(crate) struct Pickles {
    source: Source,
    input: BufReader<Reader>,
}

impl Pickles {
    pub(crate) fn new(source: &Source, offset: u64) -> Self {
        Self { source: source.clone(), input: BufReader::new(source.reader().at(offset)) }
    }

    /// The source of the next byte.
    pub(crate) fn position(&self) -> u64 {
        self.input.get_ref().position() - self.input.buffer().len() as u64
    }

    /// The next pickle.
    pub(crate) fn next(&mut self) -> Result<Pickle> {
        let mut machine =
            Machine { stack: Vec::new(), marks: Vec::new(), memo: HashMap::new(), nodes: Vec::new(), copied: 0 };
        for _ in 0..MAX_STEPS {
            match self.step(&mut machine) {
                Ok(None) => {}
                Ok(Some(root)) => return Ok(Pickle { nodes: machine.nodes, root }),
                Err(Fault::Short) => {
                    return Err(self.source.bad("the file ends inside its pickle; it is truncated, download it again"));
                }
                Err(Fault::Global(name)) => {
                    return Err(self.source.bad(format!(
                        "the pickle calls {name:?}, which a state dict does not need; no code was run, save the weights with \
                          torch.save(model.state_dict(), ...)"
                    )));
                }
                Err(Fault::Odd(what)) => {
                    return Err(self.source.bad(format!(
                        "the pickle is damaged or not a state dict ({what} before byte {}); download the file again",
                        self.position()
                    )));
                }
            }
        }
        Err(self.source.bad("the pickle is too long for a state dict; download the file again"))
    }

    fn array<const N: usize>(&mut self) -> std::result::Result<[u8; N], Fault> {
        let mut out = [0; N];
        self.input.read_exact(&mut out).map_err(|_| Fault::Short)?;
        Ok(out)
    }

    fn byte(&mut self) -> std::result::Result<u8, Fault> {
        self.array::<1>().map(|[b]| b)
    }

    fn u32(&mut self) -> std::result::Result<u64, Fault> {
        Ok(u32::from_le_bytes(self.array()?).into())
    }

    /// A string of `len` bytes.
    fn bytes(&mut self, len: u64) -> std::result::Result<Vec<u8>, Fault> {
        if len > MAX_TEXT {
            return Err(Fault::Odd("string too long"));
        }
        let mut out = Vec::new();
        let read = (&mut self.input).take(len).read_to_end(&mut out);
        if read.is_ok_and(|n| n as u64 == len) { Ok(out) } else { Err(Fault::Short) }
    }

    fn text(&mut self, len: u64) -> std::result::Result<Node, Fault> {
        String::from_utf8(self.bytes(len)?).map(Node::Text).map_err(|_| Fault::Odd("string is not UTF-8"))
    }

    fn line(&mut self) -> std::result::Result<String, Fault> {
        let mut out = Vec::new();
        (&mut self.input).take(1024).read_until(b'\n', &mut out).map_err(|_| Fault::Short)?;
        if out.pop() != Some(b'\n') {
            return Err(Fault::Odd("unterminated line"));
        }
        String::from_utf8(out).map_err(|_| Fault::Odd("line is not UTF-8"))
    }

    fn number(&mut self) -> std::result::Result<u64, Fault> {
        self.line()?.parse().map_err(|_| Fault::Odd("memo index is not a number"))
    }

    /// Runs one instruction; returns the result after the last.
    fn step(&mut self, m: &mut Machine) -> std::result::Result<Option<Id>, Fault> {
        let code = self.byte()?;
        match code {
            b'.' => return m.pop().map(Some),
            0x80 => drop(self.byte()?),       // PROTO
            0x95 => drop(self.array::<8>()?), // FRAME
            b'(' => m.marks.push(m.stack.len()),
            b'0' => drop(m.pop()?),
            b'1' => drop(m.pop_mark()?),
            b'2' => {
                let top = m.top()?;
                m.stack.push(top);
            }
            b'N' => m.push(Node::Other),
            0x88 => m.push(Node::Bool(true)),
            0x89 => m.push(Node::Bool(false)),
            b'K' => {
                let v = self.byte()?;
                m.push(Node::Int(v.into()));
            }
            b'M' => {
                let v = u16::from_le_bytes(self.array()?);
                m.push(Node::Int(v.into()));
            }
            b'J' => {
                let v = i32::from_le_bytes(self.array()?);
                m.push(Node::Int(v.into()));
            }
            0x8a => {
                let len = self.byte()?;
                let bytes = self.bytes(len.into())?;
                m.push(long(&bytes));
            }
            0x8b => {
                let len = self.u32()?;
                let bytes = self.bytes(len)?;
                m.push(long(&bytes));
            }
            b'I' | b'L' => {
                let line = self.line()?;
                m.push(match line.as_str() {
                    "00" => Node::Bool(false),
                    "01" => Node::Bool(true),
                    text => text.trim_end_matches('L').parse().map_or(Node::Other, Node::Int),
                });
            }
            b'F' => {
                self.line()?;
                m.push(Node::Other);
            }
            b'G' => {
                self.array::<8>()?;
                m.push(Node::Other);
            }
            b'U' | 0x8c => {
                let len = self.byte()?;
                let text = self.text(len.into())?;
                m.push(text);
            }
            b'T' | b'X' => {
                let len = self.u32()?;
                let text = self.text(len)?;
                m.push(text);
            }
            0x8d => {
                let len = u64::from_le_bytes(self.array()?);
                let text = self.text(len)?;
                m.push(text);
            }
            b'C' => {
                let len = self.byte()?;
                self.bytes(len.into())?;
                m.push(Node::Other);
            }
            b'B' => {
                let len = self.u32()?;
                self.bytes(len)?;
                m.push(Node::Other);
            }
            b')' | b']' => m.push(Node::Sequence(Vec::new())),
            b'}' => m.push(Node::Dict(Vec::new())),
            b't' | b'l' => {
                let items = m.pop_mark()?;
                m.push(Node::Sequence(items));
            }
            0x85..=0x87 => {
                let from = m.stack.len().checked_sub(usize::from(code - 0x84)).ok_or(Fault::Odd("stack is empty"))?;
                if m.marks.last().is_some_and(|&mark| mark > from) {
                    return Err(Fault::Odd("unexpected mark on the stack"));
                }
                let items = m.stack.split_off(from);
                m.push(Node::Sequence(items));
            }
            b'd' => {
                let items = m.pop_mark()?;
                m.push(Node::Dict(pairs(&items)?));
            }
            b'a' => {
                let item = m.pop()?;
                m.sequence()?.push(item);
            }
            b'e' => {
                let items = m.pop_mark()?;
                m.sequence()?.extend(items);
            }
            b's' => {
                let (value, key) = (m.pop()?, m.pop()?);
                m.dict()?.push((key, value));
            }
            b'u' => {
                let items = pairs(&m.pop_mark()?)?;
                m.dict()?.extend(items);
            }
            b'q' => {
                let at = self.byte()?;
                m.memoise(at.into())?;
            }
            b'r' => {
                let at = self.u32()?;
                m.memoise(at)?;
            }
            b'p' => {
                let at = self.number()?;
                m.memoise(at)?;
            }
            0x94 => m.memoise(m.memo.len() as u64)?,
            b'h' => {
                let at = self.byte()?;
                m.recall(at.into())?;
            }
            b'j' => {
                let at = self.u32()?;
                m.recall(at)?;
            }
            b'g' => {
                let at = self.number()?;
                m.recall(at)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                m.push(Node::Global(global(&module, &name)?));
            }
            0x93 => {
                let (name, module) = (m.pop()?, m.pop()?);
                let (Node::Text(module), Node::Text(name)) = (&m.nodes[module], &m.nodes[name]) else {
                    return Err(Fault::Odd("name of a global is not a string"));
                };
                let global = global(module, name)?;
                m.push(Node::Global(global));
            }
            b'R' => {
                let (arguments, function) = (m.pop()?, m.pop()?);
                let result = m.call(function, arguments)?;
                m.push(result);
            }
            // the state of an object: an OrderedDict has only `_metadata`, which does not concern tensors
            b'b' => {
                m.pop()?;
                m.dict()?;
            }
            b'Q' => {
                let id = m.pop()?;
                let storage = m.storage(id)?;
                m.push(Node::Storage(storage));
            }
            _ => return Err(Fault::Odd("unexpected instruction")),
        }
        Ok(None)
    }
}

/// The reason that a pickle cannot be read.
enum Fault {
    Short,
    Global(String),
    Odd(&'static str),
}

/// A little-endian integer of up to eight bytes.
fn long(bytes: &[u8]) -> Node {
    let fill = if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xff } else { 0 };
    let mut wide = [fill; 8];
    match wide.get_mut(..bytes.len()) {
        Some(low) => {
            low.copy_from_slice(bytes);
            Node::Int(i64::from_le_bytes(wide))
        }
        None => Node::Other,
    }
}

fn pairs(items: &[Id]) -> std::result::Result<Vec<(Id, Id)>, Fault> {
    let (pairs, []) = items.as_chunks::<2>() else { return Err(Fault::Odd("key without a value")) };
    Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
}

fn global(module: &str, name: &str) -> std::result::Result<Global, Fault> {
    let unknown = || Err(Fault::Global(format!("{module}.{name}")));
    Ok(match (module, name) {
        ("collections", "OrderedDict") => Global::OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Global::RebuildTensor,
        ("torch._utils", "_rebuild_parameter") => Global::RebuildParameter,
        ("torch", "Size") => Global::Size,
        ("torch" | "torch.cuda", name) => Global::Storage(match name.strip_suffix("Storage") {
            Some("Half") => Element { size: 2, number: Some(Number::F16) },
            Some("BFloat16") => Element { size: 2, number: Some(Number::Bf16) },
            Some("Float") => Element { size: 4, number: Some(Number::F32) },
            Some("Double") => Element { size: 8, number: Some(Number::F64) },
            Some("Long") => Element { size: 8, number: None },
            Some("Int") => Element { size: 4, number: None },
            Some("Short") => Element { size: 2, number: None },
            Some("Char" | "Byte" | "Bool") => Element { size: 1, number: None },
            _ => return unknown(),
        }),
        _ => return unknown(),
    })
}

struct Machine {
    stack: Vec<Id>,
    /// The stack height at each open mark.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    nodes: Vec<Node>,
    /// Entries copied by calls so far: the only way for a pickle to request more than its length.
    copied: usize,
}

impl Machine {
    fn push(&mut self, node: Node) {
        self.stack.push(self.nodes.len());
        self.nodes.push(node);
    }

    /// The items above the last mark.
    fn above(&self) -> usize {
        self.stack.len() - self.marks.last().copied().unwrap_or(0).min(self.stack.len())
    }

    fn top(&self) -> std::result::Result<Id, Fault> {
        self.stack.last().copied().filter(|_| self.above() > 0).ok_or(Fault::Odd("stack is empty"))
    }

    fn pop(&mut self) -> std::result::Result<Id, Fault> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_mark(&mut self) -> std::result::Result<Vec<Id>, Fault> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len()).ok_or(Fault::Odd("missing mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn sequence(&mut self) -> std::result::Result<&mut Vec<Id>, Fault> {
        let top = self.top()?;
        if let Node::Sequence(items) = &mut self.nodes[top] { Ok(items) } else { Err(Fault::Odd("expected a list")) }
    }

    fn dict(&mut self) -> std::result::Result<&mut Vec<(Id, Id)>, Fault> {
        let top = self.top()?;
        if let Node::Dict(entries) = &mut self.nodes[top] { Ok(entries) } else { Err(Fault::Odd("expected a dict")) }
    }

    fn memoise(&mut self, at: u64) -> std::result::Result<(), Fault> {
        let top = self.top()?;
        self.memo.insert(at, top);
        Ok(())
    }

    fn recall(&mut self, at: u64) -> std::result::Result<(), Fault> {
        let id = *self.memo.get(&at).ok_or(Fault::Odd("undefined memo entry"))?;
        self.stack.push(id);
        Ok(())
    }

    fn items(&self, id: Id) -> std::result::Result<&[Id], Fault> {
        if let Node::Sequence(items) = &self.nodes[id] { Ok(items) } else { Err(Fault::Odd("expected a tuple")) }
    }

    fn natural(&self, id: Id) -> std::result::Result<usize, Fault> {
        let Node::Int(value) = self.nodes[id] else { return Err(Fault::Odd("expected an integer")) };
        usize::try_from(value).map_err(|_| Fault::Odd("negative size"))
    }

    /// The sizes or strides of a tensor.
    fn naturals(&self, id: Id) -> std::result::Result<Vec<usize>, Fault> {
        match self.items(id)? {
            items if items.len() <= MAX_RANK => items.iter().map(|&i| self.natural(i)).collect(),
            _ => Err(Fault::Odd("tensor with too many dimensions")),
        }
    }

    fn copy_of(&mut self, list: Id) -> std::result::Result<Vec<Id>, Fault> {
        let items = self.items(list)?.to_vec();
        self.copied += items.len();
        if self.copied > MAX_ENTRIES { Err(Fault::Odd("too many entries for a state dict")) } else { Ok(items) }
    }

    /// The result of calling one of the known globals.
    fn call(&mut self, function: Id, arguments: Id) -> std::result::Result<Node, Fault> {
        let Node::Global(function) = self.nodes[function] else {
            return Err(Fault::Odd("call of something that is not a global"));
        };
        match (function, self.items(arguments)?) {
            (Global::OrderedDict, []) => Ok(Node::Dict(Vec::new())),
            // Python 2 passes its pairs
            (Global::OrderedDict, &[list]) => {
                let pairs = self.copy_of(list)?;
                let pair = |id| match *self.items(id)? {
                    [key, value] => Ok((key, value)),
                    _ => Err(Fault::Odd("expected a pair")),
                };
                pairs.into_iter().map(pair).collect::<std::result::Result<_, _>>().map(Node::Dict)
            }
            (Global::Size, &[list]) => self.copy_of(list).map(Node::Sequence),
            (Global::RebuildParameter, &[tensor, ..]) => match &self.nodes[tensor] {
                Node::Tensor(tensor) => Ok(Node::Tensor(tensor.clone())),
                _ => Err(Fault::Odd("parameter without a tensor")),
            },
            (Global::RebuildTensor, &[storage, offset, size, stride, ..]) => {
                let Node::Storage(storage) = &self.nodes[storage] else {
                    return Err(Fault::Odd("tensor without a storage"));
                };
                let (size, stride) = (self.naturals(size)?, self.naturals(stride)?);
                if size.len() != stride.len() {
                    return Err(Fault::Odd("different numbers of sizes and strides"));
                }
                Ok(Node::Tensor(Tensor { storage: storage.clone(), offset: self.natural(offset)?, size, stride }))
            }
            _ => Err(Fault::Odd("call with unexpected arguments")),
        }
    }

    /// The storage of `("storage", class, key, device, len)`; in legacy files also a part of it: `(key, start, len)`.
    fn storage(&self, id: Id) -> std::result::Result<Storage, Fault> {
        const ODD: Fault = Fault::Odd("expected a reference to a storage");
        let (kind, class, key, len, part) = match *self.items(id)? {
            [kind, class, key, _, len] => (kind, class, key, len, None),
            [kind, class, key, _, len, part] => (kind, class, key, len, Some(part)),
            _ => return Err(ODD),
        };
        let (Node::Text(kind), Node::Global(Global::Storage(element)), Node::Text(key)) =
            (&self.nodes[kind], &self.nodes[class], &self.nodes[key])
        else {
            return Err(ODD);
        };
        if kind != "storage" || key.len() > MAX_NAME {
            return Err(ODD);
        }
        let (start, len) = match part.map(|part| (part, &self.nodes[part])) {
            None | Some((_, Node::Other)) => (0, self.natural(len)?),
            Some((part, _)) => match *self.items(part)? {
                [_, start, len] => (self.natural(start)?, self.natural(len)?),
                _ => return Err(ODD),
            },
        };
        Ok(Storage { key: key.clone(), element: *element, start, len })
    }
}
