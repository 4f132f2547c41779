//! Paints every photograph of a folder in every style of another, as `OUT/PHOTO--STYLE.png`, plus one
//! `OUT/summary.json`.
//!
//! All jobs share one network. Its backend has no private threads, so each job computes on the thread that it runs on:
//! `--jobs` bounds the cores in use, and also the memory, because each job allocates its own. A job's result is bitwise
//! the same whatever other jobs run.
//!
//! A job is done when the summary lists it as done, with the current settings and with pictures of their current size
//! and time, and its result exists; delete the result to repeat the job. After Ctrl-C, a crash or a mistake, run the
//! program again: it skips finished jobs and resumes the others from their last checkpoints. A job that fails does not
//! hold up the others; the exit code is then 1, and 130 after Ctrl-C. Only one program at a time may write into a
//! folder of results.
//!
//! ```sh
//! cargo run --release --example batch photos paintings out/batch [--size N] [--iterations N] [--jobs N]
//! ```

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::ErrorKind::NotFound;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::{Instant, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use style_pictures::{Format, Picture};
use style_transfer::cpu::Cpu;
use style_transfer::{ErrorKind, Network, Observer, Progress, Session, View, models};
use style_watch::Checkpoints;

/// Repaint every photograph in every style.
#[derive(Parser)]
struct Args {
    /// Folder of photographs.
    photos: PathBuf,
    /// Folder of paintings.
    styles: PathBuf,
    /// Folder for the results, created if missing.
    out: PathBuf,
    /// Long side of all pictures.
    #[arg(long, default_value_t = 512)]
    size: u32,
    /// Evaluations of each job.
    #[arg(long, default_value_t = 300)]
    iterations: usize,
    /// Number of concurrent jobs [default: one per core].
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Unfinished,
    Done,
    Failed,
}

/// Losses of the final image.
#[derive(Clone, Serialize, Deserialize)]
struct Losses {
    total: f64,
    content: f64,
    style: f64,
}

/// An entry of the summary.
#[derive(Clone, Serialize, Deserialize)]
struct Job {
    photo: PathBuf,
    style: PathBuf,
    output: PathBuf,
    /// For the photograph and the style picture: size in bytes, and modification time in milliseconds since 1970.
    #[serde(default)]
    inputs: [Option<(u64, u64)>; 2],
    size: u32,
    iterations: usize,
    state: State,
    losses: Option<Losses>,
    /// Duration of the last run that worked on the job.
    seconds: f64,
    error: Option<String>,
}

const CHECKPOINT_EVERY: usize = 25;
static INTERRUPTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Ends a run after the current evaluation.
struct Interrupt;

impl Observer for Interrupt {
    fn observe(&mut self, _: &Progress, _: &dyn View) -> style_transfer::Result<ControlFlow<()>> {
        Ok(if INTERRUPTED.load(Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

/// Prints a line. A missing reader or a full disk must not end a job.
fn say(line: String) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// The same on standard error.
fn warn(line: String) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// The pictures in a folder, by name.
fn pictures(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut all = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    all.retain(|path| Format::from_path(path).is_ok());
    for path in &all {
        ensure!(
            path.to_str().is_some(),
            "{}: the file name is not valid Unicode, which the summary requires; rename the file",
            path.display()
        );
    }
    all.sort();
    ensure!(!all.is_empty(), "no pictures in {}", folder.display());
    Ok(all)
}

/// Lists all jobs; finished ones keep their entries from the summary.
fn jobs(args: &Args, summary: &Path) -> Result<Vec<Job>> {
    let before: Vec<Job> = match fs::read(summary) {
        Ok(text) => serde_json::from_slice(&text).with_context(|| {
            format!("{} is not a summary of this program; move it or choose another folder", summary.display())
        })?,
        Err(e) if e.kind() == NotFound => vec![],
        Err(e) => return Err(e).with_context(|| format!("cannot read {}", summary.display())),
    };
    let stamp = |path: &Path| {
        let metadata = fs::metadata(path).ok()?;
        let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some((metadata.len(), u64::try_from(changed.as_millis()).ok()?))
    };
    let done = |job: &Job| {
        let of = |b: &Job| (b.photo.clone(), b.style.clone(), b.output.clone(), b.inputs, b.size, b.iterations);
        let known = job.output.exists() && job.inputs.iter().all(Option::is_some);
        before.iter().find(|b| known && b.state == State::Done && of(b) == of(job)).cloned()
    };
    let (photos, styles) = (pictures(&args.photos)?, pictures(&args.styles)?);
    let (mut jobs, mut outputs) = (vec![], HashSet::new());
    for (photo, style) in photos.iter().flat_map(|photo| styles.iter().map(move |style| (photo, style))) {
        let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let output = args.out.join(format!("{}--{}.png", stem(photo), stem(style)));
        ensure!(outputs.insert(output.clone()), "two jobs have the result {}; rename a picture", output.display());
        let inputs = [stamp(photo), stamp(style)];
        let (photo, style, size, iterations) = (photo.clone(), style.clone(), args.size, args.iterations);
        let (state, losses, seconds, error) = (State::Unfinished, None, 0.0, None);
        let job = Job { photo, style, output, inputs, size, iterations, state, losses, seconds, error };
        jobs.push(done(&job).unwrap_or(job));
    }
    Ok(jobs)
}

/// Runs one job, or the rest of it.
fn paint(network: &Arc<Network<Cpu>>, job: &mut Job) -> Result<()> {
    let name = job.output.display();
    let open = |path: &Path| -> Result<Picture> {
        let picture = Picture::open(path)?;
        picture.notes().iter().for_each(|note| warn(format!("{name}: {}: {note}", path.display())));
        Ok(picture.sized(job.size)?)
    };
    let (photo, style) = (open(&job.photo)?, open(&job.style)?.image);
    let description =
        Session::builder(Arc::clone(network)).content(photo.image).style(style).iterations(job.iterations);
    let path = job.output.with_extension("checkpoint");
    let resumed =
        Checkpoints::load(&path).and_then(|kept| kept.map(|kept| description.clone().resume(&kept)).transpose());
    let mut session = match resumed {
        Ok(Some(session)) if session.iteration() <= job.iterations => session,
        Ok(found) => {
            if found.is_some() {
                warn(format!("{name}: restarted: the checkpoint has more iterations than requested"));
            }
            description.build()?
        }
        // A checkpoint that is damaged or has other settings is overwritten.
        Err(e) if e.kind() == ErrorKind::Checkpoint => {
            warn(format!("{name}: restarted: {e}"));
            description.build()?
        }
        Err(e) => return Err(e.into()),
    };
    if !INTERRUPTED.load(Relaxed) {
        let mut checkpoints = Checkpoints::every(CHECKPOINT_EVERY, path)?;
        let ran = session.run_with(&mut [&mut checkpoints as &mut dyn Observer, &mut Interrupt][..]);
        match ran {
            // The disk may be full: without checkpoints, the picture can still be finished.
            Err(e) if e.kind() == ErrorKind::Io => {
                warn(format!("{name}: continuing without checkpoints: {e}"));
                session.run_with(&mut Interrupt)?;
            }
            ran => ran?,
        }
    }
    job.losses = session.losses().map(|l| Losses { total: l.total, content: l.content(), style: l.style() });
    if session.is_finished() {
        Picture { image: session.into_image()?, extras: photo.extras }.save(&job.output)?;
        job.state = State::Done;
    }
    Ok(())
}

/// Writes the summary atomically.
fn write(summary: &Path, jobs: &[Job]) -> Result<()> {
    let (part, text) = (summary.with_extension("json.part"), serde_json::to_string_pretty(jobs)? + "\n");
    let write = || {
        let mut file = File::create(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&part, summary)
    };
    write().with_context(|| format!("cannot write {}", summary.display()))
}

fn run(args: &Args) -> Result<ExitCode> {
    fs::create_dir_all(&args.out).with_context(|| format!("cannot create the folder {}", args.out.display()))?;
    for folder in [&args.photos, &args.styles] {
        let same = folder.canonicalize().is_ok_and(|f| args.out.canonicalize().is_ok_and(|out| f == out));
        ensure!(
            !same,
            "{} is both an input folder and the result folder; choose another result folder",
            folder.display()
        );
    }
    let summary = args.out.join("summary.json");
    let jobs = jobs(args, &summary)?;
    let network = Arc::new(Network::new(Cpu::builder().threads(1).build()?, models::embedded()?.model())?);
    let at_once = args.jobs.or(thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get).min(jobs.len());
    let (next, all) = (AtomicUsize::new(0), Mutex::new(jobs.clone()));
    let work = || -> Result<()> {
        while let Some(job) = jobs.get(next.fetch_add(1, Relaxed)).filter(|_| !INTERRUPTED.load(Relaxed)) {
            let (mut outcome, start, before) = (job.clone(), Instant::now(), job.state == State::Done);
            if !before {
                if let Err(e) = paint(&network, &mut outcome) {
                    (outcome.state, outcome.error) = (State::Failed, Some(format!("{e:#}")));
                }
                outcome.seconds = start.elapsed().as_secs_f64();
            }
            let name = outcome.output.display();
            match (outcome.state, &outcome.losses, &outcome.error) {
                (State::Done, ..) if before => say(format!("{name}: already done")),
                (State::Done, Some(l), _) => {
                    say(format!("{name}: loss {:.4e} after {:.1} s", l.total, outcome.seconds))
                }
                (_, _, Some(e)) => warn(format!("{name}: {e}")),
                _ => say(format!("{name}: unfinished")),
            }
            // The lock is also held while the file is written.
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            all.iter_mut().filter(|j| j.output == outcome.output).for_each(|j| *j = outcome.clone());
            write(&summary, &all).inspect_err(|_| INTERRUPTED.store(true, Relaxed))?;
            if outcome.state == State::Done {
                let _ = fs::remove_file(outcome.output.with_extension("checkpoint"));
            }
        }
        Ok(())
    };
    let ended: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| anyhow::bail!("a job panicked"))).collect()
    });
    ended.into_iter().collect::<Result<()>>()?;
    let all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    write(&summary, &all)?;
    let count = |state| all.iter().filter(|job| job.state == state).count();
    let (done, failed, left) = (count(State::Done), count(State::Failed), count(State::Unfinished));
    say(format!("{done} done, {failed} failed, {left} unfinished: {}", summary.display()));
    Ok(if left > 0 { ExitCode::from(130) } else { ExitCode::from(u8::from(failed > 0)) })
}

fn main() -> Result<ExitCode> {
    // A second signal ends the program at once, which loses the evaluations since the last checkpoints. SIGHUP is not
    // handled, so that `nohup` can block it.
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 130, Arc::clone(&INTERRUPTED))?;
        flag::register(signal, Arc::clone(&INTERRUPTED))?;
    }
    run(&Args::parse())
}
