//! `ldmatrix` and `mma.sync`, with the lane layouts of the PTX ISA.

use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};

use super::block::Context;
use super::fault::Step;
use super::lanes::NAN;
use super::warp::Warp;
use crate::ptx::program::*;

impl Warp {
    pub(super) fn matrix(&mut self, op: &Op, pc: u32, cx: &mut Context<'_>) -> Step<()> {
        match op {
            Op::LoadMatrix { d, transposed, address } => self.load_matrix(d, *transposed, *address, pc, cx),
            Op::Mma { bf16, d, a, b, c } => self.multiply(*bf16, d, a, b, c, cx),
            _ => Ok(()),
        }
    }

    /// Lanes 8i to 8i + 7 give the addresses of the eight rows of matrix i. Lane l receives elements 2 (l mod 4) and
    /// 2 (l mod 4) + 1 of row l / 4, or of column l / 4 if the matrix is transposed.
    fn load_matrix(
        &mut self,
        d: &[R32],
        transposed: bool,
        address: Address,
        pc: u32,
        cx: &mut Context<'_>,
    ) -> Step<()> {
        let givers = u32::MAX >> (32 - 8 * d.len());
        let addresses = self.row_addresses(address, givers)?;
        let mut rows = [[0; 32]; 4];
        cx.shared.read(&addresses, 16, givers, self.visitor(), true, &mut rows)?;
        cx.count_shared(&addresses, 16, givers, pc);
        for (i, d) in d.iter().enumerate() {
            // Pairs of row elements, then single column elements.
            let pair = |row: usize, column: usize| rows[column / 2][8 * i + row];
            let mut value = [0; 32];
            for (lane, value) in value.iter_mut().enumerate() {
                let (q, r) = (lane / 4, lane % 4 * 2);
                *value = if transposed {
                    let shift = 16 * (q % 2);
                    (pair(r, q) >> shift & 0xffff) | (pair(r + 1, q) >> shift) << 16
                } else {
                    pair(q, r)
                };
            }
            self.set32(*d, &value, u32::MAX);
        }
        Ok(())
    }

    /// m16n8k16: exact products are summed in double precision and rounded once. Real tensor cores round elsewhere.
    fn multiply(
        &mut self,
        bf16: bool,
        d: &[R32; 4],
        a: &[R32; 4],
        b: &[R32; 2],
        c: &[R32; 4],
        cx: &mut Context<'_>,
    ) -> Step<()> {
        self.need32(*a, u32::MAX)?;
        self.need32(*b, u32::MAX)?;
        self.need32(*c, u32::MAX)?;
        let (a, b) = (a.map(|r| values(self.r32(r), bf16)), b.map(|r| values(self.r32(r), bf16)));
        let c = c.map(|r| self.r32(r).map(f32::from_bits));
        let mut rows = [[0.0; 16]; 16];
        let mut columns = [[0.0; 8]; 16];
        let mut sums = [[0.0; 8]; 16];
        for lane in 0..32 {
            let (q, r) = (lane / 4, lane % 4 * 2);
            for j in 0..2 {
                rows[q][r + j] = a[0][2 * lane + j];
                rows[q + 8][r + j] = a[1][2 * lane + j];
                rows[q][r + 8 + j] = a[2][2 * lane + j];
                rows[q + 8][r + 8 + j] = a[3][2 * lane + j];
                columns[r + j][q] = f64::from(b[0][2 * lane + j]);
                columns[r + 8 + j][q] = f64::from(b[1][2 * lane + j]);
                sums[q][r + j] = f64::from(c[j][lane]);
                sums[q + 8][r + j] = f64::from(c[2 + j][lane]);
            }
        }
        product(&rows, &columns, &mut sums);
        for (i, d) in d.iter().enumerate() {
            let mut value = [0; 32];
            for (lane, value) in value.iter_mut().enumerate() {
                let sum = sums[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2] as f32;
                *value = if sum.is_nan() { NAN } else { sum.to_bits() };
            }
            self.set32(*d, &value, u32::MAX);
        }
        cx.counters.mma_flops += 2 * 16 * 8 * 16;
        Ok(())
    }
}

/// Both halves of each lane's register, low half first.
fn values(register: &L32, bf16: bool) -> [f32; 64] {
    let mut halves = [0u16; 64];
    for (lane, pair) in register.iter().enumerate() {
        halves[2 * lane] = *pair as u16;
        halves[2 * lane + 1] = (*pair >> 16) as u16;
    }
    let mut wide = [0f32; 64];
    if bf16 {
        for (wide, half) in wide.iter_mut().zip(halves) {
            *wide = f32::from_bits(u32::from(half) << 16);
        }
    } else {
        halves.reinterpret_cast::<f16>().convert_to_f32_slice(&mut wide);
    }
    wide
}

type Rows = [[f32; 16]; 16];
type Columns = [[f64; 8]; 16];

#[inline(always)]
fn portable(a: &Rows, b: &Columns, sums: &mut Columns) {
    for (a, sums) in a.iter().zip(sums) {
        for (a, b) in a.iter().zip(b) {
            for (sum, b) in sums.iter_mut().zip(b) {
                // The product is exact.
                *sum += f64::from(*a) * b;
            }
        }
    }
}

/// `sums += a b`
fn product(a: &Rows, b: &Columns, sums: &mut Columns) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        #[target_feature(enable = "avx2")]
        fn wide(a: &Rows, b: &Columns, sums: &mut Columns) {
            portable(a, b, sums);
        }
        // SAFETY: the processor has AVX2.
        return unsafe { wide(a, b, sums) };
    }
    portable(a, b, sums);
}
