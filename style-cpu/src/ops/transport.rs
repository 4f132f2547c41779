//! Optimal transport on a line; see [`style_core::backend::ops::TransportOps`].
//!
//! The values of a channel are sorted as integers: a key whose order is that of the values, followed by the position, which
//! decides between equal values.

use style_core::Result;
use style_core::backend::Shape;
use style_core::backend::ops::TransportOps;

use crate::cpu::Cpu;
use crate::parallel::Shared;
use crate::simd::LANES;
use crate::tensor::{Scalars, Tensor, Workspace, expect_same, expect_workspace};

/// Most channels that are sorted at once.
const CHANNELS: usize = 16;

/// Bits whose order as an integer is that of the values; -0 and 0 are equal.
fn key(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

impl TransportOps for Cpu {
    fn transport(
        &self,
        x: &Tensor,
        t: &Tensor,
        out: &mut Scalars,
        slot: usize,
        d: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        expect_same(x, t)?;
        expect_same(x, d)?;
        let (n, m) = (x.shape().channels, x.shape().positions());
        let planar = x.is_planar();
        let at = |c: usize, p: usize| if planar { c * m + p } else { (c / LANES * m + p) * LANES + c % LANES };
        let keys: &mut [u64] = bytemuck::cast_slice_mut(&mut workspace.memory);
        let keys = Shared::new(expect_workspace(keys, m.saturating_mul(CHANNELS.min(n)))?);
        out.slots(slot, 1)?.fill(0.0);
        d.values_mut().fill(0.0);
        let (x, t, d) = (x.values(), t.values(), Shared::new(d.values_mut()));
        let mut sums = [0.0; CHANNELS];
        for first in (0..n).step_by(CHANNELS) {
            let count = CHANNELS.min(n - first);
            let all = Shared::new(&mut sums);
            self.threads.for_each(count, |i| {
                let channel = first + i;
                // SAFETY: each channel of these has its own keys.
                let keys = unsafe { keys.slice(i * m, m) };
                for (p, to) in keys.iter_mut().enumerate() {
                    *to = u64::from(key(x[at(channel, p)])) << 32 | p as u64;
                }
                keys.sort_unstable();
                let mut sum = 0.0;
                for (rank, &key) in keys.iter().enumerate() {
                    let from = at(channel, key as u32 as usize);
                    let difference = x[from] - t[at(channel, rank)];
                    sum += 0.5 * f64::from(difference) * f64::from(difference);
                    // SAFETY: the element is within the tensor, and of this channel.
                    unsafe { *d.at(from) = difference };
                }
                // SAFETY: each channel of these has its own sum.
                unsafe { *all.at(i) = sum };
            });
            out.slots(slot, 1)?[0] += sums[..count].iter().sum::<f64>();
        }
        Ok(())
    }

    fn transport_workspace(&self, shape: Shape) -> usize {
        let keys = shape.positions().saturating_mul(CHANNELS.min(shape.channels));
        keys.saturating_mul(size_of::<u64>())
    }
}
