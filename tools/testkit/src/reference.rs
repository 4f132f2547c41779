//! A backend built on the oracle: slow, simple, and correct to the last bit of `f32`.

mod cosine;
mod history;
mod nearest;
mod product;
mod sample;
mod transport;

use style_core::backend::ops::{
    AdamStep, Conv2d, Conv2dOps, Epilogue, Part, Pool2d, Pool2dOps, Rows, Tv, gate_required,
};
use style_core::backend::ops::{
    GramOps, GuideOps, LossOps, MomentsOps, ReluOps, TvOps, VectorOps, WindowOps, expect_window,
};
use style_core::backend::{Acc, Shape, Storage, expect_shape};
use style_core::{Error, ErrorKind, Pooling, Result};

use crate::Array;
use crate::oracle::{self, conv2d::Weights};

/// The reference backend: computes in `f64` with the [`crate::oracle`], stores `f32`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reference;

/// A tensor of [`Reference`].
#[derive(Clone, Debug)]
pub struct Tensor {
    shape: Shape,
    capacity: usize,
    data: Vec<f32>,
}

impl Tensor {
    fn get(&self) -> Array {
        Array::from_f32(self.shape, &self.data)
    }

    fn set(&mut self, acc: Acc, value: &Array) {
        debug_assert_eq!(self.shape, value.shape);
        for (dst, &v) in self.data.iter_mut().zip(&value.data) {
            *dst = match acc {
                Acc::Store => v as f32,
                Acc::Add => (f64::from(*dst) + v) as f32,
            };
        }
    }
}

/// One value per element of a shape: the gates and switches of [`Reference`].
#[derive(Clone, Debug)]
pub struct Marks {
    shape: Shape,
    capacity: usize,
    marks: Vec<u8>,
}

impl Marks {
    fn new(what: &str, shape: Shape) -> Result<Self> {
        Ok(Self { shape, capacity: shape.len(), marks: try_vec(what, shape.len(), 0)? })
    }

    fn reshape(&mut self, shape: Shape) -> Result<()> {
        expect("the new shape", shape.len() <= self.capacity)?;
        self.shape = shape;
        // Values that no op produces.
        self.marks.clear();
        self.marks.resize(shape.len(), u8::MAX);
        Ok(())
    }
}

/// Filters of [`Reference`].
#[derive(Clone, Debug)]
pub struct Filter(Weights);

fn out_of_memory(what: &str) -> Error {
    Error::new(ErrorKind::OutOfMemory, format!("not enough memory for {what}; use a smaller picture"))
}

fn try_vec<T: Clone>(what: &str, len: usize, value: T) -> Result<Vec<T>> {
    let mut data = Vec::new();
    data.try_reserve_exact(len).map_err(|_| out_of_memory(what))?;
    data.resize(len, value);
    Ok(data)
}

fn expect(what: &str, holds: bool) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::new(ErrorKind::Shape, format!("{what} does not match the other operands"))) }
}

/// Checks that a map, if given, is a single channel of `x`.
fn expect_map(what: &str, t: Option<&Tensor>, x: &Tensor) -> Result<()> {
    t.map_or(Ok(()), |t| expect_shape(what, Shape { channels: 1, ..x.shape }, t.shape))
}

fn no_slot(slot: usize, len: usize) -> Error {
    Error::new(ErrorKind::Shape, format!("slot {slot} is out of range for {len} scalars"))
}

fn slot(out: &mut [f64], slot: usize) -> Result<&mut f64> {
    let len = out.len();
    out.get_mut(slot).ok_or_else(|| no_slot(slot, len))
}

impl Storage for Reference {
    type Tensor = Tensor;
    type Gate = Marks;
    type Switches = Marks;
    type Scalars = Vec<f64>;
    type Workspace = ();
    type Recording = ();

    fn description(&self) -> String {
        "reference (f64 oracle)".into()
    }

