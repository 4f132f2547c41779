//! Errors, as the page shows them.

use std::error::Error as _;
use std::iter::successors;

use style_transfer::ErrorKind;
use wasm_bindgen::JsValue;

/// `Result` with this crate's [`Error`].
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// What the message of a panic begins with.
pub(crate) const BUG: &str = "the page failed in a way that it should not; please report it: ";

/// The name of the error in JavaScript where another device may do what this one does not.
const NO_DEVICE: &str = "NoDevice";

/// The error of every fallible call in this crate; in JavaScript an `Error` with all of its reasons as the message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request that is out of range or contradicts itself.
    #[error("{0}")]
    Invalid(String),
    /// A picture is unusable, or painting failed.
    #[error(transparent)]
    Engine(#[from] style_transfer::Error),
}

impl From<Error> for JsValue {
    fn from(e: Error) -> Self {
        let reasons = successors(e.source(), |e| (*e).source()).map(ToString::to_string);
        let told = reasons.fold(e.to_string(), |told, reason| match told.contains(&reason) {
            true => told,
            false => format!("{told}: {reason}"),
        });
        let error = js_sys::Error::new(&told);
        if let Error::Engine(e) = &e
            && matches!(e.kind(), ErrorKind::DeviceLost | ErrorKind::Unavailable | ErrorKind::Unsupported)
        {
            error.set_name(NO_DEVICE);
        }
        error.into()
    }
}
