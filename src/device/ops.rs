//! The ops: each is passed on to the backend in use, with its operands taken out of their enums.

use smallvec::SmallVec;
use style_core::backend::ops::{
    AdamStep, Conv2d, Conv2dOps, CosineOps, Epilogue, GramOps, GuideOps, HistoryOps, LossOps, MomentsOps, NearestOps,
    Pool2d, Pool2dOps, ProductOps, ReluOps, Rows, SampleOps, Sparse, TransportOps, Tv, TvOps, VectorOps, WindowOps,
};
use style_core::backend::{Acc, Shape, Storage};
use style_core::{LbfgsOptions, Result};

use crate::device::Device;
use crate::device::held::{Filter, Gate, Half, Held, Recording, Scalars, Switches, Tensor, Workspace};

/// Evaluates an expression on the backend in use, under its name `$on`.
macro_rules! on {
    ($device:expr, $on:ident => $call:expr) => {
        match $device {
            #[cfg(feature = "cpu")]
            Device::Cpu($on) => $call,
            #[cfg(feature = "cuda")]
            Device::Cuda($on) => $call,
            #[cfg(feature = "wgpu")]
            Device::Wgpu($on) => $call,
        }
    };
}

/// The operands of a vector op, without an allocation for as many as L-BFGS has at most.
type Vectors<T> = SmallVec<[T; 2 * LbfgsOptions::MAX_HISTORY + 1]>;

fn vectors<'a, H: Held<T>, T>(of: &[&'a H]) -> Result<Vectors<&'a T>> {
    of.iter().map(|vector| vector.of()).collect()
}

fn entries<'a, T>(matrix: Sparse<'a, Tensor>) -> Result<Sparse<'a, T>>
where
    Tensor: Held<T>,
{
    let Sparse { offsets, columns, values } = matrix;
    Ok(Sparse { offsets: offsets.of()?, columns: columns.of()?, values: values.of()? })
}

fn terms<'a, H: Held<T>, T>(of: &[(f64, &'a H)]) -> Result<Vectors<(f64, &'a T)>> {
    of.iter().map(|(factor, vector)| Ok((*factor, vector.of()?))).collect()
}

fn epilogue<G>(of: Epilogue<'_, Gate>) -> Result<Epilogue<'_, G>>
where
    Gate: Held<G>,
{
    Ok(match of {
        Epilogue::Bias => Epilogue::Bias,
        Epilogue::Relu => Epilogue::Relu,
        Epilogue::ReluGate(gate) => Epilogue::ReluGate(gate.of_mut()?),
        Epilogue::ReluPool => Epilogue::ReluPool,
        Epilogue::ReluPoolGate(gate) => Epilogue::ReluPoolGate(gate.of_mut()?),
    })
}

impl Storage for Device {
    type Tensor = Tensor;
    type Gate = Gate;
    type Switches = Switches;
    type Scalars = Scalars;
    type Workspace = Workspace;
    type Recording = Recording;

    fn description(&self) -> String {
        on!(self, on => on.description())
    }

    fn within<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        on!(self, on => on.within(work))
    }

    fn replay(&self, recording: &mut Recording, from: &Tensor, to: &mut Tensor) -> Result<bool> {
        match self {
            #[cfg(feature = "cpu")]
            Self::Cpu(cpu) => cpu.replay(&mut recording.cpu, from.of()?, to.of_mut()?),
            #[cfg(feature = "cuda")]
            Self::Cuda(cuda) => cuda.replay(&mut recording.cuda, from.of()?, to.of_mut()?),
            #[cfg(feature = "wgpu")]
            Self::Wgpu(wgpu) => wgpu.replay(&mut recording.wgpu, from.of()?, to.of_mut()?),
        }
    }

    fn record(&self, recording: &mut Recording, work: impl FnMut() -> Result<()>) -> Result<()> {
        match self {
            #[cfg(feature = "cpu")]
            Self::Cpu(cpu) => cpu.record(&mut recording.cpu, work),
            #[cfg(feature = "cuda")]
            Self::Cuda(cuda) => cuda.record(&mut recording.cuda, work),
            #[cfg(feature = "wgpu")]
            Self::Wgpu(wgpu) => wgpu.record(&mut recording.wgpu, work),
        }
    }

    fn free_memory(&self) -> Option<usize> {
        on!(self, on => on.free_memory())
    }

    fn tensor(&self, shape: Shape) -> Result<Tensor> {
        on!(self, on => on.tensor(shape).map(Tensor::from))
    }

    fn features(&self, shape: Shape) -> Result<Tensor> {
        on!(self, on => on.features(shape).map(Tensor::from))
    }

    fn unit_roundoffs(&self) -> [f64; 2] {
        on!(self, on => on.unit_roundoffs())
    }

    fn shape(&self, tensor: &Tensor) -> Shape {
        tensor.shape()
    }

    fn reshape(&self, tensor: &mut Tensor, shape: Shape) -> Result<()> {
        on!(self, on => on.reshape(tensor.of_mut()?, shape))
    }

    fn gate(&self, shape: Shape) -> Result<Gate> {
        on!(self, on => on.gate(shape).map(Gate::from))
    }

    fn switches(&self, shape: Shape) -> Result<Switches> {
        on!(self, on => on.switches(shape).map(Switches::from))
    }

    fn reshape_gate(&self, gate: &mut Gate, shape: Shape) -> Result<()> {
        on!(self, on => on.reshape_gate(gate.of_mut()?, shape))
    }

    fn reshape_switches(&self, switches: &mut Switches, shape: Shape) -> Result<()> {
        on!(self, on => on.reshape_switches(switches.of_mut()?, shape))
    }

    fn scalars(&self, count: usize) -> Result<Scalars> {
        on!(self, on => on.scalars(count).map(Scalars::from))
    }

    fn workspace(&self, bytes: usize) -> Result<Workspace> {
        on!(self, on => on.workspace(bytes).map(Workspace::from))
    }

    fn tensor_bytes(&self, shape: Shape) -> usize {
        on!(self, on => on.tensor_bytes(shape))
    }

    fn features_bytes(&self, shape: Shape) -> usize {
        on!(self, on => on.features_bytes(shape))
    }

    fn gate_bytes(&self, shape: Shape) -> usize {
        on!(self, on => on.gate_bytes(shape))
    }

    fn switches_bytes(&self, shape: Shape) -> usize {
        on!(self, on => on.switches_bytes(shape))
    }

    fn upload(&self, src: &[f32], dst: &mut Tensor) -> Result<()> {
        on!(self, on => on.upload(src, dst.of_mut()?))
    }

    fn download(&self, src: &Tensor, dst: &mut [f32]) -> Result<()> {
        on!(self, on => on.download(src.of()?, dst))
    }

    fn read_scalars(&self, src: &Scalars, dst: &mut [f64]) -> Result<()> {
        on!(self, on => on.read_scalars(src.of()?, dst))
    }
}

