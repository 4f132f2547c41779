//! Kernels in several dispatches, and in grids with more workgroups than they need.

use style_core::backend::ops::{
    Conv2d, Conv2dOps, Epilogue, GramOps, NearestOps, Padding, ProductOps, Rows, TransportOps,
};
use style_core::backend::{Acc, Shape, Storage};
use testkit::{Array, Rng};

use super::*;
use crate::context::MOST_GROUPS;

/// The most operations of a dispatch, and the most workgroups of a row of its grid. Rows of three leave workgroups over.
const CUTS: [(u64, usize); 6] =
    [(u64::MAX, MOST_GROUPS), (1, MOST_GROUPS), (u64::MAX, 3), (20_000_000, 3), (6_000_000, 2), (400_000, 3)];

fn filled(wgpu: &Wgpu, shape: Shape, rng: &mut Rng) -> Tensor {
    let mut tensor = wgpu.tensor(shape).unwrap();
    wgpu.upload(&Array::random(shape, rng).to_f32(), &mut tensor).unwrap();
    tensor
}

/// Runs an op under every cut; results are those of the first.
fn check(what: &str, to: Shape, run: impl Fn(&Wgpu, &mut Tensor)) {
    let Some(mut wgpu) = Wgpu::for_tests() else { return };
    let start = Array::random(to, &mut Rng::new("start")).to_f32();
    let results = CUTS.map(|(operations, groups)| {
        wgpu.operations = operations;
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
        let op = Conv2d::new(read, written, 43, 70);
        check("conv2d_fwd", op.output(), |wgpu, y| {
            let mut rng = Rng::new("dispatches");
            let weight = Array::random(Shape::new(read, written, 9), &mut rng).to_f32();
            let filter = wgpu.pack(read, written, &weight, &vec![0.1; written]).unwrap();
            let x = filled(wgpu, op.input(), &mut rng);
            wgpu.conv2d_fwd(&op, &x, &filter, Epilogue::Relu, y, &mut wgpu.workspace(0).unwrap()).unwrap();
        });
        // A border is folded into the gradient of a picture or a map.
        let padding = if written <= 4 { Padding::Replicate } else { Padding::Zero };
        let op = Conv2d { padding, ..Conv2d::new(written, read, 43, 70) };
        check("conv2d_bwd", op.input(), |wgpu, dx| {
            let mut rng = Rng::new("dispatches");
            let weight = Array::random(Shape::new(written, read, 9), &mut rng).to_f32();
            let filter = wgpu.pack(written, read, &weight, &vec![0.1; read]).unwrap();
            let dy = filled(wgpu, op.output(), &mut rng);
            wgpu.conv2d_bwd(&op, &dy, None, &filter, Acc::Add, dx, &mut wgpu.workspace(0).unwrap()).unwrap();
        });
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
