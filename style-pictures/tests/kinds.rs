//! Files of every common kind against Pillow, libjpeg and tifffile: the scripts in `kinds` write the files and their
//! pixels.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use common::alpha;
use style_pictures::{ErrorKind, Format, Image, Picture};
use tempfile::TempDir;

/// The output of a script.
fn written_by(script: &str) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    run(script, folder.path());
    folder
}

/// Runs a script with a folder.
fn run(script: &str, folder: &Path) {
    let python = env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kinds").join(script);
    let status = Command::new(python).arg(script).arg(folder).status().expect("Python runs");
    assert!(status.success(), "{status}");
}

#[test]
#[ignore = "requires pngcheck and Python (path in PYTHON) with numpy and Pillow"]
fn results_are_what_others_read() {
    let folder = TempDir::new().expect("a temporary folder");
    let values = (0..3 * 64 * 48).map(|i| (i * 7919 % 256) as f32).collect();
    let picture = Picture::from(Image::from_planar(64, 48, values).expect("finite"));
    for (name, format) in [
        ("a.png", Format::Png),
        ("b.png", Format::Png16),
        ("c.jpg", Format::Jpeg),
        ("d.webp", Format::WebP),
        ("e.tif", Format::Tiff),
        ("f.tif", Format::Tiff16),
    ] {
        picture.save_as(folder.path().join(name), format).expect("saves");
    }
    run("profiles.py", folder.path());
}

/// The largest distance of two pictures' values.
fn distance(ours: &Picture, theirs: &Path) -> f32 {
    let theirs = Picture::open(theirs).expect("a PNG file");
    assert_eq!((ours.image.width(), ours.image.height()), (theirs.image.width(), theirs.image.height()));
    let pairs = ours.image.pixels().iter().zip(theirs.image.pixels());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
#[ignore = "requires jpegtran and Python (path in PYTHON) with numpy and Pillow"]
fn jpeg_is_as_libjpeg_has_it() {
    let folder = written_by("jpeg.py");
    let mut files: Vec<_> = fs::read_dir(folder.path()).expect("reads").map(|e| e.expect("reads").path()).collect();
    files.retain(|path| path.extension().is_some_and(|kind| kind == "jpg"));
    files.sort();
    let (mut equal, mut refused, mut wrong) = (0, 0, vec![]);
    for path in &files {
        let theirs = path.with_extension("png");
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match Picture::open(path) {
            Ok(ours) if theirs.exists() => match distance(&ours, &theirs) {
                0.0 => equal += 1,
                far => wrong.push(format!("{name}: {far}")),
            },
            Ok(_) => wrong.push(format!("{name}: libjpeg rejects it")),
            Err(e) if theirs.exists() || e.kind() != ErrorKind::Image => wrong.push(format!("{name}: {e}")),
            Err(_) => refused += 1,
        }
    }
    println!("{} files: {equal} bit-identical, {refused} rejected by both", files.len());
    assert!(equal > 1200 && wrong.is_empty(), "{} of {}:\n{}", wrong.len(), files.len(), wrong.join("\n"));
}

/// The largest distance of a picture from the values stored with its file, in 8-bit levels; colours count only where visible.
fn distance_to_values(ours: &Picture, values: &[u8]) -> Result<f32, String> {
    let side = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|i| values[at + i])) as usize;
    let (size, n) = ((ours.image.width(), ours.image.height()), ours.image.width() * ours.image.height());
    if size != (side(0), side(4)) {
        return Err(format!("expected {:?}, found {size:?}", (side(0), side(4))));
    }
    let alpha = alpha(ours);
    let mut far = 0f32;
    for (i, pixel) in values[8..].chunks_exact(8).enumerate() {
        let wanted = [0, 1, 2, 3].map(|c| f32::from(u16::from_be_bytes([pixel[2 * c], pixel[2 * c + 1]])) / 257.0);
        far = far.max((alpha[i] / 257.0 - wanted[3]).abs());
        for c in (0..3).filter(|_| wanted[3] > 1.0) {
            far = far.max((ours.image.pixels()[c * n + i] - wanted[c]).abs());
        }
    }
    Ok(far)
}

/// Checks the outcome of reading a file; returns the distance of its pixels.
fn judged(path: &Path, outcome: &str, far: f32) -> Result<f32, String> {
    let (kind, words) = outcome.split_once(' ').unwrap_or((outcome, ""));
    let picture = match Picture::open(path) {
        Err(e) if kind == "refused" && e.kind() == ErrorKind::Image && e.to_string().contains(words) => return Ok(0.0),
        Err(e) => return Err(e.to_string()),
        Ok(_) if kind == "refused" => return Err("is read".into()),
        Ok(picture) => picture,
    };
    match picture.notes() {
        [] if kind == "read" => {}
        [note] if kind == "note" && note.contains(words) => {}
        notes => return Err(format!("{notes:?}")),
    }
    let values = PathBuf::from(format!("{}.rgba", path.display()));
    let distance = distance_to_values(&picture, &fs::read(values).expect("reads"))?;
    if distance <= far { Ok(distance) } else { Err(format!("expected a distance of at most {far}, found {distance}")) }
}

#[test]
#[ignore = "requires Python (path in PYTHON) with numpy, Pillow, tifffile and imagecodecs"]
fn odd_files_are_read_right_or_refused() {
    let folder = written_by("odd.py");
    let index = fs::read_to_string(folder.path().join("index.tsv")).expect("reads");
    let (mut wrong, mut count, mut most) = (vec![], [0; 3], 0f32);
    for line in index.lines() {
        let [name, outcome, far] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        match judged(&folder.path().join(name), outcome, far.parse().expect("a number")) {
            Ok(far) => most = most.max(far),
            Err(what) => wrong.push(format!("{name} ({outcome}): {what}")),
        }
        count[["read", "note", "refused"].iter().position(|kind| outcome.starts_with(kind)).expect("is known")] += 1;
    }
    println!("{} read, {} with a note, {} rejected by name; largest distance {most}", count[0], count[1], count[2]);
    assert!(count[0] > 150 && wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
