//! What went wrong.

use std::fmt;

/// The sort of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// An address outside every allocation.
    OutOfBounds,
    /// An address that is no multiple of the access's size.
    Misaligned,
    /// Memory or a register that was read before it was written.
    Uninitialised,
    /// Two threads at the same shared memory with no barrier between, or a copy still in flight.
    Race,
    /// Threads that wait for others which cannot come.
    Barrier,
    /// Memory that was freed, or freed twice.
    Freed,
    /// An integer division by zero.
    DivideByZero,
    /// `trap`, or operands without meaning.
    Trap,
    /// A warp that does not end.
    Endless,
    /// A launch that the driver would refuse.
    Launch,
}

/// A fault, with the kernel, line, block and thread where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The sort.
    pub kind: FaultKind,
    /// Where and what.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Fault {}

/// A fault before its place is known.
#[derive(Debug)]
pub(crate) struct Trap {
    pub(crate) kind: FaultKind,
    pub(crate) what: String,
    /// The lane at fault.
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
