//! Semantic maps: pictures whose colours are regions (Champandard 2016,
//! [arXiv 1603.01768](https://arxiv.org/abs/1603.01768)).
//!
//! A picture is cut into blocks, about 128 along its long side. Blocks of an even colour show which colours there are:
//! an edge, unless it is very soft, is not even, so the colours in between are not taken for regions. Each pixel is a
//! mixture `(1 - t) a + t b` of two colours, those of the even blocks at and around it if they explain it, otherwise any
//! two; its weights are `1 - t` and `t`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use style_core::{Error, ErrorKind, Image, Mask, Result, Style};

use crate::decode::decode;
use crate::limits::{bad, room};
use crate::picture::{Picture, VISIBLE};

/// The most colours of a map.
const MOST_COLOURS: usize = 16;

/// Colours closer than this, of 255, are the same.
const SAME: f64 = 48.0;

/// The largest deviation, of 255, of the colours of an even block.
const EVEN: f64 = 12.0;

/// The least share of the map in a colour that counts.
const LEAST_AREA: f64 = 0.005;

/// The least share of the map in a colour that is worth a note.
const NOTED_AREA: f64 = 0.001;

/// The least share of the map in even blocks of its colours.
const LEAST_EVEN: f64 = 0.5;

/// How much nearer than one of its colours a mixture must be, as a share of their distance.
const MIXING: f64 = 0.05;

/// Blocks along the long side of a large map.
const BLOCKS: usize = 128;

/// The longest side of the masks.
const LONGEST: usize = 2048;

/// Red, green and blue, in 8-bit units.
type Rgb = [f64; 3];

/// A map: a picture whose colours are regions, one mask for each.
///
/// Draw each region in one flat colour. Soft edges, noise and the traces of JPEG do no harm: colours closer than 48 (of
/// 255, the Euclidean distance of their RGB values) are the same, and pixels between two colours belong to both in part.
/// A colour counts if even areas of it fill 0.5 % of the map; pixels of other colours are treated as mixtures of those
/// that count. A map has at most 16 colours.
///
/// The weights of a pixel sum to its opacity: a transparent pixel belongs to no region.
///
/// ```
/// use style_pictures::{Image, Picture, SemanticMap};
///
/// // Red to the left, blue to the right, in both pictures with other borders.
/// let drawn = |reds: usize| {
///     let row: Vec<u8> = (0..16).flat_map(|x| if x < reds { [255, 0, 0] } else { [0, 0, 255] }).collect();
///     SemanticMap::of(&Picture::from(Image::from_rgb8(16, 16, &row.repeat(16))?))
/// };
/// let (photo, painting) = (drawn(8)?, drawn(4)?);
/// assert_eq!(painting.colours()[0].to_string(), "#0000ff");
/// let (regions, notes) = photo.matched(&painting)?;
/// assert!(regions.len() == 2 && notes.is_empty());
/// # let art = Image::from_rgb8(16, 16, &[90; 16 * 16 * 3])?;
/// let styles: Vec<_> = regions.into_iter().map(|region| region.style(art.clone())).collect();
/// # Ok::<(), style_pictures::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SemanticMap {
    /// The file's name, if it was read from a file.
    name: Option<String>,
    width: usize,
    height: usize,
    colours: Vec<MapColour>,
    /// Of the same order as the colours.
    masks: Vec<Mask>,
    notes: Vec<String>,
}

/// A colour of a map; displayed as `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapColour {
    /// Red, green and blue: the mean of its even areas.
    pub rgb: [u8; 3],
    /// The share of the map's visible pixels that even areas of the colour fill.
    pub area: f64,
}

impl fmt::Display for MapColour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b] = self.rgb;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

/// A region of the photograph, and the painting's region of the same colour.
#[derive(Clone, Debug, PartialEq)]
pub struct MatchedRegion {
    /// The colour in the photograph's map.
    pub colour: MapColour,
    /// The part of the result: a [`Style::mask`].
    pub mask: Mask,
    /// The part of the painting: a [`Style::region`].
    pub region: Mask,
}

impl MatchedRegion {
    /// The style of this region. Its share is 1: the loss of a style with a mask counts in proportion to the mask's area,
    /// so the styles of all regions together are as strong as one style of the whole picture.
    #[must_use]
    pub fn style(self, painting: Image) -> Style {
        Style::new(painting).mask(self.mask).region(self.region)
    }
}

