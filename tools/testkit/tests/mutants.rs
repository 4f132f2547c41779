//! The cases must be able to fail: the reference backend with one deliberate mistake, which some case of the room
//! where it is made has to notice.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

use style_core::ops::{AdamStep, Conv2d, Conv2dOps, Epilogue, GramOps, LossOps, Pool2d, Pool2dOps, TvOps, VectorOps};
use style_core::{Acc, Error, ErrorKind, Pooling, Result, Shape, Storage, expect_shape};
use testkit::{Reference, cases};

/// The backend that is spoilt.
const R: Reference = Reference;
type Inner = <Reference as Storage>::Tensor;

/// Where a mistake is made, as the names of the cases begin.
type Room = &'static str;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mistake {
    Nothing,
    AddStores(Room),
    StoreAdds(Room),
    StaleMemoryLeaks(Room),
    DifferentEveryTime(Room),
    NotZeroed,
    UploadOfAnyLength,
    ReshapeOfAnySize,
    ConvTransposed,
    ConvRotated,
    ConvBackwardNotRotated,
    ConvNoBias,
    ConvNoRelu,
    ConvHalfPrecision,
    ConvEdgeLost,
    ConvTakesTransposedInput,
    ConvPanics,
    GateInverted,
    GateOpen,
    GateOpenAtZero,
    PoolLastTie,
    PoolHalves,
    PoolDroppedUntouched,
    PoolDroppedZeroed,
    PoolNeedsNoSwitches,
    GramScaleIgnored,
    GramAsymmetric,
    GramInF32,
    GramLowerHalfIgnored,
    LossNotHalved,
    LossInF32,
    LossSign,
    LossSlot,
    TvNotHalved,
    TvSign,
    TvScaleIgnored,
    DotsTransposed,
    DotsInF32,
    CombineInF32,
    CombineDropsLast,
    CopyOfNothing,
    AdamUncorrected,
    AdamBetasSwapped,
}
use Mistake::*;

/// The reference backend with a mistake.
struct Mutant {
    mistake: Mistake,
    calls: AtomicU32,
}

impl Mutant {
    fn new(mistake: Mistake) -> Self {
        Self { mistake, calls: AtomicU32::new(0) }
    }

    fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == mistake
    }

    fn acc(&self, room: Room, acc: Acc) -> Acc {
        match acc {
            Acc::Add if self.makes(AddStores(room)) => Acc::Store,
            Acc::Store if self.makes(StoreAdds(room)) => Acc::Add,
            acc => acc,
        }
    }

    /// Spoils a result by what it must not depend on.
    fn spoil(&self, room: Room, operand: &Tensor, out: &mut Tensor) {
        if operand.stale && self.makes(StaleMemoryLeaks(room)) {
            change(&mut out.inner, |_, v| v * 1.001 + 1e-3);
        }
        if self.makes(DifferentEveryTime(room)) {
            // 0 1 1 0 1 0 0 1 ...: no two neighbouring blocks of calls are alike.
            let bit = self.calls.fetch_add(1, Ordering::Relaxed).count_ones() % 2;
            change(&mut out.inner, |_, v| f32::from_bits(v.to_bits() ^ bit));
        }
    }
}

/// A tensor that knows whether it was reshaped.
struct Tensor {
    inner: Inner,
    stale: bool,
}

/// Gates and switches, with nothing hidden.
struct Marks {
    shape: Shape,
    marks: Vec<u8>,
}

fn read(tensor: &Inner) -> Vec<f32> {
    let mut values = vec![0.0; R.shape(tensor).len()];
    R.download(tensor, &mut values).unwrap();
    values
}

fn change(tensor: &mut Inner, f: impl Fn(usize, f32) -> f32) {
    let values: Vec<_> = read(tensor).into_iter().enumerate().map(|(i, v)| f(i, v)).collect();
    R.upload(&values, tensor).unwrap();
}

