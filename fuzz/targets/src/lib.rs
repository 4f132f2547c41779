//! From `style-fuzz` to libFuzzer.

use libfuzzer_sys::Corpus;
use style_fuzz::{Outcome, target};

/// Runs the target of this name; inputs that are not its kind are not kept.
pub fn run(name: &str, data: &[u8]) -> Corpus {
    if target(name, data) == Outcome::Foreign { Corpus::Reject } else { Corpus::Keep }
}
