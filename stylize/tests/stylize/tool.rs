//! The file of defaults, completions and the manual page.

use std::fs;

use super::{Bench, said};

const LITTLE: &str = "photo.png art.png -o x.png --plan";

/// What `--plan` says with this file of defaults.
fn planned(toml: &str, options: &str) -> String {
    let bench = Bench::new();
    fs::write(bench.path("defaults.toml"), toml).expect("writes");
    bench.paint(&format!("{LITTLE} --config defaults.toml {options}"))
}

#[test]
fn a_file_has_defaults_that_the_command_line_overrides() {
    let said = planned("size = 48\noptimizer = \"adam\"", "");
    assert!(said.contains("config   defaults.toml") && said.contains("48x38") && said.contains("Adam"), "{said}");
    let said = planned("size = 48\noptimizer = \"adam\"", "--size 40");
    assert!(said.contains("40x32") && said.contains("Adam"), "{said}");
    // An option that excludes the file's.
    planned("style-strength = 2", "--style-weight 3");
    planned("style-weight = 1\ncontent-weight = 1", "-s 2");
    planned("content-weight = 1", "--content-mean-weight 2");
    // What an option needs may be in the file.
    let weights = format!("weights = \"{}\"", super::WEIGHTS.replace('\\', "/"));
    planned(&weights, "--input-space caffe");
    planned("style-layers = []\ncolors = \"luminance\"\nscales = [\"32=3\", \"48=2\"]", "");
    planned("quiet = false\nbalance = true\nloss = [\"palette=1\", \"self-similarity=0.5\"]\nscales = \"none\"", "");
    planned("style-layers = [\"conv1_1=0.5\", \"conv2_1\"]\nstyle-scale = [1.5]", "");
}

#[test]
fn the_users_own_file_is_read_unless_there_is_another() {
    let bench = Bench::new();
    fs::create_dir(bench.path("settings")).expect("a folder");
    fs::write(bench.path("settings/stylize.toml"), "size = 48").expect("writes");
    if cfg!(not(any(windows, target_os = "macos"))) {
        assert!(bench.paint(LITTLE).contains("48x38"));
    }
    fs::write(bench.path("other.toml"), "size = 64").expect("writes");
    assert!(bench.paint(&format!("{LITTLE} --config other.toml")).contains("64x51"));
    assert!(bench.paint(&format!("{LITTLE} --config none")).contains("512x410"));
}

#[test]
fn a_wrong_file_is_named() {
    let bench = Bench::new();
    for (toml, words) in [
        ("size = 48\nsize = 49", &["line 2"][..]),
        ("colour = \"luminance\"", &["\"colour\" is no option; did you mean \"colours\"?"]),
        ("style_strength = 2", &["\"style_strength\" is no option; did you mean \"style-strength\"?"]),
        ("xyz = 2", &["\"xyz\" is no option; use the long name"]),
        ("output = \"y.png\"", &["\"output\" is about one job", "on the command line"]),
        ("every = 5", &["\"every\" is about one job"]),
        ("steadiness = 0.5", &["\"steadiness\" is an option of video only; it goes below a line [video]"]),
        ("[vidio]\nsteadiness = 0.5", &["[vidio] is no table", "[features]", "did you mean \"video\"?"]),
        ("video = true", &["\"video\" is no option but a subcommand", "[video]"]),
        ("[video]\nsteadines = 0.5", &["[video]: \"steadines\" is no option; did you mean \"steadiness\"?"]),
        ("[video]\nseamless = true", &["[video]: \"seamless\"", "a video cannot use it"]),
        ("[batch]\noutput = \"y\"", &["[batch]: the option \"output\" is about one job"]),
        ("[neurons]\nstyle-layers = [\"conv1_1\"]", &["[neurons]: \"style-layers\" is no option"]),
        ("style-strength = 2\nstyle-weight = 3", &["--style-strength", "--style-weight"]),
        ("input-space = \"caffe\"", &["--weights"]),
        ("size = 0.5", &["--size"]),
        ("balance = 3", &["balance", "true or false"]),
        ("size = { a = 1 }", &["size", "number"]),
        ("optimizer = \"sgd\"", &["sgd", "--optimizer"]),
    ] {
        fs::write(bench.path("wrong.toml"), toml).expect("writes");
        let words: Vec<_> = words.iter().chain(&["wrong.toml"]).copied().collect();
        bench.fail("photo.png art.png -o x.png --config wrong.toml", &words);
    }
    bench.fail("photo.png art.png -o x.png --config missing.toml", &["missing.toml"]);
}

