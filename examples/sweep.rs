//! The balance of content and style, the layers, and the size of the style (the paper's figure 3, and more): many small
//! pictures from one loaded network, one photograph and one painting, which the network sees once at each size.
//!
//! ```sh
//! cargo run --release --example sweep [PHOTO [PAINTING]]
//! ```
//!
//! Writes `out/sweep.png` (layers from row to row, alpha/beta from column to column), `out/sweep_scales.png` (the
//! painting shown to the network at several sizes: the larger, the broader its strokes in the result), and the losses
//! of all cells, `out/sweep.csv`.
//!
//! Alpha is the paper's, the factor of `1/2 sum (F - P)^2`. Departures from the paper: its columns are 1e-5, 1e-4,
//! 1e-3, 1e-2, for weights that were scaled to a mean activation of 1; those here were not, and what changes to the eye
//! changes between 1e-4 and 1e-1. Its cells are painted from noise; these start as faint noise (8 to either side) with
//! a hint of the photograph, 5 in 100, or 75 evaluations would not find its things at the lower ratios. Three of its
//! five rows.

mod common;

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Context, Result};
use common::STYLE_LAYERS;
use style_pictures::{Picture, Sheet};
use style_transfer::cpu::Cpu;
use style_transfer::{Image, Init, Network, Noise, Session, Targets};

const LONG_SIDE: u32 = 160;
const RATIOS: [f64; 4] = [1e-4, 1e-3, 1e-2, 1e-1];
const DEPTHS: [usize; 3] = [1, 2, 5];
const SCALES: [f64; 4] = [0.5, 0.75, 1.0, 1.5];
/// The ratio of the sweep over scales.
const SCALES_RATIO: f64 = 1e-3;
/// The most for each cell.
const EVALUATIONS: usize = 75;

/// What all cells share, and the table of what became of them.
struct Sweep {
    network: Arc<Network<Cpu>>,
    content: Arc<Targets<Cpu>>,
    table: String,
}

fn main() -> Result<()> {
    let network = common::network()?;
    let photo = common::picture(1, "cat.jpg", LONG_SIDE)?;
    let painting = Picture::from(common::picture(2, "swirls.jpg", 2 * LONG_SIDE)?);
    let styles = SCALES.map(|scale| {
        let image = painting.sized((scale * f64::from(LONG_SIDE)) as u32)?.image;
        Ok(Session::builder(network.clone()).content_layers(vec![]).style(image).targets()?)
    });
    let styles = styles.into_iter().collect::<Result<Vec<_>>>()?;
    let content = Session::builder(network.clone()).content(photo).style_layers(vec![]).targets()?;
    let table = "style_layers,alpha_over_beta,style_scale,evaluations,total,content,style,seconds\n".into();
    let mut sweep = Sweep { network, content, table };

    let natural = SCALES.iter().position(|scale| *scale == 1.0).context("scale 1 is among the scales")?;
    let mut sheet = Sheet::new(RATIOS.len())
        .title("alpha / beta")
        .column_labels(RATIOS.map(|ratio| format!("{ratio:.0e}")))
        .row_labels(
            DEPTHS.map(|depth| if depth == 1 { "conv1_1".into() } else { format!("... {}", STYLE_LAYERS[depth - 1]) }),
        );
    for depth in DEPTHS {
        for ratio in RATIOS {
            sheet = sheet.cell(&sweep.cell(&styles[natural], depth, ratio, 1.0)?, "");
        }
    }
    common::save("sweep.png", &sheet.draw()?)?;

    let mut sheet = Sheet::new(SCALES.len()).title("Sizes of the painting");
    for (style, scale) in styles.iter().zip(SCALES) {
        sheet = sheet.cell(&sweep.cell(style, 5, SCALES_RATIO, scale)?, format!("x {scale}"));
    }
    common::save("sweep_scales.png", &sheet.draw()?)?;
    let path = common::out("sweep.csv")?;
    std::fs::write(&path, &sweep.table).with_context(|| path.display().to_string())?;
    println!("wrote {}", path.display());
    Ok(())
}

impl Sweep {
    /// Paints one cell with the first `depth` style layers, and adds a line to the table.
    fn cell(&mut self, style: &Arc<Targets<Cpu>>, depth: usize, ratio: f64, scale: f64) -> Result<Image> {
        let start = std::time::Instant::now();
        let layers = &STYLE_LAYERS[..depth];
        let mut session = Session::builder(self.network.clone())
            .with_targets(&self.content)
            .with_targets(style)
            .style_layers(common::equal(layers))
            .content_weight(ratio)
            .style_weight(1.0)
            .init(Init::Noise)
            .noise(Noise::Uniform(8.0))
            .noise_ratio(0.95)
            .iterations(EVALUATIONS)
            .build()?;
        let mut evaluations = 0;
        session.run(|progress| {
            evaluations = progress.iteration + 1;
            ControlFlow::Continue(())
        })?;
        let losses = session.losses().context("no evaluation was made")?;
        let seconds = start.elapsed().as_secs_f64();
        let (total, content, style) = (losses.total, losses.content, losses.style);
        let layers = layers.join("+");
        println!("{layers}, {ratio:.0e}, x {scale}: loss {total:.4e} after {seconds:.1} s");
        writeln!(self.table, "{layers},{ratio:e},{scale},{evaluations},{total:e},{content:e},{style:e},{seconds:.3}")?;
        Ok(session.image()?)
    }
}
