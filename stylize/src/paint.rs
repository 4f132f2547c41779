//! The painting job: reads pictures and weights, writes a painting.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use style_transfer::pictures::{self, Picture};
use style_transfer::watch::{Checkpoints, LossPlot, TensorBoard, TensorBoardOptions};
use style_transfer::{Error, ErrorKind, Image, Init, Observer, Optimizer, Plan, Progress, Session, Settings};

use crate::args::{Args, Colours, Size, Start};
use crate::interrupt::Interrupt;
use crate::open::open;
use crate::output::{Log, Output, expect_apart};
use crate::report::Report;
use crate::settings;
use crate::source::{PAINTING, PHOTOGRAPH, Source, expect_one_standard};
use crate::styles::{argument, mask, open_styles, sized, style_scale};
use crate::work::Work;

/// The sides of a seamless picture are multiples of this: a position of block 5, in pixels.
const SEAMLESS_UNIT: usize = 16;

/// The outcome of a job without an error.
pub(crate) enum Outcome {
    Finished,
    Interrupted,
}

/// Runs one job from the command line to the output file.
pub(crate) fn paint(args: &Args, report: &Report, interrupt: &Interrupt) -> Result<Outcome> {
    let content_source = args.content.as_deref().map_or(Source::Sample(PHOTOGRAPH), Source::new);
    let style_sources = match &args.styles[..] {
        [] => vec![Source::Sample(PAINTING)],
        paths => paths.iter().map(|path| Source::new(path)).collect(),
    };

    // All possible errors are detected before the work starts.
    let start_path = if let Some(Start::File(path)) = &args.init { Some(path) } else { None };
    let masks = args.style_mask.iter().chain(&args.style_region).filter_map(|m| m.0.as_ref());
    let masks = masks.chain(&args.content_mask).chain(&args.map).chain(&args.style_map);
    let others = start_path.into_iter().chain(&args.compute.weights).chain(masks);
    let inputs: Vec<PathBuf> = args.content.iter().chain(&args.styles).chain(others).cloned().collect();
    expect_one_standard(&inputs)?;
    let mut output = Output::new(args.output.as_deref(), "stylized.png", args.depth == 16, &inputs)?;
    if output.is_standard() && args.snapshot_every.is_some() {
        return Err(argument("--snapshot-every names its pictures after the result; give -o a file, not -").into());
    }
    let told = [&args.log, &args.plot, &args.checkpoint].into_iter().flatten().map(PathBuf::as_path);
    expect_apart(&inputs, &[output.path()].into_iter().chain(told).collect::<Vec<_>>())?;
    let content = content_source.open(report)?;
    let mut painted = sized(&content, settings::size(args), 1.0)?;
    let content_mask = args.content_mask.as_deref().map(|path| mask(path, &painted.image, report)).transpose()?;
    let styles = open_styles(args, &style_sources, &painted, report)?;
    if args.seamless {
        let whole = |n: usize| ((n + SEAMLESS_UNIT / 2) / SEAMLESS_UNIT).max(1) * SEAMLESS_UNIT;
        painted = painted.stretched(whole(painted.image.width()), whole(painted.image.height()))?;
    }
    let init = args.init.as_ref().map(|start| open_start(start, &painted, report)).transpose()?;
    if !output.carry(painted.extras.clone()) {
        report.say("note: JPEG has no transparency; the result will be opaque (.png, .webp and .tif keep it)");
    }
    let (from, to) = (&content.image, &painted.image);
    let resized =
        if from.width() == to.width() { String::new() } else { format!(" from {}x{}", from.width(), from.height()) };
    let size = (to.width(), to.height());
    report.say(format!("content  {} at {}x{}{resized}", content_source, size.0, size.1));
    let full_sizes: Vec<_> = [[from.width(), from.height()]].into_iter().chain(styles.iter().map(|s| s.full)).collect();
    drop(content);
    for (source, style) in style_sources.iter().zip(&styles) {
        let [width, height] = style.size;
        report.say(format!("style    {source} at {width}x{height}{}", style.regions));
    }
    let network = args.compute.network(report)?;

    let name = match settings::optimizer(args) {
        Optimizer::Adam(_) => "Adam",
        _ => "L-BFGS",
    };
    let (scales, iterations) = settings::scales(args, size);
    let coarse: Vec<_> = scales.iter().map(|s| format!("{} at {} px, ", s.iterations, s.size)).collect();
    let most = if args.until.is_some() { "at most " } else { "" };
    report.say(format!("descent  {name}, {most}{}{iterations} iterations", coarse.concat()));
    let (seen, photograph) = match args.colours {
        Colours::Luminance => (pictures::luminance(&painted.image)?, Some(painted.image)),
        _ => (painted.image, None),
    };
    let mut builder = settings::describe(Session::builder(network), args, size).content(seen);
    for style in styles.into_iter().flat_map(|s| s.styles) {
        builder = builder.style(style);
    }
    if let Some(mask) = content_mask {
        builder = builder.content_mask(mask);
    }
    if let Some(init) = init {
        builder = builder.init(init);
    }
    if let Some(ratio) = args.noise_ratio {
        builder = builder.noise_ratio(ratio);
    }
    let plan = builder.plan().map_err(|e| match e.kind() {
        ErrorKind::TooSmall { least } => {
            let pictures: Vec<_> = [&content_source].into_iter().chain(&style_sources).zip(full_sizes).collect();
            too_small(e, least, args, &pictures)
        }
        _ => e,
    })?;
    if args.plan {
        writeln!(io::stdout(), "{}", plan.to_string().trim_end()).context("cannot tell the plan")?;
        return Ok(Outcome::Finished);
    }
    report.say(memory(&[plan]));
    let kept = args.checkpoint.as_deref().map(Checkpoints::load).transpose()?.flatten();
    let checkpoints = args.checkpoint.as_ref().map(|path| Checkpoints::every(args.every.get(), path)).transpose()?;
    let board = args.tensorboard.as_deref().map(|folder| TensorBoard::create(folder, TensorBoardOptions::default()));
    let board = board.transpose()?;
    let session = match &kept {
        None => builder.build()?,
        Some(checkpoint) => {
            let mut resumed = builder.resume(checkpoint).map_err(|e| match &args.checkpoint {
                Some(path) if e.kind() == ErrorKind::Checkpoint => e.context(path.display()),
                _ => e,
            })?;
            report.say(format!("resumed  after {} iterations", checkpoint.iteration()?));
            // Otherwise the checkpoint's weight counts.
            if let Some(weight) = args.style_strength.or(args.style_weight) {
                resumed.set_style_weight(weight)?;
            }
            resumed
        }
    };
    drop(kept);
    // The log is complete up to the checkpoint.
    let log = args.log.as_deref().map(|path| Log::create(path, &inputs, session.iteration())).transpose()?;
    let [alpha, beta, gamma] = ["content", "style", "tv"].map(|term| session.weight(term));
    if args.tv.is_some() && gamma == 0.0 {
        return Err(argument("--tv chooses a total variation whose weight is 0; give --tv-weight too").into());
    }
    let plot = args.plot.as_deref().map(LossPlot::new).transpose()?;
    let (width, height) = session.size();
    let at = width.max(height);
    let terms = [(alpha, "content"), (beta, "style"), (gamma, "tv")].into_iter().filter(|(weight, _)| *weight != 0.0);
    let terms = terms.map(|(weight, term)| format!("{weight:.4e} {term}"));
    let laplacians = args.laplacian.iter().map(|(weight, side)| format!("{weight:.4e} laplacian of {side}"));
    let losses = settings::losses(args).into_iter().map(|(loss, weight)| format!("{weight:.4e} {loss}"));
    let all: Vec<_> = terms.chain(laplacians).chain(losses).collect();
    report.say(format!("loss     {} at {at} px", all.join(" + ")));
    let watchers = Watchers { checkpoints, board, plot };
    let snapshot_every = args.snapshot_every.map(|n| n.get());
    Job {
        session,
        size,
        output,
        photograph,
        log,
        watchers,
        report,
        snapshot_every,
        until: args.until,
        open: args.open,
        previewed: 0,
        preview: None,
    }
    .run(interrupt)
}

