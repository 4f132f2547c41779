//! The balance of content and style, the choice of layers, and the size of the style (the paper's figure 3, and more):
//! many small pictures from one loaded network, one photograph and one painting, which passes through the network once
//! per size.
//!
//! ```sh
//! cargo run --release --example sweep [PHOTO [PAINTING]]
//! ```
//!
//! Writes `out/sweep.png` (layers by row, style strengths by column), `out/sweep_scales.png` (the painting presented to
//! the network at several sizes: the larger the painting, the broader the strokes in the result), and the losses of all
//! cells, `out/sweep.csv`.
//!
//! Departures from the paper: its columns are ratios of content to style weight, 1e-5 to 1e-2, for a network that was
//! scaled to a mean activation of 1; these are strengths relative to the targets. It starts from noise; this starts
//! from the photograph with some noise. This shows three of its five rows, with covariances after the first layer.

mod common;

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Context, Result};
use common::STYLE_LAYERS;
use style_pictures::{Picture, Sheet};
use style_transfer::{Image, Network, Session, Targets};

const LONG_SIDE: u32 = 160;
const STRENGTHS: [f64; 4] = [0.1, 0.5, 2.5, 12.5];
const DEPTHS: [usize; 3] = [1, 2, 5];
const SCALES: [f64; 4] = [0.5, 0.75, 1.0, 1.5];
/// Limit per cell.
const EVALUATIONS: usize = 75;

/// The data shared by all cells, and the table of their results.
struct Sweep {
    network: Arc<Network>,
    content: Arc<Targets>,
    table: String,
}

fn main() -> Result<()> {
    let network = common::network()?;
    let photo = common::picture(1, "cat.jpg", LONG_SIDE)?;
    let painting = Picture::from(common::picture(2, "swirls.jpg", 2 * LONG_SIDE)?);
    let styles = SCALES.map(|scale| {
        let image = painting.sized((scale * f64::from(LONG_SIDE)) as u32)?.image;
        Ok(Session::builder(network.clone()).without_content().style(image).targets()?)
    });
    let styles = styles.into_iter().collect::<Result<Vec<_>>>()?;
    let content = Session::builder(network.clone()).content(photo).without_style().targets()?;
    let table = "style_layers,style_strength,style_scale,evaluations,total,content,style,seconds\n".into();
    let mut sweep = Sweep { network, content, table };

    let natural = SCALES.iter().position(|scale| *scale == 1.0).context("scale 1 is missing from the scales")?;
    let mut sheet = Sheet::new(STRENGTHS.len())
        .title("style strength")
        .column_labels(STRENGTHS.map(|strength| strength.to_string()))
        .row_labels(
            DEPTHS.map(|depth| if depth == 1 { "conv1_1".into() } else { format!("... {}", STYLE_LAYERS[depth - 1]) }),
        );
    for depth in DEPTHS {
        for strength in STRENGTHS {
            sheet = sheet.cell(&sweep.cell(&styles[natural], depth, strength, 1.0)?, "");
        }
    }
    common::save("sweep.png", &sheet.draw()?)?;

    let mut sheet = Sheet::new(SCALES.len()).title("Sizes of the painting");
    for (style, scale) in styles.iter().zip(SCALES) {
        sheet = sheet.cell(&sweep.cell(style, 5, 1.0, scale)?, format!("x {scale}"));
    }
    common::save("sweep_scales.png", &sheet.draw()?)?;
    let path = common::out("sweep.csv")?;
    std::fs::write(&path, &sweep.table).with_context(|| path.display().to_string())?;
    println!("wrote {}", path.display());
    Ok(())
}

impl Sweep {
    /// Paints one cell with the first `depth` style layers, and adds a line to the table.
    fn cell(&mut self, style: &Arc<Targets>, depth: usize, strength: f64, scale: f64) -> Result<Image> {
        let start = std::time::Instant::now();
        let layers = &STYLE_LAYERS[..depth];
        let mut session = Session::builder(self.network.clone())
            .with_targets(&self.content)
            .with_targets(style)
            .style_layers(common::equal(layers))
            .style_strength(strength)
            .iterations(EVALUATIONS)
            .build()?;
        let mut evaluations = 0;
        session.run(|progress| {
            evaluations = progress.iteration;
            ControlFlow::Continue(())
        })?;
        let losses = session.losses().context("there was no evaluation")?;
        let seconds = start.elapsed().as_secs_f64();
        let (total, content, style) = (losses.total, losses.content(), losses.style());
        let layers = layers.join("+");
        println!("{layers}, strength {strength}, x {scale}: loss {total:.4e} after {seconds:.1} s");
        writeln!(self.table, "{layers},{strength},{scale},{evaluations},{total:e},{content:e},{style:e},{seconds:.3}")?;
        Ok(session.image()?)
    }
}
