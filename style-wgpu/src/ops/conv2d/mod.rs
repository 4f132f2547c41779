//! See [`style_core::backend::ops::Conv2dOps`], kernels/conv2d.wgsl and kernels/conv2d_winograd.wgsl.
//!
//! Backward-data is the forward computation with the filters rotated by 180 degrees and transposed, so filters are packed
//! twice, once per direction.

mod direct;
mod winograd;

use style_core::backend::ops::{Conv2d, Conv2dOps, Epilogue, Padding};
use style_core::backend::{Acc, expect_shape};
use style_core::{Error, ErrorKind, Pooling, Result};

use super::{acc_code, extent};
use crate::backend::{Convolution, Wgpu};
use crate::buffer::Buffer;
use crate::tensor::{Gate, Tensor, Workspace, quads};

/// Output channels that filters are packed in.
const BLOCK: usize = 64;

/// The algorithm for both directions of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// An implicit product.
    Direct,
    /// Winograd F(2x2, 3x3).
    Winograd,
}

impl Way {
    /// **The rule**, by the numbers of channels alone, because filters are packed before sizes are known. A picture or a map, of
    /// up to four channels, and with it a repeated border, is always direct.
    ///
    /// Winograd saves 40 operations for each pair of channels of a tile, in and out, and moves 32 values more through memory for
    /// each channel. What it saves thus grows with `read * written / (read + written)`; by the count of `cargo xtask kernels
    /// --wgpu` the least that pays on both of its GPUs is that of 128 and 256 channels, VGG's conv3_1.
    fn new(read: usize, written: usize, convolution: Convolution) -> Self {
        let features = read.min(written) > Conv2d::PICTURE;
        let pays = (read as f64).recip() + (written as f64).recip() <= 1.0 / 128.0 + 1.0 / 256.0;
        let winograd = match convolution {
            Convolution::Planned => pays,
            Convolution::Direct => false,
            Convolution::Winograd => true,
        };
        if features && winograd { Self::Winograd } else { Self::Direct }
    }
}

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

