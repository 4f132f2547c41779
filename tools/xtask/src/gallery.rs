//! Runs every command in docs/gallery.md and regenerates its pictures: `pictures/NAME.jpg` there is a command's
//! `out/NAME.png`, reduced.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;

use crate::Failure;
use crate::common::repository;

/// The longest side of a picture in the gallery.
const LONG_SIDE: u32 = 1100;
const QUALITY: u8 = 86;

/// `cargo xtask gallery [NAME]`: all sections, or only the one with the picture NAME.
pub(crate) fn run(mut args: impl Iterator<Item = String>) -> Result<(), Failure> {
    let only = args.next();
    let root = repository("");
    let page = fs::read_to_string(root.join("docs/gallery.md"))?;
    cargo(&root, "cargo build --release --bin stylize --examples")?;
    let start = Instant::now();
    for section in page.split("\n## ").skip(1) {
        let pictures: Vec<_> = section.split("](pictures/").skip(1).filter_map(|s| s.split_once(".jpg)")).collect();
        let pictures: Vec<_> = pictures.into_iter().map(|(name, _)| name).collect();
        if only.as_ref().is_some_and(|only| !pictures.contains(&only.as_str())) {
            continue;
        }
        for command in section.lines().filter(|line| line.starts_with("cargo run")) {
            let begun = Instant::now();
            cargo(&root, command)?;
            println!("{:6.1} s  {command}", begun.elapsed().as_secs_f64());
        }
        for name in pictures {
            shrink(
                &root.join("out").join(name).with_extension("png"),
                &root.join(format!("docs/pictures/{name}.jpg")),
            )?;
        }
    }
    println!("{:6.1} s  in total", start.elapsed().as_secs_f64());
    Ok(())
}

/// Runs a command line that begins with `cargo`.
pub(crate) fn cargo(root: &Path, line: &str) -> Result<(), Failure> {
    let words = line.split_whitespace().skip(1);
    let status = Command::new(env!("CARGO")).args(words).current_dir(root).status()?;
    if status.success() { Ok(()) } else { Err(format!("{line}: {status}").into()) }
}

fn shrink(from: &Path, to: &Path) -> Result<(), Failure> {
    let mut picture = image::open(from).map_err(|e| format!("{}: {e}", from.display()))?;
    if picture.width().max(picture.height()) > LONG_SIDE {
        picture = picture.resize(LONG_SIDE, LONG_SIDE, FilterType::Lanczos3);
    }
    let mut bytes = vec![];
    JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(&picture.into_rgb8())?;
    Ok(fs::write(to, bytes)?)
}
