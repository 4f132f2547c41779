//! A picture in the terminal: by kitty's protocol, as sixels, or as half blocks.
//!
//! [Kitty's protocol](https://sw.kovidgoyal.net/kitty/graphics-protocol/) takes a PNG file in base64. Sixels are bands of six rows, one
//! pass for each colour. A half block is a character with two pixels: its foreground above, its background below.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::io::{self, IsTerminal};

use style_transfer::pictures::{Extras, Format, Picture};
use style_transfer::{Image, Result};
use terminal_size::{Height, Width, terminal_size_of};

use crate::args::preview::Preview;

/// Columns and rows of the terminal that a picture takes up at most.
const COLUMNS: usize = 48;
const ROWS: usize = 20;

/// Rows that are left for the bar and the line after it.
const BELOW: usize = 2;

/// Pixels of a column and of a row, where the terminal does not scale the picture.
const CELL: (usize, usize) = (9, 18);

/// The longest part of a picture in one of kitty's sequences.
const CHUNK: usize = 4096;

/// How the terminal shows pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Kitty,
    Sixel,
    /// With 24-bit colours, or the 256 of xterm.
    Blocks {
        true_colour: bool,
    },
}

impl Preview {
    /// How to show pictures on the standard error; `None` if they are off, or it is no terminal.
    pub(crate) fn way(self) -> Option<Way> {
        if self == Self::Off || !io::stderr().is_terminal() {
            return None;
        }
        self.on(|name| env::var(name).unwrap_or_default())
    }

    /// As [`way`](Self::way), on a terminal with these variables of the environment.
    fn on(self, variable: impl Fn(&str) -> String) -> Option<Way> {
        let [term, program, colours] = ["TERM", "TERM_PROGRAM", "COLORTERM"].map(&variable);
        let blocks = Way::Blocks { true_colour: ["truecolor", "24bit"].contains(&&*colours) };
        match self {
            Self::Off => None,
            Self::Kitty => Some(Way::Kitty),
            Self::Sixel => Some(Way::Sixel),
            Self::Blocks => Some(blocks),
            Self::Auto if term == "dumb" => None,
            // A multiplexer swallows the other sequences.
            Self::Auto if ["screen", "tmux"].iter().any(|name| term.starts_with(name)) => Some(blocks),
            Self::Auto
                if ["xterm-kitty", "xterm-ghostty"].contains(&&*term)
                    || ["ghostty", "WezTerm"].contains(&&*program)
                    || ["KITTY_WINDOW_ID", "KONSOLE_VERSION"].iter().any(|name| !variable(name).is_empty()) =>
            {
                Some(Way::Kitty)
            }
            Self::Auto if ["foot", "mlterm", "contour"].iter().any(|name| term.starts_with(name)) => Some(Way::Sixel),
            Self::Auto => Some(blocks),
        }
    }
}

/// The part of the terminal that a picture may take up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    columns: usize,
    rows: usize,
}

impl Room {
    /// The room on the terminal of the standard error; `None` if it is too small for a picture.
    pub(crate) fn of_terminal() -> Option<Self> {
        let size = terminal_size_of(io::stderr()).map(|(Width(columns), Height(rows))| (columns.into(), rows.into()));
        Self::on(size)
    }

    /// The room on a terminal with these columns and rows, which not every terminal tells.
    fn on(size: Option<(usize, usize)>) -> Option<Self> {
        // Some say that they have none.
        let (columns, rows) = size.filter(|&(columns, rows)| columns > 0 && rows > 0).unwrap_or((80, 24));
        let rows = ROWS.min(rows.saturating_sub(BELOW));
        // The last column may break the line.
        let columns = COLUMNS.min(columns - 1);
        (columns > 0 && rows > 0).then_some(Self { columns, rows })
    }

    /// The lines of the terminal that a picture takes up.
    pub(crate) fn rows(self, image: &Image) -> usize {
        self.cells(image).1
    }

    /// Columns and rows for a picture; a row is twice as high as a column is wide.
    fn cells(self, image: &Image) -> (usize, usize) {
        let (width, height) = (image.width() as f64, image.height() as f64);
        let scale = (self.columns as f64 / width).min(2.0 * self.rows as f64 / height);
        (((width * scale).round() as usize).max(1), ((height * scale / 2.0).round() as usize).max(1))
    }
}

