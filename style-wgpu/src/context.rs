//! One device with its queue: memory, kernels in order, and errors.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use style_core::{Error, ErrorKind, Result};

use crate::adapter::Adapter;
use crate::kernels::{Access, Kernel};

/// Dispatches that are submitted together. A driver may reset the device if one submission takes seconds.
const BATCH: usize = 64;

/// Bytes between the parameters of two dispatches: WebGPU's largest alignment.
const SLOT: usize = 256;

/// Workgroups along a dimension of a dispatch: WebGPU's limit.
const MOST_GROUPS: usize = 65_535;

/// A device, its queue and the work that is not yet submitted.
pub(crate) struct Context {
    pub(crate) adapter: Adapter,
    device: wgpu::Device,
    queue: wgpu::Queue,
    limits: wgpu::Limits,
    /// Held while an op records its work, so that its kernels run one after another and share scratch memory.
    turn: Mutex<Pending>,
    failure: Arc<Mutex<Option<Failure>>>,
    allocated: AtomicUsize,
    limit: Option<usize>,
}

/// An error that the device reported outside any call. It stays: what was computed since is lost.
struct Failure {
    kind: ErrorKind,
    message: String,
}

/// A kernel compiled for the device.
#[derive(Clone)]
struct Compiled {
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

struct Dispatch {
    pipeline: wgpu::ComputePipeline,
    operands: wgpu::BindGroup,
    offset: u32,
    groups: [u32; 2],
}

/// Work in order.
struct Pending {
    kernels: HashMap<&'static str, Compiled>,
    dispatches: Vec<Dispatch>,
    /// The parameters of the dispatches, and the buffer for them.
    parameters: Vec<u8>,
    on_device: wgpu::Buffer,
}

fn failed(kind: ErrorKind, what: &str) -> Error {
    let advice = match kind {
        ErrorKind::OutOfMemory => "use a smaller picture or a lower memory limit",
        _ => "restart from the last saved image, or use the CPU backend",
    };
    Error::new(kind, format!("{what}; {advice}"))
}

/// The error of an uncaptured wgpu error.
fn kind_of(error: &wgpu::Error) -> ErrorKind {
    match error {
        wgpu::Error::OutOfMemory { .. } => ErrorKind::OutOfMemory,
        wgpu::Error::Validation { .. } => ErrorKind::Unsupported,
        wgpu::Error::Internal { .. } => ErrorKind::DeviceLost,
    }
}

fn keep(failure: &Mutex<Option<Failure>>, kind: ErrorKind, message: String) {
    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(Failure { kind, message });
}

impl Context {
    /// Opens a device with the largest buffers that the adapter offers, and WebGPU's default limits otherwise.
    pub(crate) fn new(adapter: Adapter, handle: &wgpu::Adapter, limit: Option<usize>) -> Result<Arc<Self>> {
        let offered = handle.limits();
        let wanted = wgpu::Limits {
            max_buffer_size: offered.max_buffer_size,
            max_storage_buffer_binding_size: offered.max_storage_buffer_binding_size,
            ..wgpu::Limits::defaults().using_resolution(offered.clone())
        };
        let wanted = compute_limits(wanted, &offered);
        if !wanted.check_limits(&offered) {
            let message = format!("adapter {adapter} lacks the compute limits of WebGPU; use the CPU backend");
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("style-transfer"),
            required_limits: wanted.clone(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(handle.request_device(&descriptor)).map_err(|e| {
            let message = format!("cannot open adapter {adapter}: {e}; update its driver, or use the CPU backend");
            Error::new(ErrorKind::Unavailable, message)
        })?;
        let failure = Arc::new(Mutex::new(None));
        let kept = Arc::clone(&failure);
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| keep(&kept, kind_of(&e), e.to_string())));
        let kept = Arc::clone(&failure);
        device.set_device_lost_callback(move |_, message| keep(&kept, ErrorKind::DeviceLost, message));
        let on_device = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("parameters"),
            size: (BATCH * SLOT) as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let pending = Pending { kernels: HashMap::new(), dispatches: vec![], parameters: vec![], on_device };
        let (turn, allocated) = (Mutex::new(pending), AtomicUsize::new(0));
        Ok(Arc::new(Self { adapter, device, queue, limits: wanted, turn, failure, allocated, limit }))
    }

    /// Waits for this thread's turn. Returns the error that the device has reported, if any.
    pub(crate) fn enter(&self) -> Result<Entered<'_>> {
        let pending = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.check()?;
        Ok(Entered { context: self, pending })
    }

