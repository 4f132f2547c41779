//! The oracle against itself: its gradients by finite differences in `f64`, its adjoints, and what can be seen by eye.

use style_core::ops::{AdamStep, Conv2d, Pool2d};
use style_core::{Pooling, Shape};
use testkit::oracle::{conv2d, gram, loss, pool2d, tv, vector};
use testkit::{Array, Rng};

/// Central differences of `f` at `x`, element by element, against `gradient`, to `1e-6` of its largest value.
fn assert_gradient(f: impl Fn(&Array) -> f64, x: &Array, gradient: &Array) {
    let (h, largest) = (1e-4, gradient.map(f64::abs).max());
    for i in 0..x.data.len() {
        let at = |step: f64| {
            let mut moved = x.clone();
            moved.data[i] += step;
            f(&moved)
        };
        // Richardson's step takes the error from h^2 to h^4.
        let wide = (at(2.0 * h) - at(-2.0 * h)) / (4.0 * h);
        let slope = (4.0 * (at(h) - at(-h)) / (2.0 * h) - wide) / 3.0;
        let error = (slope - gradient.data[i]).abs();
        assert!(error <= 1e-6 * largest, "element {i}: slope {slope:e}, gradient {:e}", gradient.data[i]);
    }
}

fn rng() -> Rng {
    Rng::new("oracle")
}

fn weights(op: &Conv2d, rng: &mut Rng) -> conv2d::Weights {
    conv2d::Weights {
        in_channels: op.in_channels,
        out_channels: op.out_channels,
        filters: (0..9 * op.in_channels * op.out_channels).map(|_| rng.unit()).collect(),
        bias: (0..op.out_channels).map(|_| rng.unit()).collect(),
    }
}

#[test]
fn a_filter_is_applied_as_correlation() {
    let op = Conv2d { in_channels: 1, out_channels: 1, height: 3, width: 3 };
    let x = Array { shape: op.input(), data: (1..10).map(f64::from).collect() };
    let one_at = |place: usize| {
        let mut filters = vec![0.0; 9];
        filters[place] = 1.0;
        conv2d::Weights { in_channels: 1, out_channels: 1, filters, bias: vec![10.0] }
    };
    assert_eq!(conv2d::fwd(&op, &x, &one_at(4)).data, x.map(|v| v + 10.0).data);
    // w[0, 0] takes what is above on the left; w[1, 2] what is on the right.
    assert_eq!(conv2d::fwd(&op, &x, &one_at(0)).data, [10.0, 10.0, 10.0, 10.0, 11.0, 12.0, 10.0, 14.0, 15.0]);
    assert_eq!(conv2d::fwd(&op, &x, &one_at(5)).data, [12.0, 13.0, 10.0, 15.0, 16.0, 10.0, 18.0, 19.0, 10.0]);
}

#[test]
fn convolution_backwards_is_the_gradient_and_the_adjoint() {
    let op = Conv2d { in_channels: 3, out_channels: 2, height: 4, width: 5 };
    let mut rng = rng();
    let (mut w, x) = (weights(&op, &mut rng), Array::random(op.input(), &mut rng));
    let dy = Array::random(op.output(), &mut rng);
    assert_gradient(|x| conv2d::fwd(&op, x, &w).dot(&dy), &x, &conv2d::bwd(&op, &dy, &w));

    let through_relu = |x: &Array| conv2d::relu(&conv2d::fwd(&op, x, &w)).dot(&dy);
    let gate = conv2d::gate(&conv2d::fwd(&op, &x, &w));
    assert_gradient(through_relu, &x, &conv2d::bwd(&op, &dy.zip(&gate, |d, g| d * g), &w));

    w.bias.fill(0.0);
    let (left, right) = (conv2d::fwd(&op, &x, &w).dot(&dy), conv2d::bwd(&op, &dy, &w).dot(&x));
    assert!((left - right).abs() < 1e-12);
}

