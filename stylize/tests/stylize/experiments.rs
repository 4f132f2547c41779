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

/// In a terminal, which `script` of util-linux is.
#[cfg(target_os = "linux")]
#[test]
fn pictures_are_drawn_in_a_terminal() {
    for (way, mark) in
        [("kitty", "\x1b_Ga=T,f=100"), ("sixel", "\x1bPq\"1;1;"), ("blocks", "\u{2580}"), ("off", "photo.png")]
    {
        let bench = Bench::new();
        let line = format!("{} photo.png art.png -o drawn.png --size 32 --iterations 2 --preview {way}", super::TOOL);
        let mut command = std::process::Command::new("script");
        command.args(["-qec", &line, "typescript"]).current_dir(bench.path("")).env("HOME", bench.path(""));
        let Ok(output) = command.env("TERM", "xterm-256color").output() else { return };
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(mark), "{way}: {text:?}");
        assert_eq!(text.contains('\u{2580}'), way == "blocks");
    }
}
