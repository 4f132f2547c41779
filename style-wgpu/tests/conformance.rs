//! Every conformance case on the adapter that the environment selects.

mod common;

use style_wgpu::Convolution;
use testkit::{cases, run_trials, trials_of};

fn main() {
    let name = common::name();
    let mut trials = trials_of(cases::all(), &name, common::wgpu());
    // Planned, the cases have too few channels for it.
    let winograd = common::wgpu_with(Convolution::Winograd);
    trials.extend(trials_of(cases::conv2d::cases(), &format!("{name}-winograd"), winograd));
    run_trials(trials);
}
