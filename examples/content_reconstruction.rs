//! What a layer keeps of a photograph (the paper's figure 1, below): from noise, descend on the content loss of one
//! layer alone. Lower layers give back nearly every pixel, higher ones the things and where they are.
//!
//! ```sh
//! cargo run --release --example content_reconstruction [PHOTO]
//! ```
//!
//! Writes `out/content_reconstruction.png`.
//!
//! Departure from the paper, which tells no more than gradient descent from white noise: very many pictures have nearly
//! the same features at a higher layer, most of them garish noise, and L-BFGS stops at one of those. So it descends in
//! four stages of 50 evaluations: first on the content loss alone, from which colours and places come, then with a
//! total variation that takes the noise away, and twice more with a tenth of it each time, for the details. Each
//! picture is the start of the next stage. What noise is left, the layer hardly sees.

mod common;

use std::sync::Arc;

use anyhow::Result;
use style_pictures::Sheet;
use style_transfer::cpu::Cpu;
use style_transfer::ops::Tv;
use style_transfer::{Image, Init, LayerWeight, Network, Session};

/// Weight of the total variation in each stage, in units of the content loss at the start.
const STAGES: [f64; 4] = [0.0, 1e-3, 1e-4, 1e-5];

fn main() -> Result<()> {
    let network = common::network()?;
    let photo = common::picture(1, "cat.jpg", 256)?;
    let mut sheet = Sheet::new(3).title("Content reconstructions").cell(&photo, "photograph");
    for layer in ["conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_1"] {
        sheet = sheet.cell(&reconstruct(&network, &photo, layer)?, layer);
    }
    common::save("content_reconstruction.png", &sheet.draw()?)
}

fn reconstruct(network: &Arc<Network<Cpu>>, photo: &Image, layer: &str) -> Result<Image> {
    let builder =
        || Session::builder(network.clone()).content_layers(vec![LayerWeight::new(layer, 1.0)]).style_layers(vec![]);
    let targets = builder().content(photo.clone()).targets()?;
    let builder = || builder().with_targets(&targets).tv(Tv::Means).iterations(50);
    let mut noise = builder().init(Init::Noise).build()?;
    let mut image = noise.image()?;
    let (start, _) = noise.evaluate(&image)?;
    for share in STAGES {
        let mut session = builder().init(Init::Image(image)).tv_weight(share * start.total).build()?;
        image = common::run(&format!("{layer}, TV {share:.0e}"), &mut session)?;
    }
    Ok(image)
}