fn made(shape: Shape, values: &[f32]) -> Result<Inner> {
    let mut tensor = R.tensor(shape)?;
    R.upload(values, &mut tensor)?;
    Ok(tensor)
}

fn inners<'a>(tensors: &[&'a Tensor]) -> Vec<&'a Inner> {
    tensors.iter().map(|t| &t.inner).collect()
}

fn sum_in_f32(terms: impl Iterator<Item = f32>) -> f64 {
    f64::from(terms.fold(0.0, |sum, term| sum + term))
}

impl Storage for Mutant {
    type Tensor = Tensor;
    type Gate = Marks;
    type Switches = Marks;
    type Scalars = Vec<f64>;
    type Workspace = ();

    fn description(&self) -> String {
        format!("{:?}", self.mistake)
    }

    fn tensor(&self, shape: Shape) -> Result<Tensor> {
        let mut inner = R.tensor(shape)?;
        if self.makes(NotZeroed) {
            change(&mut inner, |_, _| 7.0);
        }
        Ok(Tensor { inner, stale: false })
    }

    fn shape(&self, tensor: &Tensor) -> Shape {
        R.shape(&tensor.inner)
    }

    fn reshape(&self, tensor: &mut Tensor, shape: Shape) -> Result<()> {
        if self.makes(ReshapeOfAnySize) && shape.len() < 1 << 20 {
            tensor.inner = R.tensor(shape)?;
        }
        R.reshape(&mut tensor.inner, shape)?;
        tensor.stale = true;
        Ok(())
    }

    fn gate(&self, shape: Shape) -> Result<Marks> {
        R.gate(shape)?;
        Ok(Marks { shape, marks: vec![0; shape.len()] })
    }

    fn switches(&self, shape: Shape) -> Result<Marks> {
        self.gate(shape)
    }

    fn scalars(&self, count: usize) -> Result<Vec<f64>> {
        R.scalars(count)
    }

    fn workspace(&self, bytes: usize) -> Result<()> {
        R.workspace(bytes)
    }

    fn tensor_bytes(&self, shape: Shape) -> usize {
        R.tensor_bytes(shape)
    }

    fn gate_bytes(&self, shape: Shape) -> usize {
        R.gate_bytes(shape)
    }

    fn switches_bytes(&self, shape: Shape) -> usize {
        R.switches_bytes(shape)
    }

    fn upload(&self, src: &[f32], dst: &mut Tensor) -> Result<()> {
        let len = self.shape(dst).len();
        if self.makes(UploadOfAnyLength) && src.len() >= len {
            return R.upload(&src[..len], &mut dst.inner);
        }
        R.upload(src, &mut dst.inner)
    }

    fn download(&self, src: &Tensor, dst: &mut [f32]) -> Result<()> {
        R.download(&src.inner, dst)
    }

    fn read_scalars(&self, src: &Vec<f64>, dst: &mut [f64]) -> Result<()> {
        R.read_scalars(src, dst)
    }
}

/// Filters as they are used forwards and backwards.
struct Filter {
    forwards: <Reference as Conv2dOps>::Filter,
    backwards: <Reference as Conv2dOps>::Filter,
}

impl Conv2dOps for Mutant {
    type Filter = Filter;

    fn pack(&self, in_channels: usize, out_channels: usize, weight: &[f32], bias: &[f32]) -> Result<Filter> {
        let zero = vec![0.0; bias.len()];
        let bias = if self.makes(ConvNoBias) { &zero } else { bias };
        let turned = |place: fn(usize) -> usize| {
            let weight: Vec<_> = weight.chunks(9).flat_map(|w| (0..9).map(|i| w[place(i) % w.len()])).collect();
            R.pack(in_channels, out_channels, &weight, bias)
        };
        let right = || R.pack(in_channels, out_channels, weight, bias);
        right()?;
        let transpose = |i: usize| i % 3 * 3 + i / 3;
        let rotate = |i: usize| 8 - i;
        let forwards = match self.mistake {
            ConvTransposed => turned(transpose)?,
            ConvRotated => turned(rotate)?,
            _ => right()?,
        };
        let backwards = if self.makes(ConvBackwardNotRotated) { turned(rotate)? } else { forwards.clone() };
        Ok(Filter { forwards, backwards })
    }