impl SemanticMap {
    /// Reads a map from a file, with the formats and colours of [`Picture::open`], at any size.
    ///
    /// # Errors
    /// `Io` if the file cannot be read; `Image` if it is damaged, too large, not a picture or transparent everywhere, if
    /// it has more than 16 colours, or if less than half of it is in flat colours; `OutOfMemory`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let map = Picture::from_decoded(decode(path)?).and_then(|picture| Self::of(&picture));
        let map = map.map_err(|e| e.context(path.display()))?;
        Ok(Self { name: Some(path.display().to_string()), ..map })
    }

    /// The same for a picture in memory.
    ///
    /// # Errors
    /// As for [`open`](Self::open), except `Io`; `Shape` if the picture's image and transparency differ in size.
    pub fn of(picture: &Picture) -> Result<Self> {
        let pixels = Pixels::of(picture)?;
        let (mut blocks, even) = Blocks::of(&pixels);
        let found = blocks.cluster(even);
        let (colours, small) = found.split_at(found.partition_point(|(_, area)| *area >= LEAST_AREA));
        if colours.len() > MOST_COLOURS {
            return Err(bad(format!(
                "the map has {} colours, but at most {MOST_COLOURS} are supported; draw each region in one flat colour, \
                 without shading",
                colours.len()
            )));
        }
        let even: f64 = colours.iter().map(|(_, area)| area).sum();
        if colours.is_empty() || even < LEAST_EVEN {
            return Err(bad(format!(
                "only {} of the map is in flat colours, so it looks like a photograph; draw each region in one flat colour",
                percent(even)
            )));
        }
        let centres: Vec<Rgb> = colours.iter().map(|(centre, _)| *centre).collect();
        let masks = masks(&pixels, &blocks, &centres)?;
        let colours: Vec<_> = colours.iter().map(MapColour::from).collect();
        let mut notes = picture.notes().to_vec();
        if let [only] = &colours[..] {
            notes.push(format!(
                "it has one colour, {only}, so it is one region; colours closer than {SAME} of 255 count as one"
            ));
        }
        let small: Vec<_> = small.iter().filter(|(_, area)| *area >= NOTED_AREA).map(MapColour::from).collect();
        if !small.is_empty() {
            notes.push(format!(
                "too small to count as regions, which need {}: {}; draw them larger, or ignore this",
                percent(LEAST_AREA),
                list(&small)
            ));
        }
        Ok(Self { name: None, width: pixels.width, height: pixels.height, colours, masks, notes })
    }

    /// Columns of the map.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows of the map.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// The colours, the largest area first.
    #[must_use]
    pub fn colours(&self) -> &[MapColour] {
        &self.colours
    }

    /// The weights of each colour's region, in the order of [`colours`](Self::colours): of the map's size, or reduced to
    /// 2048 pixels on the long side.
    #[must_use]
    pub fn masks(&self) -> &[Mask] {
        &self.masks
    }

    /// Notes on the interpretation, one sentence each; most maps have none.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The regions of this map, which is the photograph's, with those of the painting's map: each colour takes the nearest
    /// of the painting's colours. Also notes, on colours of the painting that are not used.
    ///
    /// # Errors
    /// `Argument` if the painting's map lacks a colour; the message names it.
    pub fn matched(&self, painting: &Self) -> Result<(Vec<MatchedRegion>, Vec<String>)> {
        let photograph_name = self.name.as_deref().unwrap_or("the photograph's map");
        let painting_name = painting.name.as_deref().unwrap_or("the painting's map");
        let mut used = vec![false; painting.colours.len()];
        let mut regions = vec![];
        for (colour, mask) in self.colours.iter().zip(&self.masks) {
            let far = |other: &MapColour| distance(colour.rgb.map(f64::from), other.rgb.map(f64::from));
            let nearest = painting.colours.iter().map(far).enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
            let Some((i, _)) = nearest.filter(|(_, far)| *far < SAME) else {
                return Err(Error::new(
                    ErrorKind::Argument,
                    format!(
                        "{painting_name}: the map has no region of colour {colour}, which fills {} of {photograph_name}; \
                         it has {}. Draw in {colour} the part of the painting to take this region's style from",
                        percent(colour.area),
                        list(&painting.colours)
                    ),
                ));
            };
            used[i] = true;
            regions.push(MatchedRegion { colour: *colour, mask: mask.clone(), region: painting.masks[i].clone() });
        }
        let unused: Vec<_> = painting.colours.iter().zip(used).filter(|(_, used)| !used).map(|(c, _)| *c).collect();
        let note = (!unused.is_empty())
            .then(|| format!("{painting_name}: not in {photograph_name}, so not used: {}", list(&unused)));
        Ok((regions, note.into_iter().collect()))
    }
}

