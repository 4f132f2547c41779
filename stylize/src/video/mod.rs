//! `stylize video`: frames in, painted frames out, each steadied by the one before.

mod args;
mod ffmpeg;
mod files;
mod frames;
mod note;
mod painter;
mod steady;
mod typed;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use style_transfer::{ContentWeight, Plan};

pub(crate) use args::VideoArgs;

use crate::args::Args;
use crate::interrupt::Interrupt;
use crate::paint::{Outcome, memory};
use crate::report::Report;
use crate::source::{PAINTING, Source};
use crate::styles::{argument, refuse};
use files::{Files, digest};
use note::{FileOf, Note};
use painter::{Frame, Painter, start_file};

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
    let files = Files::find(args, report)?;
    let first = Frame::open(&files.frames[0].0, options, report)?;
    let weights = options.compute.weights()?;
    let sha256 = weights.sha256().to_owned();
    let space = weights.input_space_name();
    let mut painter = Painter::new(args, report, &sources, &files.frames[0].0, &first, weights)?;
    // All possible errors are detected before the work starts.
    let plans = painter.plans(&first, files.frames.len())?;
    if options.plan {
        tell(&plans).context("cannot tell the plan")?;
        return Ok(Outcome::Finished);
    }
    let all = files.frames.len();
    let frames = match &files.taken {
        Some(_) => Some(BTreeMap::new()),
        None => files.digests(interrupt)?,
    };
    let Some(frames) = frames else {
        report.say("video    ended early as asked, before the first frame");
        return Ok(Outcome::Interrupted);
    };
    let mut settings = typed::typed(args, &painter.described(&first), sources.len());
    settings.insert("the size of the frames".into(), format!("{}x{}", first.full[0], first.full[1]));
    settings.insert("--input-space".into(), space);
    if let Some(taken) = &files.taken {
        settings.insert("--fps".into(), taken.rate.clone());
    }
    let files_of = others(args, &files, &sources, sha256)?;
    Note { settings, files: files_of, frames }.keep(&files.folder, files.painted())?;
    files.expect_painted(painter.size)?;
    if args.steadiness > 0.0 && !is_relative(options) {
        report.say("note: without relative weights --steadiness does little; frames still start from the one before");
    }
    let missing = files.frames.iter().filter(|(_, to)| !to.exists()).count();
    if missing > 0 {
        report.say(memory(&plans));
        let start = Instant::now();
        painter.prepare(&plans[0])?;
        let outcome = painter.paint(&files.frames, interrupt);
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
        if let Outcome::Interrupted = outcome? {
            report.say("video    ended early as asked; the same command goes on");
            return Ok(Outcome::Interrupted);
        }
    } else {
        report.say(format!("video    all {all} frames are in {} already", files.folder.display()));
    }
    let mut result = files.folder.clone();
    if let Some((video, rate)) = &files.video {
        let sound = files.taken.as_ref().map(|taken| taken.video.as_path());
        ffmpeg::join(&files.folder, all, rate, sound, video)?;
        report.say(format!("wrote    {} at {rate} frames per second", video.display()));
        result.clone_from(video);
    }
    if options.open && !crate::open::open(result.as_os_str()) {
        report.say("note: no program could be started to show the video");
    }
    Ok(Outcome::Finished)
}

/// Prints what a first frame takes, and a further one.
fn tell(plans: &[Plan]) -> io::Result<()> {
    let mut to = io::stdout();
    for (plan, what) in plans.iter().zip(["the first frame", "a frame that follows another"]) {
        writeln!(to, "{what}\n{}", plan.to_string().trim_end())?;
    }
    Ok(())
}

/// The files that decide how frames are painted, but for the frames.
fn others(args: &VideoArgs, files: &Files, sources: &[Source], weights: String) -> Result<BTreeMap<String, FileOf>> {
    let of = |name: String, digest| FileOf { name, digest };
    let file = |path: &Path| -> Result<FileOf> {
        let digest = File::open(path).and_then(digest).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(of(path.display().to_string(), digest))
    };
    let name = args.paint.compute.weights.as_ref();
    let name = name.map_or("the embedded ones".into(), |path| path.display().to_string());
    let mut all: BTreeMap<_, _> = [("--weights".into(), of(name, weights))].into();
    for (i, source) in sources.iter().enumerate() {
        let file = match source {
            Source::File(path) => file(path)?,
            Source::Sample(_) | Source::StandardInput => of("the sample".into(), digest(PAINTING.file)?),
        };
        all.insert(format!("painting {}", i + 1), file);
    }
    if let Some(path) = start_file(&args.paint) {
        all.insert("--init".into(), file(path)?);
    }
    if let Some(taken) = &files.taken {
        all.insert("the video".into(), file(&taken.video)?);
    }
    Ok(all)
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
