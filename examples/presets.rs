//! One photograph and one painting with the settings of all presets. They show the effect of the start (noise, the
//! photograph or both), the strength of the style and the effect of total variation.
//!
//! They differ from the peers' results: they are small, use 300 evaluations (`johnson` and `anishathalye` use 1000,
//! the others 100 to 500), and come from this library's embedded VGG-16, whereas most peers use VGG-19.
//!
//! ```sh
//! cargo run --release --example presets [PHOTO [PAINTING]]
//! ```
//!
//! Writes `out/presets.png`.

mod common;

use anyhow::Result;
use style_pictures::Sheet;
use style_transfer::{Preset, Session};

fn main() -> Result<()> {
    let network = common::network()?;
    let photo = common::picture(1, "tubingen.jpg", 256)?;
    let painting = common::picture(2, "starry_night.jpg", 256)?;
    let mut sheet = Sheet::new(4).title("Presets").cell(&photo, "photograph").cell(&painting, "painting");
    for preset in Preset::ALL {
        let builder = Session::builder(network.clone()).content(photo.clone()).style(painting.clone());
        let iterations = preset.iterations().min(300);
        let scales = preset.scales(photo.width().max(photo.height()), iterations);
        let builder = builder.preset(preset).scales(scales).iterations(iterations);
        let image = common::run(preset.name(), &mut builder.build()?)?;
        sheet = sheet.cell(&image, preset.name());
    }
    common::save("presets.png", &sheet.draw()?)
}
