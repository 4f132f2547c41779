//! Shared test support for all backends; never shipped.
//!
//! - [`oracle`]: each op in `f64`, written directly from its equation with the simplest possible loops.
//! - [`cases`]: the conformance cases, generic over the backend, one file per op.
//! - [`Reference`]: a backend built on the oracle, for testing code that uses a backend.
//! - [`golden`]: values of the whole network and objective that PyTorch computed.
//! - [`memory`]: failing allocations.
//! - [`Observed`]: a statistic that reports its calls.
//! - [`run`]: the `main` of a backend's conformance test; [`assert_same_bits`]: an additional test, for instances that must
//!   agree bit by bit.
//!
//! The whole of a backend's `tests/conformance.rs` (with `harness = false` in its manifest) is one line in `main`:
//!
//! ```no_run
//! testkit::run(vec![("reference", Ok(testkit::Reference))]);
//! ```

#![deny(unsafe_code)]

mod array;
mod bits;
pub mod cases;
pub mod golden;
mod harness;
pub mod memory;
mod observed;
pub mod oracle;
mod reference;
mod rng;

pub use array::Array;
pub use bits::{assert_same_bits, bits};
pub use harness::{run, run_trials, trials, trials_around, trials_of};
pub use observed::{Call, Observed};
pub use reference::Reference;
pub use rng::Rng;
