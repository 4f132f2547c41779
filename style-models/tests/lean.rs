//! A build without the feature `weight-files`: `cargo test -p style-transfer-models --no-default-features --features
//! embedded`.

#![cfg(not(feature = "weight-files"))]

use style_core::ErrorKind;
use style_models::{LoadOptions, from_bytes, load};

#[test]
fn a_file_is_refused_with_the_feature_that_reads_it() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/ours_f16.safetensors");
    let options = LoadOptions::default();
    for (name, error) in [
        ("ours_f16.safetensors", load(file, &options).unwrap_err()),
        ("vgg19.h5", from_bytes("vgg19.h5", vec![0; 8], &options).unwrap_err()),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        for word in [name, "`weight-files`", "`keras`"] {
            assert!(error.to_string().contains(word), "{word} is not in: {error}");
        }
    }
}
