//! Arguments of the convolution kernels.

use super::Args;

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Conv2dArgs {
    pub(crate) x: u64,
    pub(crate) y: u64,
    pub(crate) filters: u64,
    pub(crate) bias: u64,
    pub(crate) gate_in: u64,
    pub(crate) gate_out: u64,
    pub(crate) height: u32,
    pub(crate) width: u32,
    pub(crate) x_stride: u32,
    pub(crate) y_stride: u32,
    pub(crate) epilogue: u32,
    pub(crate) acc: u32,
    pub(crate) pooled_in: u32,
    pub(crate) from_f16: u32,
}

const _: () = assert!(size_of::<Conv2dArgs>() == 80);

// SAFETY: matches the struct Conv2d in conv2d.cuh.
unsafe impl Args for Conv2dArgs {}

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct PictureArgs {
    pub(crate) x: u64,
    pub(crate) y: u64,
    pub(crate) filters: u64,
    pub(crate) bias: u64,
    pub(crate) gate_in: u64,
    pub(crate) gate_out: u64,
    pub(crate) height: u32,
    pub(crate) width: u32,
    pub(crate) x_channels: u32,
    pub(crate) y_channels: u32,
    pub(crate) x_stride: u32,
    pub(crate) y_stride: u32,
    pub(crate) x_type: u32,
    pub(crate) y_type: u32,
    pub(crate) epilogue: u32,
    pub(crate) acc: u32,
    pub(crate) replicate: u32,
    pub(crate) padding: u32,
}

const _: () = assert!(size_of::<PictureArgs>() == 96);

// SAFETY: matches the struct Picture in conv2d_picture.cu.
unsafe impl Args for PictureArgs {}
