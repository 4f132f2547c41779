//! Definitions of "style", and the effect of total variation: one photograph in the style of one painting, with the
//! Gram matrices of the paper, with covariances, and with the mean and deviation of each channel; then with Gram
//! matrices and each kind of total variation.
//!
//! ```sh
//! cargo run --release --example statistics [PHOTO [PAINTING]]
//! ```
//!
//! Writes `out/statistics.png`.
//!
//! The losses of different statistics have different units. Relative to their targets they are comparable, so all use a
//! style strength of 1. The gradient of each total variation at the photograph has a tenth of the norm of the style's.
//!
//! Departures from the paper: all but the first picture.

mod common;

use anyhow::Result;
use style_pictures::Sheet;
use style_transfer::backend::ops::Tv;
use style_transfer::statistics::{Covariance, Gram, Moments};
use style_transfer::{Image, Session, SessionBuilder};

fn main() -> Result<()> {
    let network = common::network()?;
    let photo = common::picture(1, "cat.jpg", 256)?;
    let painting = common::picture(2, "swirls.jpg", 256)?;
    let builder = || Session::builder(network.clone());
    let content = builder().content(photo.clone()).without_style().targets()?;
    let style = || builder().without_content().style(painting.clone());
    let styles = [
        ("Gram", style().statistic(Gram::default()).targets()?),
        ("Covariance", style().statistic(Covariance).targets()?),
        ("Moments", style().statistic(Moments).targets()?),
    ];
    let mut sheet = Sheet::new(4).cell(&painting, "painting");
    for (name, targets) in &styles {
        let mut session = builder().with_targets(&content).with_targets(targets).iterations(70).build()?;
        sheet = sheet.cell(&common::run(name, &mut session)?, *name);
    }
    let builder = || builder().with_targets(&content).with_targets(&styles[0].1);
    let strength = length(builder(), &photo)?;
    for (name, kind) in
        [("Squared", Tv::Squared), ("Absolute", Tv::Absolute), ("Means", Tv::Means), ("Power(2.5)", Tv::Power(2.5))]
    {
        let builder = || builder().tv(kind);
        let weight = 0.1 * strength / length(builder().style_strength(0.0).tv_weight(1.0), &photo)?;
        let mut session = builder().tv_weight(weight).iterations(70).build()?;
        sheet = sheet.cell(&common::run(name, &mut session)?, format!("Gram, TV {name}"));
    }
    common::save("statistics.png", &sheet.draw()?)
}

/// The norm of a session's gradient at a picture. (At the photograph, the content gradient is zero.)
fn length(builder: SessionBuilder, at: &Image) -> Result<f64> {
    let (_, gradient) = builder.build()?.evaluate(at)?;
    Ok(gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt())
}
