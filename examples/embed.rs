//! Embedding in an application with a window. A job paints on a thread of its own; its handle is for the window's buttons
//! and sliders. Pause and resume take effect after the current evaluation. Cancel takes effect during it, and also during
//! the analysis of the pictures before the first. A preview is available at any moment, the style strength can change
//! during the run, and every error arrives as a value to display. Here, a scripted user stands in for the window.
//!
//! ```sh
//! cargo run --release --example embed [PHOTO [PAINTING]]
//! ```

mod common;

use anyhow::{Context, Result, ensure};
use style_transfer::{Ending, Handle, Image, Outcome, Session};

/// Shows the progress of some evaluations. A slow window misses some, and none pile up.
fn watch(what: &str, handle: &Handle) {
    for p in handle.updates().take(if common::quick() { 2 } else { 20 }) {
        println!("{what}: evaluation {}, loss {:.4e}", p.iteration, p.accepted_losses.total);
    }
}

/// How a job ended, for the user.
fn shown(outcome: &Outcome) -> String {
    let how = match &outcome.ending {
        Ending::Completed => "done".into(),
        Ending::Cancelled => "cancelled".into(),
        Ending::Failed(e) => format!("failed: {e}"),
    };
    let evaluations = outcome.progress.as_ref().map_or(0, |p| p.iteration);
    format!(
        "{how} after {evaluations} evaluations, with {}",
        if outcome.image.is_some() { "a picture" } else { "none" }
    )
}

fn main() -> Result<()> {
    let network = common::network()?;
    let (photo, painting) = (common::picture(1, "cat.jpg", 256)?, common::picture(2, "swirls.jpg", 256)?);
    let describe = |style: &Image| {
        Session::builder(network.clone()).content(photo.clone()).style(style.clone()).iterations(100_000)
    };

    let job = describe(&painting).spawn()?;
    let handle = job.handle();
    watch("started", &handle);
    let preview = handle.preview(Some(128))?;
    println!("preview of {} x {} pixels", preview.width(), preview.height());

    handle.pause();
    handle.preview(None)?; // the evaluation that was under way is done by now
    let done = || handle.progress().map(|p| p.iteration);
    let paused_at = done();
    let error = handle.set_style_weight(-1.0).err().context("a negative strength was accepted")?;
    println!("shown to the user: {error}");
    handle.set_style_weight(4.0)?;
    handle.preview(None)?;
    ensure!(done() == paused_at, "it painted while it was paused");
    println!("paused");
    handle.resume();
    watch("resumed with four times the style", &handle);

    handle.cancel();
    let outcome = job.join();
    println!("{}", shown(&outcome));
    common::save("embed.png", &outcome.image.context("it had begun")?)?;

    let job = describe(&painting).spawn()?;
    job.handle().cancel();
    println!("{}", shown(&job.join()));

    let tiny = Image::from_rgb8(4, 4, &[128; 48])?;
    println!("shown to the user: {}", describe(&tiny).spawn().err().context("a tiny picture was accepted")?);
    Ok(())
}
