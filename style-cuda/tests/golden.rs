//! The whole network and objective on CUDA against PyTorch's `f64` values, on a GPU or otherwise on ptx-runner.

mod common;

use style_core::Pooling;
use style_cuda::{Cuda, Precision};
use testkit::golden::{Golden, Weights, measure};

/// Tolerances for features, losses and the image gradient.
fn check(precision: Precision, pooling: Pooling, [features, losses, gradient]: [f64; 3]) {
    let place = common::runs_on();
    let cuda = Cuda::builder().precision(precision).build().unwrap();
    let embedded = style_models::embedded().unwrap();
    let errors = measure(cuda, embedded.model(), &Golden::load(Weights::Embedded), pooling).unwrap();
    println!("{place} {precision:?} {pooling:?}: {errors:?}");
    errors.assert_within(features, losses, gradient);
}

#[test]
fn f32() {
    check(Precision::F32, Pooling::Average, [5e-5, 1e-5, 1e-5]);
}

#[test]
fn f16() {
    check(Precision::F16, Pooling::Average, [5e-3, 1e-3, 1e-2]);
}

#[test]
fn bf16() {
    check(Precision::Bf16, Pooling::Average, [1e-1, 2e-2, 3e-2]);
}
