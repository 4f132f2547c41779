//! Two styles in one, and the scale of a style. Top row: the swirls, the mosaic, and weighted blends of them; each
//! layer's target is the weighted mean of both paintings' Gram matrices. Below: the mosaic at several sizes relative to
//! the photograph: a larger painting gives larger panes.
//!
//! The photograph's features are computed once and shared by all ten sessions.
//!
//! ```sh
//! cargo run --release --example styles [PHOTO [PAINTING [PAINTING]]]
//! ```
//!
//! Writes `out/styles.png`.

mod common;

use anyhow::Result;
use style_pictures::Sheet;
use style_transfer::{Session, Style};

/// Long side of the result, and of the paintings at scale 1.
const SIZE: u32 = 192;

fn main() -> Result<()> {
    let network = common::network()?;
    let photo = common::picture(1, "cat.jpg", SIZE)?;
    let swirls = common::picture(2, "swirls.jpg", SIZE)?;
    let mosaic = common::picture(3, "mosaic.jpg", SIZE)?;
    let content = Session::builder(network.clone()).content(photo).targets()?;
    let session = |styles: Vec<Style>| {
        let builder = Session::builder(network.clone()).with_targets(&content).iterations(80);
        styles.into_iter().fold(builder, |builder, style| builder.style(style)).build()
    };

    let mut sheet = Sheet::new(5).title("Two styles blended, and one at five scales");
    for (first, second) in [(1.0, 0.0), (3.0, 1.0), (1.0, 1.0), (1.0, 3.0), (0.0, 1.0)] {
        let styles = vec![Style::new(swirls.clone()).share(first), Style::new(mosaic.clone()).share(second)];
        let label = format!("{first} : {second}");
        sheet = sheet.cell(&common::run(&label, &mut session(styles)?)?, label);
    }
    for scale in [0.5, 0.75, 1.0, 1.5, 2.0] {
        let full = common::picture(3, "mosaic.jpg", (f64::from(SIZE) * scale) as u32)?;
        let label = format!("scale {scale}");
        sheet = sheet.cell(&common::run(&label, &mut session(vec![full.into()])?)?, label);
    }
    common::save("styles.png", &sheet.row_labels(["swirls : mosaic", "mosaic"]).draw()?)
}
