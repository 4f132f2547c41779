//! Formats recognised by their first bytes that cannot be read, and the alternative to suggest.

/// A name, and the suggested alternative.
type Known = (&'static str, &'static str);

const EXPORT: &str = "open it in an image editor and export it as PNG or JPEG";
const DEVELOP: &str = "develop it and export it as PNG, JPEG or a 16-bit TIFF";
const VECTORS: &str = "export it as PNG at the required size";
const VIDEO: &str = "save a frame as PNG";
const NO_PICTURE: &str = "use a picture, such as a PNG or JPEG file";
const UNPACK: &str = "unpack it first";

/// First bytes.
#[rustfmt::skip]
const BEGINNINGS: [(&[u8], Known); 42] = [
    (b"\xff\x0a", ("JPEG XL", EXPORT)),
    (b"\0\0\0\x0cJXL \r\n\x87\n", ("JPEG XL", EXPORT)),
    (b"\0\0\0\x0cjP  \r\n\x87\n", ("JPEG 2000", EXPORT)),
    (b"\xff\x4f\xff\x51", ("JPEG 2000", EXPORT)),
    (b"II\xbc\x01", ("JPEG XR", EXPORT)),
    (b"8BPS", ("Photoshop (PSD)", EXPORT)),
    (b"gimp xcf", ("GIMP (XCF)", EXPORT)),
    (b"\x76\x2f\x31\x01", ("OpenEXR", EXPORT)),
    (b"#?RADIANCE", ("Radiance HDR", EXPORT)),
    (b"#?RGBE", ("Radiance HDR", EXPORT)),
    (b"\0\0\x01\0", ("Windows icon", EXPORT)),
    (b"\0\0\x02\0", ("Windows cursor or TGA", EXPORT)),
    (b"icns", ("macOS icon", EXPORT)),
    (b"DDS ", ("DirectDraw surface (DDS)", EXPORT)),
    (b"qoif", ("QOI", EXPORT)),
    (b"farbfeld", ("farbfeld", EXPORT)),
    (b"SIMPLE  =", ("FITS", EXPORT)),
    (b"AT&TFORM", ("DjVu", EXPORT)),
    (b"\xd7\xcd\xc6\x9a", ("Windows metafile (WMF)", VECTORS)),
    (b"FUJIFILMCCD-RAW", ("camera raw file (RAF)", DEVELOP)),
    (b"IIRO", ("camera raw file (ORF)", DEVELOP)),
    (b"IIRS", ("camera raw file (ORF)", DEVELOP)),
    (b"MMOR", ("camera raw file (ORF)", DEVELOP)),
    (b"IIU\0", ("camera raw file (RW2)", DEVELOP)),
    (b"FOVb", ("camera raw file (X3F)", DEVELOP)),
    (b"\0MRM", ("camera raw file (MRW)", DEVELOP)),
    (b"II\x1a\0\0\0HEAPCCDR", ("camera raw file (CRW)", DEVELOP)),
    (b"%PDF-", ("PDF", VECTORS)),
    (b"%!PS", ("PostScript", VECTORS)),
    (b"\xc5\xd0\xd3\xc6", ("PostScript", VECTORS)),
    (b"\x1a\x45\xdf\xa3", ("video (Matroska or WebM)", VIDEO)),
    (b"FLV\x01", ("video (Flash)", VIDEO)),
    (b"\0\0\x01\xba", ("video (MPEG)", VIDEO)),
    (b"OggS", ("video or audio (Ogg)", VIDEO)),
    (b"PK\x03\x04", ("zip archive or a document based on one", UNPACK)),
    (b"\x1f\x8b", ("gzip archive", UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", ("7-Zip archive", UNPACK)),
    (b"Rar!", ("RAR archive", UNPACK)),
    (b"\x28\xb5\x2f\xfd", ("Zstandard archive", UNPACK)),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ("document or thumbnail database (OLE)", NO_PICTURE)),
    (b"\x89HDF\r\n\x1a\n", ("HDF5", NO_PICTURE)),
    (b"\x7fELF", ("executable", NO_PICTURE)),
];

/// The bytes after `ftyp`.
#[rustfmt::skip]
const BRANDS: [(&[u8], Known); 12] = [
    (b"avif", ("AVIF", EXPORT)),
    (b"avis", ("AVIF", EXPORT)),
    (b"heic", ("HEIC", EXPORT)),
    (b"heix", ("HEIC", EXPORT)),
    (b"heim", ("HEIC", EXPORT)),
    (b"heis", ("HEIC", EXPORT)),
    (b"hevc", ("HEIC", EXPORT)),
    (b"hevx", ("HEIC", EXPORT)),
    (b"mif1", ("HEIF", EXPORT)),
    (b"msf1", ("HEIF", EXPORT)),
    (b"crx ", ("camera raw file (CR3)", DEVELOP)),
    (b"qt  ", ("video (QuickTime)", VIDEO)),
];

/// The format that an unreadable file claims.
pub(crate) fn known(bytes: &[u8]) -> Option<Known> {
    if bytes.get(4..8) == Some(b"ftyp") {
        let size = bytes.get(..4).and_then(|n| n.try_into().ok()).map_or(0, u32::from_be_bytes) as usize;
        let brands = bytes.get(8..size.clamp(12, 256)).or(bytes.get(8..12)).unwrap_or_default();
        // The first is the file's own brand, which may be less specific than its compatible brands.
        let own = brands.chunks_exact(4).take(1).chain(brands.chunks_exact(4).skip(2));
        let named = own.filter_map(|brand| BRANDS.iter().find(|(b, _)| *b == brand)).map(|(_, known)| *known);
        return Some(named.min_by_key(|(name, _)| *name == "HEIF").unwrap_or(("video (MP4)", VIDEO)));
    }
    if let Some((_, known)) = BEGINNINGS.iter().find(|(start, _)| bytes.starts_with(start)) {
        return Some(*known);
    }
    if bytes.starts_with(b"RIFF") {
        return match bytes.get(8..12)? {
            b"AVI " => Some(("video (AVI)", VIDEO)),
            b"WAVE" => Some(("audio (WAV)", NO_PICTURE)),
            _ => None,
        };
    }
    if let [b'P', b'1'..=b'7', b' ' | b'\n' | b'\r' | b'\t', ..] = bytes {
        return Some(("PNM (PBM, PGM, PPM or PAM)", EXPORT));
    }
    text(bytes)
}

fn text(bytes: &[u8]) -> Option<Known> {
    let start = &bytes[..bytes.len().min(1024)];
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start().to_ascii_lowercase();
    let has = |word: &[u8]| start.windows(word.len()).any(|w| w == word);
    let is_markup = start.starts_with(b"<");
    Some(match () {
        () if is_markup
            && (start.starts_with(b"<!doctype html") || has(b"<html") || has(b"<head") || has(b"<body")) =>
        {
            ("HTML page, perhaps an error page of a web site", "download the picture itself")
        }
        () if is_markup && has(b"<svg") => ("SVG", VECTORS),
        () if is_markup && (start.starts_with(b"<?xml") || has(b"xmlns")) => ("XML", NO_PICTURE),
        () if start.starts_with(b"{\\rtf") => ("document (RTF)", NO_PICTURE),
        () if start.starts_with(b"version https://git-lfs") => ("Git LFS pointer", "run `git lfs pull`"),
        () if !start.is_empty() && start.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()) => {
            ("text", NO_PICTURE)
        }
        () => return None,
    })
}
