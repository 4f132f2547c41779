//! Curves over evaluations on a logarithmic axis: the layout on the canvas.

use super::canvas::{Anchor, Canvas, Colour};

pub(crate) const WIDTH: u32 = 960;
pub(crate) const HEIGHT: u32 = 560;

/// The frame around the curves.
const LEFT: f32 = 76.0;
const RIGHT: f32 = 730.0;
const TOP: f32 = 70.0;
const BOTTOM: f32 = 500.0;
const LEGEND: f32 = RIGHT + 20.0;

const INK: Colour = [34, 34, 34];
const MAJOR: Colour = [200, 200, 200];
const MINOR: Colour = [238, 238, 238];
const REJECTED: Colour = [204, 121, 167];
const DOT: f32 = 3.0;

/// The depth of the axis: this many powers of ten below the lowest total, a term no longer matters.
const DEPTH: f64 = 6.0;

/// A named line; points are `(evaluation, value)`, and values that are not positive and finite are gaps.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) colour: Colour,
    pub(crate) width: f32,
    pub(crate) points: Vec<(usize, f64)>,
}

/// The contents of a chart.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    /// The first is the total: it is drawn beneath the others, and its lowest point determines the depth of the axis.
    pub(crate) curves: Vec<Curve>,
    /// Losses of rejected points, drawn as dots if they are within the axis.
    pub(crate) rejected: Vec<(usize, f64)>,
    /// The last evaluation.
    pub(crate) last: usize,
}

/// The decimal logarithm of a value that can be drawn.
fn log(value: f64) -> Option<f64> {
    (value > 0.0 && value.is_finite()).then(|| value.log10())
}

impl Chart {
    pub(crate) fn draw(&self, canvas: &mut dyn Canvas) {
        let logs = |curve: &Curve| curve.points.iter().filter_map(|p| log(p.1)).collect::<Vec<_>>();
        let least = |logs: &[f64]| logs.iter().copied().fold(f64::INFINITY, f64::min);
        let floor = self.curves.first().map_or(f64::INFINITY, |total| least(&logs(total))) - DEPTH;
        let mut drawn: Vec<f64> = self.curves.iter().flat_map(logs).collect();
        drawn.retain(|l| floor.is_infinite() || *l >= floor);
        let axis = if drawn.is_empty() { Axis::new(0.0, 0.0) } else { Axis::of(&drawn) };
        let last = self.last.max(1);
        let place = |&(evaluation, value): &(usize, f64)| {
            let l = log(value).filter(|l| (axis.low..=axis.high).contains(l))?;
            let x = LEFT + (RIGHT - LEFT) * (evaluation as f64 / last as f64) as f32;
            Some((x, axis.y(l)))
        };

        self.draw_axes(canvas, &axis, last);
        let mut legend = Legend { y: TOP + 10.0 };
        for curve in &self.curves {
            let places: Vec<_> = curve.points.iter().map(place).collect();
            for run in places.split(Option::is_none) {
                let run: Vec<(f32, f32)> = run.iter().copied().flatten().collect();
                match run[..] {
                    [] => {}
                    [alone] => canvas.dot(alone, 0.5 * curve.width + 1.5, curve.colour),
                    _ => canvas.line(&run, curve.colour, curve.width),
                }
            }
            if places.iter().any(Option::is_some) {
                let y = legend.entry(canvas, &curve.name);
                canvas.line(&[(LEGEND, y), (LEGEND + 24.0, y)], curve.colour, curve.width);
            }
        }
        let rejected: Vec<_> = self.rejected.iter().filter_map(place).collect();
        for dot in &rejected {
            canvas.dot(*dot, DOT, REJECTED);
        }
        if !rejected.is_empty() {
            let y = legend.entry(canvas, "total, rejected");
            canvas.dot((LEGEND + 12.0, y), DOT, REJECTED);
        }
        canvas.line(&[(LEFT, TOP), (LEFT, BOTTOM), (RIGHT, BOTTOM)], INK, 1.0);
    }

