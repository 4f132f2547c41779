//! Tests on the files in `tests/fixtures`: tiny VGGs with widths divided by 64.

mod hostile;
mod refused;

use std::path::PathBuf;

use style_core::{ChannelOrder, InputSpace, Layer, Model, Result};

use crate::assemble::{from_source, source};
use crate::source::Source;
use crate::vgg::Spec;
use crate::{Format, InputSpaceSource, LoadOptions, Loaded, Vgg};

const DIVISOR: usize = 64;

fn fixture(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", name].iter().collect()
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

fn tiny(name: &str, options: &LoadOptions) -> Result<Loaded> {
    from_source(&source(&fixture(name))?, options, DIVISOR)
}

fn tiny_bytes(bytes: Vec<u8>) -> Result<Loaded> {
    from_source(&Source::memory("file", bytes), &LoadOptions::default(), DIVISOR)
}

/// Value number `n` of those that the fixture script generates.
#[allow(clippy::cast_precision_loss)] // numbers below 256
fn value(n: usize) -> f32 {
    ((n % 255) as f32 - 127.0) / 256.0
}

/// The model that a fixture must give.
fn expected(vgg: Vgg, count: usize) -> Vec<Layer> {
    let mut layers = Vec::new();
    for (k, conv) in (Spec { vgg, divisor: DIVISOR }).convolutions().into_iter().take(count).enumerate() {
        if conv.index == 1 && conv.block > 1 {
            layers.push(Layer::Pool { name: format!("pool{}", conv.block - 1) });
        }
        let mut weight = Vec::new();
        for o in 0..conv.out_channels {
            for i in 0..conv.in_channels {
                weight.extend((0..9).map(|tap| value(k * 1009 + o * 101 + i * 31 + tap / 3 * 7 + tap % 3 * 3)));
            }
        }
        layers.push(Layer::Conv(style_core::ConvLayer {
            name: conv.name,
            in_channels: conv.in_channels,
            out_channels: conv.out_channels,
            weight,
            bias: (0..conv.out_channels).map(|o| value(k * 37 + o * 11)).collect(),
        }));
    }
    layers
}

#[test]
fn every_layout_gives_the_same_values() {
    use Format::{Caffe, Keras, MatConvNet, Numpy, Onnx, Safetensors, Torch, TorchLegacy};
    use Vgg::{Vgg16, Vgg19};
    const CAFFE: InputSpace = InputSpace::CAFFE;
    const VISION: InputSpace = InputSpace::TORCHVISION;
    let rgb = |mean| InputSpace { order: ChannelOrder::Rgb, mean, ..CAFFE };
    let usual = rgb([123.68, 116.779, 103.939]);
    for (name, format, vgg, count, input) in [
        ("ours_vgg19.safetensors", Safetensors, Vgg19, 16, CAFFE),
        ("ours_f16.safetensors", Safetensors, Vgg16, 3, CAFFE),
        ("ours_bf16.safetensors", Safetensors, Vgg16, 3, CAFFE),
        ("ours_f64.safetensors", Safetensors, Vgg16, 3, CAFFE),
        ("ours_i8.safetensors", Safetensors, Vgg16, 3, VISION),
        ("torchvision_vgg19_conv3_4.safetensors", Safetensors, Vgg19, 8, VISION),
        ("torchvision_vgg16.pth", Torch, Vgg16, 13, VISION),
        ("torchvision_vgg19_legacy.pth", TorchLegacy, Vgg19, 16, VISION),
        ("torchvision_f16.pth", Torch, Vgg16, 2, VISION),
        ("torchvision_bf16.pth", Torch, Vgg16, 2, VISION),
        ("torchvision_f64.pth", Torch, Vgg16, 2, VISION),
        ("odd.pth", Torch, Vgg16, 4, VISION),
        ("odd_legacy.pth", TorchLegacy, Vgg16, 4, VISION),
        ("odd_deflated.pth", Torch, Vgg16, 4, VISION),
        ("python2_legacy.pth", TorchLegacy, Vgg16, 3, VISION),
        ("applications.h5", Keras, Vgg16, 4, CAFFE),
        ("applications_keras1.h5", Keras, Vgg16, 2, CAFFE),
        ("saved_model.h5", Keras, Vgg19, 16, CAFFE),
        ("keras3_blocks.weights.h5", Keras, Vgg16, 5, CAFFE),
        ("keras3_flat.weights.h5", Keras, Vgg19, 16, CAFFE),
        ("keras_theano.h5", Keras, Vgg16, 4, CAFFE),
        ("keras_not_theano.h5", Keras, Vgg16, 2, CAFFE),
        ("matconvnet_vgg19.mat", MatConvNet, Vgg19, 16, usual),
        ("matconvnet_old.mat", MatConvNet, Vgg16, 4, rgb([120.0, 110.0, 100.0])),
        ("matconvnet_net.mat", MatConvNet, Vgg16, 13, usual),
        ("matconvnet_integers.mat", MatConvNet, Vgg16, 2, rgb([11.0, 21.0, 31.0])),
        ("caffe_v1_vgg19.caffemodel", Caffe, Vgg19, 16, CAFFE),
        ("caffe_layer.caffemodel", Caffe, Vgg16, 4, CAFFE),
        ("caffe_double.caffemodel", Caffe, Vgg16, 3, CAFFE),
        ("caffe_unpacked.caffemodel", Caffe, Vgg16, 3, CAFFE),
        ("onnx_torch.onnx", Onnx, Vgg16, 13, VISION),
        ("onnx_keras.onnx", Onnx, Vgg19, 16, CAFFE),
        ("onnx_constants.onnx", Onnx, Vgg16, 4, VISION),
        ("onnx_floats.onnx", Onnx, Vgg16, 7, CAFFE),
        ("onnx_doubles.onnx", Onnx, Vgg16, 3, CAFFE),
        ("frossard.npz", Numpy, Vgg16, 13, usual),
        ("torchvision.npz", Numpy, Vgg19, 9, VISION),
        ("keras_names.npz", Numpy, Vgg16, 3, CAFFE),
        ("converted.npz", Numpy, Vgg16, 3, CAFFE),
        ("arrays", Numpy, Vgg16, 2, CAFFE),
    ] {
        if format == Keras && cfg!(not(feature = "keras")) {
            continue;
        }
        let loaded = tiny(name, &LoadOptions::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((loaded.format(), loaded.vgg()), (format, vgg), "{name}");
        assert_eq!(*loaded.model().input(), input, "{name}");
        assert_eq!(loaded.model().layers(), expected(vgg, count), "{name}");
        assert_eq!(loaded.model().name(), format!("{vgg} ({name})"));
        if fixture(name).is_dir() {
            continue;
        }
        // from memory and under another name, the result is the same
        let again = tiny_bytes(bytes(name)).unwrap();
        assert_eq!(again.model().layers(), loaded.model().layers(), "{name}");
        assert_eq!(again.sha256(), loaded.sha256(), "{name}");
    }
}

#[test]
fn what_the_caller_says_goes_first() {
    let odd = InputSpace { range: 2.0, ..InputSpace::TORCHVISION };
    let loaded = tiny("ours_i8.safetensors", &LoadOptions::default().input_space(odd)).unwrap();
    assert_eq!(*loaded.model().input(), odd);
    // up to conv3_3 the two networks are identical
    let loaded = tiny("odd.pth", &LoadOptions::default().network(Vgg::Vgg19)).unwrap();
    assert_eq!(loaded.vgg(), Vgg::Vgg19);
}

#[test]
fn how_the_input_space_is_known() {
    use InputSpaceSource::{Assumed, File, Given, Names};
    for (name, source, space) in [
        ("ours_i8.safetensors", File, "torchvision"),
        ("matconvnet_vgg19.mat", File, "caffe with RGB order"),
        ("matconvnet_old.mat", File, "rgb;255;120,110,100;1,1,1"),
        ("torchvision_vgg16.pth", Names, "torchvision"),
        ("keras_names.npz", Names, "caffe"),
        ("caffe_layer.caffemodel", Names, "caffe"),
        ("frossard.npz", Names, "caffe with RGB order"),
        ("ours_vgg19.safetensors", Assumed, "caffe"),
        ("onnx_torch.onnx", Names, "torchvision"),
        ("onnx_keras.onnx", Names, "caffe"),
        ("onnx_constants.onnx", Assumed, "torchvision"),
        ("onnx_floats.onnx", Assumed, "caffe"),
    ] {
        let loaded = tiny(name, &LoadOptions::default()).unwrap();
        assert_eq!((loaded.input_space_source(), loaded.input_space_name().as_str()), (source, space), "{name}");
    }
    let given = LoadOptions::default().input_space(InputSpace::TORCHVISION);
    let loaded = tiny("keras_names.npz", &given).unwrap();
    assert_eq!((loaded.input_space_source(), loaded.input_space_name().as_str()), (Given, "torchvision"));
}

/// A safetensors file of some layers, named by torchvision's positions.
fn renamed(layers: &[Layer], name: impl Fn(usize) -> String) -> Vec<u8> {
    let le = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let (mut position, mut tensors) = (0, Vec::new());
    for layer in layers {
        position += match layer {
            Layer::Conv(conv) => {
                let shape = vec![conv.out_channels, conv.in_channels, 3, 3];
                tensors.push((format!("{}.weight", name(position)), shape, le(&conv.weight)));
                tensors.push((format!("{}.bias", name(position)), vec![conv.out_channels], le(&conv.bias)));
                2
            }
            _ => 1,
        };
    }
    let view = |shape: &[usize], bytes| {
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), bytes).unwrap()
    };
    let views = tensors.iter().map(|(name, shape, bytes)| (name.as_str(), view(shape, bytes.as_slice())));
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn torchvision_names_within_others() {
    for before in
        ["", "features.", "module.features.", "state_dict.features.", "features.module.", "state_dict.features.module."]
    {
        let layers = expected(Vgg::Vgg16, 4);
        let loaded = tiny_bytes(renamed(&layers, |position| format!("{before}{position}")));
        let loaded = loaded.unwrap_or_else(|e| panic!("{before}: {e}"));
        assert_eq!(loaded.model().layers(), layers, "{before}");
        assert_eq!(*loaded.model().input(), InputSpace::TORCHVISION, "{before}");
    }
    assert!(tiny_bytes(renamed(&expected(Vgg::Vgg16, 4), |position| format!("classifier.{position}"))).is_err());
}

/// `conv1_1` of VGG-16 as published, as far as this crate stores it; each filter times `factor`.
fn published(factor: f32) -> Vec<Layer> {
    let rows = crate::space::VGG16.iter().flatten().map(|&v| f32::from(v) / 100.0 * factor);
    let weight: Vec<f32> = rows.chain((0..48 * 27).map(value)).collect();
    vec![Layer::Conv(style_core::ConvLayer {
        name: "conv1_1".into(),
        in_channels: 3,
        out_channels: 64,
        weight,
        bias: vec![0.5; 64],
    })]
}

#[test]
fn values_go_before_names() {
    use InputSpaceSource::{File, Names, Values};
    let space = |layers: &[Layer]| {
        let bytes = renamed(layers, |position| format!("features.{position}"));
        let loaded = crate::from_bytes("file", bytes, &LoadOptions::default()).unwrap();
        (*loaded.model().input(), loaded.input_space_source())
    };
    let changed = |change: &dyn Fn(&mut Vec<f32>)| {
        let mut layers = published(1.0);
        if let Layer::Conv(conv) = &mut layers[0] {
            change(&mut conv.weight);
        }
        layers
    };
    let torchvision = (InputSpace::TORCHVISION, Names);
    assert_eq!(space(&published(1.0)), (InputSpace::CAFFE, Values));
    // as in a normalised network, but not for pixels of another range
    assert_eq!(space(&published(0.4)), (InputSpace::CAFFE, Values));
    assert_eq!(space(&published(255.0)), torchvision);
    assert_eq!(space(&published(1.0 / 58.0)), torchvision);
    assert_eq!(space(&published(0.0)), torchvision);
    assert_eq!(space(&published(-1.0)), torchvision);
    let noisy = changed(&|w| w.iter_mut().enumerate().for_each(|(at, w)| *w += value(at * 77) * 0.2));
    assert_eq!(space(&noisy), (InputSpace::CAFFE, Values));
    let other = changed(&|w| w.iter_mut().enumerate().for_each(|(at, w)| *w = value(at * 77)));
    assert_eq!(space(&other), torchvision);
    let rotated = changed(&|w| w.rotate_left(27));
    assert_eq!(space(&rotated), torchvision);
    let turned = changed(&|w| w.chunks_exact_mut(9).for_each(<[f32]>::reverse));
    assert_eq!(space(&turned), torchvision);
    let rgb = changed(&|w| {
        for filter in w.chunks_exact_mut(27) {
            let (first, rest) = filter.split_at_mut(9);
            first.swap_with_slice(&mut rest[9..]);
        }
    });
    assert_eq!(space(&rgb), (crate::space::CAFFE_RGB, Values));
    // the file's own statement takes precedence over its values
    let model = Model::new("any", InputSpace::TORCHVISION, published(1.0)).unwrap();
    let bytes = crate::save::to_bytes(&model).unwrap();
    let loaded = crate::from_bytes("file", bytes, &LoadOptions::default()).unwrap();
    assert_eq!((*loaded.model().input(), loaded.input_space_source()), (InputSpace::TORCHVISION, File));
}

/// Weights fine-tuned from those of VGG-16 are recognised.
#[cfg(feature = "embedded")]
#[test]
fn the_embedded_weights_are_known_by_their_values() {
    let embedded = crate::embedded().unwrap();
    let bytes = renamed(&embedded.model().layers()[..1], |position| format!("features.{position}"));
    let loaded = crate::from_bytes("file", bytes, &LoadOptions::default()).unwrap();
    assert_eq!(loaded.input_space_source(), InputSpaceSource::Values);
    assert_eq!(*loaded.model().input(), InputSpace::CAFFE);
}

#[test]
fn the_checksum_is_the_files_sha256() {
    // of the three bytes "abc", from FIPS 180-2
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(Source::memory("abc", b"abc".as_slice()).sha256().unwrap(), abc);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("abc"), "abc").unwrap();
    assert_eq!(Source::open(&folder.path().join("abc")).unwrap().sha256().unwrap(), abc);
}

