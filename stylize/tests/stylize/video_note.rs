//! `stylize video` goes on only with the settings and files that the frames were painted with.

use std::fs;

use super::{Bench, WEIGHTS, painting, photograph};

const LINE: &str = "video frames art.png -o painted --size 32 --iterations 2 --next-iterations 1";

/// A bench with two frames that are painted by a command, and then the second is not there.
fn bench(line: &str) -> Bench {
    let bench = Bench::new();
    fs::create_dir(bench.path("frames")).expect("a folder");
    for i in 1..3 {
        photograph(40, 32).save(bench.path(&format!("frames/{i}.png"))).expect("saves");
    }
    painting(40, 32).save(bench.path("begin.png")).expect("saves");
    bench.paint(line);
    fs::remove_file(bench.path("painted/2.png")).expect("is there");
    bench
}

/// Goes on, and the second frame is missing again.
fn goes_on(bench: &Bench, line: &str) {
    let text = bench.paint(line);
    assert!(text.contains("wrote    1 of 2 frames to painted") && text.contains("1 were there already"), "{text}");
    fs::remove_file(bench.path("painted/2.png")).expect("is there");
}

#[test]
fn a_default_that_is_given_is_no_other_setting() {
    let bench = bench(LINE);
    for options in [
        "--style-strength 1 --steadiness 1 --seed 0 --depth 8 --colours painting --style-size 32 --style-scale 1",
        "--style-share 1 --init content --noise-ratio 0.2 --scales auto --optimizer lbfgs --learning-rate 5",
        "--tv squared --tv-weight 0 --pooling avg --padding replicate --content-layers relu4_2 --network vgg16",
        "--style-layers conv1_1=0.37,conv2_1=0.37,conv3_1=0.18,conv4_1=0.07,conv5_1=0.01 --precision f32 --threads 1",
    ] {
        goes_on(&bench, &format!("{LINE} {options}"));
    }
    for (options, words) in [
        ("--noise-ratio 0.3", "--noise-ratio was 0.2, and is now 0.3"),
        ("--init content", "--noise-ratio was 0.2, and is now 0"),
        ("--init noise", "--init was content, and is now noise"),
        ("--style-weight 3", "--content-mean-weight was not given, and is now 0.5"),
        ("--colours luminance", "--colours was painting, and is now luminance"),
        ("--optimizer adam", "--optimizer was lbfgs, and is now adam"),
        ("--learning-rate 4", "--learning-rate was 5, and is now 4"),
        ("--laplacian 0.02", "--laplacian was none, and is now 0.02:4"),
        ("--loss palette=0.5", "--loss was none, and is now palette=0.5"),
        ("--style-layers conv1_1:moments", "conv5_1=0.01, and is now conv1_1=1:moments"),
        ("--statistic gram-per-element", "--statistic was the default of each layer, and is now gram-per-element"),
        ("--scales 24=1", "--scales was auto, and is now 24=1"),
        ("--style-scale 2", "--style-scale was 1, and is now 2"),
        ("--balance", "--balance was not given, and is now given"),
        ("--tv power=2.5 --tv-weight 1e-9", "--tv was squared, and is now power=2.5"),
        ("--preset gatys", "; use the same settings, choose another folder"),
    ] {
        bench.fail(&format!("{LINE} {options}"), &[words]);
    }
    bench.fail(&LINE.replace("--size 32", "--size native"), &["--size was 32, and is now native"]);
    bench.fail(&LINE.replace("art.png", "art.png photo.png"), &["painting 2 was not given, and is now photo.png"]);
}

#[test]
fn a_preset_is_compared_too() {
    let line = format!("{LINE} --preset johnson");
    let bench = bench(&line);
    goes_on(&bench, &format!("{line} --init noise --noise-ratio 1"));
    bench.fail(&format!("{LINE} --preset stanford"), &["--preset was johnson, and is now stanford"]);
}

