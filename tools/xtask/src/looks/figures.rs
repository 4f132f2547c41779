//! Metrics of a painted picture that need no network, in `f64` from 8-bit pixels.

use std::f64::consts::TAU;

/// The periods of [`lattice`], in pixels: the strides of the first pools.
pub(super) const PERIODS: [usize; 3] = [2, 4, 8];

/// One value per pixel, row-major.
pub(super) struct Plane {
    width: usize,
    height: usize,
    values: Vec<f64>,
}

impl Plane {
    /// From interleaved RGB bytes.
    pub(super) fn luminance(width: usize, height: usize, rgb: &[u8]) -> Self {
        let value = |p: &[u8]| 0.299 * f64::from(p[0]) + 0.587 * f64::from(p[1]) + 0.114 * f64::from(p[2]);
        Self { width, height, values: rgb.chunks_exact(3).map(value).collect() }
    }

    fn transposed(&self) -> Self {
        let values = (0..self.values.len()).map(|i| self.values[i % self.height * self.width + i / self.height]);
        Self { width: self.height, height: self.width, values: values.collect() }
    }

    /// A pixel, or the nearest one inside the picture.
    fn at(&self, x: isize, y: isize) -> f64 {
        let within = |i: isize, n: usize| usize::try_from(i).unwrap_or(0).min(n - 1);
        self.values[within(y, self.height) * self.width + within(x, self.width)]
    }
}

/// The ratio of the energy at this period in pixels, along rows or columns, to the energy at neighbouring frequencies;
/// the larger of the two directions. 1 means no lattice.
pub(super) fn lattice(luminance: &Plane, period: usize) -> f64 {
    along_rows(luminance, period).max(along_rows(&luminance.transposed(), period))
}

/// Periodograms under a Hann window, averaged over all rows: the three bins at the period, over six on either side. The
/// two sides are combined by geometric mean, since the detail of pictures falls with frequency, by a power law or
/// faster.
fn along_rows(plane: &Plane, period: usize) -> f64 {
    // so that each period has its own bin
    let n = plane.width - plane.width % 8;
    let bin = n / period;
    let window: Vec<f64> = (0..n).map(|i| 0.5 - 0.5 * (TAU * i as f64 / n as f64).cos()).collect();
    let rows: Vec<Vec<f64>> = plane
        .values
        .chunks_exact(plane.width)
        .map(|row| {
            let mean = row[..n].iter().sum::<f64>() / n as f64;
            row.iter().zip(&window).map(|(v, w)| (v - mean) * w).collect()
        })
        .collect();
    let energy = |k: usize| {
        let wave: Vec<(f64, f64)> = (0..n).map(|i| (TAU * (k * i % n) as f64 / n as f64).sin_cos()).collect();
        let of_row = |row: &Vec<f64>| {
            let (mut re, mut im) = (0.0, 0.0);
            for (v, (sin, cos)) in row.iter().zip(&wave) {
                (re, im) = (re + v * cos, im + v * sin);
            }
            re * re + im * im
        };
        rows.iter().map(of_row).sum::<f64>() / rows.len() as f64
    };
    // The noise floor of rounding to 8 bits, so that a picture without detail has no lattice.
    let floor = window.iter().map(|w| w * w).sum::<f64>() / 12.0;
    // The mean is not a frequency, and beyond half of the bins they repeat.
    let mean = |from: usize, to: usize| {
        let (from, to) = (from.max(1), to.min(n / 2));
        (from..=to).map(energy).sum::<f64>() / (to + 1 - from) as f64 + floor
    };
    let below = mean(bin.saturating_sub(8), bin - 3);
    let neighbours = if period == 2 { below } else { (below * mean(bin + 3, bin + 8)).sqrt() };
    mean(bin - 1, bin + 1) / neighbours
}

/// Side of the squares of [`grid`], in pixels.
const SQUARE: usize = 128;
/// Frequencies up to this angle from an axis count as axial.
const ALONG: f64 = 5.0;
/// Frequencies from this angle to both axes count as oblique.
const OBLIQUE: f64 = 20.0;

