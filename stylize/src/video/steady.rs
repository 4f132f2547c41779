//! What keeps a video steady: which parts of a frame are as they were in the one before, and where its painting starts.
//!
//! Ruder, Dosovitskiy and Brox (2016, "Artistic style transfer for videos") start each frame from the painted one before it, warped
//! along the optical flow, and hold it there where the flow is reliable. Departure from the paper: there is no flow here. What is
//! as it was is found by comparing the frames pixel by pixel, so the camera should be at rest. What is not starts from the frame
//! painted by itself, in fewer evaluations: from the photograph it would stay a photograph, because the style of the picture as a
//! whole is already that of the painting.

use style_transfer::{Image, Mask, Result};

/// The mean difference of colours, in 8-bit units, up to which a place is as it was, and from which it is another.
const SAME: f32 = 4.0;
const OTHER: f32 = 12.0;

/// How far around a difference nothing counts as the same, relative to the long side.
const AROUND: f64 = 1.0 / 80.0;

/// The mean difference of two frames from which they are of different scenes.
const CUT: f64 = 45.0;

/// How a frame differs from the one before.
pub(crate) struct Change {
    /// 1 where a pixel is as it was, 0 where it is not.
    same: Vec<f32>,
    mean: f64,
    width: usize,
    height: usize,
}

impl Change {
    /// Compares two frames of one size.
    pub(crate) fn between(before: &Image, now: &Image) -> Self {
        let (width, height) = (now.width(), now.height());
        let (a, b, n) = (before.pixels(), now.pixels(), width * height);
        let apart: Vec<f32> =
            (0..n).map(|i| (0..3).map(|k| (a[k * n + i] - b[k * n + i]).abs()).sum::<f32>() / 3.0).collect();
        let mean = apart.iter().map(|v| f64::from(*v)).sum::<f64>() / n.max(1) as f64;
        let reach = ((width.max(height) as f64 * AROUND).round() as usize).max(1);
        // Noise of the camera is averaged, and what is near a difference is not to be trusted.
        let average = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
        let largest = |values: &[f32]| values.iter().copied().fold(0.0, f32::max);
        let smooth = around(&apart, width, 1, average);
        let far = around(&smooth, width, reach, largest);
        let same = far.iter().map(|d| ((OTHER - d) / (OTHER - SAME)).clamp(0.0, 1.0)).collect();
        Self { same, mean, width, height }
    }

    /// Whether another scene begins.
    pub(crate) fn is_cut(&self) -> bool {
        self.mean > CUT
    }

    /// The places that are as they were; `None` if there are none.
    pub(crate) fn same(&self) -> Option<Mask> {
        Mask::new(self.width, self.height, self.same.clone()).ok()
    }

    /// Whether any place is not as it was.
    pub(crate) fn is_anywhere(&self) -> bool {
        self.same.iter().any(|v| *v < 1.0)
    }

    /// The start of a frame: the painted frame before it where the frame is as it was, and `fresh` elsewhere.
    pub(crate) fn start(&self, painted: &Image, fresh: &Image) -> Result<Image> {
        let n = self.same.len();
        let pixel = |(i, (p, q)): (usize, (&f32, &f32))| q + self.same[i % n] * (p - q);
        let pixels = painted.pixels().iter().zip(fresh.pixels()).enumerate().map(pixel);
        Image::from_planar(self.width, self.height, pixels.collect())
    }
}

/// A function of the values within `reach` along the rows, then along the columns.
fn around(map: &[f32], width: usize, reach: usize, of: impl Fn(&[f32]) -> f32) -> Vec<f32> {
    let along = |map: &[f32], width: usize| -> Vec<f32> {
        let row = |row: &[f32]| -> Vec<f32> {
            (0..row.len()).map(|i| of(&row[i.saturating_sub(reach)..(i + reach + 1).min(row.len())])).collect()
        };
        map.chunks(width.max(1)).flat_map(row).collect()
    };
    let turned = |map: &[f32], width: usize| -> Vec<f32> {
        (0..width).flat_map(|x| map.iter().skip(x).step_by(width).copied()).collect()
    };
    let rows = along(map, width);
    let height = map.len() / width.max(1);
    turned(&along(&turned(&rows, width), height), height)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: usize, height: usize, value: impl Fn(usize, usize) -> f32) -> Image {
        let plane: Vec<f32> = (0..width * height).map(|i| value(i % width, i / width)).collect();
        Image::from_planar(width, height, plane.repeat(3)).expect("an image")
    }

    #[test]
    fn only_what_differs_and_its_surroundings_are_free() {
        let (before, now) =
            (grey(40, 30, |_, _| 100.0), grey(40, 30, |x, y| if x == 10 && y == 20 { 255.0 } else { 101.0 }));
        let change = Change::between(&before, &now);
        assert!(!change.is_cut() && change.is_anywhere());
        let same = change.same().expect("most of it");
        for (i, v) in same.values().iter().enumerate() {
            let (x, y) = (i % 40, i / 40);
            // 1 for the mean, 1 for what is around.
            let near = x.abs_diff(10) <= 2 && y.abs_diff(20) <= 2;
            assert_eq!(*v, if near { 0.0 } else { 1.0 }, "{x} {y}");
        }
        let painted = grey(40, 30, |_, _| 7.0);
        let start = change.start(&painted, &now).expect("a start");
        assert_eq!(
            (start.pixels()[0], start.pixels()[20 * 40 + 10], start.pixels()[20 * 40 + 12]),
            (7.0, 255.0, 101.0)
        );
    }

    #[test]
    fn another_scene_is_a_cut() {
        let change = Change::between(&grey(20, 10, |_, _| 20.0), &grey(20, 10, |x, _| 60.0 + 5.0 * x as f32));
        assert!(change.is_cut() && change.same().is_none());
    }
}