/// What shows a picture at the cursor and leaves the cursor at the start of the line after it. Its lines must be there.
pub(crate) fn shown(image: &Image, way: Way, room: Room) -> Result<String> {
    let (columns, rows) = room.cells(image);
    match way {
        Way::Kitty => {
            let picture = Picture { image: image.resized(columns * CELL.0, rows * CELL.1)?, extras: Extras::default() };
            Ok(format!("{}\r\x1b[{rows}B", kitty(&picture.encode(Format::Png)?, columns, rows)))
        }
        Way::Sixel => {
            Ok(format!("\x1b7{}\x1b8\r\x1b[{rows}B", sixel(&image.resized(columns * CELL.0, rows * CELL.1)?)))
        }
        Way::Blocks { true_colour } => Ok(blocks(&image.resized(columns, 2 * rows)?, true_colour)),
    }
}

/// A PNG file at the cursor, which stays where it is. The picture before, with the same numbers, is replaced.
fn kitty(png: &[u8], columns: usize, rows: usize) -> String {
    let text = base64(png);
    let mut all = String::new();
    let chunks: Vec<_> = text.as_bytes().chunks(CHUNK).map(|chunk| str::from_utf8(chunk).unwrap_or_default()).collect();
    for (i, chunk) in chunks.iter().enumerate() {
        let more = u8::from(i + 1 < chunks.len());
        // a=T: transmit and show; f=100: PNG; i, p: the picture's numbers; q=2: no answers; C=1: the cursor stays.
        let keys = if i == 0 { format!("a=T,f=100,i=1015,p=1,q=2,C=1,c={columns},r={rows},") } else { String::new() };
        let _ = write!(all, "\x1b_G{keys}m={more};{chunk}\x1b\\");
    }
    all
}

/// Base64 with padding (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |i: usize| three.get(i).map_or(0, |&b| u32::from(b));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// A picture as sixels, in a cube of 6x6x6 colours with an ordered dither.
fn sixel(image: &Image) -> String {
    const LEVELS: u32 = 6;
    // Thresholds of 4x4 pixels, in sixteenths of a step.
    const DITHER: [[u32; 4]; 4] = [[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]];
    let (width, height, bytes) = (image.width(), image.height(), image.to_rgb8());
    let colour = |x: usize, y: usize| {
        let level = |k: usize| {
            let steps = u32::from(bytes[3 * (y * width + x) + k]) * (LEVELS - 1) * 16 / 255;
            ((steps + DITHER[y % 4][x % 4]) / 16).min(LEVELS - 1)
        };
        (level(0) * LEVELS + level(1)) * LEVELS + level(2)
    };
    let mut all = format!("\x1bPq\"1;1;{width};{height}");
    for n in 0..LEVELS.pow(3) {
        let percent = |level: u32| level * 100 / (LEVELS - 1);
        let (r, g, b) = (n / LEVELS / LEVELS, n / LEVELS % LEVELS, n % LEVELS);
        let _ = write!(all, "#{n};2;{};{};{}", percent(r), percent(g), percent(b));
    }
    for top in (0..height).step_by(6) {
        let mut passes: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        for (x, y) in (0..width).flat_map(|x| (top..(top + 6).min(height)).map(move |y| (x, y))) {
            passes.entry(colour(x, y)).or_insert_with(|| vec![0; width])[x] |= 1 << (y - top);
        }
        for (i, (colour, bits)) in passes.iter().enumerate() {
            let back = if i == 0 { "" } else { "$" };
            let _ = write!(all, "{back}#{colour}");
            for run in bits.chunk_by(|a, b| a == b) {
                let _ = write!(all, "!{}{}", run.len(), char::from(63 + run[0]));
            }
        }
        all.push('-');
    }
    all + "\x1b\\"
}

