//! The compute backend as a choice at run time: [`Device`].

mod held;
mod ops;

use std::fmt;
use std::str::FromStr;

use style_core::backend::Storage;
use style_core::{Error, ErrorKind, Result};
#[cfg(feature = "cpu")]
use style_cpu::{Cpu, Isa};
#[cfg(feature = "cuda")]
use style_cuda::Cuda;
#[cfg(feature = "wgpu")]
use style_wgpu::{AdapterKind, Wgpu};

pub use held::{Filter, Gate, Recording, Scalars, Switches, Tensor, Workspace};

/// One of the backends of this build, chosen at run time.
///
/// [`Session`](crate::Session), [`Network`](crate::Network) and the other generic types of this crate are on a `Device`
/// unless another backend is named, so that an application needs no type parameter for its backend. The results have
/// the same bits as those of the backend inside.
///
/// ```
/// # use style_transfer::Image;
/// use style_transfer::{Device, Network, Session, models};
///
/// struct Painter {
///     session: Session,
/// }
///
/// # fn main() -> style_transfer::Result<()> {
/// let device = Device::best()?;
/// println!("painting on {device}"); // such as: cpu (avx2, 8 threads)
/// let network = Network::new(device, models::embedded()?.model())?;
/// # let (photo, painting) = (Image::from_rgb8(24, 16, &[90; 1152])?, Image::from_rgb8(20, 20, &[127; 1200])?);
/// let session = Session::builder(network).content(photo).style(painting).build()?;
/// let painter = Painter { session };
/// # Ok(())
/// # }
/// ```
///
/// [`From`] takes a configured backend: `Device::from(Cpu::builder().threads(2).build()?)`.
#[allow(clippy::large_enum_variant)] // a program has few devices
#[derive(Debug)]
#[non_exhaustive]
pub enum Device {
    /// The CPU backend.
    #[cfg(feature = "cpu")]
    Cpu(Cpu),
    /// The CUDA backend.
    #[cfg(feature = "cuda")]
    Cuda(Cuda),
    /// The wgpu backend.
    #[cfg(feature = "wgpu")]
    Wgpu(Wgpu),
}

/// A device that [`Device::by_name`] can open.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Available {
    /// Its name for [`Device::by_name`], such as `cuda:0`.
    pub name: String,
    /// The model of a GPU, or the instruction set of the CPU.
    pub description: String,
}

impl Device {
    /// Opens the preferred device of those that this build has a backend for: the first CUDA device that works, or else the best
    /// GPU that wgpu finds, or else the CPU. A software driver is no GPU and is never chosen.
    /// [`name`](Self::name) and [`description`](Storage::description) identify it;
    /// the error of [`by_name("cuda")`](Self::by_name) explains why no CUDA device was chosen, that of `by_name("wgpu")` why no
    /// other GPU was.
    ///
    /// # Errors
    /// As [`by_name`](Self::by_name).
    pub fn best() -> Result<Self> {
        let mut best = Self::by_name("cuda");
        for (name, built) in [("wgpu", cfg!(feature = "wgpu")), ("cpu", cfg!(feature = "cpu"))] {
            if best.is_err() && built {
                best = Self::by_name(name);
            }
        }
        best
    }

    /// Opens a device:
    ///
    /// - `best`, as [`best`](Self::best);
    /// - `cpu`, as `Cpu::new`;
    /// - `cuda`, the first CUDA device that works, in `f32`; `cuda:1`, the one with this index; `cuda:h100`, the first
    ///   whose model's name contains this, ignoring case;
    /// - `wgpu`, the best GPU that wgpu finds; `wgpu:1`, the adapter with this index; `wgpu:radeon`, the first whose name contains
    ///   this, ignoring case. Only the last two may open a software driver.
    ///
    /// # Errors
    /// `Argument` for another name; `Unsupported` if this build does not have the backend; `Unavailable` if the machine
    /// does not have the device; other errors of the backend.
    pub fn by_name(name: &str) -> Result<Self> {
        match name.split_once(':') {
            None if name == "best" => Self::best(),
            None if name == "cpu" => Self::cpu(),
            None if name == "cuda" => Self::cuda(None),
            Some(("cuda", which)) if !which.is_empty() => Self::cuda(Some(which)),
            None if name == "wgpu" => Self::wgpu(None),
            Some(("wgpu", which)) if !which.is_empty() => Self::wgpu(Some(which)),
            _ => {
                let message = format!(
                    "there is no device \"{name}\"; name it best, cpu, cuda or wgpu, or cuda:0 or wgpu:0 by its index, or \
                     cuda:h100 or wgpu:radeon by its model"
                );
                Err(Error::new(ErrorKind::Argument, message))
            }
        }
    }

