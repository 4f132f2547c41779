//! The network run forward and backward over one picture size, in as little memory as that takes.
//!
//! Filters are frozen, so backward needs no activations but those at taps, whose loss gradients read them; of every
//! other layer a gate (one bit an element) or switches (two) remain. All else passes through two scratch tensors.

use crate::ops::{Conv2d, Epilogue, Pool2d, ReluRule};
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
}

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
    /// taps are kept and gates recorded.
    pub(crate) fn new<B: Backend>(
        network: &Network<B>,
        image: Shape,
        taps: &[usize],
        pooling: Pooling,
        backward: bool,
    ) -> Result<Self> {
        let backend = network.backend();
        let mut plan = Self { steps: vec![], buffers: vec![Shape::new(0, 0, 0); SCRATCH], workspace: 0, backward };
        let mut shape = image;
        let mut scratch = 0;
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
            if let Op::Conv(op) | Op::ConvPool(op) = &op {
                plan.workspace = plan.workspace.max(backend.conv2d_workspace(op));
            }
            let tap = taps.iter().position(|&t| t == if taken_in { i + 1 } else { i });
            if tap.is_some() {
                plan.workspace = plan.workspace.max(backend.gram_workspace(output));
            }
            let buffer = if tap.is_some() && backward {
                plan.buffers.push(output);
                plan.buffers.len() - 1
            } else {
                scratch = 1 - scratch;
                plan.reserve(scratch, output);
                scratch
            };
            plan.steps.push(Step { op, layer: i, input: shape, output, buffer, tap });
            shape = output;
        }
        if backward {
            // Gradients ping-pong as the activations did: step i reads scratch i % 2 and writes the other.
            for i in 0..plan.steps.len() {
                plan.reserve(i % 2, plan.steps[i].output);
            }
        }
        Ok(plan)
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

    /// Feeds `image` through the network; `at_tap(tap, features, workspace)` is called as each tap is reached.
    pub(crate) fn forward(
        &mut self,
        network: &Network<B>,
        image: &B::Tensor,
        workspace: &mut B::Workspace,
        mut at_tap: impl FnMut(usize, &B::Tensor, &mut B::Workspace) -> Result<()>,
    ) -> Result<()> {
        let backend = network.backend();
        let mut previous = None;
        for (step, memory) in self.plan.steps.iter().zip(&mut self.memories) {
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
                at_tap(tap, y, workspace)?;
            }
            previous = Some(step.buffer);
        }
        Ok(())
    }

    /// The image gradient of a loss on the taps (or what `rule` makes of it), after [`forward`](Chain::forward):
    /// `add_tap(tap, features, acc, dfeatures, workspace)` does `dfeatures (=|+=) dloss/dfeatures`.
    pub(crate) fn backward(
        &mut self,
        network: &Network<B>,
        rule: ReluRule,
        dimage: &mut B::Tensor,
        workspace: &mut B::Workspace,
        mut add_tap: impl FnMut(usize, &B::Tensor, Acc, &mut B::Tensor, &mut B::Workspace) -> Result<()>,
    ) -> Result<()> {
        let backend = network.backend();
        let mut acc = Acc::Store;
        for (i, (step, memory)) in self.plan.steps.iter().zip(&self.memories).enumerate().rev() {
            if let Some(tap) = step.tap {
                let (dy, features) = two(&mut self.buffers, i % 2, step.buffer)?;
                backend.reshape(dy, step.output)?;
                add_tap(tap, features, acc, dy, workspace)?;
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
                    let gate = match memory {
                        Memory::Gate(gate) if rule != ReluRule::Deconvnet => Some(gate),
                        _ => None,
                    };
                    backend.conv2d_bwd(op, dy, gate, filter(network, step.layer)?, Acc::Store, dx, workspace)?;
                }
            }
        }
        Ok(())
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
