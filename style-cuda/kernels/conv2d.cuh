// What the convolutions of features in f32 take: conv2d.cu and conv2d_winograd.cu.
#pragma once
#include "device.cuh"

// What is done to W x before it is written.
enum Epilogue : u32 { BACKWARD = 0, BIAS = 1, RELU = 2, RELU_GATE = 3, RELU_POOL = 4, RELU_POOL_GATE = 5 };

struct Conv2d {
    const float *x;
    float *y;
    const float *filters; // as each kernel says
    const float *bias;    // [y_stride]
    const u8 *gate_in;    // of x, or null
    u8 *gate_out;         // of y before its pool
    u32 height, width;    // before a pool
    u32 x_stride, y_stride;
    u32 epilogue, acc;
    u32 pooled_in; // x is the gradient behind an average pool
    u32 padding;
};
static_assert(sizeof(Conv2d) == 80, "as in conv2d/mod.rs");
