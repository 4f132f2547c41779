//! Device memory; see [`style_core::backend::Storage`].

use half::f16;
use style_core::Result;
use style_core::backend::{Shape, Storage};

use crate::context::{Buffer, rounded};
use crate::cuda::Cuda;
use crate::ops::expect_length;
use crate::precision::Precision;
use crate::recording::Recording;
use crate::tensor::{DType, Gate, Scalars, Switches, Tensor, Workspace, from_half, to_bf16, to_f16};

impl Storage for Cuda {
    type Tensor = Tensor;
    type Gate = Gate;
    type Switches = Switches;
    type Scalars = Scalars;
    type Workspace = Workspace;
    type Recording = Recording;

    fn description(&self) -> String {
        let precision = match self.precision {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
            Precision::Bf16 => "bf16",
        };
        format!("cuda ({}, {precision})", self.context.device.name)
    }

    fn replay(&self, recording: &mut Recording, from: &Tensor, to: &mut Tensor) -> Result<bool> {
        recording.replay(&self.context, [from.address(), to.address()])
    }

    fn record(&self, recording: &mut Recording, work: impl FnMut() -> Result<()>) -> Result<()> {
        recording.record(&self.context, work)
    }

    fn free_memory(&self) -> Option<usize> {
        self.context.free_memory()
    }

    fn tensor(&self, shape: Shape) -> Result<Tensor> {
        Tensor::new(&self.context, shape, DType::F32)
    }

    fn features(&self, shape: Shape) -> Result<Tensor> {
        Tensor::new(&self.context, shape, self.precision.activation())
    }

    fn unit_roundoffs(&self) -> [f64; 2] {
        let of = |dtype| match dtype {
            DType::F32 => 2f64.powi(-24),
            DType::F16 => 2f64.powi(-11),
            DType::Bf16 => 2f64.powi(-8),
        };
        [of(self.precision.activation()), of(self.precision.gradient())]
    }

    fn shape(&self, tensor: &Tensor) -> Shape {
        tensor.shape()
    }

    fn reshape(&self, tensor: &mut Tensor, shape: Shape) -> Result<()> {
        tensor.reshape(shape)
    }

    fn gate(&self, shape: Shape) -> Result<Gate> {
        Ok(Gate { buffer: Buffer::new(&self.context, Gate::bytes(shape), &format!("a gate of shape {shape}"))?, shape })
    }

    fn switches(&self, shape: Shape) -> Result<Switches> {
        let what = format!("switches of shape {shape}");
        Ok(Switches { buffer: Buffer::new(&self.context, Switches::bytes(shape), &what)?, shape })
    }

    fn reshape_gate(&self, gate: &mut Gate, shape: Shape) -> Result<()> {
        gate.reshape(shape)
    }

    fn reshape_switches(&self, switches: &mut Switches, shape: Shape) -> Result<()> {
        switches.reshape(shape)
    }

    fn scalars(&self, count: usize) -> Result<Scalars> {
        let what = format!("{count} scalars");
        Ok(Scalars { buffer: Buffer::new(&self.context, count.saturating_mul(8), &what)?, count })
    }

    fn workspace(&self, bytes: usize) -> Result<Workspace> {
        Ok(Workspace { buffer: Buffer::new(&self.context, bytes, "a workspace")? })
    }

    fn tensor_bytes(&self, shape: Shape) -> usize {
        Tensor::bytes(shape, DType::F32)
    }

    fn features_bytes(&self, shape: Shape) -> usize {
        Tensor::bytes(shape, self.precision.activation())
    }

    fn gate_bytes(&self, shape: Shape) -> usize {
        rounded(Gate::bytes(shape)).unwrap_or(usize::MAX)
    }

    fn switches_bytes(&self, shape: Shape) -> usize {
        rounded(Switches::bytes(shape)).unwrap_or(usize::MAX)
    }

    fn upload(&self, src: &[f32], dst: &mut Tensor) -> Result<()> {
        expect_length(src.len(), dst)?;
        let entered = self.enter(&[&dst.buffer])?;
        if !dst.is_half() {
            return entered.upload(&dst.encode(src, |v| v), &mut dst.buffer);
        }
        dst.dtype = self.precision.activation();
        let value = if dst.dtype == DType::F16 { to_f16 } else { to_bf16 };
        entered.upload(&dst.encode(src, value), &mut dst.buffer)
    }

    fn download(&self, src: &Tensor, dst: &mut [f32]) -> Result<()> {
        expect_length(dst.len(), src)?;
        let entered = self.enter(&[&src.buffer])?;
        if src.is_half() {
            let mut all = vec![f16::ZERO.to_bits(); src.values()];
            entered.download(&src.buffer, &mut all)?;
            src.decode(&all, dst, |v| from_half(src.dtype, v));
        } else {
            let mut all = vec![0f32; src.values()];
            entered.download(&src.buffer, &mut all)?;
            src.decode(&all, dst, |v| v);
        }
        Ok(())
    }

    fn read_scalars(&self, src: &Scalars, dst: &mut [f64]) -> Result<()> {
        src.slots(0, dst.len())?;
        self.enter(&[&src.buffer])?.download(&src.buffer, dst)
    }
}
