//! Complete files that are not the expected weights: one clear error each.

use style_core::{ErrorKind, InputSpace, Layer, Model};

use super::{bytes, expected, tiny, tiny_bytes, value};
use crate::{LoadOptions, Vgg, from_bytes, load, save};

#[track_caller]
fn refused(name: &str, options: &LoadOptions, words: &[&str]) {
    let error = tiny(name, options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Weights, "{error}");
    let message = error.to_string();
    for word in [name].iter().chain(words) {
        assert!(message.contains(word), "{word:?} is not in: {message}");
    }
}

#[test]
fn the_other_network() {
    let want = |vgg| LoadOptions::default().network(vgg);
    refused("torchvision_vgg16.pth", &want(Vgg::Vgg19), &["expected VGG-19, found VGG-16"]);
    refused("torchvision_vgg19_legacy.pth", &want(Vgg::Vgg16), &["expected VGG-16, found VGG-19"]);
    refused("ours_vgg19.safetensors", &want(Vgg::Vgg16), &["expected VGG-16, found VGG-19"]);
    #[cfg(feature = "keras")]
    refused("keras3_flat.weights.h5", &want(Vgg::Vgg16), &["expected VGG-16, found VGG-19"]);
}

#[test]
fn missing_and_misshapen_tensors() {
    let any = LoadOptions::default();
    refused("bad_gap.safetensors", &any, &["conv2_1 of VGG-", "is missing", "conv2_2.weight is present"]);
    refused("bad_no_bias.safetensors", &any, &["conv1_2.weight", "bias", "is missing"]);
    refused("bad_alexnet.safetensors", &any, &["expected 1x3x3x3 for conv1_1", "found 1x3x11x11 in features.0.weight"]);
    refused("bad_nan.safetensors", &any, &["conv1_2", "NaN"]);
    // widths are checked too: this network is tiny, and the full one is expected
    let error = from_bytes("small", bytes("torchvision_vgg16.pth"), &any).unwrap_err().to_string();
    assert!(
        error.contains("expected 64x3x3x3 for conv1_1") && error.contains("found 1x3x3x3 in features.0.weight"),
        "{error}"
    );
}

