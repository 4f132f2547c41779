//! Every conformance case on a GPU, or without one on ptx-runner; the names of the cases show which.

mod common;

use style_cuda::{Convolution, Cuda, Precision};
use testkit::{cases, run_trials, trials_of};

fn main() {
    let place = common::runs_on();
    let cuda = |precision| Cuda::builder().precision(precision).build();
    let mut trials = trials_of(cases::all(), place, cuda(Precision::F32));
    let direct = Cuda::builder().convolution(Convolution::Direct).build();
    trials.extend(trials_of(cases::conv2d::cases(), &format!("{place}-direct"), direct));
    for (name, precision) in [("f16", Precision::F16), ("bf16", Precision::Bf16)] {
        trials.extend(trials_of(cases::half::cases(), &format!("{place}-{name}"), cuda(precision)));
    }
    run_trials(trials);
}
