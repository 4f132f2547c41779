//! Convolution.

mod misfits;

use libtest_mimic::Failed;
use style_core::backend::ops::{Conv2d, Epilogue, Padding, Part, Pool2d, Rows};
use style_core::backend::{Acc, Backend, Shape};
use style_core::{ErrorKind, Pooling};

use super::{ACCS, Case, Check, Lab, accumulated, equal, misfit, near_scalar, same_bits, served_or_misfit};
use crate::oracle::conv2d::{self as oracle, Weights};
use crate::{Array, Rng};

/// Maximum error relative to the scale of the result, which is the root of the sum of a value's squared terms: the expected
/// size of a sum with random signs. Winograd tiles of 6x6 need `4e-5`; direct sums a tenth.
const MAX_TOLERANCE: f64 = 1e-4;

/// Maximum root mean square of all errors, relative to the scale.
const RMS_TOLERANCE: f64 = 1.5e-5;

/// Both tolerances are this many times as large if factors are rounded to bf16: 8 significant bits and Winograd tiles of 4x4
/// need 600.
const ROUNDED: f64 = 1500.0;

/// `(in, out, height, width)`.
const EXTENTS: [(usize, usize, usize, usize); 27] = [
    (1, 1, 1, 1),
    (1, 1, 1, 9),
    (1, 2, 9, 1),
    (3, 5, 3, 5),
    (3, 16, 2, 2),
    (3, 64, 16, 16),
    (3, 64, 17, 15),
    (64, 3, 17, 15),
    (3, 8, 5, 97),
    (5, 8, 7, 9),
    (8, 15, 13, 17),
    (15, 16, 13, 17),
    (16, 17, 16, 16),
    (16, 16, 6, 6),
    (16, 16, 12, 13),
    (17, 31, 17, 15),
    (31, 33, 7, 9),
    (32, 32, 16, 16),
    (33, 48, 13, 17),
    (32, 64, 5, 5),
    (48, 64, 7, 9),
    (64, 64, 33, 18),
    (64, 64, 1, 17),
    (64, 33, 17, 1),
    (16, 32, 1, 1),
    (272, 17, 3, 5),
    (40, 72, 50, 37),
];

/// Many channels and, in tiles of 4x4 and of 6x6 outputs, more than fit into one block of the CPU backend.
const WIDE: (usize, usize, usize, usize) = (17, 241, 24, 92);

/// The same for pictures with a repeated border: one pixel, lines, and sizes near the vectors, strips and tiles of
/// backends.
const PICTURES: [(usize, usize, usize, usize); 22] = [
    (1, 1, 1, 1),
    (3, 64, 1, 1),
    (1, 2, 1, 5),
    (3, 16, 1, 5),
    (3, 17, 5, 1),
    (4, 4, 2, 2),
    (3, 16, 2, 2),
    (3, 5, 3, 5),
    (2, 3, 3, 5),
    (4, 72, 3, 5),
    (3, 64, 16, 16),
    (3, 64, 17, 15),
    (3, 33, 7, 17),
    (3, 8, 8, 31),
    (3, 16, 9, 32),
    (1, 9, 15, 33),
    (3, 5, 17, 54),
    (3, 8, 8, 55),
    (3, 8, 5, 64),
    (3, 8, 2, 65),
    (3, 5, 3, 254),
    (3, 5, 2, 255),
];

/// All cases of this op.
#[must_use]
pub fn cases<B: Backend>() -> Vec<Case<B>> {
    cases_within(1.0)
}

/// The same for a backend that rounds the factors of products to bf16.
#[must_use]
pub fn rounded<B: Backend>() -> Vec<Case<B>> {
    cases_within(ROUNDED)
}

/// Those of one more shape, for a backend that shares out many channels; `rounded` as above.
#[must_use]
pub fn wide<B: Backend>(rounded: bool) -> Vec<Case<B>> {
    cases_of([(WIDE, Padding::Zero)], if rounded { ROUNDED } else { 1.0 })
}

