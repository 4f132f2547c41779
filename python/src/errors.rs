//! The library's errors as exceptions, whose classes are in `style_transfer/_errors.py`.

use std::error::Error as _;
use std::io;

use pyo3::prelude::*;
use style_transfer::{Error, ErrorKind};

/// The exception of an error.
pub(crate) fn raised(error: Error) -> PyErr {
    Python::attach(|py| exception(py, &error).unwrap_or_else(|failed| failed))
}

pub(crate) fn argument(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Argument, message)
}

fn exception(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let file = io_error(error);
    let class = match error.kind() {
        ErrorKind::OutOfMemory | ErrorKind::MemoryExceeded { .. } => "OutOfMemoryError",
        ErrorKind::Io if file.is_some_and(|e| e.kind() == io::ErrorKind::NotFound) => "FileMissingError",
        ErrorKind::Io => "FileError",
        ErrorKind::Unsupported
        | ErrorKind::Unavailable
        | ErrorKind::DeviceLost
        | ErrorKind::Cancelled
        | ErrorKind::Finished
        | ErrorKind::Panicked => "DeviceError",
        _ => "InputError",
    };
    let raised = py.import("style_transfer._errors")?.getattr(class)?.call1((message(error),))?;
    raised.setattr("kind", error.kind().to_string())?;
    match error.kind() {
        ErrorKind::TooSmall { least } => raised.setattr("least", least)?,
        ErrorKind::MemoryExceeded { needed, width, height } => {
            raised.setattr("needed", needed)?;
            raised.setattr("fits", (width, height))?;
        }
        ErrorKind::Io => raised.setattr("errno", file.and_then(io::Error::raw_os_error))?,
        _ => {}
    }
    Ok(PyErr::from_value(raised))
}

/// The message with those of its sources.
fn message(error: &Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(e) = source {
        let text = e.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        source = e.source();
    }
    message
}

/// The error of a file that it goes back to.
fn io_error(error: &Error) -> Option<&io::Error> {
    let mut source = error.source();
    while let Some(e) = source {
        if let Some(e) = e.downcast_ref() {
            return Some(e);
        }
        source = e.source();
    }
    None
}
