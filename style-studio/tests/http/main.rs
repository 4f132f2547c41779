//! The studio by its HTTP interface, on a port of its own.

mod client;
mod jobs;
mod security;
