//! The golden files, and a picture from bytes.

#![allow(dead_code)]

use std::fs;

use serde::{Deserialize, Deserializer};
use style_pictures::{Format, Picture, Result, dimensions};
use tempfile::TempDir;

/// The output of `golden/make_pictures.py`.
#[derive(Deserialize)]
pub(crate) struct Golden {
    pub(crate) profiles: Vec<Profile>,
    pub(crate) pictures: Vec<Rgba>,
    pub(crate) files: Vec<File>,
    pub(crate) turned: Vec<Turned>,
}

#[derive(Deserialize)]
pub(crate) struct Profile {
    pub(crate) name: String,
    #[serde(deserialize_with = "hex")]
    pub(crate) png: Vec<u8>,
    #[serde(deserialize_with = "hex")]
    pub(crate) pixels: Vec<u8>,
    #[serde(deserialize_with = "hex")]
    pub(crate) lcms: Vec<u8>,
    pub(crate) exact: Option<Vec<f64>>,
}

#[derive(Deserialize)]
pub(crate) struct Rgba {
    pub(crate) width: usize,
    pub(crate) height: usize,
    #[serde(deserialize_with = "hex")]
    rgba: Vec<u8>,
}

impl Rgba {
    /// One channel, as 16 bits.
    pub(crate) fn plane(&self, channel: usize) -> Vec<f32> {
        self.rgba.chunks_exact(8).map(|p| f32::from(u16::from_be_bytes([p[2 * channel], p[2 * channel + 1]]))).collect()
    }
}

#[derive(Deserialize)]
pub(crate) struct File {
    pub(crate) name: String,
    #[serde(deserialize_with = "hex")]
    pub(crate) file: Vec<u8>,
    pub(crate) picture: usize,
    pub(crate) tolerance: f32,
}

#[derive(Deserialize)]
pub(crate) struct Turned {
    pub(crate) kind: String,
    pub(crate) orientation: u8,
    #[serde(deserialize_with = "hex")]
    pub(crate) file: Vec<u8>,
    pub(crate) picture: usize,
}

fn hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).map_err(serde::de::Error::custom);
    (0..text.len()).step_by(2).map(byte).collect()
}

pub(crate) fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/pictures.json")).expect("the golden file")
}

/// Opens a file of these bytes, whose header must have the same size.
pub(crate) fn open(bytes: &[u8]) -> Result<Picture> {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("picture");
    fs::write(&path, bytes).expect("writes");
    let picture = Picture::open(path)?;
    assert_eq!(dimensions(bytes)?, [picture.image.width(), picture.image.height()]);
    Ok(picture)
}

/// The largest distance of values.
pub(crate) fn distance<T: Copy + Into<f64>>(a: &[T], b: &[T]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(&a, &b)| (a.into() - b.into()).abs()).fold(0.0, f64::max)
}

/// The opacity of a picture with 16 bits, as saved to a file.
pub(crate) fn alpha(picture: &Picture) -> Vec<f32> {
    let file = picture.encode(Format::Png16).expect("encodes");
    let pixels = image::load_from_memory(&file).expect("reads").into_rgba16();
    pixels.pixels().map(|p| f32::from(p[3])).collect()
}
