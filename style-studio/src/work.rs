//! How much of a session is done and left, for the time that the page tells. The crate `style-web` has this file too.

use style_transfer::Settings;

/// The evaluations of a session, scale by scale, counted as they happen. An evaluation takes a time about in proportion to its
/// pixels, so that one at the full size is the unit.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    /// Evaluations at each scale, and the work of one.
    scales: Vec<(usize, f64)>,
    /// The scale that was last seen, the evaluations before it, and their work.
    at: Option<(usize, usize, f64)>,
}

impl Work {
    /// Of a session that is described so, with a result of this long side.
    pub(crate) fn new(settings: &Settings, side: usize) -> Self {
        let each = |size: usize| (size as f64 / side.max(1) as f64).powi(2);
        let coarse = settings.scales.iter().map(|scale| (scale.iterations, each(scale.size)));
        Self { scales: coarse.chain([(settings.iterations, 1.0)]).collect(), at: None }
    }

    /// Work that is done and left after so many evaluations, the last of them at this scale. It may have begun early, because
    /// the one before converged; of scales before the first call all evaluations are taken for done.
    pub(crate) fn after(&mut self, evaluations: usize, scale: usize) -> (f64, f64) {
        let before = evaluations.saturating_sub(1);
        let (_, began, done) = match self.at {
            Some(at) if at.0 == scale => at,
            Some((last, began, done)) => {
                (scale, before, done + (before.saturating_sub(began)) as f64 * self.each(last))
            }
            None => {
                let earlier = self.scales.get(..scale).unwrap_or_default();
                let (count, work) =
                    earlier.iter().fold((0, 0.0), |(n, sum), (c, each)| (n + c, sum + *c as f64 * each));
                (scale, before.min(count), work)
            }
        };
        self.at = Some((scale, began, done));
        let here = evaluations.saturating_sub(began);
        let later = self.scales.get(scale + 1..).unwrap_or_default();
        let rest = self.scales.get(scale).map_or(0, |(count, _)| count.saturating_sub(here));
        let left = rest as f64 * self.each(scale) + later.iter().map(|(count, each)| *count as f64 * each).sum::<f64>();
        (done + here as f64 * self.each(scale), left)
    }

    fn each(&self, scale: usize) -> f64 {
        self.scales.get(scale).map_or(1.0, |(_, each)| *each)
    }
}

#[cfg(test)]
mod tests {
    use style_transfer::Scale;

    use super::*;

    fn work() -> Work {
        let scale = |size, iterations| Scale { size, iterations, optimizer: None };
        let mut settings = Settings::default();
        (settings.scales, settings.iterations) = (vec![scale(25, 16), scale(50, 8)], 5);
        Work::new(&settings, 100)
    }

    #[test]
    fn evaluations_at_small_scales_are_little_work() {
        let mut work = work();
        let at = [(8, 0), (16, 0), (17, 1), (24, 1), (25, 2), (29, 2)];
        let told = at.map(|(evaluations, scale)| work.after(evaluations, scale));
        assert_eq!(told, [(0.5, 7.5), (1.0, 7.0), (1.25, 6.75), (3.0, 5.0), (4.0, 4.0), (8.0, 0.0)]);
    }

    #[test]
    fn a_scale_that_converges_leaves_less() {
        let mut work = work();
        assert_eq!(work.after(4, 0), (0.25, 7.75));
        assert_eq!(work.after(5, 1), (0.5, 6.75), "twelve evaluations at the first scale are spared");
        assert_eq!(work.after(6, 2), (1.5, 4.0));
    }

    #[test]
    fn a_session_that_goes_on_has_done_what_was_planned() {
        assert_eq!(work().after(20, 1), (2.0, 6.0));
        assert_eq!(work().after(26, 2), (5.0, 3.0));
        // An earlier scale had converged.
        let mut work = work();
        assert_eq!(work.after(10, 1), (1.25, 6.75));
        assert_eq!(work.after(11, 1), (1.5, 6.5));
        // Nothing here panics.
        assert_eq!(work.after(usize::MAX, 9).1, 0.0);
    }
}
