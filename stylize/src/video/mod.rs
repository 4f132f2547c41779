//! `stylize video`: frames in, painted frames out, each steadied by the one before.

mod ffmpeg;
mod frames;
mod note;
mod steady;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use style_transfer::losses::Temporal;
use style_transfer::pictures::{self, Format, Picture};
use style_transfer::{ContentWeight, Image, Init, Network, Session, SessionBuilder, Style, Targets};
use tempfile::TempDir;

use crate::args::{Args, Colours, Size};
use crate::interrupt::Interrupt;
use crate::paint::{self, Outcome, finished, open_start};
use crate::report::Report;
use crate::settings;
use crate::source::{PAINTING, Source, is_standard};
use crate::styles::{argument, open_styles, refuse, sized};
use frames::Frames;
use steady::Change;

/// The default folder of painted frames.
const FOLDER: &str = "out/video";

/// The folder in it of frames taken from a video.
const TAKEN: &str = ".frames";

/// The default rate of a video that is written from a folder of frames.
const RATE: &str = "25";

/// The weight of the temporal loss for a steadiness of 1, in units of the relative losses.
const HELD: f64 = 2e-4;

/// The options of a video.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct VideoArgs {
    #[command(flatten)]
    pub(crate) paint: Args,

    /// Evaluations of each further frame; twice as many where something moved: once for the frame by itself, once from the frame
    /// before. --iterations are those of the first frame, and of the first after a cut
    #[arg(long, value_name = "N", default_value_t = 20, help_heading = "Video")]
    pub(crate) next_iterations: usize,

    /// How strongly a frame is held to the one before where nothing moved: 0 only starts it there. It needs relative weights: with
    /// --balance, absolute weights or a preset that has them it does little
    #[arg(long, value_name = "F", default_value_t = 1.0, allow_negative_numbers = true, help_heading = "Video")]
    pub(crate) steadiness: f64,

    /// Frames per second of the video that is written, and of those that are taken from a video [default: the video's, or 25]
    #[arg(long, value_name = "N", value_parser = ffmpeg::fps, help_heading = "Video")]
    pub(crate) fps: Option<String>,
}

/// The files of a job.
struct Files {
    /// Each frame, and where it goes.
    frames: Vec<(PathBuf, PathBuf)>,
    folder: PathBuf,
    /// The video to write and its rate, if it is to be one.
    video: Option<(PathBuf, String)>,
    /// The video with the sound.
    sound: Option<PathBuf>,
    /// The rate of the frames taken from a video, and their folder.
    taken: Option<(String, TempDir)>,
}

/// Paints all frames that are not there yet, and joins them to a video if asked.
pub(crate) fn run(args: &VideoArgs, report: &Report, interrupt: &Interrupt) -> Result<Outcome> {
    let options = &args.paint;
    check(args)?;
    let sources: Vec<_> = match &options.styles[..] {
        [] => vec![Source::Sample(PAINTING)],
        paths => paths.iter().map(|path| Source::new(path)).collect(),
    };
    if sources.iter().any(|source| matches!(source, Source::StandardInput)) {
        return Err(argument("a video takes its paintings from files, not from the standard input").into());
    }
    let files = files(args, report)?;
    if options.plan {
        let described = Args { content: Some(files.frames[0].0.clone()), output: None, ..options.clone() };
        return paint::paint(&described, report, interrupt);
    }
    let first = Frame::open(&files.frames[0].0, options, report)?;
    let missing = files.frames.iter().filter(|(_, to)| !to.exists()).count();
    let all = files.frames.len();
    let taken = files.taken.as_ref().map(|(rate, _)| rate.as_str());
    note::keep(&files.folder, args, &sources, first.full, taken, missing < all)?;
    if args.steadiness > 0.0 && !is_relative(options) {
        report.say("note: without relative weights --steadiness does little; frames still start from the one before");
    }
    if missing > 0 {
        let start = Instant::now();
        let mut painter = Painter::new(args, report, &sources, first)?;
        let outcome = painter.paint(&files.frames, interrupt)?;
        let done = painter.done;
        let there = match all - missing {
            0 => String::new(),
            n => format!("; {n} were there already"),
        };
        report.say(format!(
            "wrote    {done} of {all} frames to {} in {:.1?}{there}",
            files.folder.display(),
            start.elapsed()
        ));
        if let Outcome::Interrupted = outcome {
            report.say("video    ended early as asked; the same command goes on");
            return Ok(Outcome::Interrupted);
        }
    } else {
        report.say(format!("video    all {all} frames are in {} already", files.folder.display()));
    }
    let mut result = files.folder.clone();
    if let Some((video, rate)) = &files.video {
        ffmpeg::join(&files.folder, all, rate, files.sound.as_deref(), video)?;
        report.say(format!("wrote    {} at {rate} frames per second", video.display()));
        result.clone_from(video);
    }
    if options.open && !crate::open::open(result.as_os_str()) {
        report.say("note: no program could be started to show the video");
    }
    Ok(Outcome::Finished)
}

