//! Observers of a [`style_core::Session`] that record a style transfer in files.
//!
//! - [`TensorBoard`]: an event file that TensorBoard displays while the session runs: every loss, the descent, images,
//!   histograms.
//! - [`Snapshots`]: the image at regular intervals of evaluations, to numbered PNG files or to your own function.
//! - [`Checkpoints`]: the state from which a session can resume, at regular intervals and at the end.
//! - [`LossPlot`]: a plot of the losses, SVG or PNG.
//!
//! Each is a [`style_core::Observer`] for [`Session::run_with`](style_core::Session::run_with). A slice of observers
//! watches one session:
//!
//! ```
//! use style_core::backend::Backend;
//! use style_core::{Observer, Result, Session};
//! use style_watch::{LossPlot, Snapshots, TensorBoard, TensorBoardOptions};
//!
//! fn run<B: Backend>(session: &mut Session<B>) -> Result<()> {
//!     let mut board = TensorBoard::create("runs/cat", TensorBoardOptions::default())?; // tensorboard --logdir runs
//!     let mut snapshots = Snapshots::png(50, "runs/cat/painted.png")?; // painted_0050.png, painted_0100.png, ...
//!     let mut plot = LossPlot::new("runs/cat/losses.svg")?;
//!     session.run_with(&mut [&mut board as &mut dyn Observer, &mut snapshots, &mut plot][..])
//! }
//! ```
//!
//! An observer that fails ends the run with its error; the session's image stays readable.
//!
//! | module | contents |
//! |---|---|
//! | `tensorboard` | what is written and when; its `proto` and `record` are the two layers of the file format |
//! | `checkpoints` | the state from which a session resumes |
//! | `snapshots` | the image, at regular intervals |
//! | `plot` | the plot of the losses; `chart` lays it out on a `canvas`, which is SVG or pixels |
//! | `file` | files that appear only when complete; PNG |

#![forbid(unsafe_code)]

mod checkpoints;
mod file;
mod plot;
mod snapshots;
mod tensorboard;

pub use checkpoints::Checkpoints;
pub use plot::LossPlot;
pub use snapshots::Snapshots;
pub use tensorboard::{TensorBoard, TensorBoardOptions};
