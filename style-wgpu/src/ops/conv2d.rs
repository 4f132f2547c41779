//! See [`style_core::backend::ops::Conv2dOps`] and kernels/conv2d.wgsl.
//!
//! Backward-data is the forward computation with the filters rotated by 180 degrees and transposed, so filters are packed
//! twice, once per direction.

use style_core::backend::ops::{Conv2d, Conv2dOps, Epilogue, Padding};
use style_core::backend::{Acc, expect_shape};
use style_core::{Error, ErrorKind, Result};

use super::{acc_code, extent};
use crate::backend::Wgpu;
use crate::buffer::Buffer;
use crate::kernels::{CONV2D, CONV2D_FOLD, CONV2D_TO_PICTURE, Kernel};
use crate::tensor::{Gate, Tensor, Workspace, quads};

/// Output channels that filters are packed in.
const BLOCK: usize = 64;

/// A kernel, and the output channels, rows and columns of its workgroups; matches conv2d.wgsl.
struct Way {
    kernel: &'static Kernel,
    channels: usize,
    rows: usize,
    columns: usize,
}

/// To features.
const TO_FEATURES: Way = Way { kernel: &CONV2D, channels: BLOCK, rows: 8, columns: 16 };

/// To a picture or a map.
const TO_PICTURE: Way = Way { kernel: &CONV2D_TO_PICTURE, channels: 4, rows: 16, columns: 32 };

/// Threads of a workgroup that folds a border; matches conv2d.wgsl.
const FOLD_THREADS: usize = 64;

/// Filters and bias, packed for both directions.
pub struct Filter {
    in_channels: usize,
    out_channels: usize,
    forward: Buffer,
    backward: Buffer,
    /// One value per output channel, and zeros up to a whole block.
    bias: Buffer,
}

impl Filter {
    fn expect(&self, op: &Conv2d) -> Result<()> {
        if (self.in_channels, self.out_channels) == (op.in_channels, op.out_channels) {
            return Ok(());
        }
        let message = format!(
            "expected filters for a convolution from {} to {} channels, found filters from {} to {}",
            op.in_channels, op.out_channels, self.in_channels, self.out_channels
        );
        Err(Error::new(ErrorKind::Shape, message))
    }
}

/// Values of packed filters: `[written / 64][read / 4][9][4][64]`.
fn packed_len(read: usize, written: usize) -> usize {
    written.div_ceil(BLOCK).saturating_mul(quads(read)).saturating_mul(9 * 4 * BLOCK)
}

/// Packs the filters of one direction, given as `at(written, read, tap)`.
fn pack(read: usize, written: usize, at: impl Fn(usize, usize, usize) -> f32) -> Result<Vec<f32>> {
    let mut packed = Vec::new();
    let len = packed_len(read, written);
    let refused = |_| Error::new(ErrorKind::OutOfMemory, format!("no memory to pack {len} filter values"));
    packed.try_reserve_exact(len).map_err(refused)?;
    for block in 0..written.div_ceil(BLOCK) {
        for quad in 0..quads(read) {
            for tap in 0..9 {
                for i in 4 * quad..4 * quad + 4 {
                    let outs = block * BLOCK..(block + 1) * BLOCK;
                    packed.extend(outs.map(|o| if o < written && i < read { at(o, i, tap) } else { 0.0 }));
                }
            }
        }
    }
    Ok(packed)
}

/// One direction of a convolution, with all operands checked.
struct Pass<'a> {
    height: usize,
    width: usize,
    x: &'a Tensor,
    gate_in: Option<&'a Gate>,
    gate_out: Option<&'a Gate>,
    filters: &'a Buffer,
    bias: &'a Buffer,
    epilogue: u32,
    acc: Acc,
    /// `x` is the gradient of an average pool's output.
    pooled_in: bool,
    /// Values outside the picture are those of the nearest pixel.
    replicate: bool,
    /// Contributions outside the picture are added to its border.
    folded: bool,
}

fn unsupported(what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("the wgpu backend does not support {what}"))
}

impl Conv2dOps for Wgpu {
    type Filter = Filter;

    fn pack(&self, in_channels: usize, out_channels: usize, weight: &[f32], bias: &[f32]) -> Result<Filter> {
        let values = in_channels.checked_mul(out_channels).and_then(|n| n.checked_mul(9));
        if values != Some(weight.len()) || bias.len() != out_channels {
            let message = format!(
                "{} filter values and {} biases do not match {out_channels} filters of {in_channels} channels",
                weight.len(),
                bias.len()
            );
            return Err(Error::new(ErrorKind::Shape, message));
        }
        let value =
            |o: usize, i: usize, tap: usize| weight.get((o * in_channels + i) * 9 + tap).copied().unwrap_or(0.0);
        let forward = pack(in_channels, out_channels, value)?;
        let backward = pack(out_channels, in_channels, |i, o, tap| value(o, i, 8 - tap))?;
        let mut padded = bias.to_vec();
        padded.resize(out_channels.next_multiple_of(BLOCK), 0.0);
        Ok(Filter {
            in_channels,
            out_channels,
            forward: self.context.buffer(&forward, "a filter")?,
            backward: self.context.buffer(&backward, "a filter")?,
            bias: self.context.buffer(&padded, "a bias")?,
        })
    }

    fn filter_bytes(&self, in_channels: usize, out_channels: usize) -> usize {
        let both = packed_len(in_channels, out_channels).saturating_add(packed_len(out_channels, in_channels));
        both.saturating_add(out_channels.div_ceil(BLOCK).saturating_mul(BLOCK)).saturating_mul(4)
    }

