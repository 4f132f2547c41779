//! What several tasks need: their options, the folders, the embedded weights.

use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::Parser;

use crate::Failure;

/// Parses the options of a task, or exits with a message, like clap.
pub(crate) fn parse<T: Parser>(task: &str, args: impl Iterator<Item = String>) -> T {
    T::parse_from([format!("cargo xtask {task}")].into_iter().chain(args))
}

/// A file in this repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Cargo's target folder: this program is in one of its profile folders.
pub(crate) fn target_folder() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2);
    Ok(target.ok_or_else(|| io::Error::other("this program is not in a target folder; run it with cargo"))?.into())
}

/// The file behind the feature `embedded`, which this package does not enable.
pub(crate) fn embedded() -> Result<PathBuf, Failure> {
    let folder = repository("style-models/weights");
    let files = fs::read_dir(&folder)?.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
    let mut weights = files.into_iter().filter(|file| file.to_string_lossy().ends_with(".safetensors.gz"));
    match (weights.next(), weights.next()) {
        (Some(file), None) => Ok(file),
        _ => Err(format!("expected one weight file in {}; choose one with --weights", folder.display()).into()),
    }
}
