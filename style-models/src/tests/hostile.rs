//! Damaged files of every layout: an error or a model, never a panic.

use std::panic::catch_unwind;

use style_core::{ErrorKind, Layer};

use super::{bytes, tiny_bytes};

const FILES: &[&str] = &[
    "ours_f16.safetensors",
    "ours_i8.safetensors",
    "ours_vgg19.safetensors.gz",
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
    "onnx_torch.onnx",
    "onnx_keras.onnx",
    "onnx_constants.onnx",
    "onnx_floats.onnx",
    "torchvision.npz",
    "keras_names.npz",
    #[cfg(feature = "keras")]
    "applications_keras1.h5",
    #[cfg(feature = "keras")]
    "keras3_blocks.weights.h5",
    #[cfg(feature = "keras")]
    "saved_model.h5",
];

/// Reads the file; if it passes as a network, all values must be finite.
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
            // HDF5 may end with unused space; a Caffe network cut between two layers is a valid network that ends
            // there; MATLAB's variables are equally independent; gzip in blocks ends with an empty block, and ONNX with
            // its operator set versions
            let may_end = [".h5", ".mat", ".caffemodel", ".gz", ".onnx"].iter().any(|end| name.ends_with(end));
            assert!(!taken || may_end, "{name} cut to {len} bytes was accepted");
            places += usize::from(taken);
        }
        assert!(places <= 40 || name.ends_with(".h5"), "{name} was accepted at {places} lengths");
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

/// Header sizes beyond the end of the file.
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
    // a pickle of nested tuples, then one that reads a memo endlessly
    let magic = crate::formats::torch::LEGACY;
    let deep = [magic, b"\x80\x02K\x01.\x80\x02}.\x80\x02)", &b"\x85".repeat(300_000)[..], b"."].concat();
    assert!(!survives(deep, "300000 tuples"));
    let circle = [magic, b"\x80\x02K\x01.\x80\x02}.\x80\x02}q\x01U\x01ah\x01s.\x80\x02]."].concat();
    assert!(!survives(circle, "a dict in itself"));
    // a long list that each call would copy; and a long name that each use would copy
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

/// Every way in which a pickle can name or make an object; none makes anything but tensors and their containers.
#[test]
fn a_pickle_makes_nothing_but_tensors() {
    let after = |state: &[u8]| {
        let magic = crate::formats::torch::LEGACY;
        let bytes = [magic, b"\x80\x02K\x01.\x80\x02}.\x80\x02", state, b"."].concat();
        let error = tiny_bytes(bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Weights, "{error}");
        error.to_string()
    };
    for global in
        ["os\nsystem", "builtins\neval", "torch\nload", "torch._utils\n_rebuild_qtensor", "torch\nStorage", "\n"]
    {
        let called = format!("c{global}\n(X\x02\0\0\0idtR");
        assert!(after(called.as_bytes()).contains("no code was run"), "{global:?}");
        let (module, name) = global.split_once('\n').unwrap();
        let text = |s: &str| [&[b'X', s.len() as u8, 0, 0, 0], s.as_bytes()].concat();
        let stacked = [&text(module)[..], &text(name), b"\x93)R"].concat();
        assert!(after(&stacked).contains("no code was run"), "{global:?}");
    }
    for (what, state, word) in [
        ("INST", &b"(X\x02\0\0\0idios\nsystem\n"[..], "unexpected instruction"),
        ("OBJ", b"(ccollections\nOrderedDict\no", "unexpected instruction"),
        ("NEWOBJ", b"ccollections\nOrderedDict\n)\x81", "unexpected instruction"),
        ("NEWOBJ_EX", b"ccollections\nOrderedDict\n)}\x92", "unexpected instruction"),
        ("EXT1", b"\x82\x01)R", "unexpected instruction"),
        ("PERSID", b"Pa\n", "unexpected instruction"),
        ("NEXT_BUFFER", b"\x97", "unexpected instruction"),
        ("a call of a text", b"X\x02\0\0\0id)R", "call of something that is not a global"),
        ("a call of a storage's class", b"ctorch\nFloatStorage\n)R", "unexpected arguments"),
        ("a call of a result", b"ccollections\nOrderedDict\n)R)R", "call of something that is not a global"),
        ("the state of a class", b"ccollections\nOrderedDict\n}b", "expected a dict"),
        ("the state of a text", b"X\x02\0\0\0id}b", "expected a dict"),
        ("a persistent id of two", b"X\x02\0\0\0idX\x02\0\0\0id\x86Q", "expected a reference to a storage"),
        ("a tensor of nine sizes", &tensor_of(9), "too many dimensions"),
    ] {
        let error = after(state);
        assert!(error.contains(word), "{what}: {error}");
    }
}

