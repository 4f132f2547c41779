//! Misuse of the ops that the conformance cases do not try: it gives an error or a correct result, and no access outside
//! the op's memory.

use style_core::backend::ops::{
    AdamStep, Conv2d, Conv2dOps, Epilogue, GramOps, GuideOps, LossOps, MomentsOps, Pool2d, Pool2dOps, ReluOps, Rows,
    Tv, TvOps, VectorOps, WindowOps,
};
use style_core::backend::{Acc, Shape, Storage};
use style_core::{ErrorKind, Pooling, Result};
use style_cpu::{Convolution, Cpu, Isa};

const OP: Conv2d = Conv2d::new(17, 16, 6, 9);

fn cpu(way: Convolution) -> Cpu {
    Cpu::builder().threads(1).convolution(way).build().unwrap()
}

/// Runs `OP` forward and backward on one backend with the filters of another, with or without a fused pool.
fn convolved(cpu: &Cpu, packed: &Cpu, pooled: bool) -> Result<Vec<f32>> {
    let values = |n: usize| (0..n).map(|i| (i * 7 % 11) as f32 - 5.0).collect::<Vec<_>>();
    let filter = packed.pack(17, 16, &values(9 * 17 * 16), &values(16))?;
    let (mut x, mut dx) = (cpu.tensor(OP.input())?, cpu.tensor(OP.input())?);
    let (mut y, mut gate) = (cpu.tensor(OP.y(pooled))?, cpu.gate(OP.output())?);
    let bytes = cpu.conv2d_workspace(&OP).max(packed.conv2d_workspace(&OP));
    let mut workspace = cpu.workspace(bytes)?;
    cpu.upload(&values(OP.input().len()), &mut x)?;
    let epilogue = if pooled { Epilogue::ReluPoolGate(&mut gate) } else { Epilogue::ReluGate(&mut gate) };
    cpu.conv2d_fwd(&OP, &x, &filter, epilogue, &mut y, &mut workspace)?;
    cpu.conv2d_bwd(&OP, &y, Some(&gate), &filter, Acc::Store, &mut dx, &mut workspace)?;
    let mut got = vec![0.0; OP.input().len()];
    cpu.download(&dx, &mut got)?;
    Ok(got)
}

#[test]
fn filters_of_a_backend_that_convolves_in_another_way_serve_or_are_refused() {
    let ways = [Convolution::Planned, Convolution::Direct, Convolution::Winograd4, Convolution::Winograd6];
    let want = convolved(&cpu(Convolution::Direct), &cpu(Convolution::Direct), false).unwrap();
    let largest = want.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    for (here, there) in ways.into_iter().flat_map(|here| ways.map(|there| (here, there))) {
        let got = convolved(&cpu(here), &cpu(there), false).unwrap();
        let error = got.iter().zip(&want).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(error < 1e-4 * largest, "{here:?} with filters of {there:?}: off by {error} of {largest}");
        // Direct convolution does not support a fused pool; neither do its filters on another backend.
        let takes_in = here != Convolution::Direct && there != Convolution::Direct;
        let pooled = convolved(&cpu(here), &cpu(there), true);
        assert_eq!(pooled.is_ok(), takes_in, "{here:?} with filters of {there:?}, pooled");
        assert!(pooled.err().is_none_or(|e| e.kind() == ErrorKind::Unsupported));
    }
}

