//! `stylize features`, `stylize neurons`, and pictures in the terminal.

use super::{Bench, said};

#[test]
fn layers_are_reconstructed() {
    let bench = Bench::new();
    let little = "--size 32 --iterations 2 --content-layers conv1_2,conv3_2 --style-layers conv1_1,relu2_1,conv3_1";
    let text = bench.paint(&format!("features photo.png art.png {little}"));
    assert!(
        text.contains("+ relu2_1") && text.contains("conv3_2") && text.contains("wrote    out/features.png"),
        "{text}"
    );
    let both = bench.open("out/features.png");
    bench.paint(&format!("features photo.png -o content.png --only content {little} --quiet"));
    bench.paint(&format!("features photo.png art.png -o style.png --only style {little}"));
    let (content, style) = (bench.open("content.png"), bench.open("style.png"));
    assert!(content.width() < style.width() && both.width() == style.width() && both.height() > style.height());
    for (options, words) in [
        ("photo.png --content-layers conv9_1", &["conv9_1", "conv1_1"][..]),
        ("photo.png --style-layers conv1_1,conv1_1", &["conv1_1", "twice"]),
        ("photo.png --iterations 0", &["--iterations"]),
        ("missing.png", &["missing.png"]),
        ("photo.png art.png -o photo.png", &["photo.png", "overwrite"]),
        ("photo.png -o sheet.xyz", &["sheet.xyz"]),
    ] {
        bench.fail(&format!("features {options} --size 32"), words);
    }
}

#[test]
fn neurons_are_shown() {
    let bench = Bench::new();
    let text = bench.paint("neurons photo.png --layer conv2_1 --channels 3,7 --size 32 --iterations 2");
    assert!(text.contains("channel 3: ") && text.contains("channel 7: ") && text.contains("out/neurons.png"), "{text}");
    let most = bench.open("out/neurons.png");
    bench.paint("neurons photo.png --layer conv2_1 --channels 3,7 --size 32 --iterations 0 -o x.png");
    let without = bench.open("x.png");
    assert!(without.width() < most.width() && without.height() == most.height());
    let bench = Bench::new();
    bench.fail("neurons photo.png --layer conv9_1 --size 32", &["conv9_1", "conv1_1"]);
    bench.fail("neurons photo.png --layer conv1_1 --channels 64 --size 32", &["--channels", "64 channels", "found 64"]);
}

#[test]
fn nothing_is_drawn_where_there_is_no_terminal() {
    let bench = Bench::new();
    for way in ["auto", "kitty", "sixel", "blocks"] {
        let mut command =
            bench.command(&format!("photo.png art.png -o drawn.png --size 32 --iterations 2 --preview {way}"));
        let output = command.env("TERM", "xterm-kitty").output().expect("runs");
        assert!(
            output.status.success() && !said(&output).contains('\x1b') && output.stdout.is_empty(),
            "{}",
            said(&output)
        );
    }
    bench.fail("photo.png art.png -o y.png --preview ascii", &["ascii", "blocks"]);
}

#[test]
fn two_pictures_cannot_be_the_standard_input() {
    let bench = Bench::new();
    bench.fail("features - - -o x.png", &["standard input", "only one", "name files"]);
}

#[test]
fn a_second_run_says_that_it_replaces_a_sheet() {
    let bench = Bench::new();
    let line = "neurons photo.png --layer conv1_1 --channels 3 --size 32 --iterations 0";
    assert!(!bench.paint(line).contains("in place of"));
    let first = bench.open("out/neurons.png");
    let text = bench.paint(&line.replace("--channels 3", "--channels 3,5"));
    assert!(text.contains("wrote    out/neurons.png, in place of the file that was there"), "{text}");
    assert_ne!(bench.open("out/neurons.png"), first);
}

/// Ends a run with an interrupt when it has said this, and returns what it said after that.
#[cfg(unix)]
fn interrupted(bench: &Bench, line: &str, when: &str) -> String {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};

    let mut child = bench.command(line).stderr(Stdio::piped()).spawn().expect("starts");
    let mut lines = BufReader::new(child.stderr.take().expect("is piped"));
    let mut said = String::new();
    while !said.lines().any(|line| line.starts_with(when)) {
        assert!(lines.read_line(&mut said).expect("reads") > 0, "{said}");
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
    let mut rest = String::new();
    lines.read_to_string(&mut rest).expect("reads");
    assert_eq!(child.wait().expect("ends").code(), Some(130), "{rest}");
    rest
}

#[cfg(unix)]
#[test]
fn an_interrupt_saves_a_part_and_no_whole_sheet_is_lost() {
    use std::fs;

    let bench = Bench::new();
    // One picture is soon there, the rest takes longer than any signal.
    let blocks = [(1, 2), (2, 2), (3, 3), (4, 3), (5, 1)];
    let layers = blocks.iter().flat_map(|(block, count)| (1..=*count).map(move |i| format!("conv{block}_{i}")));
    let layers = layers.collect::<Vec<_>>().join(",");
    let line = format!(
        "features photo.png art.png --size 64 --iterations 60 --content-layers {layers} --style-layers {layers}"
    );
    let text = interrupted(&bench, &line, "painted  ");
    assert!(text.contains("wrote    out/features.png with ") && text.contains(" of 22 parts, ended early"), "{text}");
    let part = fs::read(bench.path("out/features.png")).expect("is there");

    let text = interrupted(&bench, &line, "painted  ");
    assert!(text.contains("wrote    out/features_part.png with "), "{text}");
    let text = interrupted(&bench, &line, "painted  ");
    assert!(text.contains("wrote    out/features_part2.png with "), "{text}");
    // Through all layers, a descent does not converge soon.
    let line =
        "features photo.png art.png --size 64 --iterations 1000000 --content-layers conv5_1 --style-layers conv5_1";
    let text = interrupted(&bench, line, "backend ");
    assert!(text.contains("ended before the first picture"), "{text}");
    assert!(fs::read(bench.path("out/features.png")).expect("is there") == part);
    assert_eq!(fs::read_dir(bench.path("out")).expect("lists").count(), 3);
}
