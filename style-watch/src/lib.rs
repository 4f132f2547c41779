//! Watching a style transfer: observers of a [`style_core::Session`] that write what they see to files.
//!
//! - [`TensorBoard`]: an event file that TensorBoard shows while the session runs: every loss, the descent, images,
//!   histograms.
//! - [`Snapshots`]: the image every so many evaluations, to numbered PNG files or to a function of your own.
//! - [`Checkpoints`]: what the session can go on from, now and then and at the end.
//! - [`LossPlot`]: the course of the losses as a picture, SVG or PNG.
//!
//! Each is a [`style_core::Observer`] for [`Session::run_with`](style_core::Session::run_with); several watch one
//! session as a slice:
//!
//! ```
//! use style_core::{Backend, Observer, Result, Session};
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
//! An observer that fails ends the run with its error, and the session's image stays readable.
//!
//! | room | what is in it |
//! |---|---|
//! | `tensorboard` | what is written when; its `proto` and `record` are the two layers of the file's format |
//! | `checkpoints` | what a session goes on from |
//! | `snapshots` | the image, now and then |
//! | `plot` | the losses' course; `chart` lays it out on a `canvas`, which is SVG or pixels |
//! | `file` | files that appear only when they are complete; PNG |

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
