//! The network run forward and backward over pictures of a few sizes, in as little memory as that takes.
//!
//! Filters are frozen, so backward needs no activations but those at taps, whose loss gradients read them; of every
//! other layer a gate (one bit an element) or switches (two) remain. All else passes through two scratch tensors.
//!
//! Two convolutions with an average pool taken in behind them, and a tap between them that is content with bands, may be
//! done band by band. Only a band of the first one's features and of their gradient exists at a time, and backward
//! computes it again. So it is with the first two, whose maps are the largest by far and whose first takes little time:
//! it has three channels to read; and with the second two where the picture is so large that memory is worth the time.

use std::sync::Arc;

use crate::ops::{Conv2d, Epilogue, Padding, Part, Pool2d, ReluRule, Rows};
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
    /// The pairs of steps that are done in bands.
    banded: Vec<Banded>,
}

/// Two steps that are done in bands.
#[derive(Clone, Copy, Debug)]
struct Banded {
    /// The first of the two.
    step: usize,
    /// Rows of a band.
    rows: usize,
}

/// From so many bytes on, tapped features are worth being computed twice so that only a band of them is kept.
const LARGE: usize = 64 << 20;

/// What a tap is told of: the features, or a band of them.
pub(crate) struct Tapped<'a, B: Backend> {
    /// Which of the caller's taps.
    pub(crate) tap: usize,
    pub(crate) features: &'a B::Tensor,
    /// The rows of the features that are this band's own.
    pub(crate) band: Rows,
    /// The rows that the tensor holds: these, and others for the band's neighbours' sake.
    pub(crate) held: Rows,
    /// Shape of the whole features.
    pub(crate) whole: Shape,
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
    /// Which buffer the output goes to, and which its gradient.
    buffer: usize,
    gradient: usize,
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
    /// taps are kept and gates recorded. The padding is that of the first convolution, which reads the picture; others
    /// have zeros. Without `in_bands` nothing is done in bands.
    pub(crate) fn new<B: Backend>(
        network: &Network<B>,
        image: Shape,
        taps: &[usize],
        pooling: Pooling,
        padding: Padding,
        backward: bool,
        in_bands: Option<InBands<'_>>,
    ) -> Result<Self> {
        let backend = network.backend();
        let buffers = vec![Shape::new(0, 0, 0); SCRATCH];
        let mut plan = Self { steps: vec![], buffers, workspace: 0, backward, banded: vec![] };
        let mut shape = image;
        let end = taps.last().map_or(0, |last| last + 1);
        let mut taken_in = false;
        for (i, layer) in network.layers.iter().enumerate().take(end) {
            if std::mem::take(&mut taken_in) {
                continue;
            }
            let Shape { channels, height, width } = shape;
            let op = if layer.filter.is_some() {
                let padding = if i == 0 { padding } else { Padding::Zero };
                let conv = Conv2d::new(channels, layer.channels, height, width).with_padding(padding);
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
                let least = 1 << network.pools_before(end - 1).min(31);
                return Err(Error::new(
                    ErrorKind::TooSmall { least },
                    format!(
                        "{}x{} pixels are too small for {}, which needs {least}x{least}; \
                         use a larger picture or earlier layers",
                        image.width,
                        image.height,
                        network.layers[end - 1].name
                    ),
                ));
            }
            let tap = taps.iter().position(|&t| t == if taken_in { i + 1 } else { i });
            plan.steps.push(Step { op, layer: i, input: shape, output, buffer: 0, gradient: 0, tap });
            shape = output;
        }
        if let Some(in_bands) = in_bands {
            plan.banded = (0..plan.steps.len()).filter_map(|i| plan.band(backend, i, in_bands)).collect();
        }
        plan.place(backend);
        Ok(plan)
    }

    /// Whether step `i` and the next are done in bands.
    fn band<B: Backend>(&self, backend: &B, i: usize, in_bands: InBands<'_>) -> Option<Banded> {
        let [first, second, _, ..] = &self.steps[i..] else { return None };
        let (Op::Conv(conv), Op::ConvPool(next)) = (&first.op, &second.op) else { return None };
        let allowed = second.tap.is_none() && (first.tap.is_none() || in_bands(first.layer));
        // What it is computed from is kept instead: that pays where the features would be kept too, for a tap.
        let worthwhile = i == 0 || first.tap.is_some() && backend.features_bytes(first.output) >= LARGE;
        let rows = backend.conv2d_part_rows(conv)?.min(backend.conv2d_part_rows(next)?);
        (allowed && worthwhile && rows < conv.height).then_some(Banded { step: i, rows })
    }

    /// The pair whose first or second step this is.
    fn banded(&self, i: usize) -> Option<Banded> {
        self.banded.iter().copied().find(|b| b.step == i || b.step + 1 == i)
    }

    /// Which buffer each step's output goes to, and what the buffers and the workspace have to hold.
    fn place<B: Backend>(&mut self, backend: &B) {
        let mut scratch = 0;
        for i in 0..self.steps.len() {
            let Step { output, tap, .. } = self.steps[i];
            let window = self.banded(i).filter(|b| b.step == i).map(|b| Shape { height: b.rows + 2, ..output });
            // What a band is computed from again has to be kept too.
            let kept = tap.is_some() || self.banded.iter().any(|b| b.step == i + 1);
            self.steps[i].buffer = if window.is_some() || kept && self.backward {
                self.buffers.push(window.unwrap_or(output));
                self.buffers.len() - 1
            } else {
                scratch = 1 - scratch;
                self.reserve(backend, scratch, output);
                scratch
            };
        }
        if self.backward {
            self.place_gradients(backend);
        }
        for step in 0..self.steps.len() {
            let rows = self.banded(step).map(|b| b.rows);
            let Step { op, tap, output, .. } = &self.steps[step];
            let mut wanted = 0;
            if let Op::Conv(op) | Op::ConvPool(op) = op {
                // The largest part, not at an edge.
                let all = Rows::all(op.input());
                let part = rows.map(|rows| Part { computed: Rows { start: 1, end: rows + 3 }, x: all, y: all });
                wanted = backend.conv2d_workspace(&Conv2d { part, ..*op });
            }
            if tap.is_some() {
                let shape = Shape { height: rows.map_or(output.height, |rows| rows + 2), ..*output };
                wanted = wanted.max(backend.gram_workspace(shape));
            }
            self.workspace = self.workspace.max(wanted);
        }
    }

    /// Gradients ping-pong between the scratch tensors, from the last step on; a band's has a buffer of its own.
    fn place_gradients<B: Backend>(&mut self, backend: &B) {
        let mut scratch = 0;
        for i in (0..self.steps.len()).rev() {
            let output = self.steps[i].output;
            self.steps[i].gradient = match self.banded(i).filter(|b| b.step == i) {
                None => {
                    scratch = 1 - scratch;
                    self.reserve(backend, scratch, output);
                    scratch
                }
                Some(band) => {
                    self.buffers.push(Shape { height: band.rows + 2, ..output });
                    self.buffers.len() - 1
                }
            };
        }
    }

    fn reserve<B: Backend>(&mut self, backend: &B, buffer: usize, shape: Shape) {
        if backend.features_bytes(shape) > backend.features_bytes(self.buffers[buffer]) {
            self.buffers[buffer] = shape;
        }
    }

    /// Bytes of workspace that the ops of this chain want.
    pub(crate) fn workspace(&self) -> usize {
        self.workspace
    }

    /// Bytes that [`Chain::new`] allocates for plans of one network's layers.
    pub(crate) fn bytes<B: Backend>(plans: &[Arc<Self>], backend: &B) -> usize {
        let buffers = Self::largest_buffers(plans, backend).map(|s| backend.features_bytes(*s));
        let memories = Self::largest_steps(plans, backend).map(|(plan, s)| s.memory_bytes(backend, plan.backward));
        buffers.chain(memories).fold(0, usize::saturating_add)
    }

    /// The largest first buffer of some plans, their largest second...
    fn largest_buffers<'a, B: Backend>(plans: &'a [Arc<Self>], backend: &'a B) -> impl Iterator<Item = &'a Shape> {
        let count = plans.iter().map(|p| p.buffers.len()).max().unwrap_or(0);
        let size = |s: &&Shape| backend.features_bytes(**s);
        (0..count).filter_map(move |i| plans.iter().filter_map(|p| p.buffers.get(i)).max_by_key(size))
    }

    /// Of the first steps of some plans the one that remembers most, of their second...
    fn largest_steps<'a, B: Backend>(
        plans: &'a [Arc<Self>],
        backend: &'a B,
    ) -> impl Iterator<Item = (&'a Self, &'a Step)> {
        let count = plans.iter().map(|p| p.steps.len()).max().unwrap_or(0);
        let size = |(plan, s): &(&Self, &Step)| s.memory_bytes(backend, plan.backward);
        (0..count).filter_map(move |i| plans.iter().filter_map(|p| Some((&**p, p.steps.get(i)?))).max_by_key(size))
    }

    /// Multiplications and additions of all convolutions, one way.
    pub(crate) fn flops(&self) -> f64 {
        let flops = |s: &Step| match &s.op {
            Op::Conv(op) | Op::ConvPool(op) => op.flops() as f64,
            Op::Pool(_) => 0.0,
        };
        self.steps.iter().map(flops).sum()
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

    /// Shape of the features at a tap, or of the most that a tensor holds of them.
    pub(crate) fn tapped_shape(&self, tap: usize) -> Option<Shape> {
        let i = self.steps.iter().position(|s| s.tap == Some(tap))?;
        let output = self.steps[i].output;
        Some(self.banded(i).map_or(output, |band| Shape { height: output.height.min(band.rows + 2), ..output }))
    }
}

