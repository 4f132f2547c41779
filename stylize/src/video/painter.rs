//! Paints the frames in order, each from the one before.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use style_transfer::losses::Temporal;
use style_transfer::models::Loaded;
use style_transfer::pictures::{self, Format, Picture};
use style_transfer::{ErrorKind, Image, Init, Mask, Network, Plan, Session, SessionBuilder, Settings, Style, Targets};

use crate::args::{Args, Colours, Start};
use crate::interrupt::Interrupt;
use crate::paint::{Outcome, finished, open_start, too_small};
use crate::report::Report;
use crate::settings;
use crate::source::Source;
use crate::styles::{open_styles, sized};
use crate::video::args::VideoArgs;
use crate::video::files::{DAMAGED, expect_size};
use crate::video::steady::Change;
use crate::work::VideoWork;

/// The weight of the temporal loss for a steadiness of 1, in units of the relative losses.
const HELD: f64 = 2e-4;

/// A frame to paint.
pub(super) struct Frame {
    picture: Picture,
    /// What the network sees of it: its luminance if the colours are kept.
    seen: Image,
    /// Width and height in the file.
    pub(super) full: [usize; 2],
}

impl Frame {
    pub(super) fn open(path: &Path, options: &Args, report: &Report) -> Result<Self> {
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
pub(super) struct Painter<'a> {
    args: &'a VideoArgs,
    report: &'a Report,
    network: Arc<Network>,
    styles: Vec<Style>,
    /// The pictures and their sizes in their files, the first frame before the styles.
    sources: Vec<(Source, [usize; 2])>,
    /// The styles' targets at the size of the frames; `None` if they are not shared.
    targets: Option<Arc<Targets>>,
    start: Option<Init>,
    pub(super) size: (usize, usize),
    full: [usize; 2],
    /// The work of a frame by itself, with the iterations of a first frame and with those of a further one.
    alone: [f64; 2],
    work: VideoWork,
    /// Frames painted by this run.
    pub(super) done: usize,
}

impl<'a> Painter<'a> {
    pub(super) fn new(
        args: &'a VideoArgs,
        report: &'a Report,
        sources: &[Source],
        path: &Path,
        first: &Frame,
        weights: Loaded,
    ) -> Result<Self> {
        let options = &args.paint;
        let opened = open_styles(options, sources, &first.picture, report)?;
        let start = options.init.as_ref().map(|start| open_start(start, &first.picture, report)).transpose()?;
        let (size, full) = (first.size(), first.full);
        report.say(format!("frames   {}x{} at {}x{}", full[0], full[1], size.0, size.1));
        for (source, style) in sources.iter().zip(&opened) {
            report.say(format!("style    {source} at {}x{}", style.size[0], style.size[1]));
        }
        let network = Arc::new(options.compute.network_of(weights, report)?);
        let pictures = sources.iter().cloned().zip(opened.iter().map(|style| style.full));
        let sources = [(Source::new(path), full)].into_iter().chain(pictures).collect();
        let styles = opened.into_iter().flat_map(|style| style.styles).collect();
        let alone = [options.iterations, Some(args.next_iterations)].map(|iterations| {
            let (scales, iterations) = settings::scales(&Args { iterations, ..options.clone() }, size);
            Settings { scales, iterations, ..Settings::default() }.work(size.0.max(size.1))
        });
        let work = VideoWork::new(alone[1] + args.next_iterations as f64);
        Ok(Self { args, report, network, styles, sources, targets: None, start, size, full, alone, work, done: 0 })
    }

    /// The settings of a first frame.
    pub(super) fn described(&self, first: &Frame) -> Settings {
        self.describe(first, self.args.paint.iterations).current_settings().clone()
    }

