//! The program in a terminal: pictures while they are painted.
#![cfg(unix)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;

use image::{Rgb, RgbImage};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::Bench;

/// What the program says in a terminal with these columns and rows.
fn shown(bench: &Bench, line: &str, (columns, rows): (u16, u16)) -> String {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&terminal).expect("is granted");
    unlockpt(&terminal).expect("is unlocked");
    let name = ptsname(&terminal, vec![]).expect("has a name");
    let inside = File::options().read(true).write(true).open(OsStr::from_bytes(name.to_bytes())).expect("opens");
    tcsetwinsize(&terminal, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).expect("has a size");
    let mut command = bench.command(line);
    command.env("TERM", "xterm-256color").env("COLORTERM", "truecolor");
    command.stdin(inside.try_clone().expect("a copy")).stdout(inside.try_clone().expect("a copy")).stderr(inside);
    let mut child = command.spawn().expect("starts");
    // Its end is seen here when the last copy inside is gone.
    drop(command);
    let (mut terminal, mut bytes, mut part) = (File::from(terminal), vec![], [0; 4096]);
    while let Ok(n) = terminal.read(&mut part)
        && n > 0
    {
        bytes.extend_from_slice(&part[..n]);
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(child.wait().expect("ends").success(), "{text}");
    text
}

/// The colours of half blocks, line by line.
fn blocks(text: &str) -> Vec<Vec<[u8; 3]>> {
    let lines = text.lines().filter(|line| line.contains('\u{2580}'));
    let colour = |part: &str| {
        let (_, numbers) = part.rsplit_once("\x1b[38;2;").expect("a colour");
        let numbers: Vec<_> = numbers.split(';').take(3).map(|n| n.parse().expect("a number")).collect();
        [numbers[0], numbers[1], numbers[2]]
    };
    lines.map(|line| line.split('\u{2580}').filter(|part| part.contains("38;2;")).map(colour).collect()).collect()
}

const LINE: &str = "photo.png art.png -o drawn.png --size 32 --iterations 2";

#[test]
fn pictures_are_drawn() {
    let bench = Bench::new();
    for (way, mark) in
        [("kitty", "\x1b_Ga=T,f=100"), ("sixel", "\x1bPq\"1;1;"), ("blocks", "\u{2580}"), ("off", "photo.png")]
    {
        let text = shown(&bench, &format!("{LINE} --preview {way}"), (80, 40));
        assert!(text.contains(mark), "{way}: {text:?}");
        assert_eq!(text.contains('\u{2580}'), way == "blocks");
        assert_eq!(text.contains("\x1b_G"), way == "kitty");
    }
}

/// The picture has 32x26 pixels.
#[test]
fn they_fit_into_the_window() {
    let bench = Bench::new();
    let size = |window| {
        // One evaluation, so one picture.
        let line = format!("{} --preview blocks", LINE.replace("--iterations 2", "--iterations 1"));
        let lines = blocks(&shown(&bench, &line, window));
        (lines.first().map_or(0, Vec::len), lines.len())
    };
    assert_eq!(size((200, 60)), (48, 20));
    assert_eq!(size((20, 60)), (19, 8));
    assert_eq!(size((200, 8)), (15, 6));
    assert_eq!(size((200, 2)), (0, 0));
}

#[test]
fn frames_are_shown_in_the_colours_of_the_result() {
    let bench = Bench::new();
    fs::create_dir(bench.path("frames")).expect("a folder");
    for i in 1..3 {
        let grey = RgbImage::from_fn(40, 32, |x, y| Rgb([(x * 5 + y * 3 * i) as u8; 3]));
        grey.save(bench.path(&format!("frames/{i}.png"))).expect("saves");
    }
    let line = "video frames art.png -o painted --size 32 --iterations 2 --next-iterations 1 --preview blocks";
    let spread = |options: &str, folder: &str| {
        let text = shown(&bench, &format!("{line} {options}").replace("painted", folder), (80, 40));
        let pixels = blocks(&text).concat();
        let range = |p: &[u8; 3]| f64::from(p.iter().max().unwrap_or(&0) - p.iter().min().unwrap_or(&0));
        assert!(!pixels.is_empty(), "{text:?}");
        pixels.iter().map(range).sum::<f64>() / pixels.len() as f64
    };
    // The noise of the start has all colours.
    assert!(spread("", "a") > 5.0);
    assert!(spread("--colours luminance", "b") < 1.0);
}
