//! Text lines on a white picture, in the fixed-width font Noto Sans Mono.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

/// Heights of a line in pixels, small to large.
const HEIGHTS: [RasterHeight; 4] =
    [RasterHeight::Size16, RasterHeight::Size20, RasterHeight::Size24, RasterHeight::Size32];

const ELLIPSIS: &str = "...";

/// A font size and style for lines.
#[derive(Clone, Copy)]
pub(crate) struct Font {
    weight: FontWeight,
    height: RasterHeight,
}

impl Font {
    /// The largest font of at most this height in which all lines fit this width; the smallest if none does.
    pub(crate) fn fitting<'a>(
        lines: impl IntoIterator<Item = &'a str>,
        bold: bool,
        height: usize,
        width: usize,
    ) -> Self {
        let weight = if bold { FontWeight::Bold } else { FontWeight::Regular };
        let longest = lines.into_iter().map(|line| line.chars().count()).max().unwrap_or(0);
        let fits = |h: &&RasterHeight| h.val() <= height && longest <= width / get_raster_width(weight, **h);
        Self { weight, height: *HEIGHTS.iter().rev().find(fits).unwrap_or(&HEIGHTS[0]) }
    }

    /// Height of a line in pixels.
    pub(crate) fn height(self) -> usize {
        self.height.val()
    }

    /// Width of a line in pixels.
    pub(crate) fn width(self, line: &str) -> usize {
        line.chars().count().saturating_mul(get_raster_width(self.weight, self.height))
    }

    /// The line, or as much of it as fits this width with an ellipsis.
    pub(crate) fn cut(self, line: &str, width: usize) -> String {
        if self.width(line) <= width {
            return line.into();
        }
        let letters = width / get_raster_width(self.weight, self.height);
        let kept = line.chars().take(letters.saturating_sub(ELLIPSIS.len()));
        kept.collect::<String>().trim_end().chars().chain(ELLIPSIS.chars().take(letters)).collect()
    }

    /// The x, y and darkness (0 to 1) of all pixels of the line that are not blank.
    pub(crate) fn raster(self, line: &str) -> impl Iterator<Item = (usize, usize, f32)> {
        let advance = get_raster_width(self.weight, self.height);
        let letters = line.chars().enumerate().flat_map(move |(i, letter)| {
            // Characters that the font lacks, including control characters.
            let raster =
                get_raster(letter, self.weight, self.height).or_else(|| get_raster('?', self.weight, self.height));
            raster.map(|raster| (i, raster))
        });
        letters
            .flat_map(move |(i, raster)| {
                raster.rows().enumerate().flat_map(move |(y, row)| {
                    row.iter().enumerate().map(move |(x, dark)| (i * advance + x, y, f32::from(*dark) / 255.0))
                })
            })
            .filter(|(_, _, dark)| *dark > 0.0)
    }
}