#[test]
fn files_are_compared_by_their_content() {
    let line = format!("{LINE} --init begin.png");
    let bench = bench(&line);
    fs::rename(bench.path("art.png"), bench.path("renamed.png")).expect("renames");
    fs::rename(bench.path("frames"), bench.path("moved")).expect("renames");
    let renamed = line.replace("art.png", "renamed.png").replace("frames", "moved");
    goes_on(&bench, &renamed);

    let save = |name: &str, side: u32| painting(side, 32).save(bench.path(name)).expect("saves");
    save("begin.png", 36);
    bench.fail(&renamed, &["--init, begin.png, has another content now"]);
    save("begin.png", 40);
    save("renamed.png", 38);
    bench.fail(&renamed, &["painting 1, renamed.png, has another content now"]);
    painting(36, 36).save(bench.path("renamed.png")).expect("saves");
    // The frame that is still to be painted may change, one that is painted may not.
    let mut other = photograph(40, 32);
    image::imageops::invert(&mut other);
    other.save(bench.path("moved/2.png")).expect("saves");
    goes_on(&bench, &renamed);
    other.save(bench.path("moved/1.png")).expect("saves");
    bench.fail(&renamed, &["the frames have changed since these were painted: 1.png;", "another folder"]);
    photograph(40, 32).save(bench.path("moved/1.png")).expect("saves");
    // Frames that come later are part of it.
    other.save(bench.path("moved/3.png")).expect("saves");
    let text = bench.paint(&renamed);
    assert!(text.contains("wrote    2 of 3 frames"), "{text}");
}

#[test]
fn other_weights_under_the_same_name_are_noticed() {
    let line = format!("{LINE} --weights weights.safetensors");
    let model = style_transfer::models::load(WEIGHTS, &Default::default()).expect("loads");
    let (bench, mut layers) = (Bench::new(), model.model().layers().to_vec());
    let save = |layers| {
        let model = style_transfer::Model::new("vgg16", *model.model().input(), layers).expect("a model");
        style_transfer::models::save(&model, bench.path("weights.safetensors")).expect("saves");
    };
    save(layers.clone());
    fs::create_dir(bench.path("frames")).expect("a folder");
    photograph(40, 32).save(bench.path("frames/1.png")).expect("saves");
    bench.paint(&line);
    assert!(bench.paint(&format!("{line} --input-space caffe")).contains("all 1 frames are in painted already"));
    let style_transfer::Layer::Conv(conv) = &mut layers[0] else { panic!("a convolution") };
    conv.bias[0] += 1e-3;
    save(layers);
    bench.fail(&line, &["--weights, weights.safetensors, has another content now"]);
    bench.fail(LINE, &["--weights was weights.safetensors, and is now the embedded ones"]);
}

#[test]
fn a_painted_frame_that_is_damaged_is_to_be_deleted() {
    let bench = bench(LINE);
    let whole = fs::read(bench.path("painted/1.png")).expect("is there");
    // Without a header, of another size, and without its end.
    fs::write(bench.path("painted/1.png"), "no picture").expect("writes");
    bench.fail(LINE, &["painted/1.png", "delete it and run the same command again"]);
    photograph(32, 25).save(bench.path("painted/1.png")).expect("saves");
    bench.fail(LINE, &["painted/1.png", "32x26 pixels, found 32x25", "delete it and run the same command again"]);
    fs::write(bench.path("painted/1.png"), &whole[..whole.len() - 100]).expect("writes");
    bench.fail(LINE, &["painted/1.png", "damaged", "delete it and run the same command again"]);
    fs::remove_file(bench.path("painted/1.png")).expect("is there");
    assert!(bench.paint(LINE).contains("wrote    2 of 2 frames"));
    assert!(fs::read(bench.path("painted/1.png")).expect("is there") == whole);
    // A note of another program.
    fs::remove_file(bench.path("painted/1.png")).expect("is there");
    fs::write(bench.path("painted/stylize-video.json"), "{\"--size\": \"32\"}").expect("writes");
    bench.fail(LINE, &["painted/stylize-video.json", "does not say how", "start again"]);
}
