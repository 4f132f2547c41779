//! The whole network and objective on wgpu against PyTorch's `f64` values.

mod common;

use style_core::Pooling;
use testkit::golden::{Golden, Weights, measure};

#[test]
fn the_network_and_the_objective_are_pytorchs() {
    let Some(wgpu) = common::wgpu_or_skip() else { return };
    let embedded = style_models::embedded().unwrap();
    let errors = measure(wgpu, embedded.model(), &Golden::load(Weights::Embedded), Pooling::Average).unwrap();
    println!("{errors:?}");
    errors.assert_within(5e-5, 1e-5, 1e-5);
}