impl From<&(Rgb, f64)> for MapColour {
    fn from((centre, area): &(Rgb, f64)) -> Self {
        Self { rgb: centre.map(|v| v.round() as u8), area: *area }
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// Colours with their areas, as text.
fn list(colours: &[MapColour]) -> String {
    let each: Vec<_> = colours.iter().map(|c| format!("{c} ({})", percent(c.area))).collect();
    each.join(", ")
}

fn distance(a: Rgb, b: Rgb) -> f64 {
    (0..3).map(|c| (a[c] - b[c]).powi(2)).sum::<f64>().sqrt()
}

/// A picture by its pixels.
struct Pixels<'a> {
    width: usize,
    height: usize,
    planes: &'a [f32],
    alpha: Option<&'a [f32]>,
}

impl<'a> Pixels<'a> {
    fn of(picture: &'a Picture) -> Result<Self> {
        let Picture { image, extras } = picture;
        Ok(Self {
            width: image.width(),
            height: image.height(),
            planes: image.pixels(),
            alpha: extras.alpha_of(image)?,
        })
    }

    fn colour(&self, i: usize) -> Rgb {
        let n = self.width * self.height;
        [0, 1, 2].map(|c| f64::from(self.planes[c * n + i]).clamp(0.0, 255.0))
    }

    /// 0 for a pixel that is as good as invisible.
    fn opacity(&self, i: usize) -> f32 {
        let opacity = self.alpha.map_or(1.0, |alpha| alpha[i]);
        if opacity < VISIBLE { 0.0 } else { opacity }
    }
}

/// A block of an even colour.
#[derive(Clone, Copy)]
struct Even {
    /// Its position among all blocks.
    at: usize,
    colour: Rgb,
    pixels: f64,
}

/// The blocks that a map is cut into.
struct Blocks {
    /// Pixels along a side.
    side: usize,
    columns: usize,
    /// The index of each block's colour; none if it is not even, or if its colour does not count.
    labels: Vec<Option<usize>>,
    /// Visible pixels of the map.
    visible: f64,
}

impl Blocks {
    /// Cuts a map; also returns the even blocks.
    fn of(pixels: &Pixels<'_>) -> (Self, Vec<Even>) {
        let (width, height) = (pixels.width, pixels.height);
        let side = (width.max(height) / BLOCKS).max(2);
        let (columns, rows) = (width.div_ceil(side), height.div_ceil(side));
        let (mut even, mut visible) = (vec![], 0.0);
        for at in 0..rows * columns {
            let (top, left) = (at / columns * side, at % columns * side);
            let xs = left..(left + side).min(width);
            let ys = top..(top + side).min(height);
            let (mut sum, mut squares, mut n, mut seen) = ([0.0; 3], 0.0, 0_u32, 0_u32);
            for i in ys.flat_map(|y| xs.clone().map(move |x| y * width + x)) {
                let colour = pixels.colour(i);
                (0..3).for_each(|c| sum[c] += colour[c]);
                squares += colour.iter().map(|v| v * v).sum::<f64>();
                n += 1;
                seen += u32::from(pixels.opacity(i) > 0.0);
            }
            visible += f64::from(seen);
            let mean = sum.map(|v| v / f64::from(n));
            let variance = squares / f64::from(n) - mean.iter().map(|v| v * v).sum::<f64>();
            if seen == n && variance <= EVEN * EVEN {
                even.push(Even { at, colour: mean, pixels: f64::from(n) });
            }
        }
        (Self { side, columns, labels: vec![None; rows * columns], visible }, even)
    }

    /// Finds the colours of the even blocks, with their shares of the map, the largest first; labels the blocks of those that
    /// count.
    fn cluster(&mut self, even: Vec<Even>) -> Vec<(Rgb, f64)> {
        let (mut clusters, mut left) = (vec![], even);
        while let Some(seed) = commonest(&left) {
            let centre = mean(left.iter().filter(|b| distance(b.colour, seed) < SAME));
            let near = |b: &Even| distance(b.colour, seed) < SAME || distance(b.colour, centre) < SAME;
            let (cluster, rest): (Vec<_>, Vec<_>) = left.into_iter().partition(near);
            left = rest;
            let area = cluster.iter().map(|b| b.pixels).sum::<f64>() / self.visible;
            clusters.push((mean(cluster.iter()), area, cluster));
        }
        clusters.sort_by(|(_, a, _), (_, b, _)| b.total_cmp(a));
        for (label, (_, _, cluster)) in clusters.iter().enumerate().filter(|(_, (_, area, _))| *area >= LEAST_AREA) {
            cluster.iter().for_each(|b| self.labels[b.at] = Some(label));
        }
        clusters.into_iter().map(|(colour, area, _)| (colour, area)).collect()
    }