impl Conv2dOps for Device {
    type Filter = Filter;

    fn pack(&self, in_channels: usize, out_channels: usize, weight: &[f32], bias: &[f32]) -> Result<Filter> {
        on!(self, on => on.pack(in_channels, out_channels, weight, bias).map(Filter::from))
    }

    fn filter_bytes(&self, in_channels: usize, out_channels: usize) -> usize {
        on!(self, on => on.filter_bytes(in_channels, out_channels))
    }

    fn conv2d_algorithm(&self, op: &Conv2d) -> &'static str {
        on!(self, on => on.conv2d_algorithm(op))
    }

    fn conv2d_pools(&self, op: &Conv2d) -> bool {
        on!(self, on => on.conv2d_pools(op))
    }

    fn conv2d_part_rows(&self, op: &Conv2d) -> Option<usize> {
        on!(self, on => on.conv2d_part_rows(op))
    }

    fn conv2d_workspace(&self, op: &Conv2d) -> usize {
        on!(self, on => on.conv2d_workspace(op))
    }

    fn conv2d_fwd(
        &self,
        op: &Conv2d,
        x: &Tensor,
        filter: &Filter,
        then: Epilogue<'_, Gate>,
        y: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        on!(self, on => on.conv2d_fwd(op, x.of()?, filter.of()?, epilogue(then)?, y.of_mut()?, workspace.of_mut()?))
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
        on!(self, on => {
            let gate = gate.map(Held::of).transpose()?;
            on.conv2d_bwd(op, dy.of()?, gate, filter.of()?, acc, dx.of_mut()?, workspace.of_mut()?)
        })
    }
}

impl Pool2dOps for Device {
    fn pool2d_fwd(&self, op: &Pool2d, x: &Tensor, y: &mut Tensor, switches: Option<&mut Switches>) -> Result<()> {
        on!(self, on => on.pool2d_fwd(op, x.of()?, y.of_mut()?, switches.map(Held::of_mut).transpose()?))
    }

    fn pool2d_bwd(
        &self,
        op: &Pool2d,
        dy: &Tensor,
        switches: Option<&Switches>,
        acc: Acc,
        dx: &mut Tensor,
    ) -> Result<()> {
        on!(self, on => on.pool2d_bwd(op, dy.of()?, switches.map(Held::of).transpose()?, acc, dx.of_mut()?))
    }
}

impl ReluOps for Device {
    fn rectify(&self, x: &mut Tensor) -> Result<()> {
        on!(self, on => on.rectify(x.of_mut()?))
    }
}

