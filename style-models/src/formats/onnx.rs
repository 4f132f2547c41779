//! ONNX: a `ModelProto` in the Protocol Buffers wire format (`onnx/onnx.proto`), whose graph identifies each layer's
//! tensors.
//!
//! Names carry little information: exporters write `features.0.weight`, `onnx::Conv_57`,
//! `functional_1/block1_conv1_1/...`. So the chain is followed from the graph's input, and a convolution's position
//! follows from the pools. The result has the same form as what [`crate::naming`] finds for other formats. Values stay
//! in the file until they are needed.
//!
//! | message | fields |
//! |---|---|
//! | `ModelProto` | `producer_name` = 2, `graph` = 7 |
//! | `GraphProto` | `node` = 1, `initializer` = 5, `input` = 11 (`ValueInfoProto`, `name` = 1) |
//! | `NodeProto` | `input`, `output`, `name`, `op_type`, `attribute`, (no 6), `domain` = 1 to 7 |
//! | `AttributeProto` | `name` = 1, `i` = 3, `s` = 4, `t` = 5, `ints` = 8 |
//! | `TensorProto` | `dims` = 1, `data_type` = 2, `float_data` = 4, `name` = 8, `raw_data` = 9, `double_data` = 10, `external_data` = 13, `data_location` = 14 |
//!
//! Filters are [O, I, H, W], applied as cross-correlation. Only the chain is inspected: graphs inside attributes (of
//! loops and branches) are skipped, so there is no recursion.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use style_core::{Error, Result};

use super::wire::{Body, Field, Values, Walk};
use crate::naming::{Key, Names, Naming};
use crate::source::Source;
use crate::tensors::{Number, Tensors, show};

/// A VGG with its classifier has about sixty nodes and forty tensors.
const MAX_NODES: usize = 4096;
const MAX_TENSORS: usize = 4096;
/// The most inputs from which a chain is searched.
const MAX_INPUTS: usize = 16;
/// The most inputs or outputs of a node.
const MAX_ENDS: usize = 64;
const MAX_INTS: usize = 8;
/// The most Identity nodes between a tensor and its convolution.
const MAX_HOPS: usize = 16;
const MAX_NAME: u64 = 1024;
/// Only a classifier follows the fifth pool, if anything.
const POOLS: usize = 5;

/// An opened model.
pub(crate) struct Onnx {
    source: Source,
    tensors: BTreeMap<String, Tensor>,
    chain: Chain,
    producer: String,
}

/// The chain found from an input.
#[derive(Default)]
struct Chain {
    /// Its convolutions by block and index.
    convs: BTreeMap<Key, Names>,
    /// The node of the first convolution.
    first: String,
}

#[derive(Default)]
struct Tensor {
    /// The shape, and the values in typed fields.
    values: Values,
    kind: u64,
    /// The location of `raw_data`: offset and length.
    raw: Option<(u64, u64)>,
    external: bool,
}

#[derive(Default)]
struct Node {
    name: String,
    op: String,
    foreign: bool,
    inputs: Vec<String>,
    outputs: Vec<String>,
    kernel: Option<Vec<u64>>,
    strides: Option<Vec<u64>>,
    pads: Option<Vec<u64>>,
    dilations: Option<Vec<u64>>,
    group: Option<u64>,
    same: bool,
}

/// A node's role in the chain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Op {
    Conv,
    Relu,
    Pool,
    /// Changes no value that matters here.
    Through,
    Other,
}

impl Node {
    fn op(&self) -> Op {
        match self.op.as_str() {
            _ if self.foreign => Op::Other,
            "Conv" => Op::Conv,
            "Relu" => Op::Relu,
            "MaxPool" | "AveragePool" => Op::Pool,
            "Identity" | "Dropout" | "Transpose" => Op::Through,
            _ => Op::Other,
        }
    }

    /// For example `Conv /features/0/Conv`, for messages.
    fn show(&self) -> String {
        format!(
            "{} {}",
            self.op,
            if self.name.is_empty() { self.outputs.first() } else { Some(&self.name) }.map_or("", |n| n)
        )
    }
}