    fn filter_bytes(&self, in_channels: usize, out_channels: usize) -> usize {
        R.filter_bytes(in_channels, out_channels)
    }

    fn conv2d_workspace(&self, op: &Conv2d) -> usize {
        R.conv2d_workspace(op)
    }

    fn conv2d_fwd(
        &self,
        op: &Conv2d,
        x: &Tensor,
        filter: &Filter,
        epilogue: Epilogue<'_, Marks>,
        y: &mut Tensor,
        workspace: &mut (),
    ) -> Result<()> {
        let turned = Shape::new(op.in_channels, op.width, op.height);
        let taken = if self.makes(ConvTakesTransposedInput) && self.shape(x) == turned {
            made(op.input(), &read(&x.inner))?
        } else {
            x.inner.clone()
        };
        if self.makes(ConvPanics) {
            assert_eq!(self.shape(x), op.input());
        }
        let mut linear = R.tensor(self.shape(y))?;
        R.conv2d_fwd(op, &taken, &filter.forwards, Epilogue::Bias, &mut linear, workspace)?;
        if self.makes(ConvHalfPrecision) {
            change(&mut linear, |_, v| f32::from_bits((v.to_bits() + 0x1000) & !0x1fff));
        }
        if self.makes(ConvEdgeLost) && op.width > 16 {
            change(&mut linear, |i, v| if i % op.width + 1 == op.width { 0.0 } else { v });
        }
        y.inner = linear.clone();
        if matches!(epilogue, Epilogue::Bias) {
            self.spoil("conv2d", x, y);
            return Ok(());
        }
        if !self.makes(ConvNoRelu) {
            change(&mut y.inner, |_, v| v.max(0.0));
        }
        self.spoil("conv2d", x, y);
        if let Epilogue::ReluGate(gate) = epilogue {
            expect_shape("a gate", op.output(), gate.shape)?;
            let open = |v: f32| match self.mistake {
                GateInverted => v <= 0.0,
                GateOpen => true,
                GateOpenAtZero => v >= 0.0,
                _ => v > 0.0,
            };
            gate.marks = read(&linear).into_iter().map(|v| u8::from(open(v))).collect();
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
        workspace: &mut (),
    ) -> Result<()> {
        let mut gated = dy.inner.clone();
        if let Some(gate) = gate {
            expect_shape("a gate", op.output(), gate.shape)?;
            expect_shape("dy", op.output(), self.shape(dy))?;
            change(&mut gated, |i, v| if gate.marks[i] == 1 { v } else { 0.0 });
        }
        let acc = self.acc("conv2d", acc);
        R.conv2d_bwd(op, &gated, None, &filter.backwards, acc, &mut dx.inner, workspace)
    }
}

/// The windows of a pool: which output the element `i` of the input belongs to, and its place there.
fn window(op: &Pool2d, i: usize) -> Option<(usize, u8)> {
    let (k, r, c) = (i / (op.height * op.width), i / op.width % op.height, i % op.width);
    let (height, width) = (op.height / 2, op.width / 2);
    (r / 2 < height && c / 2 < width).then(|| ((k * height + r / 2) * width + c / 2, (r % 2 * 2 + c % 2) as u8))
}

impl Pool2dOps for Mutant {
    fn pool2d_fwd(&self, op: &Pool2d, x: &Tensor, y: &mut Tensor, switches: Option<&mut Marks>) -> Result<()> {
        R.pool2d_fwd(op, &x.inner, &mut y.inner, None)?;
        self.spoil("pool2d", x, y);
        if let (Pooling::Max, Some(switches)) = (op.pooling, switches) {
            expect_shape("switches", op.output(), switches.shape)?;
            let mut best = vec![None; op.output().len()];
            for (i, v) in read(&x.inner).into_iter().enumerate() {
                let Some((out, place)) = window(op, i) else { continue };
                let better = best[out].is_none_or(|b| v > b || (v == b && self.makes(PoolLastTie)));
                if better {
                    best[out] = Some(v);
                    switches.marks[out] = place;
                }
            }
        }
        Ok(())
    }