impl Step {
    /// Bytes of what backward remembers of it.
    fn memory_bytes<B: Backend>(&self, backend: &B, backward: bool) -> usize {
        match (&self.op, backward) {
            (Op::Conv(op) | Op::ConvPool(op), true) => backend.gate_bytes(op.output()),
            (Op::Pool(Pool2d { pooling: Pooling::Max, .. }), true) => backend.switches_bytes(self.output),
            _ => 0,
        }
    }

    fn memory<B: Backend>(&self, backend: &B, backward: bool) -> Result<Memory<B>> {
        Ok(match (&self.op, backward) {
            (Op::Conv(op) | Op::ConvPool(op), true) => Memory::Gate(backend.gate(op.output())?),
            (Op::Pool(Pool2d { pooling: Pooling::Max, .. }), true) => Memory::Switches(backend.switches(self.output)?),
            _ => Memory::Nothing,
        })
    }
}

/// Plans for pictures of several sizes with the memory that the largest take.
pub(crate) struct Chain<B: Backend> {
    /// The one at work.
    plan: Arc<ChainPlan>,
    buffers: Vec<B::Tensor>,
    memories: Vec<Memory<B>>,
}

impl<B: Backend> Chain<B> {
    /// A chain for plans of the same layers, the first of them at work.
    pub(crate) fn new(backend: &B, plans: &[Arc<ChainPlan>]) -> Result<Self> {
        let plan = Arc::clone(plans.first().ok_or_else(mismatch)?);
        if plans.iter().any(|p| p.steps.len() != plan.steps.len()) {
            return Err(mismatch());
        }
        let buffers = ChainPlan::largest_buffers(plans, backend).map(|s| backend.features(*s));
        let memories = ChainPlan::largest_steps(plans, backend).map(|(plan, s)| s.memory(backend, plan.backward));
        let (buffers, memories) = (buffers.collect::<Result<_>>()?, memories.collect::<Result<_>>()?);
        let mut chain = Self { plan: Arc::clone(&plan), buffers, memories };
        chain.take(backend, &plan)?;
        Ok(chain)
    }

