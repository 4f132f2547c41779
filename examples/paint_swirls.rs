//! Paints the sample style picture, `stylize/samples/swirls.jpg`: strokes that follow a field of vortices, in layers
//! from broad to fine, each stroke with the furrows of its bristles, lit from one side like thick paint.
//!
//! `cargo run --release --example paint_swirls -- stylize/samples/swirls.jpg` regenerates it.

use std::f32::consts::TAU;

use image::RgbImage;

/// Size of the result.
const RESULT: (u32, u32) = (512, 410);

/// Size of the canvas, which is downscaled to the result so that edges are smooth.
const WIDTH: usize = 1280;
const HEIGHT: usize = 1025;

type Rgb = [f32; 3];

/// A vortex: centre and radius in units of the picture's height, and direction of rotation.
struct Vortex {
    x: f32,
    y: f32,
    radius: f32,
    turn: f32,
}

const VORTICES: [Vortex; 6] = [
    Vortex { x: 0.33, y: 0.34, radius: 0.25, turn: 1.0 },
    Vortex { x: 0.86, y: 0.24, radius: 0.16, turn: -1.0 },
    Vortex { x: 0.82, y: 0.72, radius: 0.24, turn: 1.0 },
    Vortex { x: 0.36, y: 0.86, radius: 0.13, turn: -1.0 },
    Vortex { x: 1.17, y: 0.50, radius: 0.11, turn: 1.0 },
    Vortex { x: 0.05, y: 0.66, radius: 0.12, turn: 1.0 },
];

/// Colours of a vortex from its eye outwards.
const RINGS: [Rgb; 6] = [
    [255.0, 246.0, 200.0],
    [250.0, 208.0, 64.0],
    [236.0, 140.0, 30.0],
    [196.0, 62.0, 34.0],
    [38.0, 120.0, 140.0],
    [30.0, 64.0, 150.0],
];

/// Colours between the vortices, dark to light.
const DEEP: [Rgb; 6] = [
    [14.0, 20.0, 58.0],
    [24.0, 44.0, 120.0],
    [36.0, 84.0, 172.0],
    [34.0, 132.0, 160.0],
    [112.0, 184.0, 190.0],
    [214.0, 226.0, 196.0],
];

/// One layer of strokes; lengths in pixels.
struct Layer {
    width: f32,
    length: f32,
    spacing: f32,
    /// Maximum deviation of a stroke's tone.
    stray: f32,
}

const LAYERS: [Layer; 4] = [
    Layer { width: 60.0, length: 260.0, spacing: 30.0, stray: 0.10 },
    Layer { width: 38.0, length: 210.0, spacing: 24.0, stray: 0.16 },
    Layer { width: 24.0, length: 150.0, spacing: 20.0, stray: 0.22 },
    Layer { width: 13.0, length: 90.0, spacing: 22.0, stray: 0.30 },
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: paint_swirls FILE")?;
    let n = WIDTH * HEIGHT;
    let mut canvas = Canvas { colour: vec![DEEP[1]; n], height: vec![0.0; n], strokes: 0, touched: vec![0; n] };
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for layer in &LAYERS {
        let mut starts = vec![];
        let (columns, rows) =
            ((WIDTH as f32 / layer.spacing) as usize + 2, (HEIGHT as f32 / layer.spacing) as usize + 2);
        for i in 0..columns * rows {
            let at = |n: usize, r: f32| (n as f32 + r - 0.5) * layer.spacing;
            starts.push((at(i % columns, random.next()), at(i / columns, random.next())));
        }
        // Random order; otherwise each stroke would lie on its left neighbour.
        for i in (1..starts.len()).rev() {
            starts.swap(i, (random.next() * (i + 1) as f32) as usize);
        }
        for (x, y) in starts {
            canvas.stroke(layer, x, y, &mut random);
        }
    }
    let (width, height) = RESULT;
    let picture = image::imageops::resize(&canvas.lit(), width, height, image::imageops::FilterType::CatmullRom);
    let bytes = std::fs::File::create(path)?;
    image::codecs::jpeg::JpegEncoder::new_with_quality(bytes, 78).encode_image(&picture)?;
    Ok(())
}

/// The picture in progress: colour and thickness of the paint.
struct Canvas {
    colour: Vec<Rgb>,
    height: Vec<f32>,
    strokes: u32,
    /// The last stroke that reached each pixel.
    touched: Vec<u32>,
}

impl Canvas {
    /// Paints one stroke, from (x, y) along the flow.
    fn stroke(&mut self, layer: &Layer, x: f32, y: f32, random: &mut Random) {
        let width = layer.width * (0.7 + 0.6 * random.next());
        let length = layer.length * (0.5 + random.next());
        let tone = layer.stray * (2.0 * random.next() - 1.0);
        let shift = 0.12 * (2.0 * random.next() - 1.0);
        let base = scene(x, y, tone);
        let bristles = 1000.0 * random.next();
        let (mut px, mut py, mut s) = (x, y, 0.0);
        self.strokes += 1;
        while s < length {
            let (dx, dy) = flow(px, py);
            let taper = (4.0 * (s / length) * (1.0 - s / length)).min(1.0).sqrt();
            let r = 0.5 * width * (0.25 + 0.75 * taper);
            let reach = r.ceil() as isize + 1;
            for oy in -reach..=reach {
                for ox in -reach..=reach {
                    let (cx, cy) = (px as isize + ox, py as isize + oy);
                    if cx < 0 || cy < 0 || cx >= WIDTH as isize || cy >= HEIGHT as isize {
                        continue;
                    }
                    let (rx, ry) = (cx as f32 - px, cy as f32 - py);
                    let (along, across) = (rx * dx + ry * dy, (ry * dx - rx * dy) / r);
                    if along.abs() > 1.0 || across.abs() >= 1.0 {
                        continue;
                    }
                    let i = cy as usize * WIDTH + cx as usize;
                    // Only a stroke's first contact with a pixel counts: it does not paint over itself.
                    if std::mem::replace(&mut self.touched[i], self.strokes) == self.strokes {
                        continue;
                    }
                    let furrow = noise(bristles + 0.22 * across * width, 0.01 * s + bristles);
                    let dry = noise(0.45 * across * width - bristles, 0.03 * s);
                    if s > 0.6 * length && dry < (s / length - 0.6) * 1.2 {
                        continue;
                    }
                    let bright = 1.0 + 0.36 * (furrow - 0.5) + shift;
                    self.colour[i] = base.map(|v| v * bright);
                    let ridge = 1.0 - across.powi(4) + 0.5 * across.abs().powi(3);
                    self.height[i] = 0.5 * self.height[i] + (1.0 + 0.06 * width) * ridge * (0.45 + furrow);
                }
            }
            (px, py, s) = (px + dx, py + dy, s + 1.0);
        }
    }