    /// The devices of this machine for which this build has a backend, preferred ones first; without wgpu's software drivers.
    /// They are not opened, so one of them may still turn out to be too old.
    #[must_use]
    #[allow(clippy::vec_init_then_push)] // in a build with one backend
    pub fn available() -> Vec<Available> {
        let mut all = vec![];
        #[cfg(feature = "cuda")]
        for device in style_cuda::devices().unwrap_or_default() {
            all.push(Available { name: format!("cuda:{}", device.index), description: device.name });
        }
        #[cfg(feature = "wgpu")]
        {
            let mut adapters = style_wgpu::adapters().unwrap_or_default();
            adapters.retain(|adapter| adapter.kind != AdapterKind::Software);
            adapters.sort_by_key(|adapter| adapter.kind.rank());
            for adapter in adapters {
                let description = format!("{} ({})", adapter.name, adapter.interface);
                all.push(Available { name: format!("wgpu:{}", adapter.index), description });
            }
        }
        #[cfg(feature = "cpu")]
        all.push(Available { name: "cpu".into(), description: Isa::best().name().into() });
        all
    }

    /// Its name for [`by_name`](Self::by_name): `cpu`, or `cuda:` or `wgpu:` with the device's index.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            #[cfg(feature = "cpu")]
            Self::Cpu(_) => "cpu".into(),
            #[cfg(feature = "cuda")]
            Self::Cuda(cuda) => format!("cuda:{}", cuda.device().index),
            #[cfg(feature = "wgpu")]
            Self::Wgpu(wgpu) => format!("wgpu:{}", wgpu.adapter().index),
        }
    }

    #[cfg(feature = "cpu")]
    fn cpu() -> Result<Self> {
        Cpu::new().map(Self::Cpu)
    }

    #[cfg(not(feature = "cpu"))]
    fn cpu() -> Result<Self> {
        Err(not_built("CPU", "cpu"))
    }

    #[cfg(feature = "cuda")]
    fn cuda(which: Option<&str>) -> Result<Self> {
        let numbered = |index| Cuda::builder().device(index).build();
        let cuda = match which.map(|which| (which, which.parse())) {
            Some((_, Ok(index))) => numbered(index),
            Some((name, Err(_))) => Cuda::builder().named(name).build(),
            None => numbered(0).or_else(|e| {
                let others = 1..style_cuda::devices().map_or(1, |all| all.len());
                others.map(numbered).find_map(Result::ok).ok_or(e)
            }),
        };
        cuda.map(Self::Cuda)
    }

    #[cfg(not(feature = "cuda"))]
    fn cuda(_which: Option<&str>) -> Result<Self> {
        Err(not_built("CUDA", "cuda"))
    }

    #[cfg(feature = "wgpu")]
    fn wgpu(which: Option<&str>) -> Result<Self> {
        let wgpu = match which.map(|which| (which, which.parse())) {
            Some((_, Ok(index))) => Wgpu::builder().adapter(index).build(),
            Some((name, Err(_))) => Wgpu::builder().named(name).build(),
            None => Wgpu::new(),
        };
        wgpu.map(Self::Wgpu)
    }

    #[cfg(not(feature = "wgpu"))]
    fn wgpu(_which: Option<&str>) -> Result<Self> {
        Err(not_built("wgpu", "wgpu"))
    }
}

#[cfg(not(all(feature = "cpu", feature = "cuda", feature = "wgpu")))]
fn not_built(backend: &str, feature: &str) -> Error {
    let message = format!("this build has no {backend} backend; build style-transfer with the feature \"{feature}\"");
    Error::new(ErrorKind::Unsupported, message)
}

/// As [`Device::by_name`].
impl FromStr for Device {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::by_name(name)
    }
}

/// The [description](Storage::description): `cuda (NVIDIA H100, f32)`, for example.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description())
    }
}

/// `name: description`.
impl fmt::Display for Available {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.description)
    }
}

#[cfg(feature = "cpu")]
impl From<Cpu> for Device {
    fn from(cpu: Cpu) -> Self {
        Self::Cpu(cpu)
    }
}

#[cfg(feature = "cuda")]
impl From<Cuda> for Device {
    fn from(cuda: Cuda) -> Self {
        Self::Cuda(cuda)
    }
}

#[cfg(feature = "wgpu")]
impl From<Wgpu> for Device {
    fn from(wgpu: Wgpu) -> Self {
        Self::Wgpu(wgpu)
    }
}
