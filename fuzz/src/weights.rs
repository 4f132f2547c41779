//! Weight files: a model with VGG's shapes and finite values, or an error that names the file.

use style_core::{ErrorKind, Layer};
use style_models::{Format, LoadOptions, from_bytes, load, save};

use crate::{Outcome, check_message, repair};

/// The first bytes of a format.
fn is_of(format: Format, data: &[u8]) -> bool {
    match format {
        Format::Torch | Format::Numpy => data.starts_with(b"PK\x03\x04"),
        Format::TorchLegacy => data.starts_with(b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."),
        Format::Keras => data.starts_with(b"\x89HDF\r\n\x1a\n"),
        Format::MatConvNet => data.starts_with(b"MATLAB 5.0 MAT-file"),
        Format::Onnx => data.first() == Some(&0x08),
        Format::Caffe => matches!(data.first(), Some(0x0a | 0x12 | 0xa2)),
        _ => data.starts_with(b"\x1f\x8b") || data.get(8) == Some(&b'{'),
    }
}

pub(crate) fn run(format: Format, data: &[u8]) -> Outcome {
    if !is_of(format, data) {
        return Outcome::Foreign;
    }
    let mut data = data.to_vec();
    match format {
        Format::Torch | Format::Numpy => repair::zip(&mut data),
        Format::Safetensors => repair::gzip(&mut data),
        _ => {}
    }
    let loaded = match from_bytes("file", data, &LoadOptions::default()) {
        Ok(loaded) => loaded,
        Err(e) => {
            assert!(matches!(e.kind(), ErrorKind::Weights | ErrorKind::Unsupported), "{:?}: {e}", e.kind());
            assert!(e.to_string().starts_with("file"), "{e}");
            check_message(&e);
            return Outcome::Rejected;
        }
    };
    if loaded.format() != format {
        return Outcome::Foreign;
    }
    assert_eq!(loaded.sha256().len(), 64);
    assert!(!loaded.input_space_name().is_empty());
    let model = loaded.model();
    let convs = loaded.vgg().convolutions();
    let mut found = 0;
    for layer in model.layers() {
        let Layer::Conv(conv) = layer else { continue };
        let wanted = &convs[found];
        assert_eq!(
            (&conv.name, conv.in_channels, conv.out_channels),
            (&wanted.name, wanted.in_channels, wanted.out_channels)
        );
        assert_eq!((conv.weight.len(), conv.bias.len()), (9 * conv.in_channels * conv.out_channels, conv.out_channels));
        assert!(conv.weight.iter().chain(&conv.bias).all(|v| v.is_finite()), "{}", conv.name);
        found += 1;
    }
    assert!(found > 0);
    let folder = crate::pictures::folder();
    let path = folder.path().join("saved.safetensors");
    save(model, &path).expect("saves");
    let again = load(&path, &LoadOptions::default().network(loaded.vgg())).expect("loads");
    assert_eq!((again.model().layers(), again.model().input()), (model.layers(), model.input()));
    Outcome::Accepted
}