/// A picture as lines of half blocks; two rows of pixels a line.
fn blocks(image: &Image, true_colour: bool) -> String {
    let (width, height, bytes) = (image.width(), image.height(), image.to_rgb8());
    let colour = |x: usize, y: usize| {
        let at = 3 * (y.min(height - 1) * width + x);
        let [r, g, b] = [bytes[at], bytes[at + 1], bytes[at + 2]];
        if true_colour {
            return format!("2;{r};{g};{b}");
        }
        let level = |v: u8| (u32::from(v) * 5 + 127) / 255;
        format!("5;{}", 16 + 36 * level(r) + 6 * level(g) + level(b))
    };
    let mut all = String::new();
    for y in (0..height).step_by(2) {
        for x in 0..width {
            let _ = write!(all, "\x1b[38;{};48;{}m\u{2580}", colour(x, y), colour(x, y + 1));
        }
        all.push_str("\x1b[0m\n");
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: usize, height: usize) -> Image {
        let bytes: Vec<u8> = (0..3 * width * height).map(|i| (i * 37 % 256) as u8).collect();
        Image::from_rgb8(width, height, &bytes).expect("an image")
    }

    #[test]
    fn the_terminal_is_known_by_its_variables() {
        let way = |preview: Preview, set: &[(&str, &str)]| {
            preview.on(|name| set.iter().find(|(n, _)| *n == name).map_or(String::new(), |(_, value)| (*value).into()))
        };
        for (set, expected) in [
            (&[("TERM", "xterm-kitty")][..], Some(Way::Kitty)),
            (&[("TERM", "xterm-256color"), ("KITTY_WINDOW_ID", "1")], Some(Way::Kitty)),
            (&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "WezTerm")], Some(Way::Kitty)),
            (&[("TERM", "tmux-256color"), ("TERM_PROGRAM", "WezTerm")], Some(Way::Blocks { true_colour: false })),
            (&[("TERM", "foot")], Some(Way::Sixel)),
            (&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")], Some(Way::Blocks { true_colour: true })),
            (&[("TERM", "dumb")], None),
        ] {
            assert_eq!(way(Preview::Auto, set), expected, "{set:?}");
        }
        assert_eq!(way(Preview::Off, &[("TERM", "xterm-kitty")]), None);
        assert_eq!(way(Preview::Sixel, &[]), Some(Way::Sixel));
    }

    const ROOM: Room = Room { columns: 48, rows: 20 };

    #[test]
    fn pictures_fit_into_their_cells() {
        for (size, expected) in
            [((512, 410), (48, 19)), ((100, 100), (40, 20)), ((1, 5000), (1, 20)), ((5000, 1), (48, 1))]
        {
            assert_eq!(ROOM.cells(&picture(size.0, size.1)), expected, "{size:?}");
        }
    }

    #[test]
    fn pictures_fit_into_the_terminal() {
        let room = |columns, rows| Some(Room { columns, rows });
        assert_eq!(Room::on(Some((200, 50))), room(48, 20));
        assert_eq!(Room::on(Some((30, 10))), room(29, 8));
        assert_eq!(Room::on(Some((2, 3))), room(1, 1));
        for none in [(1, 50), (80, 2), (80, 1)] {
            assert_eq!(Room::on(Some(none)), None, "{none:?}");
        }
        // A terminal that does not tell.
        assert_eq!((Room::on(None), Room::on(Some((0, 0)))), (room(48, 20), room(48, 20)));
        let cells = Room { columns: 29, rows: 8 }.cells(&picture(512, 410));
        assert_eq!(cells, (20, 8));
    }

    /// The values of RFC 4648.
    #[test]
    fn base64_is_that_of_its_standard() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xbf]), "+/+/");
    }

    /// Bytes from base64, by table look-up.
    fn decoded(text: &str) -> Vec<u8> {
        let value = |c: u8| match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        let (mut bytes, mut bits, mut count) = (vec![], 0u32, 0);
        for c in text.bytes().filter(|&c| c != b'=') {
            (bits, count) = (bits << 6 | u32::from(value(c)), count + 6);
            if count >= 8 {
                count -= 8;
                bytes.push((bits >> count) as u8);
            }
        }
        bytes
    }

    #[test]
    fn kitty_gets_the_whole_file_in_parts() {
        let text = shown(&picture(200, 150), Way::Kitty, ROOM).expect("a picture");
        let parts: Vec<_> =
            text.split("\x1b_G").skip(1).map(|part| part.split("\x1b\\").next().expect("its end")).collect();
        assert!(parts.len() > 1);
        let (mut all, last) = (String::new(), parts.len() - 1);
        for (i, part) in parts.iter().enumerate() {
            let (keys, chunk) = part.split_once(';').expect("keys and a chunk");
            assert!(keys.ends_with(if i < last { "m=1" } else { "m=0" }) && chunk.len() <= CHUNK, "{keys}");
            assert_eq!(i == 0, keys.contains("a=T,f=100"));
            all.push_str(chunk);
        }
        let shown = image::load_from_memory(&decoded(&all)).expect("a PNG file").to_rgb8();
        assert_eq!((shown.width(), shown.height()), (48 * 9, 18 * 18));
    }

    /// Draws sixels as a terminal does.
    fn drawn(text: &str, width: usize, height: usize) -> Vec<[u32; 3]> {
        let mut pixels = vec![[999; 3]; width * height];
        let (mut colours, mut colour) = (BTreeMap::new(), 0);
        let (mut x, mut top) = (0, 0);
        let body = text.strip_prefix("\x1bPq").and_then(|text| text.strip_suffix("\x1b\\")).expect("sixels");
        let mut rest = body.strip_prefix(&*format!("\"1;1;{width};{height}")).expect("the size");
        let mut repeat = 1;
        while let Some(c) = rest.chars().next() {
            rest = &rest[1..];
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(rest.len());
            let numbers: Vec<u32> = rest[..end].split(';').filter_map(|n| n.parse().ok()).collect();
            match c {
                '#' => {
                    colour = numbers[0];
                    if let [n, 2, r, g, b] = numbers[..] {
                        colours.insert(n, [r, g, b]);
                    }
                    rest = &rest[end..];
                }
                '!' => {
                    repeat = numbers[0] as usize;
                    rest = &rest[end..];
                }
                '$' => x = 0,
                '-' => (x, top) = (0, top + 6),
                c => {
                    for _ in 0..repeat {
                        for bit in (0..6).filter(|bit| (c as u32 - 63) >> bit & 1 == 1) {
                            pixels[(top + bit) * width + x] = colours[&colour];
                        }
                        x += 1;
                    }
                    repeat = 1;
                }
            }
        }
        pixels
    }

    #[test]
    fn sixels_are_the_picture_within_a_step() {
        let image = picture(31, 20);
        let (text, bytes) = (sixel(&image), image.to_rgb8());
        for (pixel, rgb) in drawn(&text, 31, 20).iter().zip(bytes.chunks(3)) {
            for (percent, value) in pixel.iter().zip(rgb) {
                let apart = (f64::from(*percent) / 100.0 - f64::from(*value) / 255.0).abs();
                assert!(apart <= 0.21, "{percent} % for {value}");
            }
        }
        // White and black have no dither.
        for (value, percent) in [(0, 0), (255, 100)] {
            let even = Image::from_rgb8(5, 7, &[value; 105]).expect("an image");
            assert!(drawn(&sixel(&even), 5, 7).iter().all(|pixel| *pixel == [percent; 3]));
        }
    }

    #[test]
    fn half_blocks_have_two_rows_each() {
        let image = picture(3, 4);
        let (text, bytes) = (blocks(&image, true), image.to_rgb8());
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        for (row, line) in lines.iter().enumerate() {
            let cells: Vec<_> = line.split('\u{2580}').filter(|cell| cell.contains("38;2;")).collect();
            assert_eq!(cells.len(), 3);
            for (x, cell) in cells.iter().enumerate() {
                let inside = cell.trim_start_matches("\x1b[").trim_end_matches('m');
                let numbers: Vec<u8> = inside.split(';').map(|n| n.parse().expect("a number")).collect();
                let pixel = |y: usize| &bytes[3 * (y * 3 + x)..][..3];
                assert_eq!((&numbers[2..5], &numbers[7..]), (pixel(2 * row), pixel(2 * row + 1)));
            }
        }
        let grey = Image::from_rgb8(1, 1, &[255, 0, 128]).expect("an image");
        assert!(blocks(&grey, false).contains("38;5;199;48;5;199m"), "{}", blocks(&grey, false));
    }
}