    fn tensor(&self, shape: Shape) -> Result<Tensor> {
        Ok(Tensor { shape, capacity: shape.len(), data: try_vec("a tensor", shape.len(), 0.0)? })
    }

    fn shape(&self, tensor: &Tensor) -> Shape {
        tensor.shape
    }

    fn reshape(&self, tensor: &mut Tensor, shape: Shape) -> Result<()> {
        expect("the new shape", shape.len() <= tensor.capacity)?;
        tensor.data.resize(shape.len(), f32::NAN);
        tensor.shape = shape;
        Ok(())
    }

    fn gate(&self, shape: Shape) -> Result<Marks> {
        Marks::new("a gate", shape)
    }

    fn switches(&self, shape: Shape) -> Result<Marks> {
        Marks::new("switches", shape)
    }

    fn reshape_gate(&self, gate: &mut Marks, shape: Shape) -> Result<()> {
        gate.reshape(shape)
    }

    fn reshape_switches(&self, switches: &mut Marks, shape: Shape) -> Result<()> {
        switches.reshape(shape)
    }

    fn scalars(&self, count: usize) -> Result<Vec<f64>> {
        try_vec("scalars", count, 0.0)
    }

    fn workspace(&self, bytes: usize) -> Result<()> {
        if bytes >= 1 << (3 * usize::BITS / 4 - 1) { Err(out_of_memory("a workspace")) } else { Ok(()) }
    }

    fn tensor_bytes(&self, shape: Shape) -> usize {
        shape.len().saturating_mul(4)
    }

    fn gate_bytes(&self, shape: Shape) -> usize {
        shape.len()
    }

    fn switches_bytes(&self, shape: Shape) -> usize {
        shape.len()
    }

    fn upload(&self, src: &[f32], dst: &mut Tensor) -> Result<()> {
        expect("the length of an upload", src.len() == dst.data.len())?;
        dst.data.copy_from_slice(src);
        Ok(())
    }

    fn download(&self, src: &Tensor, dst: &mut [f32]) -> Result<()> {
        expect("the length of a download", src.data.len() == dst.len())?;
        dst.copy_from_slice(&src.data);
        Ok(())
    }

    fn read_scalars(&self, src: &Vec<f64>, dst: &mut [f64]) -> Result<()> {
        expect("the number of scalars", dst.len() <= src.len())?;
        dst.copy_from_slice(&src[..dst.len()]);
        Ok(())
    }
}

impl Conv2dOps for Reference {
    type Filter = Filter;

    fn pack(&self, in_channels: usize, out_channels: usize, weight: &[f32], bias: &[f32]) -> Result<Filter> {
        let values = in_channels.checked_mul(out_channels).and_then(|n| n.checked_mul(9));
        expect("the number of filter values", values == Some(weight.len()))?;
        expect("the number of biases", bias.len() == out_channels)?;
        let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect();
        Ok(Filter(Weights { in_channels, out_channels, filters: wide(weight), bias: wide(bias) }))
    }

    fn filter_bytes(&self, in_channels: usize, out_channels: usize) -> usize {
        in_channels.saturating_mul(out_channels).saturating_mul(9 * 8)
    }

