//! The ops with their mistakes, based on the reference backend.

use style_core::backend::ops::{
    AdamStep, Conv2d, Conv2dOps, Epilogue, Padding, Part, Pool2d, Pool2dOps, Rows, Tv, gate_required,
};
use style_core::backend::ops::{GramOps, GuideOps, LossOps, MomentsOps, ReluOps, TvOps, VectorOps};
use style_core::backend::{Acc, Shape, Storage, expect_shape};
use style_core::{Error, ErrorKind, Pooling, Result};
use testkit::Reference;

use crate::mutant::Mistake::*;
use crate::mutant::{Marks, Mistake, Mutant, R, Tensor, change, inners, made, read, sum_in_f32};

/// The filters used in the forward and the backward pass.
pub(crate) struct Filter {
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

    fn conv2d_algorithm(&self, op: &Conv2d) -> &'static str {
        R.conv2d_algorithm(op)
    }

    fn conv2d_pools(&self, _op: &Conv2d) -> bool {
        true
    }

    fn conv2d_part_rows(&self, _op: &Conv2d) -> Option<usize> {
        Some(4)
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
        if let Some(part) = op.part {
            return self.part_fwd(op, part, x, filter, epilogue, y);
        }
        let op = &self.padded(op, ConvPaddingIgnored);
        let turned = Shape::new(op.in_channels, op.width, op.height);
        let taken = if self.makes(ConvTakesTransposedInput) && self.shape(x) == turned {
            made(op.input(), &read(&x.inner))?
        } else {
            x.inner.clone()
        };
        if self.makes(ConvPanics) {
            assert_eq!(self.shape(x), op.input());
        }
        let pooled = matches!(epilogue, Epilogue::ReluPool | Epilogue::ReluPoolGate(_));
        if pooled {
            return self.conv2d_pool_fwd(op, &taken, filter, epilogue, y, workspace);
        }
        let mut linear = R.tensor(self.shape(y))?;
        R.conv2d_fwd(op, &taken, &filter.forwards, Epilogue::Bias, &mut linear, workspace)?;
        if self.makes(ConvPaddingCornersLost) && op.padding == Padding::Replicate {
            let mut lost = linear.clone();
            R.conv2d_fwd(
                &op.with_padding(Padding::Zero),
                &taken,
                &filter.forwards,
                Epilogue::Bias,
                &mut lost,
                workspace,
            )?;
            let lost = read(&lost);
            let corner = |i: usize| {
                let (r, c) = (i / op.width % op.height, i % op.width);
                (r == 0 || r + 1 == op.height) && (c == 0 || c + 1 == op.width)
            };
            change(&mut linear, |i, v| if corner(i) { lost[i] } else { v });
        }
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
        if let Some(part) = op.part {
            return self.part_bwd(op, part, (dy, gate), filter, acc, dx);
        }
        let op = &self.padded(op, ConvPaddingNotFolded);
        let mut gated = dy.inner.clone();
        if self.shape(dy) == op.pooled() && op.pooled() != op.output() {
            gated = R.tensor(op.output())?;
            let average = Pool2d { pooling: Pooling::Average, ..pool_behind(op) };
            R.pool2d_bwd(&average, &dy.inner, None, Acc::Store, &mut gated)?;
            if op.pooling == Pooling::Max && gate.is_none() {
                return Err(gate_required());
            }
            if (op.pooling == Pooling::Max) != self.makes(ConvPoolSpreadWhole) {
                change(&mut gated, |_, v| 4.0 * v);
            }
        }
        if let Some(gate) = gate {
            expect_shape("a gate", op.output(), gate.shape)?;
            expect_shape("dy", op.output(), R.shape(&gated))?;
            change(&mut gated, |i, v| if gate.marks[i] == 1 { v } else { 0.0 });
        }
        let acc = self.acc("conv2d", acc);
        R.conv2d_bwd(op, &gated, None, &filter.backwards, acc, &mut dx.inner, workspace)
    }
}

/// The pool that a convolution may fuse.
fn pool_behind(op: &Conv2d) -> Pool2d {
    Pool2d { pooling: op.pooling, channels: op.out_channels, height: op.height, width: op.width }
}

impl Mutant {
    /// The op; one mistake ignores its padding, another allows every padding.
    fn padded(&self, op: &Conv2d, forgotten: Mistake) -> Conv2d {
        let features = op.in_channels > Conv2d::PICTURE && self.makes(ConvPaddingOfFeatures);
        if self.makes(forgotten) || features { op.with_padding(Padding::Zero) } else { *op }
    }

