//! A pass over the chain of layers, planned from shapes only.

use std::sync::Arc;

use crate::backend::Backend;
use crate::backend::ops::conv2d::{Conv2d, Padding, Part};
use crate::backend::ops::pool2d::{Pool2d, Pooling};
use crate::backend::shape::{Rows, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::network::Network;
use crate::network::taps::Taps;
use crate::pass::tiles::Window;

/// The requirements of one pass over the chain, computed from shapes only.
#[derive(Clone, Debug)]
pub(crate) struct ChainPlan {
    pub(super) steps: Vec<Step>,
    /// Capacities of the two scratch tensors, followed by the kept activations.
    pub(super) buffers: Vec<Shape>,
    /// Workspace for the convolutions and Gram matrices, in bytes.
    pub(super) workspace: usize,
    pub(super) backward: bool,
    /// The pairs of steps that run in bands.
    pub(super) banded: Vec<Banded>,
}

/// Two steps that run in bands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Banded {
    /// Index of the first of the two.
    pub(super) step: usize,
    /// Rows per band.
    pub(super) rows: usize,
}

/// Tapped features at least this large, in bytes, are recomputed per band instead of kept.
pub(super) const LARGE: usize = 64 << 20;

/// Whether a layer, given by its position in the chain, may be tapped band by band.
pub(crate) type InBands<'a> = &'a dyn Fn(usize) -> bool;

/// The parts in which a chain is computed.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) in_bands: InBands<'a>,
    /// What remains behind each pool of its output, as windows of it; all of it if there are none.
    pub(crate) trims: &'a [Window],
}

#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) op: Op,
    /// Position of the convolution in the network's chain.
    pub(super) layer: usize,
    pub(super) input: Shape,
    pub(super) output: Shape,
    /// The buffer of the output, and that of its gradient.
    pub(super) buffer: usize,
    pub(super) gradient: usize,
    /// Index of the caller's tap.
    pub(super) tap: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Conv(Conv2d),
    /// A convolution with a fused pool.
    ConvPool(Conv2d),
    Pool(Pool2d),
    /// The rest of the chain reads this window alone.
    Trim(Window),
}

/// The state of a step that backward needs.
pub(super) enum Memory<B: Backend> {
    Gate(B::Gate),
    Switches(B::Switches),
    Nothing,
}

pub(super) const SCRATCH: usize = 2;