/// A pickled tensor with this many dimensions.
fn tensor_of(rank: usize) -> Vec<u8> {
    let sizes = [b"(".as_slice(), &b"K\x01".repeat(rank), b"t"].concat();
    let storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x01tQ";
    [b"ctorch._utils\n_rebuild_tensor\n(", &storage[..], b"K\x00", &sizes, &sizes, b"tR"].concat()
}

/// A message field.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).unwrap();
    [&[number << 3 | 2, (len & 0x7f) as u8 | 0x80, (len >> 7) as u8], bytes].concat() // a two-byte length
}

#[test]
fn graphs_that_lie() {
    let length = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let model = |parts: &[Vec<u8>]| {
        let len = u32::try_from(parts.concat().len()).unwrap();
        let len = [len as u8 | 0x80, (len >> 7) as u8 | 0x80, (len >> 14) as u8 & 0x7f]; // a three-byte length
        [b"\x08\x08\x3a".as_slice(), &len, &parts.concat()].concat()
    };
    let node = |op: &str, ins: &[&str], out: &str, more: &[u8]| {
        let ins: Vec<u8> = ins.iter().flat_map(|name| field(1, name.as_bytes())).collect();
        field(1, &[&ins[..], &field(2, out.as_bytes()), &field(4, op.as_bytes()), more].concat())
    };
    let ints = |name: &str, ints: &[u8]| field(5, &[field(1, name.as_bytes()), field(8, ints)].concat());
    let tensor = |name: &str, more: &[u8]| field(5, &[&field(8, name.as_bytes()), more].concat());
    let (input, pads) = (field(11, &field(1, b"x")), ints("pads", &[1, 1, 1, 1]));
    let conv = || node("Conv", &["x", "w", "b"], "y", &pads);
    let sizes = |sizes: &[u8]| field(1, sizes);
    let float = [0x10, 1];
    let bias = || tensor("b", &[&sizes(&[1])[..], &float, &field(9, &[0; 4])].concat());
    let filters = |more: &[&[u8]]| tensor("w", &more.concat());
    let with = |filters: Vec<u8>| model(&[conv(), filters, bias(), input.clone()]);
    let good = with(filters(&[&sizes(&[1, 3, 3, 3]), &float, &field(9, &[0; 108])]));
    assert!(survives(good, "a convolution"));
    let circle = [node("Identity", &["x"], "y", &[]), node("Relu", &["y"], "x", &[])].concat();
    let behind = [node("Identity", &["v"], "w", &[]), node("Identity", &["w"], "v", &[])].concat();
    let many = |part: Vec<u8>, count: usize| part.repeat(count);
    for (what, bytes, word) in [
        ("a graph of 2^64 bytes", [b"\x08\x08\x12\x01p\x3a".as_slice(), &length].concat(), "longer than its message"),
        ("a name of 2^64 bytes", model(&[field(1, &[&[0x0a], &length[..]].concat())]), "longer than its message"),
        ("a long name", model(&[node("Conv", &[&"n".repeat(2000)], "y", &[])]), "name too long"),
        ("a name that is not text", model(&[field(1, &field(3, &[0xff, 0xff]))]), "not valid text"),
        ("two graphs", [model(&[conv()]), model(&[conv()])[2..].to_vec()].concat(), "second graph"),
        ("no graph", b"\x08\x08\x12\x01p".to_vec(), "no graph"),
        ("no input", model(&[conv(), bias()]), "no input"),
        (
            "no convolution",
            model(&[input.clone(), field(2, b"g")].map(|p| [field(2, b"g"), p].concat())),
            "no convolution",
        ),
        ("a circle", model(&[circle, input.clone()]), "no convolution"),
        ("a circle of filters", model(&[conv(), behind, bias(), input.clone()]), "computed in the graph"),
        ("no filters", model(&[node("Conv", &["x"], "y", &[]), input.clone()]), "no filters"),
        ("eleven sizes", with(filters(&[&sizes(&[1; 11])])), "too many dimensions"),
        (
            "a size of 2^64",
            with(filters(&[&sizes(&[&length[..], &[3, 3, 3]].concat()), &float])),
            "18446744073709551615x3x3x3",
        ),
        (
            "fewer values than its sizes",
            with(filters(&[&sizes(&[1, 3, 3, 3]), &float, &field(9, &[0; 4])])),
            "has 1 values",
        ),
        (
            "an incomplete value",
            with(filters(&[&sizes(&[1, 3, 3, 3]), &float, &field(9, &[0; 3])])),
            "incomplete value",
        ),
        ("an unknown type", with(filters(&[&sizes(&[1, 3, 3, 3]), &[0x10, 99], &field(9, &[0; 4])])), "data type 99"),
        ("two tensors of one name", model(&[conv(), bias(), bias(), input.clone()]), "duplicate tensor"),
        ("many nodes", model(&[many(field(1, b""), 4097), input.clone()]), "more than 4096 nodes"),
        ("many inputs of a node", model(&[field(1, &many(field(1, b"i"), 65)), input.clone()]), "more than 64 inputs"),
        ("many values in pieces", with(filters(&[&many([&[0x22, 4][..], &[0; 4]].concat(), 1100)])), "too many pieces"),
        (
            "many sizes of a kernel",
            model(&[node("Conv", &["x", "w", "b"], "y", &ints("kernel_shape", &[3; 99])), input.clone()]),
            "computed in the graph",
        ),
    ] {
        assert!(!survives(bytes.clone(), what));
        let error = tiny_bytes(bytes).unwrap_err().to_string();
        assert!(error.contains(word), "{what}: {error}");
    }
    // a graph within an attribute within a node, as deep as a field's length allows: skipped
    let deep = (0..2000).fold(Vec::new(), |inner, _| field(1, &field(5, &field(6, &inner))));
    assert!(!survives(model(&[deep, input]), "2000 graphs"));
}