#[test]
fn the_checksum_of_a_folder_is_that_of_its_files_in_order() {
    let names = ["conv1_1_b.npy", "conv1_1_w.npy", "conv1_2_b.npy", "conv1_2_w.npy"];
    let whole: Vec<u8> = names.iter().flat_map(|name| bytes(&format!("arrays/{name}"))).collect();
    let loaded = tiny("arrays", &LoadOptions::default()).unwrap();
    assert_eq!(loaded.sha256(), Source::memory("all", whole).sha256().unwrap());
}

#[test]
fn saving_and_loading_gives_the_same_model() {
    let odd = InputSpace { range: 0.1 + 0.2, mean: [1e-7, 0.3, 1.0 / 3.0], ..InputSpace::CAFFE };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved.safetensors");
    for (vgg, count, input) in
        [(Vgg::Vgg16, 13, InputSpace::CAFFE), (Vgg::Vgg19, 9, InputSpace::TORCHVISION), (Vgg::Vgg16, 1, odd)]
    {
        let model = Model::new("any", input, expected(vgg, count)).unwrap();
        crate::save(&model, &path).unwrap();
        let loaded = from_source(&Source::open(&path).unwrap(), &LoadOptions::default(), DIVISOR).unwrap();
        assert_eq!(loaded.model().layers(), model.layers());
        assert_eq!(*loaded.model().input(), input);
        let once = std::fs::read(&path).unwrap();
        crate::save(&model, &path).unwrap();
        assert_eq!(once, std::fs::read(&path).unwrap(), "the same model must give the same bytes");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["saved.safetensors"], "no other file may remain");
}

