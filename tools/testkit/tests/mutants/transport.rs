//! Transport with its mistakes, based on the reference backend.

use style_core::Result;
use style_core::backend::ops::TransportOps;
use style_core::backend::{Shape, Storage};

use crate::mutant::Mistake::*;
use crate::mutant::{Mutant, R, Tensor, change, made, read};

impl Mutant {
    /// The differences, with the positions of each channel in another order.
    fn differences(&self, x: &Tensor, t: &Tensor, before: impl Fn(f32, f32) -> bool) -> Vec<f32> {
        let (xs, ts, positions) = (read(&x.inner), read(&t.inner), self.shape(x).positions());
        let mut d = vec![0.0; xs.len()];
        for (k, channel) in xs.chunks(positions.max(1)).enumerate() {
            for (r, &v) in channel.iter().enumerate() {
                let rank = channel.iter().filter(|&&other| before(other, v)).count();
                let behind = channel[r + 1..].iter().filter(|&&other| !before(other, v) && !before(v, other)).count();
                d[k * positions + r] = v - ts[k * positions + rank + behind];
            }
        }
        d
    }
}

impl TransportOps for Mutant {
    fn transport(
        &self,
        x: &Tensor,
        t: &Tensor,
        out: &mut Vec<f64>,
        slot: usize,
        d: &mut Tensor,
        ws: &mut (),
    ) -> Result<()> {
        R.transport(&x.inner, &t.inner, out, slot, &mut d.inner, ws)?;
        let other = match self.mistake {
            TransportLastOfEqual => Some(self.differences(x, t, |a, b| a < b)),
            TransportByMagnitude => Some(self.differences(x, t, |a, b| a.abs() < b.abs())),
            TransportZerosDiffer => Some(self.differences(x, t, |a, b| a.total_cmp(&b).is_lt())),
            TransportUnsorted => Some(read(&x.inner).iter().zip(read(&t.inner)).map(|(x, t)| x - t).collect()),
            _ => None,
        };
        if let Some(other) = other {
            d.inner = made(self.shape(x), &other)?;
        }
        if self.makes(TransportNotHalved) {
            out[slot] *= 2.0;
        }
        if self.makes(TransportSign) {
            change(&mut d.inner, |_, v| -v);
        }
        self.spoil("transport", x, d);
        Ok(())
    }

    fn transport_workspace(&self, shape: Shape) -> usize {
        R.transport_workspace(shape)
    }
}
