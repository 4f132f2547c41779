//! Masks that limit where a style acts and where the photograph is preserved: an ellipse around the cat's head with a soft
//! edge, generated here and saved as `out/mask.png`.
//!
//! Top row: the photograph, the mask and both paintings. Below: one painting inside the ellipse and the other around
//! it, then the two exchanged (Gatys et al. 2017, spatial guidance). Last, two results that start from the photograph
//! pasted onto a painting: where the content loss applies everywhere, it restores the background; where it applies only
//! inside the ellipse, the painting's swirls remain.
//!
//! ```sh
//! cargo run --release --example masks [PHOTO [PAINTING [PAINTING]]]
//! ```
//!
//! Writes `out/masks.png`.

mod common;

use anyhow::Result;
use style_pictures::{Picture, Sheet, mask_of};
use style_transfer::{Image, Init, Mask, Session, Style};

/// Long side of the pictures.
const SIZE: u32 = 224;

fn main() -> Result<()> {
    let network = common::network()?;
    let photo = common::picture(1, "cat.jpg", SIZE)?;
    let swirls = common::picture(2, "swirls.jpg", SIZE)?;
    let mosaic = common::picture(3, "mosaic.jpg", SIZE)?;
    let ellipse = ellipse(photo.width(), photo.height())?;
    common::save("mask.png", &ellipse)?;
    let inside = mask_of(&ellipse)?;
    let outside = inside.inverted()?;
    let start = || Session::builder(network.clone()).content(photo.clone()).iterations(110);

    let guided = |what: &str, swirls_at: &Mask, mosaic_at: &Mask| {
        let builder = start().style(Style::new(swirls.clone()).mask(swirls_at.clone()));
        let builder = builder.style(Style::new(mosaic.clone()).mask(mosaic_at.clone()));
        common::run(what, &mut builder.build()?)
    };
    let sheet = Sheet::new(4)
        .title("Style masks and content masks")
        .cell_size(photo.width(), photo.height())
        .cell(&photo, "photograph")
        .cell(&ellipse, "mask")
        .cell(&swirls, "swirls")
        .cell(&mosaic, "mosaic")
        .cell(&guided("swirls within", &inside, &outside)?, "swirls within")
        .cell(&guided("mosaic within", &outside, &inside)?, "mosaic within");
    let cut_out =
        cut_out(&photo, &inside, &Picture::from(swirls.clone()).stretched(photo.width(), photo.height())?.image)?;
    let pasted = || start().style(swirls.clone()).init(Init::Image(cut_out.clone())).style_strength(0.5);
    let everywhere = common::run("content everywhere", &mut pasted().build()?)?;
    let within = common::run("content within", &mut pasted().content_mask(inside.clone()).build()?)?;
    let sheet = sheet.cell(&everywhere, "content everywhere").cell(&within, "content within");
    common::save("masks.png", &sheet.draw()?)
}

/// White around the head, fading to black over a fifth of the radius.
fn ellipse(width: usize, height: usize) -> Result<Image> {
    let at = |i: usize| {
        let (x, y) = ((i % width) as f32 / width as f32 - 0.49, (i / width) as f32 / height as f32 - 0.45);
        let radius = ((x / 0.36).powi(2) + (y / 0.55).powi(2)).sqrt();
        255.0 * ((1.1 - radius) / 0.2).clamp(0.0, 1.0)
    };
    let plane: Vec<f32> = (0..width * height).map(at).collect();
    Ok(Image::from_planar(width, height, plane.repeat(3))?)
}

/// The photograph inside the mask, the painting around it.
fn cut_out(photo: &Image, mask: &Mask, painting: &Image) -> Result<Image> {
    let pairs = photo.pixels().iter().zip(painting.pixels()).zip(mask.values().iter().cycle());
    let pixels = pairs.map(|((photo, painting), m)| m * photo + (1.0 - m) * painting).collect();
    Ok(Image::from_planar(photo.width(), photo.height(), pixels)?)
}