    /// What painting a first frame takes, and a further one if there is any.
    pub(super) fn plans(&self, first: &Frame, frames: usize) -> Result<Vec<Plan>> {
        let named = |e: style_transfer::Error| match e.kind() {
            ErrorKind::TooSmall { least } => {
                let pictures: Vec<_> = self.sources.iter().map(|(source, size)| (source, *size)).collect();
                too_small(e, least, &self.args.paint, &pictures)
            }
            _ => e,
        };
        let mut plans = vec![self.first(first, self.args.paint.iterations).plan().map_err(named)?];
        if frames > 1 {
            // As if nothing moved.
            let same = Change::between(&first.seen, &first.seen).same();
            plans.push(self.next(first, same, first.seen.clone(), first.seen.clone()).plan().map_err(named)?);
        }
        Ok(plans)
    }

    /// Computes what all frames share.
    pub(super) fn prepare(&mut self, plan: &Plan) -> Result<()> {
        // Targets are computed without tiles, so not where memory is short.
        let room = self.args.paint.memory.is_none() && plan.tiles == [1, 1];
        if room && settings::losses(&self.args.paint).is_empty() {
            let builder = settings::describe(Session::builder(Arc::clone(&self.network)), &self.args.paint, self.size);
            self.targets = Some(self.with_styles(builder.scales(vec![])).targets()?);
        }
        Ok(())
    }

    /// Paints the frames that are not there, in order.
    pub(super) fn paint(&mut self, frames: &[(PathBuf, PathBuf)], interrupt: &Interrupt) -> Result<Outcome> {
        let missing: Vec<_> = (0..frames.len()).filter(|&i| !frames[i].1.exists()).collect();
        let mut last: Option<(usize, Frame)> = None;
        self.report.start_bar(self.args.paint.until.is_some());
        for (k, &i) in missing.iter().enumerate() {
            if interrupt.asked() {
                self.report.end_bar();
                return Ok(Outcome::Interrupted);
            }
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
            let extras = frame.picture.extras.clone();
            let picture = Picture { image: self.finished(&frame, image)?, extras };
            picture.save_as(to, if self.args.paint.depth == 16 { Format::Png16 } else { Format::Png })?;
            self.done += 1;
            last = Some((i, frame));
        }
        self.report.end_bar();
        Ok(Outcome::Finished)
    }

    /// The picture to save, and to show on the way.
    fn finished(&self, frame: &Frame, image: Image) -> style_transfer::Result<Image> {
        let photograph = (self.args.paint.colours == Colours::Luminance).then_some(&frame.picture.image);
        finished(image, self.size, photograph)
    }

    fn open(&self, path: &Path) -> Result<Frame> {
        let frame = Frame::open(path, &self.args.paint, self.report)
            .context("a frame cannot be read; replace it, then the same command goes on")?;
        let ([width, height], [first_width, first_height]) = (frame.full, self.full);
        // It may have changed since all were compared.
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
        let image = Picture::open(path).context(DAMAGED)?.image;
        expect_size(path, (image.width(), image.height()), self.size)?;
        seen(&self.args.paint, &image)
    }

    /// Paints a frame, given the one before and what was painted of it; `None` if the user stopped it. `count` is the number of
    /// frames that are done, and of all.
    fn one(
        &mut self,
        frame: &Frame,
        before: Option<(Frame, Image)>,
        count: (usize, usize),
        interrupt: &Interrupt,
    ) -> Result<Option<Image>> {
        let after = count.1 - count.0 - 1;
        let change =
            before.map(|(before, painted)| (Change::between(&before.picture.image, &frame.picture.image), painted));
        let [alone, anew] = self.alone;
        let Some((change, painted)) = change.filter(|(change, _)| !change.is_cut()) else {
            self.work.begin(alone, after);
            let builder = self.first(frame, self.args.paint.iterations);
            let image = self.steps(frame, builder, (0.0, 0.0), count, interrupt)?;
            self.work.end(false);
            return Ok(image);
        };
        let held = self.args.next_iterations as f64;
        let moved = if change.is_anywhere() { anew } else { 0.0 };
        self.work.begin(moved + held, after);
        let start = if change.is_anywhere() {
            let builder = self.first(frame, Some(self.args.next_iterations));
            let Some(fresh) = self.steps(frame, builder, (0.0, held), count, interrupt)? else { return Ok(None) };
            change.start(&painted, &fresh)?
        } else {
            painted.clone()
        };
        let builder = self.next(frame, change.same(), painted, start);
        let image = self.steps(frame, builder, (self.work.of_frame(), 0.0), count, interrupt)?;
        self.work.end(true);
        Ok(image)
    }

