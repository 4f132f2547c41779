//! Definitions of "style": statistics of a layer's features.
//!
//! A style layer's loss is `E = c/2 sum_i (v_i - t_i)^2`, with `v` the statistic's values on the image and `t` those on the
//! style picture (the mean over several). For relative losses, the default, `c = 1 / (1/2 sum_i t_i^2)` replaces the
//! statistic's own factor. A [`Statistic`] defines `v` and `c`, and maps a gradient of the values to one of the features;
//! the rest of the library depends on nothing else. It may replace the squared distance by its own:
//!
//! | statistic | values | distance | tiles, masks |
//! |---|---|---|---|
//! | [`Gram`] | `F F^T / M` | squared | yes |
//! | [`Covariance`] | `F F^T / M - m m^T` | squared | yes |
//! | [`Moments`] | mean and deviation of each channel | squared | yes |
//! | [`Wasserstein`] | mean and covariance | of normal distributions | yes |
//! | [`Sliced`] | `F`, or `F` along directions | in order, channel by channel | no |
//! | [`Patches`] | `F` | from the nearest patches | no |
//!
//! A new statistic is one more file next to these, here or in another crate.

mod copied;
pub(crate) mod covariance;
pub(crate) mod gram;
pub(crate) mod kind;
pub(crate) mod moments;
pub(crate) mod patches;
pub(crate) mod sliced;
pub(crate) mod statistic;
pub(crate) mod sums;
pub(crate) mod wasserstein;

pub use covariance::Covariance;
pub use gram::{Gram, GramNorm};
pub use kind::StatisticKind;
pub use moments::Moments;
pub use patches::Patches;
pub use sliced::Sliced;
pub use statistic::{Compared, Scratch, Statistic, half_squares};
pub use wasserstein::Wasserstein;
