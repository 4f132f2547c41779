//! Runs the program `stylize`: its results, the properties kept from the photograph, and its error messages.

mod experiments;
mod jobs;
mod maps;
#[cfg(feature = "studio")]
mod pages;
mod pictures;
#[cfg(feature = "studio")]
mod studio;
mod terminal;
mod tool;
mod video;
mod video_note;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use image::{DynamicImage, ImageReader, Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

/// The program that cargo built for this test.
const TOOL: &str = env!("CARGO_BIN_EXE_stylize");

/// Weights in a file: those that are also inside the program.
const WEIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../style-models/weights/vgg16-q8.safetensors.gz");

/// A temporary folder for a test, with two pictures.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        let bench = Self(TempDir::new().expect("a temporary folder"));
        photograph(40, 32).save(bench.path("photo.png")).expect("saves");
        painting(36, 36).save(bench.path("art.png")).expect("saves");
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The program, ready to run in this folder.
    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(TOOL);
        command.env("HOME", self.0.path()).env("XDG_CONFIG_HOME", self.path("settings"));
        command.current_dir(self.0.path()).args(line.split_whitespace());
        command
    }

    fn run(&self, line: &str) -> Output {
        self.command(line).output().expect("runs")
    }

    /// Runs successfully.
    fn paint(&self, line: &str) -> String {
        let output = self.run(line);
        let said = said(&output);
        assert!(output.status.success(), "{line}: {said}");
        said
    }

    /// Fails with an error that contains all of `words`.
    fn fail(&self, line: &str, words: &[&str]) {
        let output = self.run(line);
        let said = said(&output);
        assert!(!output.status.success(), "{line} did not fail: {said}");
        assert!(matches!(output.status.code(), Some(1 | 2)), "{line}: {:?}: {said}", output.status);
        assert!(said.lines().any(|l| l.starts_with("error: ")), "{line}: {said}");
        for word in words {
            assert!(said.contains(word), "{line}: {word:?} is not in: {said}");
        }
        assert!(!self.path("x.png").exists(), "{line}");
    }

    fn open(&self, name: &str) -> DynamicImage {
        ImageReader::open(self.path(name)).expect("is there").decode().expect("is a picture")
    }

    fn log(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn photograph(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let disc = (x as i32 - 18).pow(2) + (y as i32 - 15).pow(2) < 90;
        Rgb([(5 * x) as u8, (7 * y) as u8, if disc { 220 } else { 40 }])
    })
}

fn painting(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        if (x + y) / 4 % 2 == 0 { Rgb([230, 180, 30]) } else { Rgb([20, 60, (3 * x) as u8]) }
    })
}

fn number(line: &Value, key: &str) -> f64 {
    line[key].as_f64().unwrap_or_else(|| panic!("{key} in {line}"))
}