/// Whether losses are relative to their targets, so that the temporal loss has its weight among them.
fn is_relative(options: &Args) -> bool {
    let absolute = [options.content_weight, options.content_mean_weight, options.style_weight];
    let of_preset = options.preset.map(|preset| preset.settings().content_weight);
    !options.balance
        && absolute.iter().all(Option::is_none)
        && of_preset.is_none_or(|weight| weight == ContentWeight::Relative)
}

fn check(args: &VideoArgs) -> Result<()> {
    refuse("a video", &args.paint)?;
    if args.paint.snapshot_every.is_some() {
        return Err(argument("--snapshot-every is for one picture; a video cannot use it").into());
    }
    if args.paint.seamless {
        return Err(argument("--seamless is for a texture; a video cannot use it").into());
    }
    if args.next_iterations == 0 {
        return Err(argument("--next-iterations must be at least 1").into());
    }
    if !(args.steadiness >= 0.0 && args.steadiness.is_finite()) {
        return Err(argument(format!("--steadiness must be 0 or more, but is {}", args.steadiness)).into());
    }
    Ok(())
}

/// Finds the frames, takes them from a video if they are in one, and makes the folder for the painted ones.
fn files(args: &VideoArgs, report: &Report) -> Result<Files> {
    let options = &args.paint;
    let Some(input) = &options.content else {
        return Err(argument("a video needs frames: stylize video FRAMES PAINTING -o FOLDER").into());
    };
    let output = options.output.clone().unwrap_or_else(|| FOLDER.into());
    if is_standard(&output) {
        return Err(argument("a video is written to a folder or a file, not to the standard output").into());
    }
    let found = frames::frames(input)?;
    let to_video = ffmpeg::is_video(&output);
    if to_video || matches!(found, Frames::Video(_)) {
        ffmpeg::expect_installed()?;
    }
    let folder = match to_video {
        true => output.with_file_name(format!("{}_frames", output.file_stem().unwrap_or_default().to_string_lossy())),
        false => output.clone(),
    };
    let display = folder.display();
    if folder.is_file() {
        return Err(argument(format!("{display} is a file; a video needs a folder for its painted frames")).into());
    }
    if to_video && output.is_dir() {
        return Err(argument(format!("{} is a folder; give the video a file name", output.display())).into());
    }
    if let (Ok(a), Ok(b)) = (input.canonicalize(), output.canonicalize())
        && a == b
    {
        let message = "is read and written; choose another name for the result";
        return Err(argument(format!("{} {message}", output.display())).into());
    }
    if let Frames::Pictures(all) = &found {
        let here = |path: &PathBuf| path.parent().and_then(|folder| folder.canonicalize().ok());
        if let Ok(folder) = folder.canonicalize()
            && all.iter().any(|path| here(path).as_ref() == Some(&folder))
        {
            let message = "is read and written; choose another folder for the painted frames";
            return Err(argument(format!("{display} {message}")).into());
        }
    }
    if !options.plan {
        fs::create_dir_all(&folder).with_context(|| format!("cannot create the folder {display}"))?;
    }
    let (photos, sound, rate, taken) = match found {
        Frames::Pictures(all) => (all, None, args.fps.clone().unwrap_or(RATE.into()), None),
        Frames::Video(video) => {
            let rate = args.fps.clone().map_or_else(|| ffmpeg::rate(&video), Ok)?;
            // One that was left when the program was killed has the same name.
            let (beside, random) = if options.plan { (std::env::temp_dir(), 6) } else { (folder.clone(), 0) };
            let _ = fs::remove_dir_all(folder.join(TAKEN));
            let taken = tempfile::Builder::new().prefix(TAKEN).rand_bytes(random).tempdir_in(&beside);
            let taken = taken.with_context(|| format!("cannot create a folder in {}", beside.display()))?;
            let side = if let Size::LongSide(n) = settings::size(options) { Some(n) } else { None };
            let all = ffmpeg::extract(&video, &rate, side, taken.path())?;
            report.say(format!("frames   {} of {} at {rate} per second", all.len(), video.display()));
            (all, Some(video), rate.clone(), Some((rate, taken)))
        }
    };
    let name = |i: usize, path: &Path| match to_video || sound.is_some() {
        true => ffmpeg::name(i + 1),
        false => format!("{}.png", path.file_stem().unwrap_or_default().to_string_lossy()),
    };
    let frames: Vec<_> = photos.into_iter().enumerate().map(|(i, from)| (name(i, &from), from)).collect();
    let mut names: Vec<_> = frames.iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        bail!("two frames would be {}; rename one", folder.join(twice[0]).display());
    }
    let frames = frames.into_iter().map(|(name, from)| (from, folder.join(name))).collect();
    Ok(Files { frames, folder, video: to_video.then_some((output, rate)), sound, taken })
}