/// All cases, with `times` the tolerance.
fn cases_within<B: Backend>(times: f64) -> Vec<Case<B>> {
    let padded = |padding: Padding| move |extents| (extents, padding);
    let pictures = PICTURES.into_iter().map(padded(Padding::Replicate));
    let mut cases = cases_of(pictures.chain(EXTENTS.into_iter().map(padded(Padding::Zero))), times);
    cases.push(Case::new("conv2d/activations", move |b, rng| activations(b, times, rng)));
    cases.push(Case::new("conv2d/closed-at-zero", closed_at_zero));
    cases.push(Case::new("conv2d/constant/replicate", constant));
    cases.push(Case::new("conv2d/chain", chain));
    cases.push(Case::new("conv2d/misfit", misfits::misfits));
    cases.push(Case::new("conv2d/misfit-pack", misfits::misfit_packs));
    cases.push(Case::new("conv2d/misfit-part", misfits::misfit_parts));
    cases.push(Case::new("conv2d/misfit-padding", misfits::misfit_paddings));
    cases.push(Case::new("conv2d/small-workspace", misfits::small_workspace));
    cases.push(Case::new("conv2d/absurd", misfits::absurd));
    cases.push(Case::new("conv2d/empty", misfits::empty));
    cases
}

/// The cases of some shapes.
fn cases_of<B: Backend>(
    extents: impl IntoIterator<Item = ((usize, usize, usize, usize), Padding)>,
    times: f64,
) -> Vec<Case<B>> {
    let mut cases = Vec::new();
    for ((in_channels, out_channels, height, width), padding) in extents {
        let op = Conv2d::new(in_channels, out_channels, height, width).with_padding(padding);
        let tag = if padding == Padding::Zero { "" } else { "/replicate" };
        let name = |what: &str| format!("conv2d/{what}/{in_channels}-{out_channels}x{height}x{width}{tag}");
        cases.push(Case::new(name("fwd"), move |b, rng| forward(b, &op, times, rng)));
        cases.push(Case::new(name("bwd"), move |b, rng| backward(b, &op, times, rng)));
        cases.push(Case::new(name("fused"), move |b, rng| fused(b, &op, rng)));
        cases.push(Case::new(name("adjoint"), move |b, rng| adjoint(b, &op, times, rng)));
        cases.push(Case::new(name("pooled"), move |b, rng| pooled(b, &op, rng)));
        cases.push(Case::new(name("parts"), move |b, rng| parts(b, &op, times, rng)));
        cases.push(Case::new(name("repeat"), move |b, rng| repeat(b, &op, rng)));
    }
    cases
}

pub(super) fn random_weights(op: &Conv2d, rng: &mut Rng) -> Weights {
    let count = op.in_channels * op.out_channels * 9;
    let scale = 1.0 / (op.in_channels as f64 * 9.0).sqrt();
    let mut draw = |n: usize, scale: f64| (0..n).map(|_| f64::from((rng.unit() * scale) as f32)).collect();
    let (filters, bias) = (draw(count, scale), draw(op.out_channels, 0.5));
    Weights { in_channels: op.in_channels, out_channels: op.out_channels, filters, bias }
}

pub(super) fn pack<B: Backend>(b: &B, w: &Weights) -> style_core::Result<B::Filter> {
    let narrow = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<_>>();
    b.pack(w.in_channels, w.out_channels, &narrow(&w.filters), &narrow(&w.bias))
}

/// Compares the errors with the scale; see the tolerances, which are taken `times`.
fn within(what: &str, times: f64, got: &[f32], want: &Array, squares: &Array) -> Check {
    let scale = squares.max().sqrt();
    super::near(what, got, want, &Array::full(want.shape, times * MAX_TOLERANCE * scale))?;
    let error = Array::from_f32(want.shape, got).zip(want, |g, w| g - w);
    let rms = error.norm() / (got.len() as f64).sqrt();
    near_scalar(&format!("{what}: root mean square of the errors"), rms, 0.0, times * RMS_TOLERANCE * scale)
}

fn forward<B: Backend>(b: &B, op: &Conv2d, times: f64, rng: &mut Rng) -> Check {
    let (x, w) = (Array::random(op.input(), rng), random_weights(op, rng));
    forward_against_oracle(b, op, times, &x, &w)
}

fn forward_against_oracle<B: Backend>(b: &B, op: &Conv2d, times: f64, x: &Array, w: &Weights) -> Check {
    let want = oracle::fwd(op, x, w);
    let squares = oracle::fwd(op, &x.map(|v| v * v), &w.map(|v| v * v));
    let filter = pack(b, w)?;
    for lab in Lab::both(b) {
        let y = run_fwd(&lab, op, &filter, x, Epilogue::Bias)?;
        within("W x + b", times, &y, &want, &squares)?;
        let y = run_fwd(&lab, op, &filter, x, Epilogue::Relu)?;
        within("max(0, W x + b)", times, &y, &oracle::relu(&want), &squares)?;
    }
    Ok(())
}

