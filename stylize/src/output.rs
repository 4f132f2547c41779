//! Files that appear complete or not at all, and a log that grows line by line.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Serialize, Serializer};
use style_transfer::losses::{CONTENT, STYLE, TV};
use style_transfer::pictures::{Extras, Format, Picture};
use style_transfer::{Error, ErrorKind, Image, LayerLoss, Progress, Result};

use crate::source::is_standard;

/// The folder of default outputs.
const DEFAULT_FOLDER: &str = "out";

/// The destination of the result.
pub(crate) struct Output {
    path: PathBuf,
    /// Input files of the job, which must not be overwritten.
    inputs: Vec<PathBuf>,
    format: Format,
    extras: Extras,
    /// Whether the default folder is still to be made.
    make_folder: bool,
}

impl Output {
    /// Checks the path as far as possible before the work starts, so that no work is lost; `default` is a name in the default folder.
    pub(crate) fn new(path: Option<&Path>, default: &str, deep: bool, inputs: &[PathBuf]) -> Result<Self> {
        let default = Path::new(DEFAULT_FOLDER).join(default);
        let (path, is_default) = (path.unwrap_or(&default), path.is_none());
        let bad = |what: &str| Error::new(ErrorKind::Argument, format!("{}: {what}", path.display()));
        if is_standard(path) {
            if io::stdout().is_terminal() {
                return Err(bad(
                    "this would write a picture to the terminal; redirect the output, or give a file name",
                ));
            }
            let format = if deep { Format::Png16 } else { Format::Png };
            let path = path.to_owned();
            return Ok(Self { path, inputs: vec![], format, extras: Extras::default(), make_folder: false });
        }
        let format = Format::from_path(path)?;
        let format = if deep { format.deep().map_err(|e| e.context(path.display()))? } else { format };
        // The default folder is made when the first file goes there.
        let make_folder = is_default && !Path::new(DEFAULT_FOLDER).exists();
        let folder = if make_folder { Path::new(".") } else { folder(path) };
        if !folder.is_dir() {
            return Err(Error::new(
                ErrorKind::Io,
                format!("there is no folder {}; make it, or choose another for the result", folder.display()),
            ));
        }
        if path.is_dir() {
            return Err(bad("this is a folder; give the result a file name"));
        }
        if let Err(e) = fs::symlink_metadata(path)
            && e.kind() != io::ErrorKind::NotFound
        {
            return Err(failed("cannot write", path, e)); // the name is too long, say
        }
        spare(inputs, path)?;
        tempfile::tempfile_in(folder).map_err(|e| failed("cannot write into the folder", folder, e))?;
        Ok(Self { path: path.to_owned(), inputs: inputs.to_vec(), format, extras: Extras::default(), make_folder })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its name in messages.
    pub(crate) fn name(&self) -> String {
        if self.is_standard() { "the standard output".into() } else { self.path.display().to_string() }
    }

    /// Sets the photograph's extras for the result. Reports whether all of them can be kept.
    pub(crate) fn carry(&mut self, extras: Extras) -> bool {
        self.extras = extras;
        self.format.carries_alpha() || !self.extras.has_alpha()
    }

    /// Whether the result goes to standard output, as a PNG file.
    pub(crate) fn is_standard(&self) -> bool {
        is_standard(&self.path)
    }

    /// Writes the result.
    pub(crate) fn save(&self, picture: &Picture) -> Result<()> {
        if self.is_standard() {
            let bytes = picture.encode(self.format)?;
            let mut stdout = io::stdout().lock();
            let written = stdout.write_all(&bytes).and_then(|()| stdout.flush());
            return written
                .map_err(|e| Error::new(ErrorKind::Io, "cannot write to the standard output").with_source(e));
        }
        self.write(picture, &self.path)
    }

    /// Writes the result, elsewhere if its own path fails.
    pub(crate) fn save_or_rescue(&self, picture: &Picture) -> anyhow::Result<()> {
        let Err(e) = self.save(picture) else { return Ok(()) };
        let e = anyhow::Error::new(e);
        Err(match self.rescue(picture) {
            Ok(path) => e.context(format!("the picture is not where it should be, but safe in {}", path.display())),
            Err(again) => e.context(format!("the picture is lost, for neither place could be written; {again}")),
        })
    }

    /// Writes a part of the result, beside the whole one of an earlier run if there is one, and returns the name.
    pub(crate) fn save_part(&self, picture: &Picture) -> anyhow::Result<String> {
        if self.is_standard() || !self.path.exists() {
            self.save_or_rescue(picture)?;
            return Ok(self.name());
        }
        let name = |n: u32| match n {
            1 => format!("{}_part.{}", self.stem(), self.extension()),
            n => format!("{}_part{n}.{}", self.stem(), self.extension()),
        };
        let path = (1..).map(|n| self.path.with_file_name(name(n))).find(|path| !path.exists());
        let path = path.unwrap_or_else(|| self.path.clone());
        self.write(picture, &path)?;
        Ok(path.display().to_string())
    }

    /// Writes the picture after this many iterations beside the result, and returns its path.
    pub(crate) fn save_snapshot(&self, image: Image, iterations: usize) -> Result<PathBuf> {
        let path = self.path.with_file_name(format!("{}_{iterations:04}.{}", self.stem(), self.extension()));
        self.write(&self.finished(image), &path)?;
        Ok(path)
    }

    /// The path of the preview until the result exists.
    pub(crate) fn preview(&self) -> Option<PathBuf> {
        let name = format!("{}_preview.{}", self.stem(), self.extension());
        (!self.is_standard()).then(|| self.path.with_file_name(name))
    }

    /// Writes the picture so far to `path`, in the form of the result.
    pub(crate) fn save_preview(&self, image: Image, path: &Path) -> Result<()> {
        self.write(&self.finished(image), path)
    }

    /// Writes the result to the system's temporary folder, as a fallback for its own path.
    fn rescue(&self, picture: &Picture) -> Result<PathBuf> {
        let folder = env::temp_dir();
        let bytes = picture.encode(self.format)?;
        let suffix = format!(".{}", self.extension());
        let failed = |e| failed("cannot write into", &folder, e);
        let mut builder = tempfile::Builder::new();
        let mut file = builder.prefix("stylize-").suffix(&suffix).tempfile_in(&folder).map_err(failed)?;
        file.write_all(&bytes).map_err(failed)?;
        let (_, path) = file.keep().map_err(|e| failed(e.error))?;
        Ok(path)
    }

    fn write(&self, picture: &Picture, path: &Path) -> Result<()> {
        spare(&self.inputs, path)?;
        if self.make_folder {
            fs::create_dir_all(folder(path)).map_err(|e| failed("cannot make the folder", folder(path), e))?;
        }
        picture.save_as(path, self.format)
    }

    /// Adds the photograph's extras.
    pub(crate) fn finished(&self, image: Image) -> Picture {
        Picture { image, extras: self.extras.clone() }
    }

    fn stem(&self) -> Cow<'_, str> {
        if self.is_standard() {
            return "stylized".into();
        }
        self.path.file_stem().unwrap_or_default().to_string_lossy()
    }

