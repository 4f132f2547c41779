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
//! A seamless picture repeats without end in both directions: regions extend beyond its edges, where they see it again from
//! the other side, and no feature sees an edge.

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
    /// The pixels that the tile is evaluated on, `shift` rows and columns further on.
    pub(crate) region: Window,
    /// Whole pictures, so that a seamless picture's regions begin at zero or later; zero otherwise.
    shift: [usize; 2],
    /// The pixels of its own features; together, the tiles cover the picture.
    own: Window,
}

impl Window {
    pub(crate) const fn shape(&self, channels: usize) -> Shape {
        Shape::new(channels, self.rows.len(), self.columns.len())
    }

    /// The first row and column.
    pub(crate) const fn at(&self) -> [usize; 2] {
        [self.rows.start, self.columns.start]
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
    /// Its own features at a layer after `pools` pools, within those of the whole picture.
    pub(crate) fn own(&self, pools: usize) -> Window {
        self.own.behind(pools)
    }

    /// The same within the features of its region.
    pub(crate) fn own_in_region(&self, pools: usize) -> Window {
        let (own, region) = (self.own.behind(pools), self.region.behind(pools));
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
        own.map(|own| (own, region(network, taps, unit, own, extent, seamless))).collect::<Vec<_>>()
    };
    let (rows, columns) = (axis(picture.height, grid[0]), axis(picture.width, grid[1]));
    let tile = |&(own_rows, (rows, down)): &(Rows, (Rows, usize)),
                &(own_columns, (columns, across)): &(Rows, (Rows, usize))| Tile {
        own: Window { rows: own_rows, columns: own_columns },
        region: Window { rows, columns },
        shift: [down, across],
    };
    rows.iter().flat_map(|r| columns.iter().map(move |c| tile(r, c))).collect()
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

/// The receptive field of the features of `own` along one axis, in whole units, and its shift.
fn region<B: Backend>(
    network: &Network<B>,
    taps: &Taps,
    unit: usize,
    own: Rows,
    extent: usize,
    seamless: bool,
) -> (Rows, usize) {
    let (mut start, mut end) = (own.start as isize, own.end as isize);
    for &position in taps.positions() {
        let pools = network.pools_before(position);
        let (first, behind) = (own.start >> pools, own.end >> pools);
        if first < behind {
            start = start.min(network.receptive_field(position, first).start);
            end = end.max(network.receptive_field(position, behind - 1).end);
        }
    }
    if seamless {
        let shift = start.min(0).unsigned_abs().div_ceil(extent.max(1)).saturating_mul(extent);
        let at = |pixel: isize| shift.saturating_add_signed(pixel);
        let end = at(end).div_ceil(unit).saturating_mul(unit);
        return (Rows { start: at(start) / unit * unit, end }, shift);
    }
    let start = start.max(0) as usize / unit * unit;
    let end = (end.max(0) as usize).div_ceil(unit).saturating_mul(unit);
    (Rows { start, end: end.min(extent) }, 0)
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
