//! Features to features in `f32` by Winograd F(2x2, 3x3): kernels/conv2d_winograd.cu.

use style_core::Result;

use super::{Conv2dArgs, Pass, Weights};
use crate::context::Entered;
use crate::cuda::Cuda;
use crate::tensor::Tensor;

/// The extents that a block computes, and processes at a time; match conv2d_winograd.cu.
const ROWS: usize = 8;
const COLUMNS: usize = 16;
const OUTS: usize = 64;
const CHUNK: usize = 4;
const POINTS: usize = 16;

/// The number of packed filter values.
pub(super) const fn len(read: usize, written: usize) -> usize {
    // The stride of features is a multiple of two chunks.
    let (tiles, chunks) = (written.div_ceil(OUTS), read.div_ceil(2 * CHUNK).saturating_mul(2));
    tiles.saturating_mul(chunks).saturating_mul(POINTS * CHUNK * OUTS)
}

/// `[outs / 64][chunks of 4 channels][16 points][4 channels][64 outs]` of `G g G^T`.
pub(super) fn pack(w: &Weights<'_>) -> Vec<f32> {
    let mut packed = Vec::with_capacity(len(w.read, w.written));
    let mut points = [[[0.0; POINTS]; OUTS]; CHUNK];
    for tile in 0..w.written.div_ceil(OUTS) {
        for chunk in 0..w.read.div_ceil(2 * CHUNK) * 2 {
            for (i, row) in points.iter_mut().enumerate() {
                for (o, point) in row.iter_mut().enumerate() {
                    *point = transformed(std::array::from_fn(|tap| w.at(tile * OUTS + o, chunk * CHUNK + i, tap)));
                }
            }
            for point in 0..POINTS {
                packed.extend(points.iter().flat_map(|row| row.iter().map(|of_out| of_out[point])));
            }
        }
    }
    packed
}

/// `G g G^T` with `G = [1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1]`.
fn transformed(g: [f32; 9]) -> [f32; POINTS] {
    let ends = |[a, b, c]: [f64; 3]| [a, (a + b + c) / 2.0, (a - b + c) / 2.0, c];
    let column = |v: usize| ends([g[v], g[3 + v], g[6 + v]].map(f64::from));
    let columns = [column(0), column(1), column(2)];
    let rows: [[f64; 4]; 4] = std::array::from_fn(|u| ends(columns.map(|column| column[u])));
    std::array::from_fn(|point| rows[point / 4][point % 4] as f32)
}

impl Cuda {
    pub(super) fn convolve_winograd(&self, entered: &Entered<'_>, pass: &Pass<'_>, y: &Tensor) -> Result<()> {
        let tiles = pass.height.div_ceil(ROWS).saturating_mul(pass.width.div_ceil(COLUMNS));
        let grid = [tiles, y.shape().channels.div_ceil(OUTS), 1];
        // SAFETY: the operands were checked to have the shapes of the convolution, and filters and bias are padded to
        // the extents that a block reads; each thread writes only its own values.
        unsafe { self.kernels.conv2d_winograd.launch(entered, grid, Conv2dArgs::of(pass, y)?) }
    }
}

#[cfg(test)]
mod tests {
    use super::transformed;

    /// `Y = A^T [(G g G^T) . (B^T d B)] A` equals the convolution for every unit filter and unit input.
    #[test]
    fn two_by_two_outputs_of_sixteen_products() {
        let rows = |[a, b, c, d]: [f32; 4]| [a - c, b + c, c - b, b - d];
        let ends = |[a, b, c, d]: [f32; 4]| [a + b + c, b - c - d];
        for (tap, at) in (0..9).flat_map(|tap| (0..16).map(move |at| (tap, at))) {
            let mut g = [0.0; 9];
            g[tap] = 1.0;
            let u = transformed(g);
            let d = |r: usize, c: usize| f32::from(u8::from(r * 4 + c == at));
            let columns: [[f32; 4]; 4] = std::array::from_fn(|c| rows([d(0, c), d(1, c), d(2, c), d(3, c)]));
            let v: [[f32; 4]; 4] = std::array::from_fn(|r| rows(columns.map(|column| column[r])));
            let m: [[f32; 4]; 4] = std::array::from_fn(|r| std::array::from_fn(|c| u[r * 4 + c] * v[r][c]));
            let halves: [[f32; 2]; 4] = std::array::from_fn(|c| ends([m[0][c], m[1][c], m[2][c], m[3][c]]));
            for (r, c) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let y = ends(halves.map(|half| half[r]))[c];
                let want = d(r + tap / 3, c + tap % 3);
                assert_eq!(y, want, "tap {tap}, input {at}, output {r} {c}");
            }
        }
    }
}
