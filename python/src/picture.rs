//! Pictures and masks, from arrays and files and back.

use std::path::PathBuf;

use numpy::{PyArray1, PyArray3, PyArrayMethods, PyReadonlyArray2, PyReadonlyArray3, PyUntypedArrayMethods};
use pyo3::prelude::*;
use style_transfer::pictures;
use style_transfer::{Image, Result};

use crate::errors::{argument, raised};

/// A picture in sRGB, with its transparency.
#[pyclass(frozen, module = "style_transfer._native")]
pub(crate) struct Picture(pub(crate) pictures::Picture);

/// How much each part of a picture counts.
#[pyclass(frozen, module = "style_transfer._native")]
pub(crate) struct Mask {
    pub(crate) mask: style_transfer::Mask,
    notes: Vec<String>,
}

#[pymethods]
impl Picture {
    /// Reads a file.
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        py.detach(|| pictures::Picture::open(path)).map(Self).map_err(raised)
    }

    /// Reads the bytes of a file.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, bytes: &[u8]) -> PyResult<Self> {
        py.detach(|| pictures::Picture::from_bytes(bytes)).map(Self).map_err(raised)
    }

    /// From bytes of 1, 3 or 4 channels, `[H, W, C]` and contiguous.
    #[staticmethod]
    fn from_array(array: PyReadonlyArray3<'_, u8>) -> PyResult<Self> {
        let (height, width, channels) = shape(&array);
        from_bytes(width, height, channels, array.as_slice()?).map(Self).map_err(raised)
    }

    /// From values of 0 to 1, of 1, 3 or 4 channels, `[H, W, C]` and contiguous.
    #[staticmethod]
    fn from_floats(array: PyReadonlyArray3<'_, f32>) -> PyResult<Self> {
        let (height, width, channels) = shape(&array);
        from_floats(width, height, channels, array.as_slice()?).map(Self).map_err(raised)
    }

    /// Its width in pixels.
    #[getter]
    fn width(&self) -> usize {
        self.0.image.width()
    }

    /// Its height in pixels.
    #[getter]
    fn height(&self) -> usize {
        self.0.image.height()
    }

    /// Whether any of it is transparent.
    #[getter]
    fn has_alpha(&self) -> bool {
        self.0.extras.has_alpha()
    }

    /// The parts of its file that could not be used, a sentence each.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.0.notes().to_vec()
    }

    /// Resized by a factor.
    fn scaled(&self, py: Python<'_>, factor: f64) -> PyResult<Self> {
        py.detach(|| self.0.scaled(factor)).map(Self).map_err(raised)
    }

    /// Resized to exactly this size.
    fn stretched(&self, py: Python<'_>, width: usize, height: usize) -> PyResult<Self> {
        py.detach(|| self.0.stretched(width, height)).map(Self).map_err(raised)
    }

    /// As bytes, `[H, W, 3]`, or `[H, W, 4]` with its transparency.
    fn array<'py>(&self, py: Python<'py>, alpha: bool) -> PyResult<Bound<'py, PyArray3<u8>>> {
        let image = &self.0.image;
        let bytes = py.detach(|| if alpha { image.to_rgba8(self.0.alpha()) } else { Ok(image.to_rgb8()) });
        self.shaped(PyArray1::from_vec(py, bytes.map_err(raised)?), alpha)
    }

    /// As values of 0 to 1, `[H, W, 3]`, or `[H, W, 4]` with its transparency.
    fn floats<'py>(&self, py: Python<'py>, alpha: bool) -> PyResult<Bound<'py, PyArray3<f32>>> {
        let values = py.detach(|| {
            let unit = self.0.image.to_interleaved().into_iter().map(|v| (v / 255.0).clamp(0.0, 1.0));
            let opacity = |i: usize| self.0.alpha().map_or(1.0, |alpha| alpha.values()[i]);
            if !alpha {
                return unit.collect::<Vec<_>>();
            }
            let after = |(i, v)| [Some(v), (i % 3 == 2).then(|| opacity(i / 3))];
            unit.enumerate().flat_map(after).flatten().collect()
        });
        self.shaped(PyArray1::from_vec(py, values), alpha)
    }

    /// Writes a file, in the format that its name ends with.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| self.0.save(path)).map_err(raised)
    }
}

impl Picture {
    fn shaped<'py, T: numpy::Element>(
        &self,
        values: Bound<'py, PyArray1<T>>,
        alpha: bool,
    ) -> PyResult<Bound<'py, PyArray3<T>>> {
        values.reshape([self.height(), self.width(), if alpha { 4 } else { 3 }])
    }
}

#[pymethods]
impl Mask {
    /// Reads a picture file: white is 1, black 0.
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        py.detach(|| pictures::mask(path)).map(|(mask, notes)| Self { mask, notes }).map_err(raised)
    }

    /// From values of 0 to 1, `[H, W]` and contiguous.
    #[staticmethod]
    fn from_array(array: PyReadonlyArray2<'_, f32>) -> PyResult<Self> {
        let [height, width] = *array.shape() else { return Err(raised(argument("a mask has two axes"))) };
        let mask = style_transfer::Mask::new(width, height, array.as_slice()?.to_vec()).map_err(raised)?;
        Ok(Self { mask, notes: vec![] })
    }

    /// Its width in pixels.
    #[getter]
    fn width(&self) -> usize {
        self.mask.width()
    }

    /// Its height in pixels.
    #[getter]
    fn height(&self) -> usize {
        self.mask.height()
    }

    /// What is unusual about its file, a sentence each.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}

fn shape<T: numpy::Element>(array: &PyReadonlyArray3<'_, T>) -> (usize, usize, usize) {
    match *array.shape() {
        [height, width, channels] => (height, width, channels),
        _ => (0, 0, 0), // an error later on; the type has three axes
    }
}

fn from_bytes(width: usize, height: usize, channels: usize, bytes: &[u8]) -> Result<pictures::Picture> {
    Ok(match channels {
        1 => Image::from_luma8(width, height, bytes)?.into(),
        4 => match Image::from_rgba8(width, height, bytes)? {
            (image, Some(alpha)) => pictures::Picture::from(image).with_alpha(alpha)?,
            (image, None) => image.into(),
        },
        _ => Image::from_rgb8(width, height, bytes)?.into(),
    })
}

fn from_floats(width: usize, height: usize, channels: usize, values: &[f32]) -> Result<pictures::Picture> {
    let plane = |c: usize| values.iter().copied().skip(c).step_by(channels.max(1));
    let colours = if channels == 1 { [0; 3] } else { [0, 1, 2] };
    let picture: pictures::Picture =
        Image::from_unit_planar(width, height, colours.into_iter().flat_map(plane).collect())?.into();
    if channels != 4 {
        return Ok(picture);
    }
    let alpha = plane(3).map(|a| a.clamp(0.0, 1.0)).collect();
    picture.with_alpha(style_transfer::Mask::new(width, height, alpha)?)
}
