//! From coefficients to pixels, each step in the same integer arithmetic as libjpeg: its accurate inverse DCT, its
//! smooth upsampling and its colour conversion.

use std::num::Wrapping;

/// A constant with 13 fractional bits.
const fn fix(value: i32) -> Wrapping<i32> {
    Wrapping(value)
}

/// One pass over eight values, after Loeffler, Ligtenberg and Moschytz: sums with 13 fractional bits. It wraps for
/// coefficients that no real picture produces.
fn pass(v: [Wrapping<i32>; 8]) -> [Wrapping<i32>; 8] {
    let common = (v[2] + v[6]) * fix(4433);
    let even = [(v[0] + v[4]) << 13, (v[0] - v[4]) << 13, common - v[6] * fix(15137), common + v[2] * fix(6270)];
    let sums = [even[0] + even[3], even[1] + even[2], even[1] - even[2], even[0] - even[3]];

    let z5 = (v[7] + v[3] + v[5] + v[1]) * fix(9633);
    let z1 = (v[7] + v[1]) * fix(-7373);
    let z2 = (v[5] + v[3]) * fix(-20995);
    let z3 = (v[7] + v[3]) * fix(-16069) + z5;
    let z4 = (v[5] + v[1]) * fix(-3196) + z5;
    let odd = [
        v[1] * fix(12299) + z1 + z4,
        v[3] * fix(25172) + z2 + z3,
        v[5] * fix(16819) + z2 + z4,
        v[7] * fix(2446) + z1 + z3,
    ];
    let mut out = [Wrapping(0); 8];
    for i in 0..4 {
        out[i] = sums[i] + odd[i];
        out[7 - i] = sums[i] - odd[i];
    }
    out
}

/// A block's samples, from its row-major coefficients and their quantisation factors.
pub(super) fn idct(coefficients: &[i16; 64], quantiser: &[u16; 64]) -> [u8; 64] {
    let rounded = |v: Wrapping<i32>, bits: usize| (v + (Wrapping(1) << (bits - 1))) >> bits;
    let mut work = [Wrapping(0); 64];
    for x in 0..8 {
        let at = |y: usize| {
            let i = 8 * y + x;
            Wrapping(i32::from(coefficients[i])) * Wrapping(i32::from(quantiser[i]))
        };
        if (1..8).all(|y| coefficients[8 * y + x] == 0) {
            let flat = at(0) << 2;
            (0..8).for_each(|y| work[8 * y + x] = flat);
            continue;
        }
        let column = pass([0, 1, 2, 3, 4, 5, 6, 7].map(at));
        (0..8).for_each(|y| work[8 * y + x] = rounded(column[y], 11));
    }
    let mut out = [0; 64];
    for (out, row) in out.chunks_exact_mut(8).zip(work.chunks_exact(8)) {
        if row[1..] == [Wrapping(0); 7] {
            out.fill((rounded(row[0] << 13, 18) + Wrapping(128)).0.clamp(0, 255) as u8);
            continue;
        }
        let values = pass([0, 1, 2, 3, 4, 5, 6, 7].map(|x| row[x]));
        for (out, v) in out.iter_mut().zip(values) {
            *out = (rounded(v, 18) + Wrapping(128)).0.clamp(0, 255) as u8;
        }
    }
    out
}

/// Samples of a component, possibly subsampled.
pub(super) struct Plane {
    pub(super) samples: Vec<u8>,
    /// Row stride: blocks are whole.
    pub(super) stride: usize,
    /// Samples inside the picture.
    pub(super) width: usize,
    pub(super) height: usize,
    /// Pixels per sample.
    pub(super) across: usize,
    pub(super) down: usize,
}

impl Plane {
    fn row(&self, y: usize) -> &[u8] {
        &self.samples[y.min(self.height - 1) * self.stride..][..self.width]
    }

