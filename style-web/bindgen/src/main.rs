//! Writes the JavaScript around a WebAssembly module, and the module as it is loaded: `bindgen MODULE.wasm FOLDER NAME`.

use std::env;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().context("usage: bindgen MODULE.wasm FOLDER NAME");
    let (module, folder, name) = (next()?, next()?, next()?);
    Bindgen::new()
        .input_path(module)
        .web(true)?
        .out_name(&name)
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(folder)
}
