//! Code shared by the small examples: sample pictures, the embedded network, a folder for results.

#![allow(dead_code)] // each example uses a part

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use style_pictures::Picture;
use style_transfer::{Device, Image, LayerWeight, Network, Session, models};

/// The library's embedded VGG-16 on the best device.
pub(crate) fn network() -> Result<Arc<Network>> {
    Ok(Arc::new(Network::new(Device::best()?, models::embedded()?.model())?))
}

/// Whether EXAMPLES_QUICK is set in the environment: small pictures and few evaluations, to check that an example runs.
pub(crate) fn quick() -> bool {
    std::env::var_os("EXAMPLES_QUICK").is_some()
}

/// The picture named by the `n`-th argument of the program, or a sample, with this long side.
pub(crate) fn picture(n: usize, sample: &str, long_side: u32) -> Result<Image> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("stylize/samples");
    let path = std::env::args_os().nth(n).map_or(samples.join(sample), PathBuf::from);
    Ok(Picture::open(path)?.sized(if quick() { 64 } else { long_side })?.image)
}

/// Runs a session to its end and prints a summary.
pub(crate) fn run(what: &str, session: &mut Session) -> Result<Image> {
    let start = std::time::Instant::now();
    session.run(|p| if quick() && p.iteration >= 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })?;
    let loss = session.losses().map_or(f64::NAN, |losses| losses.total);
    println!("{what}: loss {loss:.4e} after {:.0?}", start.elapsed());
    Ok(session.image()?)
}

/// Writes a picture to the folder `out`, which is created, and prints its path.
pub(crate) fn save(name: &str, image: &Image) -> Result<()> {
    let path = out(name)?;
    style_pictures::save(&path, image)?;
    println!("wrote {}", path.display());
    Ok(())
}

/// The path of a result.
pub(crate) fn out(name: &str) -> Result<PathBuf> {
    std::fs::create_dir_all("out").context("cannot create the folder \"out\" for the results")?;
    Ok(Path::new("out").join(name))
}

/// The paper's style layers.
pub(crate) const STYLE_LAYERS: [&str; 5] = ["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"];

/// Layers of equal weight that add up to 1.
pub(crate) fn equal(layers: &[&str]) -> Vec<LayerWeight> {
    layers.iter().map(|&layer| LayerWeight::new(layer, 1.0 / layers.len() as f64)).collect()
}