/// The line about memory, and the tiles, of a job that has these plans one after the other.
pub(crate) fn memory(plans: &[Plan]) -> String {
    let peak = plans.iter().map(Plan::peak).max().unwrap_or(0) as f64 / f64::from(1 << 20);
    let tiles = plans.iter().max_by_key(|plan| plan.tiles[0] * plan.tiles[1]);
    let tiles = tiles.map_or(String::new(), |plan| match plan.tiles {
        [1, 1] => String::new(),
        [rows, columns] => {
            let n = rows * columns;
            format!("; in {n} tiles ({rows} x {columns}), which takes {:.1} times as long", plan.work)
        }
    });
    format!("memory   {peak:.0} MiB at most for the network and the picture{tiles}")
}

/// Names the picture that is too small, and the size that would be enough. `pictures` gives the source and its size of
/// each, the content first.
pub(crate) fn too_small(e: Error, least: usize, args: &Args, pictures: &[(&Source, [usize; 2])]) -> Error {
    let size = settings::size(args);
    for (i, (source, [width, height])) in pictures.iter().enumerate() {
        let (option, size, scale) = match i {
            0 => ("--size", size, 1.0),
            i => ("--style-size", args.style_size.unwrap_or(size), style_scale(args, i - 1)),
        };
        let (long, short) = (*width.max(height) as f64, *width.min(height) as f64);
        let factor = match size {
            Size::Native => scale,
            Size::LongSide(n) => scale * f64::from(n) / long,
        };
        if (short * factor).round() < least as f64 {
            let enough = (least as f64 * long / short / scale).ceil();
            return Error::new(e.kind(), format!("{source}: {e}; {option} {enough} would do"));
        }
    }
    e
}

