//! `stylize video`: frames, settings, videos by a stand-in for ffmpeg.

use std::fs;

use image::{Rgb, RgbImage};

use super::{Bench, photograph, said};

/// A scene at rest in which a disc moves.
fn frame(i: u32) -> RgbImage {
    let mut frame = photograph(48, 38);
    for (x, y, pixel) in frame.enumerate_pixels_mut() {
        let (dx, dy) = (x as i32 - 8 - 6 * i as i32, y as i32 - 28);
        if dx * dx + dy * dy < 20 {
            *pixel = Rgb([255, 255, 255]);
        }
    }
    frame
}

/// A bench with a folder of frames.
fn bench(count: u32) -> Bench {
    let bench = Bench::new();
    fs::create_dir(bench.path("frames")).expect("a folder");
    for i in 0..count {
        // Frame 10 comes after frame 9.
        frame(i).save(bench.path(&format!("frames/f{}.png", 8 + i))).expect("saves");
    }
    bench
}

const LINE: &str = "video frames art.png -o painted --size 48 --iterations 30 --next-iterations 4";

/// The mean difference of two painted frames where nothing moved: above the disc.
fn flicker(bench: &Bench, names: [&str; 2]) -> f64 {
    let [a, b] = names.map(|name| bench.open(name).to_rgb8());
    let apart: Vec<_> =
        a.pixels().zip(b.pixels()).take(48 * 18).flat_map(|(a, b)| (0..3).map(|k| a[k].abs_diff(b[k]))).collect();
    apart.iter().map(|&v| f64::from(v)).sum::<f64>() / apart.len() as f64
}

#[test]
fn a_video_is_painted_steadily_and_goes_on_where_it_was() {
    let bench = bench(3);
    fs::write(bench.path("frames/notes.txt"), "no frame").expect("writes");
    fs::write(bench.path("frames/.hidden.txt"), "no frame").expect("writes");
    let text = bench.paint(LINE);
    assert!(text.contains("wrote    3 of 3 frames to painted"), "{text}");
    assert!(text.contains("note: frames: notes.txt is no picture and is left out"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("memory   ") && line.contains(" MiB at most")), "{text}");
    fs::write(bench.path("frames/about.txt"), "no frame either").expect("writes");
    let read = |i: u32| fs::read(bench.path(&format!("painted/f{i}.png"))).expect("is there");
    let all = [8, 9, 10].map(read);

    // By itself, the first frame is the same picture.
    bench.paint("frames/f8.png art.png -o first.png --size 48 --iterations 30");
    assert_eq!(fs::read(bench.path("first.png")).expect("is there"), all[0]);
    bench.paint("frames/f9.png art.png -o second.png --size 48 --iterations 30 --seed 1");
    let (steady, apart) =
        (flicker(&bench, ["painted/f8.png", "painted/f9.png"]), flicker(&bench, ["first.png", "second.png"]));
    assert!(steady < 0.5 * apart, "{steady} {apart}");

    // Ended after the first frame, or one deleted: the rest are the same again.
    for gone in [&[9, 10][..], &[9]] {
        for i in gone {
            fs::remove_file(bench.path(&format!("painted/f{i}.png"))).expect("is there");
        }
        let text = bench.paint(LINE);
        assert!(text.contains("2 files are no pictures and are left out, such as about.txt"), "{text}");
        let there = format!("wrote    {} of 3 frames to painted", gone.len());
        assert!(text.contains(&there) && text.contains("were there already"), "{text}");
        assert!([8, 9, 10].map(read) == all, "other frames than in one run");
    }
    assert!(bench.paint(LINE).contains("all 3 frames are in painted already"));

    bench.fail(&format!("{LINE} -s 2"), &["painted", "other settings", "--style-strength was 1, and is now 2"]);
    bench.fail(&LINE.replace("art.png", "photo.png"), &["painting 1 was art.png, and is now photo.png"]);
    bench.paint(&format!("{LINE} --threads 1 --quiet"));
}

#[test]
fn a_cut_begins_anew() {
    let bench = bench(1);
    RgbImage::from_fn(48, 38, |x, y| Rgb([250 - x as u8, 255, 200 + y as u8]))
        .save(bench.path("frames/f9.png"))
        .expect("saves");
    bench.paint(LINE);
    bench.paint("frames/f9.png art.png -o x.png --size 48 --iterations 30");
    let read = |name: &str| fs::read(bench.path(name)).expect("is there");
    assert!(read("painted/f9.png") == read("x.png"), "the second scene is not painted like a first frame");
}