    fn extension(&self) -> Cow<'_, str> {
        if self.is_standard() {
            return "png".into();
        }
        self.path.extension().unwrap_or_default().to_string_lossy()
    }
}

/// Refuses to overwrite an input file.
fn spare(inputs: &[PathBuf], path: &Path) -> Result<()> {
    let same = |input: &PathBuf| matches!((input.canonicalize(), path.canonicalize()), (Ok(a), Ok(b)) if a == b);
    if inputs.iter().any(same) {
        let message = format!("{}: this would overwrite a file that the picture is made from", path.display());
        return Err(Error::new(ErrorKind::Argument, message));
    }
    Ok(())
}

/// Checks that the outputs, including temporary files of `style-watch`, are distinct and overwrite no input.
pub(crate) fn expect_apart(inputs: &[PathBuf], outputs: &[&Path]) -> Result<()> {
    let place = |path: &Path| {
        let folder = folder(path);
        (folder.canonicalize().unwrap_or(folder.to_owned()), path.file_name().map(ToOwned::to_owned))
    };
    for (i, path) in outputs.iter().enumerate().filter(|(_, path)| !is_standard(path)) {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        spare(inputs, path)?;
        spare(inputs, Path::new(&part))?;
        if outputs[..i].iter().any(|other| place(other) == place(path)) {
            let message = format!("{}: two results would go into this file; give each its own", path.display());
            return Err(Error::new(ErrorKind::Argument, message));
        }
    }
    Ok(())
}