impl CosineOps for Device {
    fn cosine(&self, x: &Tensor, t: &Tensor, out: &mut Scalars, slot: usize, d: &mut Tensor) -> Result<()> {
        on!(self, on => on.cosine(x.of()?, t.of()?, out.of_mut()?, slot, d.of_mut()?))
    }
}

impl GramOps for Device {
    fn gram(
        &self,
        features: &Tensor,
        rows: Rows,
        scale: f32,
        acc: Acc,
        g: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        on!(self, on => on.gram(features.of()?, rows, scale, acc, g.of_mut()?, workspace.of_mut()?))
    }

    fn gram_bwd(
        &self,
        features: &Tensor,
        dg: &Tensor,
        scale: f32,
        acc: Acc,
        dfeatures: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        on!(self, on => on.gram_bwd(features.of()?, dg.of()?, scale, acc, dfeatures.of_mut()?, workspace.of_mut()?))
    }

    fn gram_workspace(&self, shape: Shape) -> usize {
        on!(self, on => on.gram_workspace(shape))
    }
}

impl MomentsOps for Device {
    fn moments(&self, x: &Tensor, t: Option<&Tensor>, mean: &mut Tensor, deviation: Option<&mut Tensor>) -> Result<()> {
        on!(self, on => {
            let (t, deviation) = (t.map(Held::of).transpose()?, deviation.map(Held::of_mut).transpose()?);
            on.moments(x.of()?, t, mean.of_mut()?, deviation)
        })
    }

    fn moments_bwd(
        &self,
        x: &Tensor,
        t: Option<&Tensor>,
        mean: &Tensor,
        dmean: &Tensor,
        deviation: Option<(&Tensor, &Tensor)>,
        acc: Acc,
        dx: &mut Tensor,
    ) -> Result<()> {
        on!(self, on => {
            let t = t.map(Held::of).transpose()?;
            let deviation = match deviation {
                Some((value, gradient)) => Some((value.of()?, gradient.of()?)),
                None => None,
            };
            on.moments_bwd(x.of()?, t, mean.of()?, dmean.of()?, deviation, acc, dx.of_mut()?)
        })
    }
}

impl GuideOps for Device {
    fn guide(&self, x: &Tensor, t: &Tensor, scale: f32, acc: Acc, y: &mut Tensor) -> Result<()> {
        on!(self, on => on.guide(x.of()?, t.of()?, scale, acc, y.of_mut()?))
    }
}

impl HistoryOps for Device {
    type Half = Half;

    fn half(&self, shape: Shape) -> Result<Half> {
        on!(self, on => on.half(shape).map(Half::from))
    }

    fn half_bytes(&self, shape: Shape) -> usize {
        on!(self, on => on.half_bytes(shape))
    }

    fn halve(&self, x: &Tensor, h: &mut Half) -> Result<()> {
        on!(self, on => on.halve(x.of()?, h.of_mut()?))
    }

    fn restore(&self, h: &Half, x: &mut Tensor) -> Result<()> {
        on!(self, on => on.restore(h.of()?, x.of_mut()?))
    }

    fn half_dots(&self, a: &[&Tensor], h: &[&Half], out: &mut Scalars, first: usize) -> Result<()> {
        on!(self, on => on.half_dots(&vectors(a)?, &vectors(h)?, out.of_mut()?, first))
    }

    fn half_combine(&self, of: &[(f64, &Half)], (factor, x): (f64, &Tensor), y: &mut Tensor) -> Result<()> {
        on!(self, on => on.half_combine(&terms(of)?, (factor, x.of()?), y.of_mut()?))
    }
}

impl LossOps for Device {
    fn half_squared_distance(&self, a: &Tensor, b: &Tensor, out: &mut Scalars, slot: usize) -> Result<()> {
        on!(self, on => on.half_squared_distance(a.of()?, b.of()?, out.of_mut()?, slot))
    }

    fn half_squared_distance_bwd(&self, a: &Tensor, b: &Tensor, scale: f32, acc: Acc, da: &mut Tensor) -> Result<()> {
        on!(self, on => on.half_squared_distance_bwd(a.of()?, b.of()?, scale, acc, da.of_mut()?))
    }
}

impl NearestOps for Device {
    fn nearest(
        &self,
        x: &Tensor,
        y: &Tensor,
        side: usize,
        found: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        on!(self, on => on.nearest(x.of()?, y.of()?, side, found.of_mut()?, workspace.of_mut()?))
    }

    fn nearest_distance(
        &self,
        x: &Tensor,
        y: &Tensor,
        side: usize,
        found: &Tensor,
        out: &mut Scalars,
        slot: usize,
        d: &mut Tensor,
    ) -> Result<()> {
        on!(self, on => on.nearest_distance(x.of()?, y.of()?, side, found.of()?, out.of_mut()?, slot, d.of_mut()?))
    }