pub(crate) fn open_start(start: &Start, painted: &Picture, report: &Report) -> Result<Init> {
    Ok(match start {
        Start::Content => Init::Content,
        Start::Noise => Init::Noise,
        Start::Style => Init::Style,
        Start::File(path) => {
            let (width, height) = (painted.image.width(), painted.image.height());
            Init::Image(Source::new(path).open(report)?.stretched(width, height)?.image)
        }
    })
}

/// Observers, each active until it fails.
struct Watchers {
    checkpoints: Option<Checkpoints>,
    board: Option<TensorBoard>,
    plot: Option<LossPlot>,
}

/// A running session and its outputs.
struct Job<'a> {
    session: Session,
    /// Width and height of the result.
    size: (usize, usize),
    output: Output,
    /// The picture whose colours the result gets, unless it keeps those it was painted in.
    photograph: Option<Image>,
    log: Option<Log>,
    watchers: Watchers,
    report: &'a Report,
    snapshot_every: Option<usize>,
    /// The fraction of `--until`.
    until: Option<f64>,
    /// Whether to open the picture at the end.
    open: bool,
    /// The last scale at which a preview was attempted.
    previewed: usize,
    /// The preview written by this run.
    preview: Option<PathBuf>,
}

impl Job<'_> {
    /// Steps until the end or until the user stops, then saves. No failure on the way loses the picture: a log or
    /// snapshot that cannot be written is reported at once, and makes the program fail after all else is done.
    fn run(mut self, interrupt: &Interrupt) -> Result<Outcome> {
        let start = Instant::now();
        let resumed = self.session.progress().is_some();
        let done_before = self.session.progress().map_or(0.0, |progress| progress.work_done);
        let mut first = None;
        let mut best = self.session.losses().map_or(f64::NAN, |losses| losses.total);
        let mut failed = None;
        self.report.start_bar(self.until.is_some());
        while !self.session.is_finished() && !interrupt.asked() {
            match self.session.step() {
                Ok(progress) => {
                    first.get_or_insert(progress.losses.total);
                    if progress.accepted {
                        // The picture is now the one just evaluated; otherwise that was only a trial.
                        best = progress.losses.total;
                    }
                    let progress = progress.clone();
                    let work = Work { done: progress.work_done - done_before, left: progress.work_left };
                    self.report.progress(&progress, best, work);
                    failed = self.record(&progress, start.elapsed()).or(failed);
                }
                Err(e) => {
                    failed = Some(anyhow::Error::new(e).context("it ended early; the picture is the one so far"));
                    break;
                }
            }
        }
        self.report.end_bar();
        failed = failed.or(self.end_watching());
        let Some(last) = self.session.progress().cloned() else {
            self.report.say("ended before the first iteration: there is no picture");
            return failed.map_or(Ok(Outcome::Interrupted), Err);
        };
        let (name, start_to_end) = (self.output.name(), start.elapsed());
        let (report, preview, until) = (self.report, self.preview.take(), self.until);
        let to_open = (self.open && !self.output.is_standard()).then(|| self.output.path().to_owned());
        self.save()?;
        if let Some(preview) = preview {
            let _ = std::fs::remove_file(preview); // a leftover preview is harmless
        }
        let how = match () {
            () if interrupt.asked() => ", ended early as asked",
            () if last.converged && until.is_some_and(|fraction| fraction > Settings::GOOD) => ", as --until asks",
            () if last.converged => ", where more would change little",
            () => "",
        };
        let enlarged = match last.scale + 1 < last.scales {
            true => format!(", painted at {}x{} and enlarged", last.width, last.height),
            false => String::new(),
        };
        // The losses of two sizes, or of a job's two parts, say nothing together.
        let first = first.filter(|_| last.scales == 1 && !resumed);
        let from = first.map_or(String::new(), |first| format!("{first:.4e} at the start, "));
        report.say(format!(
            "wrote    {name} after {} iterations in {start_to_end:.1?}{how}{enlarged}: loss {from}{best:.4e} at the end",
            last.iteration,
        ));
        if let Some(path) = to_open
            && !open(path.as_os_str())
        {
            report.say("note: no program could be started to show the picture");
        }
        if last.diverged {
            report.say("warning: the picture is worse than the start, by its loss; use a smaller --learning-rate");
        }
        match failed {
            Some(e) => Err(e),
            None if interrupt.asked() => Ok(Outcome::Interrupted),
            None => Ok(Outcome::Finished),
        }
    }

    /// Logs and saves one evaluation; returns its errors.
    fn record(&mut self, progress: &Progress, since_start: Duration) -> Option<anyhow::Error> {
        let mut failed = None;
        if let Some(Err(e)) = self.log.as_mut().map(|log| log.write(progress, since_start)) {
            self.report.warn(&e);
            self.log = None;
            failed = Some(anyhow::Error::new(e).context("the picture is painted, but its log is incomplete"));
        }
        failed = self.watch(progress).or(failed);
        self.preview(progress, since_start);
        self.report.picture(|| finished(self.session.image()?, self.size, self.photograph.as_ref()));
        let done = progress.iteration;
        if self.snapshot_every.is_some_and(|n| done.is_multiple_of(n)) {
            let finished = |image| finished(image, self.size, self.photograph.as_ref());
            let image = self.session.image().and_then(finished);
            let saved = image.and_then(|image| self.output.save_snapshot(image, done));
            if let Err(e) = saved {
                self.report.warn(&e);
                failed = Some(anyhow::Error::new(e).context("the picture is painted, but a snapshot is missing"));
            }
        }
        failed
    }

    /// Saves the picture so far, at the result's size, after each coarse scale. It was not requested, so a failure is
    /// printed and stops nothing, and an existing file is kept.
    fn preview(&mut self, progress: &Progress, since_start: Duration) {
        if progress.scale <= self.previewed {
            return;
        }
        let first = self.previewed == 0;
        self.previewed = progress.scale;
        let Some(path) = self.output.preview() else { return };
        if self.preview.is_none() && path.exists() {
            if first {
                self.report.say(format!("preview  none: {} exists; delete or rename it to see one", path.display()));
            }
            return;
        }
        let image = self.session.image().and_then(|image| finished(image, self.size, self.photograph.as_ref()));
        if let Err(e) = image.and_then(|image| self.output.save_preview(image, &path)) {
            self.report.warn(&e);
            return;
        }
        if first {
            self.report.say(format!("preview  {} after {since_start:.1?}, until the result is there", path.display()));
        }
        self.preview = Some(path);
    }

    /// Shows one evaluation to the observers; a failed observer is reported and then skipped.
    fn watch(&mut self, progress: &Progress) -> Option<anyhow::Error> {
        let Watchers { checkpoints, board, plot } = &mut self.watchers;
        let kept_failed = checkpoints.as_mut().and_then(|kept| kept.observe(progress, &self.session).err());
        let board_failed = board.as_mut().and_then(|board| board.observe(progress, &self.session).err());
        let plot_failed = plot.as_mut().and_then(|plot| plot.observe(progress, &self.session).err());
        if board_failed.is_some() {
            self.watchers.board = None;
        }
        if plot_failed.is_some() {
            self.watchers.plot = None;
        }
        // The next checkpoint may succeed: the disk may have space again.
        self.unwatched([kept_failed, board_failed, plot_failed])
    }

    fn end_watching(&mut self) -> Option<anyhow::Error> {
        let Watchers { checkpoints, board, plot } = &mut self.watchers;
        let kept_failed = checkpoints.as_mut().and_then(|kept| kept.finish(&self.session).err());
        let board_failed = board.as_mut().and_then(|board| board.finish(&self.session).err());
        let plot_failed = plot.as_mut().and_then(|plot| plot.finish(&self.session).err());
        self.unwatched([kept_failed, board_failed, plot_failed])
    }

    fn unwatched(&self, failed: [Option<Error>; 3]) -> Option<anyhow::Error> {
        let mut last = None;
        for e in failed.into_iter().flatten() {
            self.report.warn(&e);
            last = Some(anyhow::Error::new(e).context("the picture is painted, but not all of it was recorded"));
        }
        last
    }

    /// Saves the picture so far, elsewhere if its own path fails.
    fn save(self) -> Result<()> {
        let image = finished(self.session.into_image()?, self.size, self.photograph.as_ref())?;
        self.output.save_or_rescue(&self.output.finished(image))
    }
}

/// The picture to save: scaled to the result's size if the session has not reached it, and in the photograph's colours
/// if they are kept.
pub(crate) fn finished(
    image: Image,
    size: (usize, usize),
    photograph: Option<&Image>,
) -> style_transfer::Result<Image> {
    let image = if (image.width(), image.height()) == size { image } else { image.resized(size.0, size.1)? };
    match photograph {
        None => Ok(image),
        Some(photograph) => pictures::keep_colours(&image, photograph),
    }
}