    /// The whole of a tensor that holds some rows, zero elsewhere; with a mistake, only the computed rows.
    fn whole(&self, x: &Tensor, held: Rows, computed: Rows, height: usize) -> Result<Tensor> {
        let Shape { channels, width, .. } = self.shape(x);
        let (mut all, from) = (self.tensor(Shape::new(channels, height, width))?, read(&x.inner));
        let kept = if self.makes(ConvPartAlone) { computed } else { held };
        change(&mut all.inner, |i, _| {
            let (k, r, c) = (i / (height * width), i / width % height, i % width);
            let there = kept.start <= r && r < kept.end;
            if there { from[(k * held.len() + r - held.start) * width + c] } else { 0.0 }
        });
        Ok(all)
    }

    /// Copies the computed rows from the whole.
    fn take(&self, whole: &Tensor, held: Rows, computed: Rows, to: &mut Tensor) {
        let (Shape { height, width, .. }, from) = (self.shape(whole), read(&whole.inner));
        change(&mut to.inner, |i, previous| {
            let (k, r, c) = (i / (held.len() * width), i / width % held.len() + held.start, i % width);
            let there = computed.start <= r && r < computed.end;
            let spilt = self.makes(ConvPartSpills);
            if there || spilt { from[(k * height + r) * width + c] } else { previous }
        });
    }

    fn part_fwd(
        &self,
        op: &Conv2d,
        Part { computed, x: read, y: written }: Part,
        x: &Tensor,
        filter: &Filter,
        epilogue: Epilogue<'_, Marks>,
        y: &mut Tensor,
    ) -> Result<()> {
        let pooled = matches!(epilogue, Epilogue::ReluPool | Epilogue::ReluPoolGate(_));
        op.expect_part(true, pooled)?;
        expect_shape("x", op.x(), self.shape(x))?;
        expect_shape("y", op.y(pooled), self.shape(y))?;
        let whole = self.padded(&Conv2d { part: None, ..*op }, ConvPartPaddingIgnored);
        let x = self.whole(x, read, computed, op.height)?;
        let mut result = self.tensor(whole.y(pooled))?;
        let mut marks = self.gate(op.output())?;
        let (kept, epilogue) = match epilogue {
            Epilogue::ReluGate(gate) => (Some(gate), Epilogue::ReluGate(&mut marks)),
            Epilogue::ReluPoolGate(gate) => (Some(gate), Epilogue::ReluPoolGate(&mut marks)),
            Epilogue::Bias => (None, Epilogue::Bias),
            Epilogue::Relu => (None, Epilogue::Relu),
            Epilogue::ReluPool => (None, Epilogue::ReluPool),
        };
        self.conv2d_fwd(&whole, &x, filter, epilogue, &mut result, &mut ())?;
        if let Some(gate) = kept {
            for (i, (mark, &new)) in gate.marks.iter_mut().zip(&marks.marks).enumerate() {
                let row = i / op.width % op.height;
                *mark = if computed.start <= row && row < computed.end { new } else { *mark };
            }
        }
        let halved = |rows: Rows| if pooled { Rows { start: rows.start / 2, end: rows.end / 2 } } else { rows };
        self.take(&result, halved(written), halved(computed), y);
        Ok(())
    }

    fn part_bwd(
        &self,
        op: &Conv2d,
        Part { computed, x: written, y: read }: Part,
        (dy, gate): (&Tensor, Option<&Marks>),
        filter: &Filter,
        acc: Acc,
        dx: &mut Tensor,
    ) -> Result<()> {
        let pooled = self.shape(dy) == op.y(true) && self.shape(dy) != op.y(false);
        op.expect_part(false, pooled)?;
        expect_shape("dy", op.y(pooled), self.shape(dy))?;
        expect_shape("dx", op.x(), self.shape(dx))?;
        let whole = Conv2d { part: None, ..*op };
        let half = |rows: Rows, end: usize| Rows { start: rows.start / 2, end };
        let (read, needed) = match pooled {
            true => (half(read, read.end / 2), half(computed, computed.end.div_ceil(2))),
            false => (read, computed),
        };
        let dy = self.whole(dy, read, needed, whole.y(pooled).height)?;
        let mut result = self.whole(dx, written, written, op.height)?;
        self.conv2d_bwd(&whole, &dy, gate, filter, acc, &mut result, &mut ())?;
        self.take(&result, written, computed, dx);
        Ok(())
    }

