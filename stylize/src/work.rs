//! How much of a job is done, and the time that the rest will take.

use std::time::Duration;

use style_transfer::Scale;

/// Work in evaluations at the full size: one at a smaller scale counts by its area.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Work {
    /// Since the clock began.
    pub(crate) done: f64,
    pub(crate) left: f64,
}

impl Work {
    /// The time left, if what is left goes as fast as what was done in this time; `None` if nothing is done yet.
    pub(crate) fn time_left(self, since: Duration) -> Option<Duration> {
        let seconds = since.as_secs_f64() / self.done * self.left.max(0.0);
        if self.done > 0.0 { Duration::try_from_secs_f64(seconds).ok() } else { None }
    }
}

/// The evaluations of a session, scale by scale.
#[derive(Clone, Debug)]
pub(crate) struct Schedule(Vec<(usize, f64)>);

impl Schedule {
    /// Of a session with these scales, then this many iterations at the full size, whose long side is given.
    pub(crate) fn new(scales: &[Scale], iterations: usize, side: usize) -> Self {
        let coarse = scales.iter().map(|s| (s.iterations, (s.size as f64 / side.max(1) as f64).powi(2)));
        Self(coarse.chain([(iterations, 1.0)]).collect())
    }

    /// The work of the first so many evaluations.
    pub(crate) fn first(&self, evaluations: usize) -> f64 {
        let mut rest = evaluations;
        let of = |&(count, each): &(usize, f64)| {
            let here = count.min(rest);
            rest -= here;
            here as f64 * each
        };
        self.0.iter().map(of).sum()
    }

    pub(crate) fn all(&self) -> f64 {
        self.first(usize::MAX)
    }
}

/// The frames of a video. How much work a frame is depends on what moves in it, so those to come are taken for the mean of those
/// that are done.
#[derive(Clone, Debug)]
pub(crate) struct VideoWork {
    /// Of all frames that are done.
    done: f64,
    /// Number and work of those that followed another, and what one is taken for before there are any.
    followed: (usize, f64),
    expected: f64,
    /// What is done of the frame at work, and what it is altogether.
    at: f64,
    of: f64,
    /// The frames after it.
    after: usize,
}

impl VideoWork {
    /// `expected` is what a frame that follows another is taken for at first.
    pub(crate) fn new(expected: f64) -> Self {
        Self { done: 0.0, followed: (0, 0.0), expected, at: 0.0, of: 0.0, after: 0 }
    }

    /// A frame of this much work begins.
    pub(crate) fn begin(&mut self, of: f64, after: usize) {
        (self.at, self.of, self.after) = (0.0, of, after);
    }

    /// So much of the frame at work is done.
    pub(crate) fn at(&mut self, at: f64) {
        self.at = at;
    }

    /// The frame at work is done, with no more work than there was.
    pub(crate) fn end(&mut self, follows: bool) {
        self.done += self.at;
        if follows {
            self.followed = (self.followed.0 + 1, self.followed.1 + self.at);
        }
        (self.at, self.of) = (0.0, 0.0);
    }

    /// The part of the frame at work that is done, from 0 to 1.
    pub(crate) fn part(&self) -> f64 {
        if self.of > 0.0 { (self.at / self.of).min(1.0) } else { 0.0 }
    }

    pub(crate) fn work(&self) -> Work {
        let each = match self.followed {
            (0, _) => self.expected,
            (count, work) => work / count as f64,
        };
        Work { done: self.done + self.at, left: (self.of - self.at).max(0.0) + self.after as f64 * each }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_in_proportion() {
        let left = |done, left, seconds| Work { done, left }.time_left(Duration::from_secs(seconds));
        assert_eq!(left(10.0, 30.0, 5), Some(Duration::from_secs(15)));
        assert_eq!(left(10.0, 0.0, 5), Some(Duration::ZERO));
        assert_eq!(left(0.0, 30.0, 5), None, "nothing is known before the first evaluation");
        assert_eq!(left(1e-300, 1e300, 5), None, "longer than a clock has");
    }

    #[test]
    fn evaluations_at_small_scales_are_little_work() {
        let scale = |size, iterations| Scale { size, iterations, optimizer: None };
        let schedule = Schedule::new(&[scale(25, 16), scale(50, 8)], 5, 100);
        let at = [0, 8, 16, 20, 24, 26, 29, 40].map(|n| schedule.first(n));
        assert_eq!(at, [0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 8.0]);
        assert_eq!(schedule.all(), 8.0);
    }

    #[test]
    fn every_frame_counts_once() {
        // The first frame is 60 evaluations, each further one 40 at most.
        let mut frames = VideoWork::new(40.0);
        frames.begin(60.0, 3);
        assert_eq!((frames.work(), frames.part()), (Work { done: 0.0, left: 180.0 }, 0.0));
        frames.at(15.0);
        assert_eq!((frames.work(), frames.part()), (Work { done: 15.0, left: 45.0 + 120.0 }, 0.25));
        frames.at(60.0);
        frames.end(false);
        assert_eq!(frames.work(), Work { done: 60.0, left: 120.0 });
        // Nothing moves in the second: half the work, which those to come are then taken for.
        frames.begin(20.0, 2);
        frames.at(5.0);
        assert_eq!(frames.work(), Work { done: 65.0, left: 15.0 + 80.0 });
        frames.at(20.0);
        frames.end(true);
        assert_eq!(frames.work(), Work { done: 80.0, left: 40.0 });
        // The third is done early.
        frames.begin(40.0, 1);
        frames.at(30.0);
        frames.end(true);
        assert_eq!(frames.work(), Work { done: 110.0, left: 25.0 });
        // A cut says nothing about the last.
        frames.begin(60.0, 0);
        frames.at(60.0);
        frames.end(false);
        assert_eq!(frames.work(), Work { done: 170.0, left: 0.0 });
    }
}