    fn pool2d_bwd(&self, op: &Pool2d, dy: &Tensor, switches: Option<&Marks>, acc: Acc, dx: &mut Tensor) -> Result<()> {
        expect_shape("dy", op.output(), self.shape(dy))?;
        expect_shape("dx", op.input(), self.shape(dx))?;
        let none = Marks { shape: op.output(), marks: vec![0; op.output().len()] };
        let switches = match (op.pooling, switches) {
            (Pooling::Max, None) if !self.makes(PoolNeedsNoSwitches) => {
                return Err(Error::new(ErrorKind::Argument, "a max pool wants switches"));
            }
            (_, switches) => switches.unwrap_or(&none),
        };
        if op.pooling == Pooling::Max {
            expect_shape("switches", op.output(), switches.shape)?;
        }
        let (acc, dy) = (self.acc("pool2d", acc), read(&dy.inner));
        change(&mut dx.inner, |i, previous| {
            let value = match (window(op, i), op.pooling) {
                (None, _) if self.makes(PoolDroppedUntouched) => return previous,
                (None, _) if self.makes(PoolDroppedZeroed) => return 0.0,
                (None, _) => 0.0,
                (Some((out, _)), Pooling::Average) => dy[out] * if self.makes(PoolHalves) { 0.5 } else { 0.25 },
                (Some((out, place)), Pooling::Max) if switches.marks[out] == place => dy[out],
                (Some(_), Pooling::Max) => 0.0,
            };
            if acc == Acc::Store { value } else { previous + value }
        });
        Ok(())
    }
}

impl GramOps for Mutant {
    fn gram(&self, features: &Tensor, scale: f32, acc: Acc, g: &mut Tensor, workspace: &mut ()) -> Result<()> {
        let scale = if self.makes(GramScaleIgnored) { 1.0 } else { scale };
        let acc = self.acc("gram", acc);
        R.gram(&features.inner, scale, acc, &mut g.inner, workspace)?;
        let Shape { channels: n, .. } = self.shape(features);
        if self.makes(GramInF32) && acc == Acc::Store {
            let (f, m) = (read(&features.inner), self.shape(features).positions());
            let row = |i: usize| f[i * m..(i + 1) * m].iter();
            let sum = |i: usize, j: usize| sum_in_f32(row(i).zip(row(j)).map(|(a, b)| a * b));
            change(&mut g.inner, |i, _| scale * sum(i / n, i % n) as f32);
        }
        if self.makes(GramAsymmetric) && n > 1 {
            change(&mut g.inner, |i, v| if i == 1 { f32::from_bits(v.to_bits() ^ 1) } else { v });
        }
        self.spoil("gram", features, g);
        Ok(())
    }

    fn gram_bwd(
        &self,
        features: &Tensor,
        dg: &Tensor,
        scale: f32,
        acc: Acc,
        dfeatures: &mut Tensor,
        workspace: &mut (),
    ) -> Result<()> {
        let (mut dg, n) = (dg.inner.clone(), R.shape(&dg.inner).width);
        if self.makes(GramLowerHalfIgnored) {
            let values = read(&dg);
            change(&mut dg, |i, v| if i / n > i % n { values[i % n * n + i / n] } else { v });
        }
        let acc = self.acc("gram", acc);
        R.gram_bwd(&features.inner, &dg, scale, acc, &mut dfeatures.inner, workspace)
    }

