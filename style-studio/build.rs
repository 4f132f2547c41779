//! Finds the page's files: beside this crate in its package, and in the workspace where `web` is a link, or, after a checkout
//! without links, a file with the link's text.

use std::path::Path;

fn main() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = here.join("web");
    let web = if own.is_dir() { own } else { here.join("../web") };
    println!("cargo::rustc-env=STUDIO_WEB={}", web.display());
    println!("cargo::rerun-if-changed=build.rs");
}