/// The ratio of axial to oblique energy at all periods of two to four pixels, for rows and for columns; the smaller of
/// the two, since a photograph of houses has many verticals, or horizontals. Paintings have about 1.
///
/// It detects a lattice with inexact periods, which [`lattice`] misses: with max pools they are often 3 to 3.5 pixels.
/// Sums periodograms of overlapping squares under a Hann window.
pub(super) fn grid(luminance: &Plane) -> f64 {
    let n = SQUARE.min(luminance.width).min(luminance.height) / 2 * 2;
    let window: Vec<f64> = (0..n).map(|i| 0.5 - 0.5 * (TAU * i as f64 / n as f64).cos()).collect();
    let wave: Vec<(f64, f64)> = (0..n).map(|i| (TAU * i as f64 / n as f64).sin_cos()).collect();
    // Energy and bin count: along rows, along columns, oblique.
    let mut sums = [(0.0, 0.0); 3];
    for top in (0..=luminance.height - n).step_by(n / 2) {
        for left in (0..=luminance.width - n).step_by(n / 2) {
            let square = |x: usize, y: usize| luminance.values[(top + y) * luminance.width + left + x];
            let mean = (0..n * n).map(|i| square(i % n, i / n)).sum::<f64>() / (n * n) as f64;
            // Rows first. Half of their frequencies are enough: the others are redundant.
            let rows: Vec<Vec<(f64, f64)>> = (0..=n / 2)
                .map(|k| {
                    let of_row = |y: usize| {
                        let value = |x: usize| (square(x, y) - mean) * window[x] * window[y];
                        (0..n).fold((0.0, 0.0), |(re, im), x| {
                            let (sin, cos) = wave[k * x % n];
                            (re + value(x) * cos, im - value(x) * sin)
                        })
                    };
                    (0..n).map(of_row).collect()
                })
                .collect();
            for (k, column) in rows.iter().enumerate() {
                for l in 0..n {
                    let (fx, fy) = (k as f64 / n as f64, l.min(n - l) as f64 / n as f64);
                    let angle = fy.atan2(fx).to_degrees();
                    let kind = if angle < ALONG {
                        0
                    } else if angle > 90.0 - ALONG {
                        1
                    } else if (OBLIQUE..=90.0 - OBLIQUE).contains(&angle) {
                        2
                    } else {
                        continue;
                    };
                    if !(0.25..=0.5).contains(&fx.hypot(fy)) {
                        continue;
                    }
                    let (re, im) = column.iter().enumerate().fold((0.0, 0.0), |(re, im), (y, (a, b))| {
                        let (sin, cos) = wave[l * y % n];
                        (re + a * cos + b * sin, im + b * cos - a * sin)
                    });
                    sums[kind] = (sums[kind].0 + re * re + im * im, sums[kind].1 + 1.0);
                }
            }
        }
    }
    // As in `lattice`.
    let floor = window.iter().map(|w| w * w).sum::<f64>().powi(2) / 12.0;
    let [rows, columns, oblique] = sums.map(|(energy, bins)| energy / bins + floor);
    rows.min(columns) / oblique
}

/// The distance between compared rings of pixels.
const STEP: usize = 4;
/// The innermost ring considered.
const DEEPEST: usize = 48;
/// The number of pieces per side of a ring.
const PIECES: usize = 4;