    fn draw_axes(&self, canvas: &mut dyn Canvas, axis: &Axis, last: usize) {
        canvas.text((LEFT, 30.0), Anchor::Left, INK, true, &self.title);
        canvas.text((LEFT, 54.0), Anchor::Left, INK, false, "loss, logarithmic");
        for tick in axis.ticks() {
            let y = axis.y(tick.log);
            canvas.line(&[(LEFT, y), (RIGHT, y)], if tick.major { MAJOR } else { MINOR }, 1.0);
            if let Some(label) = tick.label {
                canvas.text((LEFT - 8.0, y + 5.0), Anchor::Right, INK, false, &label);
            }
        }
        let step = round_step(last);
        for at in (0..=last).step_by(step) {
            let x = LEFT + (RIGHT - LEFT) * (at as f64 / last as f64) as f32;
            canvas.line(&[(x, TOP), (x, BOTTOM)], MINOR, 1.0);
            canvas.line(&[(x, BOTTOM), (x, BOTTOM + 5.0)], INK, 1.0);
            canvas.text((x, BOTTOM + 21.0), Anchor::Middle, INK, false, &at.to_string());
        }
        canvas.text((0.5 * (LEFT + RIGHT), BOTTOM + 45.0), Anchor::Middle, INK, false, "evaluations");
    }
}

/// The names of the curves and dots, to the right of the frame.
struct Legend {
    y: f32,
}

impl Legend {
    /// Writes the next name and returns the height of its sample.
    fn entry(&mut self, canvas: &mut dyn Canvas, name: &str) -> f32 {
        let y = self.y;
        canvas.text((LEGEND + 34.0, y + 5.0), Anchor::Left, INK, false, name);
        self.y += 24.0;
        y
    }
}

/// A logarithmic axis; its ends are decimal logarithms.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Axis {
    low: f64,
    high: f64,
}

#[derive(Clone, Debug, PartialEq)]
struct Tick {
    log: f64,
    major: bool,
    label: Option<String>,
}

impl Axis {
    /// An axis around values with these logarithms, whose ends are 1, 2 or 5 times a power of ten.
    fn of(logs: &[f64]) -> Self {
        let low = logs.iter().copied().fold(f64::INFINITY, f64::min);
        let high = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let ends = |l: f64| [0.0, 2f64.log10(), 5f64.log10(), 1.0].map(|part| l.floor() + part);
        let below = ends(low).into_iter().rfind(|end| *end <= low).unwrap_or(low);
        let above = ends(high).into_iter().find(|end| *end >= high).unwrap_or(high);
        Self::new(below, above)
    }

    /// An axis that spans at least one power of ten.
    fn new(low: f64, high: f64) -> Self {
        Self { low, high: if high - low < 1.0 { low + 1.0 } else { high } }
    }

    fn y(&self, log: f64) -> f32 {
        BOTTOM - (BOTTOM - TOP) * ((log - self.low) / (self.high - self.low)) as f32
    }

    /// Ticks at powers of ten, and between them if there is room.
    fn ticks(&self) -> Vec<Tick> {
        let span = self.high - self.low;
        let every = (span / 10.0).ceil().max(1.0) as i32;
        let mut ticks = vec![];
        for power in self.low.floor() as i32..=self.high.ceil() as i32 {
            for digit in 1..=9 {
                let log = f64::from(power) + f64::from(digit).log10();
                let major = digit == 1;
                let shown = if major { power % every == 0 } else { span <= 8.0 };
                if !shown || log < self.low - 1e-9 || log > self.high + 1e-9 {
                    continue;
                }
                let labelled = major || span <= 3.0 && matches!(digit, 2 | 5);
                ticks.push(Tick { log, major, label: labelled.then(|| format!("{digit}e{power}")) });
            }
        }
        ticks
    }
}

