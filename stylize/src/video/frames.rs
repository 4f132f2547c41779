//! The frames of a video: the pictures of a folder, or those whose names fit a pattern.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::source::{is_picture, is_standard};
use crate::styles::argument;

/// What a video is read from.
#[derive(Debug, PartialEq)]
pub(crate) enum Frames {
    /// Picture files, in order.
    Pictures(Vec<PathBuf>),
    /// A file that `ffmpeg` reads.
    Video(PathBuf),
}

/// The frames that a path on the command line names.
pub(crate) fn frames(path: &Path) -> Result<Frames> {
    if is_standard(path) {
        let message = "a video is read from a folder of frames or a file, not from the standard input";
        return Err(argument(message).into());
    }
    if path.is_dir() {
        let all = in_folder(path, |name| is_picture(Path::new(name)))?;
        if all.is_empty() {
            bail!("no pictures in {}", path.display());
        }
        return Ok(Frames::Pictures(all));
    }
    if path.is_file() {
        if is_picture(path) {
            let message =
                "this is one picture; give the folder of all frames, a pattern such as 'frames/*.png', or a video file";
            return Err(argument(format!("{}: {message}", path.display())).into());
        }
        return Ok(Frames::Video(path.to_owned()));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Some(pattern) = Pattern::new(&name) else {
        let message = "there is no such folder or file; give a folder of frames, a pattern such as 'frames/*.png' or \
                       frames/%04d.png, or a video file";
        return Err(argument(format!("{}: {message}", path.display())).into());
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let all = in_folder(folder, |name| name.to_str().is_some_and(|name| pattern.fits(name)))?;
    if all.is_empty() {
        bail!("no file in {} fits the pattern {name}", folder.display());
    }
    Ok(Frames::Pictures(all))
}

/// The files of a folder whose names are wanted, in order, without hidden ones.
fn in_folder(folder: &Path, wanted: impl Fn(&OsStr) -> bool) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut all = vec![];
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read the folder {}", folder.display()))?;
        let name = entry.file_name();
        if !name.as_encoded_bytes().starts_with(b".") && wanted(&name) && entry.path().is_file() {
            all.push(entry.path());
        }
    }
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    all.sort_by(|a, b| by_number(&name(a), &name(b)).then_with(|| a.cmp(b)));
    Ok(all)
}

/// A name with one variable part: `*`, or a number as in printf, `%d` or `%04d`.
struct Pattern {
    before: String,
    after: String,
    /// The least number of digits; `None` for `*`.
    digits: Option<usize>,
}

impl Pattern {
    fn new(name: &str) -> Option<Self> {
        let pattern =
            |before: &str, after: &str, digits| Some(Self { before: before.into(), after: after.into(), digits });
        if let Some((before, after)) = name.split_once('*') {
            return pattern(before, after, None);
        }
        let (before, rest) = name.split_once('%')?;
        let (width, after) = rest.split_once('d')?;
        match width {
            "" => pattern(before, after, Some(1)),
            width => pattern(before, after, Some(width.strip_prefix('0')?.parse().ok()?)),
        }
    }

    fn fits(&self, name: &str) -> bool {
        let middle = name.strip_prefix(&self.before).and_then(|rest| rest.strip_suffix(&self.after));
        middle.is_some_and(|middle| match self.digits {
            None => true,
            Some(least) => middle.len() >= least && middle.bytes().all(|b| b.is_ascii_digit()),
        })
    }
}

/// The order of names in which numbers count as numbers: frame 9 comes before frame 10.
fn by_number(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let digits = |s: &str| s.len() - s.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (m, n) = (digits(a), digits(b));
        if m > 0 && n > 0 {
            let (x, y) = (a[..m].trim_start_matches('0'), b[..n].trim_start_matches('0'));
            let order = x.len().cmp(&y.len()).then_with(|| x.cmp(y));
            if order.is_ne() {
                return order;
            }
            (a, b) = (&a[m..], &b[n..]);
            continue;
        }
        let (mut x, mut y) = (a.chars(), b.chars());
        match (x.next(), y.next()) {
            (None, None) => return Ordering::Equal,
            (p, q) if p != q => return p.cmp(&q),
            _ => (a, b) = (x.as_str(), y.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_as_numbers() {
        let mut names =
            vec!["f10.png", "f9.png", "f009.png", "e11.png", "f10b.png", "f.png", "f99999999999999999999999.png"];
        names.sort_by(|a, b| by_number(a, b));
        assert_eq!(
            names,
            ["e11.png", "f.png", "f9.png", "f009.png", "f10.png", "f10b.png", "f99999999999999999999999.png"]
        );
        assert_eq!(by_number("ä1", "ä2"), Ordering::Less);
    }

    #[test]
    fn patterns_fit_whole_names() {
        let fits = |pattern: &str, name: &str| Pattern::new(pattern).expect("a pattern").fits(name);
        assert!(fits("*.png", "a.png") && !fits("*.png", "a.jpg"));
        assert!(fits("f%d.png", "f7.png") && !fits("f%d.png", "f.png") && !fits("f%d.png", "fx.png"));
        assert!(fits("f%03d.png", "f007.png") && fits("f%03d.png", "f1234.png") && !fits("f%03d.png", "f07.png"));
        assert!(!fits("aa*aa", "aaa"), "the two parts do not overlap");
        for name in ["plain.png", "%s.png", "%4d.png", "%0d.png", "%"] {
            assert!(Pattern::new(name).is_none(), "{name}");
        }
    }
}
