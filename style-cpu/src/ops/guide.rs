//! Multiplication by a map; see [`style_core::backend::ops::GuideOps`].

use style_core::Result;
use style_core::backend::Acc;
use style_core::backend::ops::GuideOps;

use super::{Piece, expect_map, for_each_piece};
use crate::cpu::Cpu;
use crate::gemm::Gemm;
use crate::isa::Kernel;
use crate::tensor::{Tensor, expect_same};

/// `y (=|+=) scale t x` for some positions of a channel block.
struct Guide<'a> {
    x: &'a [f32],
    t: &'a [f32],
    scale: f32,
    acc: Acc,
    y: &'a mut [f32],
}

impl Kernel for Guide<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Gemm>(self, simd: S) {
        let Self { x, t, scale, acc, y } = self;
        for ((y, x), t) in y.as_chunks_mut().0.iter_mut().zip(x.as_chunks().0).zip(t) {
            let mut value = simd.mul(simd.splat(scale * t), simd.get(x));
            if acc == Acc::Add {
                value = simd.add(value, simd.get(y));
            }
            simd.put(value, y);
        }
    }
}

/// The same for one channel of a planar tensor.
fn guide_planar(x: &[f32], t: &[f32], scale: f32, acc: Acc, y: &mut [f32]) {
    for (y, (x, t)) in y.iter_mut().zip(x.iter().zip(t)) {
        let value = scale * t * x;
        *y = if acc == Acc::Add { *y + value } else { value };
    }
}

impl GuideOps for Cpu {
    fn guide(&self, x: &Tensor, t: &Tensor, scale: f32, acc: Acc, y: &mut Tensor) -> Result<()> {
        expect_same(x, y)?;
        expect_map(t, x)?;
        for_each_piece(&self.threads, y, |Piece { positions, at, values: y, .. }| {
            let (features, t) = (&x.values()[at], &t.values()[positions]);
            if x.is_planar() {
                guide_planar(features, t, scale, acc, y);
            } else {
                self.level.run(Guide { x: features, t, scale, acc, y });
            }
        });
        Ok(())
    }
}