fn run_fwd<B: Backend>(
    lab: &Lab<'_, B>,
    op: &Conv2d,
    filter: &B::Filter,
    x: &Array,
    epilogue: Epilogue<'_, B::Gate>,
) -> Result<Vec<f32>, Failed> {
    let (x, mut y) = (lab.put(x)?, lab.blank(op.output())?);
    let mut workspace = lab.b.workspace(lab.b.conv2d_workspace(op))?;
    lab.b.conv2d_fwd(op, &x, filter, epilogue, &mut y, &mut workspace)?;
    lab.get(&y)
}

fn run_bwd<B: Backend>(
    lab: &Lab<'_, B>,
    op: &Conv2d,
    filter: &B::Filter,
    dy: &Array,
    gate: Option<&B::Gate>,
    into: (Acc, &Array),
) -> Result<Vec<f32>, Failed> {
    let (dy, mut dx) = (lab.put(dy)?, lab.destination(into.0, into.1)?);
    let mut workspace = lab.b.workspace(lab.b.conv2d_workspace(op))?;
    lab.b.conv2d_bwd(op, &dy, gate, filter, into.0, &mut dx, &mut workspace)?;
    lab.get(&dx)
}

fn backward<B: Backend>(b: &B, op: &Conv2d, times: f64, rng: &mut Rng) -> Check {
    let (dy, w) = (Array::random(op.output(), rng), random_weights(op, rng));
    let previous = Array::random(op.input(), rng);
    let value = oracle::bwd(op, &dy, &w);
    let squares = oracle::bwd(op, &dy.map(|v| v * v), &w.map(|v| v * v));
    let filter = pack(b, &w)?;
    for lab in Lab::both(b) {
        for acc in ACCS {
            let got = run_bwd(&lab, op, &filter, &dy, None, (acc, &previous))?;
            let (want, _) = accumulated(acc, &previous, &value, &squares);
            within(&format!("dx under {acc:?}"), times, &got, &want, &squares.map(|s| s.max(0.01)))?;
        }
    }
    Ok(())
}

/// Epilogues equal the bias form followed by `max`; a gate equals gating `dy` explicitly. No tolerance.
fn fused<B: Backend>(b: &B, op: &Conv2d, rng: &mut Rng) -> Check {
    let (x, w, dy) = (Array::random(op.input(), rng), random_weights(op, rng), Array::random(op.output(), rng));
    let previous = Array::random(op.input(), rng);
    let filter = pack(b, &w)?;
    for lab in Lab::both(b) {
        let linear = Array::from_f32(op.output(), &run_fwd(&lab, op, &filter, &x, Epilogue::Bias)?);
        let composed = oracle::relu(&linear).to_f32();
        equal("Relu against Bias and max", &run_fwd(&lab, op, &filter, &x, Epilogue::Relu)?, &composed)?;
        let mut gate = lab.gate(op.output())?;
        let gated = run_fwd(&lab, op, &filter, &x, Epilogue::ReluGate(&mut gate))?;
        equal("ReluGate against Bias and max", &gated, &composed)?;

        let by_hand = dy.zip(&oracle::gate(&linear), |dy, gate| dy * gate);
        for acc in ACCS {
            let fused = run_bwd(&lab, op, &filter, &dy, Some(&gate), (acc, &previous))?;
            let composed = run_bwd(&lab, op, &filter, &by_hand, None, (acc, &previous))?;
            equal(&format!("a gate against dy gated by hand, {acc:?}"), &fused, &composed)?;
        }
    }
    Ok(())
}

/// A fused pool equals a separate one, in both directions. No tolerance.
fn pooled<B: Backend>(b: &B, op: &Conv2d, rng: &mut Rng) -> Check {
    [Pooling::Average, Pooling::Max].into_iter().try_for_each(|kind| pooled_by(b, &op.with_pooling(kind), rng))
}

