//! The links and headings of a page in Markdown.

use std::ops::Range;

/// A link, `[text](target)`, or a picture, `![text](target)`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Where its bracket opens.
    pub(crate) open: usize,
    /// Its text.
    pub(crate) text: Range<usize>,
    /// Its target.
    pub(crate) target: Range<usize>,
}

/// The lines of a page that are not in a block of code, each with its offset.
fn prose(page: &str) -> impl Iterator<Item = (usize, &str)> {
    let (mut offset, mut in_code) = (0, false);
    page.split_inclusive('\n').filter_map(move |line| {
        let start = offset;
        offset += line.len();
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            return None;
        }
        (!in_code).then_some((start, line))
    })
}

/// The links of a page, but for those in code. Texts may span lines, targets may not.
pub(crate) fn links(page: &str) -> Vec<Link> {
    let mut found = vec![];
    let mut open = vec![];
    for (start, line) in prose(page) {
        if line.trim().is_empty() {
            open.clear();
        }
        let bytes = line.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            match bytes[i] {
                b'`' => {
                    let run = bytes[i..].iter().take_while(|b| **b == b'`').count();
                    let ticks = &line[i..i + run];
                    // A code span ends at as many ticks; here, on the same line.
                    i += line[i + run..].find(ticks).map_or(run, |end| run + end + run);
                    continue;
                }
                b'[' => open.push(start + i),
                b']' => {
                    let from = open.pop();
                    if let (Some(from), Some(b'(')) = (from, bytes.get(i + 1))
                        && let Some(length) = line[i + 2..].find(')')
                    {
                        let target = start + i + 2;
                        let text = from + 1..start + i;
                        found.push(Link { open: from, text, target: target..target + length });
                    }
                }
                _ => {}
            }
            i += 1;
        }
    }
    found
}

/// The anchors of a page's headings, as GitHub and mdBook make them.
#[cfg(test)]
pub(crate) fn anchors(page: &str) -> Vec<String> {
    let mut found: Vec<String> = vec![];
    for (_, line) in prose(page) {
        let text = line.trim_start_matches('#');
        if text.len() == line.len() || !text.starts_with(' ') {
            continue;
        }
        let slug: String = text.trim().to_lowercase().chars().filter_map(slugged).collect();
        let same = found.iter().filter(|other| **other == slug || other.starts_with(&format!("{slug}-"))).count();
        let number = found.contains(&slug).then_some(same);
        found.push(number.map_or_else(|| slug.clone(), |n| format!("{slug}-{n}")));
    }
    found
}

/// A character of an anchor.
#[cfg(test)]
fn slugged(c: char) -> Option<char> {
    match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(page: &str) -> Vec<(&str, &str)> {
        links(page).into_iter().map(|l| (&page[l.text], &page[l.target])).collect()
    }

    #[test]
    fn links_are_found_but_not_in_code() {
        let page =
            "A [link](a.md#b), `[code](c.md)`, [`x`](d.md)\n![two\nlines](e.jpg) and [0, 1]\n```sh\n[f](f.md)\n```\n";
        assert_eq!(found(page), [("link", "a.md#b"), ("`x`", "d.md"), ("two\nlines", "e.jpg")]);
        assert_eq!(found("[![alt](p.jpg)](l.md)"), [("alt", "p.jpg"), ("![alt](p.jpg)", "l.md")]);
    }

    #[test]
    fn anchors_are_those_of_github() {
        let page = "# The `one`, 2nd\n## A (b)\n```\n# code\n```\n## A (b)\n#no heading\n";
        assert_eq!(anchors(page), ["the-one-2nd", "a-b", "a-b-1"]);
    }
}
