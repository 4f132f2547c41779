//! `shfl.sync` and `vote.sync`: exchange between the lanes of a warp.

use super::fault::{FaultKind, Step, trap};
use super::warp::{Warp, lanes};
use crate::ptx::program::*;

impl Warp {
    /// Executes `shfl.sync` and `vote.sync` once all members are present.
    pub(super) fn exchange(&mut self, op: &Op, mask: u32) -> Step<()> {
        match op {
            Op::Shuffle { mode, d, p, a, lane, clamp, .. } => {
                self.need32([*a, *lane, *clamp], mask)?;
                let (value, from, clamp) = (*self.r32(*a), *self.r32(*lane), *self.r32(*clamp));
                let (mut result, mut valid) = (value, 0);
                for i in lanes(mask) {
                    let (j, inside) = source(*mode, i as u32, from[i], clamp[i]);
                    if inside {
                        valid |= 1 << i;
                        if mask >> j & 1 == 0 {
                            let what = format!("reads lane {j}, which does not participate");
                            return trap(FaultKind::Uninitialised, i as u32, what);
                        }
                        result[i] = value[j as usize];
                    }
                }
                self.set32(*d, &result, mask);
                if let Some(p) = p {
                    self.set_pred(*p, valid, mask);
                }
            }
            Op::Vote { mode, d, a, negated, .. } => {
                let votes = (self.pred(*a, mask)? ^ if *negated { u32::MAX } else { 0 }) & mask;
                let answer = match mode {
                    Vote::All => votes == mask,
                    Vote::Any => votes != 0,
                    Vote::Uniform => votes == mask || votes == 0,
                };
                self.set_pred(*d, if answer { u32::MAX } else { 0 }, mask);
            }
            Op::Ballot { d, a, negated, .. } => {
                let votes = (self.pred(*a, mask)? ^ if *negated { u32::MAX } else { 0 }) & mask;
                self.set32(*d, &[votes; 32], mask);
            }
            _ => {}
        }
        Ok(())
    }
}

/// The lane that a lane of `shfl.sync` reads, and whether it is within the segment; pseudocode of the PTX ISA.
fn source(mode: Shuffle, lane: u32, b: u32, c: u32) -> (u32, bool) {
    let (b, clamp, segment) = (b & 31, c & 31, c >> 8 & 31);
    let max = (lane & segment) | (clamp & !segment);
    let min = lane & segment;
    match mode {
        Shuffle::Up => (lane.wrapping_sub(b), lane as i32 - b as i32 >= max as i32),
        Shuffle::Down => (lane + b, lane + b <= max),
        Shuffle::Butterfly => (lane ^ b, lane ^ b <= max),
        Shuffle::Index => {
            let j = min | (b & !segment);
            (j, j <= max)
        }
    }
}