    /// Renders the paint under a light from the upper left.
    fn lit(&self) -> RgbImage {
        let h = |x: usize, y: usize| self.height[y.min(HEIGHT - 1) * WIDTH + x.min(WIDTH - 1)];
        RgbImage::from_fn(WIDTH as u32, HEIGHT as u32, |x, y| {
            let (x, y) = (x as usize, y as usize);
            let (sx, sy) = (h(x + 1, y) - h(x.max(1) - 1, y), h(x, y + 1) - h(x, y.max(1) - 1));
            let slope = 0.7 * sx + 0.7 * sy;
            let light = (1.0 + 0.30 * slope).clamp(0.55, 1.5);
            let gleam = 70.0 * (slope - 0.9).clamp(0.0, 1.0);
            image::Rgb(self.colour[y * WIDTH + x].map(|v| (v * light + gleam).round().clamp(0.0, 255.0) as u8))
        })
    }
}

/// The direction of the brush at a point: a unit vector.
fn flow(x: f32, y: f32) -> (f32, f32) {
    let (u, v) = (x / HEIGHT as f32, y / HEIGHT as f32);
    let angle = 0.35 + 1.1 * (fractal(2.2 * u + 7.0, 2.2 * v) - 0.5) * TAU / 2.0;
    let (mut dx, mut dy) = (0.55 * angle.cos(), 0.55 * angle.sin());
    for vortex in &VORTICES {
        let (rx, ry) = (u - vortex.x, v - vortex.y);
        let d = (rx * rx + ry * ry).sqrt() / vortex.radius;
        let strength = 2.2 * vortex.turn * (-d * d * 0.7).exp() / (d * vortex.radius).max(1e-3);
        // Mostly around, a little inwards.
        dx += strength * (-ry - 0.12 * rx * vortex.turn);
        dy += strength * (rx - 0.12 * ry * vortex.turn);
    }
    let length = (dx * dx + dy * dy).sqrt().max(1e-6);
    (dx / length, dy / length)
}

/// The scene to be painted, deviating by `tone`.
fn scene(x: f32, y: f32, tone: f32) -> Rgb {
    let (u, v) = (x / HEIGHT as f32, y / HEIGHT as f32);
    let wobble = fractal(5.0 * u, 5.0 * v + 3.0) - 0.5;
    let nearest = VORTICES.iter().map(|w| ((u - w.x).powi(2) + (v - w.y).powi(2)).sqrt() / w.radius);
    let d = nearest.fold(f32::INFINITY, f32::min) + 0.35 * wobble + 0.5 * tone;
    if d < 1.0 {
        return ramp(&RINGS, d);
    }
    let depth = fractal(2.6 * u + 20.0, 4.5 * v + 11.0);
    let ember = fractal(3.1 * u + 40.0, 6.0 * v);
    if ember > 0.64 {
        return ramp(&RINGS, 0.2 + 1.8 * (0.9 - ember) + 0.6 * tone);
    }
    ramp(&DEEP, 1.9 * (depth - 0.26) + tone)
}

/// A colour of a palette; 0 is its first and 1 its last.
fn ramp(palette: &[Rgb], t: f32) -> Rgb {
    let p = t.clamp(0.0, 1.0) * (palette.len() - 1) as f32;
    let i = (p as usize).min(palette.len() - 2);
    let f = p - i as f32;
    [0, 1, 2].map(|c| palette[i][c] * (1.0 - f) + palette[i + 1][c] * f)
}

/// Value noise in 0..1 with features of size 1.
fn noise(x: f32, y: f32) -> f32 {
    let lattice = |i: i32, j: i32| {
        let mut h = (i as u32).wrapping_mul(0x9e37_79b1) ^ (j as u32).wrapping_mul(0x85eb_ca77);
        h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
        h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
        ((h ^ (h >> 15)) >> 8) as f32 / (1 << 24) as f32
    };
    let (i, j) = (x.floor(), y.floor());
    let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
    let (fx, fy) = (smooth(x - i), smooth(y - j));
    let (i, j) = (i as i32, j as i32);
    let row = |j| lattice(i, j) * (1.0 - fx) + lattice(i + 1, j) * fx;
    row(j) * (1.0 - fy) + row(j + 1) * fy
}

/// Three octaves of noise, still in 0..1.
fn fractal(x: f32, y: f32) -> f32 {
    (noise(x, y) + 0.5 * noise(2.0 * x, 2.0 * y + 5.0) + 0.25 * noise(4.0 * x, 4.0 * y + 9.0)) / 1.75
}

/// xorshift64*.
struct Random(u64);

impl Random {
    /// Uniform in 0..1.
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as f32 / (1 << 24) as f32
    }
}