    fn nearest_workspace(&self, x: Shape, side: usize) -> usize {
        on!(self, on => on.nearest_workspace(x, side))
    }
}

impl ProductOps for Device {
    fn product(
        &self,
        a: &Tensor,
        b: &Tensor,
        scale: f32,
        acc: Acc,
        c: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        on!(self, on => on.product(a.of()?, b.of()?, scale, acc, c.of_mut()?, workspace.of_mut()?))
    }

    fn product_workspace(&self, a: Shape, b: Shape) -> usize {
        on!(self, on => on.product_workspace(a, b))
    }

    fn project(
        &self,
        matrix: &Tensor,
        features: &Tensor,
        scale: f32,
        y: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        on!(self, on => on.project(matrix.of()?, features.of()?, scale, y.of_mut()?, workspace.of_mut()?))
    }

    fn project_bwd(
        &self,
        matrix: &Tensor,
        dy: &Tensor,
        scale: f32,
        acc: Acc,
        dfeatures: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        on!(self, on => on.project_bwd(matrix.of()?, dy.of()?, scale, acc, dfeatures.of_mut()?, workspace.of_mut()?))
    }

    fn project_workspace(&self, rows: usize, shape: Shape) -> usize {
        on!(self, on => on.project_workspace(rows, shape))
    }
}

impl SampleOps for Device {
    fn sample(&self, matrix: Sparse<'_, Tensor>, x: &Tensor, scale: f32, y: &mut Tensor, o: usize) -> Result<()> {
        on!(self, on => on.sample(entries(matrix)?, x.of()?, scale, y.of_mut()?, o))
    }

    fn sample_bwd(
        &self,
        transposed: Sparse<'_, Tensor>,
        dy: &Tensor,
        o: usize,
        scale: f32,
        acc: Acc,
        dx: &mut Tensor,
    ) -> Result<()> {
        on!(self, on => on.sample_bwd(entries(transposed)?, dy.of()?, o, scale, acc, dx.of_mut()?))
    }
}

impl TransportOps for Device {
    fn transport(
        &self,
        x: &Tensor,
        t: &Tensor,
        out: &mut Scalars,
        slot: usize,
        d: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        on!(self, on => on.transport(x.of()?, t.of()?, out.of_mut()?, slot, d.of_mut()?, workspace.of_mut()?))
    }

    fn transport_workspace(&self, shape: Shape) -> usize {
        on!(self, on => on.transport_workspace(shape))
    }
}

impl TvOps for Device {
    fn tv(&self, kind: Tv, x: &Tensor, out: &mut Scalars, slot: usize) -> Result<()> {
        on!(self, on => on.tv(kind, x.of()?, out.of_mut()?, slot))
    }

    fn tv_bwd(&self, kind: Tv, x: &Tensor, scale: f32, acc: Acc, dx: &mut Tensor) -> Result<()> {
        on!(self, on => on.tv_bwd(kind, x.of()?, scale, acc, dx.of_mut()?))
    }
}

impl VectorOps for Device {
    fn copy(&self, src: &Tensor, dst: &mut Tensor) -> Result<()> {
        on!(self, on => on.copy(src.of()?, dst.of_mut()?))
    }

    fn dots(&self, a: &[&Tensor], b: &[&Tensor], out: &mut Scalars, first: usize) -> Result<()> {
        on!(self, on => on.dots(&vectors(a)?, &vectors(b)?, out.of_mut()?, first))
    }

    fn combine(&self, of: &[(f64, &Tensor)], y: &mut Tensor) -> Result<()> {
        on!(self, on => on.combine(&terms(of)?, y.of_mut()?))
    }

    fn scale_by(&self, x: &Tensor, scalars: &Scalars, slot: usize, power: f64, y: &mut Tensor) -> Result<()> {
        on!(self, on => on.scale_by(x.of()?, scalars.of()?, slot, power, y.of_mut()?))
    }

    fn adam(&self, step: &AdamStep, g: &Tensor, m: &mut Tensor, v: &mut Tensor, x: &mut Tensor) -> Result<()> {
        on!(self, on => on.adam(step, g.of()?, m.of_mut()?, v.of_mut()?, x.of_mut()?))
    }
}

impl WindowOps for Device {
    fn window(&self, x: &Tensor, at: [usize; 2], y: &mut Tensor) -> Result<()> {
        on!(self, on => on.window(x.of()?, at, y.of_mut()?))
    }

    fn window_bwd(&self, dy: &Tensor, at: [usize; 2], acc: Acc, dx: &mut Tensor) -> Result<()> {
        on!(self, on => on.window_bwd(dy.of()?, at, acc, dx.of_mut()?))
    }
}
