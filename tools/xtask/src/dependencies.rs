//! `cargo xtask dependencies`: licences and sources of all that the workspace and the page in the browser depend on, from
//! `cargo metadata`.

use std::process::Command;

use serde::Deserialize;
use spdx::{Expression, LicenseReq, ParseMode};

use crate::Failure;
use crate::common::repository;

/// Of each package that offers a choice, one must be among these. All let binaries be passed on under MIT or Apache-2.0,
/// with notices.
const ALLOWED: [&str; 7] = ["Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "Unicode-3.0", "Zlib"];

/// The page is a workspace of its own.
const MANIFESTS: [&str; 2] = ["Cargo.toml", "style-web/Cargo.toml"];

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Clone, Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    /// Absent for the workspace's own.
    source: Option<String>,
    dependencies: Vec<Dependency>,
}

#[derive(Clone, Deserialize)]
struct Dependency {
    name: String,
    req: String,
    path: Option<String>,
}

pub(crate) fn run(_: impl Iterator<Item = String>) -> Result<(), Failure> {
    let packages = MANIFESTS.map(packages_of).into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    let found = problems(&packages);
    if found.is_empty() {
        println!("{} packages of {MANIFESTS:?}, with all features and for all systems", packages.len());
        return Ok(());
    }
    Err(found.join("\n").into())
}

fn packages_of(manifest: &str) -> Result<Vec<Package>, Failure> {
    let root = repository("");
    let arguments = ["metadata", "--locked", "--all-features", "--format-version", "1", "--manifest-path", manifest];
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root).output()?;
    if !output.status.success() {
        return Err(format!("cargo metadata of {manifest}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_slice::<Metadata>(&output.stdout)?.packages)
}

/// What is not as it should be, a line each.
fn problems(packages: &[Package]) -> Vec<String> {
    let mut problems = vec![];
    let mut used = [false; ALLOWED.len()];
    for package in packages {
        let name = format!("{} {}", package.name, package.version);
        if let Some(source) = package.source.as_deref().filter(|source| *source != CRATES_IO) {
            problems.push(format!("{name} comes from {source}: only crates.io may be a source"));
        }
        // Old manifests write MIT/Apache-2.0.
        let text = package.license.as_deref().unwrap_or_default();
        match Expression::parse_mode(text, ParseMode::LAX) {
            Ok(licence) if licence.evaluate(allowed) => {
                for (used, name) in used.iter_mut().zip(ALLOWED) {
                    *used |= licence.requirements().any(|r| r.req.license.id().is_some_and(|id| id.name == name));
                }
            }
            Ok(_) => problems.push(format!("{name} has the licence {text}, which is not allowed")),
            Err(e) => problems.push(format!("{name} has the licence {text:?}, which is not understood: {}", e.reason)),
        }
        let any = |d: &&Dependency| package.source.is_none() && d.req == "*" && d.path.is_none();
        for dependency in package.dependencies.iter().filter(any) {
            problems.push(format!("{name} takes any version of {}: name one", dependency.name));
        }
    }
    let unused = ALLOWED.iter().zip(used).filter(|(_, used)| !used);
    problems.extend(unused.map(|(name, _)| format!("no package has the licence {name}: take it off the list")));
    problems
}

fn allowed(requirement: &LicenseReq) -> bool {
    let id = requirement.license.id();
    requirement.addition.is_none() && id.is_some_and(|id| ALLOWED.contains(&id.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, license: Option<&str>, source: Option<&str>) -> Package {
        let (license, source) = (license.map(Into::into), source.map(Into::into));
        Package { name: name.into(), version: "1.0.0".into(), license, source, dependencies: vec![] }
    }

    /// A package of each allowed licence.
    fn fine() -> Vec<Package> {
        ALLOWED.iter().map(|licence| package(licence, Some(licence), Some(CRATES_IO))).collect()
    }

    fn with(more: Package) -> Vec<String> {
        problems(&fine().into_iter().chain([more]).collect::<Vec<_>>())
    }

    #[test]
    fn licences_are_held_to_the_list() {
        assert_eq!(problems(&fine()), [""; 0]);
        for licence in ["MIT OR GPL-3.0-only", "GPL-2.0/MIT", "(MIT OR Apache-2.0) AND Unicode-3.0"] {
            assert_eq!(with(package("good", Some(licence), Some(CRATES_IO))), [""; 0], "{licence}");
        }
        for licence in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "Apache-2.0 WITH LLVM-exception", "no licence", ""] {
            let found = with(package("bad", Some(licence), Some(CRATES_IO)));
            assert!(matches!(&found[..], [line] if line.contains("bad 1.0.0") && line.contains(licence)), "{found:?}");
        }
        assert_eq!(with(package("bad", None, Some(CRATES_IO))).len(), 1);
        let found = problems(&fine()[1..]);
        assert!(matches!(&found[..], [line] if line.contains("Apache-2.0")), "{found:?}");
    }

    #[test]
    fn sources_and_versions_are_named() {
        let git = "git+https://example.org/some#0123";
        assert!(with(package("other", Some("MIT"), Some(git)))[0].contains(git));
        let mut own = package("own", Some("MIT"), None);
        let dependency = |req: &str, path: Option<&str>| Dependency {
            name: "part".into(),
            req: req.into(),
            path: path.map(Into::into),
        };
        own.dependencies = vec![dependency("^1", None), dependency("*", Some("tools/part"))];
        assert_eq!(with(own), [""; 0]);
        let mut own = package("own", Some("MIT"), None);
        own.dependencies = vec![dependency("*", None)];
        assert!(with(own)[0].contains("any version of part"));
    }
}