/// Whether the first bytes belong to a model: `ir_version`, then fields that can follow, up to the graph. This rejects
/// Caffe's networks and TensorFlow's saved models, which also use Protocol Buffers.
pub(crate) fn is_onnx(head: &[u8]) -> bool {
    let [0x08, 1..=99, rest @ ..] = head else { return false };
    let mut rest = rest;
    while let [tag, body @ ..] = rest {
        let Some(len) = body.iter().take(10).position(|b| b & 0x80 == 0) else { return body.len() < 10 };
        let (number, after) = body.split_at(len + 1);
        let number = number.iter().rev().fold(0_u64, |n, b| n << 7 | u64::from(b & 0x7f));
        rest = match tag {
            // the producer's name and version, domain, doc_string
            0x12 | 0x1a | 0x22 | 0x32 => {
                let (text, after) = after.split_at(after.len().min(usize::try_from(number).unwrap_or(usize::MAX)));
                if *tag != 0x32 && !text.iter().all(|b| (b' '..=b'~').contains(b)) {
                    return false;
                }
                after
            }
            // model_version
            0x28 => after,
            // opset_import: its domain, its version
            0x42 => return matches!(after, [0x0a | 0x10, ..] | []),
            // the graph: a node, its name, a tensor, or another field that can come first
            0x3a => return matches!(after, [0x0a | 0x12 | 0x2a | 0x52 | 0x5a | 0x62 | 0x6a, ..] | []),
            _ => return false,
        };
    }
    head.len() > 2
}

impl Onnx {
    pub(crate) fn open(source: &Source) -> Result<Self> {
        let mut walk = Walk::new(source, "ONNX file");
        let (mut graph, mut producer) = (None, String::new());
        while walk.at < source.len() {
            match walk.field(source.len())? {
                Field { number: 2, body: Body::Len(to) } if to - walk.at <= MAX_NAME => {
                    producer = walk.text(to, MAX_NAME, "producer name")?;
                }
                Field { number: 7, body: Body::Len(to) } => {
                    if graph.is_some() {
                        return Err(walk.fault("second graph"));
                    }
                    graph = Some(Graph::read(&mut walk, to)?);
                }
                other => walk.pass(&other)?,
            }
        }
        let Some(graph) = graph else {
            return Err(source.bad("the ONNX file has no graph; it is damaged or truncated, download it again"));
        };
        let chain = graph.chain(source)?;
        Ok(Self { source: source.clone(), tensors: graph.tensors, chain, producer })
    }
}

impl Tensors for Onnx {
    fn list(&self) -> Vec<(&str, &[usize])> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.values.shape.as_slice())).collect()
    }

    fn naming(&self) -> Option<Naming> {
        Some(Naming::of_graph(self.chain.convs.clone(), &self.chain.first, &self.producer))
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>> {
        let Some(tensor) = self.tensors.get(name) else {
            return Err(self.source.bad(format!("{name} is missing")));
        };
        if tensor.external {
            return Err(self.source.bad(format!(
                "{name} is stored in another file (external data), which is not supported; write a single file with \
                 onnx.save(onnx.load('model.onnx'), 'whole.onnx') in Python"
            )));
        }
        let Some(number) = number(tensor.kind) else {
            return Err(self.source.bad(format!(
                "expected FLOAT (1), FLOAT16 (10), DOUBLE (11) or BFLOAT16 (16) in {name}, found ONNX data type {}",
                tensor.kind
            )));
        };
        match tensor.raw {
            Some((offset, len)) if len % number.size() as u64 == 0 => {
                Values::at(tensor.values.shape.clone(), offset, len, number).read(&self.source, name)
            }
            Some(_) => Err(self.source.bad(format!("{name} has an incomplete value; download the file again"))),
            None if number.size() == 2 => Err(self.source.bad(format!(
                "{name} stores 16-bit values in int32_data, which is not supported; store them in raw_data, as \
                 onnx.numpy_helper.from_array does"
            ))),
            None => tensor.values.read(&self.source, name),
        }
    }
}

