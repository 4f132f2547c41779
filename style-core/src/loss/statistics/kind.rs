//! Statistics by name, as settings hold them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::backend::Backend;
use crate::loss::statistics::covariance::Covariance;
use crate::loss::statistics::gram::{Gram, GramNorm};
use crate::loss::statistics::moments::Moments;
use crate::loss::statistics::patches::Patches;
use crate::loss::statistics::sliced::Sliced;
use crate::loss::statistics::statistic::Statistic;
use crate::loss::statistics::wasserstein::Wasserstein;

/// A statistic in [`Settings`](crate::Settings), serialised as its [identity](Statistic::identity).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum StatisticKind {
    /// [`Gram`].
    Gram(GramNorm),
    /// [`Covariance`].
    Covariance,
    /// [`Moments`].
    Moments,
    /// [`Wasserstein`].
    Wasserstein,
    /// [`Sliced::Random`], seed 0.
    SlicedWasserstein,
    /// [`Sliced::Channels`].
    Histogram,
    /// [`Patches`] of 3 x 3 positions.
    Patches,
    /// A custom statistic with this identity; pass it to
    /// [`SessionBuilder::statistic`](crate::SessionBuilder::statistic) or
    /// [`statistic_at`](crate::SessionBuilder::statistic_at).
    Custom(String),
}

impl StatisticKind {
    /// The statistic, unless it is custom.
    pub(crate) fn built_in<B: Backend>(&self) -> Option<Arc<dyn Statistic<B>>> {
        Some(match self {
            Self::Gram(norm) => Arc::new(Gram { norm: *norm }),
            Self::Covariance => Arc::new(Covariance),
            Self::Moments => Arc::new(Moments),
            Self::Wasserstein => Arc::new(Wasserstein),
            Self::SlicedWasserstein => Arc::new(Sliced::Random { seed: 0 }),
            Self::Histogram => Arc::new(Sliced::Channels),
            Self::Patches => Arc::new(Patches::default()),
            Self::Custom(_) => return None,
        })
    }
}

impl From<StatisticKind> for String {
    fn from(kind: StatisticKind) -> Self {
        match kind {
            StatisticKind::Gram(GramNorm::Positions) => "gram".into(),
            StatisticKind::Gram(GramNorm::Elements) => "gram of elements".into(),
            StatisticKind::Covariance => "covariance".into(),
            StatisticKind::Moments => "moments".into(),
            StatisticKind::Wasserstein => "wasserstein".into(),
            StatisticKind::SlicedWasserstein => "sliced wasserstein".into(),
            StatisticKind::Histogram => "histogram".into(),
            StatisticKind::Patches => "patches of 3".into(),
            StatisticKind::Custom(identity) => identity,
        }
    }
}

impl From<String> for StatisticKind {
    fn from(identity: String) -> Self {
        let built_in = [
            Self::Gram(GramNorm::Positions),
            Self::Gram(GramNorm::Elements),
            Self::Covariance,
            Self::Moments,
            Self::Wasserstein,
            Self::SlicedWasserstein,
            Self::Histogram,
            Self::Patches,
        ];
        let found = built_in.into_iter().find(|kind| String::from(kind.clone()) == identity);
        found.unwrap_or(Self::Custom(identity))
    }
}
