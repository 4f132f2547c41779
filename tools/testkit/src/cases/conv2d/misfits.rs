//! Operands that do not fit, too little memory, and extents that are absurd or zero.

use super::*;
use crate::cases;

pub(super) fn misfits<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    let op = Conv2d::new(5, 8, 7, 9);
    let filter = pack(b, &random_weights(&op, rng))?;
    let mut ws = b.workspace(b.conv2d_workspace(&op) + 4096)?;
    let bent = |s: Shape| {
        [
            Shape::new(s.channels + 1, s.height, s.width),
            Shape::new(s.channels - 1, s.height, s.width),
            Shape::new(s.channels, s.height + 1, s.width),
            Shape::new(s.channels, s.height, s.width - 1),
            Shape::new(s.channels, s.width, s.height),
            Shape::new(s.height, s.channels, s.width),
        ]
    };
    let (x, mut y) = (b.tensor(op.input())?, b.tensor(op.output())?);
    let (dy, mut dx) = (b.tensor(op.output())?, b.tensor(op.input())?);
    for shape in bent(op.input()) {
        let mut bad = b.tensor(shape)?;
        misfit(&format!("x of {shape}"), b.conv2d_fwd(&op, &bad, &filter, Epilogue::Relu, &mut y, &mut ws))?;
        misfit(&format!("dx of {shape}"), b.conv2d_bwd(&op, &dy, None, &filter, Acc::Add, &mut bad, &mut ws))?;
    }
    for shape in bent(op.output()) {
        let (mut bad, mut gate) = (b.tensor(shape)?, b.gate(shape)?);
        misfit(&format!("y of {shape}"), b.conv2d_fwd(&op, &x, &filter, Epilogue::Bias, &mut bad, &mut ws))?;
        misfit(&format!("dy of {shape}"), b.conv2d_bwd(&op, &bad, None, &filter, Acc::Store, &mut dx, &mut ws))?;
        let backwards = b.conv2d_bwd(&op, &dy, Some(&gate), &filter, Acc::Store, &mut dx, &mut ws);
        misfit(&format!("a gate of {shape}, backward"), backwards)?;
        let forwards = b.conv2d_fwd(&op, &x, &filter, Epilogue::ReluGate(&mut gate), &mut y, &mut ws);
        misfit(&format!("a gate of {shape}"), forwards)?;
    }
    for (i, o) in [(8, 5), (5, 9), (4, 8), (1, 40)] {
        let filter = pack(b, &random_weights(&Conv2d { in_channels: i, out_channels: o, ..op }, rng))?;
        let forwards = b.conv2d_fwd(&op, &x, &filter, Epilogue::Bias, &mut y, &mut ws);
        misfit(&format!("a filter {i}-{o}"), forwards)?;
        let backwards = b.conv2d_bwd(&op, &dy, None, &filter, Acc::Store, &mut dx, &mut ws);
        misfit(&format!("a filter {i}-{o}, backward"), backwards)?;
    }
    Ok(())
}

/// Parts whose tensors lack rows that are read or written, and pool windows that are split.
pub(super) fn misfit_parts<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    let op = Conv2d::new(5, 8, 8, 9);
    if b.conv2d_part_rows(&op).is_none() {
        return Ok(());
    }
    let (filter, rows) = (pack(b, &random_weights(&op, rng))?, |start, end| Rows { start, end });
    let mut ws = b.workspace(b.conv2d_workspace(&op))?;
    for (computed, x, y) in [
        (rows(2, 4), rows(2, 5), rows(0, 8)),
        (rows(2, 4), rows(1, 4), rows(0, 8)),
        (rows(2, 4), rows(0, 8), rows(3, 8)),
        (rows(2, 9), rows(0, 8), rows(0, 8)),
        (rows(4, 2), rows(0, 8), rows(0, 8)),
        (rows(2, 4), rows(0, usize::MAX), rows(0, 8)),
        (rows(usize::MAX, usize::MAX), rows(0, 8), rows(0, 8)),
    ] {
        let part = Conv2d { part: Some(Part { computed, x, y }), ..op };
        let held = |s: Shape| if s.len() < 1 << 20 { s } else { Shape::new(s.channels, 8, 9) };
        let (x, mut y) = (b.tensor(held(part.x()))?, b.tensor(held(part.y(false)))?);
        misfit("a part", b.conv2d_fwd(&part, &x, &filter, Epilogue::Relu, &mut y, &mut ws))?;
    }
    let halves = Part { computed: rows(3, 5), x: rows(0, 8), y: rows(0, 8) };
    let part = Conv2d { part: Some(halves), ..op };
    let (x, mut y) = (b.tensor(op.input())?, b.tensor(op.pooled())?);
    let forwards = b.conv2d_fwd(&part, &x, &filter, Epilogue::ReluPool, &mut y, &mut ws);
    if b.conv2d_pools(&op) { misfit("half a window", forwards) } else { Ok(()) }
}