/// `TensorProto.DataType`.
fn number(kind: u64) -> Option<Number> {
    match kind {
        1 => Some(Number::F32),
        10 => Some(Number::F16),
        11 => Some(Number::F64),
        16 => Some(Number::Bf16),
        _ => None,
    }
}

#[derive(Default)]
struct Graph {
    nodes: Vec<Node>,
    tensors: BTreeMap<String, Tensor>,
    inputs: Vec<String>,
}

impl Graph {
    fn read(walk: &mut Walk, end: u64) -> Result<Self> {
        let mut graph = Self::default();
        while walk.at < end {
            let field = walk.field(end)?;
            match (field.number, &field.body) {
                (1, &Body::Len(to)) => {
                    let (node, constant) = node(walk, to)?;
                    if let (Some(tensor), Some(name)) = (constant, node.outputs.first()) {
                        let name = name.clone();
                        graph.keep(walk, name, tensor)?;
                    }
                    graph.nodes.push(node);
                }
                (5, &Body::Len(to)) => {
                    let (name, tensor) = tensor(walk, to)?;
                    graph.keep(walk, name, tensor)?;
                }
                (11, &Body::Len(to)) => {
                    let name = value_info(walk, to)?;
                    graph.inputs.push(name);
                }
                _ => walk.pass(&field)?,
            }
            if graph.nodes.len() > MAX_NODES || graph.inputs.len() > MAX_TENSORS {
                return Err(walk.source.bad(format!(
                    "the graph has more than {MAX_NODES} nodes, but a VGG has about sixty; use a VGG-16 or VGG-19 file"
                )));
            }
        }
        Ok(graph)
    }

    fn keep(&mut self, walk: &Walk, name: String, tensor: Tensor) -> Result<()> {
        if self.tensors.len() >= MAX_TENSORS {
            return Err(walk.source.bad(format!(
                "the graph has more than {MAX_TENSORS} tensors, but a VGG has about forty; use a VGG-16 or VGG-19 file"
            )));
        }
        match self.tensors.entry(name) {
            Entry::Vacant(place) => place.insert(tensor),
            Entry::Occupied(place) => {
                let name = place.key();
                return Err(walk.source.bad(format!("duplicate tensor {name:?}; download the file again")));
            }
        };
        Ok(())
    }

    /// The convolutions of the chain from the graph's input.
    fn chain(&self, source: &Source) -> Result<Chain> {
        let mut consumers: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        let mut makers: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, node) in self.nodes.iter().enumerate() {
            for input in &node.inputs {
                consumers.entry(input.as_str()).or_default().insert(at);
            }
            for output in &node.outputs {
                makers.insert(output.as_str(), at);
            }
        }
        let follow = Follow { graph: self, source, consumers, makers };
        // Older files list every tensor among the inputs.
        let mut inputs = self.inputs.iter().filter(|name| !self.tensors.contains_key(*name)).take(MAX_INPUTS);
        let mut result = inputs.next().map(|input| follow.chain(input));
        for input in inputs {
            if matches!(result, Some(Ok(_))) {
                break;
            }
            result = result.map(|first| follow.chain(input).or(first));
        }
        result.unwrap_or_else(|| Err(source.bad("the graph has no input; use a VGG-16 or VGG-19 file")))
    }
}

/// State of the walk through the graph.
struct Follow<'a> {
    graph: &'a Graph,
    source: &'a Source,
    /// For each value, the nodes that read it.
    consumers: BTreeMap<&'a str, BTreeSet<usize>>,
    /// For each value, the node that produces it.
    makers: BTreeMap<&'a str, usize>,
}