fn pooled_by<B: Backend>(b: &B, op: &Conv2d, rng: &mut Rng) -> Check {
    if op.pooled().is_empty() {
        return Ok(());
    }
    let (x, w, dy) = (Array::random(op.input(), rng), random_weights(op, rng), Array::random(op.pooled(), rng));
    let previous = Array::random(op.input(), rng);
    let (filter, mut workspace) = (pack(b, &w)?, b.workspace(b.conv2d_workspace(op))?);
    if !b.conv2d_pools(op) {
        let (x, mut y, mut dx) = (b.tensor(op.input())?, b.tensor(op.pooled())?, b.tensor(op.input())?);
        let forwards = b.conv2d_fwd(op, &x, &filter, Epilogue::ReluPool, &mut y, &mut workspace);
        super::refused("an unsupported fused pool", ErrorKind::Unsupported, forwards)?;
        let gate = b.gate(op.output())?;
        let backwards = b.conv2d_bwd(op, &y, Some(&gate), &filter, Acc::Store, &mut dx, &mut workspace);
        return super::refused("an unsupported fused pool, backward", ErrorKind::Unsupported, backwards);
    }
    let what = format!("a {:?} pool", op.pooling);
    let most = op.pooling == Pooling::Max;
    let pool = Pool2d { pooling: op.pooling, channels: op.out_channels, height: op.height, width: op.width };
    for lab in Lab::both(b) {
        let (x, mut whole, mut apart) = (lab.put(&x)?, lab.blank(op.output())?, lab.blank(op.pooled())?);
        let (mut gate, mut taken_gate) = (lab.gate(op.output())?, lab.gate(op.output())?);
        let mut switches = b.switches(op.pooled())?;
        b.conv2d_fwd(op, &x, &filter, Epilogue::ReluGate(&mut gate), &mut whole, &mut workspace)?;
        b.pool2d_fwd(&pool, &whole, &mut apart, most.then_some(&mut switches))?;
        let apart = lab.get(&apart)?;
        let mut y = lab.blank(op.pooled())?;
        b.conv2d_fwd(op, &x, &filter, Epilogue::ReluPool, &mut y, &mut workspace)?;
        equal(&format!("ReluPool against Relu and {what}"), &lab.get(&y)?, &apart)?;
        let mut y = lab.blank(op.pooled())?;
        b.conv2d_fwd(op, &x, &filter, Epilogue::ReluPoolGate(&mut taken_gate), &mut y, &mut workspace)?;
        equal(&format!("ReluPoolGate against ReluGate and {what}"), &lab.get(&y)?, &apart)?;

        let mut spread = lab.blank(op.output())?;
        b.pool2d_bwd(&pool, &lab.put(&dy)?, most.then_some(&switches), Acc::Store, &mut spread)?;
        let spread = Array::from_f32(op.output(), &lab.get(&spread)?);
        for (gate, taken) in [(None, None), (Some(&gate), Some(&taken_gate))] {
            if most && gate.is_none() {
                let (dy, mut dx) = (lab.put(&dy)?, lab.blank(op.input())?);
                let backwards = b.conv2d_bwd(op, &dy, None, &filter, Acc::Store, &mut dx, &mut workspace);
                super::refused("a max pool without a gate", ErrorKind::Argument, backwards)?;
                continue;
            }
            for acc in ACCS {
                let composed = run_bwd(&lab, op, &filter, &spread, gate, (acc, &previous))?;
                let fused = run_bwd(&lab, op, &filter, &dy, taken, (acc, &previous))?;
                equal(&format!("the gradient through {what}, {acc:?}"), &fused, &composed)?;
            }
        }
    }
    Ok(())
}

/// The tensors of a part that hold only the rows they must.
const CUTS: [(bool, bool); 4] = [(false, false), (true, false), (false, true), (true, true)];

/// Consecutive bands of a few rows.
fn bands(op: &Conv2d, rows: usize) -> impl Iterator<Item = Rows> {
    let height = op.height;
    (0..height).step_by(rows).map(move |start| Rows { start, end: height.min(start + rows) })
}