const OF_ALL: &str = "size = 40\niterations = 3\nthreads = 1\nseamless = true\nstyle-strength = 2\nquiet = true
[batch]\nsize = 48\nquiet = false\nstyle-weight = 3
[video]\nsize = 32\nnext-iterations = 1\nsteadiness = 0.5\ndepth = 16
[features]\nsize = 24\niterations = 1\ncontent-layers = [\"conv1_1\", \"conv2_1\"]\nquiet = false
[neurons]\nchannels = 3\niterations = 0\nlayer = \"conv1_1\"
[studio]\nport = 7000
";

#[test]
fn a_video_takes_its_defaults_from_the_file() {
    let bench = Bench::new();
    fs::write(bench.path("all.toml"), OF_ALL).expect("writes");
    fs::create_dir(bench.path("frames")).expect("a folder");
    fs::copy(bench.path("photo.png"), bench.path("frames/1.png")).expect("copies");
    let line = "video frames art.png --config all.toml --preset gatys";
    let note = |line: &str, folder: &str| -> serde_json::Value {
        assert_eq!(bench.paint(&format!("{line} -o {folder}")), "", "it is to be quiet");
        let text = fs::read(bench.path(&format!("{folder}/stylize-video.json"))).expect("is there");
        serde_json::from_slice::<serde_json::Value>(&text).expect("JSON")["settings"].clone()
    };
    let by_file = note(line, "a");
    for (name, value) in [
        ("--size", "32"),
        ("--iterations", "3"),
        ("--next-iterations", "1"),
        ("--steadiness", "0.5"),
        ("--depth", "16"),
    ] {
        assert_eq!(by_file[name], value, "{name}");
    }
    assert_eq!(by_file["--style-strength"], "2");
    let by_line = note(&format!("{line} --next-iterations 2 --size 24 --style-weight 4"), "b");
    assert_eq!((&by_line["--next-iterations"], &by_line["--size"]), (&"2".into(), &"24".into()));
    assert_eq!((&by_line["--style-weight"], &by_line["--style-strength"]), (&"4".into(), &serde_json::Value::Null));
}

#[test]
fn other_subcommands_take_their_defaults_from_the_file() {
    let bench = Bench::new();
    fs::write(bench.path("all.toml"), OF_ALL).expect("writes");
    // The table's style weight excludes the style strength for all.
    let text = bench.paint("batch photo.png art.png --config all.toml --plan");
    assert!(text.contains("config   all.toml") && text.contains("photo.png at 48x32 from 40x32"), "{text}");
    // The size of a painting is not that of these, but its threads are theirs too.
    let text = bench.paint("features photo.png art.png --only content --config all.toml");
    assert!(text.contains("1 thread") && text.contains("conv2_1: ") && !text.contains("conv3_"), "{text}");
    assert_eq!(bench.paint("neurons photo.png --config all.toml -o n.png"), "");
    let text = bench.paint("features photo.png --only content --config none --size 32 --iterations 1");
    assert!(text.contains("conv3_2: "), "{text}");
    fs::write(bench.path("all.toml"), "[neurons]\nlayer = \"conv9_1\"").expect("writes");
    bench.fail("neurons photo.png --config all.toml -o x.png", &["conv9_1"]);
    // What is missing on the command line is not the file's fault.
    let output = bench.run("photo.png art.png --input-space caffe --config all.toml");
    assert!(said(&output).contains("--weights") && !said(&output).contains("all.toml"), "{}", said(&output));
}

#[test]
fn completions_and_a_manual_page_are_printed() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = bench.run(&format!("completions {shell}"));
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(output.status.success() && text.contains("style-strength"), "{shell}");
        assert!(text.contains("next-iterations") && text.contains("neurons"), "{shell}");
    }
    let output = bench.run("man");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.contains(".TH stylize 1") && text.contains("\\-\\-style\\-strength"), "{text}");
    let output = bench.run("man batch");
    assert!(String::from_utf8(output.stdout).expect("text").contains("PHOTOS"));
    for (command, word) in [("video", "FRAMES"), ("features", "style\\-layers"), ("neurons", "channels")] {
        let output = bench.run(&format!("man {command}"));
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(output.status.success() && text.contains(word), "{command}: {text}");
    }
    bench.fail("man nothing", &["nothing", "--help"]);
    let output = bench.run("completions tcsh");
    assert!(!output.status.success() && said(&output).contains("bash"));
}