/// The ratio of the difference between the outermost ring of pixels and the one four pixels further in, or between that
/// one and the next, to the same difference inside the picture. 1 means no frame.
///
/// A ring is divided into 16 pieces, each with the mean and deviation of each colour: a dark or coloured frame shifts
/// the means, a grey one removes the deviations. Pieces cover the same stretch of the side in all rings. A difference
/// of one level is invisible, and is added to both sides of the ratio.
pub(super) fn frame(width: usize, height: usize, rgb: &[u8]) -> f64 {
    let deepest = DEEPEST.min(width.min(height) / 4);
    let rings: Vec<Vec<[f64; 6]>> = (0..=deepest / STEP).map(|i| ring(width, height, rgb, i * STEP, deepest)).collect();
    let difference = |pair: &[Vec<[f64; 6]>]| {
        let pieces = pair[0].iter().zip(&pair[1]);
        let of_piece =
            |(a, b): (&[f64; 6], &[f64; 6])| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        pieces.map(of_piece).sum::<f64>() / pair[0].len() as f64
    };
    let differences: Vec<f64> = rings.windows(2).map(difference).collect();
    let (outer, inner) = differences.split_at(2);
    let outer = outer[0].max(outer[1]);
    (outer + 1.0) / (inner.iter().sum::<f64>() / inner.len() as f64 + 1.0)
}

/// Mean and standard deviation of red, green and blue in the pieces of a ring, without corners.
fn ring(width: usize, height: usize, rgb: &[u8], depth: usize, corner: usize) -> Vec<[f64; 6]> {
    let piece = |n: usize, i: usize, of: &dyn Fn(usize) -> (usize, usize)| {
        let cut = |i: usize| corner + (n - 2 * corner) * i / PIECES;
        let mut out = [0.0; 6];
        let count = (cut(i + 1) - cut(i)) as f64;
        for c in 0..3 {
            let values = (cut(i)..cut(i + 1)).map(of).map(|(x, y)| f64::from(rgb[3 * (y * width + x) + c]));
            let (sum, squares) = values.fold((0.0, 0.0), |(sum, squares), v| (sum + v, squares + v * v));
            out[c] = sum / count;
            out[3 + c] = (squares / count - out[c] * out[c]).max(0.0).sqrt();
        }
        out
    };
    let (right, bottom) = (width - 1 - depth, height - 1 - depth);
    let pieces = (0..PIECES).flat_map(|i| {
        [
            piece(width, i, &|x| (x, depth)),
            piece(width, i, &|x| (x, bottom)),
            piece(height, i, &|y| (depth, y)),
            piece(height, i, &|y| (right, y)),
        ]
    });
    pieces.collect()
}

/// The deviation of the blur before [`edges_kept`], for a long side of 512 pixels.
const BLUR: f64 = 1.5;