impl<'a> Follow<'a> {
    fn chain(&self, input: &'a str) -> Result<Chain> {
        let mut chain = Chain::default();
        let (mut value, mut block, mut index) = (input, 1, 0);
        // The last convolution, if no ReLU has followed yet; and a pool that VGG does not have.
        let (mut bare, mut odd): (Option<&Node>, Option<&Node>) = (None, None);
        let mut stop = None;
        // Each value once, so a cycle terminates.
        let mut seen = BTreeSet::new();
        while seen.insert(value) {
            let (next, other) = self.next(value)?;
            let Some(node) = next else {
                stop = other;
                break;
            };
            match node.op() {
                Op::Conv => {
                    if let Some(before) = bare {
                        return Err(self.unfit(node, &format!("no ReLU between it and {}", before.show())));
                    }
                    if let Some(pool) = odd {
                        let [size, stride] =
                            [&pool.kernel, &pool.strides].map(|s| s.as_deref().map_or("none".into(), of));
                        return Err(self.unfit(
                            node,
                            &format!(
                                "expected a 2x2 pool with stride 2x2 before it, found {} (size {size}, stride {stride})",
                                pool.show()
                            ),
                        ));
                    }
                    index += 1;
                    if chain.convs.is_empty() {
                        chain.first.clone_from(&node.name);
                    }
                    chain.convs.insert(Key::Named(block, index), self.convolution(node)?);
                    bare = Some(node);
                }
                Op::Relu => bare = None,
                Op::Pool => {
                    if block == POOLS {
                        return Ok(chain);
                    }
                    let two = |sizes: &Option<Vec<u64>>| sizes.as_deref() == Some(&[2, 2]);
                    odd = odd.or((!two(&node.kernel) || !two(&node.strides)).then_some(node));
                    (block, index) = (block + 1, 0);
                }
                Op::Through | Op::Other => {}
            }
            let Some(output) = node.outputs.first() else { break };
            value = output;
        }
        let found = chain.convs.len();
        // Otherwise the chain ends here: a file may hold only the first layers.
        if let Some(node) = stop.filter(|_| found == 0 || self.count() > found) {
            let place = if found == 0 { format!("input {input}") } else { format!("convolution {found}") };
            return Err(self.source.bad(format!(
                "unexpected {} after {place}{}; the network is not a plain VGG (batch normalisation and input normalisation \
                 inside the graph are not supported), use a VGG-16 or VGG-19 file",
                node.show(),
                if found == 0 { "" } else { " and before further convolutions" },
            )));
        }
        if found == 0 {
            return Err(self
                .source
                .bad(format!("no convolution follows the input {input}; use a VGG-16 or VGG-19 file")));
        }
        Ok(chain)
    }

    /// The chain's node that reads a value; if there is none, another node that reads it.
    fn next(&self, value: &str) -> Result<(Option<&'a Node>, Option<&'a Node>)> {
        let none = BTreeSet::new();
        let readers = self.consumers.get(value).unwrap_or(&none).iter().filter_map(|&at| self.graph.nodes.get(at));
        let (links, others): (Vec<&Node>, Vec<&Node>) =
            readers.partition(|node| node.op() != Op::Other && node.inputs.first().is_some_and(|i| i == value));
        let mut links = links;
        if links.len() > 1 {
            // Outputs and side branches
            links.retain(|node| match node.op() {
                Op::Conv => self.weight(node).is_some_and(|t| t.values.shape.ends_with(&[3, 3])),
                op => op != Op::Through,
            });
            if links.len() != 1 {
                return Err(self
                    .source
                    .bad(format!("the graph branches at {value}, but VGG is a chain; use a VGG-16 or VGG-19 file")));
            }
        }
        Ok((links.first().copied(), others.first().copied()))
    }

