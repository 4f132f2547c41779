//! Writes the JavaScript around a WebAssembly module, and the module as it is loaded: `bindgen MODULE.wasm FOLDER`.

use std::env;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut arguments = env::args_os().skip(1);
    let module = arguments.next().context("usage: bindgen MODULE.wasm FOLDER")?;
    let folder = arguments.next().context("usage: bindgen MODULE.wasm FOLDER")?;
    Bindgen::new()
        .input_path(module)
        .web(true)?
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(folder)
}
