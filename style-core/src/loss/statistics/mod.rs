//! What "style" is taken to be: statistics of a layer's features that do not depend on where things are.
//!
//! A style layer's loss is `E = c/2 sum_i (v_i - t_i)^2`, `v` the statistic's values on the image and `t` those on the
//! style picture (of several, their mean). Where losses are relative, as by default, `c = 1 / (1/2 sum_i t_i^2)` stands in
//! place of the statistic's own. A [`Statistic`] says what `v` and `c` are, and how a gradient of the
//! values becomes one of the features; the rest of the library knows no more of it. The next one is one more file
//! beside these, here or in a crate of your own.

pub(crate) mod covariance;
pub(crate) mod gram;
pub(crate) mod moments;
pub(crate) mod statistic;
pub(crate) mod sums;

pub use covariance::Covariance;
pub use gram::{Gram, GramNorm};
pub use moments::Moments;
pub use statistic::{Scratch, Site, Statistic};
