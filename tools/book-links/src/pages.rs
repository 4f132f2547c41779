//! The pages of the book, and where their links lead.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::links::links;

/// The pages that `docs/SUMMARY.md` lists.
pub(crate) struct Pages {
    /// The repository.
    root: PathBuf,
    /// Paths from the root, such as `docs/guide.md` and `BENCHMARKS.md`.
    pub(crate) all: Vec<String>,
    /// The address of the repository, if it is known.
    pub(crate) repository: Option<String>,
}

/// A path from the root of the repository, from a folder in it and a path from there.
pub(crate) fn joined(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The folder of a page.
pub(crate) fn folder(page: &str) -> &str {
    page.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Where a page lies in the book.
pub(crate) fn place(page: &str) -> String {
    page.strip_prefix("docs/").map_or_else(|| page.to_lowercase(), Into::into)
}

impl Pages {
    /// Reads the list of a repository.
    pub(crate) fn read(root: impl AsRef<Path>) -> io::Result<Self> {
        let root = root.as_ref().to_owned();
        let summary = fs::read_to_string(root.join("docs/SUMMARY.md"))?;
        let all = links(&summary).into_iter().map(|link| joined("docs", &summary[link.target])).collect();
        Ok(Self { root, all, repository: None })
    }

    /// The content of a page with the links that it has in the book.
    pub(crate) fn in_book(&self, page: &str, content: &str) -> String {
        let mut edits = vec![];
        for link in links(content) {
            let target = &content[link.target.clone()];
            if target.contains(':') || target.starts_with('#') {
                continue;
            }
            let (path, anchor) = target.split_at(target.find('#').unwrap_or(target.len()));
            let path = joined(folder(page), path);
            if self.all.contains(&path) || path.starts_with("docs/") {
                edits.push((link.target, format!("{}{anchor}", place(&path))));
            } else if let Some(repository) = &self.repository {
                let kind = if self.root.join(&path).is_dir() { "tree" } else { "blob" };
                edits.push((link.target, format!("{repository}/{kind}/HEAD/{path}{anchor}")));
            } else {
                let text = &content[link.text.clone()];
                if path.ends_with(text.trim_matches('`')) {
                    edits.push((link.open..link.target.end + 1, format!("`{path}`")));
                } else {
                    edits.push((link.open..link.open + 1, String::new()));
                    edits.push((link.text.end..link.target.end + 1, format!(" (`{path}`)")));
                }
            }
        }
        edits.sort_by_key(|(range, _)| range.start);
        let mut written = String::with_capacity(content.len());
        let mut from = 0;
        for (range, text) in edits {
            written.push_str(&content[from..range.start]);
            written.push_str(&text);
            from = range.end;
        }
        written.push_str(&content[from..]);
        written
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::links::anchors;

    const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

    fn text(page: &str) -> String {
        fs::read_to_string(Path::new(ROOT).join(page)).unwrap_or_else(|e| panic!("{page}: {e}"))
    }

    #[test]
    fn links_lead_to_pages_files_or_the_repository() {
        let mut pages = Pages::read(ROOT).unwrap();
        let line = "[a](guide.md) ![b](knobs/c.jpg) [d](../NOTICE) [`src`](../src) [e](https://x.org/) [f](#g)";
        assert_eq!(
            pages.in_book("docs/gallery.md", line),
            "[a](guide.md) ![b](knobs/c.jpg) d (`NOTICE`) `src` [e](https://x.org/) [f](#g)"
        );
        pages.repository = Some("https://x.org/r".into());
        assert_eq!(
            pages.in_book("BENCHMARKS.md", "[d](NOTICE) [s](src) [g](docs/gallery.md#losses)"),
            "[d](https://x.org/r/blob/HEAD/NOTICE) [s](https://x.org/r/tree/HEAD/src) [g](gallery.md#losses)"
        );
    }

    #[test]
    fn every_page_is_in_the_summary() {
        let listed: BTreeSet<_> = Pages::read(ROOT).unwrap().all.into_iter().filter(|p| folder(p) == "docs").collect();
        let names = fs::read_dir(Path::new(ROOT).join("docs")).unwrap().map(|e| e.unwrap().file_name());
        let names = names.map(|name| name.into_string().unwrap());
        let files: BTreeSet<_> =
            names.filter(|n| n.ends_with(".md") && n != "SUMMARY.md").map(|n| format!("docs/{n}")).collect();
        assert_eq!(listed, files);
    }

    #[test]
    fn no_two_pages_have_one_place_in_the_book() {
        let pages = Pages::read(ROOT).unwrap().all;
        let places: BTreeSet<_> = pages.iter().map(|page| place(page)).collect();
        assert_eq!(places.len(), pages.len());
    }

    /// Of the pages and the README: files, folders, and the headings of pages.
    #[test]
    fn every_link_leads_somewhere() {
        let pages = Pages::read(ROOT).unwrap();
        let mut lost = vec![];
        for page in pages.all.iter().map(String::as_str).chain(["README.md", "docs/SUMMARY.md"]) {
            let content = text(page);
            for link in links(&content) {
                let target = &content[link.target];
                if target.contains(':') {
                    continue;
                }
                let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
                let path = if path.is_empty() { page.to_owned() } else { joined(folder(page), path) };
                let exists = Path::new(ROOT).join(&path).exists();
                if !exists || (!anchor.is_empty() && !anchors(&text(&path)).iter().any(|a| a == anchor)) {
                    lost.push(format!("{page}: {target}"));
                }
            }
        }
        assert!(lost.is_empty(), "{lost:#?}");
    }

    /// None leads out of the book, or from its root.
    #[test]
    fn links_stay_in_the_book() {
        let pages = Pages::read(ROOT).unwrap();
        for page in &pages.all {
            let content = pages.in_book(page, &text(page));
            for link in links(&content) {
                let target = &content[link.target];
                assert!(!target.starts_with("..") && !target.starts_with('/'), "{page}: {target}");
            }
        }
    }
}
