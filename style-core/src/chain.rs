//! The network run forward and backward over one picture size, in as little memory as that takes.
//!
//! Filters are frozen, so backward needs no activations but those at taps, whose loss gradients read them; of every
//! other layer a gate (one bit an element) or switches (two) remain. All else passes through two scratch tensors.
//!
//! The first two convolutions, whose maps are the largest by far, are done band by band where what follows allows it: an
//! average pool taken in, and a tap between them that is content with bands. Only a band of the first one's features and of their
//! gradient exists at a time, and backward computes it again, since that takes little time: it has three channels to read.

use crate::ops::{Conv2d, Epilogue, Part, Pool2d, ReluRule, Rows};
use crate::{Acc, Backend, Error, ErrorKind, Network, PlannedConvolution, Pooling, Result, Shape};

/// What one pass over the chain needs, worked out from shapes alone.
#[derive(Clone, Debug)]
pub(crate) struct ChainPlan {
    steps: Vec<Step>,
    /// Capacities of the two scratch tensors, then the kept activations.
    buffers: Vec<Shape>,
    /// Bytes that the convolutions and the Gram matrices want.
    workspace: usize,
    backward: bool,
    /// Rows of a band, where the first two steps are done in bands: the last buffers hold one, and its gradient.
    band: Option<usize>,
}

/// What a tap is told of: the features, or a band of them.
pub(crate) struct Tapped<'a, B: Backend> {
    /// Which of the caller's taps.
    pub(crate) tap: usize,
    pub(crate) features: &'a B::Tensor,
    /// The rows of the tensor that are this band's own; others are there for its neighbours' sake.
    pub(crate) rows: Rows,
    /// Shape of the whole features.
    pub(crate) whole: Shape,
    pub(crate) first: bool,
    pub(crate) last: bool,
}

/// Which layers, by their positions in the chain, may be tapped band by band.
pub(crate) type InBands<'a> = &'a dyn Fn(usize) -> bool;

#[derive(Clone, Debug)]
struct Step {
    op: Op,
    /// Position of the convolution in the network's chain.
    layer: usize,
    input: Shape,
    output: Shape,
    /// Which buffer the output goes to.
    buffer: usize,
    /// Which of the caller's taps this is.
    tap: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Conv(Conv2d),
    /// A convolution with the average pool behind it taken in.
    ConvPool(Conv2d),
    Pool(Pool2d),
}

/// What backward needs to remember of a step.
enum Memory<B: Backend> {
    Gate(B::Gate),
    Switches(B::Switches),
    Nothing,
}

const SCRATCH: usize = 2;

impl ChainPlan {
    /// Plans passes up to the deepest of `taps` (positions in the chain, ascending); with `backward`, activations at
    /// taps are kept and gates recorded. Without `in_bands` nothing is done in bands.
    pub(crate) fn new<B: Backend>(
        network: &Network<B>,
        image: Shape,
        taps: &[usize],
        pooling: Pooling,
        backward: bool,
        in_bands: Option<InBands<'_>>,
    ) -> Result<Self> {
        let backend = network.backend();
        let buffers = vec![Shape::new(0, 0, 0); SCRATCH];
        let mut plan = Self { steps: vec![], buffers, workspace: 0, backward, band: None };
        let mut shape = image;
        let end = taps.last().map_or(0, |last| last + 1);
        let mut taken_in = false;
        for (i, layer) in network.layers.iter().enumerate().take(end) {
            if std::mem::take(&mut taken_in) {
                continue;
            }
            let Shape { channels, height, width } = shape;
            let op = if layer.filter.is_some() {
                let conv = Conv2d::new(channels, layer.channels, height, width);
                let pool_follows = network.layers.get(i + 1).is_some_and(|l| l.filter.is_none()) && i + 1 < end;
                let free = pooling == Pooling::Average && pool_follows && !taps.contains(&i);
                taken_in = free && backend.conv2d_pools(&conv) && !conv.pooled().is_empty();
                if taken_in { Op::ConvPool(conv) } else { Op::Conv(conv) }
            } else {
                Op::Pool(Pool2d { pooling, channels, height, width })
            };
            let output = match op {
                Op::Conv(op) => op.output(),
                Op::ConvPool(op) => op.pooled(),
                Op::Pool(op) => op.output(),
            };
            if output.is_empty() {
                return Err(Error::new(
                    ErrorKind::Shape,
                    format!(
                        "a {}x{} picture is too small for {}: nothing is left of it there; \
                         use a larger picture or earlier layers",
                        image.width, image.height, layer.name
                    ),
                ));
            }
            let tap = taps.iter().position(|&t| t == if taken_in { i + 1 } else { i });
            plan.steps.push(Step { op, layer: i, input: shape, output, buffer: 0, tap });
            shape = output;
        }
        plan.band = in_bands.and_then(|in_bands| plan.band(backend, in_bands));
        plan.place(backend);
        Ok(plan)
    }

