//! Device memory; see [`style_core::backend::Storage`].

use style_core::Result;
use style_core::backend::{Shape, Storage};

use crate::backend::Wgpu;
use crate::buffer::{Buffer, size};
use crate::kernels::SUM_BYTES;
use crate::ops::expect_length;
use crate::tensor::{Gate, Scalars, Switches, Tensor, Workspace};

impl Storage for Wgpu {
    type Tensor = Tensor;
    type Gate = Gate;
    type Switches = Switches;
    type Scalars = Scalars;
    type Workspace = Workspace;
    type Recording = ();

    fn description(&self) -> String {
        let adapter = &self.context.adapter;
        format!("wgpu ({}, {})", adapter.name, adapter.interface)
    }

    fn free_memory(&self) -> Option<usize> {
        self.context.free_memory()
    }

    fn tensor(&self, shape: Shape) -> Result<Tensor> {
        Tensor::new(&self.context, shape)
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
        Ok(Scalars { buffer: Buffer::new(&self.context, count.saturating_mul(SUM_BYTES), &what)?, count })
    }

    fn workspace(&self, bytes: usize) -> Result<Workspace> {
        Ok(Workspace { buffer: Buffer::new(&self.context, bytes, "a workspace")? })
    }

    fn tensor_bytes(&self, shape: Shape) -> usize {
        size(Tensor::bytes(shape))
    }

    fn gate_bytes(&self, shape: Shape) -> usize {
        size(Gate::bytes(shape))
    }

    fn switches_bytes(&self, shape: Shape) -> usize {
        size(Switches::bytes(shape))
    }

    fn upload(&self, src: &[f32], dst: &mut Tensor) -> Result<()> {
        expect_length(src.len(), dst)?;
        self.enter(&[&dst.buffer])?.upload(&dst.encode(src)?, &dst.buffer)
    }

    fn download(&self, src: &Tensor, dst: &mut [f32]) -> Result<()> {
        expect_length(dst.len(), src)?;
        self.enter(&[&src.buffer])?.download(&src.buffer, src.values(), |all| src.decode(all, dst))
    }

    fn read_scalars(&self, src: &Scalars, dst: &mut [f64]) -> Result<()> {
        src.slots(0, dst.len())?;
        self.enter(&[&src.buffer])?.download(&src.buffer, SUM_BYTES / 4 * dst.len(), |all| {
            for (to, sum) in dst.iter_mut().zip(all.chunks_exact(SUM_BYTES / 4)) {
                // Where the first part is infinite, the second is no number.
                let [high, low, exponent] = [sum[0], sum[1], sum[2]].map(f64::from);
                *to = if high.is_finite() { high + low } else { high } * exponent.exp2();
            }
        })
    }
}
