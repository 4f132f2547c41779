//! Winograd's minimal filtering (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015): `Y = A^T
//! [(G g G^T) . (B^T d B)] A`. Tiles of 4x4 outputs need 36 multiplications where the direct form needs 144; tiles of
//! 6x6 need 64 instead of 324.
//!
//! For each point, the sum over channels is a matrix product over tiles. The work is split into blocks of tiles. With
//! few channels, the filters are transformed first, and an item runs all other stages for its block, in scratch memory
//! that stays in its processor's cache. With many channels, transformed filters take four times the filters' size, and
//! writing them to memory takes longer than the arithmetic. So the inputs of a block are transformed first, for all items,
//! and an item transforms the filters of a few channels, multiplies, adds, and writes the outputs of those channels: what
//! it holds stays in cache. The filters are transformed again in each pass, and for each block.

pub(crate) mod layout;
mod stages;
mod tile;

use std::marker::PhantomData;

use rayon::iter::IndexedParallelIterator;
use rayon::slice::{ParallelSlice, ParallelSliceMut};
use style_core::Result;

use self::layout::{GROUP, Layout};
use self::stages::{Item, Stage};
use self::tile::{Four, FourRounded, Six};
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
    let layout = Layout::new(cpu, source.shape, out_channels, finish.computed.len());
    let pass = Pass { cpu, layout, source, out_channels, raw, direction, finish };
    match (layout.out, layout.values) {
        (6, _) => pass.run::<Six>(workspace),
        (_, 1) => pass.run::<Four>(workspace),
        _ => pass.run::<FourRounded>(workspace),
    }
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
        for<'a> Item<'a, T>: Kernel,
    {
        let Self { cpu, layout, source, out_channels, raw, direction, finish } = self;
        expect_workspace(&mut workspace.memory, layout.workspace(1))?;
        let (shared, scratch) = workspace.memory.split_at_mut(layout.shared());
        let shared = Shared::new(bytemuck::cast_slice_mut(shared));
        let slots = Slots::new(scratch, layout.scratch());
        let run = |stage: Stage, block: usize, filters: Shared<f32>, inputs: Shared<f32>, outputs: Shared<f32>| {
            let tiles = block * layout.block..layout.tiles.min((block + 1) * layout.block);
            cpu.level.run_rounded(Item {
                tile: PhantomData,
                stage,
                layout,
                source,
                raw,
                direction,
                out_channels,
                tiles,
                filters,
                inputs,
                outputs,
                finish,
            });
        };
        let count = layout.tiles.div_ceil(layout.block);
        if layout.fused {
            cpu.threads.for_each(layout.written, |block| run(Stage::Filters(block), 0, shared, shared, shared));
            cpu.threads.for_each(count, |block| {
                let mut slot = slots.take();
                let inputs = Shared::new(bytemuck::cast_slice_mut(&mut slot));
                // SAFETY: the outputs lie behind the inputs in the scratch memory.
                let outputs = unsafe { inputs.from(layout.inputs() * LANES) };
                run(Stage::All, block, shared, inputs, outputs);
            });
            return Ok(());
        }
        for block in 0..count {
            cpu.threads.for_each(layout.read, |i| run(Stage::Inputs(i), block, shared, shared, shared));
            cpu.threads.for_each(layout.written.div_ceil(GROUP), |i| {
                let group = i * GROUP..layout.written.min((i + 1) * GROUP);
                let mut slot = slots.take();
                let filters = Shared::new(bytemuck::cast_slice_mut(&mut slot));
                // SAFETY: the outputs lie behind the filters in the scratch memory.
                let outputs = unsafe { filters.from(layout.panels() * LANES) };
                run(Stage::Group(group), block, filters, shared, outputs);
            });
        }
        Ok(())
    }
}
