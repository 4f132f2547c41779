//! The CUDA driver's functions, as `libcuda.so` exports them, over [`machine`](crate::machine).
//!
//! Names, signatures and values are those of `cuda.h` as cudarc declares them; the behaviour follows NVIDIA's "CUDA
//! Driver API" reference. Where the reference leaves a choice, this driver chooses what exposes mistakes:
//!
//! - **Streams are deferred.** Work in a stream runs when something waits for it: a synchronisation, a synchronous copy,
//!   or a `cuMemFree` (which waits for the device). A host that reads too early sees old bytes, and so does a kernel in
//!   another stream without a wait. A query runs one piece of work, so that polling terminates.
//! - **Copies** from memory of `cuMemAllocHost` read it when they run; copies from any other memory read it during the
//!   call, as in the driver. Copies to the host always write when they run.
//! - **Faults are sticky.** After a fault, every call in that context fails with its code, and `cuGetErrorString` of that
//!   code returns the whole report. Memory can still be freed, and `cuDevicePrimaryCtxReset` recreates the context.
//! - `cuGetErrorString` of any other code describes the last failure with that code on the thread.
//! - **Allocations in a captured stream** are errors, although the driver can record them.
//! - A capture is recorded in the order of the calls, and includes only one stream.

mod context;
mod device;
mod error;
mod event;
mod graph;
mod launch;
mod memory;
mod module;
mod queue;
mod settings;
mod state;
mod stream;

pub(crate) use settings::{LaunchSink, RawLaunch, TextSink};
