//! Other processes: the peers' Python, and programs measured in isolation.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::de::DeserializeOwned;

use super::shared::scratch_folder;
use crate::Failure;
use crate::common::repository;

/// A Python with the packages of benches/peers/requirements.txt: the one given, or a virtual environment in the target
/// folder, created if missing.
pub(super) fn python(given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(python) = given {
        return Ok(python);
    }
    let environment = scratch_folder()?.join("venv");
    let python = environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    if !python.exists() {
        let system = if cfg!(windows) { "python" } else { "python3" };
        succeed(Command::new(system).args(["-m", "venv"]).arg(&environment))?;
    }
    let requirements = repository("benches/peers/requirements.txt");
    succeed(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(requirements))?;
    Ok(python)
}

/// A script in benches/peers. Removes variables that select OpenBLAS kernels for another machine.
pub(super) fn script(python: &Path, name: &str) -> Command {
    let mut command = Command::new(python);
    command.arg(repository("benches/peers").join(name));
    command.env_remove("OPENBLAS_CORETYPE").env_remove("OPENBLAS_L2_SIZE");
    command
}

/// The program of benches/peers/rust: the one given, or one in the target folder, built if missing.
pub(super) fn rust_peers(given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(program) = given {
        return Ok(program);
    }
    let target = scratch_folder()?.join("rust");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--locked", "--manifest-path"]);
    succeed(cargo.arg(repository("benches/peers/rust/Cargo.toml")).arg("--target-dir").arg(&target))?;
    Ok(target.join("release").join(format!("rust-peers{}", std::env::consts::EXE_SUFFIX)))
}

/// Runs a program and parses its last output line as JSON.
pub(super) fn result<T: DeserializeOwned>(command: &mut Command) -> Result<T, Failure> {
    let text = output(command)?;
    json(command, text.lines().last().unwrap_or_default())
}

/// Runs a program and parses every output line as JSON.
pub(super) fn results<T: DeserializeOwned>(command: &mut Command) -> Result<Vec<T>, Failure> {
    let text = output(command)?;
    text.lines().map(|line| json(command, line)).collect()
}

fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|e| format!("{}: {e}", name(command)))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(format!("{} failed ({}): {text}", name(command), output.status).into())
}

fn json<T: DeserializeOwned>(command: &Command, line: &str) -> Result<T, Failure> {
    serde_json::from_str(line).map_err(|e| format!("{} printed {line:?}: {e}", name(command)).into())
}

fn succeed(command: &mut Command) -> Result<(), Failure> {
    let status = command.stdout(Stdio::null()).status().map_err(|e| format!("{}: {e}", name(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} failed ({status})", name(command)).into()) }
}

fn name(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
