//! A page to paint in, served on this machine: drop a photograph and a painting, and watch the picture grow.
//!
//! [`Server::start`] serves it, until the server is stopped or dropped. Jobs wait in a queue, and one paints at a time. They
//! and their progress are kept in a folder: a killed server loses about two seconds of
//! work, more with large pictures; closing a tab loses nothing.
//!
//! ```no_run
//! use style_studio::{Options, Server};
//!
//! # fn main() -> style_studio::Result<()> {
//! let server = Server::start(Options::new("out/studio"))?;
//! println!("open {}", server.address());
//! std::thread::park(); // until the program should end
//! server.stop();
//! # Ok(())
//! # }
//! ```
//!
//! # Safety of the page
//!
//! - The first part of every path is a random token of 128 bits, and a request without it gets nothing. It is kept in the
//!   folder, so that an open page finds the server again.
//! - The `Host` of a request must be the address itself, so that no name of another site can be made to lead here, and an
//!   `Origin`, if there is one, must be this page's.
//! - Requests that change anything carry a header that other sites cannot send without being asked whether they may.
//! - Files are named by numbers that the server chooses. No request contains a path.
//! - Pictures are limited in bytes and pixels, decoded once by `style-pictures`, and written anew. The other bodies are small.
//! - The page loads nothing from elsewhere, and its `Content-Security-Policy` allows nothing else.
//!
//! There is no encryption: at any other address than the loopback, use a network that you trust.

#![forbid(unsafe_code)]

mod describe;
mod error;
mod id;
mod look;
mod memory;
mod options;
mod pictures;
mod plan;
mod record;
mod render;
mod server;
mod settings;
mod store;
mod studio;

pub use error::{Error, Result};
pub use options::{Options, Sample};
pub use server::Server;
