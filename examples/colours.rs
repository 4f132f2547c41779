//! Choosing the colours of the result: the painting's, or the photograph's, preserved by the methods of Gatys et al.
//! 2016 ("Preserving Color in Neural Artistic Style Transfer"). Each recoloured painting is shown above its result.
//!
//! The painting's own colours turn the cat blue. Luminance only paints in grey and then restores the photograph's
//! chroma, so colours keep their positions. Matching gives the painting the mean and the covariance of the photograph's
//! colours: the colours are the photograph's but follow the strokes. The three matching methods differ by a rotation of
//! the colours.
//!
//! ```sh
//! cargo run --release --example colours [PHOTO [PAINTING]]
//! ```
//!
//! Writes `out/colours.png`.

mod common;

use anyhow::Result;
use style_pictures::{Matching, Sheet, keep_colours, luminance, match_colours, match_luminance};
use style_transfer::{Image, Session};

/// Long side of the pictures.
const SIZE: u32 = 224;

fn main() -> Result<()> {
    let network = common::network()?;
    let photo = common::picture(1, "cat.jpg", SIZE)?;
    let painting = common::picture(2, "swirls.jpg", SIZE)?;
    let paint = |what: &str, content: &Image, style: &Image| {
        let builder = Session::builder(network.clone()).content(content.clone()).style(style.clone());
        common::run(what, &mut builder.iterations(90).build()?)
    };

    let (grey_photo, grey) = (luminance(&photo)?, match_luminance(&painting, &photo)?);
    let painted_grey = paint("luminance only", &grey_photo, &grey)?;
    let mut columns = vec![
        ("painting's colours", painting.clone(), paint("painting's colours", &photo, &painting)?),
        ("luminance only", grey, keep_colours(&painted_grey, &photo)?),
    ];
    for (name, matching) in [
        ("matched, Cholesky", Matching::Cholesky),
        ("matched, PCA", Matching::Pca),
        ("matched, symmetric", Matching::Symmetric),
    ] {
        let style = match_colours(&painting, &photo, matching)?;
        let result = paint(name, &photo, &style)?;
        columns.push((name, style, result));
    }

    let mut sheet = Sheet::new(1 + columns.len())
        .title("The photograph's colours kept")
        .cell_size(photo.width(), photo.height())
        .cell(&photo, "photograph");
    for (name, style, _) in &columns {
        sheet = sheet.cell(style, *name);
    }
    sheet = sheet.cell(&grey_photo, "its luminance");
    for (name, _, result) in &columns {
        sheet = sheet.cell(result, *name);
    }
    common::save("colours.png", &sheet.draw()?)
}
