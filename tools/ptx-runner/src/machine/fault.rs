//! Faults.

use std::fmt;

/// The kind of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// An address outside every allocation.
    OutOfBounds,
    /// An address that is not a multiple of the access size.
    Misaligned,
    /// A read of memory or a register before any write.
    Uninitialised,
    /// Two threads access the same shared memory without a barrier in between, or during a copy.
    Race,
    /// Threads wait for others that never arrive.
    Barrier,
    /// A use of freed memory, or a double free.
    Freed,
    /// An integer division by zero.
    DivideByZero,
    /// `trap`, or meaningless operands.
    Trap,
    /// A warp that does not terminate.
    Endless,
    /// A launch that the driver would reject.
    Launch,
}

/// A fault, with the kernel, line, block and thread if known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The kind.
    pub kind: FaultKind,
    /// The location and description.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Fault {}

/// A fault before its location is known.
#[derive(Debug)]
pub(crate) struct Trap {
    pub(crate) kind: FaultKind,
    pub(crate) what: String,
    /// The faulting lane.
    pub(crate) lane: Option<u32>,
}

/// The result of a step of a warp.
pub(crate) type Step<T> = Result<T, Box<Trap>>;

/// A fault of a lane.
#[cold]
pub(crate) fn trap<T>(kind: FaultKind, lane: u32, what: impl Into<String>) -> Step<T> {
    Err(Box::new(Trap { kind, what: what.into(), lane: Some(lane) }))
}

/// A fault of a warp.
#[cold]
pub(crate) fn warp_trap<T>(kind: FaultKind, what: impl Into<String>) -> Step<T> {
    Err(Box::new(Trap { kind, what: what.into(), lane: None }))
}
