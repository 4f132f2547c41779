//! Damaged files of every layout: an error or a model, never a panic.

use std::panic::catch_unwind;

use style_core::{ErrorKind, Layer};

use super::{bytes, tiny_bytes};

const FILES: &[&str] = &[
    "ours_f16.safetensors",
    "ours_i8.safetensors",
    "torchvision_f64.pth",
    "odd.pth",
    "odd_legacy.pth",
    "odd_deflated.pth",
    "python2_legacy.pth",
    "matconvnet_net.mat",
    "matconvnet_integers.mat",
    "caffe_v1_vgg19.caffemodel",
    "caffe_layer.caffemodel",
    "caffe_unpacked.caffemodel",
    "torchvision.npz",
    "keras_names.npz",
    #[cfg(feature = "keras")]
    "applications_keras1.h5",
    #[cfg(feature = "keras")]
    "keras3_blocks.weights.h5",
    #[cfg(feature = "keras")]
    "saved_model.h5",
];

/// Reads it; if it is taken for a network, all of its values are finite.
#[track_caller]
fn survives(bytes: Vec<u8>, what: &str) -> bool {
    let result = catch_unwind(move || tiny_bytes(bytes)).unwrap_or_else(|_| panic!("{what} panics"));
    match result {
        Ok(loaded) => {
            for layer in loaded.model().layers() {
                if let Layer::Conv(conv) = layer {
                    assert!(conv.weight.iter().all(|v| v.is_finite()), "{what}");
                }
            }
            true
        }
        Err(e) => {
            assert!(matches!(e.kind(), ErrorKind::Weights | ErrorKind::Io), "{what}: {e}");
            assert!(e.to_string().starts_with("file"), "{what}: {e}");
            false
        }
    }
}

#[test]
fn cut_short_anywhere() {
    for name in FILES {
        let whole = bytes(name);
        let step = (whole.len() / 1500).max(1);
        let mut places = 0;
        for len in (0..whole.len()).step_by(step) {
            let taken = survives(whole[..len].to_vec(), &format!("{name} cut to {len}"));
            // HDF5 may end with space that it does not use; a network between two of Caffe's layers is one that ends
            // there, and MATLAB's variables are as independent
            let may_end = [".h5", ".mat", ".caffemodel"].iter().any(|end| name.ends_with(end));
            assert!(!taken || may_end, "{name} cut to {len} was taken");
            places += usize::from(taken);
        }
        assert!(places <= 40 || name.ends_with(".h5"), "{name} was taken at {places} places");
    }
}

#[test]
fn bytes_changed_anywhere() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 33).unwrap() % below
    };
    for name in FILES {
        let whole = bytes(name);
        for _ in 0..1500 {
            let mut damaged = whole.clone();
            let mut places = Vec::new();
            for _ in 0..=random(3) {
                let at = random(whole.len());
                damaged[at] = [0, 0xff, whole[at] ^ 1 << random(8), u8::try_from(random(256)).unwrap()][random(4)];
                places.push((at, damaged[at]));
            }
            survives(damaged, &format!("{name} with {places:?}"));
        }
    }
}

/// Numbers in a header that promise more than the file holds.
#[test]
fn headers_that_lie() {
    let mut long = u64::MAX.to_le_bytes().to_vec();
    long.extend(b"{}");
    assert!(!survives(long, "a header of 2^64 bytes"));
    let header = br#"{"conv1_1.weight":{"dtype":"F32","shape":[1,3,4611686018427387904,3],"data_offsets":[0,108]}}"#;
    let mut wide = (header.len() as u64).to_le_bytes().to_vec();
    wide.extend(header);
    wide.extend([0; 108]);
    assert!(!survives(wide, "a shape of 2^62"));
    let nested = [b"\0\x10\0\0\0\0\0\0{\"a\":".to_vec(), b"[".repeat(4096 - 5)].concat();
    assert!(!survives(nested, "4000 brackets"));
    // a pickle of tuples in tuples, then one that reads a memo for ever more
    let magic = crate::formats::torch::LEGACY;
    let deep = [magic, b"\x80\x02K\x01.\x80\x02}.\x80\x02)", &b"\x85".repeat(300_000)[..], b"."].concat();
    assert!(!survives(deep, "300000 tuples"));
    let circle = [magic, b"\x80\x02K\x01.\x80\x02}.\x80\x02}q\x01U\x01ah\x01s.\x80\x02]."].concat();
    assert!(!survives(circle, "a dict in itself"));
    // a long list, of which each call would make a copy; and a long name that each use would copy
    let list = [b"]q\x01(".as_slice(), &b"K\x00".repeat(10_000), b"eq\x01"].concat();
    let call = b"ctorch\nSize\nh\x01\x85R".repeat(10_000);
    let copies = [magic, b"\x80\x02K\x01.\x80\x02}.\x80\x02", &list, &call, b"."].concat();
    assert!(!survives(copies, "copies of a list"));
    let name = [b"X\x60\xea\0\0".as_slice(), &b"n".repeat(60_000), b"q\x01"].concat();
    let storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nh\x01NK\x01tQ".repeat(10_000);
    let names = [magic, b"\x80\x02K\x01.\x80\x02}.\x80\x02", &name, &storage, b"."].concat();
    assert!(!survives(names, "copies of a name"));
    let text = [magic, b"\x80\x02X\xff\xff\xff\xff.".as_slice()].concat();
    assert!(!survives(text, "a text of 4 GB"));
}
