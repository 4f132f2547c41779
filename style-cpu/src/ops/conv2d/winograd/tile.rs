//! The one-dimensional transforms, for two tile sizes.
//!
//! `Y = A^T [(G g) . (B^T d)]` for `OUT` outputs of a filter of 3 over `IN = OUT + 2` inputs, by interpolation at `IN -
//! 1` points and at infinity (Lavin and Gray 2015; the matrices are the Toom-Cook matrices for the points below).

use crate::simd::Simd;

/// The transforms of a tile.
pub(super) trait Tile<const IN: usize, const OUT: usize> {
    /// `B^T d`.
    fn input<S: Simd>(s: S, d: [S::V; IN]) -> [S::V; IN];
    /// `G g`.
    fn filter<S: Simd>(s: S, g: [S::V; 3]) -> [S::V; IN];
    /// `A^T m`.
    fn output<S: Simd>(s: S, m: [S::V; IN]) -> [S::V; OUT];
}

/// 4 outputs, with the points 0, 1, -1, 2, -2.
pub(super) struct Four;

/// 4 outputs, with the points 0, 3/4, -3/4, 3/2, -3/2: a third of the error if the factors are rounded to few bits (Barabasz
/// and others, "Error Analysis and Improving the Accuracy of Winograd Convolution", 2018, study the choice of points).
pub(super) struct FourRounded;

/// The tile for the points 0, a, -a, b, -b.
macro_rules! four {
    ($tile:ty, $a:literal, $b:literal) => {
        impl Tile<6, 4> for $tile {
            #[inline(always)]
            fn input<S: Simd>(s: S, d: [S::V; 6]) -> [S::V; 6] {
                const A2: f32 = $a * $a;
                const B2: f32 = $b * $b;
                let even = s.add_scaled(d[4], -B2, d[2]);
                let odd = s.add_scaled(d[3], -B2, d[1]);
                let (even2, odd2) = (s.add_scaled(d[4], -A2, d[2]), s.add_scaled(d[3], -A2, d[1]));
                [
                    s.add_scaled(s.add_scaled(d[4], -A2 - B2, d[2]), A2 * B2, d[0]),
                    s.add_scaled(even, $a, odd),
                    s.add_scaled(even, -$a, odd),
                    s.add_scaled(even2, $b, odd2),
                    s.add_scaled(even2, -$b, odd2),
                    s.add_scaled(s.add_scaled(d[5], -A2 - B2, d[3]), A2 * B2, d[1]),
                ]
            }

            #[inline(always)]
            fn filter<S: Simd>(s: S, g: [S::V; 3]) -> [S::V; 6] {
                // The denominators of Lagrange's interpolation at a and at b.
                const A: f32 = 2.0 * $a * $a * ($a * $a - $b * $b);
                const B: f32 = 2.0 * $b * $b * ($b * $b - $a * $a);
                let near = s.mul(s.splat(1.0 / A), s.add_scaled(g[0], $a * $a, g[2]));
                let far = s.add_scaled(s.mul(s.splat(1.0 / B), g[0]), $b * $b / B, g[2]);
                [
                    s.mul(s.splat(1.0 / ($a * $a * $b * $b)), g[0]),
                    s.add_scaled(near, $a / A, g[1]),
                    s.add_scaled(near, -$a / A, g[1]),
                    s.add_scaled(far, $b / B, g[1]),
                    s.add_scaled(far, -$b / B, g[1]),
                    g[2],
                ]
            }

            #[inline(always)]
            fn output<S: Simd>(s: S, m: [S::V; 6]) -> [S::V; 4] {
                let (sum1, difference1) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
                let (sum2, difference2) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
                let odd = s.mul(s.splat($a), difference1);
                let even = s.mul(s.splat($a * $a), sum1);
                let cubic = s.mul(s.splat($a * $a * $a), difference1);
                [
                    s.add(m[0], s.add(sum1, sum2)),
                    s.add_scaled(odd, $b, difference2),
                    s.add_scaled(even, $b * $b, sum2),
                    s.add(m[5], s.add_scaled(cubic, $b * $b * $b, difference2)),
                ]
            }
        }
    };
}
four!(Four, 1.0, 2.0);
four!(FourRounded, 0.75, 1.5);

/// 6 outputs, with the points 0, 1, -1, 2, -2, 1/2, -1/2.
pub(super) struct Six;

impl Tile<8, 6> for Six {
    #[inline(always)]
    fn input<S: Simd>(s: S, d: [S::V; 8]) -> [S::V; 8] {
        let even1 = s.add_scaled(s.add(d[2], d[6]), -4.25, d[4]);
        let odd1 = s.add_scaled(s.add(d[1], d[5]), -4.25, d[3]);
        let even2 = s.add_scaled(s.add_scaled(d[6], 0.25, d[2]), -1.25, d[4]);
        let odd2 = s.add_scaled(s.add_scaled(s.mul(s.splat(0.5), d[1]), -2.5, d[3]), 2.0, d[5]);
        let even3 = s.add_scaled(s.add_scaled(d[6], 4.0, d[2]), -5.0, d[4]);
        let odd3 = s.add_scaled(s.add_scaled(s.mul(s.splat(2.0), d[1]), -2.5, d[3]), 0.5, d[5]);
        [
            s.add_scaled(s.sub(d[0], d[6]), 5.25, s.sub(d[4], d[2])),
            s.add(even1, odd1),
            s.sub(even1, odd1),
            s.add(even2, odd2),
            s.sub(even2, odd2),
            s.add(even3, odd3),
            s.sub(even3, odd3),
            s.add_scaled(s.sub(d[7], d[1]), 5.25, s.sub(d[3], d[5])),
        ]
    }

    #[inline(always)]
    fn filter<S: Simd>(s: S, g: [S::V; 3]) -> [S::V; 8] {
        let outer = s.mul(s.splat(-2.0 / 9.0), s.add(g[0], g[2]));
        let wide = s.add_scaled(s.mul(s.splat(1.0 / 90.0), g[0]), 2.0 / 45.0, g[2]);
        let near = s.add_scaled(s.mul(s.splat(32.0 / 45.0), g[0]), 8.0 / 45.0, g[2]);
        [
            g[0],
            s.add_scaled(outer, -2.0 / 9.0, g[1]),
            s.add_scaled(outer, 2.0 / 9.0, g[1]),
            s.add_scaled(wide, 1.0 / 45.0, g[1]),
            s.add_scaled(wide, -1.0 / 45.0, g[1]),
            s.add_scaled(near, 16.0 / 45.0, g[1]),
            s.add_scaled(near, -16.0 / 45.0, g[1]),
            g[2],
        ]
    }

    #[inline(always)]
    fn output<S: Simd>(s: S, m: [S::V; 8]) -> [S::V; 6] {
        let (sum1, difference1) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
        let (sum2, difference2) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
        let (sum3, difference3) = (s.add(m[5], m[6]), s.sub(m[5], m[6]));
        [
            s.add(s.add(m[0], sum1), s.add(sum2, sum3)),
            s.add_scaled(s.add_scaled(difference1, 2.0, difference2), 0.5, difference3),
            s.add_scaled(s.add_scaled(sum1, 4.0, sum2), 0.25, sum3),
            s.add_scaled(s.add_scaled(difference1, 8.0, difference2), 0.125, difference3),
            s.add_scaled(s.add_scaled(sum1, 16.0, sum2), 0.0625, sum3),
            s.add(m[7], s.add_scaled(s.add_scaled(difference1, 32.0, difference2), 0.03125, difference3)),
        ]
    }
}