/// A frame to paint.
struct Frame {
    picture: Picture,
    /// What the network sees of it: its luminance if the colours are kept.
    seen: Image,
    /// Width and height in the file.
    full: [usize; 2],
}

impl Frame {
    fn open(path: &Path, options: &Args, report: &Report) -> Result<Self> {
        let full = Source::new(path).open(report)?;
        let picture = sized(&full, settings::size(options), 1.0).with_context(|| path.display().to_string())?;
        let seen = seen(options, &picture.image)?;
        Ok(Self { picture, seen, full: [full.image.width(), full.image.height()] })
    }

    fn size(&self) -> (usize, usize) {
        (self.seen.width(), self.seen.height())
    }
}

fn seen(options: &Args, image: &Image) -> Result<Image> {
    Ok(if options.colours == Colours::Luminance { pictures::luminance(image)? } else { image.clone() })
}

/// What all frames share.
struct Painter<'a> {
    args: &'a VideoArgs,
    report: &'a Report,
    network: Arc<Network>,
    styles: Vec<Style>,
    /// The styles' targets at the size of the frames; `None` if a loss needs the paintings themselves.
    targets: Option<Arc<Targets>>,
    start: Option<Init>,
    size: (usize, usize),
    full: [usize; 2],
    /// Frames painted by this run.
    done: usize,
}

impl<'a> Painter<'a> {
    fn new(args: &'a VideoArgs, report: &'a Report, sources: &[Source], first: Frame) -> Result<Self> {
        let options = &args.paint;
        let opened = open_styles(options, sources, &first.picture, report)?;
        let start = options.init.as_ref().map(|start| open_start(start, &first.picture, report)).transpose()?;
        let (size, full) = (first.size(), first.full);
        report.say(format!("frames   {}x{} at {}x{}", full[0], full[1], size.0, size.1));
        for (source, style) in sources.iter().zip(&opened) {
            report.say(format!("style    {source} at {}x{}", style.size[0], style.size[1]));
        }
        let network = Arc::new(options.compute.network(report)?);
        let styles = opened.into_iter().flat_map(|style| style.styles).collect();
        let mut painter = Self { args, report, network, styles, targets: None, start, size, full, done: 0 };
        if settings::losses(options).is_empty() {
            let builder = settings::describe(Session::builder(Arc::clone(&painter.network)), options, size);
            painter.targets = Some(painter.with_styles(builder.scales(vec![])).targets()?);
        }
        Ok(painter)
    }

    /// Paints the frames that are not there, in order.
    fn paint(&mut self, frames: &[(PathBuf, PathBuf)], interrupt: &Interrupt) -> Result<Outcome> {
        let missing: Vec<_> = (0..frames.len()).filter(|&i| !frames[i].1.exists()).collect();
        let mut last: Option<(usize, Frame)> = None;
        self.report.start_bar(missing.len());
        for (k, &i) in missing.iter().enumerate() {
            let (from, to) = &frames[i];
            let frame = self.open(from)?;
            let before = match last.take() {
                _ if i == 0 => None,
                Some((j, before)) if j + 1 == i => Some(before),
                _ => Some(self.open(&frames[i - 1].0)?),
            };
            // As it is in its file, so that a run that goes on gives the same frames.
            let before = before.map(|before| Ok::<_, anyhow::Error>((before, self.painted(&frames[i - 1].1)?)));
            let Some(image) = self.one(&frame, before.transpose()?, (k, missing.len()), interrupt)? else {
                self.report.end_bar();
                return Ok(Outcome::Interrupted);
            };
            let photograph = (self.args.paint.colours == Colours::Luminance).then_some(&frame.picture.image);
            let extras = frame.picture.extras.clone();
            let picture = Picture { image: finished(image, self.size, photograph)?, extras };
            picture.save_as(to, if self.args.paint.depth == 16 { Format::Png16 } else { Format::Png })?;
            self.done += 1;
            last = Some((i, frame));
        }
        self.report.end_bar();
        Ok(Outcome::Finished)
    }

