//! What the machine is.

use std::process::Command;

use style_wgpu::Adapter;

use crate::report::Report;

/// Writes the operating system, the CPU, all adapters, and what the driver says of the one in use.
pub(crate) fn describe(report: &mut Report, adapters: &[Adapter], used: usize) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    report.line(&format!("- system: {} {}, {}", std::env::consts::OS, std::env::consts::ARCH, system()));
    report.line(&format!("- CPU: {}, {cores} threads", cpu()));
    report.line(&format!(
        "- version: {} {}",
        env!("CARGO_PKG_VERSION"),
        output("git", &["rev-parse", "--short", "HEAD"])
    ));
    report.line(&format!("- rustc: {}", output("rustc", &["--version"])));
    for adapter in adapters {
        report.line(&format!("- adapter {adapter}{}", if adapter.index == used { ", in use" } else { "" }));
    }
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let handles = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    if let Some(handle) = handles.get(used) {
        let (info, limits) = (handle.get_info(), handle.limits());
        report.line(&format!("- driver: {} {}", info.driver, info.driver_info));
        report.line(&format!("- vendor and device: {:#06x} {:#06x}", info.vendor, info.device));
        report.line(&format!(
            "- limits: buffers of {} bytes, bindings of {}, {} bytes of workgroup memory, {} threads a workgroup",
            limits.max_buffer_size,
            limits.max_storage_buffer_binding_size,
            limits.max_compute_workgroup_storage_size,
            limits.max_compute_invocations_per_workgroup
        ));
        let features: Vec<_> = handle.features().iter_names().map(|(name, _)| name).collect();
        report.line(&format!("- features: {}", features.join(" ")));
    }
}

/// The first line that a program prints, or that it does not run.
fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    let line = text.and_then(|text| String::from_utf8_lossy(&text).lines().next().map(str::to_owned));
    line.unwrap_or_else(|| format!("({program} does not tell)"))
}

/// The version of the operating system.
fn system() -> String {
    match std::env::consts::OS {
        "macos" => output("sw_vers", &["-productVersion"]),
        "windows" => output("cmd", &["/c", "ver"]),
        _ => output("uname", &["-sr"]),
    }
}

/// The name of the CPU.
fn cpu() -> String {
    match std::env::consts::OS {
        "macos" => output("sysctl", &["-n", "machdep.cpu.brand_string"]),
        "windows" => std::env::var("PROCESSOR_IDENTIFIER").unwrap_or_else(|_| "unknown".into()),
        _ => {
            let all = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
            let name = all.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
            name.map_or_else(|| "unknown".into(), |(_, name)| name.trim().to_owned())
        }
    }
}