impl ChainPlan {
    /// Plans passes up to the deepest of `taps`. With `backward`, activations at taps are kept and gates recorded. The
    /// padding applies to the first convolution, which reads the picture; the others use zeros. Without `parts` nothing runs
    /// in bands or is trimmed, and backward may follow any rule; with them, that of the gradient.
    pub(crate) fn new<B: Backend>(
        network: &Network<B>,
        image: Shape,
        taps: &Taps,
        pooling: Pooling,
        padding: Padding,
        backward: bool,
        parts: Option<Parts<'_>>,
    ) -> Result<Self> {
        let backend = network.backend();
        let buffers = vec![Shape::new(0, 0, 0); SCRATCH];
        let mut plan = Self { steps: vec![], buffers, workspace: 0, backward, banded: vec![] };
        let mut shape = image;
        let end = taps.positions().last().map_or(0, |last| last + 1);
        let mut taken_in = false;
        let mut trims = parts.map_or(&[][..], |parts| parts.trims).iter();
        for (i, layer) in network.layers.iter().enumerate().take(end) {
            if std::mem::take(&mut taken_in) {
                continue;
            }
            let Shape { channels, height, width } = shape;
            let op = if layer.filter.is_some() {
                let padding = if i == 0 { padding } else { Padding::Zero };
                let conv =
                    Conv2d::new(channels, layer.channels, height, width).with_padding(padding).with_pooling(pooling);
                let pool_follows = network.layers.get(i + 1).is_some_and(|l| l.filter.is_none()) && i + 1 < end;
                // A fused max pool has no gradient without its gate, which the rules of a probe may leave out.
                let wanted = pooling == Pooling::Average || parts.is_some();
                let free = wanted && pool_follows && taps.at(i).is_none();
                taken_in = free && backend.conv2d_pools(&conv) && !conv.pooled().is_empty();
                if taken_in { Op::ConvPool(conv) } else { Op::Conv(conv) }
            } else {
                Op::Pool(Pool2d { pooling, channels, height, width })
            };
            let output = match op {
                Op::Conv(op) => op.output(),
                Op::ConvPool(op) => op.pooled(),
                Op::Pool(op) => op.output(),
                Op::Trim(window) => window.shape(channels),
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
            let tap = taps.at(if taken_in { i + 1 } else { i });
            let step = Step { op, layer: i, input: shape, output, buffer: 0, gradient: 0, tap };
            shape = output;
            let trim = if matches!(op, Op::Conv(_)) { None } else { trims.next() };
            let Some(&window) = trim else {
                plan.steps.push(step);
                continue;
            };
            plan.steps.push(Step { tap: None, ..step });
            shape = window.shape(output.channels);
            plan.steps.push(Step { op: Op::Trim(window), input: output, output: shape, ..step });
        }
        if let Some(Parts { in_bands, .. }) = parts {
            plan.banded = (0..plan.steps.len()).filter_map(|i| plan.band(backend, i, in_bands)).collect();
        }
        plan.place(backend);
        Ok(plan)
    }

    /// Whether step `i` and the next run in bands.
    pub(super) fn band<B: Backend>(&self, backend: &B, i: usize, in_bands: InBands<'_>) -> Option<Banded> {
        let [first, second, _, ..] = &self.steps[i..] else { return None };
        let (Op::Conv(conv), Op::ConvPool(next)) = (&first.op, &second.op) else { return None };
        let allowed = second.tap.is_none() && (first.tap.is_none() || in_bands(first.layer));
        // Its input is kept instead. This pays off if the features would be kept too, for a tap.
        let worthwhile = i == 0 || first.tap.is_some() && backend.features_bytes(first.output) >= LARGE;
        let rows = backend.conv2d_part_rows(conv)?.min(backend.conv2d_part_rows(next)?);
        (allowed && worthwhile && rows < conv.height).then_some(Banded { step: i, rows })
    }

    /// The pair that contains this step.
    pub(super) fn banded(&self, i: usize) -> Option<Banded> {
        self.banded.iter().copied().find(|b| b.step == i || b.step + 1 == i)
    }

    /// Assigns each step's output to a buffer, and computes the sizes of the buffers and the workspace.
    pub(super) fn place<B: Backend>(&mut self, backend: &B) {
        let mut scratch = 0;
        for i in 0..self.steps.len() {
            let Step { output, tap, .. } = self.steps[i];
            let window = self.banded(i).filter(|b| b.step == i).map(|b| Shape { height: b.rows + 2, ..output });
            // The input that a band is recomputed from must be kept too.
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
                // The largest part, away from the edges.
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

    /// Gradients alternate between the scratch tensors, starting at the last step; a band's gradient has a separate buffer.
    pub(super) fn place_gradients<B: Backend>(&mut self, backend: &B) {
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

    pub(super) fn reserve<B: Backend>(&mut self, backend: &B, buffer: usize, shape: Shape) {
        if backend.features_bytes(shape) > backend.features_bytes(self.buffers[buffer]) {
            self.buffers[buffer] = shape;
        }
    }

    /// Workspace needed by the ops of this chain, in bytes.
    pub(crate) fn workspace(&self) -> usize {
        self.workspace
    }

    /// Memory that [`Chain::new`] allocates for plans of one network's layers, in bytes.
    pub(crate) fn bytes<B: Backend>(plans: &[Arc<Self>], backend: &B) -> usize {
        let buffers = Self::largest_buffers(plans, backend).map(|s| backend.features_bytes(*s));
        let memories = Self::largest_steps(plans, backend).map(|(plan, s)| s.memory_bytes(backend, plan.backward));
        buffers.chain(memories).fold(0, usize::saturating_add)
    }

    /// The largest first buffer of the plans, the largest second buffer, ...
    pub(super) fn largest_buffers<'a, B: Backend>(
        plans: &'a [Arc<Self>],
        backend: &'a B,
    ) -> impl Iterator<Item = &'a Shape> {
        let count = plans.iter().map(|p| p.buffers.len()).max().unwrap_or(0);
        let size = |s: &&Shape| backend.features_bytes(**s);
        (0..count).filter_map(move |i| plans.iter().filter_map(|p| p.buffers.get(i)).max_by_key(size))
    }

    /// For each step index, the step with the largest backward state among the plans.
    pub(super) fn largest_steps<'a, B: Backend>(
        plans: &'a [Arc<Self>],
        backend: &'a B,
    ) -> impl Iterator<Item = (&'a Self, &'a Step)> {
        let count = plans.iter().map(|p| p.steps.len()).max().unwrap_or(0);
        let size = |(plan, s): &(&Self, &Step)| s.memory_bytes(backend, plan.backward);
        (0..count).filter_map(move |i| plans.iter().filter_map(|p| Some((&**p, p.steps.get(i)?))).max_by_key(size))
    }

    /// Multiplications and additions of all convolutions in one direction.
    pub(crate) fn flops(&self) -> f64 {
        let flops = |s: &Step| match &s.op {
            Op::Conv(op) | Op::ConvPool(op) => op.flops() as f64,
            Op::Pool(_) | Op::Trim(_) => 0.0,
        };
        self.steps.iter().map(flops).sum()
    }

    /// The algorithms of the convolutions.
    pub(crate) fn convolutions<B: Backend>(&self, network: &Network<B>) -> Vec<PlannedConvolution> {
        let planned = |step: &Step| {
            let (conv, pool_taken_in) = match &step.op {
                Op::Conv(conv) => (conv, false),
                Op::ConvPool(conv) => (conv, true),
                Op::Pool(_) | Op::Trim(_) => return None,
            };
            let layer = network.layers.get(step.layer)?.name.clone();
            Some(PlannedConvolution { layer, algorithm: network.backend().conv2d_algorithm(conv), pool_taken_in })
        };
        self.steps.iter().filter_map(planned).collect()
    }

    /// Shape of the features at a tap, or of the largest part that a tensor holds.
    pub(crate) fn tapped_shape(&self, tap: usize) -> Option<Shape> {
        let i = self.steps.iter().position(|s| s.tap == Some(tap))?;
        let output = self.steps[i].output;
        Some(self.banded(i).map_or(output, |band| Shape { height: output.height.min(band.rows + 2), ..output }))
    }

    /// The rows of each band at a tap, and those that the tensor then holds; all of them if it is not in bands.
    pub(crate) fn tapped_rows(&self, tap: usize) -> Vec<[Rows; 2]> {
        let Some(i) = self.steps.iter().position(|s| s.tap == Some(tap)) else { return vec![] };
        let output = self.steps[i].output;
        match self.banded(i) {
            None => vec![[Rows::all(output); 2]],
            Some(banded) => self.bands(banded).map(|band| [band, band.widened(1, output.height)]).collect(),
        }
    }
}

impl Step {
    /// Size of the backward state in bytes.
    pub(super) fn memory_bytes<B: Backend>(&self, backend: &B, backward: bool) -> usize {
        match (&self.op, backward) {
            (Op::Conv(op) | Op::ConvPool(op), true) => backend.gate_bytes(op.output()),
            (Op::Pool(Pool2d { pooling: Pooling::Max, .. }), true) => backend.switches_bytes(self.output),
            _ => 0,
        }
    }