    /// The name of the tensor behind a value, possibly through Identity nodes.
    fn stored(&self, value: &'a str) -> Option<&'a str> {
        let mut value = value;
        for _ in 0..=MAX_HOPS {
            if self.graph.tensors.contains_key(value) {
                return Some(value);
            }
            let maker = self.graph.nodes.get(*self.makers.get(value)?)?;
            if maker.op != "Identity" || maker.foreign {
                return None;
            }
            value = maker.inputs.first()?;
        }
        None
    }

    fn weight(&self, node: &'a Node) -> Option<&'a Tensor> {
        self.graph.tensors.get(self.stored(node.inputs.get(1)?)?)
    }

    /// The number of VGG-like convolutions in the whole graph.
    fn count(&self) -> usize {
        let convs = self.graph.nodes.iter().filter(|node| node.op() == Op::Conv);
        convs.filter(|node| self.weight(node).is_some_and(|t| t.values.shape.ends_with(&[3, 3]))).count()
    }

    /// The tensors of a convolution, which must have VGG's form.
    fn convolution(&self, node: &'a Node) -> Result<Names> {
        let stored =
            |at: usize| node.inputs.get(at).filter(|name| !name.is_empty()).map(|name| (name, self.stored(name)));
        let computed = |what: &str, name: &str| {
            self.unfit(
                node,
                &format!("its {what} {name} are computed in the graph; simplify the model, for example with onnxsim"),
            )
        };
        let weight = match stored(1) {
            Some((_, Some(weight))) => weight,
            Some((name, None)) => return Err(computed("filters", name)),
            None => return Err(self.unfit(node, "it has no filters")),
        };
        let bias = match stored(2) {
            Some((_, Some(bias))) => bias,
            Some((name, None)) => return Err(computed("biases", name)),
            None => return Err(self.unfit(node, "it has no bias, perhaps because batch normalisation follows")),
        };
        let shape = self.graph.tensors.get(weight).map(|t| t.values.shape.as_slice()).unwrap_or_default();
        let is = |sizes: &Option<Vec<u64>>, expected: &[u64], absent: bool| match sizes {
            Some(sizes) => sizes == expected,
            None => absent,
        };
        if shape.len() != 4 || !shape.ends_with(&[3, 3]) || !is(&node.kernel, &[3, 3], true) {
            return Err(self.unfit(node, &format!("its filters {weight} are {}, not 3x3", show(shape))));
        }
        if !is(&node.strides, &[1, 1], true) {
            return Err(
                self.unfit(node, &format!("its stride is {}, not 1", of(node.strides.as_deref().unwrap_or_default())))
            );
        }
        if !node.same && !is(&node.pads, &[1, 1, 1, 1], false) {
            let pads = node.pads.as_deref().map_or("none".into(), of);
            return Err(self.unfit(node, &format!("its padding is {pads}, not 1 on each side")));
        }
        if !is(&node.dilations, &[1, 1], true) || node.group.is_some_and(|group| group != 1) {
            return Err(self.unfit(node, "it is dilated or grouped"));
        }
        Ok(Names { weight: Some(weight.into()), bias: Some(bias.into()) })
    }

    fn unfit(&self, node: &Node, why: &str) -> Error {
        self.source.bad(format!(
            "{} is not a convolution of VGG: {why}; use a VGG-16 or VGG-19 file as published",
            node.show()
        ))
    }
}

/// Formats sizes for messages.
fn of(sizes: &[u64]) -> String {
    sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

/// A node that ends at `end`, and its tensor if it is a constant.
fn node(walk: &mut Walk, end: u64) -> Result<(Node, Option<Tensor>)> {
    let mut node = Node::default();
    let mut constant = None;
    while walk.at < end {
        let field = walk.field(end)?;
        match (field.number, &field.body) {
            (1, &Body::Len(to)) => node.inputs.push(walk.text(to, MAX_NAME, "value name")?),
            (2, &Body::Len(to)) => node.outputs.push(walk.text(to, MAX_NAME, "value name")?),
            (3, &Body::Len(to)) => node.name = walk.text(to, MAX_NAME, "node name")?,
            (4, &Body::Len(to)) => node.op = walk.text(to, MAX_NAME, "operator name")?,
            (5, &Body::Len(to)) => {
                if let Some(tensor) = attribute(walk, to, &mut node)? {
                    constant = Some(tensor);
                }
            }
            (7, &Body::Len(to)) => {
                let domain = walk.text(to, MAX_NAME, "domain name")?;
                node.foreign = !matches!(domain.as_str(), "" | "ai.onnx");
            }
            _ => walk.pass(&field)?,
        }
        if node.inputs.len() > MAX_ENDS || node.outputs.len() > MAX_ENDS {
            return Err(walk.source.bad(format!(
                "a node has more than {MAX_ENDS} inputs or outputs, which no VGG has; use a VGG-16 or VGG-19 file"
            )));
        }
    }
    let constant = constant.filter(|_| node.op == "Constant" && !node.foreign);
    Ok((node, constant))
}

/// Reads an attribute into its node; returns the tensor of a constant.
fn attribute(walk: &mut Walk, end: u64, node: &mut Node) -> Result<Option<Tensor>> {
    let (mut name, mut text, mut value) = (String::new(), String::new(), None);
    let (mut int, mut ints) = (0, Vec::new());
    while walk.at < end {
        let field = walk.field(end)?;
        match (field.number, &field.body) {
            (1, &Body::Len(to)) => name = walk.text(to, MAX_NAME, "attribute name")?,
            (3, &Body::Varint(i)) => int = i,
            // arbitrary bytes; only short values matter
            (4, &Body::Len(to)) if to - walk.at <= 16 => {
                text = String::from_utf8_lossy(&walk.source.read(walk.at, to - walk.at)?).into_owned();
                walk.jump(to)?;
            }
            (5, &Body::Len(to)) => value = Some(tensor(walk, to)?.1),
            // at most one more than the limit of a long list
            (8, &Body::Varint(i)) => ints.extend((ints.len() <= MAX_INTS).then_some(i)),
            (8, &Body::Len(to)) => {
                while walk.at < to && ints.len() <= MAX_INTS {
                    ints.push(walk.varint(to)?);
                }
                walk.jump(to)?;
            }
            _ => walk.pass(&field)?,
        }
    }
    match name.as_str() {
        "kernel_shape" => node.kernel = Some(ints),
        "strides" => node.strides = Some(ints),
        "pads" => node.pads = Some(ints),
        "dilations" => node.dilations = Some(ints),
        "group" => node.group = Some(int),
        "auto_pad" => node.same = matches!(text.as_str(), "SAME_UPPER" | "SAME_LOWER"),
        "value" => return Ok(value),
        _ => {}
    }
    Ok(None)
}

/// A tensor that ends at `end`, and its name.
fn tensor(walk: &mut Walk, end: u64) -> Result<(String, Tensor)> {
    let (mut name, mut tensor) = (String::new(), Tensor::default());
    while walk.at < end {
        let field = walk.field(end)?;
        match (field.number, &field.body) {
            (1, body) => walk.sizes(body, &mut tensor.values.shape)?,
            (2, &Body::Varint(kind)) => tensor.kind = kind,
            (4, body) => tensor.values.add(walk, body, Number::F32)?,
            (8, &Body::Len(to)) => name = walk.text(to, MAX_NAME, "tensor name")?,
            (9, &Body::Len(to)) => {
                tensor.raw = Some((walk.at, to - walk.at));
                walk.jump(to)?;
            }
            (10, body) => tensor.values.add(walk, body, Number::F64)?,
            (13, _) => {
                tensor.external = true;
                walk.pass(&field)?;
            }
            (14, &Body::Varint(location)) => tensor.external |= location != 0,
            _ => walk.pass(&field)?,
        }
    }
    Ok((name, tensor))
}

/// The name of a graph's input.
fn value_info(walk: &mut Walk, end: u64) -> Result<String> {
    let mut name = String::new();
    while walk.at < end {
        match walk.field(end)? {
            Field { number: 1, body: Body::Len(to) } => name = walk.text(to, MAX_NAME, "input name")?,
            other => walk.pass(&other)?,
        }
    }
    Ok(name)
}
