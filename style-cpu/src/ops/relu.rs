//! Rectification in place; see [`style_core::backend::ops::ReluOps`].

use rayon::slice::ParallelSliceMut;
use style_core::Result;
use style_core::backend::ops::ReluOps;

use super::CHUNK;
use crate::cpu::Cpu;
use crate::gemm::Gemm;
use crate::isa::Kernel;
use crate::tensor::Tensor;

/// `x = max(0, x)`.
struct Rectify<'a>(&'a mut [f32]);

impl Kernel for Rectify<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Gemm>(self, _: S) {
        for x in self.0 {
            // Every comparison with NaN is false, so NaN becomes 0.
            *x = if *x > 0.0 { *x } else { 0.0 };
        }
    }
}

impl ReluOps for Cpu {
    fn rectify(&self, x: &mut Tensor) -> Result<()> {
        self.threads.for_each_of(x.values_mut().par_chunks_mut(CHUNK), |x| self.level.run(Rectify(x)));
        Ok(())
    }
}
