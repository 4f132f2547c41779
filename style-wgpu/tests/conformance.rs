//! Every conformance case on the adapter that the environment selects.

mod common;

use testkit::{cases, run_trials, trials_of};

fn main() {
    run_trials(trials_of(cases::all(), &common::name(), common::wgpu()));
}
