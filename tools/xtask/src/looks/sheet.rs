//! The pairs and their results side by side.

use std::fs;
use std::path::{Path, PathBuf};

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use style_core::Image;
use style_pictures::{Picture, Sheet};

use crate::Failure;

/// Cell size in pixels.
pub(super) const CELL: (usize, usize) = (360, 280);
const QUALITY: u8 = 86;
/// Size limit of the sheet in bytes: it is committed.
const LIMIT: usize = 1_500_000;

/// A row of the sheet.
pub(super) struct Line<'a> {
    /// Labels of the photograph and the painting.
    pub(super) names: [&'a str; 2],
    /// Photograph, painting and result.
    pub(super) files: [PathBuf; 3],
}

/// Draws the rows into a JPEG file.
pub(super) fn draw(lines: &[Line<'_>], to: &Path) -> Result<(), Failure> {
    let mut sheet = Sheet::new(3).cell_size(CELL.0, CELL.1);
    for Line { names: [photo, painting], files } in lines {
        let [photo, painting] = [photo, painting].map(|name| name.replace('_', " "));
        let result = format!("{photo} x {painting}");
        for (file, label) in files.iter().zip([photo, painting, result]) {
            sheet = sheet.cell(&Picture::open(file)?.image, label);
        }
    }
    save(&sheet.draw()?, to)
}

/// Writes a sheet as a JPEG file, at a lower quality if it would be too large otherwise.
pub(super) fn save(sheet: &Image, to: &Path) -> Result<(), Failure> {
    let (width, height) = (u32::try_from(sheet.width())?, u32::try_from(sheet.height())?);
    for quality in (1..=QUALITY).rev().step_by(5) {
        let mut bytes = vec![];
        JpegEncoder::new_with_quality(&mut bytes, quality).encode(
            &sheet.to_rgb8(),
            width,
            height,
            ExtendedColorType::Rgb8,
        )?;
        if bytes.len() <= LIMIT {
            fs::write(to, &bytes)?;
            println!("\n{}: {width} x {height}, quality {quality}, {} bytes", to.display(), bytes.len());
            return Ok(());
        }
    }
    Err(format!("{}: {width} x {height} pixels do not fit in {LIMIT} bytes", to.display()).into())
}