/// Only the convolution of a picture supports other paddings.
pub(super) fn misfit_paddings<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    for (i, o) in [(5, 8), (5, 3), (64, 64)] {
        let op = Conv2d::new(i, o, 8, 9).with_padding(Padding::Replicate);
        let filter = pack(b, &random_weights(&op, rng))?;
        let mut ws = b.workspace(b.conv2d_workspace(&op))?;
        let (x, mut y) = (b.tensor(op.input())?, b.tensor(op.output())?);
        let forwards = b.conv2d_fwd(&op, &x, &filter, Epilogue::Relu, &mut y, &mut ws);
        cases::refused("a repeated border of features", ErrorKind::Unsupported, forwards)?;
        let (dy, mut dx) = (b.tensor(op.output())?, b.tensor(op.input())?);
        let backwards = b.conv2d_bwd(&op, &dy, None, &filter, Acc::Store, &mut dx, &mut ws);
        cases::refused("a repeated border of features, backward", ErrorKind::Unsupported, backwards)?;
    }
    Ok(())
}

pub(super) fn misfit_packs<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    let packed = |i: usize, o: usize, w: usize, bias: usize| b.pack(i, o, &vec![0.5; w], &vec![0.5; bias]);
    misfit("one filter value too few", packed(3, 4, 107, 4))?;
    misfit("one filter value too many", packed(3, 4, 109, 4))?;
    misfit("no filter values", packed(3, 4, 0, 4))?;
    misfit("one bias too few", packed(3, 4, 108, 3))?;
    misfit("one bias too many", packed(3, 4, 108, 5))?;
    misfit("channels whose product overflows", packed(usize::MAX, usize::MAX, 9, 1))?;
    misfit("channels whose product wraps to the length", packed(1 << (usize::BITS - 2), 8, 0, 8))
}

/// A workspace that is too small is rejected, or (if the backend rounds it up) works like a large one.
pub(super) fn small_workspace<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    let op = Conv2d::new(40, 72, 50, 37);
    let need = b.conv2d_workspace(&op);
    let (x, dy) = (Array::random(op.input(), rng), Array::random(op.output(), rng));
    let (lab, filter) = (Lab::fresh(b), pack(b, &random_weights(&op, rng))?);
    for bytes in [0, need.saturating_sub(1)] {
        let mut workspace = b.workspace(bytes)?;
        let (mut y, mut dx) = (lab.blank(op.output())?, lab.blank(op.input())?);
        match b.conv2d_fwd(&op, &lab.put(&x)?, &filter, Epilogue::Bias, &mut y, &mut workspace) {
            Ok(()) => same_bits("y", &lab.get(&y)?, &run_fwd(&lab, &op, &filter, &x, Epilogue::Bias)?)?,
            refusal => misfit("a small workspace", refusal)?,
        }
        match b.conv2d_bwd(&op, &lab.put(&dy)?, None, &filter, Acc::Store, &mut dx, &mut workspace) {
            Ok(()) => {
                same_bits("dx", &lab.get(&dx)?, &run_bwd(&lab, &op, &filter, &dy, None, (Acc::Store, &x))?)?;
            }
            refusal => misfit("a small workspace, backward", refusal)?,
        }
    }
    Ok(())
}

/// Extents that exceed any memory fit no operand, and the check does not overflow.
pub(super) fn absurd<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    let small = Conv2d::new(3, 4, 5, 6);
    let filter = pack(b, &random_weights(&small, rng))?;
    let (x, mut y) = (b.tensor(small.input())?, b.tensor(small.output())?);
    let mut workspace = b.workspace(b.conv2d_workspace(&small))?;
    for huge in [usize::MAX, usize::MAX / 2, 1 << (usize::BITS - 2), 1 << (usize::BITS / 2)] {
        for op in [
            Conv2d { height: huge, width: huge, ..small },
            Conv2d { width: huge, ..small },
            Conv2d { in_channels: huge, out_channels: huge, ..small },
        ] {
            let _ = (b.conv2d_workspace(&op), b.filter_bytes(op.in_channels, op.out_channels));
            misfit("absurd", b.conv2d_fwd(&op, &x, &filter, Epilogue::Bias, &mut y, &mut workspace))?;
            misfit("absurd", b.conv2d_bwd(&op, &x, None, &filter, Acc::Add, &mut y, &mut workspace))?;
        }
    }
    Ok(())
}

pub(super) fn empty<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    let extents = [(3, 4, 0, 5), (3, 4, 5, 0), (3, 4, 0, 0), (0, 4, 3, 3), (4, 0, 3, 3)];
    let paddings = [Padding::Zero, Padding::Replicate];
    for ((i, o, height, width), padding) in extents.into_iter().flat_map(|e| paddings.map(|p| (e, p))) {
        let op = Conv2d::new(i, o, height, width).with_padding(padding);
        let w = random_weights(&op, rng);
        let both_ways = || {
            let filter = pack(b, &w)?;
            let mut workspace = b.workspace(b.conv2d_workspace(&op))?;
            let (x, mut y, mut gate) = (b.tensor(op.input())?, b.tensor(op.output())?, b.gate(op.output())?);
            b.conv2d_fwd(&op, &x, &filter, Epilogue::ReluGate(&mut gate), &mut y, &mut workspace)?;
            let (dy, mut dx) = (b.tensor(op.output())?, b.tensor(op.input())?);
            b.conv2d_bwd(&op, &dy, Some(&gate), &filter, Acc::Store, &mut dx, &mut workspace)
        };
        served_or_misfit("an empty convolution", both_ways())?;
    }
    Ok(())
}
