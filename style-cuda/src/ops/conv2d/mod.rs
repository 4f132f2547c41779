//! See [`style_core::backend::ops::Conv2dOps`], and kernels/conv2d_winograd.cu, conv2d.cu, conv2d_tensor.cu
//! and conv2d_picture.cu.
//!
//! Backward-data is the forward computation with the filters rotated by 180 degrees and transposed, so filters are
//! packed twice, once per direction.

pub(crate) mod direct;
pub(crate) mod picture;
pub(crate) mod tensor;
pub(crate) mod winograd;

use style_core::backend::ops::{Conv2d, Conv2dOps, Epilogue, Padding};
use style_core::backend::{Acc, Shape, expect_shape};
use style_core::{Error, ErrorKind, Pooling, Result};

use crate::context::Buffer;
use crate::cuda::{Convolution, Cuda};
use crate::kernels::conv2d::Conv2dArgs;
use crate::ops::{acc_code, extent};
use crate::tensor::{self as layout, DType, FEW, Gate, Tensor, Workspace};

/// The algorithm for one direction, selected by its numbers of channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Reads a picture of up to four channels.
    FromPicture,
    /// Writes a picture.
    ToPicture,
    /// Features to features in `f32`.
    Winograd,
    Direct,
    /// Features to features in half precision, on tensor cores.
    Tensor,
}

impl Way {
    const fn new(read: usize, written: usize, dtype: DType, convolution: Convolution) -> Self {
        if read <= FEW {
            Self::FromPicture
        } else if written <= FEW {
            Self::ToPicture
        } else if !matches!(dtype, DType::F32) {
            Self::Tensor
        } else if matches!(convolution, Convolution::Direct) {
            Self::Direct
        } else {
            Self::Winograd
        }
    }
}

/// Filters and bias, packed for both directions.
pub struct Filter {
    in_channels: usize,
    out_channels: usize,
    forward: Buffer,
    backward: Buffer,
    /// One value per stored value of an output position, including padding.
    bias: Buffer,
}

/// Filters of one direction: `w(o, i, u, v)`, from `read` to `written` channels.
struct Weights<'a> {
    read: usize,
    written: usize,
    values: &'a [f32],
    turned: bool,
}

impl Weights<'_> {
    /// Returns zero outside the channels.
    fn at(&self, o: usize, i: usize, tap: usize) -> f32 {
        if o >= self.written || i >= self.read {
            return 0.0;
        }
        let at = if self.turned { (i * self.written + o) * 9 + 8 - tap } else { (o * self.read + i) * 9 + tap };
        self.values.get(at).copied().unwrap_or(0.0)
    }
}

/// The operation applied to `W x` before it is written, as a kernel code, and the gate's address.
#[derive(Clone, Copy)]
struct Ending {
    code: u32,
    gate: u64,
    pooled: bool,
}

/// One direction of a convolution, with all operands checked.
struct Pass<'a> {
    height: usize,
    width: usize,
    x: &'a Tensor,
    gate_in: Option<&'a Gate>,
    filters: &'a Buffer,
    bias: Option<&'a Buffer>,
    ending: Ending,
    acc: Acc,
    /// `x` is the gradient of an average pool's output.
    pooled_in: bool,
    /// Values outside the picture are those of the nearest pixel.
    replicate: bool,
    /// Contributions outside the picture are added to its border.
    folded: bool,
}

impl Conv2dArgs {
    /// Arguments for `y (=|+=) W x` with an output of `shape`.
    pub(crate) fn new(x: &Tensor, y: &Tensor, filters: u64, shape: Shape, acc: Acc) -> Result<Self> {
        Ok(Self {
            x: x.address(),
            y: y.address(),
            filters,
            bias: 0,
            gate_in: 0,
            gate_out: 0,
            height: extent(shape.height)?,
            width: extent(shape.width)?,
            x_stride: x.stride() as u32,
            y_stride: y.stride() as u32,
            epilogue: 0,
            acc: acc_code(acc),
            pooled_in: 0,
            from_f16: u32::from(x.dtype == DType::F16 && y.dtype == DType::Bf16),
        })
    }

    fn of(pass: &Pass<'_>, y: &Tensor) -> Result<Self> {
        Ok(Self {
            bias: pass.bias.map_or(0, Buffer::address),
            gate_in: pass.gate_in.map_or(0, |g| g.buffer.address()),
            gate_out: pass.ending.gate,
            epilogue: pass.ending.code,
            pooled_in: u32::from(pass.pooled_in),
            ..Self::new(pass.x, y, pass.filters.address(), pass.shape(y), pass.acc)?
        })
    }
}

impl Pass<'_> {
    /// The output shape before a pool.
    fn shape(&self, y: &Tensor) -> Shape {
        Shape::new(y.shape().channels, self.height, self.width)
    }
}

fn unsupported(what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("the CUDA backend does not support {what}"))
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