/// Every op on tensors without values that have one extent of the largest number.
fn hollow(cpu: &Cpu, shape: Shape) -> Result<()> {
    let Shape { channels, height, width } = shape;
    let (mut x, mut y) = (cpu.tensor(shape)?, cpu.tensor(shape)?);
    cpu.upload(&[], &mut x)?;
    cpu.download(&x, &mut [])?;
    let mut scalars = cpu.scalars(4)?;
    cpu.copy(&x, &mut y)?;
    cpu.rectify(&mut y)?;
    cpu.combine(&[(2.0, &x)], &mut y)?;
    cpu.dots(&[&x], &[&x, &y], &mut scalars, 0)?;
    let step = AdamStep { rate: 1.0, beta1: 0.9, beta2: 0.9, correction2: 1.0, epsilon: 1e-8 };
    cpu.adam(&step, &x, &mut cpu.tensor(shape)?, &mut cpu.tensor(shape)?, &mut y)?;
    cpu.half_squared_distance(&x, &y, &mut scalars, 0)?;
    cpu.half_squared_distance_bwd(&x, &x, 1.0, Acc::Add, &mut y)?;
    for kind in [Tv::Squared, Tv::Absolute, Tv::Means, Tv::Power(1.5)] {
        cpu.tv(kind, &x, &mut scalars, 0)?;
        cpu.tv_bwd(kind, &x, 1.0, Acc::Store, &mut y)?;
    }
    cpu.window(&x, [0, 0], &mut y)?;
    cpu.window_bwd(&x, [0, 0], Acc::Store, &mut y)?;
    for pooling in [Pooling::Average, Pooling::Max] {
        let op = Pool2d { pooling, channels, height, width };
        let (mut y, mut switches) = (cpu.tensor(op.output())?, cpu.switches(op.output())?);
        cpu.pool2d_fwd(&op, &x, &mut y, Some(&mut switches))?;
        cpu.pool2d_bwd(&op, &y, Some(&switches), Acc::Store, &mut x)?;
    }
    if let Ok(mut map) = cpu.tensor(Shape { channels: 1, ..shape }) {
        cpu.guide(&x, &map, 1.0, Acc::Store, &mut y)?;
        cpu.rectify(&mut map)?;
    }
    if channels < 1 << 20 {
        let (mut g, mut workspace) = (cpu.tensor(Shape::gram(channels))?, cpu.workspace(1 << 16)?);
        cpu.gram(&x, Rows::all(shape), 1.0, Acc::Store, &mut g, &mut workspace)?;
        cpu.gram_bwd(&x, &g, 1.0, Acc::Store, &mut y, &mut workspace)?;
        let (mut mean, of) = (cpu.tensor(Shape::new(channels, 1, 1))?, cpu.tensor(Shape::new(channels, 1, 1))?);
        cpu.moments(&x, None, &mut mean, None)?;
        cpu.moments_bwd(&x, None, &mean, &of, Some((&of, &of)), Acc::Store, &mut y)?;
    }
    if (1..1 << 10).contains(&channels) {
        let op = Conv2d::new(channels, 6, height, width);
        let filter = cpu.pack(channels, 6, &vec![1.0; 54 * channels], &[1.0; 6])?;
        let (mut z, mut gate) = (cpu.tensor(op.output())?, cpu.gate(op.output())?);
        let mut workspace = cpu.workspace(1 << 16)?;
        cpu.conv2d_fwd(&op, &x, &filter, Epilogue::ReluGate(&mut gate), &mut z, &mut workspace)?;
        cpu.conv2d_bwd(&op, &z, Some(&gate), &filter, Acc::Store, &mut x, &mut workspace)?;
        if cpu.conv2d_pools(&op) {
            let mut z = cpu.tensor(op.pooled())?;
            cpu.conv2d_fwd(&op, &x, &filter, Epilogue::ReluPoolGate(&mut gate), &mut z, &mut workspace)?;
        }
    }
    Ok(())
}

#[test]
fn tensors_of_no_values_may_be_of_any_extents() {
    const MOST: usize = usize::MAX;
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        for way in [Convolution::Planned, Convolution::Direct, Convolution::Winograd6] {
            let cpu = Cpu::builder().isa(isa).threads(1).convolution(way).build().unwrap();
            for channels in [0, 1, 3, 5, 17, MOST] {
                for (height, width) in [(0, MOST), (MOST, 0), (0, MOST - 1), (0, 1 << 60), (1 << 60, 0), (0, 0), (0, 5)]
                {
                    hollow(&cpu, Shape { channels, height, width }).unwrap();
                }
            }
            for (height, width) in [(MOST, MOST), (1 << 62, 4), (1 << 32, 1 << 32), (5, 7)] {
                hollow(&cpu, Shape { channels: 0, height, width }).unwrap();
            }
        }
    }
}