/// Graphs that would take hours if each value were visited again from each position.
#[test]
fn graphs_that_go_round() {
    let name = |n: usize| n.to_string();
    let ends = |ins: &[String], out: &str, op: &str| {
        let ins: Vec<u8> = ins.iter().flat_map(|name| field(1, name.as_bytes())).collect();
        field(1, &[&ins[..], &field(2, out.as_bytes()), &field(4, op.as_bytes())].concat())
    };
    let inputs: Vec<u8> = (0..64).flat_map(|n| field(11, &field(1, name(n).as_bytes()))).collect();
    // a cycle through all inputs, whose values every other node reads
    let mut nodes: Vec<u8> = (0..64).flat_map(|n| ends(&[name(n)], &name((n + 1) % 64), "Identity")).collect();
    let all: Vec<String> = (0..60).map(name).collect();
    nodes.extend((0..4000).flat_map(|n| ends(&all, &format!("o{n}"), "Sum")));
    // and convolutions whose filters come after a long chain of nodes
    let mut row: Vec<u8> =
        (0..2000).flat_map(|n| ends(&[format!("r{n}")], &format!("r{}", n + 1), "Identity")).collect();
    row.extend((0..2000).flat_map(|n| ends(&["c".into(), "r2000".into()], &format!("c{n}"), "Conv")));
    row.extend(ends(&[name(0)], "s", "Sum"));
    for nodes in [nodes, row] {
        let graph = [nodes, inputs.clone()].concat();
        let len = u32::try_from(graph.len()).unwrap();
        let len = [0, 7, 14].map(|by| (len >> by) as u8 | 0x80).into_iter().chain([(len >> 21) as u8 & 0x7f]);
        let model = [b"\x08\x08\x3a".to_vec(), len.collect(), graph].concat();
        let start = std::time::Instant::now();
        assert!(!survives(model, "a graph that goes round"));
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    }
}

