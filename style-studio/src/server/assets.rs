//! The page's own files, inside the program.

use axum::Router;
use axum::http::header;
use axum::routing::get;

use super::shared::Shared;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file by the name that the page asks for.
macro_rules! assets {
    ($($name:literal: $kind:expr),* $(,)?) => {
        /// Names, kinds and texts.
        const ASSETS: &[(&str, &str, &str)] = &[$(($name, $kind, include_str!(concat!(env!("STUDIO_WEB"), "/", $name)))),*];
    };
}

assets! {
    "index.html": HTML,
    "style.css": CSS,
    "icon.svg": SVG,
    "main.js": SCRIPT,
    "engine.js": SCRIPT,
    "engine-server.js": SCRIPT,
    "ui/announce.js": SCRIPT,
    "ui/begin.js": SCRIPT,
    "ui/compare.js": SCRIPT,
    "ui/controls.js": SCRIPT,
    "ui/device.js": SCRIPT,
    "ui/dom.js": SCRIPT,
    "ui/losses.js": SCRIPT,
    "ui/mask.js": SCRIPT,
    "ui/queue.js": SCRIPT,
    "ui/snapshots.js": SCRIPT,
    "ui/stage.js": SCRIPT,
    "ui/time.js": SCRIPT,
}

pub(super) fn routes() -> Router<Shared> {
    ASSETS.iter().fold(Router::new(), |router, (name, kind, text)| {
        // The browser asks whether a file has changed: a new version of the program has new ones.
        let file = move || async move { ([(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, "no-cache")], *text) };
        let path = if *name == "index.html" { "/".into() } else { format!("/{name}") };
        router.route(&path, get(file))
    })
}
