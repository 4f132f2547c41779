//! Painting in a browser: what the page's worker calls. It holds no jobs, only the network and the session that paints; files go
//! in and out as bytes.
//!
//! There are two builds: with the feature `cpu` it paints on the processor, by SIMD, and with `gpu` on the GPU, by WebGPU. The
//! worker loads one of them. They are apart because the second needs JSPI, which not every browser has.
//!
//! `web/worker.js` is the other side. The settings and their ranges, what a session is of them, and how its picture is shown are those
//! of `stylize studio`: the same files.

#[path = "../../style-studio/src/describe.rs"]
mod describe;
mod device;
mod error;
mod json;
#[path = "../../style-studio/src/look.rs"]
mod look;
mod painter;
mod pictures;
#[path = "../../style-studio/src/settings.rs"]
mod settings;

use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

use error::Result;
use json::{from_json, to_json};
pub use painter::{Job, Painter, Painting, begin, checkpoint, open, picture, preview, step, strengthen};
pub use pictures::{Kept, keep, mask, photograph, shown, stretched, thumbnail};
use settings::{Change, Effect, Settings};

/// Has a panic thrown as an error with its message, in place of a trap without one. Nothing of this module may be called after.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|info| wasm_bindgen::throw_str(&format!("{}{info}", error::BUG))));
}

/// Settings that were given, with those that are absent by default, checked: JSON in and out.
///
/// # Errors
/// A setting is unknown or out of range.
#[wasm_bindgen]
pub fn checked(settings: &str) -> Result<String> {
    Ok(to_json(&from_json::<Settings>(settings)?.checked()?))
}

#[derive(Serialize)]
struct Changed {
    settings: Settings,
    effect: &'static str,
}

/// Settings after a change, and what it means for a picture that is being painted: `none`, `shown`, `live`, `resume`, `repaint` or
/// `over`.
///
/// # Errors
/// A setting is unknown or out of range.
#[wasm_bindgen]
pub fn changed(settings: &str, change: &str) -> Result<String> {
    let before: Settings = from_json(settings)?;
    let settings = before.with(&from_json::<Change>(change)?)?;
    let effect = match settings.effect(&before) {
        Effect::None => "none",
        Effect::Shown => "shown",
        Effect::Live => "live",
        Effect::Resume => "resume",
        Effect::Repaint => "repaint",
        Effect::Over => "over",
    };
    Ok(to_json(&Changed { settings, effect }))
}
