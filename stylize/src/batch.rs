//! `stylize batch`: each photograph in the style of each painting.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::args::Args;
use crate::paint::Outcome;
use crate::report::Report;
use crate::source::{is_picture, is_standard};
use crate::styles::{argument, refuse};

/// The default folder of results.
const FOLDER: &str = "out/batch";

/// One picture of the batch.
struct Job {
    photo: PathBuf,
    style: PathBuf,
    output: PathBuf,
    checkpoint: PathBuf,
}

/// Paints all jobs with `paint`, one after the other, and resumes those that an earlier run has begun. One that fails does not
/// hold up the others.
pub(crate) fn run(args: &Args, report: &Report, paint: impl Fn(&Args) -> Result<Outcome>) -> Result<Outcome> {
    let jobs = jobs(args)?;
    let (mut failed, mut finished) = (0, 0);
    for (i, job) in jobs.iter().enumerate() {
        let name = job.output.display();
        // A job that was interrupted has both.
        if job.output.exists() && !job.checkpoint.exists() {
            report.say(format!("job      {} of {}: {name} is there already", i + 1, jobs.len()));
            finished += 1;
            continue;
        }
        report.say(format!("job      {} of {}: {name}", i + 1, jobs.len()));
        let described = Args {
            open: false,
            content: Some(job.photo.clone()),
            styles: vec![job.style.clone()],
            // A plan needs no folder.
            output: (!args.plan).then(|| job.output.clone()),
            checkpoint: (!args.plan).then(|| job.checkpoint.clone()),
            ..args.clone()
        };
        match paint(&described) {
            Ok(Outcome::Finished) if args.plan => {}
            Ok(Outcome::Finished) => {
                finished += 1;
                fs::remove_file(&job.checkpoint).with_context(|| {
                    format!("cannot delete {}, so that its picture would not count as done", job.checkpoint.display())
                })?;
            }
            Ok(Outcome::Interrupted) => {
                report.say(format!("batch    {finished} of {} done; the same command goes on", jobs.len()));
                return Ok(Outcome::Interrupted);
            }
            Err(e) => {
                failed += 1;
                report.error(&e);
            }
        }
    }
    if !args.plan {
        report.say(format!("batch    {finished} of {} done", jobs.len()));
    }
    match failed {
        0 => Ok(Outcome::Finished),
        n => bail!("{n} of {} pictures could not be painted; the reasons are above", jobs.len()),
    }
}

/// The jobs of all pairs, photograph by photograph.
fn jobs(args: &Args) -> Result<Vec<Job>> {
    refuse("a batch", args)?;
    let Some(photos) = &args.content else {
        return Err(argument("a batch needs photographs: stylize batch PHOTOS PAINTINGS... -o FOLDER").into());
    };
    if args.styles.is_empty() {
        return Err(argument("a batch needs paintings: stylize batch PHOTOS PAINTINGS... -o FOLDER").into());
    }
    let folder = args.output.clone().unwrap_or_else(|| FOLDER.into());
    if folder.is_file() {
        return Err(argument(format!("{} is a file; a batch needs a folder for its results", folder.display())).into());
    }
    for read in args.styles.iter().chain([photos]) {
        if read.canonicalize().is_ok_and(|read| folder.canonicalize().is_ok_and(|folder| folder == read)) {
            let message = "is read and written; choose another folder for the results, or they would be painted again";
            return Err(argument(format!("{} {message}", folder.display())).into());
        }
    }
    if !args.plan {
        fs::create_dir_all(&folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
    }
    let (photos, mut styles) = (pictures(photos)?, vec![]);
    for path in &args.styles {
        styles.extend(pictures(path)?);
    }
    let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let (mut jobs, mut outputs) = (vec![], HashSet::new());
    for (photo, style) in photos.iter().flat_map(|photo| styles.iter().map(move |style| (photo, style))) {
        let output = folder.join(format!("{}--{}.png", stem(photo), stem(style)));
        if !outputs.insert(output.clone()) {
            bail!("two pictures would be {}; rename a photograph or a painting", output.display());
        }
        let checkpoint = output.with_extension("checkpoint");
        jobs.push(Job { photo: photo.clone(), style: style.clone(), output, checkpoint });
    }
    Ok(jobs)
}

/// A picture, or those in a folder, by name.
fn pictures(path: &Path) -> Result<Vec<PathBuf>> {
    if is_standard(path) {
        return Err(argument("a batch reads files and folders, not the standard input").into());
    }
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).with_context(|| format!("cannot read the folder {}", path.display()))?;
    let mut all = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    all.retain(|path| path.is_file() && is_picture(path));
    all.sort();
    if all.is_empty() {
        bail!("no pictures in {}", path.display());
    }
    Ok(all)
}
