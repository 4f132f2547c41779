//! The machine that executes a decoded kernel.
