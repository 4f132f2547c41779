//! The raw first directory of a TIFF file: checks that must precede the decoder.

use style_core::{Error, Result};

use crate::limits::bad;

/// Number types in entries.
const SHORT: u64 = 3;

pub(super) mod tag {
    pub(in crate::tiff) const SUBFILE: u64 = 254;
    pub(in crate::tiff) const BITS: u64 = 258;
    pub(in crate::tiff) const COMPRESSION: u64 = 259;
    pub(in crate::tiff) const PHOTOMETRIC: u64 = 262;
    pub(in crate::tiff) const FILL_ORDER: u64 = 266;
    pub(in crate::tiff) const MAKE: u64 = 271;
    pub(in crate::tiff) const SAMPLES: u64 = 277;
    pub(in crate::tiff) const INK_SET: u64 = 332;
    pub(in crate::tiff) const SAMPLE_FORMAT: u64 = 339;
    pub(in crate::tiff) const DNG: u64 = 50706;
}

pub(super) struct Directory<'a> {
    bytes: &'a [u8],
    is_big_endian: bool,
    is_big: bool,
    /// The offset and number of the entries.
    start: u64,
    count: u64,
}

impl<'a> Directory<'a> {
    /// `None` if the file has no directory, which the decoder reports.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        let mut this = Self { bytes, is_big_endian: bytes.starts_with(b"MM"), is_big: false, start: 0, count: 0 };
        this.is_big = this.number(2, 2)? == 43;
        let (start, head) = if this.is_big { (this.number(8, 8)?, 8) } else { (this.number(4, 4)?, 2) };
        this.count = this.number(start, head)?;
        this.start = start.checked_add(head as u64)?;
        Some(this)
    }

    fn number(&self, at: u64, n: usize) -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let digits = self.bytes.get(at..at.checked_add(n)?)?.iter();
        let add = |sum: u64, digit: &u8| sum << 8 | u64::from(*digit);
        Some(if self.is_big_endian { digits.fold(0, add) } else { digits.rev().fold(0, add) })
    }

    /// The offsets of the entries present.
    fn entries(&self) -> impl Iterator<Item = u64> + '_ {
        let size = if self.is_big { 20 } else { 12 };
        (0..self.count).map_while(move |i| self.start.checked_add(size * i).filter(|at| self.number(*at, 4).is_some()))
    }

    fn width(&self) -> usize {
        if self.is_big { 8 } else { 4 }
    }

    /// Whether no entry has more values than the file has bytes: the decoder allocates 32 bytes for each before it
    /// reads them.
    pub(super) fn counts_fit(&self) -> bool {
        let counts = self.entries().map_while(|at| self.number(at + 4, self.width()));
        counts.into_iter().all(|count| count <= self.bytes.len() as u64)
    }

    /// The offset and type of a tag's values.
    fn place(&self, tag: u64) -> Option<(u64, u64)> {
        let at = self.entries().find(|at| self.number(*at, 2) == Some(tag))?;
        let (kind, count) = (self.number(at + 2, 2)?, self.number(at + 4, self.width())?);
        let value = at + 4 + self.width() as u64;
        let bytes = count.checked_mul([1, 1, 1, 2, 4, 8].get(kind as usize).copied().unwrap_or(1))?;
        Some((if bytes <= self.width() as u64 { value } else { self.number(value, self.width())? }, kind))
    }

    /// The first value of a tag.
    pub(super) fn value(&self, tag: u64) -> Option<u64> {
        let (at, kind) = self.place(tag)?;
        self.number(at, if kind == SHORT { 2 } else { [1, 1, 1, 2, 4].get(kind as usize).copied().unwrap_or(4) })
    }

    /// The offset of the first value of a 16-bit tag.
    pub(super) fn short(&self, tag: u64) -> Option<usize> {
        self.place(tag).filter(|(_, kind)| *kind == SHORT).and_then(|(at, _)| usize::try_from(at).ok())
    }

    fn text(&self, tag: u64) -> &'a [u8] {
        let at = self.place(tag).and_then(|(at, _)| usize::try_from(at).ok()).unwrap_or(usize::MAX);
        let text = self.bytes.get(at..).unwrap_or_default();
        &text[..text.len().min(16)]
    }

    /// Refuses unreadable kinds by name.
    pub(super) fn check(&self) -> Result<()> {
        if let Some(name) = self.raw() {
            return Err(bad(format!(
                "unsupported picture format: camera raw file ({name}); develop it and export it as PNG, JPEG or a 16-bit \
                 TIFF"
            )));
        }
        let refused = |what: String| -> Result<(), Error> {
            Err(bad(format!(
                "unsupported TIFF: {what}; save it as a plain TIFF with Deflate or LZW compression, or as PNG"
            )))
        };
        let compression = self.value(tag::COMPRESSION).unwrap_or(1);
        let name = match compression {
            1 | 4 | 5 | 7 | 8 | 32773 | 32946 => "",
            2 => "CCITT run-length",
            3 => "Group 3 fax",
            6 => "old-style JPEG",
            33003 | 33005 | 34712 => "JPEG 2000",
            34676 | 34677 => "SGI LogLuv",
            34887 => "LERC",
            34925 => "LZMA",
            50000 => "Zstandard",
            50001 => "WebP",
            50002 | 52546 => "JPEG XL",
            _ => "unknown",
        };
        if !name.is_empty() {
            return refused(format!("{name} compression (code {compression})"));
        }
        let photometric = self.value(tag::PHOTOMETRIC).unwrap_or(1);
        let name = match photometric {
            0..=3 | 5 => "",
            6 if compression == 7 => "",
            6 => "YCbCr without JPEG",
            4 => "transparency mask",
            8 => "CIE L*a*b*",
            9 => "ICC L*a*b*",
            10 => "ITU L*a*b*",
            32844 | 32845 => "LogLuv",
            _ => "unknown",
        };
        if !name.is_empty() {
            return refused(format!("{name} colours (photometric interpretation {photometric})"));
        }
        let (bits, format) = (self.value(tag::BITS).unwrap_or(1), self.value(tag::SAMPLE_FORMAT).unwrap_or(1));
        let is_read = match format {
            1 | 4 => {
                [8, 16, 32].contains(&bits) || ([1, 2, 4].contains(&bits) && self.value(tag::SAMPLES).unwrap_or(1) == 1)
            }
            3 => [16, 32, 64].contains(&bits),
            _ => false,
        };
        if !is_read {
            let name = ["", "", ", signed", ", floating point", "", ", complex", ", complex"];
            let name = name.get(format as usize).unwrap_or(&", unknown number type");
            return refused(format!("{bits} bits per channel{name}"));
        }
        if photometric == 3 && (bits > 8 || format == 3) {
            return refused(format!("palette with {bits} bits per pixel"));
        }
        if photometric == 5 && self.value(tag::INK_SET).unwrap_or(1) != 1 {
            return refused("inks other than CMYK".into());
        }
        if self.value(tag::FILL_ORDER).unwrap_or(1) == 2 && (bits < 8 || compression == 4) {
            return refused("reversed bit order (fill order 2)".into());
        }
        if compression == 4 && (bits != 1 || photometric > 1) {
            return refused("fax compression with more than 1 bit per pixel".into());
        }
        Ok(())
    }

    /// The kind of raw file: a TIFF whose first picture is a preview, or mosaic data.
    fn raw(&self) -> Option<&'static str> {
        if self.value(tag::DNG).is_some() {
            return Some("DNG");
        }
        if self.bytes.get(8..10) == Some(b"CR") && self.bytes.starts_with(b"II*\0\x10\0\0\0") {
            return Some("CR2");
        }
        let is_mosaic = matches!(self.value(tag::PHOTOMETRIC), Some(32803 | 34892));
        let is_preview = self.value(tag::SUBFILE).is_some_and(|kind| kind & 1 == 1);
        if !is_mosaic && !is_preview {
            // Sony's has a preview that is not marked as one.
            let old_jpeg = self.value(tag::COMPRESSION) == Some(6) && self.value(330).is_some();
            return (old_jpeg && self.text(tag::MAKE).starts_with(b"SONY")).then_some("ARW");
        }
        let make = self.text(tag::MAKE).to_ascii_uppercase();
        let names: [(&[u8], &str); 6] = [
            (b"NIKON", "NEF"),
            (b"SONY", "ARW"),
            (b"PENTAX", "PEF"),
            (b"SAMSUNG", "SRW"),
            (b"HASSELBLAD", "3FR"),
            (b"PHASE ONE", "IIQ"),
        ];
        let known = names.iter().find(|(start, _)| make.starts_with(start));
        Some(known.map_or("or a TIFF whose first picture is a preview", |(_, name)| name))
    }
}