    fn conv2d_pool_fwd(
        &self,
        op: &Conv2d,
        x: &<Reference as Storage>::Tensor,
        filter: &Filter,
        epilogue: Epilogue<'_, Marks>,
        y: &mut Tensor,
        workspace: &mut (),
    ) -> Result<()> {
        expect_shape("y", op.pooled(), self.shape(y))?;
        let mut whole = R.tensor(op.output())?;
        R.conv2d_fwd(op, x, &filter.forwards, Epilogue::Relu, &mut whole, workspace)?;
        let mut switches = R.switches(op.pooled())?;
        R.pool2d_fwd(&pool_behind(op), &whole, &mut y.inner, Some(&mut switches))?;
        if self.makes(ConvPoolSums) {
            change(&mut y.inner, |_, v| 4.0 * v);
        }
        if let Epilogue::ReluPoolGate(gate) = epilogue {
            expect_shape("a gate", op.output(), gate.shape)?;
            let closed = self.makes(ConvPoolGateClosed);
            gate.marks = read(&whole).into_iter().map(|v| u8::from(v > 0.0 && !closed)).collect();
            if op.pooling == Pooling::Max && !self.makes(ConvPoolGateOfAll) {
                let (mut ones, mut selected) = (R.tensor(op.pooled())?, R.tensor(op.output())?);
                change(&mut ones, |_, _| 1.0);
                R.pool2d_bwd(&pool_behind(op), &ones, Some(&switches), Acc::Store, &mut selected)?;
                gate.marks.iter_mut().zip(read(&selected)).for_each(|(mark, selected)| *mark &= selected as u8);
            }
        }
        Ok(())
    }
}

