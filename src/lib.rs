//! Neural style transfer by optimisation: repaint one picture in the style of another.
//!
//! The algorithm of Gatys, Ecker and Bethge, "A Neural Algorithm of Artistic Style" ([arXiv 1508.06576]): run an image
//! through a pre-trained VGG network, compare its features with a content picture's and its Gram matrices with a style
//! picture's, and optimise the image's own pixels by gradient descent. There is nothing to install or download: the
//! backend is plain Rust, and the original VGG-16 weights are included (feature `embedded`).
//!
//! ```
//! use style_transfer::{Device, Image, Network, Session, models};
//!
//! # fn main() -> style_transfer::Result<()> {
//! # let (photo, painting) = (vec![128; 3 * 24 * 16], (0..3 * 20 * 20).map(|i| i as u8).collect::<Vec<u8>>());
//! let network = Network::new(Device::best()?, models::embedded()?.model())?;
//! let mut session = Session::builder(network)
//!     .content(Image::from_rgb8(24, 16, &photo)?)
//!     .style(Image::from_rgb8(20, 20, &painting)?)
//!     .iterations(2)
//!     .build()?;
//! while !session.is_finished() {
//!     let progress = session.step()?;
//!     assert!(progress.losses.total.is_finite());
//! }
//! let result: Vec<u8> = session.image()?.to_rgb8();
//! # assert_eq!(result.len(), photo.len());
//! # Ok(())
//! # }
//! ```
//!
//! - A [`Model`] is data: a chain of layers with weights, from [`models`] or your own. A [`Network`] is a model on a
//!   backend; one network (in an `Arc`) serves any number of [`Session`]s.
//! - [`Device::best`] chooses a backend of this build at run time: a GPU with the features `cuda` or `wgpu`, or else the CPU.
//!   [`Device::by_name`] opens another. To settle the backend at compile time, name it: `Session<Cpu>`.
//! - [`SessionBuilder`] checks everything at [`build`](SessionBuilder::build), and reports the required memory with
//!   [`plan`](SessionBuilder::plan).
//! - [`Session::step`] runs one evaluation of loss and gradient; [`Session::run`] runs all of them, with a callback
//!   that can stop it, and [`Session::run_with`] with an [`Observer`]. After any step [`Session::image`] is the last
//!   accepted image; with L-BFGS, the default, it is the best so far at its scale.
//! - [`SessionBuilder::spawn`] paints on its own thread, as a [`Job`], whose [`Handle`]s pause, resume and cancel it,
//!   show the image, and change the strength of the style, from any thread.
//! - [`SessionBuilder::style_strength`] balances content and style, with the same effect for every size and painting.
//!   The [defaults](SessionBuilder) were chosen by eye; [`Preset::Gatys`] has the paper's. [`Scale::coarse_to_fine`]
//!   returns the smaller sizes to paint first.
//! - [`Style`]s have shares, [`Mask`]s and regions; [`statistics`] define style; a [`Preset`] has the settings of a
//!   well-known implementation; several sessions can share [`Targets`]. [`inspect::Probe`] shows what a neuron responds
//!   to.
//! - Errors are values ([`Error`], with a [`kind`](Error::kind)); the library prints nothing and has no global state.
//! - Results have the same bits for any number of threads.
//!
//! The command `stylize` is a complete tool on top of this: `cargo install style-transfer-stylize`, then `stylize
//! --help`.
//!
//! [arXiv 1508.06576]: https://arxiv.org/abs/1508.06576

#![forbid(unsafe_code)]

#[cfg(any(feature = "cpu", feature = "cuda", feature = "wgpu"))]
mod aliases;
#[cfg(any(feature = "cpu", feature = "cuda", feature = "wgpu"))]
pub mod device;

#[cfg(any(feature = "cpu", feature = "cuda", feature = "wgpu"))]
pub use aliases::{Network, Session, SessionBuilder, Targets};
#[cfg(any(feature = "cpu", feature = "cuda", feature = "wgpu"))]
pub use device::Device;
// Without a backend, these are the generic types.
pub use style_core::*;

/// Inspecting a network: the features of a picture, and what a neuron responds to.
#[cfg(any(feature = "cpu", feature = "cuda", feature = "wgpu"))]
pub mod inspect {
    pub use style_core::inspect::{Features, Neuron, ReluRule, Response, content_of, excite, styles_of};

    pub use crate::aliases::Probe;
}

/// The names that most programs use.
///
/// ```
/// use style_transfer::prelude::*;
/// ```
#[cfg(any(feature = "cpu", feature = "cuda", feature = "wgpu"))]
pub mod prelude {
    pub use style_core::{Image, Mask, Model, Preset, Scale, Settings, Style};

    pub use crate::{Device, Network, Session, SessionBuilder};
}

/// The CPU backend.
#[cfg(feature = "cpu")]
#[doc(inline)]
pub use style_cpu as cpu;
/// The CUDA backend.
#[cfg(feature = "cuda")]
#[doc(inline)]
pub use style_cuda as cuda;
/// VGG-16 and VGG-19, the embedded weights (feature `embedded`), and weight files (features `weight-files` and
/// `keras`).
#[doc(inline)]
pub use style_models as models;
#[cfg(feature = "mpi")]
pub mod mpi;
/// Picture files, colours, masks and contact sheets.
#[cfg(feature = "pictures")]
#[doc(inline)]
pub use style_pictures as pictures;
/// Observers of a session: checkpoints, TensorBoard, snapshots, loss plots.
#[cfg(feature = "watch")]
#[doc(inline)]
pub use style_watch as watch;
/// The wgpu backend, for every GPU.
#[cfg(feature = "wgpu")]
#[doc(inline)]
pub use style_wgpu as wgpu;

#[cfg(all(doctest, feature = "cpu", feature = "embedded", feature = "pictures"))]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(all(doctest, feature = "cpu", feature = "embedded", feature = "pictures", feature = "watch"))]
#[doc = include_str!("../docs/embedding.md")]
struct Embedding;
