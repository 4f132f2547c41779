//! Kernels in several dispatches, and in grids with more workgroups than they need. Vectors in half precision beside the CPU's.

use style_core::backend::ops::{
    Conv2d, Conv2dOps, Epilogue, GramOps, HistoryOps, NearestOps, Padding, ProductOps, Rows, TransportOps,
};
use style_core::backend::{Acc, Shape, Storage};
use testkit::{Array, Rng, cases};

use super::*;
use crate::backend::Convolution;
use crate::context::MOST_GROUPS;

/// The most operations of a dispatch, the most workgroups of a row of its grid, and bytes of a block of Winograd's tiles. Rows of
/// three leave workgroups over; without bytes a block is one strip.
const CUTS: [(u64, usize, usize); 6] = [
    (u64::MAX, MOST_GROUPS, usize::MAX),
    (1, MOST_GROUPS, usize::MAX),
    (u64::MAX, 3, 1_400_000),
    (20_000_000, 3, usize::MAX),
    (6_000_000, 2, 0),
    (400_000, 3, 1_400_000),
];

fn filled(wgpu: &Wgpu, shape: Shape, rng: &mut Rng) -> Tensor {
    let mut tensor = wgpu.tensor(shape).unwrap();
    wgpu.upload(&Array::random(shape, rng).to_f32(), &mut tensor).unwrap();
    tensor
}

/// Runs an op under every cut; results are those of the first.
fn check(what: &str, to: Shape, run: impl Fn(&Wgpu, &mut Tensor)) {
    check_with(what, Convolution::Planned, to, run);
}

/// The same with an algorithm for convolutions.
fn check_with(what: &str, convolution: Convolution, to: Shape, run: impl Fn(&Wgpu, &mut Tensor)) {
    let Some(mut wgpu) = Wgpu::for_tests() else { return };
    wgpu.convolution = convolution;
    let start = Array::random(to, &mut Rng::new("start")).to_f32();
    let results = CUTS.map(|(operations, groups, winograd_bytes)| {
        wgpu.operations = operations;
        wgpu.winograd_bytes = winograd_bytes;
        wgpu.context.turn.lock().unwrap().most_groups = groups;
        // What lies behind the result belongs to others.
        let mut y = wgpu.tensor(Shape::new(1, 1, 4 * to.len() + 100_000)).unwrap();
        let guard = vec![7.0; y.shape().len()];
        wgpu.upload(&guard, &mut y).unwrap();
        y.reshape(to).unwrap();
        wgpu.upload(&start, &mut y).unwrap();
        run(&wgpu, &mut y);
        let mut values = vec![f32::NAN; to.len()];
        wgpu.download(&y, &mut values).unwrap();
        let own = y.values();
        y.reshape(Shape::new(1, 1, guard.len())).unwrap();
        let mut all = vec![f32::NAN; guard.len()];
        wgpu.download(&y, &mut all).unwrap();
        assert!(all[own..].iter().all(|&v| v == 7.0), "{what}: writes out of bounds, cut {operations} and {groups}");
        values
    });
    assert!(results[0].iter().any(|&v| v != 0.0), "{what}");
    assert_ne!(results[0], start, "{what}");
    for (result, cut) in results.iter().zip(CUTS).skip(1) {
        assert!(*result == results[0], "{what}: {cut:?} changes the result");
    }
}

#[test]
fn convolutions_are_the_same_in_any_dispatches() {
    // To features, to a picture, to a map.
    for (read, written) in [(6, 70), (70, 3), (5, 1)] {
        convolutions_are_the_same(Convolution::Direct, read, written);
    }
    // Seven strips of tiles, all in one block, two or one.
    for (read, written) in [(6, 70), (70, 6)] {
        convolutions_are_the_same(Convolution::Winograd, read, written);
    }
}

fn convolutions_are_the_same(convolution: Convolution, read: usize, written: usize) {
    let workspace = |wgpu: &Wgpu, op: &Conv2d| wgpu.workspace(wgpu.conv2d_workspace(op)).unwrap();
    let op = Conv2d::new(read, written, 43, 70);
    check_with("conv2d_fwd", convolution, op.output(), |wgpu, y| {
        let mut rng = Rng::new("dispatches");
        let weight = Array::random(Shape::new(read, written, 9), &mut rng).to_f32();
        let filter = wgpu.pack(read, written, &weight, &vec![0.1; written]).unwrap();
        let x = filled(wgpu, op.input(), &mut rng);
        wgpu.conv2d_fwd(&op, &x, &filter, Epilogue::Relu, y, &mut workspace(wgpu, &op)).unwrap();
    });
    // A border is folded into the gradient of a picture or a map.
    let padding = if written <= 4 { Padding::Replicate } else { Padding::Zero };
    let op = Conv2d { padding, ..Conv2d::new(written, read, 43, 70) };
    check_with("conv2d_bwd", convolution, op.input(), |wgpu, dx| {
        let mut rng = Rng::new("dispatches");
        let weight = Array::random(Shape::new(written, read, 9), &mut rng).to_f32();
        let filter = wgpu.pack(written, read, &weight, &vec![0.1; read]).unwrap();
        let dy = filled(wgpu, op.output(), &mut rng);
        wgpu.conv2d_bwd(&op, &dy, None, &filter, Acc::Add, dx, &mut workspace(wgpu, &op)).unwrap();
    });
}

