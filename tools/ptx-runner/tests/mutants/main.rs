//! Broken kernels, each of which must be caught by a fault or a wrong result.
//!
//! Four kernels are compiled like those of style-cuda (`clang-14 -x cuda --cuda-device-only -nocudainc -nocudalib
//! --cuda-gpu-arch=sm_80 -Xclang -target-feature -Xclang +ptx70 -O3 -S -I ../../../../style-cuda/kernels`, in this
//! folder). They pass; then a test changes one statement at a time in their PTX.

mod copy;
mod product;
mod sum;
mod transpose;

use ptx_runner::{Fault, FaultKind, Launch, Memory, Module};

/// The way in which a mutant is caught.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Caught {
    /// By a fault of this kind.
    Fault(FaultKind),
    /// By its result.
    Wrong,
}

/// A change: its name, the text before and after, and the number of the occurrence, or 0 for all.
type Mutant = (&'static str, &'static str, &'static str, usize, Caught);

/// PTX with single spaces, as in the mutants.
fn plain(ptx: &str) -> String {
    ptx.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

/// The text with one change.
fn changed(text: &str, (name, from, to, which, _): Mutant) -> String {
    let places: Vec<usize> = text.match_indices(from).map(|m| m.0).collect();
    assert!(places.len() >= which.max(1), "{name}: {from:?} occurs {} times", places.len());
    if which == 0 {
        return text.replace(from, to);
    }
    let at = places[which - 1];
    format!("{}{to}{}", &text[..at], &text[at + from.len()..])
}

/// Runs the original kernel and each mutant.
fn kill(ptx: &str, run: impl Fn(&Module) -> Result<bool, Fault>, mutants: &[Mutant]) {
    let text = plain(ptx);
    let parse = |text: &str| Module::parse(text).unwrap_or_else(|e| panic!("{e}"));
    assert!(run(&parse(&text)).unwrap_or_else(|f| panic!("{f}")), "the original kernel is wrong");
    let mut surprises = Vec::new();
    for mutant in mutants {
        let (name, expected) = (mutant.0, mutant.4);
        let (caught, how) = match run(&parse(&changed(&text, *mutant))) {
            Ok(true) => (None, "survives".into()),
            Ok(false) => (Some(Caught::Wrong), "a wrong result".into()),
            Err(fault) => (Some(Caught::Fault(fault.kind)), fault.to_string()),
        };
        if caught != Some(expected) {
            surprises.push(format!("{name}: expected {expected:?}, found: {how}"));
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

/// Memory that holds these floats, all initialised.
fn upload(memory: &Memory, values: &[f32]) -> u64 {
    let at = memory.alloc(4 * values.len() as u64).unwrap();
    memory.write(at, &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>()).unwrap();
    at
}

/// Floats from memory; uninitialised ones are NaNs.
fn download(memory: &Memory, at: u64, count: usize) -> Vec<f32> {
    let mut word = [0; 4];
    (0..count as u64)
        .map(|i| memory.read(at + 4 * i, &mut word).map_or(f32::NAN, |()| f32::from_le_bytes(word)))
        .collect()
}

/// Numbers between -1 and 1, all different.
fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919 + 13) % 10007) as f32 / 5003.5 - 1.0).collect()
}

fn launch(module: &Module, grid: [u32; 3], threads: u32, params: &[u8], memory: &Memory) -> Result<(), Fault> {
    let kernel = module.kernels().next().unwrap();
    ptx_runner::run(&Launch { kernel, grid, block: [threads, 1, 1], params, sample: None }, memory).map(|_| ())
}

/// Parameters of kernels: 64-bit words, then 32-bit ones, padded to eight bytes.
fn params(wide: &[u64], narrow: &[u32]) -> Vec<u8> {
    let mut bytes: Vec<u8> = wide.iter().flat_map(|v| v.to_le_bytes()).collect();
    bytes.extend(narrow.iter().flat_map(|v| v.to_le_bytes()));
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}