    /// The colours of the blocks within two steps of a block.
    fn around(&self, at: usize) -> Vec<usize> {
        let (row, column) = (at / self.columns, at % self.columns);
        let near = |i: usize, n: usize| i.saturating_sub(2)..(i + 3).min(n);
        let rows = near(row, self.labels.len() / self.columns);
        let blocks = rows.flat_map(|r| near(column, self.columns).map(move |c| r * self.columns + c));
        let mut labels: Vec<_> = blocks.filter_map(|b| self.labels[b]).collect();
        labels.sort_unstable();
        labels.dedup();
        labels
    }
}

/// The mean colour of the largest group of blocks whose colours agree but for the lower bits.
fn commonest(blocks: &[Even]) -> Option<Rgb> {
    let mut groups: BTreeMap<[u8; 3], Vec<&Even>> = BTreeMap::new();
    for block in blocks {
        groups.entry(block.colour.map(|v| v as u8 >> 4)).or_default().push(block);
    }
    let size = |group: &Vec<&Even>| group.iter().map(|b| b.pixels).sum::<f64>();
    let largest = groups.into_values().max_by(|a, b| size(a).total_cmp(&size(b)))?;
    Some(mean(largest.into_iter()))
}

fn mean<'a>(blocks: impl Iterator<Item = &'a Even>) -> Rgb {
    let (mut sum, mut pixels) = ([0.0; 3], 0.0);
    for block in blocks {
        (0..3).for_each(|c| sum[c] += block.pixels * block.colour[c]);
        pixels += block.pixels;
    }
    sum.map(|v| v / pixels.max(1.0))
}

/// The weights of each colour.
fn masks(pixels: &Pixels<'_>, blocks: &Blocks, centres: &[Rgb]) -> Result<Vec<Mask>> {
    let (width, height) = (pixels.width, pixels.height);
    let long = width.max(height);
    let reduced = |n: usize| if long <= LONGEST { n } else { (n * LONGEST / long).max(1) };
    let (columns, rows) = (reduced(width), reduced(height));
    let mut sums = centres.iter().map(|_| room(columns * rows, 0.0_f32)).collect::<Result<Vec<_>>>()?;
    let mut counts = room(columns * rows, 0.0_f32)?;
    let all: Vec<_> = (0..centres.len()).collect();
    for at in 0..blocks.labels.len() {
        let around = blocks.around(at);
        let (top, left) = (at / blocks.columns * blocks.side, at % blocks.columns * blocks.side);
        for y in top..(top + blocks.side).min(height) {
            for x in left..(left + blocks.side).min(width) {
                let i = y * width + x;
                let cell = y * rows / height * columns + x * columns / width;
                counts[cell] += 1.0;
                for (colour, weight) in mixture(pixels.colour(i), centres, &around, &all) {
                    sums[colour][cell] += weight * pixels.opacity(i);
                }
            }
        }
    }
    let mask = |mut sums: Vec<f32>| {
        sums.iter_mut().zip(&counts).for_each(|(sum, count)| *sum = (*sum / count.max(1.0)).clamp(0.0, 1.0));
        Mask::new(columns, rows, sums)
    };
    sums.into_iter().map(mask).collect()
}

/// The two colours that a pixel is a mixture of, with their weights: of those `around` it if they explain it.
fn mixture(pixel: Rgb, centres: &[Rgb], around: &[usize], all: &[usize]) -> [(usize, f32); 2] {
    let (weights, far) = nearest_mixture(pixel, centres, around);
    if far < SAME { weights } else { nearest_mixture(pixel, centres, all).0 }
}

/// The mixture of two of the colours that is nearest to a pixel, and its distance. Of similar ones that of near colours is
/// taken, or a colour alone.
fn nearest_mixture(pixel: Rgb, centres: &[Rgb], of: &[usize]) -> ([(usize, f32); 2], f64) {
    let (mut best, mut least) = (([(0, 0.0); 2], f64::INFINITY), f64::INFINITY);
    for (n, &a) in of.iter().enumerate() {
        for &b in &of[n..] {
            let (from, to) = (centres[a], centres[b]);
            let step = [0, 1, 2].map(|c| to[c] - from[c]);
            let along: f64 = (0..3).map(|c| (pixel[c] - from[c]) * step[c]).sum();
            let length: f64 = step.iter().map(|v| v * v).sum();
            let t = if length > 0.0 { (along / length).clamp(0.0, 1.0) } else { 0.0 };
            let far = distance(pixel, [0, 1, 2].map(|c| from[c] + t * step[c]));
            let cost = far + MIXING * length.sqrt();
            if cost < least {
                least = cost;
                best = ([(a, 1.0 - t as f32), (b, t as f32)], far);
            }
        }
    }
    best
}