/// Conformance cases of more than one strip of tiles, in blocks of one.
#[test]
fn convolutions_conform_in_blocks_of_one_strip() {
    let Some(mut wgpu) = Wgpu::for_tests() else { return };
    (wgpu.convolution, wgpu.winograd_bytes) = (Convolution::Winograd, 0);
    let mut cases = cases::conv2d::cases();
    cases.retain(|case| ["/64-64x33x18", "/40-72x50x37"].iter().any(|shape| case.name().ends_with(shape)));
    assert_eq!(cases.len(), 14);
    for case in cases {
        case.run(&wgpu).unwrap_or_else(|e| panic!("{}: {}", case.name(), e.message().unwrap_or_default()));
    }
}

/// A layer that takes Winograd by the plan, against the same layer without.
#[test]
fn a_layer_with_many_channels_takes_winograd_and_is_the_same() {
    let op = Conv2d::new(128, 256, 6, 7);
    let mut rng = Rng::new("many channels");
    let weight = Array::random(Shape::new(128, 256, 9), &mut rng).to_f32();
    let (x, dy) = (Array::random(op.input(), &mut rng), Array::random(op.output(), &mut rng));
    let both = [Convolution::Planned, Convolution::Direct].map(|convolution| {
        let mut wgpu = Wgpu::for_tests()?;
        wgpu.convolution = convolution;
        let filter = wgpu.pack(128, 256, &weight, &[0.5; 256]).unwrap();
        let (mut from, mut y) = (wgpu.tensor(op.input()).unwrap(), wgpu.tensor(op.output()).unwrap());
        let mut workspace = wgpu.workspace(wgpu.conv2d_workspace(&op)).unwrap();
        wgpu.upload(&x.to_f32(), &mut from).unwrap();
        wgpu.conv2d_fwd(&op, &from, &filter, Epilogue::Bias, &mut y, &mut workspace).unwrap();
        let (mut forward, mut backward) = (vec![f32::NAN; op.output().len()], vec![f32::NAN; op.input().len()]);
        wgpu.download(&y, &mut forward).unwrap();
        wgpu.upload(&dy.to_f32(), &mut y).unwrap();
        wgpu.conv2d_bwd(&op, &y, None, &filter, Acc::Store, &mut from, &mut workspace).unwrap();
        wgpu.download(&from, &mut backward).unwrap();
        Some((wgpu.conv2d_algorithm(&op), [forward, backward]))
    });
    let [Some((planned, ours)), Some((direct, theirs))] = both else { return };
    assert_eq!([planned, direct], ["winograd F(2x2, 3x3)", "implicit product in f32"]);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        let norm = |v: &mut dyn Iterator<Item = f32>| v.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        let off = norm(&mut ours.iter().zip(theirs).map(|(a, b)| a - b)) / norm(&mut theirs.iter().copied());
        assert!(off > 0.0 && off < 1e-6, "off by {off:.1e}");
    }
}

#[test]
fn gram_matrices_and_products_are_the_same_in_any_dispatches() {
    let shape = Shape::new(200, 30, 40);
    check("gram", Shape::gram(200), |wgpu, g| {
        let features = filled(wgpu, shape, &mut Rng::new("features"));
        let mut workspace = wgpu.workspace(wgpu.gram_workspace(shape)).unwrap();
        wgpu.gram(&features, Rows::all(shape), 0.5, Acc::Add, g, &mut workspace).unwrap();
    });
    check("gram_bwd", shape, |wgpu, d| {
        let mut rng = Rng::new("features");
        let (features, dg) = (filled(wgpu, shape, &mut rng), filled(wgpu, Shape::gram(200), &mut rng));
        wgpu.gram_bwd(&features, &dg, 0.5, Acc::Add, d, &mut wgpu.workspace(0).unwrap()).unwrap();
    });
    check("product", Shape::new(1, 150, 170), |wgpu, c| {
        let mut rng = Rng::new("matrices");
        let (a, b) = (filled(wgpu, Shape::new(1, 150, 90), &mut rng), filled(wgpu, Shape::new(1, 90, 170), &mut rng));
        wgpu.product(&a, &b, 0.5, Acc::Add, c, &mut wgpu.workspace(0).unwrap()).unwrap();
    });
}