#[test]
fn frames_from_elsewhere_are_not_taken_for_the_same() {
    let bench = bench(2);
    let line = "video frames art.png -o painted --size 32 --iterations 2 --next-iterations 2";
    // A mistake that is corrected before anything is painted.
    bench.fail(&format!("{line} --content-layers conv9_1"), &["conv9_1"]);
    let text = bench.paint(&format!("{line} --preset gatys"));
    assert!(text.contains("--steadiness does little"), "{text}");
    fs::remove_dir_all(bench.path("painted")).expect("is there");
    assert!(!bench.paint(line).contains("does little"));
    fs::create_dir(bench.path("others")).expect("a folder");
    for i in 8..10 {
        frame(20 - i).save(bench.path(&format!("others/f{i}.png"))).expect("saves");
    }
    fs::write(bench.path("others/.f7.png"), "hidden").expect("writes");
    let others = line.replace("frames", "others");
    bench.fail(&others, &["painted", "the frames have changed since these were painted: f8.png; f9.png"]);
    assert!(bench.paint(&others.replace("painted", "second")).contains("wrote    2 of 2 frames"));
    bench.fail("video frames art.png -o -", &["standard output"]);
}

#[test]
fn patterns_and_options_work() {
    let bench = bench(2);
    let paint = |options: &str| bench.paint(&format!("video {options} --size 32 --iterations 2 --next-iterations 2"));
    for (folder, options) in [
        ("a", "frames/*.png art.png"),
        ("b", "frames/f%d.png art.png photo.png --style-share 1,2 --colours luminance"),
        ("c", "frames/f%01d.png art.png --loss palette=0.1 --steadiness 0 --depth 16"),
        ("d", "frames art.png --preset gatys --scales none --init content --noise-ratio 0.1"),
        ("e", "frames art.png --colours cholesky --style-layers none"),
    ] {
        let text = paint(&format!("{options} -o {folder}"));
        assert!(text.contains("wrote    ") && text.contains(&format!("to {folder} in")), "{text}");
    }
    assert_eq!(bench.open("c/f8.png").color(), image::ColorType::Rgb16);
    bench.paint("video frames/*8*.p?g art.png -o one --size 32 --iterations 1");
    assert_eq!(fs::read_dir(bench.path("one")).expect("lists").count(), 2, "one frame and the note");
}

#[test]
fn the_plan_is_that_of_all_frames() {
    let bench = bench(2);
    let planned = |options: &str| {
        let output = bench.run(&format!("video frames art.png -o z --size 48 --plan {options}"));
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).expect("text")
    };
    let peaks = |text: &str| {
        let lines = text.lines().filter(|line| line.starts_with("peak"));
        lines
            .map(|line| line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("MiB"))
            .collect::<Vec<f64>>()
    };
    let text = planned("");
    assert!(
        text.starts_with("the first frame\nfilters") && text.contains("\na frame that follows another\n"),
        "{text}"
    );
    // What holds a frame to the one before takes memory too: ten planes of 48x38 values.
    let (held, free) = (peaks(&text), peaks(&planned("--steadiness 0")));
    assert!(held.len() == 2 && held[0] == free[0] && held[1] > free[1], "{held:?} {free:?}");
    let one = bench.run("video frames/f8* art.png --size 48 --plan");
    assert_eq!(peaks(&String::from_utf8_lossy(&one.stdout)).len(), 1, "there is no second frame");
    assert!(!bench.path("z").exists());
    // As for a picture by itself.
    bench.fail("video frames art.png -o z --size 48 --memory 30MiB", &["needs at least", "limit is 30 MiB"]);
    bench.fail("video frames art.png -o z --size 30 --style-size 12", &["art.png", "--style-size"]);
    let one = "video frames/f8* art.png -o z --size 320 --iterations 1 --scales none";
    let whole = peaks(&String::from_utf8_lossy(&bench.run(&format!("{one} --plan")).stdout))[0];
    let text = bench.paint(&format!("{one} --memory {}MiB", whole as usize - 6));
    assert!(text.contains("MiB at most") && text.contains(" tiles ("), "{text}");
}