/// Other files in the Protocol Buffers wire format, and safetensors, are not mistaken for ONNX, nor the reverse.
#[test]
fn what_begins_like_a_graph() {
    use crate::formats::onnx::is_onnx;
    for name in ["onnx_torch.onnx", "onnx_keras.onnx", "onnx_constants.onnx", "onnx_floats.onnx", "onnx_doubles.onnx"] {
        let head = &bytes(name)[..64];
        assert!(is_onnx(head) && !crate::formats::caffe::is_caffe(head), "{name}");
    }
    for name in FILES.iter().filter(|name| !name.ends_with(".onnx")) {
        assert!(!is_onnx(&bytes(name)[..64]), "{name}");
    }
    // TensorFlow's saved model
    assert!(!is_onnx(b"\x08\x01\x12\xc9\x0a\x0a\x11\x12\x05serve*\x061.15.0"));
    // lengths of safetensors headers, which are below 2^24
    for length in 0..=u16::MAX {
        let [second, third] = length.to_le_bytes();
        assert!(!is_onnx(&[8, second, third, 0, 0, 0, 0, 0, b'{', b'"', b'a', b'"']), "{length}");
    }
    assert!(!is_onnx(b"") && !is_onnx(b"\x08") && !is_onnx(b"\x08\x07"));
}

/// A pickle has a step limit, since a zip archive may hold a long one in few bytes.
#[test]
fn a_long_pickle_in_a_short_archive() {
    let pickle = [b"\x80\x02}".as_slice(), &b"N0".repeat(200_000), b"."].concat();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let packed = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    zip.start_file("a/data.pkl", packed).unwrap();
    std::io::Write::write_all(&mut zip, &pickle).unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    assert!(bytes.len() < 2000);
    let error = tiny_bytes(bytes).unwrap_err().to_string();
    assert!(error.contains("too long for a state dict"), "{error}");
}

/// A MATLAB matrix element named `layers`.
fn matrix(class: u8, dims: &[u32], body: &[u8]) -> Vec<u8> {
    named("layers", class, dims, body)
}

/// A MATLAB matrix element.
fn named(name: &str, class: u8, dims: &[u32], body: &[u8]) -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
    let length = u32::try_from(name.len()).unwrap();
    let mut name = name.as_bytes().to_vec();
    name.resize(name.len().next_multiple_of(8), 0);
    let head = [words(&[6, 8, class.into(), 0, 5, 8]), words(dims), words(&[1, length]), name].concat();
    let len = u32::try_from(head.len() + body.len()).unwrap();
    [words(&[14, len]), head, body.to_vec()].concat()
}