    fn conv2d_algorithm(&self, _op: &Conv2d) -> &'static str {
        "implicit product in f32"
    }

    fn conv2d_pools(&self, _op: &Conv2d) -> bool {
        true
    }

    fn conv2d_part_rows(&self, _op: &Conv2d) -> Option<usize> {
        None
    }

    fn conv2d_workspace(&self, _op: &Conv2d) -> usize {
        0
    }

    fn conv2d_fwd(
        &self,
        op: &Conv2d,
        x: &Tensor,
        filter: &Filter,
        epilogue: Epilogue<'_, Gate>,
        y: &mut Tensor,
        _workspace: &mut Workspace,
    ) -> Result<()> {
        let (code, gate, pooled) = match epilogue {
            Epilogue::Bias => (1, None, false),
            Epilogue::Relu => (2, None, false),
            Epilogue::ReluGate(gate) => (3, Some(gate), false),
            Epilogue::ReluPool => (4, None, true),
            Epilogue::ReluPoolGate(gate) => (5, Some(gate), true),
        };
        expect_whole(op)?;
        expect_shape("the input of a convolution", op.input(), x.shape())?;
        expect_shape("the output of a convolution", op.y(pooled), y.shape())?;
        if let Some(gate) = &gate {
            expect_shape("the gate of a convolution", op.output(), gate.shape)?;
        }
        filter.expect(op)?;
        let pass = Pass {
            height: op.height,
            width: op.width,
            x,
            gate_in: None,
            gate_out: gate.as_deref(),
            filters: &filter.forward,
            bias: &filter.bias,
            epilogue: code,
            acc: Acc::Store,
            pooled_in: false,
            replicate: op.padding == Padding::Replicate,
            folded: false,
        };
        self.convolve(&pass, pooled, y)
    }

    fn conv2d_bwd(
        &self,
        op: &Conv2d,
        dy: &Tensor,
        gate: Option<&Gate>,
        filter: &Filter,
        acc: Acc,
        dx: &mut Tensor,
        _workspace: &mut Workspace,
    ) -> Result<()> {
        let pooled = dy.shape() == op.y(true) && dy.shape() != op.y(false);
        expect_whole(op)?;
        if !pooled {
            expect_shape("the output gradient of a convolution", op.output(), dy.shape())?;
        }
        expect_shape("the input gradient of a convolution", op.input(), dx.shape())?;
        if let Some(gate) = gate {
            expect_shape("the gate of a convolution", op.output(), gate.shape)?;
        }
        filter.expect(op)?;
        let pass = Pass {
            height: op.height,
            width: op.width,
            x: dy,
            gate_in: gate,
            gate_out: None,
            filters: &filter.backward,
            bias: &filter.bias,
            epilogue: 0,
            acc,
            pooled_in: pooled,
            replicate: false,
            folded: op.padding == Padding::Replicate,
        };
        self.convolve(&pass, false, dx)
    }
}

fn expect_whole(op: &Conv2d) -> Result<()> {
    op.expect_padding()?;
    if op.part.is_some() {
        return Err(unsupported("a convolution in parts"));
    }
    Ok(())
}

impl Wgpu {
    fn convolve(&self, pass: &Pass<'_>, pooled: bool, y: &mut Tensor) -> Result<()> {
        let (read, written) = (pass.x.shape().channels, y.shape().channels);
        if pass.x.shape().is_empty() && !pass.pooled_in || y.shape().is_empty() && !pooled {
            let message = format!(
                "expected nonempty tensors for a convolution, found shapes {} and {}",
                pass.x.shape(),
                y.shape()
            );
            return Err(Error::new(ErrorKind::Shape, message));
        }
        // A missing operand is replaced by a buffer that this kernel does not use.
        let operands = [
            &pass.x.buffer,
            pass.filters,
            pass.bias,
            pass.gate_in.map_or(pass.filters, |gate| &gate.buffer),
            pass.gate_out.map_or(&self.partial, |gate| &gate.buffer),
            &y.buffer,
        ];
        let mut entered = self.enter(&operands)?;
        let way = if written <= TO_PICTURE.channels { TO_PICTURE } else { TO_FEATURES };
        let (blocks, columns) = (written.div_ceil(way.channels), pass.width.div_ceil(way.columns));
        let parameters = |acc: Acc| {
            Ok::<_, Error>([
                extent(pass.height)?,
                extent(pass.width)?,
                extent(quads(read))?,
                u32::from(read == 1),
                extent(quads(written))?,
                u32::from(written == 1),
                extent(blocks)?,
                pass.epilogue,
                acc_code(acc),
                u32::from(pass.gate_in.is_some()),
                u32::from(pass.pooled_in),
                u32::from(pass.replicate),
                extent(columns)?,
            ])
        };
        let groups = pass.height.div_ceil(way.rows).saturating_mul(columns).saturating_mul(blocks);
        // Operations of a workgroup, all of its tile.
        let each = (18 * way.channels * way.rows * way.columns).saturating_mul(quads(read) * 4);
        entered.launch_long(way.kernel, groups, (each, self.operations), &parameters(pass.acc)?, &operands)?;
        if pass.folded {
            let border = 2 * (pass.width + pass.height);
            let groups = border.saturating_mul(quads(written)).div_ceil(FOLD_THREADS);
            // Three positions of the ring a thread, and at corners five.
            let each = (3 * 18 * 4 * FOLD_THREADS).saturating_mul(quads(read) * 4);
            entered.launch_long(&CONV2D_FOLD, groups, (each, self.operations), &parameters(Acc::Add)?, &operands)?;
        }
        Ok(())
    }
}
