//! `stylize features` and `stylize neurons`: what a network sees, as sheets of pictures.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use clap::ValueEnum;
use style_transfer::inspect::{Probe, ReluRule, content_of, excite, styles_of};
use style_transfer::pictures::Sheet;
use style_transfer::{Image, Network, Padding, Pooling, SessionBuilder};

use crate::args::compute::Compute;
use crate::args::preview::Preview;
use crate::interrupt::Interrupt;
use crate::open::open;
use crate::output::Output;
use crate::paint::Outcome;
use crate::report::Report;
use crate::source::{PAINTING, PHOTOGRAPH, Sample, Source, expect_one_standard};
use crate::styles::argument;
use crate::work::Work;

/// The size of a sheet's cells in pixels.
const CELL: usize = 144;

/// The rules of signals that are propagated back, and their names.
const RULES: [(ReluRule, &str); 3] =
    [(ReluRule::Gradient, "gradient"), (ReluRule::Deconvnet, "deconvnet"), (ReluRule::Guided, "guided")];

/// The options that both have.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Common {
    /// Show each picture in the terminal while it is painted
    #[arg(long, value_enum, value_name = "NAME", default_value = "off", help_heading = "Output")]
    pub(crate) preview: Preview,

    /// Open the sheet at the end with the system's program for pictures
    #[arg(long, help_heading = "Output")]
    open: bool,

    /// Print only errors
    #[arg(long, help_heading = "Output")]
    pub(crate) quiet: bool,

    /// Noise seed; the same seed gives the same picture
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    #[command(flatten)]
    compute: Compute,

    /// Read defaults from a TOML file, as for painting: below a line [features] or [neurons], and --preview, --open, --quiet and
    /// those of the network; "none" reads no file [default: stylize.toml in the user's configuration folder, if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Show what layers retain of a photograph and of a painting's style: the paper's figure 1
///
/// Each picture starts from noise. Below, a layer's features are those of the photograph: lower layers keep nearly every pixel,
/// higher ones objects and their places. Above, the style of more and more layers is the painting's: its structures grow, but
/// lie in other places than in the painting.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Features {
    /// Photograph, or with --only style the painting; "-" reads standard input [default: a sample photograph inside the program]
    photo: Option<PathBuf>,

    /// Painting [default: a sample painting inside the program]
    painting: Option<PathBuf>,

    /// Only the photograph's content, or only the painting's style
    #[arg(long, value_enum, value_name = "content|style")]
    only: Option<Part>,

    /// Layers of the content, one picture each
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "conv1_2,conv2_2,conv3_2,conv4_2,conv5_1")]
    content_layers: Vec<String>,

    /// Layers of the style, each picture one more
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "conv1_1,conv2_1,conv3_1,conv4_1,conv5_1")]
    style_layers: Vec<String>,

    /// Output file for the sheet [default: out/features.png, whose folder is created]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    /// Long side of the pictures
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4096))]
    size: u32,

    /// Evaluations of each picture
    #[arg(long, value_name = "N", default_value_t = 200)]
    iterations: usize,

    #[command(flatten)]
    pub(crate) common: Common,
}

/// `--only`.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Part {
    Content,
    Style,
}

/// Show what excites the neurons of a layer: in a photograph, and in pictures painted to excite them most
///
/// Each row is a channel: the part of the photograph that excites it most; the signal of that neuron propagated back to the
/// photograph by three rules (the gradient; the deconvolutional network of Zeiler and Fergus; guided back-propagation), grey where it is zero; and a
/// picture that excites the whole channel as much as possible. Pooling is max, as in training.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Neurons {
    /// Photograph; "-" reads standard input [default: a sample photograph inside the program]
    photo: Option<PathBuf>,

    /// The layer
    #[arg(long, value_name = "NAME", default_value = "conv4_1")]
    layer: String,

    /// Channels by number, from 0 [default: the six that the photograph excites most]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    channels: Vec<usize>,

    /// Output file for the sheet [default: out/neurons.png, whose folder is created]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    /// Long side of the photograph
    #[arg(long, value_name = "N", default_value_t = 320, value_parser = clap::value_parser!(u32).range(1..=4096))]
    size: u32,

    /// Evaluations of the picture that excites a channel most; 0 leaves these pictures out
    #[arg(long, value_name = "N", default_value_t = 100)]
    iterations: usize,

    #[command(flatten)]
    pub(crate) common: Common,
}