    fn check(&self) -> Result<()> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.as_ref().map_or(Ok(()), |f| {
            Err(failed(f.kind, &format!("the device {} reported an error: {}", self.adapter, f.message)))
        })
    }

    /// What is left of the memory limit.
    pub(crate) fn free_memory(&self) -> Option<usize> {
        self.limit.map(|limit| limit.saturating_sub(self.allocated.load(Ordering::Relaxed)))
    }
}

/// WebGPU's default limits for compute; what only drawing needs is as the adapter offers it.
fn compute_limits(wanted: wgpu::Limits, offered: &wgpu::Limits) -> wgpu::Limits {
    wgpu::Limits {
        max_bind_groups: 1,
        max_storage_buffers_per_shader_stage: 8,
        max_uniform_buffers_per_shader_stage: 1,
        max_dynamic_uniform_buffers_per_pipeline_layout: 1,
        max_compute_workgroup_storage_size: 16_384,
        max_compute_invocations_per_workgroup: 256,
        max_compute_workgroup_size_x: 256,
        max_compute_workgroups_per_dimension: MOST_GROUPS as u32,
        max_buffer_size: wanted.max_buffer_size,
        max_storage_buffer_binding_size: wanted.max_storage_buffer_binding_size,
        ..offered.clone()
    }
}

/// This thread's turn.
pub(crate) struct Entered<'a> {
    context: &'a Context,
    pending: MutexGuard<'a, Pending>,
}

