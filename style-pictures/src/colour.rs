//! Colour preservation: "Preserving Color in Neural Artistic Style Transfer" (Gatys, Bethge, Hertzmann and Shechtman
//! 2016, [arXiv 1606.05897](https://arxiv.org/abs/1606.05897)).
//!
//! A style loss copies a painting's colours along with its strokes. There are two remedies.
//!
//! **Colour matching**, before painting ([`match_colours`]): every pixel `x` of the style picture becomes
//!
//! ```text
//! x' = A x + b,   b = mu_C - A mu_S,   A S_S A^T = S_C
//! ```
//!
//! so that the style picture takes on the mean `mu_C` and the covariance `S_C` of the photograph's colours.
//!
//! **Luminance transfer**, before and after painting: strokes are variations of lightness rather than colour, so grey
//! pictures are enough for the network. With `Y = 0.299 R + 0.587 G + 0.114 B`,
//!
//! 1. [`luminance`] of the photograph is the content, and [`match_luminance`] of the style picture is the style:
//!    `L_S' = sigma_C / sigma_S (L_S - mu_S) + mu_C`;
//! 2. [`keep_colours`] gives the result the photograph's chroma.
//!
//! Colours are as encoded in the files, in 8-bit units. A result outside 0..=255 is clamped: no picture has such a
//! colour, and the authors' own code does the same.

use style_core::{Error, ErrorKind, Image, Result};

use crate::matrix::{Matrix, cholesky, eigen, inverse_lower, map_eigenvalues, product};
use crate::picture::Picture;

/// Weights of R, G and B in the luminance Y of YIQ.
const LUMINANCE: [f64; 3] = [0.299, 0.587, 0.114];

/// A deviation below one 8-bit step is grain rather than colour, and is treated as one step when it is scaled.
const LEAST_DEVIATION: f64 = 1.0;

/// The lower limit of a variance, relative to the largest: the resolution of `f64` above rounding error.
const LEAST_SHARE: f64 = 1e-10;

/// Which of the matrices `A` with `A S_S A^T = S_C` matches colours; they differ by a rotation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Matching {
    /// `A = L_C L_S^-1` with the Cholesky factors `S = L L^T`. One of the paper's two. Depends on the channel order:
    /// red depends on red alone, blue on all three.
    Cholesky,
    /// `A = S_C^(1/2) S_S^(-1/2)` with symmetric roots, by the principal axes. The paper's other one, which it
    /// attributes to "Image Analogies".
    #[default]
    Pca,
    /// `A = S_S^(-1/2) (S_S^(1/2) S_C S_S^(1/2))^(1/2) S_S^(-1/2)`, the only symmetric positive matrix, which moves
    /// colours least in the mean square: the linear Monge-Kantorovich map (Pitié and Kokaram 2007). Not in the paper.
    Symmetric,
}

/// The style picture with the mean and covariance of the photograph's colours.
///
/// Clamping changes both slightly if colours leave 0..=255.
///
/// A colour direction in which the style picture deviates by less than one 8-bit step (a grey picture has two, a flat
/// one three) is treated as deviating by one step. So grey stays a single line of colours, a flat picture becomes the
/// photograph's mean, and grain is not amplified into colours. This rule is not in the paper.
///
/// ```
/// use style_pictures::{Image, Matching, match_colours};
///
/// let photo = Image::from_rgb8(2, 2, &[90, 80, 70, 110, 90, 80, 100, 110, 90, 95, 85, 120])?;
/// let style = Image::from_rgb8(3, 1, &[0, 0, 255, 200, 180, 0, 30, 100, 90])?;
/// let matched = match_colours(&style, &photo, Matching::default())?;
/// let red = &matched.pixels()[..3];
/// assert!((red.iter().sum::<f32>() / 3.0 - 98.75).abs() < 1e-4);
/// # Ok::<(), style_pictures::Error>(())
/// ```
///
/// # Errors
/// None: the values of an [`Image`] are finite, and their squares fit `f64`.
pub fn match_colours(style: &Image, photograph: &Image, matching: Matching) -> Result<Image> {
    matched((style, None), (photograph, None), matching)
}

/// An image, and the opacity of its pixels.
type Seen<'a> = (&'a Image, Option<&'a [f32]>);

