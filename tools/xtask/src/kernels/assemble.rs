//! Assembles the kernels with NVIDIA's assembler.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;

/// The package with ptxas.
const PACKAGE: &str = "nvidia-cuda-nvcc-cu12==12.9.86";

/// Multiprocessor resources: "Technical Specifications per Compute Capability" in NVIDIA's CUDA C++ Programming Guide.
/// A row is the capability, then threads, blocks and KiB of shared memory; each has 65536 registers.
const MULTIPROCESSORS: [(u32, u32, u32, u32); 5] =
    [(75, 1024, 16, 64), (80, 2048, 32, 164), (86, 1536, 16, 100), (89, 1536, 24, 100), (90, 2048, 32, 228)];

/// A kernel, assembled for one capability.
#[derive(Debug, PartialEq)]
struct Assembled {
    name: String,
    registers: u32,
    /// Bytes of spilled registers, stored and loaded, and of arrays that do not fit registers.
    spills: u32,
    shared: u32,
}

/// ptxas from PyPI, in the target folder. It is only used for checks; none of it is committed or shipped.
pub(super) fn fetch_ptxas() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).ok_or("this program is not in a target folder; run it with cargo")?;
    let folder = target.join("ptxas");
    let ptxas = folder.join("nvidia/cuda_nvcc/bin/ptxas");
    if !ptxas.exists() {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"]).arg(&folder).arg(PACKAGE);
        if !pip.status()?.success() {
            return Err(format!("pip cannot install {PACKAGE}; use --ptxas FILE").into());
        }
    }
    Ok(ptxas)
}

/// Prints a table of all kernels for all capabilities. Fails if a kernel does not assemble, or spills.
pub(super) fn run(ptxas: &Path, folder: &Path) -> Result<(), Failure> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|e| e == "ptx"));
    files.sort();
    let mut spilled = Vec::new();
    println!("Registers per thread, and occupancy: the share of a multiprocessor's threads that can be resident.\n");
    let heads: Vec<String> = MULTIPROCESSORS.iter().map(|m| format!("sm_{}", m.0)).collect();
    println!("| kernel | threads | shared memory | {} |", heads.join(" | "));
    println!("|---|---:|---:|{}", "---:|".repeat(heads.len()));
    for file in files {
        let ptx = fs::read_to_string(&file)?;
        let columns: Vec<Vec<Assembled>> = MULTIPROCESSORS
            .iter()
            .map(|m| if m.0 < target(&ptx)? { Ok(Vec::new()) } else { assemble(ptxas, &file, m.0) })
            .collect::<Result<_, Failure>>()?;
        for (name, threads) in entries(&ptx)? {
            let mut shared = 0;
            let mut cells = Vec::new();
            for (column, multiprocessor) in columns.iter().zip(&MULTIPROCESSORS) {
                let Some(kernel) = column.iter().find(|kernel| kernel.name == name) else {
                    cells.push("-".to_owned());
                    continue;
                };
                shared = kernel.shared;
                if kernel.spills > 0 {
                    spilled.push(format!("{name} on sm_{}: {} bytes", multiprocessor.0, kernel.spills));
                }
                let share = occupancy(kernel, threads, *multiprocessor);
                cells.push(format!("{}, {:.0} %", kernel.registers, 100.0 * share));
            }
            println!("| {name} | {threads} | {shared} | {} |", cells.join(" | "));
        }
    }
    println!();
    if spilled.is_empty() {
        println!("No kernel spills registers or has local memory.");
        return Ok(());
    }
    Err(format!("kernels use local memory: {}", spilled.join("; ")).into())
}

/// The target capability of the PTX.
fn target(ptx: &str) -> Result<u32, Failure> {
    let target = ptx.split_once(".target sm_").and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next());
    Ok(target.ok_or("the PTX has no .target")?.parse()?)
}

/// Its kernels, in order, with the threads per block, which each must declare.
fn entries(ptx: &str) -> Result<Vec<(String, u32)>, Failure> {
    let entry = |text: &str| {
        let (head, _) = text.split_once('{')?;
        let (name, _) = head.split_once('(')?;
        let (_, threads) = head.split_once(".maxntid").or_else(|| head.split_once(".reqntid"))?;
        let threads: Option<Vec<u32>> = threads.lines().next()?.split(',').map(|n| n.trim().parse().ok()).collect();
        Some((name.trim().to_owned(), threads?.iter().product()))
    };
    let entries = ptx.split(".entry").skip(1).map(|text| entry(text).ok_or("a kernel has no __launch_bounds__".into()));
    entries.collect()
}

