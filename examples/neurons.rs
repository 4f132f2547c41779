//! The structures that neurons respond to: the strongest channels of a layer on a photograph. Each row is one channel: the patch of
//! the photograph that excites it most (the neuron's whole receptive field), and the signal propagated back to the
//! picture by three rules: the gradient (Simonyan et al. 2013), the deconvolutional network (Zeiler and Fergus 2014)
//! and guided back-propagation (Springenberg et al. 2015). Pooling is max, as in those papers.
//!
//! The signal is signed: grey is zero, and each picture is scaled to its own largest magnitude. The gradient is the
//! noisiest, and the guided signal outlines the very structure that the neuron detected.
//!
//! ```sh
//! cargo run --release --example neurons [LAYER] [PHOTO]
//! ```
//!
//! Writes `out/neurons.png`; the default layer is conv4_1.

mod common;

use anyhow::Result;
use style_pictures::Sheet;
use style_transfer::backend::ops::ReluRule;
use style_transfer::inspect::Probe;
use style_transfer::{Padding, Pooling};

const RULES: [(ReluRule, &str); 3] =
    [(ReluRule::Gradient, "gradient"), (ReluRule::Deconvnet, "deconvnet"), (ReluRule::Guided, "guided")];

fn main() -> Result<()> {
    let layer = std::env::args().nth(1).unwrap_or("conv4_1".into());
    let photo = common::picture(2, "cat.jpg", 320)?;
    let mut probe = Probe::new(common::network()?, &photo, &layer, Pooling::Max, Padding::Zero)?;
    let mut sheet = Sheet::new(1 + RULES.len())
        .title(format!("What neurons of {layer} respond to"))
        .column_labels(["patch"].into_iter().chain(RULES.map(|(_, name)| name)))
        .cell_size(144, 144);
    let mut rows = vec![];
    for (channel, activation) in probe.strongest_channels().into_iter().take(6) {
        let neuron = probe.strongest(channel)?;
        println!("{layer}, channel {channel}: {activation:.1} at row {}, column {}", neuron.row, neuron.column);
        rows.push(format!("channel {channel}"));
        for (i, (rule, _)) in RULES.into_iter().enumerate() {
            let response = probe.back(neuron, rule)?;
            if i == 0 {
                sheet = sheet.cell(&photo.crop(response.columns.clone(), response.rows.clone())?, "");
            }
            sheet = sheet.cell(&response.picture(&photo)?, "");
        }
    }
    common::save("neurons.png", &sheet.row_labels(rows).draw()?)
}