fn matched(style: Seen<'_>, photograph: Seen<'_>, matching: Matching) -> Result<Image> {
    let (from, to) = (Colours::of(style), Colours::of(photograph));
    let variances = eigen(from.covariance).0;
    let largest = variances.iter().copied().fold(0.0, f64::max);
    let least = (LEAST_SHARE * largest).max(LEAST_DEVIATION.powi(2));
    let covariance = map_eigenvalues(&from.covariance, |v| v.max(least));
    let root = |a: &Matrix| map_eigenvalues(a, |v| v.max(0.0).sqrt());
    let inverse_root = || map_eigenvalues(&from.covariance, |v| 1.0 / v.max(least).sqrt());
    let a = match matching {
        Matching::Cholesky => product(&cholesky(&to.covariance), &inverse_lower(&cholesky(&covariance))),
        Matching::Pca => product(&root(&to.covariance), &inverse_root()),
        Matching::Symmetric => {
            let (half, inverse) = (root(&covariance), inverse_root());
            let middle = root(&product(&product(&half, &to.covariance), &half));
            product(&product(&inverse, &middle), &inverse)
        }
    };
    map_pixels(style.0, |x| {
        let x = [0, 1, 2].map(|c| x[c] - from.mean[c]);
        [0, 1, 2].map(|c| to.mean[c] + (0..3).map(|k| a[c][k] * x[k]).sum::<f64>())
    })
}

impl Picture {
    fn seen(&self) -> Result<Seen<'_>> {
        Ok((&self.image, self.extras.alpha_of(&self.image)?))
    }

    /// This painting's image by [`match_colours`], with each pixel of both pictures weighted by its opacity.
    ///
    /// # Errors
    /// `Shape` if a picture's image and transparency differ in size.
    pub fn match_colours(&self, photograph: &Self, matching: Matching) -> Result<Image> {
        matched(self.seen()?, photograph.seen()?, matching)
    }

    /// This painting's image by [`match_luminance`], with each pixel of both pictures weighted by its opacity.
    ///
    /// # Errors
    /// `Shape` if a picture's image and transparency differ in size.
    pub fn match_luminance(&self, photograph: &Self) -> Result<Image> {
        luminance_matched(self.seen()?, photograph.seen()?)
    }
}

/// The luminance `Y = 0.299 R + 0.587 G + 0.114 B` of a picture, as a grey picture with three equal channels.
///
/// ```
/// use style_pictures::{Image, luminance};
///
/// let grey = luminance(&Image::from_rgb8(1, 1, &[255, 0, 0])?)?;
/// assert_eq!(grey.to_rgb8(), [76, 76, 76]);
/// # Ok::<(), style_pictures::Error>(())
/// ```
///
/// # Errors
/// None: the values of an [`Image`] are finite.
pub fn luminance(image: &Image) -> Result<Image> {
    map_pixels(image, |x| [y(x); 3])
}

/// The style picture's luminance, with the mean and standard deviation of the photograph's luminance:
/// `L_S' = sigma_C / sigma_S (L_S - mu_S) + mu_C`, a grey picture.
///
/// A style picture's deviation below one 8-bit step is treated as one step: a flat picture becomes the photograph's
/// mean.
///
/// ```
/// use style_pictures::{Image, match_luminance};
///
/// let photo = Image::from_rgb8(2, 1, &[90, 90, 90, 110, 110, 110])?;
/// let style = Image::from_rgb8(2, 1, &[0, 0, 0, 200, 200, 200])?;
/// assert_eq!(match_luminance(&style, &photo)?, photo);
/// # Ok::<(), style_pictures::Error>(())
/// ```
///
/// # Errors
/// None: the values of an [`Image`] are finite, and their squares fit `f64`.
pub fn match_luminance(style: &Image, photograph: &Image) -> Result<Image> {
    luminance_matched((style, None), (photograph, None))
}

fn luminance_matched(style: Seen<'_>, photograph: Seen<'_>) -> Result<Image> {
    let ((from, spread), (to, wanted)) = (luminance_statistics(style), luminance_statistics(photograph));
    let scale = wanted / spread.max(LEAST_DEVIATION);
    map_pixels(style.0, |x| [scale * (y(x) - from) + to; 3])
}

