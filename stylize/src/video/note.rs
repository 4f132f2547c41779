//! What the frames in a folder were painted with, so that a later run goes on only with the same settings and pictures.
//!
//! Settings are those in effect: an option that is given with its default value is no other setting. Files are compared by their
//! content: a painting may get another name.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// The note in the folder of painted frames.
const NAME: &str = "stylize-video.json";

/// The most differences that a message lists.
const LISTED: usize = 3;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Note {
    /// Settings by the names of their options, as a user gives them.
    pub(super) settings: BTreeMap<String, String>,
    /// The other files by what they are for.
    pub(super) files: BTreeMap<String, FileOf>,
    /// Digests of the frames by the names of the painted ones; of frames taken from a video, the video is in `files`.
    pub(super) frames: BTreeMap<String, String>,
}

/// A file, compared by its content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FileOf {
    pub(super) name: String,
    pub(super) digest: String,
}

impl Note {
    /// Writes the note, after a comparison with the one that is there if painted frames are.
    pub(super) fn keep(mut self, folder: &Path, painted: impl Iterator<Item = String>) -> Result<()> {
        let path = folder.join(NAME);
        let painted: Vec<_> = painted.collect();
        if painted.is_empty() {
            return self.write(&path, folder);
        }
        let display = folder.display();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => bail!(
                "{display}: there are files with the names of painted frames, but no {NAME} that says how they were painted; choose \
                 another folder"
            ),
            Err(e) => return Err(e).with_context(|| format!("cannot read {}", path.display())),
        };
        let there: Self = serde_json::from_slice(&text).with_context(|| {
            format!(
                "{} does not say how the frames in its folder were painted; choose another folder, or delete this one to start \
                 again",
                path.display()
            )
        })?;
        let differences = there.differences(&self);
        if !differences.is_empty() {
            bail!(
                "{display}: the frames there were painted with other settings: {}; use the same settings, choose another folder, \
                 or delete this one to start again",
                listed(&differences)
            );
        }
        let of_other =
            |name: &&String| self.frames.contains_key(*name) && there.frames.get(*name) != self.frames.get(*name);
        let others: Vec<_> = painted.iter().filter(of_other).map(String::as_str).collect();
        if !others.is_empty() {
            bail!(
                "{display}: the frames have changed since these were painted: {}; choose another folder, or delete these, which \
                 are then painted again",
                listed(&others)
            );
        }
        // A frame that was painted may have no source any more.
        let gone = there.frames.iter().filter(|(name, _)| folder.join(name).exists());
        for (name, digest) in gone {
            self.frames.entry(name.clone()).or_insert_with(|| digest.clone());
        }
        if self == there { Ok(()) } else { self.write(&path, folder) }
    }

    /// What is different now, as a user says it.
    fn differences(&self, now: &Self) -> Vec<String> {
        let mut all = vec![];
        let value = |settings: &Self, name: &String| settings.settings.get(name).cloned().unwrap_or("not given".into());
        let mut names = keys(&self.settings, &now.settings);
        // The reason of many others.
        names.sort_by_key(|name| *name != "--preset");
        for name in names {
            let (before, now) = (value(self, name), value(now, name));
            if before != now {
                all.push(format!("{name} was {before}, and is now {now}"));
            }
        }
        for name in keys(&self.files, &now.files) {
            match (self.files.get(name), now.files.get(name)) {
                (Some(before), Some(now)) if before.digest == now.digest => {}
                (Some(before), Some(now)) if before.name == now.name => {
                    all.push(format!("{name}, {}, has another content now", now.name));
                }
                (before, now) => {
                    let name_of = |file: Option<&FileOf>| file.map_or("not given", |file| &file.name).to_owned();
                    all.push(format!("{name} was {}, and is now {}", name_of(before), name_of(now)));
                }
            }
        }
        all
    }

    fn write(&self, path: &Path, folder: &Path) -> Result<()> {
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.persist(path).map_err(|e| e.error)
        };
        write().map(|_| ()).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The keys of both, in order, each once.
fn keys<'a, T>(a: &'a BTreeMap<String, T>, b: &'a BTreeMap<String, T>) -> Vec<&'a String> {
    let mut all: Vec<_> = a.keys().chain(b.keys()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The first ones, and how many there are more.
fn listed<T: AsRef<str>>(all: &[T]) -> String {
    let first: Vec<_> = all.iter().take(LISTED).map(AsRef::as_ref).collect();
    let more = if all.len() > LISTED { format!(" and {} more", all.len() - LISTED) } else { String::new() };
    format!("{}{more}", first.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(settings: &[(&str, &str)], files: &[(&str, &str, &str)]) -> Note {
        let settings = settings.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let file = |(_, name, digest): &(&str, &str, &str)| FileOf { name: (*name).into(), digest: (*digest).into() };
        let files = files.iter().map(|of| (of.0.into(), file(of)));
        Note { settings: settings.collect(), files: files.collect(), frames: BTreeMap::new() }
    }

    #[test]
    fn differences_are_named_as_a_user_says_them() {
        let before =
            note(&[("--seed", "0"), ("--size", "512")], &[("painting 1", "a.png", "11"), ("--init", "i.png", "5")]);
        assert!(before.differences(&before).is_empty());
        let renamed =
            note(&[("--seed", "0"), ("--size", "512")], &[("painting 1", "b.png", "11"), ("--init", "i.png", "5")]);
        assert!(before.differences(&renamed).is_empty(), "another name, but the same picture");
        let other = note(
            &[("--seed", "0"), ("--size", "native"), ("--style-weight", "3")],
            &[("painting 1", "b.png", "12"), ("--init", "i.png", "6"), ("painting 2", "c.png", "1")],
        );
        assert_eq!(
            before.differences(&other),
            [
                "--size was 512, and is now native",
                "--style-weight was not given, and is now 3",
                "--init, i.png, has another content now",
                "painting 1 was a.png, and is now b.png",
                "painting 2 was not given, and is now c.png",
            ]
        );
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(listed(&["a", "b", "c"]), "a; b; c");
        assert_eq!(listed(&["a", "b", "c", "d", "e"]), "a; b; c and 2 more");
    }
}
