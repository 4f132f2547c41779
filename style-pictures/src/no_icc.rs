//! In place of `icc.rs` in a build without the feature `icc`: no profile can be used, which is reported.

use crate::srgb;

/// Conversion from a file's values to sRGB: there is none.
pub(crate) enum ToSrgb {}

impl ToSrgb {
    /// `None` for the profile that this crate writes itself, and a reason for any other.
    pub(crate) fn new(icc: &[u8], _grey: bool) -> Result<Option<Self>, String> {
        if icc == srgb::profile() { Ok(None) } else { Err("this program is built without the feature `icc`".into()) }
    }

    pub(crate) fn takes_grey(&self) -> bool {
        match *self {}
    }

    pub(crate) fn convert(&self, _from: &[u16], _to: &mut [f32]) -> Result<(), String> {
        match *self {}
    }
}
