//! A plot of the losses over time.

mod canvas;
mod chart;

use std::ops::ControlFlow;
use std::path::PathBuf;

use style_core::losses::{CONTENT, STYLE, TV};
use style_core::{Error, ErrorKind, Losses, Observer, Progress, Result, View};

use crate::file::{expect_folder, extension, write_bytes_atomically};
use canvas::{Colour, Raster, Svg};
use chart::{Chart, Curve, HEIGHT, WIDTH};

/// Colours of the terms, distinguishable to colour-blind readers (Okabe and Ito's palette). Content, style and total
/// variation have the first three; other terms take the rest in turn.
const COLOURS: [Colour; 7] =
    [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [230, 159, 0], [86, 180, 233], [240, 228, 66]];
const TOTAL: Colour = [34, 34, 34];

/// Draws the losses over the evaluations on a logarithmic axis, 960 by 560 pixels: the total, and each term multiplied
/// by its weight, so that the curves add up to the total.
///
/// Lines connect the accepted points. The totals of points that a line search rejected are dots, if they are within the
/// axis. Zero cannot be shown on a logarithmic axis, nor can values that are not finite: they are gaps. The axis ends
/// six powers of ten below the lowest total.
///
/// The file is written when a run ends, and again with all evaluations if the session continues. It shows what this
/// plot has observed: for a session resumed from a checkpoint, only the evaluations after it.
///
/// ```
/// # let folder = std::env::temp_dir();
/// let plot = style_watch::LossPlot::new(folder.join("losses.svg"))?.title("Cat in swirls");
/// # Ok::<(), style_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LossPlot {
    path: PathBuf,
    format: Format,
    title: String,
    points: Vec<Point>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Svg,
    Png,
}

/// One evaluation.
#[derive(Clone, Debug)]
struct Point {
    evaluation: usize,
    accepted: bool,
    losses: Losses,
}

impl LossPlot {
    /// Creates a plot at `path`, which must end in `.svg` or `.png`.
    ///
    /// # Errors
    /// `Argument` for another extension; `Io` if the folder does not exist. If the file cannot be written, the end of
    /// the run returns `Io`.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let format = match extension(&path).as_str() {
            "svg" => Format::Svg,
            "png" => Format::Png,
            _ => {
                let message = format!("expected a plot file name ending in .svg or .png, found \"{}\"", path.display());
                return Err(Error::new(ErrorKind::Argument, message));
            }
        };
        expect_folder(&path)?;
        Ok(Self { path, format, title: "Losses".into(), points: vec![] })
    }

    /// Sets the title above the plot. In a PNG, characters outside ISO 8859-1 appear as "?". Default: "Losses".
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    fn chart(&self) -> Chart {
        let accepted = || self.points.iter().filter(|p| p.accepted);
        let mut curves = vec![Curve {
            name: "total".into(),
            colour: TOTAL,
            width: 3.5,
            points: accepted().map(|p| (p.evaluation, p.losses.total)).collect(),
        }];
        let mut others = COLOURS[3..].iter().cycle();
        for term in self.points.first().map_or(&[][..], |p| &p.losses.terms) {
            let name = term.name.as_str();
            // The weights may differ between scales.
            let legend = match self.points.iter().all(|p| p.losses.weight(name) == term.weight) {
                true => format!("{name} \u{d7} {}", short(term.weight)),
                false => format!("{name} \u{d7} its weight"),
            };
            let fixed = [CONTENT, STYLE, TV].iter().position(|&n| n == name).map(|i| &COLOURS[i]);
            let colour = *fixed.or_else(|| others.next()).unwrap_or(&TOTAL);
            let points = accepted().map(|p| (p.evaluation, p.losses.weight(name) * p.losses.loss(name))).collect();
            curves.push(Curve { name: legend, colour, width: 1.75, points });
        }
        Chart {
            title: self.title.clone(),
            curves,
            rejected: self.points.iter().filter(|p| !p.accepted).map(|p| (p.evaluation, p.losses.total)).collect(),
            last: self.points.iter().map(|p| p.evaluation).max().unwrap_or(0),
        }
    }

    fn encode(&self) -> Result<Vec<u8>> {
        match self.format {
            Format::Svg => {
                let mut svg = Svg::new(WIDTH, HEIGHT);
                self.chart().draw(&mut svg);
                Ok(svg.finish().into_bytes())
            }
            Format::Png => {
                let mut raster = Raster::new(WIDTH, HEIGHT)?;
                self.chart().draw(&mut raster);
                raster.finish()
            }
        }
    }
}

impl Observer for LossPlot {
    fn observe(&mut self, progress: &Progress, _: &dyn View) -> Result<ControlFlow<()>> {
        let Progress { iteration, accepted, losses, .. } = progress;
        self.points.push(Point { evaluation: *iteration, accepted: *accepted, losses: losses.clone() });
        Ok(ControlFlow::Continue(()))
    }

    /// Writes the file, unless there was no evaluation.
    fn finish(&mut self, _: &dyn View) -> Result<()> {
        if self.points.is_empty() {
            return Ok(());
        }
        write_bytes_atomically(&self.path, &self.encode()?)
    }
}

/// Formats a value with three significant digits, using a power of ten only where that is shorter to read.
fn short(value: f64) -> String {
    let rounded = format!("{value:.2e}").parse().unwrap_or(value);
    if rounded == 0.0 || (1e-3..1e4).contains(&rounded) { rounded.to_string() } else { format!("{rounded:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_short() {
        let cases = [(0.0, "0"), (1.0, "1"), (0.02, "0.02"), (1000.0, "1000"), (1e-4, "1e-4"), (1.0 / 3.0, "0.333")];
        for (value, text) in [(12345.0, "1.23e4"), (9.999e3, "1e4"), (f64::NAN, "NaN")].into_iter().chain(cases) {
            assert_eq!(short(value), text);
        }
    }

    /// The title may contain any characters.
    #[test]
    fn any_title_is_well_formed() {
        let title: String = (0..0x3000).filter_map(char::from_u32).chain("\u{fffe}\u{ffff}\u{1f431}".chars()).collect();
        let plot = LossPlot::new("plot.svg").unwrap().title(&title);
        let svg = String::from_utf8(plot.encode().unwrap()).unwrap();
        let document = roxmltree::Document::parse(&svg).unwrap();
        let shown = document.descendants().filter_map(|n| n.text()).find(|t| t.contains('\u{e9}')).unwrap();
        assert!(shown.contains("<=>") && shown.contains('&') && shown.contains('\u{1f431}'));
        LossPlot::new("plot.png").unwrap().title(title).encode().unwrap();
    }
}