    /// Works by another of the plans from now on.
    pub(crate) fn take(&mut self, backend: &B, plan: &Arc<ChainPlan>) -> Result<()> {
        for (memory, step) in self.memories.iter_mut().zip(&plan.steps) {
            match (memory, &step.op) {
                (Memory::Gate(gate), Op::Conv(op) | Op::ConvPool(op)) => backend.reshape_gate(gate, op.output())?,
                (Memory::Switches(switches), Op::Pool(_)) => backend.reshape_switches(switches, step.output)?,
                _ => {}
            }
        }
        self.plan = Arc::clone(plan);
        Ok(())
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
        for i in 0..self.plan.steps.len() {
            let step = &self.plan.steps[i];
            if let Some(banded) = self.plan.banded(i) {
                if banded.step == i {
                    self.forward_in_bands(network, banded, image, workspace, &mut at_tap)?;
                }
                continue;
            }
            let (x, y) = match self.plan.input(i) {
                None => (image, &mut self.buffers[step.buffer]),
                Some(input) => {
                    let (x, y) = two(&mut self.buffers, input, step.buffer)?;
                    (&*x, y)
                }
            };
            backend.reshape(y, step.output)?;
            match (&step.op, &mut self.memories[i]) {
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
                    backend.conv2d_fwd(op, x, filter(network, step.layer)?, memory.pooling(), y, workspace)?;
                }
            }
            if let Some(tap) = step.tap {
                at_tap(&Tapped::whole(tap, y, step.output), workspace)?;
            }
        }
        Ok(())
    }

    fn forward_in_bands(
        &mut self,
        network: &Network<B>,
        banded: Banded,
        image: &B::Tensor,
        workspace: &mut B::Workspace,
        at_tap: &mut impl FnMut(&Tapped<'_, B>, &mut B::Workspace) -> Result<()>,
    ) -> Result<()> {
        let backend = network.backend();
        for band in self.plan.bands(banded) {
            self.first_of_band(network, banded, image, band, true, workspace)?;
            let (first, second) = self.plan.pair(banded)?;
            if let Some(tap) = first.tap {
                at_tap(&Tapped::band(tap, &self.buffers[first.buffer], first.output, band), workspace)?;
            }
            let conv = second.part(band, |wide, all| Part { computed: band, x: wide, y: all })?;
            let (x, y) = two(&mut self.buffers, first.buffer, second.buffer)?;
            backend.reshape(y, second.output)?;
            let epilogue = self.memories[banded.step + 1].pooling();
            backend.conv2d_fwd(&conv, x, filter(network, second.layer)?, epilogue, y, workspace)?;
        }
        Ok(())
    }

    /// The first of two steps, for a band and a row on each side of it, to a buffer; with or without its gate.
    fn first_of_band(
        &mut self,
        network: &Network<B>,
        banded: Banded,
        image: &B::Tensor,
        band: Rows,
        record: bool,
        workspace: &mut B::Workspace,
    ) -> Result<()> {
        let (backend, (step, _)) = (network.backend(), self.plan.pair(banded)?);
        let conv = step.part(band, |wide, all| Part { computed: wide, x: all, y: wide })?;
        let (x, y) = match self.plan.input(banded.step) {
            None => (image, &mut self.buffers[step.buffer]),
            Some(input) => {
                let (x, y) = two(&mut self.buffers, input, step.buffer)?;
                (&*x, y)
            }
        };
        backend.reshape(y, conv.y(false))?;
        let epilogue = match &mut self.memories[banded.step] {
            Memory::Gate(gate) if record => Epilogue::ReluGate(gate),
            _ => Epilogue::Relu,
        };
        backend.conv2d_fwd(&conv, x, filter(network, step.layer)?, epilogue, y, workspace)
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
        for i in (0..self.plan.steps.len()).rev() {
            let step = &self.plan.steps[i];
            if let Some(banded) = self.plan.banded(i) {
                if banded.step + 1 == i {
                    self.backward_in_bands(network, banded, rule, image, dimage, workspace, &mut add_tap)?;
                }
                continue;
            }
            if let Some(tap) = step.tap {
                let (dy, features) = two(&mut self.buffers, step.gradient, step.buffer)?;
                backend.reshape(dy, step.output)?;
                add_tap(&Tapped::whole(tap, features, step.output), acc, dy, workspace)?;
            }
            acc = Acc::Add;
            if rule != ReluRule::Gradient && !matches!(step.op, Op::Pool(_)) {
                backend.rectify(&mut self.buffers[step.gradient])?;
            }
            let (dy, dx) = match self.plan.input_gradient(i) {
                None => (&self.buffers[step.gradient], &mut *dimage),
                Some(to) => {
                    let (dy, dx) = two(&mut self.buffers, step.gradient, to)?;
                    (&*dy, dx)
                }
            };
            backend.reshape(dx, step.input)?;
            match (&step.op, &self.memories[i]) {
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
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn backward_in_bands(
        &mut self,
        network: &Network<B>,
        banded: Banded,
        rule: ReluRule,
        image: &B::Tensor,
        dimage: &mut B::Tensor,
        workspace: &mut B::Workspace,
        add_tap: &mut impl FnMut(&Tapped<'_, B>, Acc, &mut B::Tensor, &mut B::Workspace) -> Result<()>,
    ) -> Result<()> {
        let backend = network.backend();
        let behind = self.plan.pair(banded)?.1.gradient;
        if rule != ReluRule::Gradient {
            backend.rectify(&mut self.buffers[behind])?;
        }
        for band in self.plan.bands(banded) {
            self.first_of_band(network, banded, image, band, false, workspace)?;
            let (first, second) = self.plan.pair(banded)?;
            let conv = second.part(band, |wide, all| Part { computed: wide, x: wide, y: all })?;
            let (dy, dx) = two(&mut self.buffers, behind, first.gradient)?;
            backend.reshape(dx, conv.x())?;
            let gate = self.memories[banded.step + 1].gate(rule);
            backend.conv2d_bwd(&conv, dy, gate, filter(network, second.layer)?, Acc::Store, dx, workspace)?;
            if let Some(tap) = first.tap {
                let (features, dy) = two(&mut self.buffers, first.buffer, first.gradient)?;
                add_tap(&Tapped::band(tap, features, first.output, band), Acc::Add, dy, workspace)?;
            }
            if rule != ReluRule::Gradient {
                backend.rectify(&mut self.buffers[first.gradient])?;
            }
            let conv = first.part(band, |wide, all| Part { computed: band, x: all, y: wide })?;
            let (dy, dx) = match self.plan.input_gradient(banded.step) {
                None => (&self.buffers[first.gradient], &mut *dimage),
                Some(to) => {
                    let (dy, dx) = two(&mut self.buffers, first.gradient, to)?;
                    backend.reshape(dx, first.input)?;
                    (&*dy, dx)
                }
            };
            let gate = self.memories[banded.step].gate(rule);
            backend.conv2d_bwd(&conv, dy, gate, filter(network, first.layer)?, Acc::Store, dx, workspace)?;
        }
        Ok(())
    }
}

impl<B: Backend> Memory<B> {
    /// How a convolution ends that takes in its pool.
    fn pooling(&mut self) -> Epilogue<'_, B::Gate> {
        match self {
            Self::Gate(gate) => Epilogue::ReluPoolGate(gate),
            _ => Epilogue::ReluPool,
        }
    }

    /// The gate that a signal on its way back passes.
    fn gate(&self, rule: ReluRule) -> Option<&B::Gate> {
        match self {
            Self::Gate(gate) if rule != ReluRule::Deconvnet => Some(gate),
            _ => None,
        }
    }
}

impl<'a, B: Backend> Tapped<'a, B> {
    fn whole(tap: usize, features: &'a B::Tensor, whole: Shape) -> Self {
        Self { tap, features, band: Rows::all(whole), held: Rows::all(whole), whole }
    }

    /// A band and a row on each side of it.
    fn band(tap: usize, features: &'a B::Tensor, whole: Shape, band: Rows) -> Self {
        Self { tap, features, band, held: band.widened(1, whole.height), whole }
    }
}

impl ChainPlan {
    /// Which buffer a step reads; `None` for the image.
    fn input(&self, i: usize) -> Option<usize> {
        i.checked_sub(1).map(|before| self.steps[before].buffer)
    }

    /// Which buffer the gradient of a step's input goes to; `None` for the image's.
    fn input_gradient(&self, i: usize) -> Option<usize> {
        i.checked_sub(1).map(|before| self.steps[before].gradient)
    }

    /// Two steps that are done in bands.
    fn pair(&self, banded: Banded) -> Result<(&Step, &Step)> {
        match &self.steps[banded.step..] {
            [first, second, ..] => Ok((first, second)),
            _ => Err(mismatch()),
        }
    }

    /// The bands, from the top.
    fn bands(&self, banded: Banded) -> impl Iterator<Item = Rows> + use<> {
        let (height, rows) = (self.steps[banded.step].output.height, banded.rows.max(1));
        (0..height).step_by(rows).map(move |start| Rows { start, end: height.min(start + rows) })
    }
}

impl Step {
    /// A part of the convolution that this step is, from a band's rows with one more on each side and all rows.
    fn part(&self, band: Rows, part: impl FnOnce(Rows, Rows) -> Part) -> Result<Conv2d> {
        match self.op {
            Op::Conv(conv) | Op::ConvPool(conv) => {
                let part = part(band.widened(1, conv.height), Rows::all(conv.input()));
                Ok(Conv2d { part: Some(part), ..conv })
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