/// Bands give the same result, forward and backward, with or without a fused pool, whether tensors hold all rows or few;
/// rows that are not computed are unchanged.
fn parts<B: Backend>(b: &B, op: &Conv2d, times: f64, rng: &mut Rng) -> Check {
    let (x, w, dy) = (Array::random(op.input(), rng), random_weights(op, rng), Array::random(op.output(), rng));
    let (filter, lab, height) = (pack(b, &w)?, Lab::fresh(b), op.height);
    let all = Rows { start: 0, end: height };
    if b.conv2d_part_rows(op).is_none() {
        let part = Conv2d { part: Some(Part { computed: all, x: all, y: all }), ..*op };
        let mut workspace = b.workspace(b.conv2d_workspace(&part))?;
        let (x, mut y) = (b.tensor(op.input())?, b.tensor(op.output())?);
        let refusal = b.conv2d_fwd(&part, &x, &filter, Epilogue::Relu, &mut y, &mut workspace);
        return super::refused("unsupported parts", ErrorKind::Unsupported, refusal);
    }
    let squares = oracle::fwd(op, &x.map(|v| v * v), &w.map(|v| v * v));
    let back_squares = oracle::bwd(op, &dy.map(|v| v * v), &w.map(|v| v * v)).map(|s| s.max(0.01));
    let mut gate = b.gate(op.output())?;
    let y = Array::from_f32(op.output(), &run_fwd(&lab, op, &filter, &x, Epilogue::ReluGate(&mut gate))?);
    let open = Array::from_f32(op.output(), &y.to_f32()).map(|v| f64::from(u8::from(v > 0.0)));
    let dx = oracle::bwd(op, &dy.zip(&open, |dy, open| dy * open), &w);
    let previous = Array::random(op.input(), rng);
    for ((cut_x, cut_y), size) in CUTS.into_iter().flat_map(|cut| [(cut, 2), (cut, 5)]) {
        let (mut forward, mut backward) = (Array::full(op.output(), 7.0), previous.clone());
        let mut gate_in_parts = b.gate(op.output())?;
        for computed in bands(op, size) {
            let wide = computed.widened(1, height);
            let rows = Part { computed, x: if cut_x { wide } else { all }, y: if cut_y { computed } else { all } };
            let part = Conv2d { part: Some(rows), ..*op };
            let mut workspace = b.workspace(b.conv2d_workspace(&part))?;
            let mut to = lab.put(&forward.rows(rows.y))?;
            let epilogue = Epilogue::ReluGate(&mut gate_in_parts);
            b.conv2d_fwd(&part, &lab.put(&x.rows(rows.x))?, &filter, epilogue, &mut to, &mut workspace)?;
            forward.set_rows(rows.y, &Array::from_f32(part.y(false), &lab.get(&to)?), 0);

            let rows = Part { computed, x: if cut_x { computed } else { all }, y: if cut_y { wide } else { all } };
            let part = Conv2d { part: Some(rows), ..*op };
            let mut to = lab.put(&backward.rows(rows.x))?;
            let from = lab.put(&dy.rows(rows.y))?;
            b.conv2d_bwd(&part, &from, Some(&gate), &filter, Acc::Add, &mut to, &mut workspace)?;
            backward.set_rows(rows.x, &Array::from_f32(part.x(), &lab.get(&to)?), 0);
        }
        let tag = format!("in bands of {size}, cut {cut_x} {cut_y}");
        within(&format!("y {tag}"), times, &forward.to_f32(), &y, &squares)?;
        within(&format!("dx {tag}"), times, &backward.to_f32(), &dx.zip(&previous, |a, b| a + b), &back_squares)?;
        let by_whole = run_bwd(&lab, op, &filter, &dy, Some(&gate), (Acc::Store, &previous))?;
        let by_parts = run_bwd(&lab, op, &filter, &dy, Some(&gate_in_parts), (Acc::Store, &previous))?;
        // A sum near zero may change sign: one such gate lets one `dy` pass.
        let (by_whole, by_parts) = [by_whole, by_parts].map(|v| Array::from_f32(op.input(), &v)).into();
        near_scalar(
            "the gate in bands",
            by_whole.zip(&by_parts, |a, b| a - b).norm(),
            0.0,
            2e-2_f64.max(1e-4 * times) * dx.norm().max(1.0),
        )?;
    }
    let kinds = [Pooling::Average, Pooling::Max].into_iter();
    kinds.map(|kind| op.with_pooling(kind)).try_for_each(|op| pooled_parts(b, &op, times, (&x, &w), rng))
}

