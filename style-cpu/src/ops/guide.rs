//! Multiplication by a map; see [`style_core::ops::GuideOps`].

use style_core::ops::GuideOps;
use style_core::{Acc, Result};

use super::{cut_mut, expect_map, pieces};
use crate::Cpu;
use crate::simd::{Kernel, LANES, Simd};
use crate::tensor::{Tensor, expect_same};

/// `y (=|+=) scale t x` at some positions of `L` values each.
struct Guide<'a, const L: usize> {
    x: &'a [f32],
    t: &'a [f32],
    scale: f32,
    acc: Acc,
    y: &'a mut [f32],
}

impl<const L: usize> Kernel for Guide<'_, L> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { x, t, scale, acc, y } = self;
        let positions = y.chunks_exact_mut(L).zip(x.chunks_exact(L)).zip(t);
        match acc {
            Acc::Store => {
                for ((y, x), t) in positions {
                    let t = scale * t;
                    for (y, x) in y.iter_mut().zip(x) {
                        *y = t * x;
                    }
                }
            }
            Acc::Add => {
                for ((y, x), t) in positions {
                    let t = scale * t;
                    for (y, x) in y.iter_mut().zip(x) {
                        *y += t * x;
                    }
                }
            }
        }
    }
}

impl Cpu {
    fn guide_lanes<const L: usize>(&self, x: &Tensor, t: &[f32], scale: f32, acc: Acc, y: &mut Tensor) {
        let items = pieces(x).into_iter().zip(cut_mut(y)).collect();
        self.threads.for_each_of(items, |(piece, y)| {
            let (x, t) = (&x.values()[piece.values], &t[piece.positions]);
            self.level.run(Guide::<L> { x, t, scale, acc, y });
        });
    }
}

impl GuideOps for Cpu {
    fn guide(&self, x: &Tensor, t: &Tensor, scale: f32, acc: Acc, y: &mut Tensor) -> Result<()> {
        expect_same(x, y)?;
        expect_map(t, x)?;
        if x.is_planar() {
            self.guide_lanes::<1>(x, t.values(), scale, acc, y);
        } else {
            self.guide_lanes::<LANES>(x, t.values(), scale, acc, y);
        }
        Ok(())
    }
}
