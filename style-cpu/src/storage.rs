//! The backend's memory; see [`style_core::backend::Storage`].

use style_core::backend::{Shape, Storage};
use style_core::{Error, ErrorKind, Result};

use crate::cpu::Cpu;
use crate::memory::{zeroed, zeroed_vec};
use crate::precision::Precision;
use crate::tensor::{Gate, Lanes, PARTS, Scalars, Switches, Tensor, Workspace};

impl Storage for Cpu {
    type Tensor = Tensor;
    type Gate = Gate;
    type Switches = Switches;
    type Scalars = Scalars;
    type Workspace = Workspace;
    type Recording = ();

    fn description(&self) -> String {
        let n = self.threads();
        let precision = if self.precision() == Precision::Bf16 { ", bf16" } else { "" };
        format!("cpu ({}{precision}, {n} thread{})", self.isa().name(), if n == 1 { "" } else { "s" })
    }

    fn within<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.threads.within(work)
    }

    fn tensor(&self, shape: Shape) -> Result<Tensor> {
        Tensor::new(shape)
    }

    fn shape(&self, tensor: &Tensor) -> Shape {
        tensor.shape()
    }

    fn reshape(&self, tensor: &mut Tensor, shape: Shape) -> Result<()> {
        tensor.reshape(shape)
    }

    fn gate(&self, shape: Shape) -> Result<Gate> {
        Gate::new(shape)
    }

    fn switches(&self, shape: Shape) -> Result<Switches> {
        Switches::new(shape)
    }

    fn reshape_gate(&self, gate: &mut Gate, shape: Shape) -> Result<()> {
        gate.reshape(shape)
    }

    fn reshape_switches(&self, switches: &mut Switches, shape: Shape) -> Result<()> {
        switches.reshape(shape)
    }

    fn scalars(&self, count: usize) -> Result<Scalars> {
        let partial = zeroed_vec(count.saturating_mul(PARTS), "sums")?;
        Ok(Scalars { values: zeroed_vec(count, "scalars")?, partial })
    }

    fn workspace(&self, bytes: usize) -> Result<Workspace> {
        Ok(Workspace { memory: zeroed(bytes.div_ceil(size_of::<Lanes>()), "a workspace")? })
    }

    fn tensor_bytes(&self, shape: Shape) -> usize {
        Tensor::bytes(shape)
    }

    fn gate_bytes(&self, shape: Shape) -> usize {
        Gate::bytes(shape)
    }

    fn switches_bytes(&self, shape: Shape) -> usize {
        Gate::bytes(shape).saturating_mul(2)
    }

    fn upload(&self, src: &[f32], dst: &mut Tensor) -> Result<()> {
        dst.upload(src)
    }

    fn download(&self, src: &Tensor, dst: &mut [f32]) -> Result<()> {
        src.download(dst)
    }

    fn read_scalars(&self, src: &Scalars, dst: &mut [f64]) -> Result<()> {
        let values = src.values.get(..dst.len()).ok_or_else(|| {
            Error::new(ErrorKind::Shape, format!("expected at most {} scalars, found {}", src.values.len(), dst.len()))
        })?;
        dst.copy_from_slice(values);
        Ok(())
    }
}
