//! A texture of any size from a painting (Gatys, Ecker and Bethge 2015, "Texture Synthesis Using Convolutional Neural
//! Networks"): no content, from noise, and Gram matrices that know nothing of sizes.
//!
//! ```sh
//! cargo run --release --example texture [PAINTING [WIDTH HEIGHT]]
//! ```
//!
//! Writes `out/texture.png`, 400 x 256 pixels unless told otherwise: strokes as large as in the painting at 256 pixels,
//! and patches of its colours, but nothing where it was. 200 evaluations from faint noise, 8 to either side.
//!
//! Departures from the paper: average pooling and the style layers of the later one; a layer's weight is one over its
//! loss at the start, or the lower layers would outweigh conv4_1 and conv5_1, which see the larger patterns.

mod common;

use anyhow::{Context, Result};
use style_transfer::{Noise, Session};

fn main() -> Result<()> {
    let side = |n: usize, otherwise: usize| match std::env::args().nth(n) {
        None => Ok(otherwise),
        Some(side) => side.parse().with_context(|| format!("{side:?} is no number of pixels")),
    };
    let (width, height) = (side(2, 400)?, side(3, 256)?);
    let painting = common::picture(1, "swirls.jpg", 256)?;
    let network = common::network()?;
    let builder = || Session::builder(network.clone()).content_layers(vec![]);
    let targets = builder().style(painting).targets()?;
    let builder = || builder().with_targets(&targets).size(width, height).noise(Noise::Uniform(8.0)).iterations(200);
    let weights = common::levelled(builder().build()?)?;
    let mut session = builder().style_layers(weights).build()?;
    common::save("texture.png", &common::run("texture", &mut session)?)
}