#[test]
fn a_video_says_what_it_cannot_do() {
    let bench = bench(3);
    for folder in ["empty", "bad", "sizes", "twins"] {
        fs::create_dir(bench.path(folder)).expect("a folder");
    }
    let copy = |to: &str| fs::copy(bench.path("photo.png"), bench.path(to)).expect("copies");
    for name in ["bad/1.png", "bad/3.png", "sizes/1.png", "twins/1.png"] {
        copy(name);
    }
    fs::write(bench.path("bad/2.png"), "not a picture").expect("writes");
    photograph(40, 31).save(bench.path("sizes/2.png")).expect("saves");
    photograph(40, 32).save(bench.path("twins/1.jpg")).expect("saves");
    for (line, words) in [
        ("video", &["frames"][..]),
        ("video empty art.png", &["no pictures in empty"]),
        ("video nowhere art.png", &["nowhere", "no such folder", "pattern"]),
        ("video frames/g*.png art.png", &["frames", "fits the pattern g*.png", "3 others, such as f8.png"]),
        ("video frames/*g*.png art.png", &["fits the pattern *g*.png", "f8.png"]),
        ("video empty/*f*.png art.png", &["no file in empty fits the pattern *f*.png; there are none"]),
        ("video f*/f8.png art.png", &["f*/f8.png", "not that of a folder"]),
        ("video photo.png art.png", &["photo.png", "one picture", "folder"]),
        ("video - art.png", &["standard input"]),
        ("video frames - -o out", &["standard input"]),
        ("video frames art.png -o frames", &["frames", "read and written"]),
        ("video frames/*.png art.png -o frames", &["frames", "read and written"]),
        ("video frames art.png -o art.png", &["art.png is a file"]),
        ("video frames art.png --log log.jsonl", &["--log", "a video"]),
        ("video frames art.png --snapshot-every 2", &["--snapshot-every"]),
        ("video frames art.png --seamless", &["--seamless"]),
        ("video frames art.png --next-iterations 0", &["--next-iterations"]),
        ("video frames art.png --steadiness -1", &["--steadiness", "-1"]),
        ("video frames art.png --fps fast", &["fps", "30000/1001"]),
        ("video twins art.png", &["1.png", "rename"]),
        ("video frames missing.png", &["missing.png"]),
    ] {
        bench.fail(&format!("{line} --size 32 --iterations 1"), words);
    }
    let little = "art.png --size 32 --iterations 1 --next-iterations 1";
    // Found before anything is painted.
    bench.fail(&format!("video bad {little} -o b"), &["2.png", "the same command goes on"]);
    bench.fail(&format!("video sizes {little} -o s"), &["2.png", "40x31", "sizes/1.png, has 40x32;"]);
    photograph(41, 32).save(bench.path("sizes/3.png")).expect("saves");
    bench.fail(&format!("video sizes {little} -o s"), &["2.png", "and 1 more differs"]);
    assert!(!bench.path("b/1.png").exists() && !bench.path("s/1.png").exists());
    // Only the header is right.
    let whole = fs::read(bench.path("photo.png")).expect("is there");
    fs::write(bench.path("bad/2.png"), &whole[..whole.len() / 2]).expect("writes");
    bench.fail(&format!("video bad {little} -o b"), &["2.png", "damaged", "the same command goes on"]);
    assert!(bench.path("b/1.png").is_file(), "what is painted is kept");
    fs::create_dir(bench.path("c")).expect("a folder");
    copy("c/f9.png");
    copy("bad/2.png");
    bench.paint(&format!("video bad {little} -o b"));
    bench.fail("video frames art.png -o c", &["c: ", "no stylize-video.json", "another folder"]);
    fs::write(bench.path("b/stylize-video.json"), "{").expect("writes");
    bench.fail(&format!("video bad {little} -o b"), &["stylize-video.json", "another folder"]);
}

#[test]
fn without_ffmpeg_a_video_file_says_what_to_install() {
    let bench = bench(1);
    fs::write(bench.path("clip.mp4"), "a video").expect("writes");
    for line in ["video clip.mp4 art.png", "video frames art.png -o painted.mp4"] {
        let output = bench.command(line).env("PATH", bench.path("nothing")).output().expect("runs");
        let text = said(&output);
        assert!(
            !output.status.success() && text.contains("install ffmpeg") && text.contains("folder of frames"),
            "{text}"
        );
    }
}

/// A stand-in for ffmpeg and ffprobe: a video is a folder's name, and its frames are those of that folder.
#[cfg(unix)]
#[test]
fn videos_are_read_and_written_by_ffmpeg() {
    use std::os::unix::fs::PermissionsExt;

    let bench = bench(2);
    fs::write(bench.path("clip.mp4"), "a video").expect("writes");
    fs::create_dir(bench.path("bin")).expect("a folder");
    let frames = bench.path("frames");
    let script = format!(
        "#!/bin/sh\necho \"$0 $*\" >> {log}\ncase \"$*\" in\n*-version*) ;;\n*avg_frame_rate*) echo 30000/1001 ;;\n\
         *-framerate*) for last; do :; done; echo joined > \"${{last#file:}}\" ;;\n\
         *) cp {frames}/f8.png 000001.png; cp {frames}/f9.png 000002.png ;;\nesac\n",
        log = bench.path("log").display(),
        frames = frames.display(),
    );
    for name in ["ffmpeg", "ffprobe"] {
        let path = bench.path("bin").join(name);
        fs::write(&path, &script).expect("writes");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("is executable");
    }
    let path = format!("{}:{}", bench.path("bin").display(), std::env::var("PATH").unwrap_or_default());
    let line = "video clip.mp4 art.png -o painted.webm --size 32 --iterations 2 --next-iterations 1";
    for _ in 0..2 {
        let output = bench.command(line).env("PATH", &path).output().expect("runs");
        let text = said(&output);
        assert!(output.status.success() && text.contains("wrote    painted.webm at 30000/1001"), "{text}");
    }
    assert_eq!(fs::read_to_string(bench.path("painted.webm")).expect("is there"), "joined\n");
    let mut names: Vec<_> =
        fs::read_dir(bench.path("painted_frames")).expect("lists").map(|e| e.expect("an entry").file_name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["000001.png", "000002.png", "stylize-video.json"], "what was taken from the video is gone");
    let log = fs::read_to_string(bench.path("log")).expect("is there");
    assert!(log.contains("fps=30000/1001,scale=w='min(32,iw)'") && log.contains("-map 1:a?"), "{log}");
}
