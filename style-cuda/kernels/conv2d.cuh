// Arguments shared by all convolutions.
#pragma once
#include "device.cuh"

// The operation applied to W x before it is written.
enum Epilogue : u32 { BACKWARD = 0, BIAS = 1, RELU = 2, RELU_GATE = 3, RELU_POOL = 4, RELU_POOL_GATE = 5 };

// Arguments of a convolution from features to features.
struct Conv2d {
    const void *x;
    void *y;
    const void *filters; // layout: see each kernel
    const float *bias;   // [y_stride]
    const u8 *gate_in;   // of x, or null
    u8 *gate_out;        // of y before its pool
    u32 height, width;   // before a pool
    u32 x_stride, y_stride;
    u32 epilogue, acc;
    u32 pooled_in; // x is the gradient of an average pool's output
    u32 from_f16;  // on tensor cores: x is f16, to be read as bf16
};
static_assert(sizeof(Conv2d) == 80, "as in conv2d/mod.rs");
