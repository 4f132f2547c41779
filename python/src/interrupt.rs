//! Work without the GIL, which Ctrl-C ends.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;
use style_transfer::{Cancel, Error, ErrorKind, Result};

use crate::errors::raised;

/// How often signals are looked for.
const INTERVAL: Duration = Duration::from_millis(50);

/// Does the work on a thread of its own, without the GIL. Python runs signal handlers on its main thread only, which waits
/// here; if one raises an exception, as Ctrl-C does, the work is cancelled and the exception returned.
pub(crate) fn interruptible<T: Send>(
    py: Python<'_>,
    cancel: &Cancel,
    work: impl FnOnce() -> Result<T> + Send,
) -> PyResult<T> {
    let (worked, interrupt) = py.detach(|| {
        thread::scope(|scope| {
            let (works, waits) = mpsc::channel::<()>();
            let work = move || {
                let _works = works; // dropped at the end, also of a panic
                work()
            };
            let worker = match thread::Builder::new().name("style transfer".into()).spawn_scoped(scope, work) {
                Ok(worker) => worker,
                Err(e) => {
                    let message = "no thread could be started; end other threads first";
                    return (Err(Error::new(ErrorKind::Unavailable, message).with_source(e)), None);
                }
            };
            let mut interrupt = None;
            while waits.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                if interrupt.is_none() {
                    interrupt = Python::try_attach(|py| py.check_signals().err()).flatten();
                    if interrupt.is_some() {
                        cancel.cancel();
                    }
                }
            }
            let panicked = |_| Err(Error::new(ErrorKind::Panicked, "the library panicked; please report this"));
            (worker.join().unwrap_or_else(panicked), interrupt)
        })
    });
    match interrupt {
        None => worked.map_err(raised),
        Some(interrupt) => {
            cancel.reset();
            Err(interrupt)
        }
    }
}
