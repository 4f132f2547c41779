//! The CUDA driver's functions, as `libcuda.so` exports them, over [`machine`](crate::machine).
//!
//! Names, signatures and values are those of `cuda.h` as cudarc declares them; the behaviour is that of NVIDIA's
//! "CUDA Driver API" reference. Where that leaves a choice, the choice is the one that shows mistakes:
//!
//! - **Streams are deferred.** What is put into a stream runs when something waits for it: a synchronisation, a
//!   synchronous copy, or a `cuMemFree` (which waits for the device). A host that reads too early sees old bytes, and
//!   so does a kernel in another stream that was not told to wait. A query runs one piece of work, so that polling ends.
//! - **Copies** from memory of `cuMemAllocHost` read it when they run; from any other they read it at the call, as the
//!   driver does. Copies to the host write it when they run, whatever memory it is.
//! - **Faults are sticky.** After one, every call in that context fails with its code, and `cuGetErrorString` of that
//!   code gives the whole report. Memory can still be freed, and `cuDevicePrimaryCtxReset` makes the context anew.
//! - `cuGetErrorString` of any other error says what was wrong, as found by the last call that failed with it on the thread.
//! - **Allocations in a captured stream** are refused, though the driver can record them.
//! - A stream's capture is recorded in the order of the calls, and only that stream takes part in it.

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