impl Entered<'_> {
    /// Runs a kernel in `groups` workgroups. `parameters` are its words, without the first one; operands are its buffers in the
    /// order of its bindings.
    pub(crate) fn launch(
        &mut self,
        kernel: &'static Kernel,
        groups: usize,
        parameters: &[u32],
        operands: &[&Buffer],
    ) -> Result<()> {
        if groups == 0 {
            return Ok(());
        }
        let across = groups.min(MOST_GROUPS);
        let down = groups.div_ceil(across);
        if down > MOST_GROUPS {
            let message = format!("kernel {} would need {groups} workgroups; use a smaller picture", kernel.name);
            return Err(Error::new(ErrorKind::Shape, message));
        }
        debug_assert_eq!(operands.len(), kernel.operands.len(), "{}", kernel.name);
        debug_assert!(parameters.len() < SLOT / 4);
        if self.pending.dispatches.len() == BATCH {
            self.submit();
        }
        let compiled = self.compiled(kernel)?;
        let offset = self.pending.dispatches.len() * SLOT;
        // The first word hides intermediate results from optimisers; see kernels/pair.wgsl.
        let words = std::iter::once(0).chain(parameters.iter().copied());
        self.pending.parameters.resize(offset, 0);
        self.pending.parameters.extend(words.flat_map(u32::to_le_bytes));
        self.pending.parameters.resize(offset + SLOT, 0);
        let parameters = wgpu::BindGroupEntry {
            binding: 0,
            resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &self.pending.on_device,
                offset: 0,
                size: wgpu::BufferSize::new(SLOT as u64),
            }),
        };
        let operands = (1..)
            .zip(operands)
            .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.handle.as_entire_binding() });
        let entries: Vec<_> = std::iter::once(parameters).chain(operands).collect();
        let operands = self.context.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(kernel.name),
            layout: &compiled.layout,
            entries: &entries,
        });
        let groups = [across as u32, down as u32];
        self.pending.dispatches.push(Dispatch { pipeline: compiled.pipeline, operands, offset: offset as u32, groups });
        Ok(())
    }

    /// Runs a kernel of 256 threads a workgroup, in at least `threads` threads.
    pub(crate) fn launch_for(
        &mut self,
        kernel: &'static Kernel,
        threads: usize,
        parameters: &[u32],
        operands: &[&Buffer],
    ) -> Result<()> {
        self.launch(kernel, threads.div_ceil(256), parameters, operands)
    }

    /// The kernel, compiled at its first use.
    fn compiled(&mut self, kernel: &'static Kernel) -> Result<Compiled> {
        if let Some(compiled) = self.pending.kernels.get(kernel.name) {
            return Ok(compiled.clone());
        }
        let device = &self.context.device;
        let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let entry = |binding, ty, dynamic| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: dynamic, min_binding_size: None },
            count: None,
        };
        let storage = |access| wgpu::BufferBindingType::Storage { read_only: access == Access::Read };
        let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform, true)];
        entries.extend((1..).zip(kernel.operands).map(|(i, &access)| entry(i, storage(access), false)));
        let layout = device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(kernel.name), entries: &entries });
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(kernel.name),
            source: wgpu::ShaderSource::Wgsl(kernel.source().into()),
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(kernel.name),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(kernel.name),
            compilation_options: wgpu::PipelineCompilationOptions {
                // No kernel reads workgroup memory before it writes it.
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        });
        if let Some(e) = pollster::block_on(scope.pop()) {
            let what = format!("the driver of {} rejects the kernel {}: {e}", self.context.adapter, kernel.name);
            return Err(failed(ErrorKind::Unsupported, &what));
        }
        self.context.check()?;
        let compiled = Compiled { pipeline, layout };
        self.pending.kernels.insert(kernel.name, compiled.clone());
        Ok(compiled)
    }

    /// Submits what was recorded.
    fn submit(&mut self) {
        if self.pending.dispatches.is_empty() {
            return;
        }
        let (device, queue) = (&self.context.device, &self.context.queue);
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for dispatch in &self.pending.dispatches {
                pass.set_pipeline(&dispatch.pipeline);
                pass.set_bind_group(0, &dispatch.operands, &[dispatch.offset]);
                pass.dispatch_workgroups(dispatch.groups[0], dispatch.groups[1], 1);
            }
        }
        // Written before this submission and after those that precede it.
        queue.write_buffer(&self.pending.on_device, 0, &self.pending.parameters);
        queue.submit([encoder.finish()]);
        self.pending.dispatches.clear();
        self.pending.parameters.clear();
        // Frees what finished work used; errors show in `check`.
        let _ = device.poll(wgpu::PollType::Poll);
    }

    /// Sets the first values of a buffer, in order with the kernels.
    pub(crate) fn upload(&mut self, values: &[f32], to: &Buffer) -> Result<()> {
        self.submit();
        if !values.is_empty() {
            self.context.queue.write_buffer(&to.handle, 0, bytemuck::cast_slice(values));
        }
        self.context.check()
    }

    /// Waits for all work and gives the first `count` values of a buffer to `with`.
    pub(crate) fn download(&mut self, from: &Buffer, count: usize, with: impl FnOnce(&[f32])) -> Result<()> {
        self.submit();
        self.context.check()?;
        if count == 0 {
            with(&[]);
            return Ok(());
        }
        let (device, bytes) = (&self.context.device, 4 * count as u64);
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let (staging, out_of_memory) = create(device, "values to read", bytes, usage);
        if out_of_memory {
            return Err(failed(
                ErrorKind::OutOfMemory,
                &format!("not enough memory to read {bytes} bytes from the device"),
            ));
        }
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(&from.handle, 0, &staging, 0, bytes);
        self.context.queue.submit([encoder.finish()]);
        let (sender, receiver) = mpsc::channel();
        // The receiver lives until the end of this function; a late answer finds nobody.
        staging.map_async(wgpu::MapMode::Read, .., move |mapped| _ = sender.send(mapped));
        let lost =
            |e: &dyn std::fmt::Display| failed(ErrorKind::DeviceLost, &format!("cannot read from the device: {e}"));
        let polled = device.poll(wgpu::PollType::wait_indefinitely());
        self.context.check()?;
        polled.map_err(|e| lost(&e))?;
        receiver.try_recv().map_err(|e| lost(&e))?.map_err(|e| lost(&e))?;
        let view = staging.get_mapped_range(..).map_err(|e| lost(&e))?;
        let values = bytemuck::try_cast_slice(&view).map_err(|e| lost(&e))?;
        with(values);
        Ok(())
    }
}

/// A buffer, and whether there was no memory for it.
fn create(device: &wgpu::Device, label: &str, size: u64, usage: wgpu::BufferUsages) -> (wgpu::Buffer, bool) {
    let scope = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
    let buffer = device.create_buffer(&descriptor);
    (buffer, pollster::block_on(scope.pop()).is_some())
}

/// Device memory, freed on drop once no work uses it.
pub(crate) struct Buffer {
    context: Arc<Context>,
    handle: wgpu::Buffer,
    bytes: usize,
}