    /// Rows of a band, if the first two steps can be done in bands.
    fn band<B: Backend>(&self, backend: &B, in_bands: InBands<'_>) -> Option<usize> {
        let [first, second, _, ..] = &self.steps[..] else { return None };
        let (Op::Conv(conv), Op::ConvPool(next)) = (&first.op, &second.op) else { return None };
        let allowed = second.tap.is_none() && (first.tap.is_none() || in_bands(first.layer));
        let rows = backend.conv2d_part_rows(conv)?.min(backend.conv2d_part_rows(next)?);
        (allowed && rows < conv.height).then_some(rows)
    }

    /// Which buffer each step's output goes to, and what the buffers and the workspace have to hold.
    fn place<B: Backend>(&mut self, backend: &B) {
        let banded = if self.band.is_some() { 2 } else { 0 };
        let mut scratch = 0;
        for i in banded.max(1) - 1..self.steps.len() {
            let (output, tap) = (self.steps[i].output, self.steps[i].tap);
            self.steps[i].buffer = if tap.is_some() && self.backward {
                self.buffers.push(output);
                self.buffers.len() - 1
            } else {
                scratch = 1 - scratch;
                self.reserve(scratch, output);
                scratch
            };
        }
        if self.backward {
            // Gradients ping-pong as the activations did: step i reads scratch i % 2 and writes the other.
            for i in banded.max(1) - 1..self.steps.len() {
                self.reserve(i % 2, self.steps[i].output);
            }
        }
        if let Some(rows) = self.band {
            self.steps[0].buffer = self.buffers.len();
            let window = Shape { height: rows + 2, ..self.steps[0].output };
            self.buffers.push(window);
            if self.backward {
                self.buffers.push(window);
            }
        }
        let mut want = |bytes: usize| self.workspace = self.workspace.max(bytes);
        for (i, step) in self.steps.iter().enumerate() {
            if let Op::Conv(op) | Op::ConvPool(op) = &step.op {
                match self.band {
                    Some(rows) if i < banded => {
                        // The largest part, not at an edge.
                        let (computed, y) = (Rows { start: 1, end: rows + 3 }, Rows::all(op.output()));
                        let part = Part { computed, x: y, y };
                        want(backend.conv2d_workspace(&Conv2d { part: Some(part), ..*op }));
                    }
                    _ => want(backend.conv2d_workspace(op)),
                }
            }
            if step.tap.is_some() {
                let banded = self.band.filter(|_| i == 0);
                want(
                    backend
                        .gram_workspace(banded.map_or(step.output, |rows| Shape { height: rows + 2, ..step.output })),
                );
            }
        }
    }

    fn reserve(&mut self, buffer: usize, shape: Shape) {
        if shape.len() > self.buffers[buffer].len() {
            self.buffers[buffer] = shape;
        }
    }

    /// Bytes of workspace that the ops of this chain want.
    pub(crate) fn workspace(&self) -> usize {
        self.workspace
    }

