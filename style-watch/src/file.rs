//! Files that appear under their names only when complete, and PNG.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use style_core::{Error, ErrorKind, Result};

pub(crate) fn io_error(message: impl Into<String>, e: io::Error) -> Error {
    Error::new(ErrorKind::Io, message).with_source(e)
}

/// The folder that contains a file.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Rejects a path whose folder does not exist or is not writable, before hours of work end with that error.
pub(crate) fn expect_folder(path: &Path) -> Result<()> {
    let folder = folder(path);
    if !folder.is_dir() {
        let message = format!("{}: {} is not a folder; create it or choose another", path.display(), folder.display());
        return Err(Error::new(ErrorKind::Io, message));
    }
    let refused = |e| {
        let message = format!("{}: cannot write to the folder {}; choose another", path.display(), folder.display());
        io_error(message, e)
    };
    tempfile::tempfile_in(folder).map(drop).map_err(refused)
}

/// The path's extension in lower case; empty if there is none.
pub(crate) fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

pub(crate) fn cannot_write(path: &Path) -> String {
    format!("cannot write {}; check that its folder exists and that the disk has space", path.display())
}

/// Writes a file next to its destination, as `FILE.part`, and moves it there, replacing any existing file. A program
/// killed meanwhile leaves the partial file, which the next write overwrites.
pub(crate) fn write_atomically(path: &Path, write: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let failed = |e| io_error(cannot_write(path), e);
    let mut part = path.to_owned().into_os_string();
    part.push(".part");
    let written = || -> Result<()> {
        let mut file = File::create(&part).map_err(failed)?;
        write(&mut file)?;
        file.sync_all().map_err(failed)?;
        drop(file);
        fs::rename(&part, path).map_err(failed)
    };
    written().inspect_err(|_| {
        // Frees the disk space.
        let _ = fs::remove_file(&part);
    })
}

/// The same for bytes.
pub(crate) fn write_bytes_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |e| io_error(cannot_write(path), e);
    write_atomically(path, |file| file.write_all(bytes).map_err(failed))
}

/// Encodes interleaved RGB bytes, `[H, W, 3]`, as a PNG file.
///
/// # Errors
/// `Unsupported` if a side is longer than PNG's limit of 2^31 - 1 pixels.
pub(crate) fn encode_png(width: usize, height: usize, rgb: &[u8]) -> Result<Vec<u8>> {
    let refused = || {
        Error::new(
            ErrorKind::Unsupported,
            format!("a picture of {width}x{height} pixels is too large for PNG; use a smaller one"),
        )
    };
    let (w, h) = u32::try_from(width).ok().zip(u32::try_from(height).ok()).ok_or_else(refused)?;
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, w, h);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let encode = || {
        let mut writer = encoder.write_header()?;
        writer.write_image_data(rgb)?;
        writer.finish()
    };
    encode().map_err(|e| refused().with_source(e))?;
    Ok(bytes)
}