    fn conv2d_algorithm(&self, _op: &Conv2d) -> &'static str {
        "direct"
    }

    fn conv2d_pools(&self, _op: &Conv2d) -> bool {
        true
    }

    fn conv2d_part_rows(&self, _op: &Conv2d) -> Option<usize> {
        Some(4)
    }

    fn conv2d_workspace(&self, _op: &Conv2d) -> usize {
        0
    }

    fn conv2d_fwd(
        &self,
        op: &Conv2d,
        x: &Tensor,
        filter: &Filter,
        epilogue: Epilogue<'_, Marks>,
        y: &mut Tensor,
        _workspace: &mut (),
    ) -> Result<()> {
        let pooled = matches!(epilogue, Epilogue::ReluPool | Epilogue::ReluPoolGate(_));
        op.expect_padding()?;
        op.expect_part(true, pooled)?;
        expect_shape("the input of a convolution", op.x(), x.shape)?;
        expect_shape("the output of a convolution", op.y(pooled), y.shape)?;
        let channels = (filter.0.in_channels, filter.0.out_channels);
        expect("the filter of a convolution", channels == (op.in_channels, op.out_channels))?;
        if let Epilogue::ReluGate(gate) | Epilogue::ReluPoolGate(gate) = &epilogue {
            expect_shape("the gate of a convolution", op.output(), gate.shape)?;
        }
        let Part { computed, x: held, y: to } = op.rows();
        let linear = oracle::conv2d::fwd(op, &x.get().among(held, op.height), &filter.0);
        let relu = oracle::conv2d::relu(&linear);
        // The same as a separate pool reads.
        let stored = || oracle::pool2d::fwd(&pool_behind(op), &Array::from_f32(op.output(), &relu.to_f32())).0;
        let halved = |rows: Rows| Rows { start: rows.start / 2, end: rows.end / 2 };
        let mut put = |value: &Array, computed: Rows, to: Rows| {
            let mut all = y.get();
            let shifted = Rows { start: computed.start - to.start, end: computed.end - to.start };
            all.set_rows(shifted, value, computed.start);
            y.set(Acc::Store, &all);
        };
        let mark = |gate: &mut Marks, pooled: bool| {
            let relu = Array::from_f32(op.output(), &relu.to_f32());
            let mut marks: Vec<_> = relu.data.iter().map(|&v| u8::from(v > 0.0)).collect();
            if pooled && op.pooling == Pooling::Max {
                let (most, switches) = oracle::pool2d::fwd(&pool_behind(op), &relu);
                let selected = oracle::pool2d::bwd(&pool_behind(op), &most.map(|_| 1.0), &switches);
                marks.iter_mut().zip(selected.data).for_each(|(mark, selected)| *mark &= selected as u8);
            }
            for (i, (mark, new)) in gate.marks.iter_mut().zip(marks).enumerate() {
                let row = i / op.width % op.height;
                *mark = if computed.start <= row && row < computed.end { new } else { *mark };
            }
        };
        match epilogue {
            Epilogue::Bias => put(&linear, computed, to),
            Epilogue::Relu => put(&relu, computed, to),
            Epilogue::ReluPool => put(&stored(), halved(computed), halved(to)),
            Epilogue::ReluGate(gate) => {
                put(&relu, computed, to);
                mark(gate, false);
            }
            Epilogue::ReluPoolGate(gate) => {
                put(&stored(), halved(computed), halved(to));
                mark(gate, true);
            }
        }
        Ok(())
    }

    fn conv2d_bwd(
        &self,
        op: &Conv2d,
        dy: &Tensor,
        gate: Option<&Marks>,
        filter: &Filter,
        acc: Acc,
        dx: &mut Tensor,
        _workspace: &mut (),
    ) -> Result<()> {
        let pooled = dy.shape == op.y(true) && dy.shape != op.y(false);
        op.expect_padding()?;
        op.expect_part(false, pooled)?;
        if !pooled {
            expect_shape("the output gradient of a convolution", op.y(false), dy.shape)?;
        }
        expect_shape("the input gradient of a convolution", op.x(), dx.shape)?;
        let channels = (filter.0.in_channels, filter.0.out_channels);
        expect("the filter of a convolution", channels == (op.in_channels, op.out_channels))?;
        let Part { computed, x: to, y: held } = op.rows();
        let mut gated = if pooled {
            let held = Rows { start: held.start / 2, end: held.end / 2 };
            let average = Pool2d { pooling: Pooling::Average, ..pool_behind(op) };
            let spread = oracle::pool2d::bwd(&average, &dy.get().among(held, op.height / 2), &[]);
            match (op.pooling, gate) {
                (Pooling::Average, _) => spread,
                (Pooling::Max, Some(_)) => spread.map(|v| 4.0 * v),
                (Pooling::Max, None) => return Err(gate_required()),
            }
        } else {
            dy.get().among(held, op.height)
        };
        if let Some(gate) = gate {
            expect_shape("the gate of a convolution", op.output(), gate.shape)?;
            for (dy, &open) in gated.data.iter_mut().zip(&gate.marks) {
                *dy = if open == 1 { *dy } else { 0.0 };
            }
        }
        let gradient = oracle::conv2d::bwd(op, &gated, &filter.0);
        let mut all = dx.get();
        for (i, value) in all.data.iter_mut().enumerate() {
            let row = i / op.width % to.len() + to.start;
            if computed.start <= row && row < computed.end {
                let new = gradient.at(i / (op.width * to.len()), row, i % op.width);
                *value = if acc == Acc::Add { *value + new } else { new };
            }
        }
        dx.set(Acc::Store, &all);
        Ok(())
    }
}