    /// The values of a picture row, in a buffer with room for all samples of the row.
    pub(super) fn upsampled(&self, y: usize, sums: &mut Vec<i32>, out: &mut [u8]) {
        let (near, is_upper) = (y / self.down, y.is_multiple_of(self.down));
        let row = self.row(near);
        // 2:1 subsampling is interpolated with weights 3 to 1; across, only if there are at least three samples.
        let smooth = self.width > 2;
        let far = || self.row(if is_upper { near.saturating_sub(1) } else { near + 1 });
        match (self.across, self.down) {
            (1, 1) => out[..self.width].copy_from_slice(row),
            (1, 2) => {
                let bias = if is_upper { 1 } else { 2 };
                for ((out, near), far) in out.iter_mut().zip(row).zip(far()) {
                    *out = ((3 * i32::from(*near) + i32::from(*far) + bias) >> 2) as u8;
                }
            }
            (2, 1) if smooth => {
                sums.clear();
                sums.extend(row.iter().map(|v| i32::from(*v)));
                widened(sums, [1, 2], 2, out);
            }
            (2, 2) if smooth => {
                sums.clear();
                sums.extend(row.iter().zip(far()).map(|(near, far)| 3 * i32::from(*near) + i32::from(*far)));
                widened(sums, [8, 7], 4, out);
            }
            (across, _) => out.chunks_exact_mut(across).zip(row).for_each(|(out, v)| out.fill(*v)),
        }
    }
}

/// Doubles the values, each 3 parts of the nearest and one of the next, rounded by two alternating biases.
fn widened(values: &[i32], bias: [i32; 2], bits: u32, out: &mut [u8]) {
    let last = values.len() - 1;
    for (x, out) in out.chunks_exact_mut(2).take(values.len()).enumerate() {
        let (before, after) = (values[x.saturating_sub(1)], values[(x + 1).min(last)]);
        // At the ends the neighbour is the sample itself.
        out[0] = ((3 * values[x] + before + bias[0]) >> bits) as u8;
        out[1] = ((3 * values[x] + after + bias[1]) >> bits) as u8;
    }
}

/// The conversion of component values to colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colours {
    /// None: grey, red, green and blue, or inks.
    Plain,
    /// Luma and two chroma channels.
    Ycc,
    /// The same for three inks, with black unchanged.
    Ycck,
}

/// Red, green and blue from luma and chroma.
pub(crate) fn ycc_to_rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    const HALF: i32 = 1 << 15;
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let red = y + ((91881 * cr + HALF) >> 16);
    let green = y + ((HALF - 22554 * cb - 46802 * cr) >> 16);
    let blue = y + ((116_130 * cb + HALF) >> 16);
    [red, green, blue].map(|v| v.clamp(0, 255) as u8)
}

/// Red, green and blue from inks, by a rule of thumb: the light that each ink leaves, times the light that black
/// leaves. Values are light, 255 for no ink.
pub(crate) fn inks_to_rgb(light: [u8; 4]) -> [u8; 3] {
    [0, 1, 2].map(|c| ((u32::from(light[c]) * u32::from(light[3]) + 127) / 255) as u8)
}

/// The pixels of planes, interleaved: one value for grey, three for colours or unknown channels, four for inks.
pub(super) fn interleaved(planes: &[Plane], width: usize, colours: Colours, out: &mut [u8]) {
    let mut rows: Vec<Vec<u8>> = planes.iter().map(|p| vec![0; (p.width * p.across).max(width)]).collect();
    let mut sums = vec![];
    let channels = planes.len();
    for (y, out) in out.chunks_exact_mut(width * channels).enumerate() {
        for (plane, row) in planes.iter().zip(&mut rows) {
            plane.upsampled(y, &mut sums, row);
        }
        let pixels = out.chunks_exact_mut(channels);
        match (rows.as_slice(), colours) {
            ([a, b, c], Colours::Ycc) => {
                for (((out, a), b), c) in pixels.zip(a).zip(b).zip(c) {
                    out.copy_from_slice(&ycc_to_rgb(*a, *b, *c));
                }
            }
            ([a, b, c, d], Colours::Ycck) => {
                for ((((out, a), b), c), d) in pixels.zip(a).zip(b).zip(c).zip(d) {
                    let [red, green, blue] = ycc_to_rgb(*a, *b, *c);
                    out.copy_from_slice(&[255 - red, 255 - green, 255 - blue, *d]);
                }
            }
            (rows, _) => {
                for (c, row) in rows.iter().enumerate() {
                    out.iter_mut().skip(c).step_by(channels).zip(row).for_each(|(out, v)| *out = *v);
                }
            }
        }
    }
}