    /// Bytes that [`Chain::new`] allocates.
    pub(crate) fn bytes<B: Backend>(&self, backend: &B) -> usize {
        let buffers = self.buffers.iter().map(|&s| backend.tensor_bytes(s));
        let memories = self.steps.iter().filter(|_| self.backward).map(|s| match s.op {
            Op::Conv(op) | Op::ConvPool(op) => backend.gate_bytes(op.output()),
            Op::Pool(Pool2d { pooling: Pooling::Max, .. }) => backend.switches_bytes(s.output),
            Op::Pool(_) => 0,
        });
        buffers.chain(memories).fold(0, usize::saturating_add)
    }

    /// How the convolutions are computed.
    pub(crate) fn convolutions<B: Backend>(&self, network: &Network<B>) -> Vec<PlannedConvolution> {
        let planned = |step: &Step| {
            let (conv, pool_taken_in) = match &step.op {
                Op::Conv(conv) => (conv, false),
                Op::ConvPool(conv) => (conv, true),
                Op::Pool(_) => return None,
            };
            let layer = network.layers.get(step.layer)?.name.clone();
            Some(PlannedConvolution { layer, algorithm: network.backend().conv2d_algorithm(conv), pool_taken_in })
        };
        self.steps.iter().filter_map(planned).collect()
    }

    /// Shape of the features at a tap.
    pub(crate) fn tap_shape(&self, tap: usize) -> Option<Shape> {
        self.steps.iter().find(|s| s.tap == Some(tap)).map(|s| s.output)
    }
}

/// A plan with its memory.
pub(crate) struct Chain<B: Backend> {
    plan: ChainPlan,
    buffers: Vec<B::Tensor>,
    memories: Vec<Memory<B>>,
}

impl<B: Backend> Chain<B> {
    pub(crate) fn new(backend: &B, plan: ChainPlan) -> Result<Self> {
        let buffers = plan.buffers.iter().map(|&s| backend.tensor(s)).collect::<Result<_>>()?;
        let memories = plan
            .steps
            .iter()
            .map(|s| match s.op {
                Op::Conv(op) | Op::ConvPool(op) if plan.backward => Ok(Memory::Gate(backend.gate(op.output())?)),
                Op::Pool(Pool2d { pooling: Pooling::Max, .. }) if plan.backward => {
                    Ok(Memory::Switches(backend.switches(s.output)?))
                }
                _ => Ok(Memory::Nothing),
            })
            .collect::<Result<_>>()?;
        Ok(Self { plan, buffers, memories })
    }

