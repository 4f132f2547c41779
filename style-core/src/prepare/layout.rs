//! The tiling of the passes over each picture.

use std::fmt;
use std::str::FromStr;

use crate::backend::shape::Shape;
use crate::error::Result;
use crate::pass::tiles::Grid;

/// The checkpoint key of a scale's tiling.
pub(crate) fn tiles(scale: usize) -> String {
    format!("tiles.{scale}")
}

/// The grid of each picture; serialised as the grids in this order.
#[derive(Clone, PartialEq)]
pub(crate) struct Layout {
    pub(crate) picture: Grid,
    pub(crate) content: Grid,
    pub(crate) styles: Vec<Grid>,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { picture, content: [rows, columns], styles } = self;
        write!(f, "{}x{} {rows}x{columns}", picture[0], picture[1])?;
        styles.iter().try_for_each(|[rows, columns]| write!(f, " {rows}x{columns}"))
    }
}

impl FromStr for Layout {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let side = |n: &str| n.parse().ok().filter(|&n: &usize| n > 0);
        let grid = |text: &str| text.split_once('x').and_then(|(rows, columns)| Some([side(rows)?, side(columns)?]));
        let mut grids = text.split(' ').map(grid);
        let mut next = || grids.next().flatten().ok_or(());
        Ok(Self { picture: next()?, content: next()?, styles: grids.map(|g| g.ok_or(())).collect::<Result<_, _>>()? })
    }
}

/// A slightly finer grid, with more tiles along the axis on which they are longer; `None` if there is none.
pub(super) fn finer(picture: Shape, grid: Grid, most: Grid) -> Option<Grid> {
    let [rows, columns] = grid;
    let more = |n: usize, most: usize| (n + (n / 8).max(1)).min(most);
    let high = picture.height / rows >= picture.width / columns;
    match (rows < most[0], columns < most[1]) {
        (true, other) if high || !other => Some([more(rows, most[0]), columns]),
        (_, true) => Some([rows, more(columns, most[1])]),
        _ => None,
    }
}
