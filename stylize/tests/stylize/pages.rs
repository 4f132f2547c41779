//! What README.md and the pages in docs say of the command: each option is there, each command line is accepted, and each option
//! is on a page.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The subcommands with options of their own.
const SUBCOMMANDS: [&str; 5] = ["batch", "video", "features", "neurons", "studio"];

/// Options of other programs that the pages name: cargo's, xtask's, Python's, those of Apple's and Rust's installers.
const OTHERS: [&str; 12] = [
    "--bin",
    "--directory",
    "--example",
    "--features",
    "--install",
    "--locked",
    "--losses",
    "--no-default-features",
    "--path",
    "--release",
    "--target",
    "--workspace",
];

/// The names and texts of README.md and of the pages, but for `distributed.md`, which is about another program.
fn pages() -> Vec<(String, String)> {
    let folder = fs::read_dir(Path::new(ROOT).join("docs")).expect("lists").map(|e| e.expect("an entry").path());
    let pages = folder.filter(|p| p.extension().is_some_and(|e| e == "md") && !p.ends_with("distributed.md"));
    let read = |path: PathBuf| (path.display().to_string(), fs::read_to_string(&path).expect("reads"));
    pages.chain([Path::new(ROOT).join("README.md")]).map(read).collect()
}

/// The long options in a text.
fn options(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    let is_option =
        |word: &str| word.strip_prefix("--").is_some_and(|w| w.starts_with(|c: char| c.is_ascii_lowercase()));
    words.filter(|word| is_option(word)).collect()
}

fn help(bench: &Bench, subcommand: &str) -> String {
    let output = bench.run(&format!("{subcommand} --help"));
    assert!(output.status.success(), "{subcommand}");
    String::from_utf8(output.stdout).expect("text")
}

/// The code spans of a page, and the lines of its blocks of commands.
fn code(page: &str) -> (Vec<String>, Vec<&str>) {
    let (mut prose, mut lines, mut block) = (String::new(), vec![], None);
    for line in page.lines() {
        match (line.trim_start().strip_prefix("```"), block) {
            (Some(kind), None) => block = Some(kind),
            (Some(_), Some(_)) => block = None,
            (None, Some("sh")) => lines.push(line),
            (None, Some(_)) => {}
            (None, None) => prose.extend([line, " "]),
        }
    }
    (prose.split('`').skip(1).step_by(2).map(Into::into).collect(), lines)
}

#[test]
fn every_option_on_a_page_exists() {
    let bench = Bench::new();
    let all = [""].iter().chain(&SUBCOMMANDS).map(|name| help(&bench, name)).collect::<String>();
    let known = options(&all);
    for (name, page) in pages() {
        let unknown: Vec<_> =
            options(&page).into_iter().filter(|o| !known.contains(o) && !OTHERS.contains(o)).collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
    }
}

#[test]
fn every_option_is_on_a_page() {
    let bench = Bench::new();
    let all: String = pages().into_iter().map(|(_, page)| page).collect();
    let named = options(&all);
    let help = help(&bench, "");
    // Those that the help itself lists, not those that it mentions.
    let listed = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let missing: Vec<_> =
        listed.filter_map(|line| options(line).first().copied()).filter(|option| !named.contains(option)).collect();
    assert_eq!(missing, ["--version"]);
}

/// Whether the command reads its first picture, which is missing, and so has accepted all of its options.
fn accepted(bench: &Bench, arguments: &str, picture: &str) -> Result<(), String> {
    let output = bench.run(arguments);
    let said = said(&output);
    if said.contains(&format!("cannot read {picture}:")) { Ok(()) } else { Err(format!("{arguments}: {said}")) }
}

#[test]
fn every_command_on_a_page_is_accepted() {
    let bench = Bench::new();
    fs::create_dir(bench.path("out")).expect("makes");
    let mut tried = 0;
    for (name, page) in pages() {
        for line in code(&page).1 {
            let line = line.split(" #").next().unwrap_or(line).split('>').next().unwrap_or(line);
            let arguments = line.split_once("--bin stylize").or_else(|| line.split_once("stylize "));
            let Some((before, arguments)) = arguments else { continue };
            if before.contains("install") {
                continue;
            }
            let arguments = arguments.trim().trim_start_matches("-- ");
            let first = arguments.split(' ').next().unwrap_or_default();
            if first.ends_with(".jpg") {
                accepted(&bench, arguments, first).unwrap_or_else(|e| panic!("{name}: {e}"));
            } else if !["completions", "man"].contains(&first) {
                // Subcommands, and the samples: the help is printed where the arguments before it are right.
                let output = bench.run(&format!("{arguments} --help"));
                assert!(output.status.success(), "{name}: {line}: {}", said(&output));
            }
            tried += 1;
        }
    }
    assert!(tried > 15, "{tried} command lines");
}

/// Code spans of options with their values, such as `--style-scale 1.5`. Those of videos are of a subcommand.
#[test]
fn every_value_of_an_option_on_a_page_is_accepted() {
    let bench = Bench::new();
    let mut tried = BTreeSet::new();
    for (name, page) in pages().into_iter().filter(|(name, _)| !name.ends_with("videos.md")) {
        for span in code(&page).0 {
            let placeholder = |word: &str| word.starts_with(|c: char| c.is_ascii_uppercase());
            if !span.starts_with('-') || !span.contains(' ') || span.split(' ').any(placeholder) {
                continue;
            }
            accepted(&bench, &format!("missing.png {span}"), "missing.png").unwrap_or_else(|e| panic!("{name}: {e}"));
            tried.insert(span);
        }
    }
    assert!(tried.len() > 30, "{tried:?}");
}