/// One experiment at work.
struct Lab<'a> {
    common: &'a Common,
    report: &'a Report,
    interrupt: &'a Interrupt,
    output: Output,
}

/// Runs `stylize features`.
pub(crate) fn features(args: &Features, report: &Report, interrupt: &Interrupt) -> Result<Outcome> {
    let weights = &args.common.compute.weights;
    let inputs: Vec<_> = args.photo.iter().chain(&args.painting).chain(weights).cloned().collect();
    expect_one_standard(&inputs)?;
    let output = Output::new(args.output.as_deref(), "features.png", false, &inputs)?;
    let lab = Lab { common: &args.common, report, interrupt, output };
    if args.iterations == 0 {
        return Err(argument("--iterations must be at least 1").into());
    }
    // Of one picture alone it is clear which it is.
    let alone = args.only == Some(Part::Style) && args.painting.is_none();
    let painting = if alone { &args.photo } else { &args.painting };
    let wants = |part: Part| args.only.is_none_or(|only| only == part);
    let open = |part, path: &Option<PathBuf>, sample| {
        wants(part).then(|| picture(path.as_deref(), sample, args.size, report)).transpose()
    };
    let painting = open(Part::Style, painting, PAINTING)?;
    let photo = open(Part::Content, &args.photo, PHOTOGRAPH)?;
    let network = Arc::new(args.common.compute.network(report)?);
    let mut jobs: Vec<(String, SessionBuilder)> = vec![];
    let style_layers: Vec<_> = args.style_layers.iter().map(String::as_str).collect();
    let (mut given, mut rows) = (vec![], vec![]);
    if let Some(painting) = painting {
        let all = styles_of(Arc::clone(&network), painting.clone(), &style_layers)?;
        rows.push(all.len());
        given.push((painting, "painting"));
        let label = |(i, layer): (usize, &&str)| if i == 0 { (*layer).to_owned() } else { format!("+ {layer}") };
        jobs.extend(style_layers.iter().enumerate().map(label).zip(all));
    }
    if let Some(photo) = photo {
        rows.push(args.content_layers.len());
        for layer in &args.content_layers {
            jobs.push((layer.clone(), content_of(Arc::clone(&network), photo.clone(), layer)));
        }
        given.push((photo, "photograph"));
    }
    // A mistake in any of them is found before the first is painted.
    jobs.iter().try_for_each(|(_, builder)| builder.plan().map(|_| ()))?;
    let (mut painted, all) = (0, jobs.len());
    let columns = 1 + rows.iter().copied().max().unwrap_or(0);
    let mut sheet = Sheet::new(columns).title("What layers retain");
    let mut jobs = jobs.into_iter();
    for ((picture, label), count) in given.iter().zip(rows) {
        sheet = sheet.cell(picture, *label);
        for (label, builder) in jobs.by_ref().take(count) {
            let Some(image) = lab.run(&label, builder.iterations(args.iterations))? else {
                return lab.stopped(&sheet, (painted, all));
            };
            sheet = sheet.cell(&image, label);
            painted += 1;
        }
        for _ in count + 1..columns {
            sheet = sheet.cell(&blank()?, "");
        }
    }
    lab.save(&sheet)?;
    Ok(Outcome::Finished)
}