/// The output to whose window element `i` of the input belongs, and its position in the window.
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
        let none = self.switches(op.output())?;
        let switches = match (op.pooling, switches) {
            (Pooling::Max, None) if !self.makes(PoolNeedsNoSwitches) => {
                return Err(Error::new(ErrorKind::Argument, "a max pool requires switches"));
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
    fn gram(
        &self,
        features: &Tensor,
        rows: Rows,
        scale: f32,
        acc: Acc,
        g: &mut Tensor,
        workspace: &mut (),
    ) -> Result<()> {
        let rows = if self.makes(GramOfAllRows) { Rows::all(self.shape(features)) } else { rows };
        let scale = if self.makes(GramScaleIgnored) { 1.0 } else { scale };
        let acc = self.acc("gram", acc);
        R.gram(&features.inner, rows, scale, acc, &mut g.inner, workspace)?;
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

impl ReluOps for Mutant {
    fn rectify(&self, x: &mut Tensor) -> Result<()> {
        let before = Tensor { inner: x.inner.clone(), stale: x.stale };
        R.rectify(&mut x.inner)?;
        let values = read(&before.inner);
        match self.mistake {
            RectifyKeepsNegatives => x.inner = before.inner.clone(),
            RectifyMirrors => change(&mut x.inner, |i, v| if values[i] < 0.0 { -values[i] } else { v }),
            RectifyKeepsNan => change(&mut x.inner, |i, v| if values[i].is_nan() { values[i] } else { v }),
            _ => {}
        }
        self.spoil("relu", &before, x);
        Ok(())
    }
}

impl GuideOps for Mutant {
    fn guide(&self, x: &Tensor, t: &Tensor, scale: f32, acc: Acc, y: &mut Tensor) -> Result<()> {
        let (mut map, wanted) = (t.inner.clone(), Shape { channels: 1, ..self.shape(x) });
        match self.mistake {
            GuideMapIgnored => change(&mut map, |_, _| 1.0),
            GuideMapOfAnyShape if self.shape(t).len() == wanted.len() => map = made(wanted, &read(&map))?,
            _ => {}
        }
        let scale = if self.makes(GuideScaleIgnored) { 1.0 } else { scale };
        R.guide(&x.inner, &map, scale, self.acc("guide", acc), &mut y.inner)?;
        self.spoil("guide", x, y);
        Ok(())
    }
}

impl MomentsOps for Mutant {
    fn moments(&self, x: &Tensor, t: Option<&Tensor>, mean: &mut Tensor, deviation: Option<&mut Tensor>) -> Result<()> {
        let (features, m) = (read(&x.inner), self.shape(x).positions());
        let t = t.map(|t| &t.inner);
        let mut all = R.tensor(self.shape(mean))?;
        R.moments(&x.inner, t, &mut mean.inner, Some(&mut all))?;
        if self.makes(MomentsUnweighted) {
            R.moments(&x.inner, None, &mut mean.inner, Some(&mut all))?;
        }
        let weight = |p: usize| t.map_or(1.0 / m as f32, |t| read(t)[p]);
        let weights: Vec<_> = (0..m).map(weight).collect();
        let terms = |k: usize| weights.iter().zip(&features[k * m..]);
        let means = read(&mean.inner);
        match self.mistake {
            MomentsInF32 => change(&mut mean.inner, |k, _| sum_in_f32(terms(k).map(|(t, x)| t * x)) as f32),
            MomentsVariance => change(&mut all, |_, v| v * v),
            MomentsOfSample if m > 1 => change(&mut all, |_, v| v * (m as f32 / (m as f32 - 1.0)).sqrt()),
            MomentsCancel => change(&mut all, |k, _| {
                let squares: f32 = terms(k).map(|(t, x)| t * x * x).sum();
                (squares - means[k] * means[k]).max(0.0).sqrt()
            }),
            _ => {}
        }
        self.spoil("moments", x, mean);
        if let Some(deviation) = deviation {
            expect_shape("a deviation", R.shape(&all), self.shape(deviation))?;
            deviation.inner = all;
        }
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
        let acc = self.acc("moments", acc);
        let t = t.filter(|_| !self.makes(MomentsGradientUnweighted)).map(|t| &t.inner);
        let mut divisor = deviation.map(|(value, _)| value.inner.clone());
        let changed = |v: f32| match self.mistake {
            MomentsGradientUndivided if v != 0.0 => 1.0,
            MomentsGradientDividesByZero if v == 0.0 => 1e-30,
            // The value of 1/v, or (x - mean)/v, on overflow.
            MomentsGradientDividesFirst if v < 1e-32 && v > 0.0 => f32::NAN,
            _ => v,
        };
        if let Some(divisor) = &mut divisor {
            change(divisor, |_, v| changed(v));
        }
        let pair = divisor.as_ref().zip(deviation).map(|(value, (_, gradient))| (value, &gradient.inner));
        let taken = pair.filter(|_| !self.makes(MomentsGradientOfMeanAlone));
        R.moments_bwd(&x.inner, t, &mean.inner, &dmean.inner, pair, acc, &mut dx.inner.clone())?;
        R.moments_bwd(&x.inner, t, &mean.inner, &dmean.inner, taken, acc, &mut dx.inner)?;
        self.spoil("moments", x, dx);
        Ok(())
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

/// The gradient of `sum phi(d)` over the differences of neighbours, given the slope of `phi`.
fn by_slopes(x: &Tensor, slope: fn(f32) -> f32) -> Vec<f32> {
    let (values, Shape { height, width, .. }) = (read(&x.inner), R.shape(&x.inner));
    let mut dx = vec![0.0; values.len()];
    let right = |i: usize| (i % width + 1 < width).then_some(i + 1);
    let below = |i: usize| (i / width % height + 1 < height).then_some(i + width);
    for (i, to) in (0..values.len()).flat_map(|i| [right(i), below(i)].into_iter().flatten().map(move |to| (i, to))) {
        dx[to] += slope(values[to] - values[i]);
        dx[i] -= slope(values[to] - values[i]);
    }
    dx
}

impl TvOps for Mutant {
    fn tv(&self, kind: Tv, x: &Tensor, out: &mut Vec<f64>, slot: usize) -> Result<()> {
        let other = match (self.mistake, kind) {
            (TvKindIgnored, _) => Tv::Squared,
            (TvPowerOfSquares, Tv::Power(b)) => Tv::Power(2.0 * b),
            (TvMeansNotDivided | TvMeansOverPixels, Tv::Means) => Tv::Squared,
            _ => kind,
        };
        R.tv(other, &x.inner, out, slot)?;
        out[slot] *= match self.mistake {
            TvNotHalved => 2.0,
            TvMeansNotDivided if kind == Tv::Means => 2.0,
            TvMeansOverPixels if kind == Tv::Means => 2.0 / self.shape(x).len() as f64,
            _ => 1.0,
        };
        Ok(())
    }

    fn tv_bwd(&self, kind: Tv, x: &Tensor, scale: f32, acc: Acc, dx: &mut Tensor) -> Result<()> {
        let scale = match self.mistake {
            TvSign => -scale,
            TvScaleIgnored => 1.0,
            _ => scale,
        };
        let previous = read(&dx.inner);
        let acc = self.acc("tv", acc);
        R.tv_bwd(kind, &x.inner, scale, acc, &mut dx.inner)?;
        let mut instead = |dtv: Vec<f32>| {
            let kept = |i: usize| if acc == Acc::Add { previous[i] } else { 0.0 };
            change(&mut dx.inner, |i, _| kept(i) + scale * dtv[i]);
        };
        match (self.mistake, kind) {
            (TvAbsoluteUnsigned, Tv::Absolute) => instead(by_slopes(x, |d| if d == 0.0 { 0.0 } else { 1.0 })),
            (TvAbsoluteSlopesAtZero, Tv::Absolute) => instead(by_slopes(x, f32::signum)),
            (TvPowerUndefinedAtZero, Tv::Power(b)) if b < 2.0 => {
                change(&mut dx.inner, |_, v| if v == 0.0 { f32::NAN } else { v });
            }
            _ => {}
        }
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

    fn scale_by(&self, x: &Tensor, scalars: &Vec<f64>, slot: usize, power: f64, y: &mut Tensor) -> Result<()> {
        let power = if self.makes(ScaleByPowerIgnored) { 1.0 } else { power };
        R.scale_by(&x.inner, scalars, slot, power, &mut y.inner)?;
        if self.makes(ScaleByNegative) && scalars[slot] < 0.0 {
            R.copy(&x.inner, &mut y.inner)?;
        }
        self.spoil("vector", x, y);
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
