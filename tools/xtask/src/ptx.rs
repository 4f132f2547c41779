//! Compiles style-cuda's kernels to the committed PTX, so that users need no compiler.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;
use crate::common::repository;

const COMPILER: &str = "clang-14";
const MAJOR: &str = "14";

/// `cargo xtask ptx [--check]`: writes `style-cuda/kernels/*.ptx`, or lists those that differ from the compiler's output.
pub(crate) fn run(mut args: impl Iterator<Item = String>) -> Result<(), Failure> {
    let check = match args.next().as_deref() {
        None => false,
        Some("--check") => true,
        Some(other) => return Err(format!("unknown option {other:?}; usage: cargo xtask ptx [--check]").into()),
    };
    compiler_version()?;
    let kernels = repository("style-cuda/kernels");
    let (sources, committed) = (files(&kernels, "cu")?, files(&kernels, "ptx")?);
    let fresh: Vec<_> = sources
        .iter()
        .map(|source| Ok((source.with_extension("ptx"), compile(source)?)))
        .collect::<Result<_, Failure>>()?;
    if !check {
        for (path, ptx) in &fresh {
            replace(path, ptx)?;
        }
        return Ok(());
    }
    let stale =
        fresh.iter().filter(|(path, ptx)| fs::read_to_string(path).ok().as_ref() != Some(ptx)).map(|(path, _)| path);
    let orphans = committed.iter().filter(|path| !path.with_extension("cu").exists());
    let names: Vec<_> = stale.chain(orphans).filter_map(|path| path.file_name()?.to_str()).collect();
    if names.is_empty() {
        println!("{} files match their sources", fresh.len());
        return Ok(());
    }
    let names = names.join(", ");
    Err(format!("style-cuda/kernels: {names}: differs from the compiled source; run `cargo xtask ptx`").into())
}

/// Other versions of clang produce other PTX from the same source.
fn compiler_version() -> Result<(), Failure> {
    let install = format!("the committed PTX requires clang {MAJOR}; apt-get install {COMPILER}");
    let output =
        Command::new(COMPILER).arg("-dumpversion").output().map_err(|e| format!("{COMPILER}: {e}; {install}"))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match version.split('.').next() {
        Some(MAJOR) => Ok(()),
        _ => Err(format!("{COMPILER} has version {version:?}; {install}").into()),
    }
}

/// The files in a folder with this suffix, sorted by name.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, Failure> {
    let mut files: Vec<_> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    files.retain(|path| path.extension() == Some(OsStr::new(extension)));
    files.sort();
    Ok(files)
}

/// Compiles a source. The compiler gets only the file name, so that no path can appear in the PTX.
fn compile(source: &Path) -> Result<String, Failure> {
    let name = source.file_name().ok_or("a source has no file name")?;
    let tensor_cores = source.file_stem().and_then(OsStr::to_str).is_some_and(|stem| stem.ends_with("_tensor"));
    let output = Command::new(COMPILER)
        .args(["-x", "cuda", "--cuda-device-only", "-nocudainc", "-nocudalib"])
        .arg(if tensor_cores { "--cuda-gpu-arch=sm_80" } else { "--cuda-gpu-arch=sm_75" })
        .args(["-Xclang", "-target-feature", "-Xclang", "+ptx70", "-O3", "-Wall", "-Werror", "-S", "-o", "-"])
        .arg(name)
        .current_dir(source.parent().ok_or("a source has no folder")?)
        .output()?;
    if !output.status.success() {
        let messages = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{COMPILER} failed on {}:\n{messages}", name.to_string_lossy()).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Writes a file completely or not at all.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let unfinished = path.with_extension("ptx.new");
    fs::write(&unfinished, text)?;
    fs::rename(&unfinished, path)?;
    println!("{}", path.file_name().unwrap_or_default().to_string_lossy());
    Ok(())
}