/// The pool that a convolution may fuse.
fn pool_behind(op: &Conv2d) -> Pool2d {
    Pool2d { pooling: op.pooling, channels: op.out_channels, height: op.height, width: op.width }
}

impl Pool2dOps for Reference {
    fn pool2d_fwd(&self, op: &Pool2d, x: &Tensor, y: &mut Tensor, switches: Option<&mut Marks>) -> Result<()> {
        expect_shape("the input of a pool", op.input(), x.shape)?;
        expect_shape("the output of a pool", op.output(), y.shape)?;
        let (value, taken) = oracle::pool2d::fwd(op, &x.get());
        if let (Pooling::Max, Some(switches)) = (op.pooling, switches) {
            expect_shape("the switches of a pool", op.output(), switches.shape)?;
            switches.marks = taken;
        }
        y.set(Acc::Store, &value);
        Ok(())
    }

    fn pool2d_bwd(&self, op: &Pool2d, dy: &Tensor, switches: Option<&Marks>, acc: Acc, dx: &mut Tensor) -> Result<()> {
        expect_shape("the output gradient of a pool", op.output(), dy.shape)?;
        expect_shape("the input gradient of a pool", op.input(), dx.shape)?;
        let taken = match (op.pooling, switches) {
            (Pooling::Average, _) => &[][..],
            (Pooling::Max, Some(switches)) => {
                expect_shape("the switches of a pool", op.output(), switches.shape)?;
                &switches.marks
            }
            (Pooling::Max, None) => {
                let message = "the gradient of a max pool requires the switches of its forward pass";
                return Err(Error::new(ErrorKind::Argument, message));
            }
        };
        dx.set(acc, &oracle::pool2d::bwd(op, &dy.get(), taken));
        Ok(())
    }
}

impl ReluOps for Reference {
    fn rectify(&self, x: &mut Tensor) -> Result<()> {
        x.set(Acc::Store, &oracle::relu::rectify(&x.get()));
        Ok(())
    }
}

impl GramOps for Reference {
    fn gram(
        &self,
        features: &Tensor,
        rows: Rows,
        scale: f32,
        acc: Acc,
        g: &mut Tensor,
        _workspace: &mut (),
    ) -> Result<()> {
        expect_shape("a Gram matrix", Shape::gram(features.shape.channels), g.shape)?;
        expect("the rows of a Gram matrix", rows.start <= rows.end && rows.end <= features.shape.height)?;
        g.set(acc, &oracle::gram::fwd(&features.get().rows(rows), f64::from(scale)));
        Ok(())
    }

