//! An implicit product, without transforms: kernels/conv2d.wgsl.

use style_core::Result;
use style_core::backend::Acc;

use super::{BLOCK, Pass, reserved};
use crate::backend::Wgpu;
use crate::buffer::Buffer;
use crate::kernels::{CONV2D, CONV2D_FOLD, CONV2D_TO_PICTURE, Kernel};
use crate::tensor::{Tensor, quads};
use crate::turn::Entered;

/// A kernel, and the output channels, rows and columns of its workgroups; matches conv2d.wgsl.
struct Way {
    kernel: &'static Kernel,
    channels: usize,
    rows: usize,
    columns: usize,
}

/// To features.
const TO_FEATURES: Way = Way { kernel: &CONV2D, channels: BLOCK, rows: 8, columns: 16 };

/// To a picture or a map.
const TO_PICTURE: Way = Way { kernel: &CONV2D_TO_PICTURE, channels: 4, rows: 16, columns: 32 };

/// Threads of a workgroup that folds a border; matches conv2d.wgsl.
const FOLD_THREADS: usize = 64;

/// Values of packed filters: `[written / 64][read / 4][9][4][64]`.
pub(super) fn packed_len(read: usize, written: usize) -> usize {
    written.div_ceil(BLOCK).saturating_mul(quads(read)).saturating_mul(9 * 4 * BLOCK)
}

/// Packs the filters of one direction, given as `at(written, read, tap)`, zero outside the channels.
pub(super) fn pack(read: usize, written: usize, at: impl Fn(usize, usize, usize) -> f32) -> Result<Vec<f32>> {
    let mut packed = reserved(packed_len(read, written))?;
    for block in 0..written.div_ceil(BLOCK) {
        for quad in 0..quads(read) {
            for tap in 0..9 {
                for i in 4 * quad..4 * quad + 4 {
                    packed.extend((block * BLOCK..(block + 1) * BLOCK).map(|o| at(o, i, tap)));
                }
            }
        }
    }
    Ok(packed)
}

impl Wgpu {
    pub(super) fn convolve_directly(
        &self,
        entered: &mut Entered<'_>,
        pass: &Pass<'_>,
        y: &Tensor,
        operands: &[&Buffer],
    ) -> Result<()> {
        let (read, written) = (pass.x.shape().channels, y.shape().channels);
        let way = if written <= TO_PICTURE.channels { TO_PICTURE } else { TO_FEATURES };
        let (blocks, columns) = (written.div_ceil(way.channels), pass.width.div_ceil(way.columns));
        let parameters = |acc| pass.parameters(y, blocks, columns, acc);
        let groups = pass.height.div_ceil(way.rows).saturating_mul(columns).saturating_mul(blocks);
        // Operations of a workgroup, all of its tile.
        let each = (18 * way.channels * way.rows * way.columns).saturating_mul(quads(read) * 4);
        entered.launch_long(way.kernel, groups, (each, self.operations), &parameters(pass.acc)?, operands)?;
        if pass.folded {
            let border = 2 * (pass.width + pass.height);
            let groups = border.saturating_mul(quads(written)).div_ceil(FOLD_THREADS);
            // Three positions of the ring a thread, and at corners five.
            let each = (3 * 18 * 4 * FOLD_THREADS).saturating_mul(quads(read) * 4);
            entered.launch_long(&CONV2D_FOLD, groups, (each, self.operations), &parameters(Acc::Add)?, operands)?;
        }
        Ok(())
    }
}