#[test]
fn matlab_caffe_and_numpy() {
    let any = LoadOptions::default();
    refused("bad_no_layers.mat", &any, &["`layers`", "imagenet-vgg-verydeep-16.mat"]);
    refused("bad_shape.mat", &any, &["expected 3x3x1x1 for conv1_2", "found 3x3x2x1 in conv1_2.weight"]);
    let mut big_endian = bytes("matconvnet_net.mat");
    big_endian[126..128].copy_from_slice(b"MI");
    assert!(tiny_bytes(big_endian).unwrap_err().to_string().contains("big-endian"));
    refused("bad_gap.caffemodel", &any, &["conv2_1 of VGG-", "is missing", "conv2_2.weight is present"]);
    refused(
        "bad_names.npz",
        &any,
        &["expected the first convolution", "conv1_1_W", "4 tensors: arr_0, arr_1, arr_2, arr_3"],
    );
    refused("bad_alone.npy", &any, &["single NumPy array", ".npz"]);
    let error = tiny("bad_pickled.npy", &any).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("np.savez('vgg19.npz'"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let error = load(folder.path(), &any).unwrap_err().to_string();
    assert!(error.contains("no .npy files") && error.contains("conv1_1_W.npy"), "{error}");
    for n in 0..300 {
        std::fs::write(folder.path().join(format!("{n}.npy")), "").unwrap();
    }
    let error = load(folder.path(), &any).unwrap_err().to_string();
    assert!(error.contains("more than 256 .npy files"), "{error}");
}

#[test]
fn graphs_that_are_no_chain_of_vggs() {
    let any = LoadOptions::default();
    let want = LoadOptions::default().network(Vgg::Vgg19);
    refused("onnx_torch.onnx", &want, &["expected VGG-19, found VGG-16"]);
    refused(
        "bad_normalised.onnx",
        &any,
        &["unexpected BatchNormalization", "after convolution 1", "batch normalisation"],
    );
    refused("bad_scaled.onnx", &any, &["unexpected Sub", "after input input", "input normalisation"]);
    refused("bad_no_relu.onnx", &any, &["no ReLU between"]);
    refused("bad_no_bias.onnx", &any, &["has no bias"]);
    refused("bad_stride.onnx", &any, &["its stride is 2x2"]);
    refused("bad_unpadded.onnx", &any, &["its padding is 0x0x0x0"]);
    refused("bad_wide.onnx", &any, &["onnx::Conv_0 are 1x3x5x5, not 3x3"]);
    refused("bad_branch.onnx", &any, &["the graph branches at"]);
    refused("bad_computed.onnx", &any, &["its filters t11 are computed", "onnxsim"]);
    refused("bad_external.onnx", &any, &["onnx::Conv_0", "external data", "onnx.save(onnx.load("]);
    refused("bad_half.onnx", &any, &["int32_data", "raw_data"]);
    // the full network is expected, and this one is tiny
    let error = from_bytes("small", bytes("onnx_keras.onnx"), &any).unwrap_err().to_string();
    assert!(error.contains("found 1x3x3x3 in"), "{error}");
}

#[test]
fn pickles_that_ask_for_more_than_tensors() {
    let any = LoadOptions::default();
    let system = "posix.system"; // the module of os.system on the machine that wrote the files
    refused("bad_evil.pth", &any, &[system, "no code was run", "state_dict()"]);
    refused("bad_evil_legacy.pth", &any, &[system, "no code was run"]);
    refused("bad_module.pth", &any, &["torch.nn.modules.container.Sequential", "state_dict()"]);
}

#[test]
fn files_of_other_kinds() {
    for (content, word) in [
        (&b""[..], "empty"),
        (b"<!DOCTYPE html><html><head><title>404", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "git lfs pull"),
        (b"MATLAB 5.0 MAT-file", "truncated"),
        (b"MATLAB 7.3 MAT-file, Platform: GLNXA64", "save('vgg.mat', '-struct', 'net', '-v7')"),
        (b"\n some text of a few words that starts with a new line", "unknown file format"),
        (b"hello", "unknown file format"),
        (b"\x80\x04\x95\x0b\x00\x00\x00", "unknown file format"),
    ] {
        let error = tiny_bytes(content.to_vec()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Weights);
        assert!(error.to_string().contains(word), "{error}");
    }
    for (entry, word) in [("model.weights.h5", "extract model.weights.h5"), ("arr_0.txt", "neither data.pkl nor .npy")]
    {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file(entry, zip::write::SimpleFileOptions::default()).unwrap();
        let error = tiny_bytes(zip.finish().unwrap().into_inner()).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn paths_that_hold_no_file() {
    let folder = tempfile::tempdir().unwrap();
    for (path, kind) in
        [(folder.path().join("absent.pth"), ErrorKind::Io), (folder.path().to_path_buf(), ErrorKind::Weights)]
    {
        let error = load(&path, &LoadOptions::default()).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
    let model = Model::new("m", InputSpace::CAFFE, expected(Vgg::Vgg16, 2)).unwrap();
    let error = save(&model, folder.path().join("no/such/folder.safetensors")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    let mut layers = expected(Vgg::Vgg16, 2);
    layers.push(Layer::Pool { name: "pool_of_mine".into() });
    let error = save(&Model::new("mine", InputSpace::CAFFE, layers).unwrap(), folder.path().join("x")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
}

#[test]
fn a_metadata_entry_that_is_not_understood() {
    let mut odd = bytes("ours_i8.safetensors");
    let at = odd.windows(11).position(|w| w == b"torchvision").unwrap();
    odd[at..at + 11].copy_from_slice(b"martian-rgb");
    let error = tiny_bytes(odd).unwrap_err().to_string();
    assert!(error.contains("martian-rgb") && error.contains("caffe"), "{error}");
}

/// The zip layout has a checksum for every tensor, so one changed bit of a weight is detected.
#[test]
fn a_changed_weight_in_a_zip_archive() {
    let mut changed = bytes("torchvision_vgg16.pth");
    let bias = value(37).to_le_bytes(); // of conv1_2, where it occurs once
    let at = changed.windows(4).position(|w| w == bias).unwrap();
    changed[at] ^= 1;
    let error = tiny_bytes(changed).unwrap_err().to_string();
    assert!(error.contains("archive is damaged") && error.contains("download the file again"), "{error}");
}
