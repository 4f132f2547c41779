//! Neural style transfer: the CPU backend.