/// Room for so many values of packed filters.
fn reserved(len: usize) -> Result<Vec<f32>> {
    let mut packed = Vec::new();
    let refused = |_| Error::new(ErrorKind::OutOfMemory, format!("no memory to pack {len} filter values"));
    packed.try_reserve_exact(len).map_err(refused)?;
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

impl Pass<'_> {
    /// The parameters of all kernels, behind those of `launch_long`.
    fn parameters(&self, y: &Tensor, blocks: usize, columns: usize, acc: Acc) -> Result<[u32; 13]> {
        let (read, written) = (self.x.shape().channels, y.shape().channels);
        Ok([
            extent(self.height)?,
            extent(self.width)?,
            extent(quads(read))?,
            u32::from(read == 1),
            extent(quads(written))?,
            u32::from(written == 1),
            extent(blocks)?,
            self.epilogue,
            acc_code(acc),
            u32::from(self.gate_in.is_some()),
            u32::from(self.pooled_in),
            u32::from(self.replicate),
            extent(columns)?,
        ])
    }
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
        let value = |o: usize, i: usize, tap: usize| {
            let inside = o < out_channels && i < in_channels;
            let at = inside.then(|| (o * in_channels + i) * 9 + tap);
            at.and_then(|at| weight.get(at)).copied().unwrap_or(0.0)
        };
        let turned = |i: usize, o: usize, tap: usize| value(o, i, 8 - tap);
        let (forward, backward) = match Way::new(in_channels, out_channels, self.convolution) {
            Way::Direct => {
                (direct::pack(in_channels, out_channels, value)?, direct::pack(out_channels, in_channels, turned)?)
            }
            Way::Winograd => {
                (winograd::pack(in_channels, out_channels, value)?, winograd::pack(out_channels, in_channels, turned)?)
            }
        };
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
        let len = match Way::new(in_channels, out_channels, self.convolution) {
            Way::Direct => direct::packed_len,
            Way::Winograd => winograd::packed_len,
        };
        let both = len(in_channels, out_channels).saturating_add(len(out_channels, in_channels));
        both.saturating_add(out_channels.div_ceil(BLOCK).saturating_mul(BLOCK)).saturating_mul(4)
    }

    fn conv2d_algorithm(&self, op: &Conv2d) -> &'static str {
        match Way::new(op.in_channels, op.out_channels, self.convolution) {
            Way::Direct => "implicit product in f32",
            Way::Winograd => "winograd F(2x2, 3x3)",
        }
    }

    fn conv2d_pools(&self, op: &Conv2d) -> bool {
        op.pooling == Pooling::Average
    }

    fn conv2d_part_rows(&self, _op: &Conv2d) -> Option<usize> {
        None
    }

    fn conv2d_workspace(&self, op: &Conv2d) -> usize {
        match Way::new(op.in_channels, op.out_channels, self.convolution) {
            Way::Direct => 0,
            Way::Winograd => {
                winograd::workspace(op.in_channels, op.out_channels, op.height, op.width, self.winograd_bytes)
            }
        }
    }

    fn conv2d_fwd(
        &self,
        op: &Conv2d,
        x: &Tensor,
        filter: &Filter,
        epilogue: Epilogue<'_, Gate>,
        y: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        let (code, gate, pooled) = match epilogue {
            Epilogue::Bias => (1, None, false),
            Epilogue::Relu => (2, None, false),
            Epilogue::ReluGate(gate) => (3, Some(gate), false),
            Epilogue::ReluPool => (4, None, true),
            Epilogue::ReluPoolGate(gate) => (5, Some(gate), true),
        };
        expect_whole(op, pooled)?;
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
        workspace.at_least(self.conv2d_workspace(op))?;
        self.convolve(&pass, pooled, y, workspace)
    }

    fn conv2d_bwd(
        &self,
        op: &Conv2d,
        dy: &Tensor,
        gate: Option<&Gate>,
        filter: &Filter,
        acc: Acc,
        dx: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        let pooled = dy.shape() == op.y(true) && dy.shape() != op.y(false);
        expect_whole(op, pooled)?;
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
        workspace.at_least(self.conv2d_workspace(op))?;
        self.convolve(&pass, false, dx, workspace)
    }
}

fn expect_whole(op: &Conv2d, pooled: bool) -> Result<()> {
    op.expect_padding()?;
    if pooled && op.pooling == Pooling::Max {
        return Err(unsupported("a convolution with a fused max pool"));
    }
    if op.part.is_some() {
        return Err(unsupported("a convolution in parts"));
    }
    Ok(())
}

impl Wgpu {
    fn convolve(&self, pass: &Pass<'_>, pooled: bool, y: &mut Tensor, workspace: &mut Workspace) -> Result<()> {
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
            &workspace.buffer,
        ];
        let mut entered = self.enter(&operands)?;
        match Way::new(pass.x.shape().channels, y.shape().channels, self.convolution) {
            Way::Direct => self.convolve_directly(&mut entered, pass, y, &operands[..6]),
            Way::Winograd => self.convolve_by_winograd(&mut entered, pass, y, &operands),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_of_vgg_take_winograd_from_conv3_1_on() {
        let planned = |read, written| Way::new(read, written, Convolution::Planned);
        for (read, written) in [(3, 64), (64, 64), (64, 128), (128, 128), (4, 4096), (5, 1_000_000)] {
            assert_eq!(planned(read, written), Way::Direct, "{read} to {written}");
        }
        for (read, written) in [(128, 256), (256, 256), (256, 512), (512, 512), (200, 200), (usize::MAX, usize::MAX)] {
            assert_eq!([planned(read, written), planned(written, read)], [Way::Winograd; 2], "{read} to {written}");
        }
        for (read, written) in [(3, 64), (64, 4), (1, 1), (0, 0), (0, 64)] {
            assert_eq!(Way::new(read, written, Convolution::Winograd), Way::Direct, "{read} to {written}");
        }
        assert_eq!(Way::new(512, 512, Convolution::Direct), Way::Direct);
    }
}
