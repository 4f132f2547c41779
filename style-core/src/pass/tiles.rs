//! A picture cut into tiles, so that the whole objective is evaluated in the memory of a part.
//!
//! A Gram matrix is a sum over positions, to which every tile adds its share. With the sum known, the gradient of a feature
//! depends on that feature alone, and the gradient of a pixel on those of the features that see it. So each feature is
//! owned by one tile, and a tile is evaluated on its *region*, the receptive field of its own features: where a convolution
//! would see zeros beyond the tile's edge, it sees real neighbours. Features near a region's edge are still wrong, but they
//! are not owned and no owned feature is computed from them: no owned value depends on them, and no gradient passes through
//! them. At the picture's own edges the padding is the same as for the whole picture. At a region's other edges, the values
//! that padding repeats or adds stay in those wrong features, and the gradient folded back there is zero. So loss and
//! gradient are those of the whole picture, for any tiling.
//!
//! Deeper layers need less of the neighbourhood: behind each pool, a region is trimmed to what the own features of the
//! remaining layers depend on.
//!
//! A seamless picture repeats without end in both directions: regions extend beyond its edges, where they see it again from
//! the other side, and no feature sees an edge.

use std::ops::Range;

use crate::backend::Backend;
use crate::backend::shape::{Rows, Shape};
use crate::network::Network;
use crate::network::taps::Taps;

/// A single tile.
pub(crate) const WHOLE: Grid = [1, 1];

/// Number of tile rows and columns.
pub(crate) type Grid = [usize; 2];

/// A rectangle of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) rows: Rows,
    pub(crate) columns: Rows,
}

/// One tile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    /// The pixels that the tile is evaluated on, `shift` rows and columns further on; then, behind each pool, the positions.
    regions: Vec<Window>,
    /// Whole pictures, so that a seamless picture's regions begin at zero or later; zero otherwise.
    shift: [usize; 2],
    /// The pixels of its own features; together, the tiles cover the picture.
    own: Window,
}

impl Window {
    pub(crate) const fn all(of: Shape) -> Self {
        Self { rows: Rows::all(of), columns: Rows { start: 0, end: of.width } }
    }

    pub(crate) const fn shape(&self, channels: usize) -> Shape {
        Shape::new(channels, self.rows.len(), self.columns.len())
    }

    /// The first row and column.
    pub(crate) const fn at(&self) -> [usize; 2] {
        [self.rows.start, self.columns.start]
    }

    /// The index of a position of a picture of this width among the window's own.
    pub(crate) const fn index(&self, position: usize, width: usize) -> usize {
        (position / width - self.rows.start) * self.columns.len() + position % width - self.columns.start
    }

    /// The smallest window that contains both.
    pub(crate) fn around(self, other: Self) -> Self {
        let both = |a: Rows, b: Rows| Rows { start: a.start.min(b.start), end: a.end.max(b.end) };
        Self { rows: both(self.rows, other.rows), columns: both(self.columns, other.columns) }
    }

    /// The part within these rows, counted from row `first`; empty if beyond them.
    pub(crate) fn in_rows(&self, rows: Rows, first: usize) -> Self {
        let inside = |row: usize| row.clamp(rows.start, rows.end) - first;
        Self { rows: Rows { start: inside(self.rows.start), end: inside(self.rows.end) }, ..*self }
    }

    fn map(self, f: impl Fn(Rows) -> Rows) -> Self {
        Self { rows: f(self.rows), columns: f(self.columns) }
    }

    fn behind(self, pools: usize) -> Self {
        self.map(|r| Rows { start: r.start >> pools, end: r.end >> pools })
    }
}

impl Tile {
    /// The pixels that the tile is evaluated on, shifted to the copies of a seamless picture.
    pub(crate) fn region(&self) -> Window {
        self.behind(0)
    }

    /// The same behind `pools` pools.
    fn behind(&self, pools: usize) -> Window {
        // There is one for each pool that a tap is behind.
        self.regions.get(pools).or(self.regions.last()).copied().unwrap_or(self.own)
    }

