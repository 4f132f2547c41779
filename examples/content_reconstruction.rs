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
use style_transfer::{LayerWeight, Preset, Session};

fn main() -> Result<()> {
    let network = common::network()?;
    let photo = common::picture(1, "tubingen.jpg", 256)?;
    let mut sheet = Sheet::new(3).title("Content reconstructions").cell(&photo, "photograph");
    for layer in ["conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_1"] {
        let builder = Session::builder(network.clone()).preset(Preset::Gatys).content(photo.clone());
        let builder = builder.content_layers(vec![LayerWeight::new(layer, 1.0)]).without_style();
        let image = common::run(layer, &mut builder.iterations(200).build()?)?;
        sheet = sheet.cell(&image, layer);
    }
    common::save("content_reconstruction.png", &sheet.draw()?)
}
