//! Winograd's minimal filtering (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015): `Y = A^T
//! [(G g G^T) . (B^T d B)] A`. Tiles of 4x4 outputs need 36 multiplications where the direct form needs 144; tiles of
//! 6x6 need 64 instead of 324.
//!
//! For each point, the sum over channels is a matrix product over tiles. The work is split into blocks of tiles. With
//! few channels, the filters are transformed first, and an item runs all other stages for its block, in scratch memory
//! that stays in its processor's cache. With many channels, transformed filters take four or seven times the filters' size, and
//! writing them to memory takes longer than the arithmetic. So the inputs of a block are transformed first, for all items,
//! and an item transforms the filters of a few channels, multiplies, adds, and writes the outputs of those channels: what
//! it holds stays in cache. The filters are transformed again in each pass, and for each block.

pub(crate) mod layout;
mod stages;
mod tile;

use std::marker::PhantomData;
use std::ops::Range;

use rayon::iter::IndexedParallelIterator;
use rayon::slice::{ParallelSlice, ParallelSliceMut};
use style_core::Result;

use self::layout::Layout;
use self::stages::{Item, Stage};
use self::tile::{Four, FourRounded, Six};
use super::{Direction, Finish, Source};
use crate::cpu::Cpu;
use crate::isa::Kernel;
use crate::memory::{Memory, zeroed};
use crate::parallel::{Shared, Slots, Threads};
use crate::simd::LANES;
use crate::tensor::{Lanes, Workspace, blocks, expect_workspace};

/// The fewest tiles worth an item of their own: it transforms its filters again.
const LEAST: usize = 28;

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
        let tiles = |block: usize| block * layout.block..layout.tiles.min((block + 1) * layout.block);
        let run = |stage, tiles: Range<usize>, filters: Shared<f32>, inputs: Shared<f32>, outputs: Shared<f32>| {
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
            cpu.threads.for_each(layout.written, |block| run(Stage::Filters(block), 0..0, shared, shared, shared));
            cpu.threads.for_each(count, |block| {
                let mut slot = slots.take();
                let inputs = Shared::new(bytemuck::cast_slice_mut(&mut slot));
                // SAFETY: the outputs lie behind the inputs in the scratch memory.
                let outputs = unsafe { inputs.from(layout.inputs() * LANES) };
                run(Stage::All, tiles(block), shared, inputs, outputs);
            });
            return Ok(());
        }
        for block in 0..count {
            cpu.threads.for_each(layout.read, |i| run(Stage::Inputs(i), tiles(block), shared, shared, shared));
            // More threads than groups share the tiles of each, which changes no sum.
            let (groups, tiles) = (layout.written.div_ceil(layout.group), tiles(block));
            let parts = cpu.threads.count().div_ceil(groups).clamp(1, tiles.len().div_ceil(LEAST));
            cpu.threads.for_each(groups * parts, |i| {
                let (i, part) = (i / parts, i % parts);
                let group = i * layout.group..layout.written.min((i + 1) * layout.group);
                let first = part * tiles.len() / parts;
                let of_part = tiles.start + first..tiles.start + (part + 1) * tiles.len() / parts;
                let mut slot = slots.take();
                let filters = Shared::new(bytemuck::cast_slice_mut(&mut slot));
                // SAFETY: the outputs lie behind the filters in the scratch memory, and the inputs of each tile behind those
                // of the first.
                let (outputs, inputs) =
                    unsafe { (filters.from(layout.panels() * LANES), shared.from(first * LANES / layout.values)) };
                run(Stage::Group(group), of_part, filters, inputs, outputs);
            });
        }
        Ok(())
    }
}