    fn gram_bwd(
        &self,
        features: &Tensor,
        dg: &Tensor,
        scale: f32,
        acc: Acc,
        dfeatures: &mut Tensor,
        _workspace: &mut (),
    ) -> Result<()> {
        expect_shape("the gradient of a Gram matrix", Shape::gram(features.shape.channels), dg.shape)?;
        expect_shape("the gradient of features", features.shape, dfeatures.shape)?;
        dfeatures.set(acc, &oracle::gram::bwd(&features.get(), &dg.get(), f64::from(scale)));
        Ok(())
    }

    fn gram_workspace(&self, _shape: Shape) -> usize {
        0
    }
}

impl MomentsOps for Reference {
    fn moments(&self, x: &Tensor, t: Option<&Tensor>, mean: &mut Tensor, deviation: Option<&mut Tensor>) -> Result<()> {
        let channels = Shape::new(x.shape.channels, 1, 1);
        expect_map("the weights of moments", t, x)?;
        expect_shape("a mean", channels, mean.shape)?;
        let (mean_value, deviation_value) = oracle::moments::fwd(&x.get(), t.map(Tensor::get).as_ref());
        if let Some(deviation) = deviation {
            expect_shape("a deviation", channels, deviation.shape)?;
            deviation.set(Acc::Store, &deviation_value);
        }
        mean.set(Acc::Store, &mean_value);
        Ok(())
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
        expect_map("the weights of moments", t, x)?;
        for of_channels in [Some(mean), Some(dmean), deviation.map(|d| d.0), deviation.map(|d| d.1)].iter().flatten() {
            expect_shape("an operand of the moments", Shape::new(x.shape.channels, 1, 1), of_channels.shape)?;
        }
        expect_shape("the gradient of features", x.shape, dx.shape)?;
        let (t, deviation) = (t.map(Tensor::get), deviation.map(|(value, gradient)| (value.get(), gradient.get())));
        let deviation = deviation.as_ref().map(|(value, gradient)| (value, gradient));
        dx.set(acc, &oracle::moments::bwd(&x.get(), t.as_ref(), &mean.get(), &dmean.get(), deviation));
        Ok(())
    }
}

impl GuideOps for Reference {
    fn guide(&self, x: &Tensor, t: &Tensor, scale: f32, acc: Acc, y: &mut Tensor) -> Result<()> {
        expect_map("the map of guidance", Some(t), x)?;
        expect_shape("guided features", x.shape, y.shape)?;
        y.set(acc, &oracle::guide::guide(&x.get(), &t.get(), f64::from(scale)));
        Ok(())
    }
}

impl LossOps for Reference {
    fn half_squared_distance(&self, a: &Tensor, b: &Tensor, out: &mut Vec<f64>, at: usize) -> Result<()> {
        expect_shape("the second operand of a loss", a.shape, b.shape)?;
        *slot(out, at)? = oracle::loss::half_squared_distance(&a.get(), &b.get());
        Ok(())
    }

    fn half_squared_distance_bwd(&self, a: &Tensor, b: &Tensor, scale: f32, acc: Acc, da: &mut Tensor) -> Result<()> {
        expect_shape("the second operand of a loss", a.shape, b.shape)?;
        expect_shape("the gradient of a loss", a.shape, da.shape)?;
        da.set(acc, &oracle::loss::half_squared_distance_bwd(&a.get(), &b.get(), f64::from(scale)));
        Ok(())
    }
}

impl TvOps for Reference {
    fn tv(&self, kind: Tv, x: &Tensor, out: &mut Vec<f64>, at: usize) -> Result<()> {
        *slot(out, at)? = oracle::tv::fwd(kind, &x.get());
        Ok(())
    }

    fn tv_bwd(&self, kind: Tv, x: &Tensor, scale: f32, acc: Acc, dx: &mut Tensor) -> Result<()> {
        expect_shape("the gradient of the total variation", x.shape, dx.shape)?;
        dx.set(acc, &oracle::tv::bwd(kind, &x.get(), f64::from(scale)));
        Ok(())
    }
}

