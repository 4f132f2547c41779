//! Memory on a device, and the order of what is done there.

use crate::backend::shape::Shape;
use crate::error::Result;

/// Memory of a device: tensors, gates, switches, scalars and workspaces.
///
/// A tensor is dense, of `f32` or, for [`features`](Storage::features), of whatever the backend computes in; how it lies in
/// memory is the backend's own affair, and [`upload`](Storage::upload) and [`download`](Storage::download) speak `f32`,
/// row-major `[C, H, W]`.
pub trait Storage: Send + Sync + 'static {
    /// A dense tensor.
    type Tensor: Send + Sync;
    /// Where a ReLU let its input pass: one bit an element.
    type Gate: Send + Sync;
    /// Which element of each 2x2 window a max pool took: two bits an element of its output.
    type Switches: Send + Sync;
    /// A few `f64` on the device, written by reductions and read back together.
    type Scalars: Send + Sync;
    /// Scratch memory that ops of one session share.
    type Workspace: Send + Sync;
    /// What a device keeps of work that it has done, to do it again by itself; `()` where there is no such thing.
    type Recording: Default + Send + Sync;

    /// What runs the ops, for messages: `cpu (avx2, 2 threads)`, say.
    fn description(&self) -> String;

    /// Does all of `work`, which calls ops, where that is cheapest: on one of the backend's own threads, say, so that the
    /// ops need not each be sent there. By default on the calling thread.
    fn within<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        work()
    }

    /// Does `work(from, to)`, which enqueues ops and waits for nothing. All calls with one `recording` are of the same ops
    /// with the same constants, on the same tensors but for these two; so a device may record the work, and do it again
    /// without calling. By default, calls.
    ///
    /// # Errors
    /// What `work` and the device give.
    fn repeat(
        &self,
        recording: &mut Self::Recording,
        from: &Self::Tensor,
        to: &mut Self::Tensor,
        mut work: impl FnMut(&Self::Tensor, &mut Self::Tensor) -> Result<()>,
    ) -> Result<()> {
        let _ = recording;
        work(from, to)
    }

    /// Bytes of the device's memory that are free now, where they are few enough to ask; `None` on a host, whose memory
    /// other processes and the disk share.
    fn free_memory(&self) -> Option<usize> {
        None
    }

    /// A tensor of zeros.
    ///
    /// # Errors
    /// `OutOfMemory` if it cannot be had; the same for the other allocations.
    fn tensor(&self, shape: Shape) -> Result<Self::Tensor>;
    /// A tensor of zeros for activations of more than four channels or their gradient, which a backend may hold in half
    /// precision. Operands of [`crate::ops::Conv2dOps`] that are no pictures are such. By default a [`tensor`](Storage::tensor).
    ///
    /// # Errors
    /// As [`tensor`](Storage::tensor).
    fn features(&self, shape: Shape) -> Result<Self::Tensor> {
        self.tensor(shape)
    }
    /// Half the distance from 1 to the next number, as features are held and as their gradients are: `2^-24` for `f32`.
    fn unit_roundoffs(&self) -> [f64; 2] {
        [f64::from(f32::EPSILON) / 2.0; 2]
    }
    /// The shape of a tensor.
    fn shape(&self, tensor: &Self::Tensor) -> Shape;
    /// Gives a tensor another shape within the memory that it was allocated with; its contents are then unspecified.
    ///
    /// # Errors
    /// `Shape` if the new shape wants more memory.
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
    /// Gives a gate another shape, as [`reshape`](Storage::reshape) does a tensor: within the memory that it was allocated
    /// with; its contents are then unspecified.
    ///
    /// # Errors
    /// `Shape` if the new shape wants more memory.
    fn reshape_gate(&self, gate: &mut Self::Gate, shape: Shape) -> Result<()>;
    /// The same for switches, whose max pool's output then has `shape`.
    ///
    /// # Errors
    /// `Shape` if the new shape wants more memory.
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

    /// Bytes that [`tensor`](Storage::tensor) takes for `shape`.
    fn tensor_bytes(&self, shape: Shape) -> usize;
    /// Bytes that [`features`](Storage::features) takes for `shape`.
    fn features_bytes(&self, shape: Shape) -> usize {
        self.tensor_bytes(shape)
    }
    /// Bytes that [`gate`](Storage::gate) takes for `shape`.
    fn gate_bytes(&self, shape: Shape) -> usize;
    /// Bytes that [`switches`](Storage::switches) takes for `shape`.
    fn switches_bytes(&self, shape: Shape) -> usize;

    /// Copies `src`, row-major `[C, H, W]`, to the device.
    ///
    /// # Errors
    /// `Shape` if the lengths differ.
    fn upload(&self, src: &[f32], dst: &mut Self::Tensor) -> Result<()>;
    /// Copies a tensor to `dst`, row-major `[C, H, W]`; waits for the work that makes it.
    ///
    /// # Errors
    /// `Shape` if the lengths differ.
    fn download(&self, src: &Self::Tensor, dst: &mut [f32]) -> Result<()>;
    /// Reads scalars back; waits for the work that makes them.
    ///
    /// # Errors
    /// `Shape` if `dst` is longer than `src`.
    fn read_scalars(&self, src: &Self::Scalars, dst: &mut [f64]) -> Result<()>;
}
