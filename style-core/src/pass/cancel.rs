//! Cancellation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, ErrorKind, Result};

/// A switch that stops a session from another thread; see
/// [`SessionBuilder::cancel`](crate::SessionBuilder::cancel). Clones are the same switch.
#[derive(Clone, Debug, Default)]
pub struct Cancel {
    flag: Arc<AtomicBool>,
    /// A switch that also cancels this one's work.
    above: Option<Arc<AtomicBool>>,
}

impl Cancel {
    /// A switch that is off.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels the current and all further work, until [`reset`](Self::reset).
    pub fn cancel(&self) {
        self.flag.store(true, Ordering::Relaxed);
    }

    /// Allows work again: a session whose step was cancelled can repeat it.
    pub fn reset(&self) {
        self.flag.store(false, Ordering::Relaxed);
    }

    /// Whether work is cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.flag.load(Ordering::Relaxed) || self.above.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// A switch for one of several users; this one still stops them all.
    pub(crate) fn child(&self) -> Self {
        Self { flag: Arc::default(), above: Some(Arc::clone(&self.flag)) }
    }

    pub(crate) fn check(&self) -> Result<()> {
        match self.is_cancelled() {
            true => Err(Error::new(ErrorKind::Cancelled, "cancelled by the caller")),
            false => Ok(()),
        }
    }
}