#[test]
fn gzip_around_safetensors_is_read() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &bytes("ours_vgg19.safetensors")).unwrap();
    let loaded = tiny_bytes(gzip.finish().unwrap()).unwrap();
    assert_eq!(loaded.model().layers(), expected(Vgg::Vgg19, 16));

    // In blocks, and in members without their lengths.
    let blocked = bytes("ours_vgg19.safetensors.gz");
    assert_eq!(tiny_bytes(blocked.clone()).unwrap().model().layers(), expected(Vgg::Vgg19, 16));
    let (first, rest) = blocked.split_at(usize::from(u16::from_le_bytes([blocked[16], blocked[17]])) + 1);
    let mut unlike = first.to_vec();
    unlike[12] = b'X';
    unlike.extend(rest);
    assert_eq!(tiny_bytes(unlike).unwrap().model().layers(), expected(Vgg::Vgg19, 16));
}

#[test]
fn damaged_blocks_of_gzip_are_errors() {
    let blocked = bytes("ours_vgg19.safetensors.gz");
    let end = usize::from(u16::from_le_bytes([blocked[16], blocked[17]])) + 1;
    // In the first block: a checksum, a length too short by one, one too long by one, and one beyond the block limit.
    for (at, change) in [(end - 8, 1), (end - 4, 0xff), (end - 4, 1), (end - 2, 1)] {
        let mut damaged = blocked.clone();
        damaged[at] = damaged[at].wrapping_add(change);
        let error = tiny_bytes(damaged).unwrap_err();
        assert_eq!(error.kind(), style_core::ErrorKind::Weights, "{at}");
        assert!(error.to_string().contains("gzip stream is damaged"), "{error}");
    }
}