    pub(super) fn memory<B: Backend>(&self, backend: &B, backward: bool) -> Result<Memory<B>> {
        Ok(match (&self.op, backward) {
            (Op::Conv(op) | Op::ConvPool(op), true) => Memory::Gate(backend.gate(op.output())?),
            (Op::Pool(Pool2d { pooling: Pooling::Max, .. }), true) => Memory::Switches(backend.switches(self.output)?),
            _ => Memory::Nothing,
        })
    }
}

impl ChainPlan {
    /// The input buffer of a step; `None` for the image.
    pub(super) fn input(&self, i: usize) -> Option<usize> {
        i.checked_sub(1).map(|before| self.steps[before].buffer)
    }

    /// The buffer for the gradient of a step's input; `None` for the image's.
    pub(super) fn input_gradient(&self, i: usize) -> Option<usize> {
        i.checked_sub(1).map(|before| self.steps[before].gradient)
    }

    /// The two steps of a banded pair.
    pub(super) fn pair(&self, banded: Banded) -> Result<(&Step, &Step)> {
        match &self.steps[banded.step..] {
            [first, second, ..] => Ok((first, second)),
            _ => Err(mismatch()),
        }
    }

    /// The bands, top to bottom.
    pub(super) fn bands(&self, banded: Banded) -> impl Iterator<Item = Rows> + use<> {
        let (height, rows) = (self.steps[banded.step].output.height, banded.rows.max(1));
        (0..height).step_by(rows).map(move |start| Rows { start, end: height.min(start + rows) })
    }
}

impl Step {
    /// A part of this step's convolution, computed from a band's rows extended by one on each side and from all rows.
    pub(super) fn part(&self, band: Rows, part: impl FnOnce(Rows, Rows) -> Part) -> Result<Conv2d> {
        match self.op {
            Op::Conv(conv) | Op::ConvPool(conv) => {
                let part = part(band.widened(1, conv.height), Rows::all(conv.input()));
                Ok(Conv2d { part: Some(part), ..conv })
            }
            Op::Pool(_) | Op::Trim(_) => Err(mismatch()),
        }
    }
}

pub(super) fn mismatch() -> Error {
    Error::new(ErrorKind::Argument, "this plan belongs to another network")
}

/// The algorithm of a layer's convolution, forward and backward.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedConvolution {
    /// The layer.
    pub layer: String,
    /// The backend's name for it, such as `winograd F(4x4, 3x3)`.
    pub algorithm: &'static str,
    /// Whether the following pool is fused into the same operation.
    pub pool_taken_in: bool,
}
