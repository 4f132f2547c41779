//! The jobs, their queue, and what pages are told of them.
//!
//! One lock guards everything. Requests change it (`commands.rs`), and one thread paints (`worker.rs`, `watcher.rs`). A
//! request never waits for the painting: it notes what should become of the job and cancels the session, and the worker
//! carries it out when the session has ended, at most one evaluation later.

mod commands;
mod events;
mod files;
mod opening;
mod state;
mod watcher;
mod worker;

pub(crate) use commands::NewJob;
pub(crate) use files::File;
pub(crate) use state::Studio;
pub(crate) use worker::start;
