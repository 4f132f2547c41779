//! Runs the targets on the committed seeds, without libFuzzer and on stable Rust: earlier findings stay fixed.

use std::fs;
use std::path::{Path, PathBuf};

use style_fuzz::{Outcome, TARGETS, target};

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("reads").path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

#[test]
fn every_seed() {
    for name in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
        let mut accepted = 0;
        for path in files(&folder) {
            println!("{}", path.display()); // identifies the seed if the target panics
            let outcome = target(name, &fs::read(&path).expect("reads"));
            accepted += usize::from(outcome == Outcome::Accepted);
            assert_ne!(outcome, Outcome::Foreign, "{}", path.display());
        }
        assert!(accepted > 0, "{name}: no seed is accepted");
    }
}

/// Pictures of kinds that decoders get wrong.
#[test]
fn the_fixtures_of_pictures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../style-pictures/tests/fixtures");
    for path in files(&folder) {
        let kind = match path.extension().and_then(|e| e.to_str()) {
            Some("jpg") => "jpeg",
            Some("tif") => "tiff",
            Some(kind) => kind,
            None => continue,
        };
        assert_eq!(target(kind, &fs::read(&path).expect("reads")), Outcome::Accepted, "{}", path.display());
    }
}

/// Tiny networks, rejected because of their widths.
#[test]
fn the_fixtures_of_weight_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../style-models/tests/fixtures");
    for path in files(&folder) {
        let kind = match path.extension().and_then(|e| e.to_str()) {
            Some("pth") => ["pth", "pth_legacy"].as_slice(),
            Some("gz") => &["safetensors"],
            Some("h5") => &["h5"],
            Some("mat") => &["mat"],
            Some("caffemodel") => &["caffemodel"],
            Some("npz") => &["npz"],
            Some("onnx") => &["onnx"],
            Some("safetensors") => &["safetensors"],
            _ => continue,
        };
        let bytes = fs::read(&path).expect("reads");
        let outcomes = kind.iter().map(|name| target(name, &bytes));
        assert!(outcomes.into_iter().any(|o| o == Outcome::Rejected), "{}", path.display());
    }
}
