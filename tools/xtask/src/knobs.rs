//! `knobs`: paints a row of small pictures for each option that docs/guide.md explains, and saves them as
//! docs/knobs/NAME.jpg.

use std::fs;
use std::path::Path;
use std::process::Command;

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use style_core::Image;
use style_pictures::{Picture, Sheet};

use crate::common::{repository, target_folder};
use crate::{Failure, gallery};

/// Long side of a picture in its row; size and evaluations, unless the row varies them.
const LONG_SIDE: u32 = 192;
const SIZE: &str = "192";
const ITERATIONS: &str = "40";
const QUALITY: u8 = 84;

/// Photograph and painting among the samples.
const TOWN: [&str; 2] = ["tubingen", "starry_night"];
const CAT: [&str; 2] = ["cat", "mosaic"];
const FACE: [&str; 2] = ["astronaut", "starry_night"];

/// A picture of a row: its label, and the options of stylize.
type Cell = (&'static str, &'static [&'static str]);

/// The rows: the name of the file, the pair, and the pictures.
const ROWS: [(&str, [&str; 2], &[Cell]); 15] = [
    (
        "strength",
        TOWN,
        &[
            ("-s 0.2", &["-s", "0.2"]),
            ("-s 0.5", &["-s", "0.5"]),
            ("-s 1 (default)", &[]),
            ("-s 2", &["-s", "2"]),
            ("-s 5", &["-s", "5"]),
        ],
    ),
    (
        "style_scale",
        TOWN,
        &[
            ("--style-scale 0.5", &["--style-scale", "0.5"]),
            ("--style-scale 0.75", &["--style-scale", "0.75"]),
            ("1 (default)", &[]),
            ("--style-scale 1.5", &["--style-scale", "1.5"]),
            ("--style-scale 2", &["--style-scale", "2"]),
        ],
    ),
    (
        "size",
        TOWN,
        &[("--size 96", &["--size", "96"]), ("--size 192", &["--size", "192"]), ("--size 384", &["--size", "384"])],
    ),
    (
        "iterations",
        TOWN,
        &[
            ("--iterations 10", &["--iterations", "10"]),
            ("--iterations 20", &["--iterations", "20"]),
            ("--iterations 40", &["--iterations", "40"]),
            ("80 (default)", &["--iterations", "80"]),
            ("--iterations 200", &["--iterations", "200"]),
        ],
    ),
    (
        "scales",
        TOWN,
        &[
            ("--scales none", &["--scales", "none"]),
            ("--scales 128=30", &["--scales", "128=30"]),
            ("auto (default)", &[]),
            ("--scales 64=40,128=30", &["--scales", "64=40,128=30"]),
        ],
    ),
    (
        "start",
        CAT,
        &[
            ("20 % noise (default)", &[]),
            ("--noise-ratio 0", &["--noise-ratio", "0"]),
            ("--noise-ratio 0.6", &["--noise-ratio", "0.6"]),
            ("--init noise", &["--init", "noise"]),
            ("--seed 1", &["--seed", "1"]),
        ],
    ),
    (
        "style_layers",
        CAT,
        &[
            ("conv1_1", &["--style-layers", "conv1_1"]),
            ("... conv2_1", &["--style-layers", "conv1_1,conv2_1"]),
            ("... conv3_1", &["--style-layers", "conv1_1,conv2_1,conv3_1"]),
            ("default", &[]),
            ("all alike", &["--style-layers", "conv1_1,conv2_1,conv3_1,conv4_1,conv5_1"]),
        ],
    ),
    (
        "content_layers",
        FACE,
        &[
            ("conv2_2", &["--content-layers", "conv2_2"]),
            ("conv3_2", &["--content-layers", "conv3_2"]),
            ("conv4_2 (default)", &[]),
            ("conv5_1", &["--content-layers", "conv5_1"]),
            ("none", &["--content-layers", "none"]),
        ],
    ),
    (
        "statistic",
        FACE,
        &[
            ("default", &[]),
            ("gram", &["--statistic", "gram"]),
            ("wasserstein", &["--statistic", "wasserstein", "-s", "2"]),
            ("sliced-wasserstein", &["--statistic", "sliced-wasserstein", "-s", "6"]),
            ("histogram", &["--statistic", "histogram", "-s", "4"]),
        ],
    ),
    (
        "losses",
        FACE,
        &[
            ("--balance -s 2", &["--balance", "-s", "2"]),
            ("--laplacian 0.02", &["--laplacian", "0.02"]),
            ("--preset nnst", &["--preset", "nnst", "--scales", "64=40,128=40"]),
            ("--preset strotss", &["--preset", "strotss", "--scales", "64=40,128=40"]),
        ],
    ),
    (
        "loss",
        FACE,
        &[
            ("neighbours", &["--content-layers", "none", "--loss", "neighbours=0.05"]),
            ("turned-neighbours", &["--content-layers", "none", "--loss", "turned-neighbours=0.05"]),
            ("self-similarity", &["--content-layers", "none", "--loss", "self-similarity=0.3"]),
            (
                "relaxed-emd and two",
                &[
                    "--content-layers",
                    "none",
                    "--style-layers",
                    "none",
                    "--loss",
                    "relaxed-emd=1",
                    "--loss",
                    "self-similarity=4",
                    "--loss",
                    "palette=0.25",
                ],
            ),
        ],
    ),
    (
        "colours",
        CAT,
        &[
            ("painting (default)", &[]),
            ("luminance", &["--colours", "luminance"]),
            ("cholesky", &["--colours", "cholesky"]),
            ("pca", &["--colours", "pca"]),
            ("symmetric", &["--colours", "symmetric"]),
        ],
    ),
    (
        "variation",
        TOWN,
        &[
            ("0 (default)", &[]),
            ("--tv-weight 1e-9", &["--tv-weight", "1e-9"]),
            ("--tv-weight 1e-8", &["--tv-weight", "1e-8"]),
            ("--tv-weight 1e-7", &["--tv-weight", "1e-7"]),
        ],
    ),
    (
        "network",
        TOWN,
        &[("default", &[]), ("--padding zero", &["--padding", "zero"]), ("--pooling max", &["--pooling", "max"])],
    ),
    (
        "optimizer",
        TOWN,
        &[
            ("lbfgs (default)", &[]),
            ("lbfgs-fixed", &["--optimizer", "lbfgs-fixed"]),
            ("adam", &["--optimizer", "adam"]),
            ("adam, rate 20", &["--optimizer", "adam", "--learning-rate", "20"]),
            ("rate 20, --ema 0.9", &["--optimizer", "adam", "--learning-rate", "20", "--ema", "0.9"]),
        ],
    ),
];

/// `cargo xtask knobs [NAME]`: all rows, or only this one.
pub(crate) fn run(mut args: impl Iterator<Item = String>) -> Result<(), Failure> {
    let only = args.next();
    let root = repository("");
    gallery::cargo(&root, "cargo build --release --bin stylize")?;
    let program = target_folder()?.join(format!("release/stylize{}", std::env::consts::EXE_SUFFIX));
    let (results, to) = (root.join("out/knobs"), root.join("docs/knobs"));
    fs::create_dir_all(&results)?;
    fs::create_dir_all(&to)?;
    let rows = ROWS.iter().filter(|(name, ..)| only.as_ref().is_none_or(|only| only == name));
    for (name, pair, cells) in rows {
        let files = pair.map(|picture| root.join(format!("stylize/samples/{picture}.jpg")));
        let mut sheet = Sheet::new(cells.len());
        for (i, (label, options)) in cells.iter().enumerate() {
            let result = results.join(format!("{name}{i}.png"));
            let mut command = Command::new(&program);
            command.args(&files).args(["--quiet", "-o"]).arg(&result).args(*options);
            for (name, value) in [("--size", SIZE), ("--iterations", ITERATIONS)] {
                if !options.contains(&name) {
                    command.args([name, value]);
                }
            }
            let status = command.status()?;
            if !status.success() {
                return Err(format!("{command:?}: {status}").into());
            }
            sheet = sheet.cell(&Picture::open(&result)?.sized(LONG_SIDE)?.image, *label);
        }
        save(&sheet.draw()?, &to.join(format!("{name}.jpg")))?;
    }
    Ok(())
}

fn save(sheet: &Image, to: &Path) -> Result<(), Failure> {
    let mut bytes = vec![];
    let (width, height) = (u32::try_from(sheet.width())?, u32::try_from(sheet.height())?);
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
    encoder.encode(&sheet.to_rgb8(), width, height, ExtendedColorType::Rgb8)?;
    fs::write(to, &bytes)?;
    println!("{}: {width} x {height}, {} bytes", to.display(), bytes.len());
    Ok(())
}
