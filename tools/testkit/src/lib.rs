//! What the tests of every backend share; never shipped.
//!
//! - [`oracle`]: each op in `f64`, written straight from its equation with the dullest loops possible.
//! - [`cases`]: the conformance cases, generic over the backend, one file an op.
//! - [`Reference`]: a backend made of the oracle, for tests of what stands on a backend.
//! - [`golden`]: values of the whole network and objective that PyTorch computed.
//! - [`memory`]: allocations that fail.
//! - [`Told`]: a statistic that tells when it is called.
//! - [`run`]: the `main` of a backend's conformance test; [`assert_same_bits`]: one test more, for instances that must agree to the bit.
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
pub mod oracle;
mod reference;
mod rng;
mod told;

pub use array::Array;
pub use bits::{assert_same_bits, bits};
pub use harness::{run, run_trials, trials, trials_around, trials_of};
pub use reference::Reference;
pub use rng::Rng;
pub use told::{Call, Told};
