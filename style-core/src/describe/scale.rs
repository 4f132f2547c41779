//! Sizes to paint at before the final size.

use serde::{Deserialize, Serialize};

use crate::optim::Optimizer;

/// A size to paint at before the final size; see [`SessionBuilder::scales`](crate::SessionBuilder::scales).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Long side in pixels.
    pub size: usize,
    /// Evaluations of loss and gradient.
    pub iterations: usize,
    /// The optimiser; `None` uses the one of the final size.
    pub optimizer: Option<Optimizer>,
}

/// Each coarser scale of [`Scale::coarse_to_fine`] gets the iterations divided by this.
const COARSE: usize = 3;

/// The minimum short side of a coarser scale: two positions of conv5_1.
const SHORTEST: usize = 32;

/// Long side of the coarsest scale of a [pyramid](Scale::pyramid).
const COARSEST: usize = 128;

/// Long side of the largest picture that a [pyramid](Scale::pyramid) is for: above what any machine can paint.
const LARGEST: usize = 1 << 20;

impl Scale {
    /// The scales below a size, starting at 128 pixels or more, each with twice the area of the previous one and this
    /// number of iterations. Together they take less time than the same number of iterations at the size itself. A size
    /// above `2^20` gets the scales of `2^20`, which are 26. The scales depend on the long side only: for a picture far
    /// from square, leave out those whose short side is too small for the network (16 pixels for conv5_1), as
    /// [`coarse_to_fine`](Self::coarse_to_fine) does.
    ///
    /// ```
    /// let sizes: Vec<_> = style_core::Scale::pyramid(512, 60).iter().map(|scale| scale.size).collect();
    /// assert_eq!(sizes, [128, 181, 256, 362]);
    /// ```
    #[must_use]
    pub fn pyramid(size: usize, iterations: usize) -> Vec<Self> {
        let size = size.min(LARGEST);
        let halvings = |i: i32| (size as f64 / 2f64.powf(f64::from(i) / 2.0)).round() as usize;
        let mut scales: Vec<_> = (1..).map(halvings).take_while(|&size| size >= COARSEST).collect();
        scales.reverse();
        scales.into_iter().map(|size| Self { size, iterations, optimizer: None }).collect()
    }

    /// A schedule that takes as long as `iterations` at the size itself. It returns the scales of a
    /// [pyramid](Scale::pyramid) whose short side is large enough for conv5_1, each with a third of the iterations, and
    /// the number of iterations left for the size itself. 80 are enough for a good picture with the default losses;
    /// `stylize` uses this schedule.
    ///
    /// ```
    /// # use style_core::backend::Backend;
    /// # use style_core::{Image, Scale, SessionBuilder};
    /// # fn describe<B: Backend>(builder: SessionBuilder<B>, photo: Image) {
    /// let (scales, iterations) = Scale::coarse_to_fine(photo.width(), photo.height(), 80);
    /// let builder = builder.content(photo).scales(scales).iterations(iterations);
    /// # }
    /// ```
    #[must_use]
    pub fn coarse_to_fine(width: usize, height: usize, iterations: usize) -> (Vec<Self>, usize) {
        let (long_side, short_side) = (width.max(height), width.min(height));
        let mut coarse = Self::pyramid(long_side, iterations.div_ceil(COARSE));
        coarse.retain(|scale| scale.size * short_side >= SHORTEST * long_side);
        let area = |size: usize| (size as f64).powi(2);
        let spent = coarse.iter().map(|s| s.iterations as f64 * area(s.size) / area(long_side)).sum::<f64>().round();
        (coarse, if iterations == 0 { 0 } else { iterations.saturating_sub(spent as usize).max(1) })
    }

    /// What an evaluation takes, relative to one of a result of this long side: its share of the pixels.
    pub(crate) fn work(self, long_side: usize) -> f64 {
        (self.size as f64 / long_side.max(1) as f64).powi(2)
    }
}