    fn gram_workspace(&self, shape: Shape) -> usize {
        R.gram_workspace(shape)
    }
}

impl LossOps for Mutant {
    fn half_squared_distance(&self, a: &Tensor, b: &Tensor, out: &mut Vec<f64>, slot: usize) -> Result<()> {
        R.half_squared_distance(&a.inner, &b.inner, out, slot)?;
        match self.mistake {
            LossNotHalved => out[slot] *= 2.0,
            LossInF32 => {
                let pairs = read(&a.inner).into_iter().zip(read(&b.inner));
                out[slot] = 0.5 * sum_in_f32(pairs.map(|(a, b)| (a - b) * (a - b)));
            }
            LossSlot => out[0] = out[slot],
            _ => {}
        }
        Ok(())
    }

    fn half_squared_distance_bwd(&self, a: &Tensor, b: &Tensor, scale: f32, acc: Acc, da: &mut Tensor) -> Result<()> {
        let scale = if self.makes(LossSign) { -scale } else { scale };
        R.half_squared_distance_bwd(&a.inner, &b.inner, scale, self.acc("loss", acc), &mut da.inner)?;
        self.spoil("loss", a, da);
        Ok(())
    }
}

impl TvOps for Mutant {
    fn tv(&self, x: &Tensor, out: &mut Vec<f64>, slot: usize) -> Result<()> {
        R.tv(&x.inner, out, slot)?;
        out[slot] *= if self.makes(TvNotHalved) { 2.0 } else { 1.0 };
        Ok(())
    }

    fn tv_bwd(&self, x: &Tensor, scale: f32, acc: Acc, dx: &mut Tensor) -> Result<()> {
        let scale = match self.mistake {
            TvSign => -scale,
            TvScaleIgnored => 1.0,
            _ => scale,
        };
        R.tv_bwd(&x.inner, scale, self.acc("tv", acc), &mut dx.inner)?;
        self.spoil("tv", x, dx);
        Ok(())
    }
}

impl VectorOps for Mutant {
    fn copy(&self, src: &Tensor, dst: &mut Tensor) -> Result<()> {
        if self.makes(CopyOfNothing) { Ok(()) } else { R.copy(&src.inner, &mut dst.inner) }
    }

    fn dots(&self, a: &[&Tensor], b: &[&Tensor], out: &mut Vec<f64>, first: usize) -> Result<()> {
        let (a, b) = (inners(a), inners(b));
        R.dots(&a, &b, out, first)?;
        if self.makes(DotsTransposed) {
            R.dots(&b, &a, out, first)?;
        }
        if self.makes(DotsInF32) {
            let width = b.len();
            for (i, a) in a.iter().enumerate() {
                for (j, b) in b.iter().enumerate() {
                    let pairs = read(a).into_iter().zip(read(b));
                    out[first + i * width + j] = sum_in_f32(pairs.map(|(a, b)| a * b));
                }
            }
        }
        Ok(())
    }

    fn combine(&self, terms: &[(f64, &Tensor)], y: &mut Tensor) -> Result<()> {
        let kept = if self.makes(CombineDropsLast) { terms.len().saturating_sub(1) } else { terms.len() };
        let all: Vec<_> = terms.iter().map(|(c, x)| (*c, &x.inner)).collect();
        R.combine(&all, &mut y.inner)?;
        R.combine(&all[..kept], &mut y.inner)?;
        if self.makes(CombineInF32) {
            let read_all: Vec<_> = terms.iter().map(|(c, x)| (*c as f32, read(&x.inner))).collect();
            change(&mut y.inner, |i, _| read_all.iter().fold(0.0, |sum, (c, x)| sum + c * x[i]));
        }
        if let Some((_, x)) = terms.first() {
            self.spoil("vector", x, y);
        }
        Ok(())
    }

