//! A texture of any size from a painting (Gatys, Ecker and Bethge 2015, "Texture Synthesis Using Convolutional Neural
//! Networks"): no content, a start from noise, and Gram matrices, which are independent of the picture's size.
//!
//! ```sh
//! cargo run --release --example texture [PAINTING [WIDTH HEIGHT]]
//! ```
//!
//! Writes `out/texture.png`, 400 x 256 pixels by default: strokes as large as in the painting at 256 pixels, and
//! patches of its colours, but nothing in its original position.
//!
//! Departures from the paper: average pooling and the style layers of the later paper; covariances after the first
//! layer, losses relative to their targets, and painting from coarse to fine.

mod common;

use anyhow::{Context, Result};
use style_transfer::{Scale, Session};

fn main() -> Result<()> {
    let side = |n: usize, otherwise: usize| match std::env::args().nth(n) {
        None => Ok(otherwise),
        Some(side) => side.parse().with_context(|| format!("expected a number of pixels, found {side:?}")),
    };
    let (width, height) = (side(2, 400)?, side(3, 256)?);
    let painting = common::picture(1, "swirls.jpg", 256)?;
    let network = common::network()?;
    let (scales, iterations) = Scale::coarse_to_fine(width, height, 100);
    let builder = Session::builder(network).without_content().style(painting).size(width, height);
    let mut session = builder.scales(scales).iterations(iterations).build()?;
    common::save("texture.png", &common::run("texture", &mut session)?)
}
