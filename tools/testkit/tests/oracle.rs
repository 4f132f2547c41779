//! Checks of the oracle: gradients by finite differences in `f64`, adjoints, and values that are easy to verify by hand.

use style_core::Pooling;
use style_core::backend::Shape;
use style_core::backend::ops::{AdamStep, Conv2d, Padding, Pool2d, Tv};
use testkit::oracle::{
    conv2d, cosine, gram, guide, loss, moments, nearest, pool2d, product, relu, sample, transport, tv, vector, window,
};
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
        // Richardson extrapolation reduces the error from h^2 to h^4.
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
    let op = Conv2d::new(1, 1, 3, 3);
    let x = Array { shape: op.input(), data: (1..10).map(f64::from).collect() };
    let one_at = |place: usize| {
        let mut filters = vec![0.0; 9];
        filters[place] = 1.0;
        conv2d::Weights { in_channels: 1, out_channels: 1, filters, bias: vec![10.0] }
    };
    assert_eq!(conv2d::fwd(&op, &x, &one_at(4)).data, x.map(|v| v + 10.0).data);
    // w[0, 0] reads the upper left neighbour, w[1, 2] the right neighbour.
    assert_eq!(conv2d::fwd(&op, &x, &one_at(0)).data, [10.0, 10.0, 10.0, 10.0, 11.0, 12.0, 10.0, 14.0, 15.0]);
    assert_eq!(conv2d::fwd(&op, &x, &one_at(5)).data, [12.0, 13.0, 10.0, 15.0, 16.0, 10.0, 18.0, 19.0, 10.0]);
    // With a repeated border, only positions outside differ.
    let op = op.with_padding(Padding::Replicate);
    assert_eq!(conv2d::fwd(&op, &x, &one_at(4)).data, x.map(|v| v + 10.0).data);
    assert_eq!(conv2d::fwd(&op, &x, &one_at(0)).data, [11.0, 11.0, 12.0, 11.0, 11.0, 12.0, 14.0, 14.0, 15.0]);
    // The adjoint goes from each position back to the pixel that it read: four positions read the first.
    let ones = Array::full(op.output(), 1.0);
    assert_eq!(conv2d::bwd(&op, &ones, &one_at(0)).data, [4.0, 2.0, 0.0, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn convolution_backwards_is_the_gradient_and_the_adjoint() {
    for padding in [Padding::Zero, Padding::Replicate] {
        for (height, width) in [(4, 5), (1, 3), (1, 1)] {
            backwards_is_the_gradient(&Conv2d::new(3, 2, height, width).with_padding(padding));
        }
    }
}

fn backwards_is_the_gradient(op: &Conv2d) {
    let mut rng = rng();
    let (mut w, x) = (weights(op, &mut rng), Array::random(op.input(), &mut rng));
    let dy = Array::random(op.output(), &mut rng);
    assert_gradient(|x| conv2d::fwd(op, x, &w).dot(&dy), &x, &conv2d::bwd(op, &dy, &w));

    let through_relu = |x: &Array| conv2d::relu(&conv2d::fwd(op, x, &w)).dot(&dy);
    let gate = conv2d::gate(&conv2d::fwd(op, &x, &w));
    assert_gradient(through_relu, &x, &conv2d::bwd(op, &dy.zip(&gate, |d, g| d * g), &w));

    w.bias.fill(0.0);
    let (left, right) = (conv2d::fwd(op, &x, &w).dot(&dy), conv2d::bwd(op, &dy, &w).dot(&x));
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
    let powers = [1.0, 1.5, 2.0, 2.5, 4.0].map(Tv::Power);
    for kind in [Tv::Squared, Tv::Absolute, Tv::Means].into_iter().chain(powers) {
        for (height, width) in [(1, 1), (1, 5), (4, 1), (2, 2), (4, 5)] {
            let x = Array::random(Shape::new(2, height, width), &mut rng);
            assert_gradient(|x| 3.0 * tv::fwd(kind, x), &x, &tv::bwd(kind, &x, 3.0));
        }
    }
}

#[test]
fn total_variations_by_hand() {
    let x = Array { shape: Shape::new(1, 2, 2), data: vec![0.0, -3.0, 4.0, 7.0] };
    assert_eq!(tv::fwd(Tv::Squared, &x), 0.5 * (9.0 + 16.0 + 9.0 + 100.0));
    assert_eq!(tv::fwd(Tv::Absolute, &x), 3.0 + 4.0 + 3.0 + 10.0);
    assert_eq!(tv::fwd(Tv::Means, &x), (16.0 + 100.0) / 2.0 + (9.0 + 9.0) / 2.0);
    // Only the first pixel has both neighbours.
    assert_eq!(tv::fwd(Tv::Power(1.0), &x), 5.0);
    assert_eq!(tv::fwd(Tv::Power(4.0), &x), 625.0);
    // A column has no horizontal differences.
    let column = Array { shape: Shape::new(1, 3, 1), data: vec![1.0, 3.0, 4.0] };
    assert_eq!(tv::fwd(Tv::Means, &column), 2.5);
    let flat = Array::full(Shape::new(2, 3, 3), 1.0);
    for kind in [Tv::Absolute, Tv::Power(1.0)] {
        assert_eq!(tv::bwd(kind, &flat, 1.0), Array::zeros(flat.shape));
    }
}

#[test]
fn moments_have_their_gradient() {
    let mut rng = rng();
    let (x, of_channels) = (Array::random(Shape::new(3, 3, 4), &mut rng), Shape::new(3, 1, 1));
    let (dmean, ddeviation) = (Array::random(of_channels, &mut rng), Array::random(of_channels, &mut rng));
    let mut t = Array::random(Shape::new(1, 3, 4), &mut rng).map(f64::abs);
    t = t.map(|v| v / t.data.iter().sum::<f64>());
    for t in [None, Some(&t)] {
        let (mean, deviation) = moments::fwd(&x, t);
        let of_mean = moments::bwd(&x, t, &mean, &dmean, None);
        assert_gradient(|x| moments::fwd(x, t).0.dot(&dmean), &x, &of_mean);
        let of_both = moments::bwd(&x, t, &mean, &dmean, Some((&deviation, &ddeviation)));
        let both = |x: &Array| {
            let (mean, deviation) = moments::fwd(x, t);
            mean.dot(&dmean) + deviation.dot(&ddeviation)
        };
        assert_gradient(both, &x, &of_both);
    }
}

#[test]
fn moments_by_hand() {
    let x = Array { shape: Shape::new(2, 1, 4), data: vec![1.0, 1.0, 5.0, 5.0, 7.0, 7.0, 7.0, 7.0] };
    let (mean, deviation) = moments::fwd(&x, None);
    assert_eq!((mean.data, deviation.data), (vec![3.0, 7.0], vec![2.0, 0.0]));
    let t = Array { shape: Shape::new(1, 1, 4), data: vec![0.75, 0.0, 0.25, 0.0] };
    let (mean, deviation) = moments::fwd(&x, Some(&t));
    assert_eq!((&mean.data, deviation.data), (&vec![2.0, 7.0], vec![3.0_f64.sqrt(), 0.0]));
}

#[test]
fn guidance_and_rectification_by_hand() {
    let x = Array { shape: Shape::new(2, 1, 2), data: vec![1.0, -2.0, 3.0, f64::NAN] };
    let t = Array { shape: Shape::new(1, 1, 2), data: vec![0.5, -1.0] };
    assert_eq!(guide::guide(&x, &t, 4.0).data[..3], [2.0, 8.0, 6.0]);
    assert_eq!(relu::rectify(&x).data, [1.0, 0.0, 3.0, 0.0]);
}

#[test]
fn a_window_by_hand() {
    let x = Array { shape: Shape::new(2, 2, 3), data: (0..12).map(f64::from).collect() };
    let y = window::fwd(&x, [1, 1], Shape::new(2, 1, 2));
    assert_eq!(y.data, [4.0, 5.0, 10.0, 11.0]);
    let dx = window::bwd(&y, [0, 1], x.shape);
    assert_eq!(dx.data, [0.0, 4.0, 5.0, 0.0, 0.0, 0.0, 0.0, 10.0, 11.0, 0.0, 0.0, 0.0]);
}

#[test]
fn a_product_by_hand() {
    let a = Array { shape: Shape::new(1, 2, 3), data: vec![1.0, 2.0, 3.0, -1.0, 0.0, 1.0] };
    let b = Array { shape: Shape::new(1, 3, 1), data: vec![1.0, 0.0, 2.0] };
    assert_eq!(product::product(&a, &b, 0.5).data, [3.5, 0.5]);
    let x = Array { shape: Shape::new(3, 1, 2), data: vec![1.0, 2.0, 0.0, 4.0, 2.0, 1.0] };
    assert_eq!(product::project(&a, &x, 1.0).data, [7.0, 13.0, 1.0, -1.0]);
}

#[test]
fn a_projection_has_its_gradient() {
    let mut rng = rng();
    let (a, x) = (Array::random(Shape::new(1, 4, 3), &mut rng), Array::random(Shape::new(3, 2, 5), &mut rng));
    let dy = Array::random(Shape::new(4, 2, 5), &mut rng);
    assert_gradient(|x| product::project(&a, x, 0.7).dot(&dy), &x, &product::project_bwd(&a, &dy, 0.7));
}

#[test]
fn transport_by_hand() {
    let x = Array { shape: Shape::new(2, 1, 3), data: vec![3.0, -1.0, 2.0, 0.0, -0.0, 0.0] };
    let t = Array { shape: x.shape, data: vec![0.0, 1.0, 2.0, 5.0, 6.0, 7.0] };
    let (l, d) = transport::transport(&x, &t);
    assert_eq!(d.data, [1.0, -1.0, 1.0, -5.0, -6.0, -7.0]);
    assert_eq!(l, 0.5 * (3.0 + 25.0 + 36.0 + 49.0));
}

#[test]
fn transport_has_its_gradient() {
    let mut rng = rng();
    let (x, mut t) = (Array::random(Shape::new(2, 3, 4), &mut rng), Array::random(Shape::new(2, 3, 4), &mut rng));
    t.data.chunks_mut(12).for_each(|channel| channel.sort_by(f64::total_cmp));
    assert_gradient(|x| transport::transport(x, &t).0, &x, &transport::transport(&x, &t).1);
}

#[test]
fn neighbours_by_hand() {
    let x = Array { shape: Shape::new(2, 1, 3), data: vec![1.0, 0.0, -1.0, 1.0, 0.0, -1.0] };
    let y = Array { shape: Shape::new(2, 1, 4), data: vec![9.0, 2.0, 4.0, 0.0, 0.0, 2.0, 4.0, 0.0] };
    // Of two with the cosine 1, the first; of equal ones, the first; the patch of zeros.
    let found = nearest::nearest(&x, &y, 1);
    assert_eq!(found.data, [1.0, 0.0, 3.0]);
    let (l, d) = nearest::distance(&x, &y, 1, &found);
    assert_eq!(d.data, [-1.0, -9.0, -1.0, -1.0, 0.0, -1.0]);
    assert_eq!(l, 0.5 * (1.0 + 81.0 + 1.0 + 1.0 + 1.0));
    // Patches of two positions; what is no number of a patch is read as the nearest that is one.
    let y = Array { shape: Shape::new(1, 2, 2), data: vec![1.0, 2.0, 3.0, 4.0] };
    let x = Array::zeros(Shape::new(1, 2, 3));
    let found = Array { shape: Shape::new(1, 1, 2), data: vec![-7.0, 3.4] };
    assert_eq!(
        nearest::distance(&x, &y, 2, &found),
        (30.0, Array { shape: x.shape, data: vec![-1.0, -3.0, -2.0, -3.0, -7.0, -4.0] })
    );
}

#[test]
fn the_distance_from_neighbours_has_its_gradient() {
    let mut rng = rng();
    let (x, y) = (Array::random(Shape::new(2, 4, 5), &mut rng), Array::random(Shape::new(2, 3, 4), &mut rng));
    for side in [1, 2, 3] {
        let found = nearest::nearest(&x, &y, side);
        let d = nearest::distance(&x, &y, side, &found).1;
        assert_gradient(|x| nearest::distance(x, &y, side, &found).0, &x, &d);
    }
}

#[test]
fn samples_by_hand() {
    let x = Array { shape: Shape::new(2, 1, 3), data: vec![1.0, 2.0, 4.0, -1.0, 0.0, 8.0] };
    let rows = vec![vec![(0, 0.5), (2, 0.25)], vec![], vec![(1, 1.0), (1, 2.0)], vec![(2, -1.0)]];
    let y = Array::full(Shape::new(20, 2, 2), 7.0);
    let sampled = sample::sample(&rows, &x, 2.0, &y, 0);
    assert_eq!(sampled.data[..8], [3.0, 0.0, 12.0, -8.0, 3.0, 0.0, 0.0, -16.0]);
    // The rest of the group is zero; behind it, nothing changes.
    assert!(sampled.data[8..64].iter().all(|&v| v == 0.0) && sampled.data[64..].iter().all(|&v| v == 7.0));
    let behind = sample::sample(&rows, &x, 2.0, &y, 16);
    assert_eq!((&behind.data[..64], &behind.data[64..72]), (&y.data[..64], &sampled.data[..8]));
    assert!(behind.data[72..].iter().all(|&v| v == 0.0));

    let transposed = sample::transposed(&rows, 3);
    assert_eq!(transposed, [vec![(0, 0.5)], vec![(2, 1.0), (2, 2.0)], vec![(0, 0.25), (3, -1.0)]]);
    let mut dy = Array::zeros(y.shape);
    dy.data[64..72].copy_from_slice(&[1.0, 10.0, 100.0, 1000.0, 2.0, 0.0, 0.0, 1.0]);
    let dx = sample::sample_bwd(&transposed, &dy, 16, 2.0, x.shape);
    assert_eq!(dx.data, [1.0, 600.0, -1999.5, 2.0, 0.0, -1.0]);
}

#[test]
fn a_sparse_matrix_as_it_is_read() {
    let rows = vec![vec![(2, 0.5), (0, 0.25)], vec![], vec![(1, 3.0)]];
    let [offsets, columns, values] = sample::compressed(&rows);
    assert_eq!((&offsets.data[..], &columns.data[..]), (&[0.0, 2.0, 2.0, 3.0][..], &[2.0, 0.0, 1.0][..]));
    assert_eq!(values.data, [0.5, 0.25, 3.0]);
    assert_eq!(sample::rows(&offsets, &columns, &values, 3), rows);
    // Numbers that are none; a row that ends before it begins.
    let list = |data: &[f64]| Array { shape: Shape::new(1, 1, data.len()), data: data.to_vec() };
    let read = sample::rows(&list(&[-3.0, 1.3, 0.8, 9.0, 2.0]), &list(&[-0.4, 1e30, 1.4]), &values, 3);
    assert_eq!(read, [vec![(0, 0.5)], vec![], vec![(2, 0.25), (1, 3.0)], vec![]]);
}

#[test]
fn samples_have_their_gradient() {
    let mut rng = rng();
    let (x, y) = (Array::random(Shape::new(3, 2, 5), &mut rng), Array::random(Shape::new(20, 3, 2), &mut rng));
    let dy = Array::random(y.shape, &mut rng);
    let rows: Vec<sample::Row> =
        (0..6).map(|i| (0..i).map(|_| (rng.below(10) as usize, rng.unit())).collect()).collect();
    for o in [0, 16] {
        let dx = sample::sample_bwd(&sample::transposed(&rows, 10), &dy, o, 0.7, x.shape);
        assert_gradient(|x| sample::sample(&rows, x, 0.7, &y, o).dot(&dy), &x, &dx);
    }
}

#[test]
fn cosine_distances_by_hand() {
    // The same direction, a right angle, opposites, and a zero on either side.
    let x = Array { shape: Shape::new(2, 1, 5), data: vec![3.0, 0.0, 1.0, 0.0, 5.0, 4.0, 2.0, 0.0, 0.0, 0.0] };
    let t = Array { shape: x.shape, data: vec![6.0, 5.0, -7.0, 1.0, 0.0, 8.0, 0.0, 0.0, 2.0, 0.0] };
    let (l, d) = cosine::cosine(&x, &t);
    assert_eq!(l, 0.0 + 1.0 + 2.0 + 1.0 + 1.0);
    assert!(
        d.zip(&Array { data: vec![0.0, -0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], ..x }, |d, w| d - w).norm()
            < 1e-15
    );
}

#[test]
fn cosine_distances_have_their_gradient() {
    let mut rng = rng();
    let (x, t) = (Array::random(Shape::new(5, 2, 3), &mut rng), Array::random(Shape::new(5, 2, 3), &mut rng));
    assert_gradient(|x| cosine::cosine(x, &t).0, &x, &cosine::cosine(&x, &t).1);
}

#[test]
fn a_factor_from_a_scalar_by_hand() {
    let x = Array { shape: Shape::new(1, 1, 2), data: vec![3.0, -1.0] };
    assert_eq!(vector::scale_by(&x, 4.0, -0.5).data, [1.5, -0.5]);
    assert_eq!(vector::scale_by(&x, -4.0, 1.0).data, [0.0, 0.0]);
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
