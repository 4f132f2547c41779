//! Every conformance case on the reference backend, including those of half precision.

use testkit::{Reference, cases, run_trials, trials, trials_of};

fn main() {
    let mut all = trials(vec![("reference", Ok(Reference))]);
    all.extend(trials_of(cases::half::cases(), "reference", Ok(Reference)));
    run_trials(all);
}
