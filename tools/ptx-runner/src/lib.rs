//! Runs this project's PTX kernels on the CPU, and checks what they do.

pub mod machine;
pub mod ptx;