/// The same for a fused pool: bands of whole windows.
fn pooled_parts<B: Backend>(b: &B, op: &Conv2d, times: f64, (x, w): (&Array, &Weights), rng: &mut Rng) -> Check {
    if op.pooled().is_empty() || !b.conv2d_pools(op) {
        return Ok(());
    }
    let (filter, lab, height) = (pack(b, w)?, Lab::fresh(b), op.height);
    let (all, dy) = (Rows { start: 0, end: height }, Array::random(op.pooled(), rng));
    let squares = oracle::fwd(op, &x.map(|v| v * v), &w.map(|v| v * v));
    let mut workspace = b.workspace(b.conv2d_workspace(op))?;
    let (mut gate, mut y) = (b.gate(op.output())?, lab.blank(op.pooled())?);
    b.conv2d_fwd(op, &lab.put(x)?, &filter, Epilogue::ReluPoolGate(&mut gate), &mut y, &mut workspace)?;
    let mut dx = lab.blank(op.input())?;
    b.conv2d_bwd(op, &lab.put(&dy)?, Some(&gate), &filter, Acc::Store, &mut dx, &mut workspace)?;
    let (y, dx) = (Array::from_f32(op.pooled(), &lab.get(&y)?), Array::from_f32(op.input(), &lab.get(&dx)?));
    let mut in_parts = lab.blank(op.pooled())?;
    let mut gradient = Array::zeros(op.input());
    for computed in bands(op, 4) {
        let wide = computed.widened(1, height);
        let part = Conv2d { part: Some(Part { computed, x: wide, y: all }), ..*op };
        let mut workspace = b.workspace(b.conv2d_workspace(&part))?;
        let from = lab.put(&x.rows(wide))?;
        b.conv2d_fwd(&part, &from, &filter, Epilogue::ReluPool, &mut in_parts, &mut workspace)?;
        let part = Conv2d { part: Some(Part { computed, x: computed, y: all }), ..*op };
        let mut to = lab.blank(part.x())?;
        b.conv2d_bwd(&part, &lab.put(&dy)?, Some(&gate), &filter, Acc::Store, &mut to, &mut workspace)?;
        gradient.set_rows(computed, &Array::from_f32(part.x(), &lab.get(&to)?), 0);
    }
    within("a pooled y in bands", times, &lab.get(&in_parts)?, &y, &squares)?;
    let scale = oracle::bwd(op, &Array::full(op.output(), 1.0), &w.map(|v| v * v)).map(|s| s.max(0.01));
    within("dx of a pooled y in bands", times, &gradient.to_f32(), &dx, &scale)
}

/// `<dy, W x> = <W^T dy, x>`.
fn adjoint<B: Backend>(b: &B, op: &Conv2d, times: f64, rng: &mut Rng) -> Check {
    let (x, dy) = (Array::random(op.input(), rng), Array::random(op.output(), rng));
    let mut w = random_weights(op, rng);
    w.bias.fill(0.0);
    let (lab, filter) = (Lab::fresh(b), pack(b, &w)?);
    let y = Array::from_f32(op.output(), &run_fwd(&lab, op, &filter, &x, Epilogue::Bias)?);
    let dx = Array::from_f32(op.input(), &run_bwd(&lab, op, &filter, &dy, None, (Acc::Store, &x))?);
    let bound = 2.0 * times * RMS_TOLERANCE * (dy.norm() * y.norm()).max(dx.norm() * x.norm());
    near_scalar("<W^T dy, x> against <dy, W x>", dx.dot(&x), dy.dot(&y), bound)
}

/// Repeated calls give the same bits, regardless of the operands' memory and the workspace's contents.
fn repeat<B: Backend>(b: &B, op: &Conv2d, rng: &mut Rng) -> Check {
    let (x, w, dy) = (Array::random(op.input(), rng), random_weights(op, rng), Array::random(op.output(), rng));
    let (filter, other) = (pack(b, &w)?, pack(b, &w)?);
    let [fresh, stale] = Lab::both(b);
    let y = run_fwd(&fresh, op, &filter, &x, Epilogue::Bias)?;
    let dx = run_bwd(&fresh, op, &filter, &dy, None, (Acc::Store, &x))?;
    same_bits("W x + b again", &run_fwd(&stale, op, &other, &x, Epilogue::Bias)?, &y)?;
    same_bits("dx again", &run_bwd(&stale, op, &other, &dy, None, (Acc::Store, &x))?, &dx)?;

    let nan = Array::full(op.input(), f64::NAN);
    let mut workspace = b.workspace(b.conv2d_workspace(op) + 4096)?;
    let mut y_again = fresh.blank(op.output())?;
    b.conv2d_fwd(op, &fresh.put(&nan)?, &filter, Epilogue::Bias, &mut y_again, &mut workspace)?;
    b.conv2d_fwd(op, &fresh.put(&x)?, &filter, Epilogue::Bias, &mut y_again, &mut workspace)?;
    same_bits("W x + b in a used workspace", &fresh.get(&y_again)?, &y)?;
    let mut dx_again = fresh.blank(op.input())?;
    b.conv2d_bwd(op, &fresh.put(&dy)?, None, &filter, Acc::Store, &mut dx_again, &mut workspace)?;
    same_bits("dx in a used workspace", &fresh.get(&dx_again)?, &dx)
}

