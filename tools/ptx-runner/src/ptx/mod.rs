//! The text of a module, parsed and decoded.
