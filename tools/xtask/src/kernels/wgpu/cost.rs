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
        "conv2d_winograd_input" => winograd(&named, Stage::Input),
        "conv2d_winograd_product" => winograd(&named, Stage::Product),
        "conv2d_winograd_output" => winograd(&named, Stage::Output),
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

/// The maps of a convolution.
struct Maps {
    height: u32,
    width: u32,
    positions: f64,
    /// Groups of four channels, read and written.
    quads: [f64; 2],
    /// Bytes of a position with its share of a gate, before a pool, read and written.
    read: f64,
    written: f64,
    shape: String,
}

impl Maps {
    fn of(named: &Named) -> Result<Self, Failure> {
        let (height, width) = (named.word("height")?, named.word("width")?);
        let quads = [named.get("x_quads")?, named.get("y_quads")?];
        let epilogue = named.word("epilogue")?;
        let values = |quads: f64, single: u32| if single == 1 { 4.0 } else { 16.0 * quads };
        let (of_x, of_y) = (values(quads[0], named.word("x_single")?), values(quads[1], named.word("y_single")?));
        let quarter = |pooled: bool| if pooled { 0.25 } else { 1.0 };
        // A word of a gate is for eight positions.
        let gate = |present: bool, quads: f64| if present { quads * 4.0 / 8.0 } else { 0.0 };
        let read = of_x * quarter(named.word("pooled")? == 1) + gate(named.word("gated")? == 1, quads[0]);
        let written = of_y * quarter(epilogue >= 4) * named.written()? + gate(epilogue == 3 || epilogue == 5, quads[1]);
        let direction = if epilogue == 0 { ", backward" } else { "" };
        let shape = format!("{} to {} channels, {height} x {width}{direction}", 4.0 * quads[0], 4.0 * quads[1]);
        let positions = f64::from(height) * f64::from(width);
        Ok(Self { height, width, positions, quads, read, written, shape })
    }
}

/// Tiles of rows and columns with so many output channels, and a halo of one.
fn convolution(named: &Named, [rows, columns]: [u32; 2], channels: u32) -> Result<(String, Cost), Failure> {
    let Maps { height, width, positions, quads: [x_quads, _], read, written, shape } = Maps::of(named)?;
    let blocks = named.get("blocks")?;
    let all = f64::from(height.div_ceil(rows)) * f64::from(width.div_ceil(columns)) * blocks;
    // A convolution may be cut into several dispatches.
    let count = named.get("count")?;
    let share = count / all;
    let tile = f64::from(rows * columns);
    // Nine taps of four channels for each output channel.
    let filters = x_quads * 9.0 * 4.0 * 4.0 * f64::from(channels);
    let halo = f64::from((rows + 2) * (columns + 2));
    Ok((
        shape,
        Cost {
            flops: count * 18.0 * f64::from(channels) * tile * 4.0 * x_quads,
            least: share * (positions * (read + written) + blocks * filters),
            requested: count * (halo * read + filters) + share * positions * written,
        },
    ))
}

/// A kernel of Winograd's.
enum Stage {
    Input,
    Product,
    Output,
}

/// A block of tiles of 2 x 2 outputs, each with 16 points of every channel.
fn winograd(named: &Named, stage: Stage) -> Result<(String, Cost), Failure> {
    let Maps { height, positions, quads: [x_quads, y_quads], read, written, shape, .. } = Maps::of(named)?;
    let (tiles, blocks, count) = (named.get("tiles")?, named.get("blocks")?, named.get("count")?);
    let of_map = f64::from(height.div_ceil(2)) * named.get("columns")?;
    // Positions of the map that belong to the block; its last strip may go beyond.
    let own = positions * tiles.min(of_map - named.get("base")?) / of_map;
    let points = |quads: f64| 16.0 * 16.0 * quads * tiles;
    let whole = match stage {
        // 32 additions a channel; of 16 inputs each belongs to four tiles.
        Stage::Input => Cost {
            flops: 32.0 * 4.0 * x_quads * tiles,
            least: own * read + points(x_quads),
            requested: 16.0 * tiles * read + points(x_quads),
        },
        // A workgroup has 128 tiles by 64 channels of a point, eight input channels at a time.
        Stage::Product => {
            let (groups, inner) = (16.0 * tiles / 128.0 * blocks, 4.0 * x_quads);
            Cost {
                flops: groups * 2.0 * 128.0 * 64.0 * (inner / 8.0).ceil() * 8.0,
                least: points(x_quads) + 16.0 * blocks * 64.0 * inner * 4.0 + points(y_quads),
                requested: groups * (128.0 + 64.0) * inner * 4.0 + points(y_quads),
            }
        }
        // 24 additions a channel.
        Stage::Output => {
            let bytes = points(y_quads) + own * written;
            Cost { flops: 24.0 * 4.0 * y_quads * tiles, least: bytes, requested: bytes }
        }
    };
    // A dispatch may be a part of it.
    let groups = match stage {
        Stage::Input => (x_quads / 8.0).ceil() * tiles / 32.0,
        Stage::Product => 16.0 * tiles / 128.0 * blocks,
        Stage::Output => (y_quads / 8.0).ceil() * tiles / 64.0,
    };
    let share = count / groups;
    let Cost { flops, least, requested } = whole;
    Ok((shape, Cost { flops: share * flops, least: share * least, requested: share * requested }))
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
