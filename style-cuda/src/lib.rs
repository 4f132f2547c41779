//! The CUDA backend: the whole algorithm on an NVIDIA device, with this crate's own kernels.
//!
//! ```
//! use style_cuda::Cuda;
//!
//! match Cuda::new() {
//!     Ok(cuda) => println!("{}", cuda.device()),
//!     Err(e) => println!("no CUDA: {e}"),
//! }
//! ```
//!
//! Building needs no CUDA toolkit, and running needs only NVIDIA's driver for CUDA 11 or later. The driver's library is
//! loaded on the first call; if it is missing, that call returns an error. The kernels are CUDA C++ in `kernels/`,
//! committed with their PTX, which the driver compiles for its device when a [`Cuda`] is created.
//!
//! The image, the targets, the optimiser's vectors and the losses stay on the device. Each iteration copies a few
//! scalars back, and nothing else waits for the device. From the third evaluation on, the device runs all ops of an
//! evaluation from a graph that it recorded during the second.
//!
//! # Precision
//!
//! [`Precision::F32`] needs compute capability 7.5; the half precisions need 8.0, for its tensor cores. In every
//! precision, the image, its gradient, optimisers, Gram matrices and losses are `f32`, and sums of losses are `f64`.
//!
//! | | features, filters forward | gradients, filters backward | unit roundoffs |
//! |---|---|---|---|
//! | `F32` | `f32` | `f32` | 2^-24, 2^-24 |
//! | `F16` | `f16`, saturated at 65504 | `bf16`, which has the range of `f32`: nothing underflows | 2^-11, 2^-8 |
//! | `Bf16` | `bf16` | `bf16` | 2^-8, 2^-8 |

mod context;
mod cuda;
mod device;
mod kernels;
mod ops;
mod precision;
mod recording;
mod storage;
mod tensor;

pub use cuda::{Convolution, Cuda, CudaBuilder};
pub use device::{Device, devices};
pub use ops::conv2d::Filter;
pub use precision::Precision;
pub use recording::Recording;
pub use tensor::{Gate, Half, Scalars, Switches, Tensor, Workspace};
