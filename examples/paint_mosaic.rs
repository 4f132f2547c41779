//! Generates a sample style picture, `stylize/samples/mosaic.jpg`: a stained-glass window whose panes are the Voronoi
//! cells of a jittered grid, warm in some parts and cool in others, between rods of dark lead.
//!
//! `cargo run --release --example paint_mosaic -- stylize/samples/mosaic.jpg` regenerates it.

use image::RgbImage;

/// Size of the result, and the supersampling factor that smooths the edges.
const RESULT: (u32, u32) = (640, 480);
const FINER: u32 = 2;

/// Approximate width of a pane, and width of the lead on either side of an edge (pixels of the result).
const PANE: f32 = 34.0;
const LEAD: f32 = 2.4;

type Rgb = [f32; 3];

const WARM: [Rgb; 6] = [
    [178.0, 18.0, 36.0],
    [214.0, 62.0, 28.0],
    [238.0, 142.0, 22.0],
    [250.0, 200.0, 52.0],
    [252.0, 232.0, 158.0],
    [150.0, 20.0, 84.0],
];
const COOL: [Rgb; 6] = [
    [14.0, 96.0, 66.0],
    [34.0, 150.0, 88.0],
    [22.0, 134.0, 142.0],
    [92.0, 46.0, 142.0],
    [40.0, 58.0, 158.0],
    [176.0, 222.0, 190.0],
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: paint_mosaic FILE")?;
    let (width, height) = RESULT;
    let drawn = RgbImage::from_fn(width * FINER, height * FINER, |x, y| {
        let at = |n: u32| (n as f32 + 0.5) / FINER as f32;
        image::Rgb(glass(at(x), at(y)).map(|v| v.round().clamp(0.0, 255.0) as u8))
    });
    let picture = image::imageops::resize(&drawn, width, height, image::imageops::FilterType::CatmullRom);
    let bytes = std::fs::File::create(path)?;
    image::codecs::jpeg::JpegEncoder::new_with_quality(bytes, 82).encode_image(&picture)?;
    Ok(())
}

/// The window's colour at a point.
fn glass(x: f32, y: f32) -> Rgb {
    let (column, row) = ((x / PANE).floor() as i32, (y / PANE).floor() as i32);
    let around = (-2..=2).flat_map(|j| (-2..=2).map(move |i| (column + i, row + j)));
    let mut panes: Vec<_> = around.map(|(i, j)| Pane::new(i, j)).collect();
    let square = |p: &Pane| (p.x - x).powi(2) + (p.y - y).powi(2);
    panes.sort_by(|a, b| square(a).total_cmp(&square(b)));
    let own = &panes[0];
    // The bisector of two centres is the edge between their cells.
    let edge = |p: &Pane| (square(p) - square(own)) / (2.0 * ((p.x - own.x).powi(2) + (p.y - own.y).powi(2)).sqrt());
    let depth = panes[1..].iter().map(edge).fold(f32::INFINITY, f32::min);
    if depth < LEAD {
        // A rod, round and lit from the upper left.
        let across = depth / LEAD;
        let light = if own.x - x + own.y - y < 0.0 { 0.3 } else { 1.0 };
        return [30.0, 28.0, 32.0].map(|v| v * (0.4 + light * (1.0 - across * across).sqrt()));
    }
    // Thicker and so darker towards the rods, brighter away from the light, and uneven like blown glass.
    let slope = ((x - own.x) + (y - own.y)) / PANE;
    let bevel = 0.72 + 0.28 * ((depth - LEAD) / 6.0).min(1.0);
    let streaks = noise(0.05 * x + own.tone * 90.0, 0.3 * y) + 0.5 * noise(0.25 * x, 0.9 * y);
    let light = bevel * (1.0 + 0.22 * slope) * (0.84 + 0.2 * streaks) * (0.86 + 0.28 * own.tone);
    own.colour.map(|v| v * light)
}

/// A piece of glass.
struct Pane {
    x: f32,
    y: f32,
    colour: Rgb,
    /// This pane's tone in 0..1.
    tone: f32,
}

impl Pane {
    fn new(i: i32, j: i32) -> Self {
        let [a, b, tone, pick] = [1, 2, 3, 4].map(|salt| lattice(i, j, salt));
        let (x, y) = (PANE * (i as f32 + 0.1 + 0.8 * a), PANE * (j as f32 + 0.1 + 0.8 * b));
        let heat = noise(x / 120.0 + 3.0, y / 120.0);
        let hue = noise(x / 75.0 + 50.0, y / 75.0);
        let palette = if heat + 0.12 * (tone - 0.5) > 0.5 { WARM } else { COOL };
        let at = (0.6 * hue + 0.4 * pick) * palette.len() as f32;
        Self { x, y, colour: palette[(at as usize).min(palette.len() - 1)], tone }
    }
}

/// Value noise in 0..1, features of size 1.
fn noise(x: f32, y: f32) -> f32 {
    let (i, j) = (x.floor(), y.floor());
    let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
    let (fx, fy) = (smooth(x - i), smooth(y - j));
    let (i, j) = (i as i32, j as i32);
    let row = |j| lattice(i, j, 0) * (1.0 - fx) + lattice(i + 1, j, 0) * fx;
    row(j) * (1.0 - fy) + row(j + 1) * fy
}

/// A number in 0..1 for each point of a lattice.
fn lattice(i: i32, j: i32, salt: u32) -> f32 {
    let mut h = (i as u32).wrapping_mul(0x9e37_79b1) ^ (j as u32).wrapping_mul(0x85eb_ca77) ^ salt << 24;
    h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
    ((h ^ (h >> 15)) >> 8) as f32 / (1 << 24) as f32
}