#[test]
fn neighbours_are_the_same_in_any_dispatches() {
    let (of_x, of_y) = (Shape::new(20, 13, 30), Shape::new(20, 15, 20));
    check("nearest", Shape::new(1, 11, 28), |wgpu, found| {
        let mut rng = Rng::new("neighbours");
        let (x, y) = (filled(wgpu, of_x, &mut rng), filled(wgpu, of_y, &mut rng));
        let mut workspace = wgpu.workspace(wgpu.nearest_workspace(of_x, 3)).unwrap();
        wgpu.nearest(&x, &y, 3, found, &mut workspace).unwrap();
    });
}

#[test]
fn transport_is_the_same_in_any_dispatches() {
    let shape = Shape::new(13, 50, 60);
    check("transport", shape, |wgpu, d| {
        let mut rng = Rng::new("transport");
        let (x, t) = (filled(wgpu, shape, &mut rng), filled(wgpu, shape, &mut rng));
        let mut workspace = wgpu.workspace(wgpu.transport_workspace(shape)).unwrap();
        wgpu.transport(&x, &t, &mut wgpu.scalars(1).unwrap(), 0, d, &mut workspace).unwrap();
    });
}

#[test]
fn vectors_in_half_precision_are_the_same_in_any_dispatches() {
    let shape = Shape::new(1, 35, 71);
    let halved = |wgpu: &Wgpu, rng: &mut Rng| {
        let mut h = wgpu.half(shape).unwrap();
        wgpu.halve(&filled(wgpu, shape, rng), &mut h).unwrap();
        h
    };
    check("restore", shape, |wgpu, x| wgpu.restore(&halved(wgpu, &mut Rng::new("vector")), x).unwrap());
    check("half_combine", shape, |wgpu, y| {
        let mut rng = Rng::new("vectors");
        let (h, x) = (halved(wgpu, &mut rng), filled(wgpu, shape, &mut rng));
        wgpu.half_combine(&[(0.3, &h); 8], (0.7, &x), y).unwrap();
    });
}

/// The values of `x` as they are stored in half precision.
fn stored<B: HistoryOps>(b: &B, x: &[f32]) -> (B::Half, Vec<f32>) {
    let shape = Shape::new(1, 1, x.len());
    let (mut from, mut to, mut h) = (b.tensor(shape).unwrap(), b.tensor(shape).unwrap(), b.half(shape).unwrap());
    b.upload(x, &mut from).unwrap();
    b.halve(&from, &mut h).unwrap();
    b.restore(&h, &mut to).unwrap();
    let mut values = vec![f32::NAN; x.len()];
    b.download(&to, &mut values).unwrap();
    (h, values)
}

#[test]
fn half_precision_has_the_bits_of_the_cpu() {
    let Some(wgpu) = Wgpu::for_tests() else { return };
    // Upper halves of all exponents, infinities and NaN among them, before both signs, with lower halves around a tie.
    let upper = (0..0x1_0000).step_by(0x3f).chain([0x7f7f, 0x7f80, 0x7fff, 0xff7f, 0xff80, 0xffff]);
    let bits = upper.flat_map(|upper| [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff].map(|lower| (upper << 16) | lower));
    let values: Vec<f32> = bits.map(f32::from_bits).collect();
    let cpu = style_cpu::Cpu::new().unwrap();
    let of = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(of(&stored(&wgpu, &values).1), of(&stored(&cpu, &values).1));
}

#[test]
fn long_vectors_are_summed_in_parts() {
    let Some(wgpu) = Wgpu::for_tests() else { return };
    // An odd length, in two parts.
    let shape = Shape::new(1, 1, (1 << 20) + 3);
    let mut rng = Rng::new("parts");
    let mut draw = || Array::random(shape, &mut rng).to_f32();
    let (halves, x) = ([draw(), draw()].map(|h| stored(&wgpu, &h)), draw());
    let (mut last, mut y) = (wgpu.tensor(shape).unwrap(), wgpu.tensor(shape).unwrap());
    wgpu.upload(&x, &mut last).unwrap();
    let terms: Vec<_> = (0..7).map(|i| (f64::from(i) - 2.7, &halves[i as usize % 2].0)).collect();
    wgpu.half_combine(&terms, (0.3, &last), &mut y).unwrap();
    let mut found = vec![f32::NAN; shape.len()];
    wgpu.download(&y, &mut found).unwrap();
    let sums = [0, 1].map(|k| terms.iter().skip(k).step_by(2).map(|(c, _)| c).sum::<f64>());
    for (i, found) in found.iter().enumerate() {
        let of_halves = sums[0] * f64::from(halves[0].1[i]) + sums[1] * f64::from(halves[1].1[i]);
        let want = of_halves + 0.3 * f64::from(x[i]);
        assert!((f64::from(*found) - want).abs() <= 1e-7 * want.abs() + 1e-10, "{found} at {i} instead of {want}");
    }
}