    /// Takes the steps of a session, before and after which there is so much work for the same frame; `None` if the user stopped it.
    fn steps(
        &mut self,
        frame: &Frame,
        builder: SessionBuilder,
        (before, after): (f64, f64),
        (done, all): (usize, usize),
        interrupt: &Interrupt,
    ) -> Result<Option<Image>> {
        let mut session = builder.build()?;
        while !session.is_finished() && !interrupt.asked() {
            let progress = session.step()?;
            self.work.at(before + progress.work_done, progress.work_left + after);
            self.report.frame(done, all, &self.work);
            self.report.picture(|| self.finished(frame, session.image()?));
        }
        Ok(if interrupt.asked() { None } else { Some(session.into_image()?) })
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

    /// A frame that starts from `start`, and is held to the painted one before it where it is the `same`.
    fn next(&self, frame: &Frame, same: Option<Mask>, painted: Image, start: Image) -> SessionBuilder {
        let builder = self.describe(frame, Some(self.args.next_iterations)).scales(vec![]).init(Init::Image(start));
        // Without scales all iterations are at the size of the frame.
        let builder = builder.iterations(self.args.next_iterations);
        let builder = match &self.targets {
            Some(targets) => builder.with_targets(targets),
            None => self.with_styles(builder),
        };
        match same {
            Some(mask) if self.args.steadiness > 0.0 => {
                builder.loss(HELD * self.args.steadiness, Temporal { before: painted, mask })
            }
            _ => builder,
        }
    }
}

/// The file that a frame by itself starts from, if it is one.
pub(super) fn start_file(options: &Args) -> Option<&Path> {
    match &options.init {
        Some(Start::File(path)) => Some(path),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::preview::Preview;
    use crate::cli::{Cli, Command};
    use crate::source::PAINTING;

    #[test]
    fn a_frame_that_follows_gets_all_its_evaluations() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("frame.png");
        let grey = Image::from_rgb8(40, 32, &[90; 40 * 32 * 3]).expect("an image");
        pictures::save(&path, &grey).expect("saves");
        let line = "stylize video frames --size 256 --iterations 30 --next-iterations 9";
        let Some(Command::Video(args)) = Cli::parse_from(line.split(' ')).command else { panic!("a video") };
        let report = Report::new(true, Preview::Off);
        let first = Frame::open(&path, &args.paint, &report).expect("opens");
        let weights = args.paint.compute.weights().expect("loads");
        let painter =
            Painter::new(&args, &report, &[Source::Sample(PAINTING)], &path, &first, weights).expect("starts");
        let next = painter.next(&first, None, first.seen.clone(), first.seen.clone());
        assert_eq!((next.current_settings().iterations, next.current_settings().scales.len()), (9, 0));
        // By itself it is painted at smaller sizes too, which takes some of its time.
        let fresh = painter.first(&first, Some(args.next_iterations));
        let (scales, iterations) = (&fresh.current_settings().scales, fresh.current_settings().iterations);
        assert!(iterations < 9 && scales.iter().map(|scale| scale.size).eq([128, 181]), "{iterations} {scales:?}");
        // Both are the work of a frame in which something moved.
        let expected = iterations as f64 + 3.0 * (0.25 + (181.0 / 256.0f64).powi(2)) + 9.0;
        assert_eq!(painter.alone[1] + 9.0, expected);
    }
}
