//! The output of a chart: SVG text or pixels.

use std::convert::Infallible;
use std::fmt::Write;

use embedded_graphics::Drawable;
use embedded_graphics::geometry::{OriginDimensions, Size};
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::iso_8859_1::{FONT_9X15, FONT_10X20};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::prelude::{DrawTarget, Pixel, Point};
use embedded_graphics::text::{Alignment, Text};
use style_core::{Error, ErrorKind, Result};
use tiny_skia::{ColorU8, LineCap, LineJoin, Paint, PathBuilder, Pixmap, Stroke, Transform};

use crate::file::encode_png;

/// Red, green, blue.
pub(crate) type Colour = [u8; 3];

/// The position of a text's anchor point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Left,
    Middle,
    Right,
}

/// Lines, dots and text on white, in pixels from the upper left corner.
pub(crate) trait Canvas {
    /// A line through the points.
    fn line(&mut self, points: &[(f32, f32)], colour: Colour, width: f32);
    /// A filled circle.
    fn dot(&mut self, centre: (f32, f32), radius: f32, colour: Colour);
    /// A line of text with its baseline at `at`. A title is larger.
    fn text(&mut self, at: (f32, f32), anchor: Anchor, colour: Colour, title: bool, text: &str);
}

/// SVG, with the viewer's sans-serif font.
#[derive(Debug)]
pub(crate) struct Svg(String);

impl Svg {
    pub(crate) fn new(width: u32, height: u32) -> Self {
        Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"sans-serif\" font-size=\"14\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
        ))
    }

    pub(crate) fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }

    fn put(&mut self, args: std::fmt::Arguments<'_>) {
        let _ = self.0.write_fmt(args); // a String never fails
    }
}

fn hex([r, g, b]: Colour) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Escapes text for XML, in which control characters are not allowed even when escaped.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

impl Canvas for Svg {
    fn line(&mut self, points: &[(f32, f32)], colour: Colour, width: f32) {
        let list: Vec<String> = points.iter().map(|(x, y)| format!("{x:.2},{y:.2}")).collect();
        let (list, colour) = (list.join(" "), hex(colour));
        self.put(format_args!(
            "<polyline points=\"{list}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" \
             stroke-linejoin=\"round\"/>\n"
        ));
    }

    fn dot(&mut self, (x, y): (f32, f32), radius: f32, colour: Colour) {
        let colour = hex(colour);
        self.put(format_args!("<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius}\" fill=\"{colour}\"/>\n"));
    }

    fn text(&mut self, (x, y): (f32, f32), anchor: Anchor, colour: Colour, title: bool, text: &str) {
        let anchor = match anchor {
            Anchor::Left => "start",
            Anchor::Middle => "middle",
            Anchor::Right => "end",
        };
        let size = if title { " font-size=\"18\" font-weight=\"bold\"" } else { "" };
        let (colour, text) = (hex(colour), escape(text));
        self.put(format_args!(
            "<text x=\"{x:.2}\" y=\"{y:.2}\" text-anchor=\"{anchor}\" fill=\"{colour}\"{size}>{text}</text>\n"
        ));
    }
}

/// Pixels: antialiased lines by `tiny-skia`, and text in a bitmap font that needs no system font.
pub(crate) struct Raster(Pixmap);

impl Raster {
    pub(crate) fn new(width: u32, height: u32) -> Result<Self> {
        let mut pixmap = Pixmap::new(width, height)
            .ok_or_else(|| Error::new(ErrorKind::OutOfMemory, "not enough memory for the plot"))?;
        pixmap.fill(tiny_skia::Color::WHITE);
        Ok(Self(pixmap))
    }

    /// Encodes a PNG file.
    pub(crate) fn finish(self) -> Result<Vec<u8>> {
        let rgb: Vec<u8> = self.0.pixels().iter().flat_map(|p| [p.red(), p.green(), p.blue()]).collect();
        encode_png(self.0.width() as usize, self.0.height() as usize, &rgb)
    }
}

fn paint([r, g, b]: Colour) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(r, g, b, 255);
    paint
}

impl Canvas for Raster {
    fn line(&mut self, points: &[(f32, f32)], colour: Colour, width: f32) {
        let mut path = PathBuilder::new();
        for (i, &(x, y)) in points.iter().enumerate() {
            if i == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
        }
        let stroke = Stroke { width, line_cap: LineCap::Butt, line_join: LineJoin::Round, ..Stroke::default() };
        if let Some(path) = path.finish() {
            self.0.stroke_path(&path, &paint(colour), &stroke, Transform::identity(), None);
        }
    }

    fn dot(&mut self, (x, y): (f32, f32), radius: f32, colour: Colour) {
        if let Some(path) = PathBuilder::from_circle(x, y, radius) {
            self.0.fill_path(&path, &paint(colour), tiny_skia::FillRule::Winding, Transform::identity(), None);
        }
    }

    fn text(&mut self, (x, y): (f32, f32), anchor: Anchor, [r, g, b]: Colour, title: bool, text: &str) {
        let alignment = match anchor {
            Anchor::Left => Alignment::Left,
            Anchor::Middle => Alignment::Center,
            Anchor::Right => Alignment::Right,
        };
        let font = if title { &FONT_10X20 } else { &FONT_9X15 };
        let style = MonoTextStyle::new(font, Rgb888::new(r, g, b));
        let at = Point::new(x.round() as i32, y.round() as i32);
        let Ok(_) = Text::with_alignment(text, at, style, alignment).draw(self);
    }
}

impl OriginDimensions for Raster {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Raster {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        let (width, height) = (self.0.width(), self.0.height());
        for Pixel(Point { x, y }, colour) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { continue };
            if x < width && y < height {
                let colour = ColorU8::from_rgba(colour.r(), colour.g(), colour.b(), 255).premultiply();
                self.0.pixels_mut()[y as usize * width as usize + x as usize] = colour;
            }
        }
        Ok(())
    }
}
