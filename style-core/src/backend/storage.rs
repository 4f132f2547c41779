//! Device memory, and the order of execution on the device.

use crate::backend::shape::Shape;
use crate::error::Result;

/// Device memory: tensors, gates, switches, scalars and workspaces.
///
/// A tensor is dense, of `f32` or, for [`features`](Storage::features), of the backend's compute type. Its memory layout is
/// private to the backend; [`upload`](Storage::upload) and [`download`](Storage::download) use `f32`, row-major `[C, H,
/// W]`.
pub trait Storage: Send + Sync + 'static {
    /// A dense tensor.
    type Tensor: Send + Sync;
    /// Records where a ReLU passed its input: one bit per element.
    type Gate: Send + Sync;
    /// Records which element of each 2x2 window a max pool selected: two bits per output element.
    type Switches: Send + Sync;
    /// A few `f64` on the device, written by reductions and read back together.
    type Scalars: Send + Sync;
    /// Scratch memory shared by the ops of one session.
    type Workspace: Send + Sync;
    /// Work recorded by a device for [`replay`](Storage::replay); `()` if the device does not support it.
    type Recording: Default + Send + Sync;

    /// A description of the backend for messages, such as `cpu (avx2, 2 threads)`.
    fn description(&self) -> String;

    /// Runs `work`, which calls ops, where that is cheapest: for example on one of the backend's own threads, which saves
    /// dispatching every op there. By default runs it on the calling thread.
    fn within<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        work()
    }

    /// Enqueues the work recorded for these two tensors and returns `true`. Returns `false` if there is no such recording:
    /// then call [`record`](Storage::record) with that work. All work of one `recording` is the same ops with the same
    /// constants, on the same tensors except these two. By default there is never a recording.
    ///
    /// # Errors
    /// Errors of the device.
    fn replay(&self, recording: &mut Self::Recording, from: &Self::Tensor, to: &mut Self::Tensor) -> Result<bool> {
        let _ = (recording, from, to);
        Ok(false)
    }

    /// Runs `work`, which enqueues ops and does not wait. A device may record the ops, to [`replay`](Storage::replay) them
    /// for the two tensors of the last call of `replay`. If it cannot, it may call `work` again. By default calls it once.
    ///
    /// # Errors
    /// Errors of `work` and of the device.
    fn record(&self, recording: &mut Self::Recording, mut work: impl FnMut() -> Result<()>) -> Result<()> {
        let _ = recording;
        work()
    }

    /// Free device memory in bytes, for devices where it is scarce enough to query; `None` on a host, where memory is
    /// shared with other processes and the disk.
    fn free_memory(&self) -> Option<usize> {
        None
    }

    /// A tensor of zeros.
    ///
    /// # Errors
    /// `OutOfMemory` if the allocation fails; the same for the other allocations.
    fn tensor(&self, shape: Shape) -> Result<Self::Tensor>;
    /// A tensor of zeros for activations of more than four channels, or for their gradient, which a backend may store in
    /// half precision. The operands of [`crate::backend::ops::Conv2dOps`] that are not pictures are such tensors. By default a
    /// [`tensor`](Storage::tensor).
    ///
    /// # Errors
    /// As [`tensor`](Storage::tensor).
    fn features(&self, shape: Shape) -> Result<Self::Tensor> {
        self.tensor(shape)
    }
    /// Half the distance from 1 to the next number, in the type of features and in that of their gradients: `2^-24` for
    /// `f32`.
    fn unit_roundoffs(&self) -> [f64; 2] {
        [f64::from(f32::EPSILON) / 2.0; 2]
    }
    /// The shape of a tensor.
    fn shape(&self, tensor: &Self::Tensor) -> Shape;
    /// Changes a tensor's shape within its allocated memory; the contents are then unspecified.
    ///
    /// # Errors
    /// `Shape` if the new shape needs more memory.
    fn reshape(&self, tensor: &mut Self::Tensor, shape: Shape) -> Result<()>;
    /// A gate for an activation of `shape`.
    ///
    /// # Errors
    /// `OutOfMemory`.
    fn gate(&self, shape: Shape) -> Result<Self::Gate>;
    /// Switches for a max pool whose output has `shape`.
    ///
    /// # Errors
    /// `OutOfMemory`.
    fn switches(&self, shape: Shape) -> Result<Self::Switches>;
    /// Changes a gate's shape within its allocated memory, as [`reshape`](Storage::reshape) does for a tensor; the contents
    /// are then unspecified.
    ///
    /// # Errors
    /// `Shape` if the new shape needs more memory.
    fn reshape_gate(&self, gate: &mut Self::Gate, shape: Shape) -> Result<()>;
    /// The same for switches; `shape` is that of the max pool's output.
    ///
    /// # Errors
    /// `Shape` if the new shape needs more memory.
    fn reshape_switches(&self, switches: &mut Self::Switches, shape: Shape) -> Result<()>;
    /// `count` zeros.
    ///
    /// # Errors
    /// `OutOfMemory`.
    fn scalars(&self, count: usize) -> Result<Self::Scalars>;
    /// A workspace of at least `bytes`.
    ///
    /// # Errors
    /// `OutOfMemory`.
    fn workspace(&self, bytes: usize) -> Result<Self::Workspace>;

    /// Size of a [`tensor`](Storage::tensor) of `shape` in bytes.
    fn tensor_bytes(&self, shape: Shape) -> usize;
    /// Size of [`features`](Storage::features) of `shape` in bytes.
    fn features_bytes(&self, shape: Shape) -> usize {
        self.tensor_bytes(shape)
    }
    /// Size of a [`gate`](Storage::gate) for `shape` in bytes.
    fn gate_bytes(&self, shape: Shape) -> usize;
    /// Size of [`switches`](Storage::switches) for `shape` in bytes.
    fn switches_bytes(&self, shape: Shape) -> usize;

    /// Copies `src`, row-major `[C, H, W]`, to the device.
    ///
    /// # Errors
    /// `Shape` if the lengths differ.
    fn upload(&self, src: &[f32], dst: &mut Self::Tensor) -> Result<()>;
    /// Copies a tensor to `dst`, row-major `[C, H, W]`; waits for the work that produces it.
    ///
    /// # Errors
    /// `Shape` if the lengths differ.
    fn download(&self, src: &Self::Tensor, dst: &mut [f32]) -> Result<()>;
    /// Reads scalars back; waits for the work that produces them.
    ///
    /// # Errors
    /// `Shape` if `dst` is longer than `src`.
    fn read_scalars(&self, src: &Self::Scalars, dst: &mut [f64]) -> Result<()>;
}
