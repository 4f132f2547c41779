//! Contact sheets: labelled pictures side by side.

use style_core::{Error, ErrorKind, Image, Result};

use crate::limits::LARGEST_SIDE;
use crate::picture::Picture;
use crate::text::Font;

/// Default margin in pixels.
const MARGIN: usize = 16;

/// Cell height in lines of text: text grows with the pictures.
const LINES: usize = 12;

/// The most width of row labels: a cell's, or this if cells are narrower.
const ROW_LABEL: usize = 160;

/// Alignment of a line in its space.
#[derive(Clone, Copy)]
enum Align {
    Middle,
    Right,
}

/// A contact sheet: rows of pictures on white, with labels below each, above the columns, beside the rows, and a title.
///
/// All cells have one size, and pictures are fitted into them: on their labels, or centred without one. Text is black
/// and has 16 to 32 pixels per line, depending on the cell size; if it does not fit, it is set smaller, and finally cut
/// with an ellipsis. It supports the letters of Latin-1; any other is drawn as a question mark.
///
/// ```
/// use style_pictures::{Image, Sheet};
///
/// let picture = |grey| Image::from_rgb8(64, 48, &[grey; 64 * 48 * 3]);
/// let sheet = Sheet::new(2)
///     .title("Greys")
///     .column_labels(["dark", "light"])
///     .row_labels(["first", "second"])
///     .cell(&picture(40)?, "40")
///     .cell(&picture(180)?, "180")
///     .cell(&picture(60)?, "60")
///     .cell(&picture(200)?, "200")
///     .draw()?;
/// assert!(sheet.width() > 2 * 64 && sheet.height() > 2 * 48);
/// # Ok::<(), style_pictures::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "`draw` makes the sheet"]
pub struct Sheet {
    columns: usize,
    cells: Vec<(Image, String)>,
    cell_size: Option<(usize, usize)>,
    margin: usize,
    title: String,
    column_labels: Vec<String>,
    row_labels: Vec<String>,
}

impl Sheet {
    /// An empty sheet with this many columns; rows follow from the cells.
    pub fn new(columns: usize) -> Self {
        Self {
            columns,
            cells: vec![],
            cell_size: None,
            margin: MARGIN,
            title: String::new(),
            column_labels: vec![],
            row_labels: vec![],
        }
    }

    /// Adds a picture, from left to right and top to bottom, with a label below it; "" for none.
    ///
    /// ```
    /// # use style_pictures::{Image, Sheet};
    /// # let (photo, painting) = (Image::from_rgb8(1, 1, &[0; 3])?, Image::from_rgb8(1, 1, &[9; 3])?);
    /// let sheet = Sheet::new(2).cell(&photo, "photograph").cell(&painting, "painting").draw()?;
    /// # Ok::<(), style_pictures::Error>(())
    /// ```
    pub fn cell(mut self, picture: &Image, label: impl Into<String>) -> Self {
        self.cells.push((picture.clone(), label.into()));
        self
    }

    /// A line above everything, in bold.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Labels above the columns, one for each.
    pub fn column_labels<S: Into<String>>(mut self, labels: impl IntoIterator<Item = S>) -> Self {
        self.column_labels = labels.into_iter().map(Into::into).collect();
        self
    }

    /// Labels to the left of the rows, one for each.
    pub fn row_labels<S: Into<String>>(mut self, labels: impl IntoIterator<Item = S>) -> Self {
        self.row_labels = labels.into_iter().map(Into::into).collect();
        self
    }

    /// Width and height of all cells in pixels; by default those of the widest and the highest picture.
    ///
    /// ```
    /// # use style_pictures::{Image, Sheet};
    /// let wide = Image::from_rgb8(40, 20, &[0; 40 * 20 * 3])?;
    /// let sheet = Sheet::new(1).cell_size(20, 20).margin(2).cell(&wide, "").draw()?;
    /// assert_eq!((sheet.width(), sheet.height()), (24, 24));
    /// # Ok::<(), style_pictures::Error>(())
    /// ```
    pub fn cell_size(mut self, width: usize, height: usize) -> Self {
        self.cell_size = Some((width, height));
        self
    }