impl VectorOps for Reference {
    fn copy(&self, src: &Tensor, dst: &mut Tensor) -> Result<()> {
        expect_shape("the destination of a copy", src.shape, dst.shape)?;
        dst.data.copy_from_slice(&src.data);
        Ok(())
    }

    fn dots(&self, a: &[&Tensor], b: &[&Tensor], out: &mut Vec<f64>, first: usize) -> Result<()> {
        for x in a.iter().chain(b) {
            expect_shape("an operand of a dot product", a.first().unwrap_or(x).shape, x.shape)?;
        }
        let needed = a.len().checked_mul(b.len()).and_then(|n| n.checked_add(first));
        expect("the range of the dot products", needed.is_some_and(|n| n <= out.len()))?;
        let wide = |tensors: &[&Tensor]| tensors.iter().map(|t| t.get()).collect::<Vec<_>>();
        let (a, b) = (wide(a), wide(b));
        let values = oracle::vector::dots(&a.iter().collect::<Vec<_>>(), &b.iter().collect::<Vec<_>>());
        out[first..first + values.len()].copy_from_slice(&values);
        Ok(())
    }

    fn combine(&self, terms: &[(f64, &Tensor)], y: &mut Tensor) -> Result<()> {
        for (_, x) in terms {
            expect_shape("a term of a combination", y.shape, x.shape)?;
        }
        let terms: Vec<_> = terms.iter().map(|(c, x)| (*c, x.get())).collect();
        let terms: Vec<_> = terms.iter().map(|(c, x)| (*c, x)).collect();
        y.set(Acc::Store, &oracle::vector::combine(y.shape, &terms));
        Ok(())
    }

    fn scale_by(&self, x: &Tensor, scalars: &Vec<f64>, slot: usize, power: f64, y: &mut Tensor) -> Result<()> {
        expect_shape("the result of a scaling", x.shape, y.shape)?;
        let s = scalars.get(slot).copied().ok_or_else(|| no_slot(slot, scalars.len()))?;
        y.set(Acc::Store, &oracle::vector::scale_by(&x.get(), s, power));
        Ok(())
    }

    fn adam(&self, step: &AdamStep, g: &Tensor, m: &mut Tensor, v: &mut Tensor, x: &mut Tensor) -> Result<()> {
        for (what, shape) in [("first moment", m.shape), ("second moment", v.shape), ("image", x.shape)] {
            expect_shape(what, g.shape, shape)?;
        }
        let (new_m, new_v, new_x) = oracle::vector::adam(step, &g.get(), &m.get(), &v.get(), &x.get());
        m.set(Acc::Store, &new_m);
        v.set(Acc::Store, &new_v);
        x.set(Acc::Store, &new_x);
        Ok(())
    }
}

impl WindowOps for Reference {
    fn window(&self, x: &Tensor, at: [usize; 2], y: &mut Tensor) -> Result<()> {
        expect_window(x.shape, at, y.shape)?;
        y.set(Acc::Store, &oracle::window::fwd(&x.get(), at, y.shape));
        Ok(())
    }

    fn window_bwd(&self, dy: &Tensor, at: [usize; 2], acc: Acc, dx: &mut Tensor) -> Result<()> {
        expect_window(dx.shape, at, dy.shape)?;
        let shape = dx.shape;
        let put = |value: &Array| oracle::window::bwd(value, at, shape);
        match acc {
            Acc::Store => dx.set(acc, &put(&dy.get())),
            // Written out, as values outside must not be touched: adding zero to -0.0 would give 0.0.
            Acc::Add => {
                let sum = put(&oracle::window::fwd(&dx.get(), at, dy.shape).zip(&dy.get(), |dx, dy| dx + dy));
                let within = put(&Array::full(dy.shape, 1.0));
                for (i, value) in dx.data.iter_mut().enumerate().filter(|&(i, _)| within.data[i] == 1.0) {
                    *value = sum.data[i] as f32;
                }
            }
        }
        Ok(())
    }
}
