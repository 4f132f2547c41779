//! One photograph and one painting with the settings of all six presets. Above each as it stands: one sees where they
//! start, from noise, from the photograph or from both. Below their losses alone, all from the photograph and without
//! total variation: how far each lets the style go.
//!
//! These are not the peers' pictures: they are small, have 60 to 100 evaluations instead of 300 to 1000 (from noise
//! that gives little more than texture), and come from the VGG-16 inside this library. The presets' weights were chosen
//! for VGG-19; absolute losses depend on the network, and total variation does not.
//!
//! ```sh
//! cargo run --release --example presets [PHOTO [PAINTING]]
//! ```
//!
//! Writes `out/presets.png`.

mod common;

use anyhow::Result;
use style_pictures::Sheet;
use style_transfer::{Init, Preset, Session};

fn main() -> Result<()> {
    let network = common::network()?;
    let photo = common::picture(1, "cat.jpg", 192)?;
    let painting = common::picture(2, "swirls.jpg", 192)?;
    let builder = |preset| {
        let builder = Session::builder(network.clone()).content(photo.clone()).style(painting.clone());
        builder.preset(preset).iterations(100)
    };
    let mut sheet = Sheet::new(Preset::ALL.len())
        .title("The presets, and their losses from the photograph without total variation")
        .column_labels(Preset::ALL.map(Preset::name))
        .row_labels(["as it stands", "losses alone"]);
    let mut below = vec![];
    for preset in Preset::ALL {
        let image = common::run(preset.name(), &mut builder(preset).build()?)?;
        sheet = sheet.cell(&image, "");
        below.push(match preset {
            // Like that as they stand.
            Preset::GatysPytorch | Preset::Pystiche => image,
            _ => {
                let builder = builder(preset).init(Init::Content).noise_ratio(0.0).tv_weight(0.0).iterations(60);
                common::run(&format!("{preset}, losses alone"), &mut builder.build()?)?
            }
        });
    }
    for image in &below {
        sheet = sheet.cell(image, "");
    }
    common::save("presets.png", &sheet.draw()?)
}