/// The distance between ticks from 0 to `last`, about eight of them: 1, 2 or 5 times a power of ten.
fn round_step(last: usize) -> usize {
    let mut power = 1usize;
    loop {
        for digit in [1, 2, 5] {
            let step = power.saturating_mul(digit);
            if last / step <= 8 {
                return step;
            }
        }
        power = power.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines and dots in the colours of curves, and texts.
    #[derive(Default)]
    struct Seen {
        lines: Vec<(Colour, Vec<(f32, f32)>)>,
        dots: Vec<(Colour, (f32, f32))>,
        texts: Vec<(String, (f32, f32))>,
    }

    impl Canvas for Seen {
        fn line(&mut self, points: &[(f32, f32)], colour: Colour, _: f32) {
            assert!(points.iter().all(|(x, y)| (0.0..=960.0).contains(x) && (0.0..=560.0).contains(y)), "{points:?}");
            if ![INK, MAJOR, MINOR].contains(&colour) && points[0].0 < LEGEND {
                self.lines.push((colour, points.to_vec()));
            }
        }
        fn dot(&mut self, centre: (f32, f32), _: f32, colour: Colour) {
            if centre.0 < LEGEND {
                self.dots.push((colour, centre));
            }
        }
        fn text(&mut self, at: (f32, f32), _: Anchor, _: Colour, _: bool, text: &str) {
            self.texts.push((text.into(), at));
        }
    }

    const TOTAL: Colour = [1, 1, 1];
    const PART: Colour = [2, 2, 2];

    fn draw(total: &[(usize, f64)], part: &[(usize, f64)], rejected: &[(usize, f64)]) -> Seen {
        let curve =
            |name: &str, colour, points: &[_]| Curve { name: name.into(), colour, width: 1.0, points: points.into() };
        let curves = vec![curve("total", TOTAL, total), curve("part", PART, part)];
        let all = total.iter().chain(part).chain(rejected);
        let last = all.map(|p| p.0).max().unwrap_or(0);
        let mut seen = Seen::default();
        Chart { title: "title".into(), curves, rejected: rejected.into(), last }.draw(&mut seen);
        seen
    }

    impl Seen {
        /// The height of a label on the left axis; a text's baseline is 5 below its middle.
        fn height_of(&self, label: &str) -> f32 {
            self.texts.iter().find(|t| t.0 == label && t.1.0 < LEFT).unwrap_or_else(|| panic!("no {label}")).1.1 - 5.0
        }

        fn names(&self) -> Vec<&str> {
            self.texts.iter().filter(|t| t.1.0 > RIGHT).map(|t| &*t.0).collect()
        }
    }

    #[test]
    fn values_are_where_their_labels_are() {
        let seen = draw(&[(0, 1e4), (5, 1e3), (10, 1e2)], &[(0, 5e3), (10, 20.0)], &[(3, 2e4), (4, 1e3), (5, 1e9)]);
        let y = |label| seen.height_of(label);
        let (middle, total) = (0.5 * (LEFT + RIGHT), seen.lines[0].clone());
        assert_eq!(total, (TOTAL, vec![(LEFT, y("1e4")), (middle, y("1e3")), (RIGHT, y("1e2"))]));
        assert_eq!(seen.lines[1], (PART, vec![(LEFT, y("5e3")), (RIGHT, y("2e1"))]));
        assert_eq!(seen.lines.len(), 2);
        assert_eq!((y("2e1"), y("1e4")), (BOTTOM, TOP), "the axis ends at 1, 2 or 5 times a power of ten");
        let at = LEFT + 0.4 * (RIGHT - LEFT);
        assert_eq!(seen.dots, [(REJECTED, (at, y("1e3")))], "the others are beyond the axis");
        assert_eq!(seen.names(), ["total", "part", "total, rejected"]);
        let labels = |wanted: &str| seen.texts.iter().any(|t| t.0 == wanted && t.1.1 > BOTTOM);
        assert!(["0", "2", "10", "evaluations"].into_iter().all(labels));
    }

    #[test]
    fn what_has_no_place_on_the_axis_is_a_gap() {
        let part = [(0, 0.0), (1, 5.0), (2, 5.0), (3, f64::NAN), (4, 5.0), (5, f64::INFINITY), (6, -1.0), (7, 1e-9)];
        let seen = draw(&[(0, 10.0), (7, 10.0)], &part, &[(2, f64::NAN), (3, -1.0)]);
        assert_eq!(seen.lines.iter().map(|l| l.1.len()).collect::<Vec<_>>(), [2, 2]);
        assert_eq!(seen.dots.len(), 1);
        assert_eq!(seen.dots[0].0, PART);
        assert_eq!(draw(&[(0, 10.0), (7, 10.0)], &[(0, 0.0), (7, 0.0)], &[(2, f64::NAN)]).names(), ["total"]);
    }

    #[test]
    fn any_values_can_be_drawn() {
        let edge =
            [f64::MIN_POSITIVE, f64::from_bits(1), f64::MAX, f64::NAN, f64::INFINITY, 0.0, -1.0, 1.0, 1.0 + 1e-15];
        for a in edge {
            for b in edge {
                for last in [0, 1, 7, usize::MAX] {
                    let seen = draw(&[(0, a), (last, b)], &[(0, b), (last, a)], &[(last, b)]);
                    assert!((2..60).contains(&seen.texts.len()), "{}", seen.texts.len());
                }
            }
        }
        assert_eq!(draw(&[], &[], &[]).names(), [""; 0]);
    }
}