fn assemble(ptxas: &Path, file: &Path, capability: u32) -> Result<Vec<Assembled>, Failure> {
    let null = if cfg!(windows) { "NUL" } else { "/dev/null" };
    let output =
        Command::new(ptxas).arg("-v").arg(format!("-arch=sm_{capability}")).arg(file).args(["-o", null]).output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{} for sm_{capability}: {text}", file.display()).into());
    }
    parse(&text).ok_or_else(|| format!("unexpected output of ptxas:\n{text}").into())
}

/// Parses `ptxas -v`: for each kernel one line with its name, one with its stack and spills, one with its resources.
fn parse(text: &str) -> Option<Vec<Assembled>> {
    let number = |line: &str, unit: &str| -> Option<u32> {
        line.split_once(unit)?.0.split_whitespace().next_back()?.parse().ok()
    };
    let mut kernels = Vec::new();
    let (mut name, mut spills) = (None, 0);
    for line in text.lines() {
        if let Some((_, rest)) = line.split_once("Compiling entry function '") {
            name = Some(rest.split_once('\'')?.0.to_owned());
        } else if line.contains("bytes stack frame") {
            spills = number(line, " bytes stack frame")?
                + number(line, " bytes spill stores")?
                + number(line, " bytes spill loads")?;
        } else if line.contains("Used ") {
            let (registers, shared) = (number(line, " registers")?, number(line, " bytes smem").unwrap_or(0));
            kernels.push(Assembled { name: name.take()?, registers, spills, shared });
        }
    }
    Some(kernels)
}

/// Resident threads per multiprocessor, and the maximum. Registers are allocated per warp in units of 256, shared
/// memory per block in units of 128 bytes (256 on sm_75), and from sm_80 on a block takes 1 KiB more: NVIDIA's
/// occupancy calculator.
fn occupancy(kernel: &Assembled, threads: u32, (capability, most, blocks, shared): (u32, u32, u32, u32)) -> f64 {
    let warps = threads.div_ceil(32);
    let by_registers = 65536 / (kernel.registers * 32).next_multiple_of(256) / warps;
    let taken = if capability >= 80 {
        (kernel.shared + 1024).next_multiple_of(128)
    } else {
        kernel.shared.next_multiple_of(256)
    };
    let by_shared = (shared * 1024).checked_div(taken).unwrap_or(u32::MAX);
    let resident = by_registers.min(by_shared).min(blocks).min(most / (32 * warps));
    f64::from(resident * 32 * warps) / f64::from(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'conv2d' for 'sm_75'
ptxas info    : Function properties for conv2d
    8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 153 registers, used 1 barriers, 24832 bytes smem, 432 bytes cmem[0], 16 bytes cmem[2]
ptxas info    : Compile time = 76.470 ms
ptxas info    : Compiling entry function 'gram_symmetric' for 'sm_75'
ptxas info    : Function properties for gram_symmetric
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 16 registers, used 0 barriers, 384 bytes cmem[0]
";

    #[test]
    fn ptxas_is_understood() {
        let kernel = |name: &str, registers, spills, shared| Assembled { name: name.into(), registers, spills, shared };
        let expected = vec![kernel("conv2d", 153, 24, 24832), kernel("gram_symmetric", 16, 0, 0)];
        assert_eq!(parse(OUTPUT), Some(expected));
    }

    #[test]
    fn entries_are_found() {
        let ptx = ".version 7.0\n.target sm_80\n.visible .entry conv2d(\n.param .b8 x[8]\n)\n.maxntid 16, 8, 1\n{\n}\n";
        assert_eq!(entries(ptx).unwrap(), [("conv2d".to_owned(), 128)]);
        assert_eq!(target(ptx).unwrap(), 80);
        assert!(entries(&ptx.replace(".maxntid 16, 8, 1", "")).is_err(), "a kernel without bounds");
    }

    /// Values from NVIDIA's occupancy calculator.
    #[test]
    fn occupancy_as_nvidia_counts_it() {
        let kernel = |registers, shared| Assembled { name: String::new(), registers, spills: 0, shared };
        let on = |capability| *MULTIPROCESSORS.iter().find(|m| m.0 == capability).unwrap();
        // limited by threads; by registers; by shared memory; by blocks
        assert_eq!(occupancy(&kernel(32, 0), 256, on(80)), 1.0);
        assert_eq!(occupancy(&kernel(128, 0), 128, on(80)), 0.25);
        assert_eq!(occupancy(&kernel(32, 48 << 10), 256, on(75)), 0.25);
        assert_eq!(occupancy(&kernel(16, 0), 32, on(86)), 16.0 / 48.0);
        // 48 KiB and the reserved one: three blocks fit, but not four in 164 KiB, nor five in 228
        assert_eq!(occupancy(&kernel(32, 48 << 10), 256, on(80)), 0.375);
        assert_eq!(occupancy(&kernel(32, 48 << 10), 256, on(90)), 0.5);
    }
}
