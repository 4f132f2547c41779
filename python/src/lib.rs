//! What the Python package `style_transfer` needs of the library, as its module `_native`: pictures and masks from arrays
//! and files, a network, a session. Which arguments users may give, and what they become, is decided in Python.
//!
//! All that takes long runs without the GIL.

mod errors;
mod interrupt;
mod network;
mod options;
mod picture;
mod session;

use pyo3::prelude::*;

/// The library behind the package `style_transfer`.
#[pymodule(name = "_native")]
mod native {
    #[pymodule_export]
    use crate::network::{Network, devices};
    #[pymodule_export]
    use crate::options::{long_side, presets, settings};
    #[pymodule_export]
    use crate::picture::{Mask, Picture};
    #[pymodule_export]
    use crate::session::Session;
}
