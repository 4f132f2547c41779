//! What is kept of a job, in its file `job.json`.

use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::settings::Settings;

/// A job as a new page or a new server finds it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: Id,
    /// In the order in which jobs were made.
    pub(crate) number: u64,
    pub(crate) photo: Id,
    pub(crate) painting: Id,
    pub(crate) settings: Settings,
    pub(crate) state: State,
    /// Why it failed, or what else its user should know.
    pub(crate) message: Option<String>,
    /// Width and height of the result.
    pub(crate) size: [usize; 2],
    /// Counts the sessions of this job that did not continue from a checkpoint; names its files.
    pub(crate) generation: u32,
    pub(crate) begin: Begin,
    /// Changes whenever the mask does; 0 without a mask.
    pub(crate) mask: u64,
    /// Changes whenever the picture does; 0 without a picture.
    pub(crate) version: u64,
    pub(crate) progress: Option<Reached>,
    pub(crate) snapshots: Vec<Snapshot>,
    /// Losses of this generation.
    pub(crate) curve: Vec<Point>,
}

/// The state of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Queued,
    Painting,
    Paused,
    Done,
    Failed,
}

/// What a generation begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Begin {
    /// The photograph with noise, at the coarsest scale.
    Photograph,
    /// The picture in its start file, at the scale with this long side or the next larger one.
    Picture {
        /// Long side in pixels.
        from: usize,
    },
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reached {
    pub(crate) iteration: usize,
    pub(crate) iterations: usize,
    pub(crate) scale: usize,
    pub(crate) scales: usize,
    /// Of the picture at this scale.
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Work in evaluations at the full size. Jobs of earlier versions do not have it.
    #[serde(default)]
    pub(crate) done: f64,
    #[serde(default)]
    pub(crate) left: f64,
}

/// Iteration, long side, and the losses: total, content, style, weighted. At the last accepted image.
pub(crate) type Point = (usize, usize, f64, f64, f64);

/// A picture to go back to, with the settings that it was painted with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) number: u32,
    pub(crate) why: Why,
    /// Long side of the picture.
    pub(crate) side: usize,
    pub(crate) settings: Settings,
    pub(crate) masked: bool,
}

/// What a snapshot was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Why {
    /// The user asked for it.
    Kept,
    /// A coarser scale was done.
    Scale,
    /// A change of settings or of the mask began a new session.
    Change,
}

/// The largest count in a record: more could not be counted on, and a page would read other numbers.
const MOST: u64 = 1 << 52;

impl Record {
    /// Whether a record that was read can be used.
    pub(crate) fn is_sound(&self) -> bool {
        let counts = [self.number, self.mask, self.version, self.generation.into()];
        let snapshots = self.snapshots.iter().all(|s| s.number < u32::MAX / 2);
        counts.iter().all(|&count| count < MOST)
            && self.generation < u32::MAX / 2
            && snapshots
            && self.settings.clone().checked().is_ok()
    }

    /// The long side of the picture so far.
    pub(crate) fn reached_side(&self) -> usize {
        let full = self.size[0].max(self.size[1]);
        match (self.state, self.progress) {
            (State::Done, _) | (_, None) => full,
            (_, Some(reached)) => reached.width.max(reached.height).min(full),
        }
    }
    /// Where a new session with other settings begins: two scales back, at half the long side. Strokes form where the network
    /// sees much of the picture at once.
    pub(crate) fn repaint_side(&self) -> usize {
        self.reached_side() / 2
    }
}