/// The parent folder of a file.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn failed(what: &str, path: &Path, e: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("{what} {}", path.display())).with_source(e)
}

/// `--log`: one JSON line per evaluation.
pub(crate) struct Log {
    path: PathBuf,
    file: File,
}

/// One line. Values that are not finite (of a rejected step) are `null`.
#[derive(Serialize)]
struct Line<'a> {
    iteration: usize,
    /// Of the picture at the current scale.
    width: usize,
    seconds: f64,
    content: f64,
    style: f64,
    tv: f64,
    /// Other terms by name; absent if there are none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    others: BTreeMap<&'a str, f64>,
    total: f64,
    #[serde(serialize_with = "as_map")]
    layers: &'a [LayerLoss],
}

fn as_map<S: Serializer>(layers: &&[LayerLoss], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(layers.iter().map(|l| (&l.layer, l.loss)))
}

/// Whether a log line is complete and belongs to one of the first `done` iterations.
fn before(line: &[u8], done: usize) -> bool {
    let line: Option<serde_json::Value> = serde_json::from_slice(line).ok();
    let iteration = line.and_then(|line| usize::try_from(line.get("iteration")?.as_u64()?).ok());
    iteration.is_some_and(|iteration| (1..=done).contains(&iteration))
}

impl Log {
    /// Continues the log of a job with this many completed iterations, or starts a new one.
    pub(crate) fn create(path: &Path, inputs: &[PathBuf], done: usize) -> Result<Self> {
        spare(inputs, path)?;
        let open = || {
            if done == 0 {
                return File::create(path);
            }
            let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
            let mut text = vec![];
            file.read_to_end(&mut text)?;
            // Evaluations after the last checkpoint may be logged; they are repeated.
            let lines = text.split_inclusive(|b| *b == b'\n').take_while(|line| before(line, done));
            let kept: usize = lines.map(<[u8]>::len).sum();
            file.set_len(kept as u64)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        };
        let file = open().map_err(|e| failed("cannot write the log", path, e))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Writes each evaluation at once, so that the log can be followed and is complete if the job is stopped.
    pub(crate) fn write(&mut self, progress: &Progress, since_start: Duration) -> Result<()> {
        let losses = &progress.losses;
        let line = Line {
            iteration: progress.iteration,
            width: progress.width,
            seconds: since_start.as_secs_f64(),
            content: losses.content(),
            style: losses.style(),
            tv: losses.tv(),
            others: losses
                .terms
                .iter()
                .filter(|t| ![CONTENT, STYLE, TV].contains(&&*t.name))
                .map(|t| (&*t.name, t.loss))
                .collect(),
            total: losses.total,
            layers: losses.layers("style"),
        };
        let mut bytes = serde_json::to_vec(&line)
            .map_err(|e| Error::new(ErrorKind::Io, "cannot write a line of the log").with_source(e))?;
        bytes.push(b'\n');
        self.file.write_all(&bytes).map_err(|e| failed("cannot write the log", &self.path, e))
    }
}
