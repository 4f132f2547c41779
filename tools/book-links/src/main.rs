//! A preprocessor of mdBook for pages that are read in the repository too, where links lead to files.
//!
//! `docs/SUMMARY.md` lists pages in `docs` and at the root. In the book all of them lie in one folder, so links between them are
//! rewritten. A link to another file of the repository leads to `git-repository-url` of `book.toml`; without such a setting
//! it becomes the path as text.
//!
//! mdBook passes `[context, book]` as JSON on standard input, and reads the book from standard output.

mod links;
mod pages;

use std::env;
use std::error::Error;
use std::io;

use serde_json::Value;

use pages::Pages;

fn main() -> Result<(), Box<dyn Error>> {
    // Whether a renderer is supported: each is.
    if env::args().nth(1).is_some_and(|arg| arg == "supports") {
        return Ok(());
    }
    let input: Value = serde_json::from_reader(io::stdin())?;
    let (context, mut book) = (&input[0], input[1].clone());
    let mut pages = Pages::read(context["root"].as_str().unwrap_or("."))?;
    pages.repository = context["config"]["output"]["html"]["git-repository-url"].as_str().map(Into::into);
    rewrite(&mut book, &pages);
    serde_json::to_writer(io::stdout(), &book)?;
    Ok(())
}

/// Rewrites all chapters, wherever they are in the book.
fn rewrite(part: &mut Value, pages: &Pages) {
    match part {
        Value::Array(items) => items.iter_mut().for_each(|item| rewrite(item, pages)),
        Value::Object(fields) => {
            if let (Some(content), Some(path)) = (fields.get("content"), fields.get("source_path"))
                && let (Some(content), Some(path)) = (content.as_str(), path.as_str())
            {
                let page = pages::joined("docs", path);
                let content = pages.in_book(&page, content);
                fields.insert("content".into(), content.into());
                fields.insert("path".into(), pages::place(&page).into());
            }
            fields.values_mut().for_each(|value| rewrite(value, pages));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chapters_are_rewritten_wherever_they_are() {
        let pages = Pages::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).unwrap();
        let page = |path: &str, content: &str, inner: Value| {
            let chapter =
                serde_json::json!({"content": content, "path": path, "source_path": path, "sub_items": inner});
            serde_json::json!([{ "Chapter": chapter }])
        };
        let inner = page("../BENCHMARKS.md", "[a](docs/guide.md#colours) [b](#losses)", Value::Array(vec![]));
        let mut book = serde_json::json!({"items": page("guide.md", "[a](../BENCHMARKS.md#losses)", inner)});
        rewrite(&mut book, &pages);
        let outer = &book["items"][0]["Chapter"];
        assert_eq!(outer["content"], "[a](benchmarks.md#losses)");
        assert_eq!(outer["path"], "guide.md");
        let inner = &outer["sub_items"][0]["Chapter"];
        assert_eq!(inner["content"], "[a](guide.md#colours) [b](#losses)");
        assert_eq!(inner["path"], "benchmarks.md");
    }
}
