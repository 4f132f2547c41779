//! What a [`Device`](crate::Device) holds in memory: for each type of the backends, an enum over theirs.

use style_core::backend::Shape;
use style_core::{Error, ErrorKind, Result};

/// Access to what belongs to one backend.
pub(super) trait Held<T> {
    /// # Errors
    /// `Argument` if this belongs to another backend.
    fn of(&self) -> Result<&T>;

    /// # Errors
    /// As [`of`](Self::of).
    fn of_mut(&mut self) -> Result<&mut T>;
}

fn another_device(what: &str) -> Error {
    let message =
        format!("{what} of another device was given; a session, its network and its targets must share one device");
    Error::new(ErrorKind::Argument, message)
}

macro_rules! held {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[non_exhaustive]
        pub enum $name {
            /// Of the CPU backend.
            #[cfg(feature = "cpu")]
            Cpu(style_cpu::$name),
            /// Of the CUDA backend.
            #[cfg(feature = "cuda")]
            Cuda(style_cuda::$name),
            /// Of the wgpu backend.
            #[cfg(feature = "wgpu")]
            Wgpu(style_wgpu::$name),
        }

        #[cfg(feature = "cpu")]
        held!(@ $name::Cpu, style_cpu::$name, $what);
        #[cfg(feature = "cuda")]
        held!(@ $name::Cuda, style_cuda::$name, $what);
        #[cfg(feature = "wgpu")]
        held!(@ $name::Wgpu, style_wgpu::$name, $what);
    };
    (@ $name:ident::$variant:ident, $of:ty, $what:literal) => {
        impl From<$of> for $name {
            fn from(held: $of) -> Self {
                Self::$variant(held)
            }
        }

        impl Held<$of> for $name {
            fn of(&self) -> Result<&$of> {
                match self {
                    Self::$variant(held) => Ok(held),
                    #[allow(unreachable_patterns)] // in a build with one backend
                    _ => Err(another_device($what)),
                }
            }

            fn of_mut(&mut self) -> Result<&mut $of> {
                match self {
                    Self::$variant(held) => Ok(held),
                    #[allow(unreachable_patterns)] // in a build with one backend
                    _ => Err(another_device($what)),
                }
            }
        }
    };
}

held!(
    /// A dense tensor.
    Tensor, "a tensor"
);
held!(
    /// A vector in half precision.
    Half, "a vector in half precision"
);
held!(
    /// Where a ReLU let its input pass.
    Gate, "a gate"
);
held!(
    /// Which element of each 2x2 window a max pool took.
    Switches, "the switches"
);
held!(
    /// A few `f64`.
    Scalars, "the scalars"
);
held!(
    /// Scratch memory.
    Workspace, "a workspace"
);
held!(
    /// The filters of a convolution.
    Filter, "a filter"
);

impl Tensor {
    /// The shape, `[1, C, H, W]`.
    #[must_use]
    pub fn shape(&self) -> Shape {
        match self {
            #[cfg(feature = "cpu")]
            Self::Cpu(tensor) => tensor.shape(),
            #[cfg(feature = "cuda")]
            Self::Cuda(tensor) => tensor.shape(),
            #[cfg(feature = "wgpu")]
            Self::Wgpu(tensor) => tensor.shape(),
        }
    }
}

/// Work recorded for replay. It is empty on the CPU and with wgpu.
#[derive(Default)]
pub struct Recording {
    #[cfg(feature = "cpu")]
    pub(super) cpu: (),
    #[cfg(feature = "cuda")]
    pub(super) cuda: style_cuda::Recording,
    #[cfg(feature = "wgpu")]
    pub(super) wgpu: (),
}