    fn adam(&self, step: &AdamStep, g: &Tensor, m: &mut Tensor, v: &mut Tensor, x: &mut Tensor) -> Result<()> {
        let step = match self.mistake {
            AdamUncorrected => AdamStep { correction2: 1.0, ..*step },
            AdamBetasSwapped => AdamStep { beta1: step.beta2, beta2: step.beta1, ..*step },
            _ => *step,
        };
        R.adam(&step, &g.inner, &mut m.inner, &mut v.inner, &mut x.inner)
    }
}

/// The first case of `room` that fails, with what it says.
fn noticed(mistake: Mistake, room: Room) -> Option<String> {
    let mutant = Mutant::new(mistake);
    let of_room = cases::all::<Mutant>().into_iter().filter(|c| c.name().starts_with(room));
    of_room.into_iter().find_map(|case| match catch_unwind(AssertUnwindSafe(|| case.run(&mutant))) {
        Ok(Ok(())) => None,
        Ok(Err(failed)) => Some(format!("{}: {}", case.name(), failed.message().unwrap_or_default())),
        Err(_) => Some(format!("{}: panics", case.name())),
    })
}

#[track_caller]
fn must_notice(room: Room, mistakes: &[Mistake]) {
    for &mistake in mistakes {
        let by = noticed(mistake, room);
        println!("{mistake:?} -> {by:?}");
        assert!(by.is_some(), "no case of {room} notices {mistake:?}");
    }
}

#[test]
fn the_mutant_without_mistake_passes() {
    assert_eq!(noticed(Nothing, ""), None);
}

#[test]
fn storage() {
    must_notice("storage", &[NotZeroed, UploadOfAnyLength, ReshapeOfAnySize]);
}

#[test]
fn conv2d() {
    must_notice("conv2d/fwd", &[StaleMemoryLeaks("conv2d"), ConvTransposed, ConvRotated]);
    must_notice("conv2d/fwd", &[ConvNoBias, ConvNoRelu, ConvHalfPrecision, ConvEdgeLost]);
    must_notice("conv2d/bwd", &[AddStores("conv2d"), StoreAdds("conv2d"), ConvBackwardNotRotated]);
    must_notice("conv2d/adjoint", &[ConvBackwardNotRotated]);
    must_notice("conv2d/repeat", &[DifferentEveryTime("conv2d")]);
    must_notice("conv2d/misfit", &[ConvTakesTransposedInput, ConvPanics]);
    must_notice("conv2d/fused", &[GateInverted, GateOpen]);
    must_notice("conv2d/closed-at-zero", &[GateOpenAtZero]);
}

#[test]
fn pool2d() {
    must_notice("pool2d", &[AddStores("pool2d"), StoreAdds("pool2d"), StaleMemoryLeaks("pool2d")]);
    must_notice("pool2d", &[DifferentEveryTime("pool2d"), PoolLastTie, PoolHalves, PoolDroppedUntouched]);
    must_notice("pool2d", &[PoolDroppedZeroed, PoolNeedsNoSwitches]);
}

#[test]
fn gram() {
    must_notice("gram", &[AddStores("gram"), StoreAdds("gram"), StaleMemoryLeaks("gram"), DifferentEveryTime("gram")]);
    must_notice("gram", &[GramScaleIgnored, GramAsymmetric, GramInF32, GramLowerHalfIgnored]);
}

#[test]
fn loss() {
    must_notice("loss", &[AddStores("loss"), StoreAdds("loss"), StaleMemoryLeaks("loss"), DifferentEveryTime("loss")]);
    must_notice("loss", &[LossNotHalved, LossInF32, LossSign, LossSlot]);
}

#[test]
fn tv() {
    must_notice("tv", &[AddStores("tv"), StoreAdds("tv"), StaleMemoryLeaks("tv"), DifferentEveryTime("tv")]);
    must_notice("tv", &[TvNotHalved, TvSign, TvScaleIgnored]);
}

#[test]
fn vector() {
    must_notice("vector", &[StaleMemoryLeaks("vector"), DifferentEveryTime("vector"), DotsTransposed, DotsInF32]);
    must_notice("vector", &[CombineInF32, CombineDropsLast, CopyOfNothing, AdamUncorrected, AdamBetasSwapped]);
}
