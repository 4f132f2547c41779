// Convolution of features in half precision on tensor cores, in both directions: see style-core/src/ops/conv2d.rs and
// convolve.cuh. Backward-data is the same computation with the filters rotated by 180 degrees and transposed.
#include "convolve.cuh"

// 16 columns by 128 outs; narrow, by 64; small, 8 columns by 64 outs, for maps with few positions.
KERNEL(128) conv2d_f16(Conv2d a) { convolve<F16, 3, 16, 128>(a); }
KERNEL(128) conv2d_f16_narrow(Conv2d a) { convolve<F16, 3, 16, 64>(a); }
KERNEL(128) conv2d_f16_small(Conv2d a) { convolve<F16, 3, 8, 64>(a); }
KERNEL(128) conv2d_bf16(Conv2d a) { convolve<BF16, 3, 16, 128>(a); }
KERNEL(128) conv2d_bf16_narrow(Conv2d a) { convolve<BF16, 3, 16, 64>(a); }
KERNEL(128) conv2d_bf16_small(Conv2d a) { convolve<BF16, 3, 8, 64>(a); }
