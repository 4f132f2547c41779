//! Winograd's minimal filtering (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015): `Y = A^T
//! [(G g G^T) . (B^T d B)] A`. Tiles of 4x4 outputs need 36 multiplications where the direct form needs 144; tiles of
//! 6x6 need 64 instead of 324.
//!
//! For each point, the sum over channels is a matrix product over tiles. The work is split into blocks of tiles. With
//! few channels, an item runs all stages for its block, in scratch memory that stays in its processor's cache. With
//! many channels, all threads share the stages of a block, each thread with its own points, so that the filters of a
//! point are read once for a large block. The filters are transformed again in each pass: this is a few percent of the
//! work, and keeping the transforms for both directions would take eight times the filters' size.

pub(crate) mod layout;
mod stages;
mod tile;

use std::marker::PhantomData;

use rayon::iter::IndexedParallelIterator;
use rayon::slice::{ParallelSlice, ParallelSliceMut};
use style_core::Result;

use self::layout::Layout;
use self::stages::{Filters, Item, Stage};
use self::tile::{Four, Six};
use super::{Direction, Finish, Source};
use crate::cpu::Cpu;
use crate::isa::Kernel;
use crate::memory::{Memory, zeroed};
use crate::parallel::{Shared, Slots, Threads};
use crate::simd::LANES;
use crate::tensor::{Lanes, Workspace, blocks, expect_workspace};
pub(super) fn packed_vectors(in_channels: usize, out_channels: usize) -> usize {
    blocks(out_channels).saturating_mul(in_channels).saturating_mul(9)
}

/// Packs filters `[O, I, 3, 3]` as `[O/16, I, 9, 16]`.
pub(super) fn pack(threads: &Threads, in_channels: usize, weight: &[f32]) -> Result<Memory<Lanes>> {
    let row = 9 * in_channels;
    let out_channels = weight.len() / row;
    let mut packed: Memory<Lanes> = zeroed(packed_vectors(in_channels, out_channels), "filters")?;
    threads.for_each_of(packed.par_chunks_mut(row).zip(weight.par_chunks(LANES * row)), |(packed, weight)| {
        for (i, lanes) in packed.iter_mut().enumerate() {
            for (lane, weight) in lanes.0.iter_mut().zip(weight.chunks_exact(row)) {
                *lane = weight[i];
            }
        }
    });
    Ok(packed)
}

pub(super) fn run(
    cpu: &Cpu,
    source: Source<'_>,
    out_channels: usize,
    raw: &[Lanes],
    direction: Direction,
    finish: Finish<'_>,
    workspace: &mut Workspace,
) -> Result<()> {
    let layout = Layout::new(cpu.convolution, source.shape, out_channels, finish.computed.len());
    let pass = Pass { cpu, layout, source, out_channels, raw, direction, finish };
    if layout.out == 6 { pass.run::<Six>(workspace) } else { pass.run::<Four>(workspace) }
}

/// One direction of one convolution.
struct Pass<'a> {
    cpu: &'a Cpu,
    layout: Layout,
    source: Source<'a>,
    out_channels: usize,
    raw: &'a [Lanes],
    direction: Direction,
    finish: Finish<'a>,
}

impl Pass<'_> {
    fn run<T>(self, workspace: &mut Workspace) -> Result<()>
    where
        for<'a> Filters<'a, T>: Kernel,
        for<'a> Item<'a, T>: Kernel,
    {
        let Self { cpu, layout, source, out_channels, raw, direction, finish } = self;
        expect_workspace(&mut workspace.memory, layout.workspace(1))?;
        let (filters, scratch) = workspace.memory.split_at_mut(layout.filters());
        let to = Shared::new(bytemuck::cast_slice_mut(filters));
        let read = source.shape.channels;
        cpu.threads.for_each(layout.written, |block| {
            cpu.level.run(Filters {
                tile: PhantomData,
                raw,
                direction,
                read,
                written: out_channels,
                layout,
                block,
                to,
            });
        });
        let filters: &[f32] = bytemuck::cast_slice(filters);
        let cut = layout.read * layout.points() * layout.stride * LANES;
        let item = |scratch: Shared<f32>, block: usize, stage: Stage| {
            let tiles = block * layout.block..layout.tiles.min((block + 1) * layout.block);
            // SAFETY: the outputs lie behind the inputs in the scratch memory.
            let outputs = unsafe { scratch.from(cut) };
            cpu.level.run(Item {
                tile: PhantomData,
                stage,
                layout,
                source,
                filters,
                tiles,
                inputs: scratch,
                outputs,
                finish,
            });
        };
        let count = layout.tiles.div_ceil(layout.block);
        if layout.fused {
            let slots = Slots::new(scratch, layout.scratch());
            cpu.threads.for_each(count, |block| {
                let mut slot = slots.take();
                item(Shared::new(bytemuck::cast_slice_mut(&mut slot)), block, Stage::All);
            });
            return Ok(());
        }
        let scratch = Shared::new(bytemuck::cast_slice_mut(scratch));
        // Sixteen channel blocks: products large enough to justify the cost of scheduling them.
        let groups = layout.written.div_ceil(16);
        for block in 0..count {
            cpu.threads.for_each(layout.read, |i| item(scratch, block, Stage::Inputs(i)));
            cpu.threads.for_each(layout.points() * groups, |i| {
                let (point, group) = (i / groups, i % groups);
                let (from, to) = (group * layout.written / groups, (group + 1) * layout.written / groups);
                item(scratch, block, Stage::Products(point, from, to));
            });
            cpu.threads.for_each(layout.written, |i| item(scratch, block, Stage::Outputs(i)));
        }
        Ok(())
    }
}
