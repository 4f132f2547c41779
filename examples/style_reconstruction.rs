//! The information that the layers retain of a painting (the paper's figure 1, above): starting from white noise, minimise
//! the style loss of more and more layers. The first layer reproduces colours and grain. Each further layer makes the structures
//! larger and more like the painting's, but never restores their positions.
//!
//! ```sh
//! cargo run --release --example style_reconstruction [PAINTING]
//! ```
//!
//! Writes `out/style_reconstruction.png`. The painting passes through the network once: its Gram matrices at all five
//! layers are computed in advance, and each session uses those of its own layers.
//!
//! Departures from the paper: the network is VGG-16, and each layer's loss is relative to its target. The paper's
//! layers have equal weights, on a network that was scaled to a mean activation of 1; this one was not.

mod common;

use anyhow::Result;
use common::STYLE_LAYERS;
use style_pictures::Sheet;
use style_transfer::inspect::styles_of;

fn main() -> Result<()> {
    let network = common::network()?;
    let painting = common::picture(1, "starry_night.jpg", 256)?;
    let mut sheet = Sheet::new(3).title("Style reconstructions").cell(&painting, "painting");
    for ((letter, layer), builder) in ('a'..).zip(STYLE_LAYERS).zip(styles_of(network, painting, &STYLE_LAYERS)?) {
        let label = format!("{letter}) {}{layer}", if letter == 'a' { "" } else { "+ " });
        sheet = sheet.cell(&common::run(&label, &mut builder.iterations(200).build()?)?, label);
    }
    common::save("style_reconstruction.png", &sheet.draw()?)
}
