//! Cosine distances; see [`style_core::backend::ops::CosineOps`].

use style_core::Result;
use style_core::backend::ops::CosineOps;

use crate::cpu::Cpu;
use crate::gemm::Gemm;
use crate::isa::Kernel;
use crate::parallel::Shared;
use crate::simd::LANES;
use crate::tensor::{PLANAR, Scalars, Tensor, expect_same};

/// The square of the least norm that is not zero.
const LEAST: f64 = f32::MIN_POSITIVE as f64 * f32::MIN_POSITIVE as f64;

/// The channels of `x` and `t` at one position, in vectors of `L` values that are `stride` apart.
struct Position<'a, const L: usize> {
    x: &'a [f32],
    t: &'a [f32],
    stride: usize,
    d: Shared<f32>,
    /// The first value, of `d` too.
    at: usize,
}

impl<const L: usize> Kernel for Position<'_, L> {
    /// The distance.
    type Output = f64;

    #[inline(always)]
    fn run<S: Gemm>(self, _: S) -> f64 {
        let Self { x, t, stride, d, at } = self;
        let vectors = (at..x.len()).step_by(stride);
        let mut sums = [[0.0f64; L]; 3];
        for i in vectors.clone() {
            let (x, t) = (&x[i..i + L], &t[i..i + L]);
            for l in 0..L {
                let (x, t) = (f64::from(x[l]), f64::from(t[l]));
                sums[0][l] += x * x;
                sums[1][l] += x * t;
                sums[2][l] += t * t;
            }
        }
        let [xx, xt, tt] = sums.map(|lanes| lanes.iter().sum::<f64>());
        let product = (xx * tt).sqrt();
        let zero = xx < LEAST || tt < LEAST;
        let (cosine, of_x, of_t) =
            if zero { (0.0, 0.0, 0.0) } else { (xt / product, xt / product / xx, -product.recip()) };
        for i in vectors {
            let (x, t) = (&x[i..i + L], &t[i..i + L]);
            // SAFETY: the values of a position are within the tensor, and one item writes them.
            let d = unsafe { d.slice(i, L) };
            for l in 0..L {
                d[l] = (of_x * f64::from(x[l]) + of_t * f64::from(t[l])) as f32;
            }
        }
        1.0 - cosine
    }
}

impl CosineOps for Cpu {
    fn cosine(&self, x: &Tensor, t: &Tensor, out: &mut Scalars, slot: usize, d: &mut Tensor) -> Result<()> {
        expect_same(x, t)?;
        expect_same(x, d)?;
        const { assert!(PLANAR < LANES) };
        let (m, planar) = (x.shape().positions(), x.is_planar());
        let (x, t, d) = (x.values(), t.values(), Shared::new(d.values_mut()));
        // A part has as many positions as it would have vectors in a reduction.
        out.sum(&self.threads, slot, 1, m * LANES, |at, sums| {
            for position in at.start / LANES..at.end / LANES {
                sums[0] += if planar {
                    self.level.run(Position::<1> { x, t, stride: m, d, at: position })
                } else {
                    self.level.run(Position::<LANES> { x, t, stride: m * LANES, d, at: position * LANES })
                };
            }
        })
    }
}