/// Runs `stylize neurons`.
pub(crate) fn neurons(args: &Neurons, report: &Report, interrupt: &Interrupt) -> Result<Outcome> {
    let inputs: Vec<_> = args.photo.iter().chain(&args.common.compute.weights).cloned().collect();
    let output = Output::new(args.output.as_deref(), "neurons.png", false, &inputs)?;
    let lab = Lab { common: &args.common, report, interrupt, output };
    let photo = picture(args.photo.as_deref(), PHOTOGRAPH, args.size, report)?;
    let network: Arc<Network> = Arc::new(args.common.compute.network(report)?);
    let mut probe = Probe::new(Arc::clone(&network), &photo, &args.layer, Pooling::Max, Padding::Zero)?;
    let strongest = probe.strongest_channels();
    let count = strongest.len();
    if let Some(channel) = args.channels.iter().find(|&&channel| channel >= count) {
        let message = format!("--channels: {} has {count} channels, from 0; found {channel}", args.layer);
        return Err(argument(message).into());
    }
    let channels = match &args.channels[..] {
        [] => strongest.iter().take(6).map(|(channel, _)| *channel).collect(),
        given => given.to_vec(),
    };
    let mut columns: Vec<_> = ["photograph"].into_iter().chain(RULES.map(|(_, name)| name)).collect();
    if args.iterations > 0 {
        columns.push("most");
    }
    let mut sheet = Sheet::new(columns.len()).title(format!("What neurons of {} respond to", args.layer));
    sheet = sheet.cell_size(CELL, CELL);
    let mut rows = vec![];
    let all = channels.len();
    for channel in channels {
        if interrupt.asked() {
            let painted = rows.len();
            return lab.stopped(&sheet.row_labels(rows).column_labels(columns), (painted, all));
        }
        let neuron = probe.strongest(channel)?;
        let responses =
            RULES.iter().map(|(rule, _)| probe.back(neuron, *rule)).collect::<style_transfer::Result<Vec<_>>>()?;
        let activation = responses[0].activation;
        report.say(format!(
            "neuron   channel {channel}: {activation:.1} at row {}, column {}",
            neuron.row, neuron.column
        ));
        let mut cells = vec![photo.crop(responses[0].columns.clone(), responses[0].rows.clone())?];
        for response in &responses {
            cells.push(response.picture(&photo)?);
        }
        if args.iterations > 0 {
            // A channel that the photograph does not excite has no unit of its own.
            let unit = if activation > 0.0 { activation } else { strongest[0].1.max(1.0) };
            let builder = excite(Arc::clone(&network), &args.layer, channel, unit, (CELL, CELL))?.pooling(Pooling::Max);
            let label = format!("channel {channel}");
            let Some(image) = lab.run(&label, builder.iterations(args.iterations))? else {
                let painted = rows.len();
                return lab.stopped(&sheet.row_labels(rows).column_labels(columns), (painted, all));
            };
            cells.push(image);
        }
        rows.push(format!("channel {channel}"));
        sheet = cells.iter().fold(sheet, |sheet, cell| sheet.cell(cell, ""));
    }
    lab.save(&sheet.row_labels(rows).column_labels(columns))?;
    Ok(Outcome::Finished)
}

impl Lab<'_> {
    /// Paints one picture; `None` if the user stopped it.
    fn run(&self, label: &str, builder: SessionBuilder) -> Result<Option<Image>> {
        let mut session = builder.seed(self.common.seed).build()?;
        self.report.start_bar(false);
        while !session.is_finished() && !self.interrupt.asked() {
            let loss = session.step()?.accepted_losses.total;
            if let Some(progress) = session.progress() {
                let work = Work { done: progress.work_done, left: progress.work_left };
                self.report.progress(progress, loss, work);
            }
            self.report.picture(|| session.image());
        }
        self.report.end_bar();
        if self.interrupt.asked() {
            return Ok(None);
        }
        let loss = session.losses().map_or(f64::NAN, |losses| losses.total);
        self.report.say(format!("painted  {label}: loss {loss:.4e} after {} iterations", session.iteration()));
        Ok(Some(session.into_image()?))
    }

    fn save(&self, sheet: &Sheet) -> Result<()> {
        let instead = if !self.output.is_standard() && self.output.path().exists() {
            ", in place of the file that was there"
        } else {
            ""
        };
        self.output.save_or_rescue(&self.output.finished(sheet.draw()?))?;
        self.report.say(format!("wrote    {}{instead}", self.output.name()));
        if self.common.open && !self.output.is_standard() && !open(self.output.path().as_os_str()) {
            self.report.say("note: no program could be started to show the picture");
        }
        Ok(())
    }

    /// Saves what there is of a sheet, with this many of all its parts. A whole sheet of an earlier run stays.
    fn stopped(&self, sheet: &Sheet, (painted, all): (usize, usize)) -> Result<Outcome> {
        if painted == 0 {
            self.report.say("ended before the first picture: there is no sheet");
        } else {
            let name = self.output.save_part(&self.output.finished(sheet.draw()?))?;
            self.report.say(format!("wrote    {name} with {painted} of {all} parts, ended early as asked"));
        }
        Ok(Outcome::Interrupted)
    }
}

fn picture(path: Option<&Path>, sample: Sample, size: u32, report: &Report) -> Result<Image> {
    let source = path.map_or(Source::Sample(sample), Source::new);
    Ok(source.open(report)?.sized(size).map_err(|e| e.context(source.to_string()))?.image)
}

/// A white pixel, for a cell without a picture.
fn blank() -> style_transfer::Result<Image> {
    Image::from_rgb8(1, 1, &[255; 3])
}
