//! Operands of single ops: random tensors, and the convolutions of VGG-19.

#![allow(dead_code)] // each bench uses a part

use style_core::Result;
use style_core::backend::ops::{Conv2d, Epilogue, Padding};
use style_core::backend::{Acc, Backend, Shape};
use testkit::Rng;

use super::random::{convolutions, he_weights};

/// Features with random values in -1..1.
pub(crate) fn random<B: Backend>(backend: &B, shape: Shape) -> Result<B::Tensor> {
    let mut rng = Rng::new("tensor");
    let values: Vec<f32> = (0..shape.len()).map(|_| rng.unit() as f32).collect();
    let mut tensor = backend.features(shape)?;
    backend.upload(&values, &mut tensor)?;
    Ok(tensor)
}

/// The convolutions of VGG-19 on a square picture of this side, each shape once.
pub(crate) fn conv_shapes(side: usize) -> Vec<Conv2d> {
    let mut shapes: Vec<Conv2d> = vec![];
    for c in convolutions() {
        let side = side >> (c.block - 1);
        let op = Conv2d::new(c.in_channels, c.out_channels, side, side);
        if !shapes.contains(&op) {
            shapes.push(op);
        }
    }
    shapes
}

/// The same, plus the first one with a repeated border.
pub(crate) fn padded_shapes(side: usize) -> Vec<Conv2d> {
    let mut shapes = conv_shapes(side);
    let repeated = shapes.first().map(|first| first.with_padding(Padding::Replicate));
    shapes.extend(repeated);
    shapes
}

/// `INxOUTxHEIGHTxWIDTH`, and the padding if it is not zero.
pub(crate) fn conv_name(op: &Conv2d) -> String {
    let padding = if op.padding == Padding::Replicate { "-replicate" } else { "" };
    format!("{}x{}x{}x{}{padding}", op.in_channels, op.out_channels, op.height, op.width)
}

/// All operands of a convolution, for both directions.
pub(crate) struct Conv<B: Backend> {
    filter: B::Filter,
    gate: B::Gate,
    x: B::Tensor,
    y: B::Tensor,
    workspace: B::Workspace,
}

impl<B: Backend> Conv<B> {
    /// With a gate from a forward pass, so that half of it is open.
    pub(crate) fn new(backend: &B, op: &Conv2d) -> Result<Self> {
        let weight = he_weights(op.in_channels, op.out_channels, &mut Rng::new("filter"));
        let bias = vec![0.0; op.out_channels];
        let mut conv = Self {
            filter: backend.pack(op.in_channels, op.out_channels, &weight, &bias)?,
            gate: backend.gate(op.output())?,
            x: random(backend, op.input())?,
            y: backend.features(op.output())?,
            workspace: backend.workspace(backend.conv2d_workspace(op))?,
        };
        conv.forward(backend, op)?;
        Ok(conv)
    }

    /// With bias, ReLU and gate, as in an iteration.
    pub(crate) fn forward(&mut self, backend: &B, op: &Conv2d) -> Result<()> {
        let Self { filter, gate, x, y, workspace } = self;
        backend.conv2d_fwd(op, x, filter, Epilogue::ReluGate(gate), y, workspace)
    }

    /// Backward-data through the gate, as in an iteration.
    pub(crate) fn backward(&mut self, backend: &B, op: &Conv2d) -> Result<()> {
        let Self { filter, gate, x, y, workspace } = self;
        backend.conv2d_bwd(op, y, Some(gate), filter, Acc::Store, x, workspace)
    }
}
