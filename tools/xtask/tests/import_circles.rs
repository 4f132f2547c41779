//! Checks that the files of each published crate, and of xtask, have no import cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const CRATES: [&str; 11] = [
    ".",
    "style-core",
    "style-cpu",
    "style-cuda",
    "style-models",
    "style-pictures",
    "style-studio",
    "style-watch",
    "style-wgpu",
    "stylize",
    "tools/xtask",
];

/// The files of a crate, by their modules: `["pass", "plan"]` is `pass/plan.rs` or `pass/plan/mod.rs`, `[]` is `lib.rs` or
/// `main.rs`.
type Modules = BTreeMap<Vec<String>, PathBuf>;

fn modules(folder: &Path, at: &[String], found: &mut Modules) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let below = [at, std::slice::from_ref(&name)].concat();
        if path.is_dir() {
            modules(&path, &below, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let module =
                if name == "mod" || (at.is_empty() && (name == "lib" || name == "main")) { at.to_vec() } else { below };
            found.insert(module, path);
        }
    }
}

/// The paths in the `use` items of a file, each from its first segment to its last.
fn used(source: &str) -> Vec<Vec<String>> {
    // Test modules may import anything.
    let source = source.split("\nmod tests {").next().unwrap_or_default();
    let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n");
    let mut paths = vec![];
    for item in code.split(';') {
        let words: Vec<_> = item.split_whitespace().collect();
        let Some(at) = words.iter().position(|word| *word == "use") else { continue };
        let tree: String = words[at + 1..].concat();
        leaves(&tree, &[], &mut paths);
    }
    paths
}

/// The paths of a tree such as `a::{b, c::d}`, without spaces.
fn leaves(tree: &str, before: &[String], paths: &mut Vec<Vec<String>>) {
    if let Some(inner) = tree.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
        let (mut depth, mut start) = (0, 0);
        for (i, c) in inner.char_indices().chain([(inner.len(), ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    leaves(&inner[start..i], before, paths);
                    start = i + 1;
                }
                _ => {}
            }
        }
        return;
    }
    match tree.split_once("::") {
        Some((first, rest)) => leaves(rest, &[before, &[first.to_owned()]].concat(), paths),
        None if tree.is_empty() => {}
        None => paths.push([before, &[tree.to_owned()]].concat()),
    }
}

/// The module that a path names or points into.
fn resolve(path: &[String], from: &[String], modules: &Modules) -> Option<Vec<String>> {
    let mut at = match path.first()?.as_str() {
        "crate" => vec![],
        "super" => from[..from.len().checked_sub(1)?].to_vec(),
        "self" => from.to_vec(),
        first => {
            let child = [from, &[first.to_owned()]].concat();
            return modules.contains_key(&child).then(|| deepest(child, &path[1..], modules));
        }
    };
    let mut rest = &path[1..];
    while rest.first().is_some_and(|s| s == "super") {
        at.pop();
        rest = &rest[1..];
    }
    Some(deepest(at, rest, modules))
}

fn deepest(mut at: Vec<String>, rest: &[String], modules: &Modules) -> Vec<String> {
    for segment in rest {
        let below = [&at[..], std::slice::from_ref(segment)].concat();
        if !modules.contains_key(&below) {
            break;
        }
        at = below;
    }
    at
}

type Imports = BTreeMap<Vec<String>, BTreeSet<Vec<String>>>;

/// A cycle of imports through `end`, if there is one.
fn way(from: &[String], end: &[String], imports: &Imports, seen: &mut BTreeSet<Vec<String>>) -> Option<Vec<String>> {
    for next in imports.get(from)? {
        if next == end {
            return Some(vec![from.join("::")]);
        }
        if seen.insert(next.clone())
            && let Some(rest) = way(next, end, imports, seen)
        {
            return Some([vec![from.join("::")], rest].concat());
        }
    }
    None
}

#[test]
fn there_are_none() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut circles = vec![];
    for name in CRATES {
        let (source, mut files) = (root.join(name).join("src"), Modules::new());
        modules(&source, &[], &mut files);
        let of_file = |(module, file): (&Vec<String>, &PathBuf)| {
            let paths = used(&fs::read_to_string(file).expect("a source"));
            let to = paths.iter().filter_map(|path| resolve(path, module, &files)).filter(|to| to != module);
            (module.clone(), to.collect())
        };
        let imports: Imports = files.iter().map(of_file).collect();
        assert!(imports.len() == 1 || imports.values().any(|to| !to.is_empty()), "{name}: no imports found");
        for module in imports.keys() {
            if let Some(way) = way(module, module, &imports, &mut BTreeSet::new()) {
                circles.push(format!("{name}: {} -> {}", way.join(" -> "), module.join("::")));
            }
        }
    }
    assert!(circles.is_empty(), "import cycles:\n{}", circles.join("\n"));
}

#[test]
fn trees_of_imports_are_read() {
    let source = "use a::b;\n// use not::this;\npub(crate) use super::{c, d::{e, f as g}};\nmod tests {\nuse crate::x;";
    let paths: Vec<_> = used(source).iter().map(|path| path.join("::")).collect();
    assert_eq!(paths, ["a::b", "super::c", "super::d::e", "super::d::fasg"]);
}
