//! `cargo xtask gpu-kit`: prebuilt programs, weights and one script, for a machine with an NVIDIA device and driver,
//! but without Rust or a network.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Failure;
use crate::common::repository;

/// Size limit, because people copy the kit by hand.
const MOST_BYTES: u64 = 60_000_000;

/// Cargo's arguments. With the features of the whole workspace, as other builds have them: dependencies are not built again.
const BUILD: &str =
    "build --workspace --features cuda --bin stylize --bench cuda --test conformance --test session --test golden";

/// The sources of the programs to include, and their names in the kit.
const PROGRAMS: [(&str, &str); 5] = [
    ("style-cuda/tests/conformance.rs", "conformance"),
    ("style-cuda/tests/session.rs", "session"),
    ("style-cuda/tests/golden.rs", "golden"),
    ("benches/cuda.rs", "bench"),
    ("stylize/src/main.rs", "stylize"),
];

/// Stands in for the driver where there is no device.
const STAND_IN: &str = "libptx_runner.so";

/// Other files to include.
const FILES: [&str; 3] = ["tools/gpu-kit/run.sh", "benches/peers/pytorch_iteration.py", "NOTICE"];

pub(crate) fn run(args: impl Iterator<Item = String>) -> Result<(), Failure> {
    let (options, folders): (Vec<_>, Vec<_>) = args.partition(|arg| arg.starts_with('-'));
    let profile = match options.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => "release",
        ["--dev"] => "dev",
        _ => return Err(format!("gpu-kit knows --dev alone, and not {}", options.join(" ")).into()),
    };
    let root = repository("");
    let to = folders.first().map_or_else(|| root.join("out"), PathBuf::from);
    let kit = to.join("gpu-kit");
    if kit.exists() {
        fs::remove_dir_all(&kit)?;
    }
    fs::create_dir_all(&kit)?;
    let executables = executables(&root, profile)?;
    for (source, name) in PROGRAMS {
        let found = executables.iter().find(|(of, _)| of.ends_with(source));
        let (_, path) = found.ok_or_else(|| format!("cargo {BUILD} made no program of {source}"))?;
        fs::copy(path, kit.join(name))?;
        if let Some(library) = path.parent().map(|p| p.join(STAND_IN)).filter(|p| p.is_file()) {
            fs::copy(library, kit.join(STAND_IN))?;
        }
    }
    for file in FILES {
        let name = Path::new(file).file_name().ok_or("a path has no file name")?;
        fs::copy(root.join(file), kit.join(name))?;
    }
    for entry in fs::read_dir(root.join("stylize/samples"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "jpg" || e == "png") {
            fs::copy(&path, kit.join(path.file_name().ok_or("a path has no file name")?))?;
        }
    }
    for program in PROGRAMS.map(|(_, name)| name).into_iter().chain([STAND_IN]) {
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
        return Err(format!("the kit exceeds {} MB", MOST_BYTES / 1_000_000).into());
    }
    Ok(())
}

/// Sources and paths of the programs from a build.
fn executables(root: &Path, profile: &str) -> Result<Vec<(PathBuf, PathBuf)>, Failure> {
    println!("cargo {BUILD} --profile {profile}");
    let output = Command::new(env!("CARGO"))
        .args(BUILD.split(' '))
        .args(["--profile", profile, "--message-format=json-render-diagnostics"])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("cargo {BUILD}: {}", output.status).into());
    }
    let mut made = vec![];
    for line in String::from_utf8(output.stdout)?.lines() {
        let message: serde_json::Value = serde_json::from_str(line)?;
        if let (Some(path), Some(source)) = (message["executable"].as_str(), message["target"]["src_path"].as_str()) {
            made.push((source.into(), path.into()));
        }
    }
    Ok(made)
}
