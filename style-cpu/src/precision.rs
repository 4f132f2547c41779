//! Number formats of products.

/// The number format of the products of convolutions of more than four channels. Sums and everything else are `f32`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precision {
    /// `f32` throughout.
    #[default]
    F32,
    /// Both factors of a product are rounded to bf16, which has 8 significant bits. The processor must have AVX-512 BF16; AMD's
    /// are faster with it, since Zen 4. A convolution is exact to about 1 % of the root mean square of its result, because
    /// Winograd's transforms magnify rounding errors five times. Its tile is F(4x4, 3x3) for all shapes.
    Bf16,
}

impl Precision {
    /// Whether this processor supports it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::F32 => true,
            #[cfg(target_arch = "x86_64")]
            Self::Bf16 => {
                std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512bf16")
            }
            #[cfg(not(target_arch = "x86_64"))]
            Self::Bf16 => false,
        }
    }

    /// Its name: `bf16`, for example.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}