    fn open(&self, path: &Path) -> Result<Frame> {
        let frame = Frame::open(path, &self.args.paint, self.report)
            .context("a frame cannot be read; replace it, then the same command goes on")?;
        let ([width, height], [first_width, first_height]) = (frame.full, self.full);
        if frame.full != self.full {
            bail!(
                "{}: the frame has {width}x{height} pixels, but the first has {first_width}x{first_height}; give all frames \
                 one size, then the same command goes on",
                path.display()
            );
        }
        Ok(frame)
    }

    /// A painted frame, as the network sees it.
    fn painted(&self, path: &Path) -> Result<Image> {
        let image = Picture::open(path)?.image;
        let (width, height) = self.size;
        if (image.width(), image.height()) != self.size {
            let (found, other) = (image.width(), image.height());
            bail!(
                "{}: expected a painted frame of {width}x{height} pixels, found {found}x{other}; delete it",
                path.display()
            );
        }
        seen(&self.args.paint, &image)
    }

    /// Paints a frame, given the one before and what was painted of it; `None` if the user stopped it.
    fn one(
        &self,
        frame: &Frame,
        before: Option<(Frame, Image)>,
        (done, all): (usize, usize),
        interrupt: &Interrupt,
    ) -> Result<Option<Image>> {
        let steps = |builder: SessionBuilder| -> Result<Option<Image>> {
            let mut session = builder.build()?;
            while !session.is_finished() && !interrupt.asked() {
                let progress = session.step()?;
                self.report.frame(done, all, progress);
                self.report.picture(|| session.image());
            }
            Ok(if interrupt.asked() { None } else { Some(session.into_image()?) })
        };
        let change =
            before.map(|(before, painted)| (Change::between(&before.picture.image, &frame.picture.image), painted));
        let Some((change, painted)) = change.filter(|(change, _)| !change.is_cut()) else {
            return steps(self.first(frame, self.args.paint.iterations));
        };
        let start = if change.is_anywhere() {
            let Some(fresh) = steps(self.first(frame, Some(self.args.next_iterations)))? else { return Ok(None) };
            change.start(&painted, &fresh)?
        } else {
            painted.clone()
        };
        steps(self.next(frame, &change, painted, start))
    }

    fn describe(&self, frame: &Frame, iterations: Option<usize>) -> SessionBuilder {
        let options = Args { iterations, ..self.args.paint.clone() };
        settings::describe(Session::builder(Arc::clone(&self.network)), &options, self.size).content(frame.seen.clone())
    }

    fn with_styles(&self, builder: SessionBuilder) -> SessionBuilder {
        self.styles.iter().cloned().fold(builder, SessionBuilder::style)
    }

    /// A frame by itself.
    fn first(&self, frame: &Frame, iterations: Option<usize>) -> SessionBuilder {
        let mut builder = self.with_styles(self.describe(frame, iterations));
        if let Some(init) = &self.start {
            builder = builder.init(init.clone());
        }
        if let Some(ratio) = self.args.paint.noise_ratio {
            builder = builder.noise_ratio(ratio);
        }
        builder
    }

    /// A frame that is held to the painted one before it where nothing moved.
    fn next(&self, frame: &Frame, change: &Change, painted: Image, start: Image) -> SessionBuilder {
        let builder = self.describe(frame, Some(self.args.next_iterations)).scales(vec![]).init(Init::Image(start));
        let builder = match &self.targets {
            Some(targets) => builder.with_targets(targets),
            None => self.with_styles(builder),
        };
        match change.same() {
            Some(mask) if self.args.steadiness > 0.0 => {
                builder.loss(HELD * self.args.steadiness, Temporal { before: painted, mask })
            }
            _ => builder,
        }
    }
}
