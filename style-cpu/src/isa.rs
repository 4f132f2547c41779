//! Instruction sets: detection and dispatch of kernels.

use style_core::{Error, ErrorKind, Result};

use crate::gemm::Gemm;
use crate::precision::Precision;
#[cfg(target_arch = "x86_64")]
use crate::simd::avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use crate::simd::avx512::Avx512;
#[cfg(target_arch = "aarch64")]
use crate::simd::neon::Neon;
use crate::simd::portable::Portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use crate::simd::simd128::Simd128;

/// An instruction set that the kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Isa {
    /// Plain Rust: runs everywhere and is the reference for the others.
    Portable,
    /// NEON: ARM in 64 bits.
    Neon,
    /// SIMD128: WebAssembly, in modules that are compiled for it.
    Simd128,
    /// AVX2 and FMA: Intel since 2013, AMD since 2015.
    Avx2,
    /// AVX-512 F.
    Avx512,
}

impl Isa {
    /// All instruction sets; those of one architecture slowest first.
    pub const ALL: [Self; 5] = [Self::Portable, Self::Neon, Self::Simd128, Self::Avx2, Self::Avx512];

    /// The fastest instruction set of this processor.
    #[must_use]
    pub fn best() -> Self {
        Self::ALL.into_iter().rev().find(|isa| isa.is_available()).unwrap_or(Self::Portable)
    }

    /// Whether this processor supports it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            #[cfg(not(target_arch = "aarch64"))]
            Self::Neon => false,
            Self::Simd128 => cfg!(all(target_arch = "wasm32", target_feature = "simd128")),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Self::Avx2.is_available() && std::arch::is_x86_feature_detected!("avx512f"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }

    pub(crate) fn check(self, precision: Precision) -> Result<Level> {
        let unavailable = |message| Err(Error::new(ErrorKind::Unavailable, message));
        if !self.is_available() {
            return unavailable(format!(
                "this processor does not support {}; choose another instruction set",
                self.name()
            ));
        }
        if precision == Precision::Bf16 && self != Self::Avx512 {
            return unavailable(format!("bf16 needs the instruction set avx512, found {}; use f32", self.name()));
        }
        if !precision.is_available() {
            let processors = "AMD since Zen 4, Intel Xeon since Sapphire Rapids";
            return unavailable(format!("bf16 needs a processor with AVX-512 BF16 ({processors}); use f32"));
        }
        Ok(Level { isa: self, precision })
    }

    /// Its name: `avx2`, for example.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Neon => "neon",
            Self::Simd128 => "simd128",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

/// An [`Isa`] and a [`Precision`] that this processor is known to support.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    isa: Isa,
    precision: Precision,
}

/// Work that is compiled once for each instruction set.
pub(crate) trait Kernel {
    /// The result.
    type Output;
    /// Runs the kernel. Must be `#[inline(always)]`, so that it takes on the caller's instruction set.
    fn run<S: Gemm>(self, simd: S) -> Self::Output;
}

impl Level {
    pub(crate) fn isa(self) -> Isa {
        self.isa
    }

    pub(crate) fn precision(self) -> Precision {
        self.precision
    }

    /// Runs a kernel whose products are in this level's precision.
    #[inline]
    pub(crate) fn run_rounded<K: Kernel>(self, kernel: K) -> K::Output {
        match self.precision {
            Precision::F32 => self.run(kernel),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Isa::check` created this level, so the processor has these instructions.
            Precision::Bf16 => unsafe { run_bf16(kernel) },
            #[cfg(not(target_arch = "x86_64"))]
            Precision::Bf16 => unreachable!("`Isa::check` refuses it"),
        }
    }

    /// Runs a kernel with this level's instructions.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.isa {
            Isa::Portable => kernel.run(Portable),
            #[cfg(target_arch = "aarch64")]
            // SAFETY: `Isa::check` created this level, so the processor has these instructions.
            Isa::Neon => unsafe { run_neon(kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Isa::Avx2 => unsafe { run_avx2(kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Isa::Avx512 => unsafe { run_avx512(kernel) },
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Isa::Simd128 => kernel.run(Simd128),
            #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
            Isa::Simd128 => unreachable!("`Isa::check` refuses it"),
            #[cfg(not(target_arch = "aarch64"))]
            Isa::Neon => unreachable!("`Isa::check` refuses it"),
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx2 | Isa::Avx512 => unreachable!("`Isa::check` refuses them"),
        }
    }
}

/// # Safety
/// The processor must have NEON.
#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon")]
unsafe fn run_neon<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller guarantees the instructions.
    kernel.run(unsafe { Neon::witness() })
}

/// # Safety
/// The processor must have AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller guarantees the instructions.
    kernel.run(unsafe { Avx2::witness() })
}

/// # Safety
/// The processor must have AVX-512 F, AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller guarantees the instructions.
    kernel.run(unsafe { Avx512::<false>::witness() })
}

/// # Safety
/// The processor must have AVX-512 F, AVX-512 BF16, AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16,avx2,fma")]
unsafe fn run_bf16<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller guarantees the instructions.
    kernel.run(unsafe { Avx512::<true>::witness() })
}
