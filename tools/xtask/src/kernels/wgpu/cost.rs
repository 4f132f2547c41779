//! The cost of a dispatch, from its parameters.

use std::collections::HashMap;
use std::ops::AddAssign;

use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, TypeInner};
use style_wgpu::record::Launch;

use crate::Failure;

/// Operations of f32 or of integers for a term of a sum in pairs: `plus` in style-wgpu/kernels/pair.wgsl.
const PAIRED: f64 = 20.0;

/// Those for the sum of two pairs: `plus_pair` there.
const PAIRS: f64 = 40.0;

/// What a dispatch computes and moves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cost {
    /// Operations of f32, two a multiply-add, with those of whole tiles, as the device computes them.
    pub(super) flops: f64,
    /// Bytes read and written if each is moved once.
    pub(super) least: f64,
    /// Bytes that workgroups request: what they share counts for each of them. Caches serve most of the difference.
    pub(super) requested: f64,
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.flops += other.flops;
        self.least += other.least;
        self.requested += other.requested;
    }
}

/// The parameters of a dispatch by their names in the kernel's WGSL.
struct Named {
    words: HashMap<String, u32>,
    groups: f64,
    what: String,
}

impl Named {
    fn of(launch: &Launch) -> Result<Self, Failure> {
        let (name, source) = (launch.kernel(), launch.source());
        let module = naga::front::wgsl::parse_str(&source).map_err(|e| format!("{name}: {e}"))?;
        let info = Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module)?;
        let at = module.entry_points.iter().position(|e| e.name == name).ok_or_else(|| format!("no kernel {name}"))?;
        let uses = info.get_entry_point(at);
        let mut uniforms = module
            .global_variables
            .iter()
            .filter(|(handle, variable)| variable.space == AddressSpace::Uniform && !uses[*handle].is_empty());
        let (_, uniform) = uniforms.next().ok_or_else(|| format!("{name} has no parameters"))?;
        let TypeInner::Struct { members, .. } = &module.types[uniform.ty].inner else {
            return Err(format!("the parameters of {name} are no structure").into());
        };
        let word = |offset: u32| launch.parameters().get(offset as usize / 4).copied().unwrap_or(0);
        let words = members.iter().filter_map(|m| Some((m.name.clone()?, word(m.offset)))).collect();
        let groups = launch.groups().map(f64::from).iter().product();
        Ok(Self { words, groups, what: name.to_owned() })
    }

    fn word(&self, name: &str) -> Result<u32, Failure> {
        self.words.get(name).copied().ok_or_else(|| format!("{} has no parameter {name}", self.what).into())
    }

    fn get(&self, name: &str) -> Result<f64, Failure> {
        Ok(f64::from(self.word(name)?))
    }

    /// Twice where results are added to what is there.
    fn written(&self) -> Result<f64, Failure> {
        Ok(if self.word("acc")? == 1 { 2.0 } else { 1.0 })
    }
}

/// What a dispatch is for, and its cost.
pub(super) fn cost(launch: &Launch) -> Result<(String, Cost), Failure> {
    let named = Named::of(launch)?;
    match launch.kernel() {
        "conv2d" => convolution(&named, [8, 16], 64),
        "conv2d_to_picture" => convolution(&named, [16, 32], 4),
        "gram" => gram(&named),
        "gram_finish" => gram_finish(&named),
        "product" => product(&named),
        "dots" => {
            // Vectors that are missing are one of the others: their reads are not counted.
            let length = named.get("length")?;
            Ok(each(length, 8.0 * (PAIRED + 1.0), 4.0, 24.0))
        }
        "half_squared_distance" => Ok(each(named.get("length")?, PAIRED + 2.0, 8.0, 8.0)),
        "half_squared_distance_bwd" => {
            let bytes = 8.0 + 4.0 * named.written()?;
            Ok(each(named.get("length")?, 3.0, bytes, bytes))
        }
        "copy" | "scale" => Ok(each(named.get("length")?, 1.0, 8.0, 8.0)),
        "rectify" => Ok(each(named.get("length")?, 1.0, 8.0, 8.0)),
        "adam" => Ok(each(named.get("length")?, 12.0, 28.0, 28.0)),
        // Two differences of each value, squared: the report of a picture's total variation.
        "tv" => Ok(each(named.get("length")?, 2.0 * (PAIRED + 2.0), 4.0, 12.0)),
        "reduce" => {
            let count = named.groups * named.get("count")?;
            Ok(("sums".into(), each(count, PAIRS, 16.0, 32.0).1))
        }
        other => Err(format!("the kernel {other} has no cost in tools/xtask/src/kernels/wgpu/cost.rs").into()),
    }
}

