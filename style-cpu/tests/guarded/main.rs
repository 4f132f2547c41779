//! Conformance cases on every instruction set, with each allocation next to a page that ends the process on access: once
//! after it, once before it. An access within bounds but at the wrong position shows in the values instead.
//!
//! A case that ends the process is named with `cargo test -p style-transfer-cpu --test guarded -- --test-threads 1`.

#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod guard;

#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
fn main() {
    guarded::main();
}

#[cfg(not(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64")))]
fn main() {
    println!("skipped: guarded memory requires 64-bit Linux with glibc");
}

#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod guarded {
    use std::hint::black_box;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use libtest_mimic::{Failed, Trial};
    use memmap2::MmapMut;
    use style_cpu::{Convolution, Cpu, Isa, Precision};
    use testkit::cases::{self, Check};

    use crate::guard::{Side, guarded};

    /// `Planned` means Winograd F(4x4, 3x3) for maps as small as those of the cases.
    const WAYS: [(Convolution, &str); 3] =
        [(Convolution::Planned, ""), (Convolution::Direct, " direct"), (Convolution::Winograd6, " winograd6")];

    /// Large shapes, which reach the same bounds as smaller ones in more time.
    const LARGE: [&str; 2] = ["20x1x20011", "40-72x50x37"];

    /// Names the fault that this process must commit.
    const FAULT: &str = "GUARDED_FAULT";

    pub(crate) fn main() {
        if let Ok(name) = std::env::var(FAULT) {
            let (_, fault) = FAULTS.into_iter().find(|(known, _)| *known == name).unwrap();
            return fault();
        }
        let mut trials: Vec<Trial> = FAULTS.into_iter().map(|(name, _)| Trial::test(name, || ends(name))).collect();
        for isa in Isa::ALL {
            for (way, tag) in WAYS {
                let name = format!("{}{tag}", format!("{isa:?}").to_lowercase());
                // One thread: its piece of a workspace is the whole workspace, so that it touches the page.
                let cpu = Cpu::builder().isa(isa).threads(1).convolution(way).build();
                let mut cases = cases::conv2d::cases();
                if way == Convolution::Planned {
                    cases = cases::all();
                }
                // The portable kernels reach the same bounds in more time.
                if way != Convolution::Direct && isa != Isa::Portable {
                    cases.extend(cases::conv2d::wide(false));
                }
                cases.retain(|case| !LARGE.iter().any(|large| case.name().contains(large)));
                trials.extend(testkit::trials_around(cases, &name, cpu, on_both_sides));
            }
        }
        let bf16 = Cpu::builder().precision(Precision::Bf16).threads(1).build();
        let mut cases = cases::conv2d::rounded();
        cases.retain(|case| !LARGE.iter().any(|large| case.name().contains(large)));
        trials.extend(testkit::trials_around(cases, "bf16", bf16, on_both_sides));
        testkit::run_trials(trials);
    }

    fn on_both_sides(case: &dyn Fn() -> Check) -> Check {
        guarded(Side::Front, case)?;
        guarded(Side::Back, case)
    }

    /// Faults that the guard must catch, each in a separate process.
    const FAULTS: [(&str, fn()); 6] = [
        ("guard::read past the end", || guarded(Side::Back, || peek(values().as_ptr(), 19))),
        ("guard::read before the start", || guarded(Side::Front, || peek(values().as_ptr(), -1))),
        ("guard::write past the end", || guarded(Side::Back, || poke(values().as_mut_ptr(), 19))),
        ("guard::read freed memory", || guarded(Side::Back, || peek(given_back(), 3))),
        ("guard::read past a mapping", || guarded(Side::Back, || peek(mapping().as_ptr().cast(), 50_000))),
        ("guard::read before a mapping", || guarded(Side::Front, || peek(mapping().as_ptr().cast(), -1))),
    ];

    /// Checks that a fault ends its process.
    fn ends(fault: &str) -> Result<(), Failed> {
        let output = Command::new(std::env::current_exe()?).env(FAULT, fault).output()?;
        match output.status.signal() {
            Some(libc::SIGSEGV | libc::SIGBUS) => Ok(()),
            _ => Err(format!("the process continued: {output:?}").into()),
        }
    }

    fn values() -> Vec<f32> {
        vec![1.0; 19]
    }

    fn given_back() -> *const f32 {
        let values = values();
        values.as_ptr()
    }

    /// Allocates like large memory of the backend.
    fn mapping() -> MmapMut {
        MmapMut::map_anon(200_000).unwrap()
    }

    fn peek(values: *const f32, index: isize) {
        // SAFETY: none; this is the fault.
        black_box(unsafe { values.offset(index).read_volatile() });
    }

    fn poke(values: *mut f32, index: isize) {
        // SAFETY: none; this is the fault.
        unsafe { values.offset(index).write_volatile(2.0) };
    }
}