    /// Feeds `image` through the network; `at_tap(tapped, workspace)` is called as each tap, or band of a tap, is reached.
    pub(crate) fn forward(
        &mut self,
        network: &Network<B>,
        image: &B::Tensor,
        workspace: &mut B::Workspace,
        mut at_tap: impl FnMut(&Tapped<'_, B>, &mut B::Workspace) -> Result<()>,
    ) -> Result<()> {
        let backend = network.backend();
        for band in self.plan.bands() {
            self.first_band(network, image, band, true, workspace)?;
            let [first, second, ..] = &self.plan.steps[..] else { return Err(mismatch()) };
            if let Some(tap) = first.tap {
                at_tap(&self.plan.tapped(tap, &self.buffers[first.buffer], band), workspace)?;
            }
            let conv = second.part(band, |wide| Part { computed: band, x: wide, y: Rows::all(second.input) })?;
            let (x, y) = two(&mut self.buffers, first.buffer, second.buffer)?;
            backend.reshape(y, second.output)?;
            let epilogue = match &mut self.memories[1] {
                Memory::Gate(gate) => Epilogue::ReluPoolGate(gate),
                _ => Epilogue::ReluPool,
            };
            backend.conv2d_fwd(&conv, x, filter(network, second.layer)?, epilogue, y, workspace)?;
        }
        let banded = self.plan.banded();
        let mut previous = (banded > 0).then(|| self.plan.steps[banded - 1].buffer);
        for (step, memory) in self.plan.steps.iter().zip(&mut self.memories).skip(banded) {
            let (x, y) = match previous {
                None => (image, &mut self.buffers[step.buffer]),
                Some(input) => {
                    let (x, y) = two(&mut self.buffers, input, step.buffer)?;
                    (&*x, y)
                }
            };
            backend.reshape(y, step.output)?;
            match (&step.op, memory) {
                (Op::Pool(op), Memory::Switches(switches)) => backend.pool2d_fwd(op, x, y, Some(switches))?,
                (Op::Pool(op), _) => backend.pool2d_fwd(op, x, y, None)?,
                (Op::Conv(op), memory) => {
                    let epilogue = match memory {
                        Memory::Gate(gate) => Epilogue::ReluGate(gate),
                        _ => Epilogue::Relu,
                    };
                    backend.conv2d_fwd(op, x, filter(network, step.layer)?, epilogue, y, workspace)?;
                }
                (Op::ConvPool(op), memory) => {
                    let epilogue = match memory {
                        Memory::Gate(gate) => Epilogue::ReluPoolGate(gate),
                        _ => Epilogue::ReluPool,
                    };
                    backend.conv2d_fwd(op, x, filter(network, step.layer)?, epilogue, y, workspace)?;
                }
            }
            if let Some(tap) = step.tap {
                at_tap(&Tapped::whole(tap, y, step.output), workspace)?;
            }
            previous = Some(step.buffer);
        }
        Ok(())
    }

    /// The first step for a band and a row on each side of it, to a buffer; with or without its gate.
    fn first_band(
        &mut self,
        network: &Network<B>,
        image: &B::Tensor,
        band: Rows,
        record: bool,
        workspace: &mut B::Workspace,
    ) -> Result<()> {
        let step = self.plan.steps.first().ok_or_else(mismatch)?;
        let conv = step.part(band, |wide| Part { computed: wide, x: Rows::all(step.input), y: wide })?;
        let y = &mut self.buffers[step.buffer];
        network.backend().reshape(y, conv.y(false))?;
        let epilogue = match &mut self.memories[0] {
            Memory::Gate(gate) if record => Epilogue::ReluGate(gate),
            _ => Epilogue::Relu,
        };
        network.backend().conv2d_fwd(&conv, image, filter(network, step.layer)?, epilogue, y, workspace)
    }

    /// The image gradient of a loss on the taps (or what `rule` makes of it), after [`forward`](Chain::forward) on the same
    /// image: `add_tap(tapped, acc, dfeatures, workspace)` does `dfeatures (=|+=) dloss/dfeatures`, in a band for all rows
    /// of the tensor.
    pub(crate) fn backward(
        &mut self,
        network: &Network<B>,
        rule: ReluRule,
        image: &B::Tensor,
        dimage: &mut B::Tensor,
        workspace: &mut B::Workspace,
        mut add_tap: impl FnMut(&Tapped<'_, B>, Acc, &mut B::Tensor, &mut B::Workspace) -> Result<()>,
    ) -> Result<()> {
        let backend = network.backend();
        let mut acc = Acc::Store;
        let banded = self.plan.banded();
        for (i, (step, memory)) in self.plan.steps.iter().zip(&self.memories).enumerate().skip(banded).rev() {
            if let Some(tap) = step.tap {
                let (dy, features) = two(&mut self.buffers, i % 2, step.buffer)?;
                backend.reshape(dy, step.output)?;
                add_tap(&Tapped::whole(tap, features, step.output), acc, dy, workspace)?;
            }
            acc = Acc::Add;
            if rule != ReluRule::Gradient && !matches!(step.op, Op::Pool(_)) {
                backend.rectify(&mut self.buffers[i % 2])?;
            }
            let (dy, dx) = if i == 0 {
                (&self.buffers[0], &mut *dimage)
            } else {
                let (dy, dx) = two(&mut self.buffers, i % 2, 1 - i % 2)?;
                (&*dy, dx)
            };
            backend.reshape(dx, step.input)?;
            match (&step.op, memory) {
                (Op::Pool(op), Memory::Switches(switches)) => {
                    backend.pool2d_bwd(op, dy, Some(switches), Acc::Store, dx)?;
                }
                (Op::Pool(op), _) => backend.pool2d_bwd(op, dy, None, Acc::Store, dx)?,
                (Op::Conv(op) | Op::ConvPool(op), memory) => {
                    let gate = memory.gate(rule);
                    backend.conv2d_bwd(op, dy, gate, filter(network, step.layer)?, Acc::Store, dx, workspace)?;
                }
            }
        }
        if banded > 0 && rule != ReluRule::Gradient {
            backend.rectify(&mut self.buffers[1])?;
        }
        for band in self.plan.bands() {
            self.first_band(network, image, band, false, workspace)?;
            let [first, second, ..] = &self.plan.steps[..] else { return Err(mismatch()) };
            let window = self.buffers.len() - 1;
            let conv = second.part(band, |wide| Part { computed: wide, x: wide, y: Rows::all(second.input) })?;
            let (dy, dx) = two(&mut self.buffers, 1, window)?;
            backend.reshape(dx, conv.x())?;
            let gate = self.memories[1].gate(rule);
            backend.conv2d_bwd(&conv, dy, gate, filter(network, second.layer)?, Acc::Store, dx, workspace)?;
            if let Some(tap) = first.tap {
                let (features, dy) = two(&mut self.buffers, first.buffer, window)?;
                add_tap(&self.plan.tapped(tap, features, band), Acc::Add, dy, workspace)?;
            }
            if rule != ReluRule::Gradient {
                backend.rectify(&mut self.buffers[window])?;
            }
            let conv = first.part(band, |wide| Part { computed: band, x: Rows::all(first.input), y: wide })?;
            let (dy, gate) = (&self.buffers[window], self.memories[0].gate(rule));
            backend.conv2d_bwd(&conv, dy, gate, filter(network, first.layer)?, Acc::Store, dimage, workspace)?;
        }
        Ok(())
    }
}

impl<B: Backend> Memory<B> {
    /// The gate that a signal on its way back passes.
    fn gate(&self, rule: ReluRule) -> Option<&B::Gate> {
        match self {
            Self::Gate(gate) if rule != ReluRule::Deconvnet => Some(gate),
            _ => None,
        }
    }
}

impl<'a, B: Backend> Tapped<'a, B> {
    fn whole(tap: usize, features: &'a B::Tensor, shape: Shape) -> Self {
        Self { tap, features, rows: Rows::all(shape), whole: shape, first: true, last: true }
    }
}

impl ChainPlan {
    /// How many steps are done in bands.
    fn banded(&self) -> usize {
        if self.band.is_some() { 2 } else { 0 }
    }

    /// The bands, from the top; none where nothing is done in bands.
    fn bands(&self) -> impl Iterator<Item = Rows> + use<> {
        let height = self.steps.first().filter(|_| self.band.is_some()).map_or(0, |s| s.output.height);
        let rows = self.band.unwrap_or(1).max(1);
        (0..height).step_by(rows).map(move |start| Rows { start, end: height.min(start + rows) })
    }

    /// A band of the first step's features.
    fn tapped<'a, B: Backend>(&self, tap: usize, features: &'a B::Tensor, band: Rows) -> Tapped<'a, B> {
        let whole = self.steps[0].output;
        let start = band.start - band.widened(1, whole.height).start;
        let rows = Rows { start, end: start + band.len() };
        Tapped { tap, features, rows, whole, first: band.start == 0, last: band.end == whole.height }
    }
}

impl Step {
    /// The convolution that this step is.
    fn part(&self, band: Rows, part: impl FnOnce(Rows) -> Part) -> Result<Conv2d> {
        match self.op {
            Op::Conv(conv) | Op::ConvPool(conv) => {
                Ok(Conv2d { part: Some(part(band.widened(1, conv.height))), ..conv })
            }
            Op::Pool(_) => Err(mismatch()),
        }
    }
}

fn filter<B: Backend>(network: &Network<B>, layer: usize) -> Result<&B::Filter> {
    network.layers.get(layer).and_then(|l| l.filter.as_ref()).ok_or_else(mismatch)
}

/// Two different buffers at once.
fn two<T>(buffers: &mut [T], a: usize, b: usize) -> Result<(&mut T, &mut T)> {
    buffers.get_disjoint_mut([a, b]).map(|[a, b]| (a, b)).map_err(|_| mismatch())
}

fn mismatch() -> Error {
    Error::new(ErrorKind::Argument, "this chain was planned for another network")
}