impl Conv2dOps for Cuda {
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
        let pack = |read, written, turned| {
            let weights = Weights { read, written, values: weight, turned };
            let dtype = if turned { self.precision.gradient() } else { self.precision.activation() };
            let packed = match Way::new(read, written, dtype, self.convolution) {
                Way::FromPicture => picture::pack_from(&weights),
                Way::ToPicture => picture::pack_to(&weights),
                Way::Winograd => winograd::pack(&weights),
                Way::Direct => direct::pack(&weights),
                Way::Tensor => return Buffer::with(&self.context, &tensor::pack(&weights, dtype), "a filter"),
            };
            Buffer::with(&self.context, &packed, "a filter")
        };
        let mut padded = bias.to_vec();
        padded.resize(layout::stride(out_channels), 0.0);
        Ok(Filter {
            in_channels,
            out_channels,
            forward: pack(in_channels, out_channels, false)?,
            backward: pack(out_channels, in_channels, true)?,
            bias: Buffer::with(&self.context, &padded, "a bias")?,
        })
    }

    fn filter_bytes(&self, in_channels: usize, out_channels: usize) -> usize {
        let packed = |read, written| match Way::new(read, written, self.precision.activation(), self.convolution) {
            Way::FromPicture => picture::from_len(written).saturating_mul(4),
            Way::ToPicture => picture::to_len(read).saturating_mul(4),
            Way::Winograd => winograd::len(read, written).saturating_mul(4),
            Way::Direct => direct::len(read, written).saturating_mul(4),
            Way::Tensor => tensor::len(read, written).saturating_mul(2),
        };
        let bytes = packed(in_channels, out_channels).saturating_add(packed(out_channels, in_channels));
        bytes.saturating_add(layout::stride(out_channels).saturating_mul(4))
    }

    fn conv2d_algorithm(&self, op: &Conv2d) -> &'static str {
        match Way::new(op.in_channels, op.out_channels, self.precision.activation(), self.convolution) {
            Way::FromPicture | Way::ToPicture => "direct, of a picture",
            Way::Winograd => "winograd F(2x2, 3x3)",
            Way::Direct => "implicit product in f32",
            Way::Tensor => "implicit product on tensor cores",
        }
    }

    fn conv2d_pools(&self, op: &Conv2d) -> bool {
        op.in_channels > FEW && op.out_channels > FEW && op.pooling == Pooling::Average
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
        self.expect_whole(op, pooled)?;
        expect_shape("the input of a convolution", op.input(), x.shape())?;
        expect_shape("the output of a convolution", op.y(pooled), y.shape())?;
        if let Some(gate) = &gate {
            expect_shape("the gate of a convolution", op.output(), gate.shape)?;
        }
        filter.expect(op)?;
        let ending = Ending { code, gate: gate.as_ref().map_or(0, |g| g.buffer.address()), pooled };
        let pass = Pass {
            height: op.height,
            width: op.width,
            x,
            gate_in: None,
            filters: &filter.forward,
            bias: Some(&filter.bias),
            ending,
            acc: Acc::Store,
            pooled_in: false,
            replicate: op.padding == Padding::Replicate,
            folded: false,
        };
        y.written_as(Acc::Store, self.precision.activation());
        let gate = gate.as_deref().map(|g| &g.buffer);
        let way = Way::new(op.in_channels, op.out_channels, self.precision.activation(), self.convolution);
        self.convolve(&pass, gate, way, y)
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
        self.expect_whole(op, pooled)?;
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
            filters: &filter.backward,
            bias: None,
            ending: Ending { code: 0, gate: 0, pooled: false },
            acc,
            pooled_in: pooled,
            replicate: false,
            folded: op.padding == Padding::Replicate,
        };
        dx.gradient(acc, self.precision);
        let way = Way::new(op.out_channels, op.in_channels, self.precision.gradient(), self.convolution);
        self.convolve(&pass, None, way, dx)
    }
}

impl Cuda {
    fn expect_whole(&self, op: &Conv2d, pooled: bool) -> Result<()> {
        op.expect_padding()?;
        if op.part.is_some() {
            return Err(unsupported("a convolution in parts"));
        }
        if pooled && !self.conv2d_pools(op) {
            return Err(unsupported("a convolution of a picture with a fused pool, or one with a fused max pool"));
        }
        Ok(())
    }

    fn convolve(&self, pass: &Pass<'_>, gate_out: Option<&Buffer>, way: Way, y: &mut Tensor) -> Result<()> {
        if pass.x.shape().is_empty() || y.shape().is_empty() && !pass.ending.pooled {
            let message = format!(
                "expected nonempty tensors for a convolution, found shapes {} and {}",
                pass.x.shape(),
                y.shape()
            );
            return Err(Error::new(ErrorKind::Shape, message));
        }
        let mut buffers = vec![&pass.x.buffer, pass.filters, &y.buffer];
        buffers.extend(pass.bias.into_iter().chain(pass.gate_in.map(|g| &g.buffer)).chain(gate_out));
        let entered = self.enter(&buffers)?;
        match way {
            Way::FromPicture | Way::ToPicture => self.convolve_picture(&entered, pass, way, y),
            Way::Winograd => self.convolve_winograd(&entered, pass, y),
            Way::Direct => self.convolve_direct(&entered, pass, y),
            Way::Tensor => self.convolve_tensor(&entered, pass, y),
        }
    }
}
