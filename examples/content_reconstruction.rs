//! The information that a layer retains of a photograph (the paper's figure 1, below): starting from white noise,
//! minimise the content loss of a single layer. Lower layers reproduce nearly every pixel; higher ones reproduce objects
//! and their positions.
//!
//! ```sh
//! cargo run --release --example content_reconstruction [PHOTO]
//! ```
//!
//! Writes `out/content_reconstruction.png`. Departure from the paper: the network is VGG-16.

mod common;

use anyhow::Result;
use style_pictures::Sheet;
use style_transfer::inspect::content_of;

fn main() -> Result<()> {
    let network = common::network()?;
    let photo = common::picture(1, "tubingen.jpg", 256)?;
    let mut sheet = Sheet::new(3).title("Content reconstructions").cell(&photo, "photograph");
    for layer in ["conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_1"] {
        let builder = content_of(network.clone(), photo.clone(), layer).iterations(200);
        sheet = sheet.cell(&common::run(layer, &mut builder.build()?)?, layer);
    }
    common::save("content_reconstruction.png", &sheet.draw()?)
}
