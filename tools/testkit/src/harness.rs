//! Turns conformance cases into a test binary with libtest's command line.

use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Trial};
use style_core::backend::Backend;
use style_core::{ErrorKind, Result};

use crate::cases::{self, Check};

/// One trial per case and instance, named `instance::case`.
///
/// If this machine lacks an instance ([`ErrorKind::Unavailable`]), its cases are reported as ignored, never as passed; any
/// other error in creating one is a failed trial.
#[must_use]
pub fn trials<B: Backend>(instances: Vec<(&str, Result<B>)>) -> Vec<Trial> {
    instances.into_iter().flat_map(|(name, instance)| trials_of(cases::all(), name, instance)).collect()
}

/// The trials of these cases on one instance.
#[must_use]
pub fn trials_of<B: Backend>(cases: Vec<cases::Case<B>>, instance: &str, backend: Result<B>) -> Vec<Trial> {
    trials_around(cases, instance, backend, |case| case())
}

/// The same, with `around` calling each case.
#[must_use]
pub fn trials_around<B: Backend>(
    cases: Vec<cases::Case<B>>,
    instance: &str,
    backend: Result<B>,
    around: fn(&dyn Fn() -> Check) -> Check,
) -> Vec<Trial> {
    let named = |case: &str| format!("{instance}::{case}");
    match backend {
        Ok(backend) => {
            let backend = Arc::new(backend);
            let trial = |case: cases::Case<B>| {
                let backend = Arc::clone(&backend);
                Trial::test(named(case.name()), move || around(&|| case.run(&backend)))
            };
            cases.into_iter().map(trial).collect()
        }
        Err(e) if e.kind() == ErrorKind::Unavailable => {
            let reason = e.to_string();
            let trial = |case: cases::Case<B>| {
                let reason = reason.clone();
                Trial::ignorable_test(named(case.name()), move || Ok(Completion::ignored_with(reason)))
            };
            cases.into_iter().map(trial).collect()
        }
        Err(e) => vec![Trial::test(named("construction"), move || Err(e.into()))],
    }
}

/// Runs trials with libtest's command line, and ends the process with its exit code.
pub fn run_trials(trials: Vec<Trial>) -> ! {
    libtest_mimic::run(&Arguments::from_args(), trials).exit()
}

/// The `main` of a conformance test: runs every case on each instance of a backend. Ends the process.
pub fn run<B: Backend>(instances: Vec<(&str, Result<B>)>) -> ! {
    run_trials(trials(instances))
}
