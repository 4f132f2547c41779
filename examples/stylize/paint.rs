//! The work: pictures and weights in, a painting out.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use style_pictures::Picture;
use style_transfer::models::{self, LoadOptions, Loaded, Vgg};
use style_transfer::{Backend, Error, ErrorKind, Init, Network, Optimizer, Progress, Session, SessionBuilder};

use crate::args::{Args, Size, Start};
use crate::interrupt::Interrupt;
use crate::output::{Log, Output};
use crate::report::Report;
use crate::settings::Settings;

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/images");
const SAMPLE_CONTENT: &str = "cat.jpg";
const SAMPLE_STYLE: &str = "swirls.jpg";

/// How a job without an error ended.
pub(crate) enum Outcome {
    Finished,
    Interrupted,
}

/// Does one job from the command line to the file.
pub(crate) fn paint<B: Backend>(backend: B, args: &Args, report: &Report, interrupt: &Interrupt) -> Result<Outcome> {
    let settings = Settings::new(args);
    let sample = |name: &str| Path::new(SAMPLES).join(name);
    let content_path = args.content.clone().unwrap_or_else(|| sample(SAMPLE_CONTENT));
    let style_paths = if args.styles.is_empty() { vec![sample(SAMPLE_STYLE)] } else { args.styles.clone() };

    // All that can be wrong is found before the work starts.
    let start_path = if let Start::File(path) = &settings.start { Some(path) } else { None };
    let others = start_path.into_iter().chain(&args.weights);
    let inputs: Vec<PathBuf> = [&content_path].into_iter().chain(&style_paths).chain(others).cloned().collect();
    let mut output = Output::new(args.output.as_deref(), &inputs)?;
    let content = Picture::open(&content_path)?;
    let painted = sized(&content, args.size, 1.0)?;
    let styles = open_styles(args, &style_paths)?;
    let init = start(&settings, &painted)?;
    if !output.carry(painted.extras.clone()) {
        report.say("note: JPEG has no transparency; the result will be opaque (.png and .webp keep it)");
    }
    let weights = weights(args)?;
    let network = Network::new(backend, weights.model())?;

    let (from, to) = (&content.image, &painted.image);
    let resized =
        if from.width() == to.width() { String::new() } else { format!(" from {}x{}", from.width(), from.height()) };
    report.say(format!("content  {} at {}x{}{resized}", content_path.display(), to.width(), to.height()));
    for (path, style) in style_paths.iter().zip(&styles) {
        report.say(format!("style    {} at {}x{}", path.display(), style.image.width(), style.image.height()));
    }
    let sha256 = weights.sha256().get(..16).unwrap_or_default();
    report.say(format!("network  {}, {}, sha256 {sha256}...", network.name(), weights.format()));
    report.say(format!("backend  {}", network.backend().description()));
    drop(weights);

    let builder = describe(Session::builder(network), &settings, painted, styles, init).seed(args.seed);
    let peak = builder.plan()?.peak();
    report.say(format!("memory   {:.0} MiB at most for the network and the picture", peak as f64 / f64::from(1 << 20)));
    let log = args.log.as_deref().map(|path| Log::create(path, &inputs)).transpose()?;
    let session = builder.build()?;
    let [alpha, beta, gamma] = session.weights();
    report.say(format!("loss     {alpha:.4e} content + {beta:.4e} style + {gamma:.4e} tv"));
    let name = match settings.optimizer {
        Optimizer::Adam(_) => "Adam",
        _ => "L-BFGS",
    };
    report.say(format!("descent  {name}, {} iterations", settings.iterations));

    Job { session, output, log, report, snapshot_every: args.snapshot_every.map(|n| n.get()) }
        .run(settings.iterations, interrupt)
}

fn open_styles(args: &Args, paths: &[PathBuf]) -> Result<Vec<Picture>> {
    if !(args.style_scale > 0.0 && args.style_scale.is_finite()) {
        let message = format!("--style-scale must be above 0, but is {}", args.style_scale);
        return Err(Error::new(ErrorKind::Argument, message).into());
    }
    let size: Size = args.style_size.unwrap_or(args.size);
    let open = |path: &PathBuf| {
        sized(&Picture::open(path)?, size, args.style_scale).with_context(|| path.display().to_string())
    };
    paths.iter().map(open).collect()
}

fn sized(picture: &Picture, size: Size, scale: f64) -> style_transfer::Result<Picture> {
    match size {
        Size::Native => picture.scaled(scale),
        Size::LongSide(n) => picture.scaled(scale * f64::from(n) / picture.long_side() as f64),
    }
}

fn start(settings: &Settings, painted: &Picture) -> Result<Init> {
    Ok(match &settings.start {
        Start::Content => Init::Content,
        Start::Noise => Init::Noise,
        Start::Style => Init::Style,
        Start::File(path) => {
            let (width, height) = (painted.image.width(), painted.image.height());
            Init::Image(Picture::open(path)?.stretched(width, height)?.image)
        }
    })
}

