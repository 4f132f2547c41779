//! Strong Wolfe line search (Nocedal and Wright, Numerical Optimization, 2nd ed., algorithms 3.5 and 3.6) as a state
//! machine: it receives the value and slope at the step it requested, and returns the next action.

/// Sufficient decrease constant.
const C1: f64 = 1e-4;

/// Curvature constant.
const C2: f64 = 0.9;

/// Number of evaluations after which the best step so far is accepted.
const MAX_EVALUATIONS: usize = 20;

/// Value and slope along the direction, at step `t`.
#[derive(Clone, Copy, Debug)]
struct Sample {
    t: f64,
    f: f64,
    slope: f64,
}

/// The next action.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    /// Accept the step just evaluated.
    Accept,
    /// Evaluate at this step.
    Try(f64),
    /// No step along this direction lowers the value.
    Fail,
}

/// A search along one direction.
#[derive(Clone, Debug)]
pub(super) struct LineSearch {
    start: Sample,
    t: f64,
    /// The last sample until the minimum is bracketed, then the better end of the bracket.
    low: Sample,
    /// The other end of the bracket.
    high: Option<Sample>,
    evaluations: usize,
}

impl LineSearch {
    /// Starts a search from value `f` with `slope < 0`; the first step to evaluate is `t`.
    pub(super) fn new(f: f64, slope: f64, t: f64) -> Self {
        let start = Sample { t: 0.0, f, slope };
        Self { start, t, low: start, high: None, evaluations: 0 }
    }

    /// Its entire state, as numbers.
    pub(super) fn numbers(&self) -> Vec<f64> {
        let Self { start, t, low, high, evaluations } = self;
        let mut numbers = vec![start.f, start.slope, *t, *evaluations as f64, low.t, low.f, low.slope];
        numbers.extend(high.iter().flat_map(|high| [high.t, high.f, high.slope]));
        numbers
    }

    /// The inverse; `None` if the numbers are invalid: a step has a length.
    pub(super) fn from_numbers(numbers: &[f64]) -> Option<Self> {
        let (&[f, slope, t, evaluations, low_t, low_f, low_slope], high) = numbers.split_first_chunk()?;
        let high = match high {
            [] => None,
            &[t, f, slope] => Some(Sample { t, f, slope }),
            _ => return None,
        };
        let low = Sample { t: low_t, f: low_f, slope: low_slope };
        let lengths = [t, low_t, high.map_or(0.0, |high| high.t)];
        if !lengths.iter().all(|t| (0.0..f64::INFINITY).contains(t)) {
            return None;
        }
        Some(Self { start: Sample { t: 0.0, f, slope }, t, low, high, evaluations: evaluations as usize })
    }

    /// The step under evaluation.
    pub(super) fn step(&self) -> f64 {
        self.t
    }

    /// Processes the value and slope at [`step`](LineSearch::step).
    pub(super) fn update(&mut self, f: f64, slope: f64) -> Verdict {
        self.evaluations = self.evaluations.saturating_add(1);
        let here = Sample { t: self.t, f, slope };
        if !(f.is_finite() && slope.is_finite()) {
            self.high = Some(Sample { f: f64::INFINITY, slope: f64::NAN, ..here });
            return self.next();
        }
        let rises = f > self.start.f + C1 * here.t * self.start.slope || (self.evaluations > 1 && f >= self.low.f);
        if rises {
            self.high = Some(here);
            // The best step is evaluated again after giving up: rounding may make it seem no better than itself.
            if here.t == self.low.t && here.t > 0.0 { Verdict::Accept } else { self.next() }
        } else if slope.abs() <= -C2 * self.start.slope || self.evaluations > MAX_EVALUATIONS {
            Verdict::Accept
        } else {
            match self.high {
                None if slope < 0.0 => {
                    let t = extrapolate(self.low, here);
                    self.low = here;
                    return self.try_step(t);
                }
                None => self.high = Some(self.low),
                Some(high) if slope * (high.t - here.t) >= 0.0 => self.high = Some(self.low),
                Some(_) => {}
            }
            self.low = here;
            self.next()
        }
    }