#[test]
fn pooling_backwards_is_the_gradient() {
    let mut rng = rng();
    for pooling in [Pooling::Average, Pooling::Max] {
        let op = Pool2d { pooling, channels: 2, height: 5, width: 7 };
        let (x, dy) = (Array::random(op.input(), &mut rng), Array::random(op.output(), &mut rng));
        let switches = pool2d::fwd(&op, &x).1;
        assert_gradient(|x| pool2d::fwd(&op, x).0.dot(&dy), &x, &pool2d::bwd(&op, &dy, &switches));
    }
}

#[test]
fn a_max_pool_takes_the_first_of_equals() {
    let op = Pool2d { pooling: Pooling::Max, channels: 1, height: 2, width: 8 };
    let data = vec![0.0, 0.0, 1.0, 2.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 2.0, 1.0, 2.0, 2.0, 1.0, 1.0];
    let (y, switches) = pool2d::fwd(&op, &Array { shape: op.input(), data });
    assert_eq!((y.data, switches), (vec![0.0, 2.0, 2.0, 1.0], vec![0, 1, 2, 0]));
}

#[test]
fn the_style_loss_has_its_gradient() {
    let mut rng = rng();
    let (f, target) = (Array::random(Shape::new(4, 3, 5), &mut rng), Array::random(Shape::gram(4), &mut rng));
    let scale = 1.0 / 15.0;
    let e = |f: &Array| loss::half_squared_distance(&gram::fwd(f, scale), &target) / (2.0 * 16.0);
    let dg = loss::half_squared_distance_bwd(&gram::fwd(&f, scale), &target, 1.0 / (2.0 * 16.0));
    assert_gradient(e, &f, &gram::bwd(&f, &dg, scale));
}

#[test]
fn the_gram_matrix_is_all_inner_products() {
    let f = Array { shape: Shape::new(2, 1, 3), data: vec![1.0, 2.0, 3.0, -1.0, 0.0, 1.0] };
    assert_eq!(gram::fwd(&f, 0.5).data, [7.0, 1.0, 1.0, 1.0]);
}

#[test]
fn half_the_squared_distance_has_its_gradient() {
    let mut rng = rng();
    let shape = Shape::new(2, 3, 4);
    let (a, b) = (Array::random(shape, &mut rng), Array::random(shape, &mut rng));
    let gradient = loss::half_squared_distance_bwd(&a, &b, 3.0);
    assert_gradient(|a| 3.0 * loss::half_squared_distance(a, &b), &a, &gradient);
}

#[test]
fn total_variation_has_its_gradient() {
    let mut rng = rng();
    for (height, width) in [(1, 1), (1, 5), (4, 1), (2, 2), (4, 5)] {
        let x = Array::random(Shape::new(2, height, width), &mut rng);
        assert_gradient(|x| 3.0 * tv::tv(x), &x, &tv::bwd(&x, 3.0));
    }
    let x = Array { shape: Shape::new(1, 2, 2), data: vec![0.0, 1.0, 3.0, 7.0] };
    assert_eq!(tv::tv(&x), 0.5 * (1.0 + 16.0 + 9.0 + 36.0));
}

#[test]
fn adam_first_moves_by_its_learning_rate() {
    let shape = Shape::new(1, 1, 3);
    let g = Array { shape, data: vec![1e-3, -5.0, 0.0] };
    let zero = Array::zeros(shape);
    let beta1 = 0.75_f32;
    let step = AdamStep { rate: 2.0 / (1.0 - beta1), beta1, beta2: 0.5, correction2: 0.5, epsilon: 1e-12 };
    let (_, _, x) = vector::adam(&step, &g, &zero, &zero, &zero);
    for (x, want) in x.data.iter().zip([-2.0, 2.0, 0.0]) {
        assert!((x - want).abs() < 1e-8, "{x} instead of {want}");
    }
}
