//! From coarse to fine: one photograph painted at full size only, over several scales in the same time, and small, as a
//! preview.
//!
//! ```sh
//! cargo run --release --example scales [PHOTO [PAINTING [LONG_SIDE [EVALUATIONS]]]]
//! ```
//!
//! Writes `out/scales.png`. Prints the loss of both pictures and the distance between their style and the painting's in
//! the deep layers, at the picture's size and at a half and a quarter of it, where the network sees larger structures.
//! Above 1024 pixels, the example skips painting at full size only, which would double its run time.
//!
//! Departure from the paper: it uses a single scale.

mod common;

use anyhow::{Context, Result};
use style_pictures::{Picture, Sheet};
use style_transfer::{Image, Scale, Session, SessionBuilder};

const LONG_SIDE: u32 = 384;
/// Evaluations at the picture's size, or the equivalent time.
const EVALUATIONS: usize = 200;
/// Evaluations at each coarser scale.
const COARSE: usize = 40;
const DEEP: [&str; 2] = ["conv4_1", "conv5_1"];

fn main() -> Result<()> {
    let number = |n: usize, what: &str| {
        let given = std::env::args().nth(n).map(|s| s.parse::<u32>());
        given.transpose().with_context(|| format!("{what} is not a number"))
    };
    let long_side = number(3, "LONG_SIDE")?.unwrap_or(LONG_SIDE);
    let evaluations = number(4, "EVALUATIONS")?.map_or(EVALUATIONS, |n| n as usize).max(COARSE + 1);
    let network = common::network()?;
    let photo = common::picture(1, "cat.jpg", long_side)?;
    let painting = common::picture(2, "swirls.jpg", long_side)?;
    let describe = |photo: &Image, painting: &Image| {
        Session::builder(network.clone()).content(photo.clone()).style(painting.clone())
    };
    let over_scales = |photo: &Image, painting: &Image| -> SessionBuilder {
        let scales = Scale::pyramid(photo.width().max(photo.height()), COARSE);
        let rest = if scales.is_empty() { evaluations } else { evaluations - COARSE };
        describe(photo, painting).scales(scales).iterations(rest)
    };
    let preview_side = (long_side / 8).max(128);
    let small = |image: &Image| Picture::from(image.clone()).sized(preview_side).map(|picture| picture.image);
    let mut preview = over_scales(&small(&photo)?, &small(&painting)?).build()?;
    let preview = common::run(&format!("a preview of {preview_side} pixels"), &mut preview)?;
    let several = common::run("several scales", &mut over_scales(&photo, &painting).build()?)?;

    let (width, height) = (photo.width(), photo.height());
    let mut sheet = Sheet::new(if long_side > 1024 { 2 } else { 3 });
    if long_side <= 1024 {
        let single = common::run("one scale", &mut describe(&photo, &painting).iterations(evaluations).build()?)?;
        println!("\n| style loss | at | one scale | several scales | ratio |\n|---|---|---|---|---|");
        for part in [1, 2, 4] {
            let seen = |image: &Image| image.resized((image.width() / part).max(16), (image.height() / part).max(16));
            let deep = Session::builder(network.clone()).without_content().style_layers(common::equal(&DEEP));
            let [of_single, of_several] = [seen(&single)?, seen(&several)?];
            let mut deep = deep.style(seen(&painting)?).size(of_single.width(), of_single.height()).build()?;
            let (a, b) = (deep.evaluate(&of_single)?.0, deep.evaluate(&of_several)?.0);
            for (a, b) in a.layers("style").iter().zip(b.layers("style")) {
                println!("| {} | 1/{part} | {:.4} | {:.4} | {:.2} |", a.layer, a.loss, b.loss, b.loss / a.loss);
            }
        }
        sheet = sheet.cell(&single, "one scale");
    }
    let enlarged = preview.resized(width, height)?;
    let sheet = sheet.cell(&several, "several scales").cell(&enlarged, format!("{preview_side} pixels, enlarged"));
    common::save("scales.png", &sheet.draw()?)
}