#[test]
fn paints_and_logs() {
    let bench = Bench::new();
    let said = bench
        .paint("photo.png art.png -o x.png --size 48 --iterations 12 --init content --log log.jsonl --tv-weight 1e-9");
    for word in ["photo.png at 48x38 from 40x32", "art.png at 48x48", "VGG-16", "sha256", "cpu", "MiB", "12 iterations"]
    {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    let picture = bench.open("x.png");
    assert_eq!((picture.width(), picture.height()), (48, 38));

    let log = bench.log("log.jsonl");
    assert_eq!(log.len(), 12);
    let layers = [("conv1_1", 0.37), ("conv2_1", 0.37), ("conv3_1", 0.18), ("conv4_1", 0.07), ("conv5_1", 0.01)];
    for (i, line) in log.iter().enumerate() {
        let keys: Vec<_> = line.as_object().expect("an object").keys().map(String::as_str).collect();
        let mut wanted = ["iteration", "width", "seconds", "content", "style", "tv", "total", "layers"];
        wanted.sort_unstable();
        assert_eq!(keys, wanted);
        assert_eq!(line["iteration"].as_u64(), Some(i as u64 + 1));
        let sum = layers.iter().map(|(layer, weight)| weight * number(&line["layers"], layer)).sum::<f64>();
        let style = number(line, "style");
        assert!((sum - style).abs() <= 1e-12 * style, "{line}");
    }
    assert!(log.windows(2).all(|w| number(&w[0], "seconds") <= number(&w[1], "seconds")));
    // The photograph is the start, so only its content loss is zero.
    assert_eq!(number(&log[0], "content"), 0.0);
    assert!(log.iter().any(|line| number(line, "total") < 0.5 * number(&log[0], "total")));
}

#[test]
fn weights_are_those_of_the_log() {
    let bench = Bench::new();
    bench.paint(
        "photo.png art.png -o x.png --size native --iterations 2 --log log.jsonl --preset gatys --content-weight 3 \
         --style-weight 50 --tv-weight 0.5 --content-layers conv3_1=2 --style-layers conv1_1,conv2_1=0.25 --quiet",
    );
    for line in bench.log("log.jsonl") {
        let style = 0.5 * number(&line["layers"], "conv1_1") + 0.25 * number(&line["layers"], "conv2_1");
        assert!((number(&line, "style") - style).abs() <= 1e-12 * style, "{line}");
        let total = 3.0 * number(&line, "content") + 50.0 * style + 0.5 * number(&line, "tv");
        assert!((number(&line, "total") - total).abs() <= 1e-12 * total, "{line}");
        assert!(number(&line, "content") > 0.0, "the start is noise: {line}");
    }
}

#[test]
fn threads_and_repetition_change_nothing_but_a_seed_does() {
    let bench = Bench::new();
    let paint = |options: &str| {
        bench.paint(&format!("photo.png art.png -o x.png --size 32 --iterations 3 --preset gatys {options}"));
        fs::read(bench.path("x.png")).expect("is there")
    };
    let once = paint("--threads 1");
    assert_eq!(once, paint("--threads 1"));
    assert_eq!(once, paint("--threads 3"));
    assert_ne!(once, paint("--seed 1"));
}

/// The losses of the start image.
fn first_total(bench: &Bench, options: &str) -> f64 {
    bench.paint(&format!("photo.png art.png -o x.png --size 48 --iterations 1 --init noise --log log.jsonl {options}"));
    let log = fs::read_to_string(bench.path("log.jsonl")).expect("is there");
    let line = log.lines().find(|line| line.contains("total")).expect("a line of losses");
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    line["total"].as_f64().expect("a number")
}

#[test]
fn direct_convolution_gives_the_same_losses_but_for_rounding() {
    let bench = Bench::new();
    let [planned, direct] = ["", "--direct"].map(|option| first_total(&bench, option));
    assert!((planned / direct - 1.0).abs() < 1e-5, "{planned} instead of {direct}");
    assert_ne!(planned, direct, "direct convolution was not used");
}

#[test]
fn a_plan_is_printed_and_nothing_painted() {
    let bench = Bench::new();
    let told = |options: &str| {
        let output = bench.run(&format!("photo.png art.png -o x.png --size 64 --plan --quiet {options}"));
        assert!(output.status.success() && !bench.path("x.png").exists());
        String::from_utf8(output.stdout).expect("text")
    };
    let planned = told("");
    let layer = |name: &str| planned.lines().find(|l| l.starts_with(name)).expect("told").to_owned();
    assert!(layer("conv1_1").contains("direct") && layer("conv1_2").contains("with the pool behind it"), "{planned}");
    assert!(layer("conv2_1").contains("winograd F(4x4, 3x3)") && layer("peak").contains("MiB"), "{planned}");
    assert!(!told("--direct").contains("winograd"));
    let output = bench.run("photo.png art.png --size 64 --plan");
    assert!(output.status.success() && !bench.path("out").exists(), "{}", said(&output));
}

/// Detected before the work, whose result would otherwise be lost.
#[test]
fn a_name_that_no_file_can_have_is_refused_at_once() {
    let bench = Bench::new();
    let long = "a".repeat(300);
    bench.fail(&format!("photo.png art.png -o {long}.png --size 48 --iterations 1"), &["cannot write", "aaa.png"]);
}

#[test]
fn from_coarse_to_fine() {
    let bench = Bench::new();
    let said = bench.paint("photo.png art.png -o x.png --size 48 --iterations 2 --scales 20=3,30=2 --log log.jsonl");
    assert!(said.contains("3 at 20 px, 2 at 30 px, 2 iterations") && said.contains("after 7 iterations"), "{said}");
    let widths: Vec<_> = bench.log("log.jsonl").iter().map(|line| number(line, "width")).collect();
    assert_eq!(widths, [20.0, 20.0, 20.0, 30.0, 30.0, 48.0, 48.0]);
    assert_eq!((bench.open("x.png").width(), bench.open("x.png").height()), (48, 38));
    // By default, scales take no more time than the requested iterations.
    let said = bench.paint("photo.png art.png -o x.png --size 182 --iterations 5");
    assert!(said.contains("2 at 129 px, 4 iterations"), "{said}");
    // Snapshots of coarse scales have the result's size.
    bench.paint("photo.png art.png -o y.png --size 48 --iterations 1 --scales 20=1 --snapshot-every 1 --ema 0.5");
    assert_eq!(bench.open("y_0001.png").width(), 48);
}

#[test]
fn a_size_ends_where_more_would_change_little() {
    let bench = Bench::new();
    let line = "photo.png art.png -o x.png --size 32 --scales none --iterations 40 --log log.jsonl";
    let said = bench.paint(&format!("{line} --until 0.9"));
    assert!(said.contains("at most 40 iterations") && said.contains("after 20 iterations"), "{said}");
    assert!(said.contains(", as --until asks") && !said.contains("change little"), "a tenth is not little: {said}");
    assert_eq!(bench.log("log.jsonl").len(), 20);
    let said = bench.paint(
        "photo.png art.png -o x.png --size 16 --style-layers conv1_1 --scales none --iterations 400 --until good",
    );
    assert!(said.contains(", where more would change little"), "{said}");
    bench.paint(&format!("{line} --until 0"));
    assert_eq!(bench.log("log.jsonl").len(), 40);
}

#[test]
fn a_preview_is_written_where_no_file_is() {
    let bench = Bench::new();
    let line = "photo.png art.png -o x.png --size 48 --iterations 1 --scales 20=1";
    let said = bench.paint(line);
    assert!(said.contains("preview  x_preview.png after"), "{said}");
    assert!(!bench.path("x_preview.png").exists(), "the preview remains next to the result");

    fs::write(bench.path("x_preview.png"), "somebody's").expect("writes");
    let said = bench.paint(line);
    assert!(said.contains("preview  none: x_preview.png exists;"), "{said}");
    assert_eq!(fs::read(bench.path("x_preview.png")).expect("is there"), b"somebody's");
}

#[test]
fn in_as_much_memory_as_is_allowed() {
    let bench = Bench::new();
    let line = "photo.png art.png -o x.png --size 320 --optimizer adam --iterations 2 --scales none --log log.jsonl";
    let said = bench.paint(line);
    let memory = |said: &str| {
        let line = said.lines().find(|l| l.starts_with("memory")).expect("told").to_owned();
        line.split_whitespace().nth(1).and_then(|mib| mib.parse::<usize>().ok()).expect("a number")
    };
    let (whole, log) = (memory(&said), bench.log("log.jsonl"));
    let limit = whole - 2;
    let said = bench.paint(&format!("{line} --memory {limit}MiB"));
    assert!(said.contains(" tiles (") && memory(&said) <= limit, "{said}");
    for (a, b) in log.iter().zip(&bench.log("log.jsonl")) {
        let (a, b) = (number(a, "total"), number(b, "total"));
        assert!((a - b).abs() < 1e-4 * b, "{a} is not {b}");
    }
    Bench::new().fail(&format!("{line} --memory 30MiB"), &["needs at least", "limit is 30 MiB", "no size fits"]);
}

#[test]
fn every_option_of_the_descent_works() {
    let bench = Bench::new();
    for options in [
        "--optimizer adam --learning-rate 8",
        "--optimizer lbfgs --learning-rate 2",
        "--pooling max --network vgg16",
        "--padding replicate",
        "--preset gatys --padding zero",
        "--init style",
        "--init art.png --noise-ratio 0.3",
        "--style-size native --style-scale 0.8",
        "--style-size 64 --backend cpu",
    ] {
        let line = format!("photo.png art.png -o x.png --size 32 --iterations 6 --log log.jsonl {options}");
        bench.paint(&line);
        let log = bench.log("log.jsonl");
        let totals: Vec<_> = log.iter().map(|l| number(l, "total")).collect();
        // The last evaluation may be a rejected point of the line search.
        assert!(totals.iter().any(|t| *t < 0.9 * totals[0]), "{options}: {totals:?}");
    }
}

/// Scales at which the picture would be too small are omitted.
#[test]
fn a_panorama_is_painted() {
    let bench = Bench::new();
    RgbImage::from_fn(600, 50, |x, y| Rgb([x as u8, y as u8, 99])).save(bench.path("wide.png")).expect("saves");
    let text = bench.paint("wide.png art.png -o x.png --iterations 2");
    assert!(!text.contains(" at 128 px"), "{text}");
    assert_eq!((bench.open("x.png").width(), bench.open("x.png").height()), (512, 43));
}

#[test]
fn several_styles_are_a_mean() {
    let bench = Bench::new();
    let first = |styles: &str| {
        bench.paint(&format!(
            "photo.png {styles} -o x.png --size native --iterations 1 --init content --style-weight 1 --log log.jsonl"
        ));
        number(&bench.log("log.jsonl")[0]["layers"], "conv3_1")
    };
    let (one, twice, other, both) =
        (first("art.png"), first("art.png art.png"), first("photo.png"), first("art.png photo.png"));
    assert!((one - twice).abs() < 1e-6 * one);
    assert!(other < 1e-9 * one, "the photograph has its own style");
    // Half the distance of Gram matrices, a quarter of the loss.
    assert!((both - one / 4.0).abs() < 1e-4 * one);
}

#[test]
fn snapshots_are_saved_on_the_way() {
    let bench = Bench::new();
    bench.paint("photo.png art.png -o x.jpg --size 32 --iterations 5 --snapshot-every 2 --quiet");
    let mut names: Vec<_> =
        fs::read_dir(bench.path("")).expect("lists").map(|e| e.expect("an entry").file_name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["art.png", "photo.png", "x.jpg", "x_0002.jpg", "x_0004.jpg"]);
    assert_eq!(bench.open("x_0002.jpg").width(), 32);
}

#[test]
fn the_samples_are_painted_without_arguments() {
    let bench = Bench::new();
    let said = bench.paint("--size 48 --iterations 1");
    assert!(said.contains("stylized.png"), "{said}");
    assert_eq!(bench.open("out/stylized.png").width(), 48);
    let said = bench.paint("photo.png --size 48 --iterations 1 --quiet");
    assert_eq!(said, "");
}

/// One iteration evaluates the start without changing it, so the photograph is returned unchanged.
const UNCHANGED: &str = "art.png --size native --iterations 1 --init content";

#[test]
fn bad_settings() {
    let bench = Bench::new();
    RgbImage::new(48, 38).save(bench.path("black.png")).expect("saves");
    photograph(60, 10).save(bench.path("long.png")).expect("saves");
    for (options, words) in [
        ("--style-layers conv9_9", &["conv9_9", "conv1_1"][..]),
        ("--content-layers relu4_9", &["relu4_9", "conv4_2"]),
        ("--style-layers conv1_1,conv1_1", &["conv1_1", "twice"]),
        ("--style-layers conv1_1=-1", &["conv1_1", "-1"]),
        ("--style-layers conv1_1=much", &["much", "not a number"]),
        ("--style-weight -1", &["style weight", "-1"]),
        ("--content-weight NaN", &["content weight", "NaN"]),
        ("--tv-weight inf", &["total variation weight", "inf"]),
        ("--learning-rate 0", &["step"]),
        ("--noise-ratio 1.5", &["noise ratio", "1.5"]),
        ("--style-scale -2", &["--style-scale", "-2"]),
        ("--style-scale nan", &["--style-scale", "NaN"]),
        ("--style-scale 1e9", &["long side"]),
        ("--size 0", &["size"]),
        ("--size 99999999", &["size", "native"]),
        ("--iterations 0", &["iteration"]),
        ("--scales 20", &["SIZE=ITERATIONS"]),
        ("--scales 48=2", &["48"]),
        ("--scales 30=2,20=2", &["found 20 after 30"]),
        ("--scales 10=2", &["scale of 10 pixels", "too small"]),
        ("--ema 1", &["running mean", "1"]),
        ("--until bad", &["good", "0.02"]),
        ("--until -0.1", &["--until", "-0.1", "good"]),
        ("--memory much", &["2GiB"]),
        ("--memory 0", &["2GiB"]),
        ("--snapshot-every 0", &["--snapshot-every"]),
        ("--threads 0", &["--threads"]),
        ("--network vgg18", &["vgg18", "vgg19"]),
        ("--network vgg19", &["vgg19-dcbb9e9d.pth", "--weights"]),
        ("--backend cuda", &["CUDA", "--backend cpu"]),
        ("--backend wgpu --device no-such-adapter", &["no "]),
        ("--preset jonson", &["jonson", "johnson", "pystiche"]),
        ("--style-share 1,2", &["--style-share", "2 entries for 1 style"]),
        ("--style-scale 1,2", &["--style-scale", "2 entries for 1 style"]),
        ("--style-mask a.png,b.png", &["--style-mask", "2 entries for 1 style"]),
        ("--style-mask none.png", &["none.png"]),
        ("--style-mask black.png", &["black.png", "zero everywhere"]),
        ("--style-region black.png", &["black.png", "zero everywhere"]),
        ("--content-mask black.png", &["black.png", "zero everywhere"]),
        ("--content-mask long.png", &["long.png", "60x10", "proportions", "48x38"]),
        ("--style-region long.png", &["long.png", "proportions", "48x48"]),
        ("--content-mask photo.png --content-layers none", &["content mask", "content layer"]),
        ("--content-layers none --style-layers none", &["layer"]),
        ("--content-weight 1 --content-mean-weight 1", &["--content-weight", "--content-mean-weight"]),
        ("--tv absolute", &["--tv", "--tv-weight"]),
        ("--loss neighbours", &["NAME=WEIGHT", "self-similarity"]),
        ("--loss neighbors=1", &["NAME=WEIGHT", "turned-neighbours"]),
        ("--loss palette=-1", &["palette", "-1"]),
        ("--loss palette=1 --loss palette=2", &["palette", "unique"]),
        ("--loss self-similarity=1 --seamless", &["self-similarity", "without seams"]),
        ("--loss relaxed-emd=1 --style-region art.png", &["relaxed-emd", "regions"]),
        ("--tv power=9 --tv-weight 1", &["exponent", "9"]),
        ("--tv much --tv-weight 1", &["squared, absolute, means"]),
        ("--style-layers conv1_1:mean", &["mean", "conv1_1:mean"]),
        ("--colours blue", &["blue", "luminance"]),
        ("--tensorboard photo.png", &["photo.png", "folder"]),
        ("--plot plot.gif", &["plot.gif", "svg"]),
        ("--weights none.pth", &["none.pth", "opened"]),
        ("--weights photo.png", &["photo.png"]),
    ] {
        bench.fail(&format!("photo.png art.png -o x.png --size 48 {options}"), words);
    }
}

#[test]
fn weights_in_the_usual_caches_are_offered_by_name() {
    let bench = Bench::new();
    let folder = bench.path("torch/hub/checkpoints");
    fs::create_dir_all(&folder).expect("makes");
    fs::write(folder.join("vgg19-dcbb9e9d.pth"), "weights").expect("writes");
    let mut command = bench.command("photo.png art.png -o x.png --network vgg19");
    let output = command.env("TORCH_HOME", bench.path("torch")).output().expect("runs");
    let said = said(&output);
    let offer = format!("--weights {}", folder.join("vgg19-dcbb9e9d.pth").display());
    assert!(!output.status.success() && said.contains(&offer), "{said}");
}

#[test]
fn presets_set_what_is_not_given() {
    let bench = Bench::new();
    for (preset, says) in [
        ("gatys", "L-BFGS, N iterations"),
        ("stanford", "Adam, N iterations"),
        ("johnson", "L-BFGS, N iterations"),
        ("anishathalye", "Adam, N iterations"),
        ("gatys-pytorch", "L-BFGS, N iterations"),
        ("pystiche", "L-BFGS, N iterations"),
    ] {
        let line = format!("photo.png art.png -o x.png --size 32 --preset {preset}");
        let said = bench.paint(&format!("{line} --iterations 2 --log log.jsonl"));
        assert!(said.contains(&says.replace("N", "2")), "{said}");
        assert_eq!(bench.log("log.jsonl").len(), 2);
        let said = bench.paint(&format!("{line} --tv-weight 0.25 --style-layers conv1_1,conv2_1 --iterations 1"));
        assert!(said.contains("2.5000e-1 tv"), "{said}");
    }
    let said = bench.paint("photo.png art.png -o x.png --preset anishathalye --iterations 1");
    assert!(said.contains("photo.png at 40x32"), "the size must be the photograph's: {said}");
}

#[test]
fn every_way_to_say_what_style_is() {
    let bench = Bench::new();
    photograph(80, 64).save(bench.path("white.png")).expect("saves");
    for options in [
        "--statistic covariance",
        "--statistic moments",
        "--statistic gram-per-element --style-weight 1000",
        "--style-layers conv1_1=0.5:moments,conv2_1:covariance,conv3_1",
        "--tv absolute --tv-weight 1e-6",
        "--tv power=1.5 --tv-weight 1e-6",
        "--style-mask white.png --content-mask white.png",
        "--style-region art.png --style-mask none",
        "--content-layers none --init noise",
        "--style-layers none --init noise",
        "--content-layers none --style-layers none --loss neighbours=1",
        "--content-layers none --loss turned-neighbours=0.05",
        "--content-layers none --style-layers none --loss relaxed-emd=1 --loss self-similarity=4 --loss palette=0.25",
        "--balance",
        "--optimizer lbfgs-fixed --iterations 20",
    ] {
        let line = format!("photo.png art.png -o x.png --size 32 --log log.jsonl --iterations 8 {options}");
        let line = if options.contains("--iterations") { line.replace("--iterations 8 ", "") } else { line };
        bench.paint(&line);
        let log = bench.log("log.jsonl");
        let totals: Vec<_> = log.iter().map(|l| number(l, "total")).collect();
        assert!(totals.iter().any(|t| *t < 0.9 * totals[0]), "{options}: {totals:?}");
    }
}

#[test]
fn the_course_is_written_for_tensorboard_and_drawn() {
    let bench = Bench::new();
    bench.paint("photo.png art.png -o x.png --size 32 --iterations 4 --tensorboard runs/cat --plot plot.svg");
    let events: Vec<_> = fs::read_dir(bench.path("runs/cat")).expect("is there").collect();
    assert_eq!(events.len(), 1);
    assert!(fs::read_to_string(bench.path("plot.svg")).expect("is there").contains("<svg"));
}

#[test]
fn weights_of_another_network() {
    let bench = Bench::new();
    let line = format!("photo.png art.png -o x.png --size 32 --iterations 2 --weights {WEIGHTS}");
    bench.fail(&format!("{line} --network vgg19"), &["VGG-19", "VGG-16"]);
    let said = bench.paint(&line);
    assert!(said.contains("input    caffe (as stated in the file)"), "{said}");
}

#[test]
fn the_input_space_of_weights_can_be_given() {
    let bench = Bench::new();
    let line = "photo.png art.png -o x.png --size 32 --iterations 2";
    bench.fail(&format!("{line} --input-space caffe"), &["--weights"]);
    bench.fail(&format!("{line} --weights {WEIGHTS} --input-space rgb"), &["caffe", "torchvision"]);
    let said = bench.paint(&format!("{line} --weights {WEIGHTS} --input-space torchvision"));
    assert!(said.contains("input    torchvision (as given)"), "{said}");
    assert!(!bench.paint(line).contains("input    "), "the input space of the embedded weights is known");
}

#[test]
fn bad_places() {
    let bench = Bench::new();
    fs::create_dir(bench.path("folder.png")).expect("makes");
    for (place, words) in [
        ("none/y.png", &["no folder none"][..]),
        ("folder.png", &["folder.png", "file name"]),
        ("y.txt", &["y.txt", ".png", ".jpg"]),
        ("y", &[".png", ".jpg"]),
        ("photo.png", &["photo.png", "overwrite"]),
        ("./art.png", &["art.png", "overwrite"]),
    ] {
        bench.fail(&format!("photo.png art.png -o {place} --size 48"), words);
    }
    for line in ["folder.png art.png", "photo.png folder.png", "photo.png art.png --init folder.png"] {
        bench.fail(&format!("{line} -o x.png --size 48"), &["folder.png: this is a folder; give one picture", "batch"]);
    }
    bench.fail("photo.png art.png -o x.png --size 48 --log none/log.jsonl", &["none/log.jsonl"]);
    bench.fail("photo.png art.png -o x.png --size 48 --log photo.png", &["photo.png", "overwrite"]);
    assert_eq!(bench.open("photo.png").into_rgb8(), photograph(40, 32));
}