    /// White margin around everything, in pixels, and half of it between the cells. The default is 16.
    ///
    /// ```
    /// # use style_pictures::{Image, Sheet};
    /// # let (a, b) = (Image::from_rgb8(9, 9, &[0; 243])?, Image::from_rgb8(9, 9, &[9; 243])?);
    /// let strip = Sheet::new(2).margin(0).cell(&a, "").cell(&b, "").draw()?;
    /// assert_eq!((strip.width(), strip.height()), (18, 9));
    /// # Ok::<(), style_pictures::Error>(())
    /// ```
    pub fn margin(mut self, pixels: usize) -> Self {
        self.margin = pixels;
        self
    }

    /// Draws the sheet.
    ///
    /// # Errors
    /// `Argument` if there is no cell or no column, if cells have no pixel, if there are column or row labels but not
    /// one for each, or if a side would have no pixel or more than [`LARGEST_SIDE`]; `OutOfMemory` if there is not
    /// enough memory for the picture.
    pub fn draw(&self) -> Result<Image> {
        self.check()?;
        let rows = self.cells.len().div_ceil(self.columns);
        let largest = |side: fn(&Image) -> usize| self.cells.iter().map(|(image, _)| side(image)).max().unwrap_or(1);
        let (cell_w, cell_h) = self.cell_size.unwrap_or((largest(Image::width), largest(Image::height)));
        let (margin, gap) = (self.margin, self.margin / 2);
        let height = cell_h / LINES;
        // One font for all labels of a kind.
        let row_label_w = cell_w.max(ROW_LABEL);
        let row_font = Font::fitting(self.row_labels.iter().map(String::as_str), false, height, row_label_w);
        let column_font = Font::fitting(self.column_labels.iter().map(String::as_str), false, height, cell_w);
        let cell_font = Font::fitting(self.cells.iter().map(|(_, label)| label.as_str()), false, height, cell_w);

        let row_h = if self.row_labels.is_empty() { cell_h } else { cell_h.max(row_font.height()) };

        // Every length saturates; the sum is checked.
        let row_label_w = self.row_labels.iter().map(|label| row_font.width(label)).max().unwrap_or(0).min(row_label_w);
        let left = margin.saturating_add(if row_label_w > 0 { row_label_w + gap } else { 0 });
        let pitch_x = cell_w.saturating_add(gap);
        let width =
            pitch_x.saturating_mul(self.columns).saturating_sub(gap).saturating_add(left).saturating_add(margin);
        let inner = width.saturating_sub(margin.saturating_mul(2));
        let title_font = Font::fitting([self.title.as_str()], true, height.saturating_add(height / 4).max(20), inner);
        let title_h = if self.title.is_empty() { 0 } else { title_font.height() + gap };
        let column_label_h = if self.column_labels.is_empty() { 0 } else { column_font.height() + gap / 2 };
        let label_h = if self.cells.iter().all(|(_, label)| label.is_empty()) { 0 } else { cell_font.height() };
        let columns_top = margin.saturating_add(title_h);
        let top = columns_top.saturating_add(column_label_h);
        let pitch_y = row_h.saturating_add(label_h).saturating_add(gap);
        let height = pitch_y.saturating_mul(rows).saturating_sub(gap).saturating_add(top).saturating_add(margin);

        let mut canvas = Canvas::new(width, height)?;
        canvas.line(title_font, &self.title, (margin, margin), inner, Align::Middle);
        for (i, label) in self.column_labels.iter().enumerate() {
            canvas.line(column_font, label, (left + i * pitch_x, columns_top), cell_w, Align::Middle);
        }
        for (i, label) in self.row_labels.iter().enumerate() {
            let y = top + i * pitch_y + (row_h - row_font.height()) / 2;
            canvas.line(row_font, label, (margin, y), row_label_w, Align::Right);
        }
        for (i, (image, label)) in self.cells.iter().enumerate() {
            let (x, y) = (left + i % self.columns * pitch_x, top + i / self.columns * pitch_y);
            let image = fitted(image, cell_w, cell_h)?;
            // A picture stands on its label.
            let free = row_h - image.height();
            canvas.picture(
                &image,
                x + (cell_w - image.width()) / 2,
                y + if label.is_empty() { free / 2 } else { free },
            );
            canvas.line(cell_font, label, (x, y + row_h), cell_w, Align::Middle);
        }
        Image::from_finite_planar(width, height, canvas.pixels)
    }

