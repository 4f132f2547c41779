//! How much of a job is done, and the time that the rest will take.

use std::time::Duration;

/// Work in the units of [`style_transfer::Settings::work`], or in any other.
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

    /// So much of the frame at work is done, and so much is left.
    pub(crate) fn at(&mut self, at: f64, left: f64) {
        (self.at, self.of) = (at, at + left);
    }

    /// What is done of the frame at work.
    pub(crate) fn of_frame(&self) -> f64 {
        self.at
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
    fn every_frame_counts_once() {
        // The first frame is 60 evaluations, each further one 40 at most.
        let mut frames = VideoWork::new(40.0);
        frames.begin(60.0, 3);
        assert_eq!((frames.work(), frames.part()), (Work { done: 0.0, left: 180.0 }, 0.0));
        frames.at(15.0, 45.0);
        assert_eq!((frames.work(), frames.part()), (Work { done: 15.0, left: 45.0 + 120.0 }, 0.25));
        frames.at(60.0, 0.0);
        frames.end(false);
        assert_eq!(frames.work(), Work { done: 60.0, left: 120.0 });
        // Nothing moves in the second: half the work, which those to come are then taken for.
        frames.begin(20.0, 2);
        frames.at(5.0, 15.0);
        assert_eq!(frames.work(), Work { done: 65.0, left: 15.0 + 80.0 });
        frames.at(20.0, 0.0);
        frames.end(true);
        assert_eq!(frames.work(), Work { done: 80.0, left: 40.0 });
        // The third is done early.
        frames.begin(40.0, 1);
        frames.at(30.0, 10.0);
        frames.end(true);
        assert_eq!(frames.work(), Work { done: 110.0, left: 25.0 });
        // A cut says nothing about the last, in which a size ends early.
        frames.begin(60.0, 0);
        frames.at(10.0, 20.0);
        assert_eq!((frames.work(), frames.part()), (Work { done: 120.0, left: 20.0 }, 1.0 / 3.0));
        frames.at(30.0, 0.0);
        frames.end(false);
        assert_eq!(frames.work(), Work { done: 140.0, left: 0.0 });
    }
}