/// Large, sparse and non-negative input, like real activations.
fn activations<B: Backend>(b: &B, times: f64, rng: &mut Rng) -> Check {
    let op = Conv2d::new(64, 32, 20, 23);
    let (x, w) = (Array::activation(op.input(), rng), random_weights(&op, rng));
    forward_against_oracle(b, &op, times, &x, &w)
}

/// A gate is open where `W x + b > 0`, so it is closed at zero of either sign.
fn closed_at_zero<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    let op = Conv2d::new(5, 16, 7, 9);
    let mut w = random_weights(&op, rng);
    for (o, bias) in w.bias.iter_mut().enumerate() {
        *bias = if o % 2 == 0 { 0.0 } else { -0.0 };
    }
    let (filter, dy) = (pack(b, &w)?, Array::random(op.output(), rng));
    for zero in [0.0, -0.0] {
        for lab in Lab::both(b) {
            let x = Array::full(op.input(), zero);
            let mut gate = lab.gate(op.output())?;
            let y = run_fwd(&lab, &op, &filter, &x, Epilogue::ReluGate(&mut gate))?;
            equal("max(0, 0)", &y, &vec![0.0; y.len()])?;
            let dx = run_bwd(&lab, &op, &filter, &dy, Some(&gate), (Acc::Store, &x))?;
            equal("dx through a closed gate", &dx, &vec![0.0; dx.len()])?;
        }
    }
    Ok(())
}

/// In a picture of one colour with a repeated border, all positions have the same input.
fn constant<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    let op = Conv2d::new(3, 16, 11, 70).with_padding(Padding::Replicate);
    let (lab, filter) = (Lab::fresh(b), pack(b, &random_weights(&op, rng))?);
    let y = run_fwd(&lab, &op, &filter, &Array::full(op.input(), 0.75), Epilogue::Bias)?;
    let inside = 5 * op.width + 35;
    let want: Vec<_> = y.chunks(op.height * op.width).flat_map(|map| vec![map[inside]; map.len()]).collect();
    equal("W x + b against that in the middle", &y, &want)
}

/// Results written into stale memory are as valid as operands as uploaded values.
fn chain<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    let first = Conv2d::new(3, 5, 9, 7);
    let second = Conv2d::new(5, 9, 9, 7);
    let x = Array::random(first.input(), rng);
    let (w1, w2) = (random_weights(&first, rng), random_weights(&second, rng));
    let (f1, f2) = (pack(b, &w1)?, pack(b, &w2)?);
    for lab in Lab::both(b) {
        let mut workspace = b.workspace(b.conv2d_workspace(&first).max(b.conv2d_workspace(&second)))?;
        let (mut middle, mut y) = (lab.blank(first.output())?, lab.blank(second.output())?);
        b.conv2d_fwd(&first, &lab.put(&x)?, &f1, Epilogue::Relu, &mut middle, &mut workspace)?;
        b.conv2d_fwd(&second, &middle, &f2, Epilogue::Bias, &mut y, &mut workspace)?;
        let uploaded = Array::from_f32(first.output(), &lab.get(&middle)?);
        same_bits("a chain", &lab.get(&y)?, &run_fwd(&lab, &second, &f2, &uploaded, Epilogue::Bias)?)?;

        let (mut middle, mut dx) = (lab.blank(second.input())?, lab.blank(first.input())?);
        let dy = Array::random(second.output(), rng);
        b.conv2d_bwd(&second, &lab.put(&dy)?, None, &f2, Acc::Store, &mut middle, &mut workspace)?;
        b.conv2d_bwd(&first, &middle, None, &f1, Acc::Store, &mut dx, &mut workspace)?;
        let uploaded = Array::from_f32(second.input(), &lab.get(&middle)?);
        let again = run_bwd(&lab, &first, &f1, &uploaded, None, (Acc::Store, &x))?;
        same_bits("a chain, backward", &lab.get(&dx)?, &again)?;
    }
    Ok(())
}