fn weights(args: &Args) -> Result<Loaded> {
    let mut options = LoadOptions::default();
    if let Some(vgg) = args.network {
        options = options.network(vgg);
    }
    match (&args.weights, args.network) {
        (Some(path), _) => Ok(models::load(path, &options)?),
        (None, None | Some(Vgg::Vgg16)) => Ok(models::embedded()?),
        (None, Some(Vgg::Vgg19)) => Err(Error::new(
            ErrorKind::Argument,
            "VGG-19 is not inside this program: get torchvision's vgg19-dcbb9e9d.pth or Keras' \
             vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5, and give it with --weights FILE",
        )
        .into()),
    }
}

fn describe<B: Backend>(
    builder: SessionBuilder<B>,
    settings: &Settings,
    content: Picture,
    styles: Vec<Picture>,
    init: Init,
) -> SessionBuilder<B> {
    let mut builder = builder
        .content(content.image)
        .init(init)
        .noise_ratio(settings.noise_ratio)
        .content_layers(settings.content_layers.clone())
        .style_layers(settings.style_layers.clone())
        .style_weight(settings.style_weight)
        .tv_weight(settings.tv_weight)
        .pooling(settings.pooling)
        .optimizer(settings.optimizer)
        .iterations(settings.iterations);
    if let Some(weight) = settings.content_weight {
        builder = builder.content_weight(weight);
    }
    styles.into_iter().fold(builder, |builder, style| builder.style(style.image))
}

/// A session at work, and where what it makes goes.
struct Job<'a, B: Backend> {
    session: Session<B>,
    output: Output,
    log: Option<Log>,
    report: &'a Report,
    snapshot_every: Option<usize>,
}

impl<B: Backend> Job<'_, B> {
    /// Steps until all is done or the user had enough, then saves. Nothing on the way costs the user the picture: a
    /// log or a snapshot that cannot be written is told at once, and makes the program fail when all else is done.
    fn run(mut self, iterations: usize, interrupt: &Interrupt) -> Result<Outcome> {
        let start = Instant::now();
        let (mut first, mut best, mut last) = (None, f64::NAN, None);
        let mut failed = None;
        self.report.start_bar(iterations);
        while !self.session.is_finished() && !interrupt.asked() {
            match self.session.step() {
                Ok(progress) => {
                    first.get_or_insert(progress.losses.total);
                    if progress.accepted {
                        // The picture is now the one just evaluated; else that was only a try.
                        best = progress.losses.total;
                    }
                    failed = self.record(&progress, best, start.elapsed()).or(failed);
                    last = Some(progress);
                }
                Err(e) => {
                    failed = Some(e.into());
                    break;
                }
            }
        }
        self.report.end_bar();
        let (Some(first), Some(last)) = (first, last) else {
            self.report.say("ended before the first iteration: nothing was painted, nothing is written");
            return failed.map_or(Ok(Outcome::Interrupted), Err);
        };
        self.save()?;
        let how = match () {
            () if interrupt.asked() => ", ended early as asked",
            () if last.converged => ", as far as it goes",
            () => "",
        };
        self.report.say(format!(
            "wrote    {} after {} iterations in {:.1?}{how}: loss {first:.4e} at the start, {best:.4e} at the end",
            self.output.path().display(),
            last.iteration + 1,
            start.elapsed(),
        ));
        match failed {
            Some(e) => Err(e),
            None if interrupt.asked() => Ok(Outcome::Interrupted),
            None => Ok(Outcome::Finished),
        }
    }

    /// Tells, logs and snaps one evaluation; what went wrong with it, if anything.
    fn record(&mut self, progress: &Progress, loss: f64, since_start: Duration) -> Option<anyhow::Error> {
        self.report.progress(progress, loss);
        let mut failed = None;
        if let Some(Err(e)) = self.log.as_mut().map(|log| log.write(progress, since_start)) {
            self.report.warn(&e);
            self.log = None;
            failed = Some(anyhow::Error::new(e).context("the picture is painted, but its log is incomplete"));
        }
        let done = progress.iteration + 1;
        if self.snapshot_every.is_some_and(|n| done.is_multiple_of(n)) {
            let saved = self.session.image().and_then(|image| self.output.save_snapshot(&image, done));
            if let Err(e) = saved {
                self.report.warn(&e);
                failed = Some(anyhow::Error::new(e).context("the picture is painted, but a snapshot is missing"));
            }
        }
        failed
    }

    /// Saves the best picture so far, elsewhere if its own place fails.
    fn save(&self) -> Result<()> {
        let image = self.session.image()?;
        let Err(e) = self.output.save(&image) else { return Ok(()) };
        let e = anyhow::Error::new(e);
        Err(match self.output.rescue(&image) {
            Ok(path) => e.context(format!("the picture is not where it should be, but safe in {}", path.display())),
            Err(again) => e.context(format!("the picture is lost, for neither place could be written; {again}")),
        })
    }
}
