//! `looks`: paints a fixed list of pairs with the default settings, prints metrics that change with the look, and draws
//! the sheet docs/looks.jpg.

mod figures;
mod losses;
mod sheet;
mod style;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use clap::Parser;
use style_pictures::Picture;

use crate::common::{parse, repository, target_folder};
use crate::{Failure, gallery};
use figures::{PERIODS, Plane};
pub(crate) use style::Eye;
use style::PARTS;

/// Photograph and painting.
const PAIRS: [(&str, &str); 12] = [
    ("tubingen", "starry_night"),
    ("tubingen", "shipwreck"),
    ("tubingen", "the_scream"),
    ("tubingen", "swirls"),
    ("tubingen", "mosaic"),
    ("cat", "swirls"),
    ("cat", "mosaic"),
    ("cat", "starry_night"),
    ("astronaut", "the_scream"),
    ("astronaut", "starry_night"),
    ("china", "starry_night"),
    ("china", "swirls"),
];
const SIZE: u32 = 512;
/// Metrics of smaller pictures are not meaningful.
const SMALLEST: usize = 64;

/// Paints a list of pairs with the default settings, prints metrics of the results and draws them side by side. The
/// results are out/looks/PHOTO_PAINTING_SIZE.png.
#[derive(Parser)]
struct Options {
    /// Folders of further pictures, PHOTO.jpg or .png; stylize/samples comes first
    #[arg(long, value_name = "FOLDER")]
    images: Vec<PathBuf>,

    /// Long sides of the results in pixels; the sheet shows the first
    #[arg(long, value_name = "N", num_args = 1.., value_delimiter = ',', default_values_t = [SIZE])]
    size: Vec<u32>,

    /// Pairs to use instead of the list
    #[arg(long, value_name = "PHOTO:PAINTING,...", value_delimiter = ',', value_parser = pair)]
    pairs: Vec<(String, String)>,

    /// Measure this picture and paint nothing; repeatable
    #[arg(long, num_args = 3, value_names = ["RESULT", "PHOTO", "PAINTING"])]
    measure: Vec<PathBuf>,

    /// File for the sheet [default: docs/looks.jpg, or out/looks/sheet.jpg with --size, --pairs or options of stylize]
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,

    /// Paint each pair with each loss instead, in the time that the default takes
    #[arg(long)]
    losses: bool,

    /// The weights that measure the style [default: the embedded ones]
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,

    /// Options of stylize, to examine other settings than the default
    #[arg(last = true, value_name = "OPTION")]
    stylize: Vec<String>,
}

