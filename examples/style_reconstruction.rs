//! What the layers keep of a painting (the paper's figure 1, above): from noise, descend on the style loss of more and
//! more layers. The first gives colours and grain; each further one makes the pieces larger and more like the
//! painting's, but never puts them where they were.
//!
//! ```sh
//! cargo run --release --example style_reconstruction [PAINTING]
//! ```
//!
//! Writes `out/style_reconstruction.png`. The painting goes through the network once: its statistics at all five layers
//! are computed ahead, and each session takes those of its own layers.
//!
//! Departures from the paper: its layers weigh the same, on a network that was scaled to a mean activation of 1. This
//! one was not, and the lower layers would outweigh conv4_1 and conv5_1, so that a layer's weight here is one over its
//! loss at the start. The noise of the start is faint, 8 to either side: what the layers do not see of it stays in the
//! picture.

mod common;

use anyhow::Result;
use common::STYLE_LAYERS;
use style_pictures::Sheet;
use style_transfer::{Noise, Session};

fn main() -> Result<()> {
    let network = common::network()?;
    let painting = common::picture(1, "swirls.jpg", 256)?;
    let builder = || Session::builder(network.clone()).content_layers(vec![]).noise(Noise::Uniform(8.0));
    let targets = builder().style(painting.clone()).targets()?;
    let builder = || builder().with_targets(&targets).iterations(150);

    let weights = common::levelled(builder().build()?)?;
    let mut sheet = Sheet::new(3).title("Style reconstructions").cell(&painting, "painting");
    for (i, letter) in ('a'..='e').enumerate() {
        let label = format!("{letter}) {}{}", if i == 0 { "" } else { "+ " }, STYLE_LAYERS[i]);
        let mut session = builder().style_layers(weights[..=i].to_vec()).build()?;
        sheet = sheet.cell(&common::run(&label, &mut session)?, label);
    }
    common::save("style_reconstruction.png", &sheet.draw()?)
}