/// Operations and bytes of each of so many values.
fn each(count: f64, flops: f64, least: f64, requested: f64) -> (String, Cost) {
    (format!("{count} values"), Cost { flops: count * flops, least: count * least, requested: count * requested })
}

/// Tiles of rows and columns with so many output channels, and a halo of one.
fn convolution(named: &Named, [rows, columns]: [u32; 2], channels: u32) -> Result<(String, Cost), Failure> {
    let (height, width) = (named.word("height")?, named.word("width")?);
    let [x_quads, y_quads, blocks] = [named.get("x_quads")?, named.get("y_quads")?, named.get("blocks")?];
    let epilogue = named.word("epilogue")?;
    let positions = f64::from(height) * f64::from(width);
    let all = f64::from(height.div_ceil(rows)) * named.get("columns")? * blocks;
    // A convolution may be cut into several dispatches.
    let count = named.get("count")?;
    let share = count / all;
    let tile = f64::from(rows * columns);
    let values = |quads: f64, single: u32| if single == 1 { 4.0 } else { 16.0 * quads };
    let (of_x, of_y) = (values(x_quads, named.word("x_single")?), values(y_quads, named.word("y_single")?));
    let quarter = |pooled: bool| if pooled { 0.25 } else { 1.0 };
    // A word of a gate is for eight positions.
    let gate = |present: bool, quads: f64| if present { quads * 4.0 / 8.0 } else { 0.0 };
    let read = of_x * quarter(named.word("pooled")? == 1) + gate(named.word("gated")? == 1, x_quads);
    let written = of_y * quarter(epilogue >= 4) * named.written()? + gate(epilogue == 3 || epilogue == 5, y_quads);
    // Nine taps of four channels for each output channel.
    let filters = x_quads * 9.0 * 4.0 * 4.0 * f64::from(channels);
    let halo = f64::from((rows + 2) * (columns + 2));
    let direction = if epilogue == 0 { ", backward" } else { "" };
    Ok((
        format!("{} to {} channels, {height} x {width}{direction}", 4.0 * x_quads, 4.0 * y_quads),
        Cost {
            flops: count * 18.0 * f64::from(channels) * tile * 4.0 * x_quads,
            least: share * (positions * (read + written) + blocks * filters),
            requested: count * (halo * read + filters) + share * positions * written,
        },
    ))
}

/// Tiles of 64 by 64, summed over a part of the positions.
fn gram(named: &Named) -> Result<(String, Cost), Failure> {
    let [count, positions, parts, channels] =
        [named.get("count")?, named.get("positions")?, named.get("parts")?, named.get("channels")?];
    let [side, stride] = [named.get("side")?, named.get("stride")?];
    let share = count / (parts * side * (side + 1.0) / 2.0);
    let partial = count * 64.0 * 64.0 * 4.0;
    Ok((
        format!("{channels} channels, {positions} positions"),
        Cost {
            flops: count * 2.0 * 64.0 * 64.0 * positions / parts,
            least: share * positions * stride * 4.0 + partial,
            requested: count * 2.0 * 64.0 * 4.0 * positions / parts + partial,
        },
    ))
}

fn gram_finish(named: &Named) -> Result<(String, Cost), Failure> {
    let [parts, channels, side] = [named.get("parts")?, named.get("channels")?, named.get("side")?];
    let values = side * (side + 1.0) / 2.0 * 64.0 * 64.0;
    let bytes = values * parts * 4.0 + channels * channels * 4.0 * named.written()?;
    let cost = Cost { flops: values * parts * PAIRED, least: bytes, requested: bytes };
    Ok((format!("{channels} channels, {parts} parts"), cost))
}

/// Tiles of 64 by 64, over batches of 16.
fn product(named: &Named) -> Result<(String, Cost), Failure> {
    let [count, rows, inner, columns] =
        [named.get("count")?, named.get("rows")?, named.get("inner")?, named.get("columns")?];
    let [tiles, step] = [named.get("tiles")?, named.get("a_step")?];
    let share = count / ((rows / 64.0).ceil() * tiles);
    let factors = if named.word("symmetric")? == 1 { 2.0 } else { 1.0 };
    let output = rows * named.get("written")? * 4.0 * named.written()?;
    Ok((
        format!("{rows} x {inner} by {inner} x {columns}"),
        Cost {
            flops: count * 2.0 * 64.0 * 64.0 * (inner / 16.0).ceil() * 16.0,
            least: share * (rows * step * 4.0 + inner * columns * 4.0 + output),
            requested: count * 64.0 * 4.0 * inner * (1.0 + factors) + share * output,
        },
    ))
}