/// Whether edges coincide with the photograph's: Pearson correlation of gradient magnitudes (Sobel) in slightly blurred
/// pictures of one size. 1 means all edges, 0 none; a picture without edges keeps none.
pub(super) fn edges_kept(photo: &Plane, result: &Plane) -> f64 {
    let sigma = BLUR * photo.width.max(photo.height) as f64 / 512.0;
    let [a, b] = [photo, result].map(|plane| gradients(&blurred(plane, sigma)));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(&a), mean(&b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().map(|v| v - mean_a).zip(b.iter().map(|v| v - mean_b)) {
        (ab, aa, bb) = (ab + a * b, aa + a * a, bb + b * b);
    }
    // Planes without edges contain only rounding.
    if aa.min(bb) < 1e-9 { 0.0 } else { ab / (aa * bb).sqrt() }
}

/// Gaussian blur, rows and then columns.
fn blurred(plane: &Plane, sigma: f64) -> Plane {
    let reach = (3.0 * sigma).ceil() as isize;
    let weight = |d: isize| (-0.5 * (d as f64 / sigma).powi(2)).exp();
    let total: f64 = (-reach..=reach).map(weight).sum();
    let kernel: Vec<(isize, f64)> = (-reach..=reach).map(|d| (d, weight(d) / total)).collect();
    let rows = |plane: &Plane| {
        let value = |i: usize| {
            let (x, y) = ((i % plane.width) as isize, (i / plane.width) as isize);
            kernel.iter().map(|(d, w)| w * plane.at(x + d, y)).sum()
        };
        Plane { values: (0..plane.values.len()).map(value).collect(), ..*plane }
    };
    rows(&rows(plane).transposed()).transposed()
}

fn gradients(plane: &Plane) -> Vec<f64> {
    let magnitude = |i: usize| {
        let (x, y) = ((i % plane.width) as isize, (i / plane.width) as isize);
        let across = |dy| plane.at(x + 1, y + dy) - plane.at(x - 1, y + dy);
        let down = |dx| plane.at(x + dx, y + 1) - plane.at(x + dx, y - 1);
        let [gx, gy] = [across(-1) + 2.0 * across(0) + across(1), down(-1) + 2.0 * down(0) + down(1)];
        gx.hypot(gy)
    };
    (0..plane.values.len()).map(magnitude).collect()
}

#[cfg(test)]
mod tests {
    use testkit::Rng;

    use super::*;

    const WIDTH: usize = 320;
    const HEIGHT: usize = 252;

    fn grey(value: impl Fn(usize, usize) -> f64) -> Vec<u8> {
        let pixels = (0..WIDTH * HEIGHT).map(|i| value(i % WIDTH, i / WIDTH).round().clamp(0.0, 255.0) as u8);
        pixels.flat_map(|v| [v; 3]).collect()
    }

    fn plane(value: impl Fn(usize, usize) -> f64) -> Plane {
        Plane::luminance(WIDTH, HEIGHT, &grey(value))
    }

    /// Blobs a few pixels wide, around a middle grey.
    fn blobs(name: &str) -> Plane {
        // cropped from a larger area, whose edges are blurred from fewer values
        let (margin, width) = (8, WIDTH + 16);
        let mut rng = Rng::new(name);
        let noise = (0..width * (HEIGHT + 16)).map(|_| 500.0 * rng.unit()).collect();
        let large = blurred(&Plane { width, height: HEIGHT + 16, values: noise }, 2.0);
        let value = |i: usize| large.values[(i / WIDTH + margin) * width + i % WIDTH + margin];
        let values = (0..WIDTH * HEIGHT).map(|i| (value(i) + 128.0).clamp(0.0, 255.0));
        Plane { width: WIDTH, height: HEIGHT, values: values.collect() }
    }

    fn lattices(plane: &Plane) -> [f64; 3] {
        PERIODS.map(|period| lattice(plane, period))
    }

    #[test]
    fn no_lattice_is_one() {
        assert_eq!(lattices(&plane(|_, _| 90.0)), [1.0; 3]);
        for value in lattices(&blobs("no lattice")) {
            assert!((0.6..1.6).contains(&value), "{value}");
        }
        // a slope is not a lattice, although its ends differ
        let values = (0..WIDTH * HEIGHT).map(|i| 0.31 * (i % WIDTH + i / WIDTH) as f64).collect();
        for value in lattices(&Plane { width: WIDTH, height: HEIGHT, values }) {
            assert!((0.9..1.1).contains(&value), "{value}");
        }
    }

    #[test]
    fn a_lattice_raises_the_figure_of_its_period_alone() {
        let blobs = blobs("a lattice");
        for (i, period) in PERIODS.into_iter().enumerate() {
            for columns_only in [false, true] {
                // fields of half a period, alternately brighter and darker, by more where there is more detail at
                // the period
                let field = |x: usize, y: usize| x / (period / 2) + if columns_only { 0 } else { y / (period / 2) };
                let marked = plane(|x, y| {
                    let sign = if field(x, y).is_multiple_of(2) { 2.0 } else { -2.0 };
                    blobs.values[y * WIDTH + x] + sign * period as f64
                });
                for along in [marked.transposed(), marked] {
                    let lattices = lattices(&along);
                    assert!(lattices[i] > 3.0, "{period}: {lattices:?}");
                    // a square wave has odd multiples of its frequency, none of which is among the periods
                    for (j, value) in lattices.iter().enumerate().filter(|(j, _)| *j != i) {
                        assert!(*value < 1.6, "{period}, at {}: {lattices:?}", PERIODS[j]);
                    }
                }
            }
        }
    }

    #[test]
    fn a_grid_needs_no_exact_period() {
        let paint = blobs("a grid");
        let grid_of = |mark: &dyn Fn(f64, f64) -> f64| {
            grid(&plane(|x, y| paint.values[y * WIDTH + x] + 3.0 * mark(x as f64, y as f64)))
        };
        // a chirp from 3 to 3.6 pixels within the picture, in phase with itself nowhere
        let wave = |t: f64| (TAU * t / (3.0 + 0.3 * t / WIDTH as f64)).sin();
        assert!((grid(&plane(|_, _| 90.0)) - 1.0).abs() < 1e-9);
        let [none, both, rows, columns, oblique] = [
            grid_of(&|_, _| 0.0),
            grid_of(&|x, y| wave(x) + wave(y)),
            grid_of(&|x, _| wave(x)),
            grid_of(&|_, y| wave(y)),
            grid_of(&|x, y| wave((x + y) / 2f64.sqrt())),
        ];
        assert!((0.7..1.4).contains(&none), "{none}");
        assert!(both > 10.0, "{both}");
        // lines in one direction are not a grid
        assert!(rows < 1.4 && columns < 1.4 && oblique < 1.4, "{rows} {columns} {oblique}");
    }

    #[test]
    fn no_frame_is_one() {
        assert_eq!(frame(WIDTH, HEIGHT, &grey(|_, _| 90.0)), 1.0);
        for name in ["one", "two", "three", "four"] {
            let blobs = blobs(name);
            let frame = frame(WIDTH, HEIGHT, &grey(|x, y| blobs.values[y * WIDTH + x]));
            assert!((0.6..1.5).contains(&frame), "{frame}");
        }
    }

    #[test]
    fn a_frame_raises_the_figure() {
        let from_edge = |x: usize, y: usize| x.min(y).min(WIDTH - 1 - x).min(HEIGHT - 1 - y);
        for name in ["one", "two", "three", "four"] {
            let blobs = blobs(name);
            for wide in [1, 3, 6, 8] {
                let framed = |change: &dyn Fn(f64) -> f64| {
                    let value = |x, y| blobs.values[y * WIDTH + x];
                    let with = grey(|x, y| if from_edge(x, y) < wide { change(value(x, y)) } else { value(x, y) });
                    frame(WIDTH, HEIGHT, &with)
                };
                let [grey, dark, darker] = [framed(&|_| 128.0), framed(&|_| 20.0), framed(&|v| 0.6 * v)];
                assert!(grey > 1.7 && dark > 3.0 && darker > 1.9, "{name}, {wide}: {grey} {dark} {darker}");
            }
        }
    }

    #[test]
    fn edges_of_the_photograph_are_all_kept() {
        let photo = blobs("photograph");
        assert!((edges_kept(&photo, &photo) - 1.0).abs() < 1e-12);
        // also in other colours
        let negative = Plane { values: photo.values.iter().map(|v| 255.0 - 0.5 * v).collect(), ..photo };
        assert!((edges_kept(&photo, &negative) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn edges_of_another_picture_are_not() {
        let photo = blobs("photograph");
        assert!(edges_kept(&photo, &blobs("another")).abs() < 0.1);
        assert_eq!(edges_kept(&photo, &plane(|_, _| 90.0)), 0.0);
        let mut shuffled = Plane { values: photo.values.clone(), ..photo };
        let mut rng = Rng::new("shuffled");
        for i in (1..shuffled.values.len()).rev() {
            shuffled.values.swap(i, rng.below(i as u64 + 1) as usize);
        }
        assert!(edges_kept(&photo, &shuffled).abs() < 0.05);
    }

    #[test]
    fn edges_that_moved_are_kept_in_part() {
        let photo = blobs("photograph");
        let moved = |by: usize| Plane {
            values: (0..WIDTH * HEIGHT).map(|i| photo.at((i % WIDTH + by) as isize, (i / WIDTH) as isize)).collect(),
            ..photo
        };
        let [one, two, four] = [1, 2, 4].map(|by| edges_kept(&photo, &moved(by)));
        assert!(1.0 > one && one > two && two > four, "{one} {two} {four}");
    }
}
