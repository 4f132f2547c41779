//! Writing TIFF: compressed by Deflate, with a profile.

use std::borrow::Cow;
use std::io::Cursor;

use tiff::TiffResult;
use tiff::encoder::colortype::{ColorType as Colours, RGB8, RGB16, RGBA8, RGBA16};
use tiff::encoder::compression::DeflateLevel;
use tiff::encoder::{Compression, TiffEncoder, TiffValue};
use tiff::tags::{ExtraSamples, Predictor, Tag, Type};

/// A file of RGB or, with a fourth value per pixel, of RGBA with straight alpha.
pub(crate) fn encode8(values: &[u8], size: [u32; 2], alpha: bool, icc: &[u8]) -> TiffResult<Vec<u8>> {
    if alpha { encode::<RGBA8>(values, size, alpha, icc) } else { encode::<RGB8>(values, size, alpha, icc) }
}

/// The same with 16 bits per channel.
pub(crate) fn encode16(values: &[u16], size: [u32; 2], alpha: bool, icc: &[u8]) -> TiffResult<Vec<u8>> {
    if alpha { encode::<RGBA16>(values, size, alpha, icc) } else { encode::<RGB16>(values, size, alpha, icc) }
}

/// Bytes of the type required for a profile.
struct Opaque<'a>(&'a [u8]);

impl TiffValue for Opaque<'_> {
    const BYTE_LEN: u8 = 1;
    const FIELD_TYPE: Type = Type::UNDEFINED;

    fn count(&self) -> usize {
        self.0.len()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0)
    }
}

fn encode<C: Colours>(values: &[C::Inner], [width, height]: [u32; 2], alpha: bool, icc: &[u8]) -> TiffResult<Vec<u8>>
where
    [C::Inner]: TiffValue,
{
    let mut file = Cursor::new(vec![]);
    let mut encoder = TiffEncoder::new(&mut file)?
        .with_compression(Compression::Deflate(DeflateLevel::Balanced))
        .with_predictor(Predictor::Horizontal);
    let mut picture = encoder.new_image::<C>(width, height)?;
    picture.encoder().write_tag(Tag::IccProfile, Opaque(icc))?;
    if alpha {
        picture.encoder().write_tag(Tag::ExtraSamples, &[ExtraSamples::UnassociatedAlpha.to_u16()][..])?;
    }
    picture.write_data(values)?;
    Ok(file.into_inner())
}
