//! The conformance cases, in an order in which each beginning tries all of the kernels.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use style_wgpu::Wgpu;
use testkit::cases::{self, Case};

use crate::report::{Failure, Report, panic_message};

/// Failures after which the rest is left out: a device that is lost fails everything.
const MOST_FAILURES: usize = 30;

/// Threads that compute what is expected, while the GPU computes.
const MOST_THREADS: usize = 4;

/// Runs the cases, as many as the time allows; those of convolutions also with Winograd in all of them.
pub(crate) fn run(report: &mut Report, wgpu: &Wgpu, winograd: &Wgpu, most: Duration) -> Result<(), Failure> {
    let cases = in_turn(all());
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(vec![]));
    let (ran, begun) = (AtomicUsize::new(0), Instant::now());
    let work = || {
        while let Some((by, case)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            if begun.elapsed() > most || failures.lock().unwrap_or_else(PoisonError::into_inner).len() >= MOST_FAILURES
            {
                break;
            }
            let on = if *by == WINOGRAD { winograd } else { wgpu };
            let outcome = catch_unwind(AssertUnwindSafe(|| case.run(on)));
            ran.fetch_add(1, Ordering::Relaxed);
            let message = match outcome {
                Ok(Ok(())) => continue,
                Ok(Err(e)) => e.message().unwrap_or("without a message").to_owned(),
                Err(panic) => format!("a panic: {}", panic_message(panic.as_ref())),
            };
            failures.lock().unwrap_or_else(PoisonError::into_inner).push((format!("{by}{}", case.name()), message));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    std::thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(work)));
    let (ran, failures) = (ran.into_inner(), failures.into_inner().unwrap_or_else(PoisonError::into_inner));
    let why = if ran == cases.len() {
        ""
    } else if failures.len() >= MOST_FAILURES {
        "; the others were left out after these"
    } else {
        "; there was no time for the others"
    };
    report.line(&format!("{} of {} cases ran, {} failed{why}.", ran, cases.len(), failures.len()));
    failures.iter().for_each(|(name, message)| report.failed(name, message));
    Ok(())
}

/// A case, behind what precedes its name.
type Named = (&'static str, Case<Wgpu>);

/// What precedes the names of cases with Winograd in all convolutions.
const WINOGRAD: &str = "winograd::";

fn all() -> Vec<Named> {
    let winograd = cases::conv2d::cases().into_iter().map(|case| (WINOGRAD, case));
    cases::all().into_iter().map(|case| ("", case)).chain(winograd).collect()
}

/// `conv2d/fwd`, for example.
fn kind((by, case): &Named) -> String {
    format!("{by}{}", case.name().split('/').take(2).collect::<Vec<_>>().join("/"))
}

/// One case of each kind, then the second of each, and so on. Within a kind they are in the order of a hash, because the first
/// ones have the smallest shapes.
fn in_turn(all: Vec<Named>) -> Vec<Named> {
    let mut kinds: BTreeMap<String, Vec<(u64, Named)>> = BTreeMap::new();
    for named in all {
        kinds.entry(kind(&named)).or_default().push((hash(named.1.name()), named));
    }
    let mut turns = vec![];
    for kind in kinds.into_values() {
        let mut kind = kind;
        kind.sort_by_key(|(hash, _)| *hash);
        turns.extend(kind.into_iter().enumerate().map(|(turn, (_, case))| (turn, case)));
    }
    turns.sort_by_key(|(turn, _)| *turn);
    turns.into_iter().map(|(_, case)| case).collect()
}

/// FNV-1a.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_before_the_second_of_any() {
        let cases = in_turn(all());
        assert_eq!(cases.len(), cases::all::<Wgpu>().len() + cases::conv2d::cases::<Wgpu>().len());
        let kinds: std::collections::BTreeSet<_> = cases.iter().map(kind).collect();
        let first: std::collections::BTreeSet<_> = cases.iter().take(kinds.len()).map(kind).collect();
        assert_eq!(first, kinds);
    }
}
