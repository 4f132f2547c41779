//! The frames of a video: the pictures of a folder, or those whose names fit a pattern.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::report::Report;
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

/// The frames that a path on the command line names. Files of a folder that are left out are reported.
pub(crate) fn frames(path: &Path, report: &Report) -> Result<Frames> {
    if is_standard(path) {
        let message = "a video is read from a folder of frames or a file, not from the standard input";
        return Err(argument(message).into());
    }
    if path.is_dir() {
        let (all, others) = in_folder(path, |name| is_picture(Path::new(name)))?;
        if all.is_empty() {
            bail!("no pictures in {}", path.display());
        }
        if let Some(note) = left_out(path, &others) {
            report.say(note);
        }
        return Ok(Frames::Pictures(all));
    }
    if path.is_file() {
        if is_picture(path) {
            let message = "this is one picture; give the folder of all frames, a pattern such as 'frames/*.png' (in quotes), or a video file";
            return Err(argument(format!("{}: {message}", path.display())).into());
        }
        return Ok(Frames::Video(path.to_owned()));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(pattern) = Pattern::new(&name).filter(|_| folder.is_dir()) else {
        let in_folder = folder.to_string_lossy().contains(['*', '?', '%']);
        let message = match in_folder {
            true => "only the name of a file may be a pattern, as in 'frames/*.png', not that of a folder",
            false => {
                "there is no such folder or file; give a folder of frames, a pattern such as 'frames/*.png' or frames/%04d.png, or \
                 a video file"
            }
        };
        return Err(argument(format!("{}: {message}", path.display())).into());
    };
    let (all, others) = in_folder(folder, |name| name.to_str().is_some_and(|name| pattern.fits(name)))?;
    if all.is_empty() {
        let there = match others.first() {
            None => "there are none in it".into(),
            Some(first) => format!("there are {} others, such as {}", others.len(), name_of(first)),
        };
        bail!("no file in {} fits the pattern {name}; {there}", folder.display());
    }
    Ok(Frames::Pictures(all))
}

/// The note on files that are no frames.
fn left_out(folder: &Path, others: &[PathBuf]) -> Option<String> {
    let first = name_of(others.first()?);
    let folder = folder.display();
    Some(match others.len() {
        1 => format!("note: {folder}: {first} is no picture and is left out"),
        n => format!("note: {folder}: {n} files are no pictures and are left out, such as {first}"),
    })
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The files of a folder whose names are wanted, and the others, each in order, without hidden ones.
fn in_folder(folder: &Path, wanted: impl Fn(&OsStr) -> bool) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let (mut all, mut others) = (vec![], vec![]);
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read the folder {}", folder.display()))?;
        let name = entry.file_name();
        if !name.as_encoded_bytes().starts_with(b".") && entry.path().is_file() {
            if wanted(&name) { &mut all } else { &mut others }.push(entry.path());
        }
    }
    for list in [&mut all, &mut others] {
        list.sort_by(|a, b| by_number(&name_of(a), &name_of(b)).then_with(|| a.cmp(b)));
    }
    Ok((all, others))
}

/// A name with variable parts: `*` and `?` as in a shell, or a number as in printf, `%d` or `%04d`.
enum Pattern {
    Glob(Vec<char>),
    Number {
        before: String,
        after: String,
        /// The least number of digits.
        digits: usize,
    },
}

impl Pattern {
    fn new(name: &str) -> Option<Self> {
        if name.contains(['*', '?']) {
            return Some(Self::Glob(name.chars().collect()));
        }
        let (before, rest) = name.split_once('%')?;
        let (width, after) = rest.split_once('d')?;
        let digits = match width {
            "" => 1,
            width => width.strip_prefix('0')?.parse().ok()?,
        };
        Some(Self::Number { before: before.into(), after: after.into(), digits })
    }

    fn fits(&self, name: &str) -> bool {
        match self {
            Self::Glob(pattern) => fits(pattern, &name.chars().collect::<Vec<_>>()),
            Self::Number { before, after, digits } => {
                let middle = name.strip_prefix(before.as_str()).and_then(|rest| rest.strip_suffix(after.as_str()));
                middle.is_some_and(|middle| middle.len() >= *digits && middle.bytes().all(|b| b.is_ascii_digit()))
            }
        }
    }
}

/// Whether a pattern of `*` and `?` fits a whole name.
fn fits(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Behind the last star, and where what follows it was tried.
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                p += 1;
                star = Some((p, n));
            }
            Some(c) if *c == '?' || *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match &mut star {
                None => return false,
                // The star takes one more.
                Some((behind, tried)) => {
                    *tried += 1;
                    (p, n) = (*behind, *tried);
                }
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
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
        assert!(fits("*f*.png", "a f9.png") && fits("*f*.png", "f.png") && !fits("*f*.png", "g.png"));
        assert!(fits("*a*b*", "xaab") && fits("f?.png", "fé.png") && !fits("f?.png", "f10.png") && fits("*", "x"));
        for name in ["plain.png", "%s.png", "%4d.png", "%0d.png", "%"] {
            assert!(Pattern::new(name).is_none(), "{name}");
        }
    }
}
