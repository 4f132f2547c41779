//! Machines without a GPU.

#![cfg(target_os = "linux")]

use std::process::{Command, Output};

fn kit(drivers: &str) -> Output {
    let folder = std::env::temp_dir().join(format!("wgpu-kit-refused-{}", std::process::id()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgpu-kit"));
    let output = command.arg("--out").arg(&folder).env("VK_DRIVER_FILES", drivers).output().unwrap();
    assert!(!folder.exists(), "a report without a GPU");
    output
}

#[test]
fn a_machine_without_a_driver_is_told_so() {
    let output = kit("/nonexistent.json");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("install the GPU's driver"), "{message}");
}

/// Where lavapipe is installed.
#[test]
fn a_software_driver_is_refused_unless_asked_for() {
    let lavapipe = "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json";
    if !std::path::Path::new(lavapipe).exists() {
        eprintln!("SKIPPED: no lavapipe");
        return;
    }
    let output = kit(lavapipe);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("--software"), "{message}");
}
