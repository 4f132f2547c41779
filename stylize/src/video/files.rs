//! The files of a video: its frames and where they go, checked before anything is painted.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use style_transfer::pictures::dimensions;
use tempfile::TempDir;

use crate::args::Size;
use crate::interrupt::Interrupt;
use crate::report::Report;
use crate::settings;
use crate::source::is_standard;
use crate::styles::argument;
use crate::video::args::VideoArgs;
use crate::video::ffmpeg;
use crate::video::frames::{Frames, frames};

/// The default folder of painted frames.
const FOLDER: &str = "out/video";

/// The folder in it of frames taken from a video.
const TAKEN: &str = ".frames";

/// The default rate of a video that is written from a folder of frames.
const RATE: &str = "25";

/// Enough of a painted frame for its size.
const HEADER: u64 = 1 << 16;

/// The files of a job.
pub(super) struct Files {
    /// Each frame, and where it goes.
    pub(super) frames: Vec<(PathBuf, PathBuf)>,
    pub(super) folder: PathBuf,
    /// The video to write and its rate, if it is to be one.
    pub(super) video: Option<(PathBuf, String)>,
    /// The video that the frames are taken from, which has the sound, the rate of the frames, and their folder.
    pub(super) taken: Option<Taken>,
}

pub(super) struct Taken {
    pub(super) video: PathBuf,
    pub(super) rate: String,
    _folder: TempDir,
}

impl Files {
    /// Finds the frames, takes them from a video if they are in one, and makes the folder for the painted ones.
    pub(super) fn find(args: &VideoArgs, report: &Report) -> Result<Self> {
        let options = &args.paint;
        let Some(input) = &options.content else {
            return Err(argument("a video needs frames: stylize video FRAMES PAINTING -o FOLDER").into());
        };
        let output = options.output.clone().unwrap_or_else(|| FOLDER.into());
        if is_standard(&output) {
            return Err(argument("a video is written to a folder or a file, not to the standard output").into());
        }
        let found = frames(input, report)?;
        let to_video = ffmpeg::is_video(&output);
        if to_video || matches!(found, Frames::Video(_)) {
            ffmpeg::expect_installed()?;
        }
        let folder = match to_video {
            true => {
                output.with_file_name(format!("{}_frames", output.file_stem().unwrap_or_default().to_string_lossy()))
            }
            false => output.clone(),
        };
        expect_apart(input, &found, &output, &folder, to_video)?;
        if !options.plan {
            fs::create_dir_all(&folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
        }
        let (photos, rate, taken) = match found {
            Frames::Pictures(all) => (all, args.fps.clone().unwrap_or(RATE.into()), None),
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
                (all, rate.clone(), Some(Taken { video, rate, _folder: taken }))
            }
        };
        let name = |i: usize, path: &Path| match to_video || taken.is_some() {
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
        Ok(Self { frames, folder, video: to_video.then_some((output, rate)), taken })
    }

    /// The names of the frames that are painted already.
    pub(super) fn painted(&self) -> impl Iterator<Item = String> {
        self.frames.iter().filter(|(_, to)| to.exists()).map(|(_, to)| name(to))
    }

    /// Reads every frame, which must have the size of the first, and returns digests of them by the names of the painted ones.
    /// `None` if the user stopped it.
    pub(super) fn digests(&self, interrupt: &Interrupt) -> Result<Option<BTreeMap<String, String>>> {
        let (mut digests, mut first, mut others) = (BTreeMap::new(), None, vec![]);
        for (from, to) in &self.frames {
            if interrupt.asked() {
                return Ok(None);
            }
            let advice = "a frame cannot be read; replace it, then the same command goes on";
            let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display())).context(advice)?;
            let size = dimensions(&bytes).map_err(|e| e.context(from.display())).context(advice)?;
            if size != *first.get_or_insert(size) {
                others.push((from, size));
            }
            digests.insert(name(to), digest(&bytes[..]).with_context(|| from.display().to_string())?);
        }
        if let (Some([width, height]), Some((path, [other_width, other_height]))) = (first, others.first()) {
            let more = match others.len() - 1 {
                0 => String::new(),
                1 => ", and 1 more differs".into(),
                n => format!(", and {n} more differ"),
            };
            bail!(
                "{}: the frame has {other_width}x{other_height} pixels, but the first, {}, has {width}x{height}{more}; give all \
                 frames one size, then the same command goes on",
                path.display(),
                self.frames[0].0.display(),
            );
        }
        Ok(Some(digests))
    }

    /// Fails if a painted frame that is there has another size.
    pub(super) fn expect_painted(&self, size: (usize, usize)) -> Result<()> {
        for (_, to) in self.frames.iter().filter(|(_, to)| to.exists()) {
            let mut bytes = vec![];
            let read = File::open(to).and_then(|file| file.take(HEADER).read_to_end(&mut bytes));
            read.with_context(|| format!("cannot read {}", to.display()))?;
            let [width, height] = dimensions(&bytes).map_err(|e| e.context(to.display())).context(DAMAGED)?;
            expect_size(to, (width, height), size)?;
        }
        Ok(())
    }
}

/// What to do about a painted frame that cannot be used.
pub(super) const DAMAGED: &str = "a painted frame cannot be read; delete it and run the same command again";

/// Fails if a painted frame has another size.
pub(super) fn expect_size(path: &Path, found: (usize, usize), (width, height): (usize, usize)) -> Result<()> {
    if found != (width, height) {
        bail!(
            "{}: expected a painted frame of {width}x{height} pixels, found {}x{}; delete it and run the same command again",
            path.display(),
            found.0,
            found.1
        );
    }
    Ok(())
}

/// Fails if something would be read and written.
fn expect_apart(input: &Path, found: &Frames, output: &Path, folder: &Path, to_video: bool) -> Result<()> {
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
    if let Frames::Pictures(all) = found {
        let here = |path: &PathBuf| path.parent().and_then(|folder| folder.canonicalize().ok());
        if let Ok(folder) = folder.canonicalize()
            && all.iter().any(|path| here(path).as_ref() == Some(&folder))
        {
            let message = "is read and written; choose another folder for the painted frames";
            return Err(argument(format!("{display} {message}")).into());
        }
    }
    Ok(())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Enough digits of the SHA-256 of some content to tell it from any other.
pub(super) fn digest(mut content: impl Read) -> io::Result<String> {
    let (mut hasher, mut part) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match content.read(&mut part) {
            Ok(0) => break,
            Ok(n) => hasher.update(&part[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}