    /// What remains behind each pool of its output, as windows of it.
    pub(crate) fn trims(&self) -> Vec<Window> {
        let from = |start: usize, row: usize| row.saturating_sub(start);
        let within = |r: Rows, all: Rows| Rows { start: from(all.start, r.start), end: from(all.start, r.end) };
        let pairs = self.regions.iter().zip(self.regions.iter().skip(1));
        let trim = |(before, after): (&Window, &Window)| {
            let all = before.behind(1);
            Window { rows: within(after.rows, all.rows), columns: within(after.columns, all.columns) }
        };
        pairs.map(trim).collect()
    }

    /// Its own features at a layer after `pools` pools, within those of the whole picture.
    pub(crate) fn own(&self, pools: usize) -> Window {
        self.own.behind(pools)
    }

    /// The same within the features of its region.
    pub(crate) fn own_in_region(&self, pools: usize) -> Window {
        let (own, region) = (self.own.behind(pools), self.behind(pools));
        let from = |r: Rows, shift: usize, first: usize| {
            let shift = shift >> pools;
            Rows { start: r.start + shift - first, end: r.end + shift - first }
        };
        Window {
            rows: from(own.rows, self.shift[0], region.rows.start),
            columns: from(own.columns, self.shift[1], region.columns.start),
        }
    }
}

/// The finest grid for a picture, with tiles as small as the pools before the last of `taps` (positions in the chain,
/// ascending) allow.
pub(crate) fn finest<B: Backend>(network: &Network<B>, picture: Shape, taps: &Taps) -> Grid {
    let unit = unit(network, taps);
    [picture.height, picture.width].map(|extent| (extent / unit).max(1))
}

/// Cuts a picture row by row, for features at `taps`. A grid finer than the finest is reduced to it. The sides of a seamless
/// picture are multiples of the [`unit`].
pub(crate) fn cut<B: Backend>(
    network: &Network<B>,
    picture: Shape,
    taps: &Taps,
    grid: Grid,
    seamless: bool,
) -> Vec<Tile> {
    let unit = unit(network, taps);
    let axis = |extent: usize, parts: usize| {
        let own = parts_of(extent, unit, parts).into_iter();
        own.map(|own| Axis::new(network, taps, unit, own, extent, seamless)).collect::<Vec<_>>()
    };
    let (down, across) = (axis(picture.height, grid[0]), axis(picture.width, grid[1]));
    let tile = |down: &Axis, across: &Axis| Tile {
        own: Window { rows: down.own, columns: across.own },
        regions: down.regions.iter().zip(&across.regions).map(|(&rows, &columns)| Window { rows, columns }).collect(),
        shift: [down.shift, across.shift],
    };
    down.iter().flat_map(|down| across.iter().map(move |across| tile(down, across))).collect()
}

/// Pixels per position after all pools: regions start and end at multiples, so that no pool window is cut.
pub(crate) fn unit<B: Backend>(network: &Network<B>, taps: &Taps) -> usize {
    1 << taps.positions().last().map_or(0, |&last| network.pools_before(last)).min(16)
}

/// Splits an extent into `parts` parts of similar size, all in whole units except the last, which also takes the remainder.
fn parts_of(extent: usize, unit: usize, parts: usize) -> Vec<Rows> {
    let units = (extent / unit).max(1);
    let parts = parts.clamp(1, units);
    let cut = |i: usize| if i == parts { extent } else { (units as u128 * i as u128 / parts as u128) as usize * unit };
    (0..parts).map(|i| Rows { start: cut(i), end: cut(i + 1) }).collect()
}

/// A tile along one axis.
struct Axis {
    own: Rows,
    regions: Vec<Rows>,
    shift: usize,
}