    /// The next trial step inside the bracket.
    fn next(&mut self) -> Verdict {
        let Some(high) = self.high else { return Verdict::Fail };
        let width = (high.t - self.low.t).abs();
        // NaN counts as too narrow.
        let wide = width.is_finite() && width > 1e-12 * self.low.t.max(high.t);
        if self.evaluations >= MAX_EVALUATIONS || !wide {
            // The low end satisfies sufficient decrease unless it is the start.
            return if self.low.t > 0.0 { self.try_step(self.low.t) } else { Verdict::Fail };
        }
        let t = interpolate(self.low, high);
        self.try_step(t)
    }

    fn try_step(&mut self, t: f64) -> Verdict {
        self.t = t;
        Verdict::Try(t)
    }
}

/// The minimiser of the cubic through two samples, if it exists (Nocedal and Wright, equation 3.59).
fn cubic_minimum(a: Sample, b: Sample) -> Option<f64> {
    let d1 = a.slope + b.slope - 3.0 * (a.f - b.f) / (a.t - b.t);
    let square = d1 * d1 - a.slope * b.slope;
    let d2 = (b.t - a.t).signum() * square.sqrt();
    let t = b.t - (b.t - a.t) * (b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2);
    (square >= 0.0 && t.is_finite()).then_some(t)
}

/// A step inside the bracket, at least a tenth of its width from either end.
fn interpolate(low: Sample, high: Sample) -> f64 {
    let width = high.t - low.t;
    let fallback = if high.f.is_finite() { 0.5 } else { 0.1 };
    let t = cubic_minimum(low, high).unwrap_or(low.t + fallback * width);
    let (a, b) = (low.t + 0.1 * width, high.t - 0.1 * width);
    t.clamp(a.min(b), a.max(b))
}

/// A larger step, if the slope is still negative at `here`.
fn extrapolate(before: Sample, here: Sample) -> f64 {
    let (least, most) = (2.0 * here.t, 10.0 * here.t);
    cubic_minimum(before, here).filter(|&t| t > here.t).unwrap_or(most).max(least).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a search on `f`, given its value and slope by `at`; returns the accepted step and the number of evaluations.
    fn search(at: impl Fn(f64) -> (f64, f64), first: f64) -> Option<(f64, usize)> {
        let (f, slope) = at(0.0);
        let mut search = LineSearch::new(f, slope, first);
        for n in 1..100 {
            let (f, slope) = at(search.step());
            match search.update(f, slope) {
                Verdict::Accept => return Some((search.step(), n)),
                Verdict::Try(_) => {}
                Verdict::Fail => return None,
            }
        }
        panic!("the search does not end");
    }

    #[test]
    fn strong_wolfe_holds_from_any_first_step() {
        let functions: [fn(f64) -> (f64, f64); 4] = [
            |t| ((t - 3.0).powi(2), 2.0 * (t - 3.0)),
            |t| (-t / (t * t + 2.0), (t * t - 2.0) / (t * t + 2.0).powi(2)),
            |t| {
                ((t + 0.004).powi(5) - 2.0 * (t + 0.004).powi(4), 5.0 * (t + 0.004).powi(4) - 8.0 * (t + 0.004).powi(3))
            },
            |t| ((t - 1.0).powi(4), 4.0 * (t - 1.0).powi(3)),
        ];
        for f in functions {
            for first in [1e-3, 1e-1, 1.0, 10.0, 1e3] {
                let (t, evaluations) = search(f, first).unwrap();
                let ((f0, s0), (f1, s1)) = (f(0.0), f(t));
                assert!(f1 <= f0 + C1 * t * s0 && s1.abs() <= C2 * s0.abs(), "{first}: {t}");
                assert!(evaluations <= 16, "{first}: {evaluations}");
            }
        }
    }

    #[test]
    fn steps_that_are_not_finite_are_shortened() {
        let (t, _) =
            search(|t| if t > 0.01 { (f64::NAN, f64::NAN) } else { ((t - 1.0).powi(2), 2.0 * (t - 1.0)) }, 1.0)
                .unwrap();
        assert!(t > 0.0 && t <= 0.01);
    }

    #[test]
    fn a_direction_that_only_rises_fails() {
        assert_eq!(search(|t| (t.abs(), if t == 0.0 { -1.0 } else { 1.0 }), 1.0), None);
    }
}
