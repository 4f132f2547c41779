//! The objective: its terms, their statistics, values and gradients.

pub(crate) mod content;
pub(crate) mod custom;
pub(crate) mod guide;
pub(crate) mod hypercolumns;
pub(crate) mod kind;
pub(crate) mod laplacian;
pub(crate) mod losses;
pub(crate) mod measure;
pub(crate) mod neighbours;
pub(crate) mod objective;
pub(crate) mod relaxed_emd;
pub(crate) mod scratch;
pub(crate) mod self_similarity;
pub mod statistics;
pub(crate) mod style;
pub(crate) mod temporal;
pub(crate) mod term;
pub(crate) mod tv;