impl Axis {
    /// The receptive field of the features of `own`, in pixels and behind each pool, in whole units.
    fn new<B: Backend>(
        network: &Network<B>,
        taps: &Taps,
        unit: usize,
        own: Rows,
        extent: usize,
        seamless: bool,
    ) -> Self {
        let before = field(network, taps, own, 0, 0).start.min(0).unsigned_abs();
        let shift = if seamless { before.div_ceil(extent.max(1)).saturating_mul(extent) } else { 0 };
        let (mut regions, mut pools) = (vec![], 0);
        let end = taps.positions().last().map_or(0, |last| last + 1);
        for from in 0..=end {
            // `from` is the layer behind the picture, or behind a pool.
            if from > 0 {
                if network.layers.get(from - 1).is_none_or(|before| before.filter.is_some()) {
                    continue;
                }
                pools += 1;
            }
            let all = regions
                .last()
                .map_or(Rows { start: 0, end: usize::MAX }, |r: &Rows| Rows { start: r.start >> 1, end: r.end >> 1 });
            let most = if seamless || pools > 0 { all.end } else { extent };
            let field = field(network, taps, own, from, pools);
            let at = |position: isize| (shift >> pools).saturating_add_signed(position);
            let unit = (unit >> pools).max(1);
            let start = at(field.start) / unit * unit;
            let end = at(field.end).div_ceil(unit).saturating_mul(unit);
            regions.push(Rows { start: start.max(all.start), end: end.min(most) });
        }
        Self { own, regions, shift }
    }
}

/// The outputs of the layer before `from`, which is behind `pools` pools, that the features of `own` at that layer and behind it
/// depend on.
fn field<B: Backend>(network: &Network<B>, taps: &Taps, own: Rows, from: usize, pools: usize) -> Range<isize> {
    let mut field = (own.start >> pools) as isize..(own.end >> pools) as isize;
    for &position in taps.positions().iter().filter(|&&position| position + 1 >= from) {
        let pools = network.pools_before(position);
        let (first, behind) = (own.start >> pools, own.end >> pools);
        if first < behind {
            let of_tap = network.field(from, position, first as isize..behind as isize);
            field = field.start.min(of_tap.start)..field.end.max(of_tap.end);
        }
    }
    field
}

/// The parts of a region along one axis that are each in one copy of a seamless picture: where a part is in the picture, and
/// where in the region.
pub(crate) fn parts_in_copies(region: Rows, extent: usize) -> impl Iterator<Item = (Rows, usize)> {
    let first = region.start / extent.max(1);
    let last = region.end.saturating_sub(1) / extent.max(1);
    (first..=last).map(move |copy| {
        let (start, end) = (region.start.max(copy * extent), region.end.min((copy + 1) * extent));
        (Rows { start: start - copy * extent, end: end - copy * extent }, start - region.start)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_whole_and_none_is_empty() {
        for extent in [1, 15, 16, 17, 40, 100, 1000] {
            for unit in [1, 2, 16] {
                for parts in [1, 2, 3, 7, 2000] {
                    let all = parts_of(extent, unit, parts);
                    assert_eq!((all[0].start, all[all.len() - 1].end), (0, extent));
                    assert!(all.windows(2).all(|w| w[0].end == w[1].start && w[0].end % unit == 0));
                    assert!(all.iter().all(|r| !r.is_empty()));
                }
            }
        }
    }

    #[test]
    fn a_window_in_rows() {
        let window = Window { rows: Rows { start: 3, end: 8 }, columns: Rows { start: 1, end: 2 } };
        let rows = |start, end| window.in_rows(Rows { start, end }, start).rows;
        assert_eq!(rows(0, 10), Rows { start: 3, end: 8 });
        assert_eq!(window.in_rows(Rows { start: 4, end: 6 }, 2).rows, Rows { start: 2, end: 4 });
        assert_eq!(rows(4, 6), Rows { start: 0, end: 2 });
        assert_eq!(rows(6, 12), Rows { start: 0, end: 2 });
        assert!(rows(0, 3).is_empty() && rows(8, 9).is_empty());
    }
}