impl Options {
    /// Whether the painted set is that of docs/looks.jpg.
    fn is_default(&self) -> bool {
        self.size == [SIZE] && self.pairs.is_empty() && self.stylize.is_empty()
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (photo, painting) = text.split_once(':').ok_or("expected PHOTO:PAINTING without file extensions")?;
    Ok((photo.into(), painting.into()))
}

pub(crate) fn run(args: impl Iterator<Item = String>) -> Result<(), Failure> {
    let options: Options = parse("looks", args);
    let eye = Eye::new(options.weights.as_deref())?;
    if !options.measure.is_empty() {
        println!("{}", Row::HEAD);
        for files in options.measure.chunks_exact(3) {
            let name = files[0].file_stem().unwrap_or_default().to_string_lossy();
            println!("{}", Row::measure(&eye, name.into(), None, [&files[0], &files[1], &files[2]])?);
        }
        return Ok(());
    }

    let root = repository("");
    let program = stylize()?;
    let results = root.join("out/looks");
    fs::create_dir_all(&results)?;

    let folders: Vec<_> = [root.join("stylize/samples")].into_iter().chain(options.images.iter().cloned()).collect();
    let mut pairs = options.pairs.clone();
    if pairs.is_empty() {
        pairs.extend(PAIRS.map(|(photo, painting)| (photo.into(), painting.into())));
    }
    let mut found = vec![];
    for (photo, painting) in pairs {
        match [&photo, &painting].map(|name| find(&folders, name).ok_or(name)) {
            [Ok(a), Ok(b)] => found.push((photo, painting, a, b)),
            [Err(missing), _] | [_, Err(missing)] => {
                println!("skipping {photo} x {painting}: picture {missing} not found")
            }
        }
    }
    if found.is_empty() {
        return Err("no pair has both pictures; name their folders with --images".into());
    }

    if options.losses {
        let to = options.sheet.unwrap_or_else(|| results.join("losses.jpg"));
        return losses::run(&eye, &program, &results, &found, options.size[0], &to);
    }

    println!("\n{}", Row::HEAD);
    let mut cells = vec![];
    for &size in &options.size {
        for (photo, painting, photo_file, painting_file) in &found {
            let result = results.join(format!("{photo}_{painting}_{size}.png"));
            let mut command = Command::new(&program);
            command.args([photo_file, painting_file]).args(["--size", &size.to_string(), "--quiet", "-o"]);
            let seconds = timed(command.arg(&result).args(&options.stylize))?;
            let files = [result.as_path(), photo_file, painting_file];
            println!("{}", Row::measure(&eye, format!("{photo} x {painting}"), Some(seconds), files)?);
            if size == options.size[0] {
                cells.push(sheet::Line {
                    names: [photo, painting],
                    files: [photo_file.clone(), painting_file.clone(), result],
                });
            }
        }
    }
    let default = if options.is_default() { "docs/looks.jpg" } else { "out/looks/sheet.jpg" };
    sheet::draw(&cells, &options.sheet.unwrap_or_else(|| root.join(default)))
}

/// The command, built.
pub(crate) fn stylize() -> Result<PathBuf, Failure> {
    gallery::cargo(&repository(""), "cargo build --release --bin stylize")?;
    Ok(target_folder()?.join(format!("release/stylize{}", std::env::consts::EXE_SUFFIX)))
}

/// The first picture with this name.
pub(crate) fn find(folders: &[PathBuf], name: &str) -> Option<PathBuf> {
    let files = folders.iter().flat_map(|folder| ["jpg", "png"].map(|end| folder.join(format!("{name}.{end}"))));
    files.into_iter().find(|file| file.is_file())
}

/// CPU time summed over threads, if the system reports it.
pub(crate) struct Seconds {
    pub(crate) wall: f64,
    pub(crate) cpu: Option<f64>,
}

pub(crate) fn timed(command: &mut Command) -> Result<Seconds, Failure> {
    let (start, cpu_start) = (Instant::now(), cpu_of_children());
    let status = command.status().map_err(|e| format!("{}: {e}", command.get_program().display()))?;
    if !status.success() {
        return Err(format!("{command:?}: {status}").into());
    }
    let cpu = cpu_of_children().zip(cpu_start).map(|(end, start)| end - start);
    Ok(Seconds { wall: start.elapsed().as_secs_f64(), cpu })
}

/// CPU seconds of all child processes that were waited for: on Linux, the 16th and 17th fields of this process's line
/// in /proc, in hundredths.
fn cpu_of_children() -> Option<f64> {
    let line = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in parentheses, and may contain spaces.
    let fields: Vec<_> = line.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |n: usize| fields.get(n - 3)?.parse::<f64>().ok();
    Some((ticks(16)? + ticks(17)?) / 100.0)
}

/// A result's row in the printed table.
pub(crate) struct Row {
    name: String,
    size: (usize, usize),
    pub(crate) seconds: Option<Seconds>,
    lattice: [f64; PERIODS.len()],
    grid: f64,
    frame: f64,
    pub(crate) edges: f64,
    pub(crate) style: [f64; PARTS.len()],
}

impl Row {
    const HEAD: &str = "\
| pair | size | seconds | CPU seconds | lattice 2 | 4 | 8 | grid | frame | edges kept | style 1 | 1/2 | 1/4 |
|---|---|---|---|---|---|---|---|---|---|---|---|---|";

    /// Measures a result against its photograph and painting.
    pub(crate) fn measure(
        eye: &Eye,
        name: String,
        seconds: Option<Seconds>,
        [result, photo, painting]: [&Path; 3],
    ) -> Result<Self, Failure> {
        let open = |path: &Path| Picture::open(path).map_err(|e| e.to_string());
        let result = open(result)?;
        let (width, height) = (result.image.width(), result.image.height());
        if width.min(height) < SMALLEST {
            return Err(format!("{name}: {width} x {height} pixels are too small for measurement").into());
        }
        let long_side = u32::try_from(result.long_side())?;
        let photo = open(photo)?.stretched(width, height)?.image;
        let painting = open(painting)?.sized(long_side)?.image;
        let luminance = Plane::luminance(width, height, &result.image.to_rgb8());
        Ok(Self {
            name,
            size: (width, height),
            seconds,
            lattice: PERIODS.map(|period| figures::lattice(&luminance, period)),
            grid: figures::grid(&luminance),
            frame: figures::frame(width, height, &result.image.to_rgb8()),
            edges: figures::edges_kept(&Plane::luminance(width, height, &photo.to_rgb8()), &luminance),
            style: eye.distances(&result.image, &painting)?,
        })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |s: Option<f64>| s.map_or("-".into(), |s| format!("{s:.1}"));
        let wall = seconds(self.seconds.as_ref().map(|s| s.wall));
        let cpu = seconds(self.seconds.as_ref().and_then(|s| s.cpu));
        write!(f, "| {} | {} x {} | {wall} | {cpu} |", self.name, self.size.0, self.size.1)?;
        for value in self.lattice.iter().chain([&self.grid, &self.frame, &self.edges]) {
            write!(f, " {value:.2} |")?;
        }
        for value in self.style {
            write!(f, " {value:.4} |")?;
        }
        Ok(())
    }
}
