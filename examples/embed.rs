//! Embedding in an application with a window: a dedicated thread paints, receives commands and sends events back. Pause
//! and resume take effect after the current evaluation. Cancel takes effect during it, and also during the analysis of
//! the pictures before the first evaluation. A preview is available at any moment, the style weight can change during
//! the run, and every error arrives as a value to display. Here, a scripted user stands in for the window.
//!
//! ```sh
//! cargo run --release --example embed [PHOTO [PAINTING]]
//! ```

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use style_transfer::{ErrorKind, Image, Network, Progress, Session, SessionBuilder};

/// Messages from the window.
enum Command {
    Pause,
    Resume,
    Preview,
    StyleWeight(f64),
}

/// Messages to the window.
enum Event {
    Progress(Progress),
    Preview(Image),
    /// A command that failed, or the reason why the job ended early; `Done` still follows, with the picture so far.
    Error(String),
    /// With the picture, if there is one.
    Done(Option<Image>),
}

/// A running job, as seen by the window.
struct Job {
    commands: Sender<Command>,
    events: Receiver<Event>,
    cancel: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Job {
    fn start(network: &Arc<Network>, photo: Image, painting: Image, iterations: usize) -> Self {
        let ((commands, to_do), (tell, events)) = (channel(), channel());
        let cancel = Arc::new(AtomicBool::new(false));
        let description = Session::builder(Arc::clone(network)).content(photo).style(painting);
        let description = description.iterations(iterations).cancel(Arc::clone(&cancel));
        let thread = thread::spawn(move || {
            let last = work(description, &to_do, &tell);
            // A closed window receives nothing.
            let _ = tell.send(last.map_or_else(failed, Event::Done));
        });
        Self { commands, events, cancel, thread }
    }

    fn cancel(&self) {
        self.cancel.store(true, Ordering::Relaxed);
        // A paused job must be woken; one that has ended need not be.
        let _ = self.commands.send(Command::Resume);
    }

    fn tell(&self, command: Command) -> Result<()> {
        self.commands.send(command).ok().context("the job has ended")
    }

    /// Waits for the next event that is `wanted`; also returns the number of evaluations in between.
    fn wait<T>(&self, wanted: impl Fn(&Event) -> Option<T>) -> Result<(T, usize)> {
        let mut evaluations = 0;
        loop {
            let event = self.events.recv()?;
            match (wanted(&event), event) {
                (Some(found), _) => return Ok((found, evaluations)),
                (None, Event::Progress(_)) => evaluations += 1,
                (None, Event::Error(message)) => bail!(message),
                (None, _) => {}
            }
        }
    }
}

/// Includes the causes of the error.
fn failed(e: style_transfer::Error) -> Event {
    Event::Error(format!("{:#}", anyhow::Error::new(e)))
}

/// The thread: handles commands between evaluations.
fn work(
    description: SessionBuilder,
    commands: &Receiver<Command>,
    events: &Sender<Event>,
) -> style_transfer::Result<Option<Image>> {
    let mut session = match description.build() {
        Err(e) if e.kind() == ErrorKind::Cancelled => return Ok(None),
        built => built?,
    };
    let mut paused = false;
    while !session.is_finished() {
        let command =
            if paused { commands.recv().map_err(|_| TryRecvError::Disconnected) } else { commands.try_recv() };
        let event = match command {
            Err(TryRecvError::Empty) => match session.step() {
                Ok(progress) => Event::Progress(progress.clone()),
                Err(e) if e.kind() == ErrorKind::Cancelled => break,
                Err(e) => {
                    let _ = events.send(failed(e));
                    break;
                }
            },
            Ok(Command::Preview) => session.image().map_or_else(failed, Event::Preview),
            Ok(Command::StyleWeight(weight)) => match session.set_style_weight(weight) {
                Ok(()) => continue,
                Err(e) => failed(e), // the old one stays
            },
            Ok(Command::Pause | Command::Resume) => {
                paused = matches!(command, Ok(Command::Pause));
                continue;
            }
            Err(TryRecvError::Disconnected) => break,
        };
        let _ = events.send(event);
    }
    session.into_image().map(Some)
}

fn main() -> Result<()> {
    let network = common::network()?;
    let (photo, painting) = (common::picture(1, "cat.jpg", 256)?, common::picture(2, "swirls.jpg", 256)?);
    let progress = |e: &Event| if let Event::Progress(progress) = e { Some(progress.clone()) } else { None };
    let preview = |e: &Event| if let Event::Preview(image) = e { Some(image.clone()) } else { None };
    let error = |e: &Event| if let Event::Error(message) = e { Some(message.clone()) } else { None };
    let done = |e: &Event| if let Event::Done(image) = e { Some(image.clone()) } else { None };

    let job = Job::start(&network, photo.clone(), painting, 100_000);
    let watch = |what: &str| -> Result<()> {
        for _ in 0..if common::quick() { 2 } else { 20 } {
            let p = job.wait(progress)?.0;
            println!("{what}: evaluation {}, loss {:.4e}", p.iteration, p.losses.total);
        }
        Ok(())
    };
    watch("started")?;
    job.tell(Command::Preview)?;
    let image = job.wait(preview)?.0;
    println!("preview of {} x {} pixels", image.width(), image.height());

    // Commands are handled in order: the preview arrives after the pause has begun.
    job.tell(Command::Pause)?;
    job.tell(Command::Preview)?;
    job.wait(preview)?;
    let silence = job.events.recv_timeout(Duration::from_millis(300));
    ensure!(matches!(silence, Err(RecvTimeoutError::Timeout)), "something happened while it was paused");
    println!("paused");

    job.tell(Command::StyleWeight(-1.0))?;
    println!("shown to the user: {}", job.wait(error)?.0);
    job.tell(Command::StyleWeight(4.0))?;
    job.tell(Command::Resume)?;
    watch("with ten times the style")?;

    job.cancel();
    let (image, evaluations) = job.wait(done)?;
    println!("cancelled; {evaluations} evaluations were not yet shown");
    ensure!(job.thread.join().is_ok(), "the job panicked");
    common::save("embed.png", &image.context("it had begun")?)?;

    let job = Job::start(&network, photo.clone(), photo.clone(), 10);
    job.cancel();
    let (image, evaluations) = job.wait(done)?;
    println!("cancelled after {evaluations} evaluations: {}", if image.is_some() { "a picture" } else { "no picture" });

    let tiny = Image::from_rgb8(4, 4, &[128; 48])?;
    println!("shown to the user: {}", Job::start(&network, photo, tiny, 10).wait(error)?.0);
    Ok(())
}