/// The result's luminance with the photograph's chroma: `Y` of the result, `I` and `Q` of the photograph.
///
/// In YIQ
///
/// ```text
/// Y   0.299   0.587   0.114    R          R   1   0.956   0.619    Y
/// I = 0.5959 -0.2746 -0.3213 x G    and   G = 1  -0.272  -0.647  x I
/// Q   0.2115 -0.5227  0.3112   B          B   1  -1.106   1.703    Q
/// ```
///
/// I and Q vanish for grey, so the first column of the inverse is all ones. The operation therefore reduces to adding
/// the luminance difference to each of the photograph's channels, whatever the other coefficients are.
///
/// ```
/// use style_pictures::{Image, keep_colours};
///
/// let photo = Image::from_rgb8(1, 1, &[200, 60, 60])?;
/// let result = Image::from_rgb8(1, 1, &[112, 112, 112])?;
/// assert_eq!(keep_colours(&result, &photo)?.to_rgb8(), [210, 70, 70]);
/// # Ok::<(), style_pictures::Error>(())
/// ```
///
/// # Errors
/// `Shape` if the pictures differ in size.
pub fn keep_colours(result: &Image, photograph: &Image) -> Result<Image> {
    let size = |image: &Image| (image.width(), image.height());
    if size(result) != size(photograph) {
        let ((w, h), (pw, ph)) = (size(result), size(photograph));
        return Err(Error::new(
            ErrorKind::Shape,
            format!("expected a photograph of {w}x{h} pixels like the result, found {pw}x{ph}; resize the photograph"),
        ));
    }
    let n = result.width() * result.height();
    let (of, from) = (result.pixels(), photograph.pixels());
    let shift: Vec<f64> = (0..n).map(|i| y(pixel(of, n, i)) - y(pixel(from, n, i))).collect();
    let planar = from.iter().enumerate().map(|(i, v)| to_value(f64::from(*v) + shift[i % n]));
    Image::from_finite_planar(result.width(), result.height(), planar.collect())
}

/// Mean and covariance of a picture's colours.
struct Colours {
    mean: [f64; 3],
    covariance: Matrix,
}

impl Colours {
    /// Each pixel is weighted by its opacity.
    fn of((image, alpha): Seen<'_>) -> Self {
        let n = image.width() * image.height();
        let weight = |i: usize| alpha.map_or(1.0, |alpha| f64::from(alpha[i]));
        let total: f64 = (0..n).map(weight).sum();
        let planes = [0, 1, 2].map(|c| &image.pixels()[c * n..(c + 1) * n]);
        let mean = planes.map(|plane| (0..n).map(|i| weight(i) * f64::from(plane[i])).sum::<f64>() / total);
        let covariance = [0, 1, 2].map(|a| {
            [0, 1, 2].map(|b| {
                let deviation = |c: usize, i: usize| f64::from(planes[c][i]) - mean[c];
                (0..n).map(|i| weight(i) * deviation(a, i) * deviation(b, i)).sum::<f64>() / total
            })
        });
        Self { mean, covariance }
    }
}

/// Mean and standard deviation of the luminance, a linear function of the colours.
fn luminance_statistics(seen: Seen<'_>) -> (f64, f64) {
    let colours = Colours::of(seen);
    let variance: f64 = (0..3).map(|i| LUMINANCE[i] * y(colours.covariance[i])).sum();
    (y(colours.mean), variance.max(0.0).sqrt())
}

/// The luminance of a colour.
pub(crate) fn y(rgb: [f64; 3]) -> f64 {
    (0..3).map(|c| LUMINANCE[c] * rgb[c]).sum()
}

fn pixel(planar: &[f32], n: usize, i: usize) -> [f64; 3] {
    [0, 1, 2].map(|c| f64::from(planar[c * n + i]))
}

fn to_value(v: f64) -> f32 {
    v.clamp(0.0, 255.0) as f32
}

fn map_pixels(image: &Image, f: impl Fn([f64; 3]) -> [f64; 3]) -> Result<Image> {
    let n = image.width() * image.height();
    let mut planar = vec![0.0; 3 * n];
    for i in 0..n {
        let colour = f(pixel(image.pixels(), n, i));
        (0..3).for_each(|c| planar[c * n + i] = to_value(colour[c]));
    }
    Image::from_finite_planar(image.width(), image.height(), planar)
}
