//! `cargo xtask gpu-kit`: prebuilt programs, weights and one script, for a machine with an NVIDIA device and driver,
//! but without Rust or a network.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Failure;

/// Size limit: the kit is carried by hand.
const MOST_BYTES: u64 = 60_000_000;

/// Cargo's arguments, and the built programs to include: their names in cargo, and in the kit.
type Build = (&'static [&'static str], &'static [(&'static str, &'static str)]);

const BUILDS: [Build; 3] = [
    (
        &["test", "--release", "-p", "style-cuda", "--no-run"],
        &[("conformance", "conformance"), ("session", "session"), ("golden", "golden")],
    ),
    (&["bench", "--features", "cuda", "--bench", "cuda", "--no-run"], &[("cuda", "bench")]),
    (&["build", "--release", "--features", "cuda", "--bin", "stylize"], &[("stylize", "stylize")]),
];

/// Other files to include.
const FILES: [&str; 3] = ["tools/gpu-kit/run.sh", "benches/peers/pytorch_iteration.py", "NOTICE"];

pub(crate) fn run(mut args: impl Iterator<Item = String>) -> Result<(), Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let to = args.next().map_or_else(|| root.join("out"), PathBuf::from);
    let kit = to.join("gpu-kit");
    if kit.exists() {
        fs::remove_dir_all(&kit)?;
    }
    fs::create_dir_all(&kit)?;
    for (arguments, wanted) in BUILDS {
        let executables = executables(&root, arguments)?;
        for (name, as_name) in wanted {
            let found = executables.iter().find(|(target, _)| target == name);
            let (_, path) = found.ok_or_else(|| format!("cargo {} made no {name}", arguments.join(" ")))?;
            fs::copy(path, kit.join(as_name))?;
            if let Some(library) = path.parent().map(|p| p.join("libptx_runner.so")).filter(|p| p.is_file()) {
                fs::copy(library, kit.join("libptx_runner.so"))?;
            }
        }
    }
    for file in FILES {
        let name = Path::new(file).file_name().ok_or("a file without a name")?;
        fs::copy(root.join(file), kit.join(name))?;
    }
    for entry in fs::read_dir(root.join("stylize/samples"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "jpg" || e == "png") {
            fs::copy(&path, kit.join(path.file_name().ok_or("a file without a name")?))?;
        }
    }
    for program in ["conformance", "session", "golden", "bench", "stylize", "libptx_runner.so"] {
        let stripped = Command::new("strip").arg(kit.join(program)).status()?;
        if !stripped.success() {
            return Err(format!("strip {program}: {stripped}").into());
        }
    }
    let archive = to.join("gpu-kit.tar.gz");
    let packed = Command::new("tar").arg("-C").arg(&to).arg("-czf").arg(&archive).arg("gpu-kit").status()?;
    if !packed.success() {
        return Err(format!("tar: {packed}").into());
    }
    let bytes = fs::metadata(&archive)?.len();
    println!("{}: {:.1} MB", archive.display(), bytes as f64 / 1e6);
    println!("On the machine with the device: tar xzf gpu-kit.tar.gz && sh gpu-kit/run.sh");
    if bytes > MOST_BYTES {
        return Err(format!("the kit has more than {} MB", MOST_BYTES / 1_000_000).into());
    }
    Ok(())
}

/// Names and paths of the programs from a build.
fn executables(root: &Path, arguments: &[&str]) -> Result<Vec<(String, PathBuf)>, Failure> {
    println!("cargo {}", arguments.join(" "));
    let output = Command::new("cargo")
        .args(arguments)
        .arg("--message-format=json-render-diagnostics")
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("cargo {}: {}", arguments.join(" "), output.status).into());
    }
    let mut made = vec![];
    for line in String::from_utf8(output.stdout)?.lines() {
        let message: serde_json::Value = serde_json::from_str(line)?;
        if let (Some(path), Some(name)) = (message["executable"].as_str(), message["target"]["name"].as_str()) {
            made.push((name.to_owned(), PathBuf::from(path)));
        }
    }
    Ok(made)
}