    fn check(&self) -> Result<()> {
        let bad = |what: String| Err(Error::new(ErrorKind::Argument, what));
        if self.columns == 0 || self.cells.is_empty() {
            return bad(format!(
                "a sheet of {} columns has {} cells; give it at least one of each",
                self.columns,
                self.cells.len()
            ));
        }
        if self.cell_size.is_some_and(|(w, h)| w.min(h) == 0) {
            return bad("the cells of a sheet have no size; give them at least one pixel each way".into());
        }
        let rows = self.cells.len().div_ceil(self.columns);
        for (labels, wanted, what) in [(&self.column_labels, self.columns, "columns"), (&self.row_labels, rows, "rows")]
        {
            if !labels.is_empty() && labels.len() != wanted {
                return bad(format!(
                    "a sheet of {wanted} {what} has {} labels for them; give none or all",
                    labels.len()
                ));
            }
        }
        Ok(())
    }
}

/// The picture, as large as a cell allows.
fn fitted(image: &Image, cell_w: usize, cell_h: usize) -> Result<Image> {
    let (w, h) = (image.width(), image.height());
    let factor = (cell_w as f64 / w as f64).min(cell_h as f64 / h as f64);
    let side = |n: usize, most: usize| ((n as f64 * factor).round() as usize).clamp(1, most);
    Ok(Picture::from(image.clone()).stretched(side(w, cell_w), side(h, cell_h))?.image)
}

/// The canvas: planar, initially white.
struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<f32>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Result<Self> {
        let sides = 1..=LARGEST_SIDE as usize;
        if !sides.contains(&width) || !sides.contains(&height) {
            let message = format!(
                "the sheet would have {width}x{height} pixels, and a side may have 1 to {LARGEST_SIDE}; choose fewer \
                 columns or another size of cells"
            );
            return Err(Error::new(ErrorKind::Argument, message));
        }
        let mut pixels = vec![];
        pixels.try_reserve_exact(3 * width * height).map_err(|e| {
            let message = format!("no memory for a sheet of {width}x{height} pixels; choose smaller cells");
            Error::new(ErrorKind::OutOfMemory, message).with_source(e)
        })?;
        pixels.resize(3 * width * height, 255.0);
        Ok(Self { width, height, pixels })
    }

    fn picture(&mut self, image: &Image, left: usize, top: usize) {
        for (i, row) in image.pixels().chunks_exact(image.width()).enumerate() {
            let (channel, y) = (i / image.height(), i % image.height());
            let at = (channel * self.height + top + y) * self.width + left;
            self.pixels[at..at + row.len()].copy_from_slice(row);
        }
    }

    /// Draws text at this position, in a space of this width.
    fn line(&mut self, font: Font, text: &str, (left, top): (usize, usize), width: usize, align: Align) {
        let text = font.cut(text, width);
        let free = width.saturating_sub(font.width(&text));
        let left = match align {
            Align::Middle => left + free / 2,
            Align::Right => left + free,
        };
        for (x, y, dark) in font.raster(&text) {
            for channel in 0..3 {
                self.pixels[(channel * self.height + top + y) * self.width + left + x] *= 1.0 - dark;
            }
        }
    }
}
