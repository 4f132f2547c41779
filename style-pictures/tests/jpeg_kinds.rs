//! JPEG files of every kind, against libjpeg: `kinds/jpeg.py` writes them, and what Pillow reads of them.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use style_pictures::{ErrorKind, Picture};
use tempfile::TempDir;

/// The largest distance of two pictures' values.
fn distance(ours: &Picture, theirs: &Path) -> f32 {
    let theirs = Picture::open(theirs).expect("a PNG file");
    assert_eq!((ours.image.width(), ours.image.height()), (theirs.image.width(), theirs.image.height()));
    let pairs = ours.image.pixels().iter().zip(theirs.image.pixels());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
#[ignore = "wants Python with numpy and Pillow, as PYTHON says, and jpegtran"]
fn pixels_are_those_of_libjpeg() {
    let python = env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let folder = TempDir::new().expect("a temporary folder");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kinds/jpeg.py");
    let status = Command::new(python).arg(script).arg(folder.path()).status().expect("Python runs");
    assert!(status.success(), "{status}");
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
            Ok(_) => wrong.push(format!("{name}: libjpeg refuses it")),
            Err(e) if theirs.exists() || e.kind() != ErrorKind::Image => wrong.push(format!("{name}: {e}")),
            Err(_) => refused += 1,
        }
    }
    println!("{} files: {equal} equal to the bit, {refused} refused by both", files.len());
    assert!(equal > 1200 && wrong.is_empty(), "{} of {}:\n{}", wrong.len(), files.len(), wrong.join("\n"));
}