impl Buffer {
    /// Allocates zeros.
    pub(crate) fn new(context: &Arc<Context>, bytes: usize, what: &str) -> Result<Self> {
        let refuse = |why: String| {
            let message = format!("{what} requires {bytes} bytes on {}, {why}", context.adapter);
            Error::new(ErrorKind::OutOfMemory, message)
        };
        let most = context.limits.max_buffer_size.min(context.limits.max_storage_buffer_binding_size);
        let rounded = size(bytes) as u64;
        if rounded > most {
            let advice = "use a smaller picture, or a memory limit, so that the picture is evaluated in tiles";
            return Err(refuse(format!("which accepts at most {most} in one buffer; {advice}")));
        }
        if let Some(free) = context.free_memory().filter(|&free| size(bytes) > free) {
            return Err(refuse(format!(
                "found {free} free below the memory limit; use a smaller picture or a higher limit"
            )));
        }
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let (handle, mut out_of_memory) = create(&context.device, what, rounded, usage);
        let mut handle = handle;
        if out_of_memory {
            // Memory that was dropped is free once the device is done with it.
            let _ = context.device.poll(wgpu::PollType::wait_indefinitely());
            (handle, out_of_memory) = create(&context.device, what, rounded, usage);
        }
        if out_of_memory {
            return Err(refuse("which it does not have; use a smaller picture or a memory limit".into()));
        }
        context.check()?;
        context.allocated.fetch_add(size(bytes), Ordering::Relaxed);
        Ok(Self { context: Arc::clone(context), handle, bytes })
    }

    /// Allocates a buffer with these values.
    pub(crate) fn with(context: &Arc<Context>, values: &[f32], what: &str) -> Result<Self> {
        let buffer = Self::new(context, size_of_val(values), what)?;
        context.enter()?.upload(values, &buffer)?;
        Ok(buffer)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn belongs_to(&self, context: &Arc<Context>) -> bool {
        Arc::ptr_eq(&self.context, context)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.context.allocated.fetch_sub(size(self.bytes), Ordering::Relaxed);
    }
}

/// Bytes allocated for a buffer: whole groups of four values, at least one.
fn size(bytes: usize) -> usize {
    bytes.max(1).checked_next_multiple_of(16).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use style_core::backend::ops::{ReluOps, VectorOps};
    use style_core::backend::{Shape, Storage};

    use super::*;
    use crate::Wgpu;

    /// As in tests/common: no adapter is a failure, unless the environment says otherwise.
    fn wgpu() -> Option<Wgpu> {
        match Wgpu::builder().software(true).build() {
            Ok(wgpu) => Some(wgpu),
            Err(e) if e.kind() == ErrorKind::Unavailable && std::env::var_os("STYLE_WGPU_OPTIONAL").is_some() => {
                eprintln!("SKIPPED, because STYLE_WGPU_OPTIONAL is set: {e}");
                None
            }
            Err(e) => panic!("{e}. Set STYLE_WGPU_OPTIONAL=1 to skip these tests"),
        }
    }

    #[test]
    fn a_lost_device_is_an_error_of_every_later_call() {
        let Some(wgpu) = wgpu() else { return };
        let shape = Shape::new(5, 6, 7);
        let (mut x, mut out) = (wgpu.tensor(shape).unwrap(), wgpu.scalars(1).unwrap());
        wgpu.rectify(&mut x).unwrap();
        wgpu.context.device.destroy();
        let _ = wgpu.context.device.poll(wgpu::PollType::Poll);
        let results = [
            wgpu.upload(&vec![0.0; shape.len()], &mut x),
            wgpu.rectify(&mut x),
            wgpu.dots(&[&x], &[&x], &mut out, 0),
            wgpu.read_scalars(&out, &mut [0.0]),
            wgpu.download(&x, &mut vec![0.0; shape.len()]),
            wgpu.tensor(shape).map(|_| ()),
            wgpu.workspace(100).map(|_| ()),
        ];
        for result in results {
            let e = result.unwrap_err();
            assert_eq!(e.kind(), ErrorKind::DeviceLost, "{e}");
            assert!(e.to_string().contains("last saved image"), "{e}");
        }
    }

    static INVALID: Kernel = Kernel { name: "invalid", file: "fn invalid() { no_such_function(); }", operands: &[] };

    #[test]
    fn a_kernel_that_a_driver_rejects_is_an_error_and_the_device_goes_on() {
        let Some(wgpu) = wgpu() else { return };
        let e = wgpu.context.enter().unwrap().launch(&INVALID, 1, &[], &[]).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Unsupported, "{e}");
        assert!(e.to_string().contains("invalid"), "{e}");
        wgpu.rectify(&mut wgpu.tensor(Shape::new(5, 6, 7)).unwrap()).unwrap();
    }

    #[test]
    fn an_error_that_no_call_returned_is_that_of_the_next_one() {
        let Some(wgpu) = wgpu() else { return };
        // A buffer that no usage allows is reported by wgpu's handler alone.
        let _ = wgpu.context.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 3,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        });
        let e = wgpu.tensor(Shape::new(5, 6, 7)).map(|_| ()).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Unsupported, "{e}");
    }
}