#[test]
fn a_photograph_may_be_called_like_a_subcommand() {
    let bench = Bench::new();
    fs::copy(bench.path("photo.png"), bench.path("man")).expect("copies");
    bench.paint("./man art.png -o x.png --plan");
    bench.fail("vidoe art.png", &["neither a photograph nor a subcommand \"vidoe\"; did you mean \"video\"?"]);
    bench.fail("phota art.png", &["cannot read phota"]);
}

#[test]
fn a_batch_paints_all_pairs_and_goes_on_where_it_was() {
    let bench = Bench::new();
    for (folder, files) in [("photos", ["photo.png", "second.png"]), ("styles", ["art.png", "other.png"])] {
        fs::create_dir(bench.path(folder)).expect("a folder");
        for file in files {
            let from = if folder == "photos" { "photo.png" } else { "art.png" };
            fs::copy(bench.path(from), bench.path(folder).join(file)).expect("copies");
        }
    }
    fs::write(bench.path("photos/notes.txt"), "none of the pictures").expect("writes");
    let line = "batch photos styles -o results --size 24 --iterations 2";
    assert!(bench.paint(&format!("{line} --plan")).contains("job      4 of 4"));
    assert!(!bench.path("results").exists());
    let said = bench.paint(line);
    assert!(said.contains("batch    4 of 4 done"), "{said}");
    let kept = fs::read_dir(bench.path("results")).expect("a folder").count();
    assert_eq!(kept, 4, "no checkpoints are left");

    // The same picture as by itself.
    bench.paint("photos/second.png styles/art.png -o x.png --size 24 --iterations 2");
    let read = |name: &str| fs::read(bench.path(name)).expect("is there");
    assert_eq!(read("results/second--art.png"), read("x.png"));

    // One is missing, one was interrupted.
    fs::remove_file(bench.path("results/photo--art.png")).expect("is there");
    let at = "photos/photo.png styles/other.png -o results/photo--other.png --size 24";
    bench.paint(&format!("{at} --iterations 1 --scales none --checkpoint results/photo--other.checkpoint"));
    let said = bench.paint(&format!("{line} --scales none"));
    assert!(said.matches("is there already").count() == 2 && said.contains("resumed  after 1"), "{said}");
    assert!(!bench.path("results/photo--other.checkpoint").exists());
}

#[test]
fn a_batch_says_what_it_cannot_do() {
    let bench = Bench::new();
    fs::create_dir(bench.path("empty")).expect("a folder");
    fs::write(bench.path("bad.png"), "not a picture").expect("writes");
    bench.fail("batch", &["photographs"]);
    bench.fail("batch photo.png", &["paintings"]);
    bench.fail("batch empty art.png", &["no pictures in empty"]);
    bench.fail("batch photo.png art.png art.png -o results", &["photo--art.png", "rename"]);
    bench.fail("batch photo.png art.png -o art.png", &["art.png", "folder"]);
    bench.fail("batch photo.png art.png --log log.jsonl", &["--log"]);
    bench.fail("batch - art.png", &["standard input"]);
    fs::create_dir(bench.path("photos")).expect("a folder");
    bench.fail("batch photos art.png -o photos", &["photos is read and written"]);
    let output = bench.run("batch photo.png bad.png art.png -o results --size 24 --iterations 1");
    let text = said(&output);
    assert!(!output.status.success() && text.contains("bad.png") && text.contains("1 of 2 pictures"), "{text}");
    assert!(bench.path("results/photo--art.png").is_file(), "the others are painted");
}

#[test]
fn a_precision_is_never_ignored() {
    let bench = Bench::new();
    let paint = |options: &str| format!("{LITTLE} --size 40 {options}");
    bench.fail(&paint("--precision f16"), &["--precision f16 needs --backend cuda", "f32 and bf16"]);
    bench.fail(&paint("--precision bf16 --direct"), &["--direct and --precision bf16 exclude each other"]);
    if style_transfer::cpu::Precision::Bf16.is_available() {
        assert!(bench.paint(&paint("--precision bf16")).contains("bf16"));
    } else {
        bench.fail(&paint("--precision bf16"), &["AVX-512 BF16", "use f32"]);
    }
    if cfg!(feature = "wgpu") {
        bench.fail(&paint("--backend wgpu --precision bf16"), &["wgpu has f32"]);
    }
}
