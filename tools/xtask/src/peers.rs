//! `peers`, `peers-ops`, `peers-lbfgs`, `peers-paint`, `ours`, `ours-ops` and `sizes`: comparisons of this library with
//! others, on this machine. BENCHMARKS.md explains their use; the peers' programs are in benches/peers.

mod iteration;
mod lbfgs;
mod ops;
mod ours;
mod ours_ops;
mod paint;
mod process;
pub(crate) mod shared;
mod sizes;

pub(crate) use iteration::run as peers;
pub(crate) use lbfgs::run as peers_lbfgs;
pub(crate) use ops::run as peers_ops;
pub(crate) use ours::run as ours;
pub(crate) use ours_ops::run as ours_ops;
pub(crate) use paint::run as peers_paint;
pub(crate) use sizes::run as sizes;
