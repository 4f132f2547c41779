//! Losses by name, as settings hold them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::backend::Backend;
use crate::error::{Error, ErrorKind, Result};
use crate::loss::custom::Loss;
use crate::loss::neighbours::Neighbours;
use crate::loss::relaxed_emd::{Palette, RelaxedEmd};
use crate::loss::self_similarity::SelfSimilarity;

/// A loss over hypercolumns or colours with its default options, for [`Settings`](crate::Settings) and
/// [`SessionBuilder::losses`](crate::SessionBuilder::losses).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LossKind {
    /// [`Neighbours`].
    Neighbours,
    /// [`Neighbours`], `turned`.
    TurnedNeighbours,
    /// [`RelaxedEmd`].
    RelaxedEmd,
    /// [`SelfSimilarity`].
    SelfSimilarity,
    /// [`Palette`].
    Palette,
}

impl LossKind {
    /// All losses.
    pub const ALL: [Self; 5] =
        [Self::Neighbours, Self::TurnedNeighbours, Self::RelaxedEmd, Self::SelfSimilarity, Self::Palette];

    /// The name, such as `relaxed-emd`, which is that of the loss's term in [`Losses`](crate::Losses).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Neighbours => "neighbours",
            Self::TurnedNeighbours => "turned-neighbours",
            Self::RelaxedEmd => "relaxed-emd",
            Self::SelfSimilarity => "self-similarity",
            Self::Palette => "palette",
        }
    }

    pub(crate) fn built_in<B: Backend>(self) -> Arc<dyn Loss<B>> {
        match self {
            Self::Neighbours => Arc::new(Neighbours::default()),
            Self::TurnedNeighbours => Arc::new(Neighbours { turned: true, ..Neighbours::default() }),
            Self::RelaxedEmd => Arc::new(RelaxedEmd::default()),
            Self::SelfSimilarity => Arc::new(SelfSimilarity::default()),
            Self::Palette => Arc::new(Palette::default()),
        }
    }
}

impl fmt::Display for LossKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for LossKind {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == s).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::new(ErrorKind::Argument, format!("no loss is called {s:?}; the losses are {names}"))
        })
    }
}
