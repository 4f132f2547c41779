//! Forward and backward passes of the network over pictures of a few sizes, in minimal memory.
//!
//! Filters are frozen, so backward needs only the activations at taps, which the loss gradients read; every other layer
//! keeps a gate (one bit per element) or switches (two). All other values pass through two scratch tensors.
//!
//! Two convolutions with a fused pool behind them, and a tap between them that accepts bands, may run band by band.
//! Only one band of the first one's features and of their gradient exists at a time, and backward recomputes it. This
//! applies to the first pair, whose maps are by far the largest and whose first convolution is cheap because it reads only
//! three channels, and to the second pair if the picture is so large that the memory saved is worth the time.

use std::sync::Arc;

use crate::backend::Backend;
use crate::backend::ops::conv2d::{Epilogue, Part};
use crate::backend::ops::relu::ReluRule;
use crate::backend::shape::{Acc, Rows, Shape};
use crate::error::Result;
use crate::network::Network;
use crate::pass::plan::{Banded, ChainPlan, Memory, Op, mismatch};

/// The features passed to a tap, or a band of them.
pub(crate) struct Tapped<'a, B: Backend> {
    /// Index of the caller's tap.
    pub(crate) tap: usize,
    pub(crate) features: &'a B::Tensor,
    /// The rows of the features that belong to this band.
    pub(crate) band: Rows,
    /// The rows that the tensor holds: the band's, plus neighbouring rows.
    pub(crate) held: Rows,
    /// Shape of the whole features.
    pub(crate) whole: Shape,
}

/// Plans for pictures of several sizes, with memory for the largest.
pub(crate) struct Chain<B: Backend> {
    /// The current plan.
    plan: Arc<ChainPlan>,
    buffers: Vec<B::Tensor>,
    memories: Vec<Memory<B>>,
}

impl<B: Backend> Chain<B> {
    /// Creates a chain for plans of the same layers, starting with the first.
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

    /// Switches to another plan.
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

    /// Runs `image` through the network; calls `at_tap(tapped, workspace)` at each tap, or band of a tap.
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
                (Op::Trim(window), _) => backend.window(x, window.at(), y)?,
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

    /// Runs the first of two steps into a buffer, for a band and one row on each side, with or without its gate.
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

    /// The image gradient of a loss on the taps (modified by `rule`), after [`forward`](Chain::forward) on the same image.
    /// `add_tap(tapped, acc, dfeatures, workspace)` computes `dfeatures (=|+=) dloss/dfeatures`, in a band for all rows of
    /// the tensor.
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
        if self.plan.steps.is_empty() {
            // No loss reads a layer, so no step writes the gradient, to which losses of the image are added.
            return backend.combine(&[], dimage);
        }
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
            if rule != ReluRule::Gradient && !matches!(step.op, Op::Pool(_) | Op::Trim(_)) {
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
                (Op::Trim(window), _) => backend.window_bwd(dy, window.at(), Acc::Store, dx)?,
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
    /// The epilogue of a convolution with a fused pool.
    fn pooling(&mut self) -> Epilogue<'_, B::Gate> {
        match self {
            Self::Gate(gate) => Epilogue::ReluPoolGate(gate),
            _ => Epilogue::ReluPool,
        }
    }

    /// The gate for the backward signal.
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

    /// A band and one row on each side.
    fn band(tap: usize, features: &'a B::Tensor, whole: Shape, band: Rows) -> Self {
        Self { tap, features, band, held: band.widened(1, whole.height), whole }
    }
}

fn filter<B: Backend>(network: &Network<B>, layer: usize) -> Result<&B::Filter> {
    network.layers.get(layer).and_then(|l| l.filter.as_ref()).ok_or_else(mismatch)
}

/// Borrows two different buffers at once.
fn two<T>(buffers: &mut [T], a: usize, b: usize) -> Result<(&mut T, &mut T)> {
    buffers.get_disjoint_mut([a, b]).map(|[a, b]| (a, b)).map_err(|_| mismatch())
}