#[test]
fn matlab_files_that_lie() {
    let mut header = b"MATLAB 5.0 MAT-file".to_vec();
    header.resize(124, b' ');
    header.extend(b"\0\x01IM");
    let file = |element: &[u8]| [&header, element].concat();
    let zlib = |bytes: &[u8]| {
        let mut stream = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut stream, bytes).unwrap();
        let stream = stream.finish().unwrap();
        let len = u32::try_from(stream.len()).unwrap();
        file(&[&15_u32.to_le_bytes()[..], &len.to_le_bytes(), &stream].concat())
    };
    let deep = (0..1000).fold(matrix(6, &[0, 0], &[]), |inner, _| matrix(1, &[1, 1], &inner));
    let refused = [
        ("cells within cells", deep, "too many cells and fields"),
        ("2^62 cells", matrix(1, &[1 << 31 >> 1, 1 << 31 >> 1], &[]), "damaged"),
        (
            "2^60 structs",
            matrix(2, &[1 << 30, 1 << 30], &[5, 0, 4, 0, 1, 0, 0, 0, 1, 0, 1, 0, b'a', 0, 0, 0]),
            "damaged",
        ),
        ("a negative dimension", matrix(1, &[u32::MAX, 1], &[]), "negative"),
        ("65536 empty cells and more", matrix(1, &[70_000, 1], &[14, 0, 0, 0, 0, 0, 0, 0].repeat(70_000)), "too many"),
        (
            "4 GB in 8 bytes",
            matrix(7, &[1 << 15, 1 << 15], &[7, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            "8 bytes",
        ),
    ];
    for (what, element, word) in refused {
        for bytes in [file(&element), zlib(&element)] {
            assert!(!survives(bytes.clone(), what));
            let error = tiny_bytes(bytes).unwrap_err().to_string();
            assert!(error.contains(word), "{what}: {error}");
        }
    }
    let image = [&[2, 0, 0, 0][..], &300_000_u32.to_le_bytes(), &vec![9; 300_000]].concat();
    let image = matrix(7, &[100_000, 3], &image);
    let fields = [&[5, 0, 4, 0, 16, 0, 0, 0, 1, 0, 0, 0, 16, 0, 0, 0][..], b"averageImage\0\0\0\0", &image].concat();
    let large = [matrix(1, &[0, 0], &[]), named("normalization", 2, &[1, 1], &fields)].concat();
    let error = tiny_bytes(file(&large)).unwrap_err().to_string();
    assert!(error.contains("averageImage (100000x3) does not have the size of a picture"), "{error}");
    let promise = [14, 0, 0, 0, 0xf8, 0xff, 0xff, 0xff];
    for (bytes, word) in [(file(&promise), "truncated"), (zlib(&promise), "its declared size is 4294967288 bytes")] {
        let error = tiny_bytes(bytes).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let many = file(&matrix(6, &[0, 0], &[9, 0, 0, 0, 0, 0, 0, 0]).repeat(2000));
    assert!(!survives(many, "2000 variables"));
}

#[test]
fn networks_of_caffe_and_arrays_that_lie() {
    let length = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let layers = |layer: &[u8]| {
        let len = u16::try_from(layer.len()).unwrap();
        let len = [(len & 0x7f) as u8 | 0x80, (len >> 7) as u8]; // a two-byte number
        [b"\x0a\x01n\x12", &len[..], layer].concat()
    };
    let blob = |blob: &[u8]| {
        let len = u8::try_from(blob.len()).unwrap();
        let bias = [0x32, 14, 8, 1, 16, 1, 24, 1, 32, 1, 0x2a, 4, 0, 0, 0, 0];
        layers(&[b"\x22\x07conv1_1\x32", &[len][..], blob, &bias].concat())
    };
    for (what, bytes, word) in [
        ("a layer of 2^64 bytes", [b"\x0a\x01n\x12", &length[..]].concat(), "longer than its message"),
        ("a name of 2^64 bytes", layers(&[&[0x22], &length[..]].concat()), "longer than its message"),
        ("an unterminated number", layers(&[0x80; 12]), "more than 64 bits"),
        (
            "a size of 2^64",
            blob(&[&[0x08], &length[..], &[0x10, 3, 0x18, 3, 0x20, 3]].concat()),
            "18446744073709551615x3x3x3",
        ),
        ("an incomplete value", blob(&[0x2a, 3, 0, 0, 0]), "incomplete value"),
        ("twenty sizes", blob(&[&[0x3a, 22, 0x0a, 20][..], &[1; 20]].concat()), "too many dimensions"),
        (
            "fewer values than its sizes",
            blob(&[8, 1, 16, 3, 24, 3, 32, 3, 0x2a, 4, 0, 0, 0, 0]),
            "1x3x3x3, but has 1 values",
        ),
    ] {
        assert!(!survives(bytes.clone(), what));
        let error = tiny_bytes(bytes).unwrap_err().to_string();
        assert!(error.contains(word), "{what}: {error}");
    }
    for (shape, word) in [
        ("(4611686018427387904, 8)", "do not match an array"),
        ("(18446744073709551616,)", "invalid shape"),
        ("(-1,)", "invalid shape"),
        ("(3, 3, 3, 1", "invalid shape"),
        ("(1000, 1000)", "do not match an array"),
    ] {
        let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
        let len = u16::try_from(text.len()).unwrap();
        let array = [b"\x93NUMPY\x01\0", &len.to_le_bytes()[..], text.as_bytes(), &[0; 64]].concat();
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file("conv1_1_W.npy", zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut zip, &array).unwrap();
        let error = tiny_bytes(zip.finish().unwrap().into_inner()).unwrap_err().to_string();
        assert!(error.contains(word), "{shape}: {error}");
    }
}
