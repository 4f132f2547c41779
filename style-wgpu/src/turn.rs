//! A thread's turn on a device: kernels in order, and copies from and to the host.

use std::sync::{Arc, MutexGuard, PoisonError, mpsc};

use style_core::{Error, ErrorKind, Result};

use crate::buffer::{Buffer, create};
use crate::context::{BATCH, Compiled, Context, Dispatch, MOST_GROUPS, Pending, SLOT, failed, kind_of_rejection};
use crate::kernels::{Access, Kernel};
use crate::wait;

/// Converts an extent to the type that kernels take.
pub(crate) fn extent(value: usize) -> Result<u32> {
    u32::try_from(value)
        .map_err(|_| Error::new(ErrorKind::Shape, format!("expected an extent of at most 2^32 - 1, found {value}")))
}

/// Operations that are submitted together; a driver may reset the device if one submission takes seconds.
const SUBMISSION_OPERATIONS: u64 = 80_000_000_000;

/// Values that are uploaded together, 16 MiB.
const SLICE: usize = 4 << 20;

impl Context {
    /// Waits for this thread's turn. Returns the error that the device has reported, if any.
    pub(crate) fn enter(&self) -> Result<Entered<'_>> {
        let pending = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.check()?;
        Ok(Entered { context: self, pending })
    }

    /// Allocates a buffer with these values.
    pub(crate) fn buffer(self: &Arc<Self>, values: &[f32], what: &str) -> Result<Buffer> {
        let buffer = Buffer::new(self, size_of_val(values), what)?;
        self.enter()?.upload(values, &buffer)?;
        Ok(buffer)
    }
}

/// This thread's turn.
pub(crate) struct Entered<'a> {
    context: &'a Context,
    pending: MutexGuard<'a, Pending>,
}

impl Entered<'_> {
    /// Runs a kernel in `groups` workgroups. `parameters` are its words; operands are its buffers in the order of its
    /// bindings.
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
        let most = self.pending.most_groups;
        let across = groups.min(most);
        let down = groups.div_ceil(across);
        if down > MOST_GROUPS {
            let message = format!("kernel {} would need {groups} workgroups; use a smaller picture", kernel.name);
            return Err(Error::new(ErrorKind::Shape, message));
        }
        debug_assert_eq!(operands.len(), kernel.operands.len(), "{}", kernel.name);
        debug_assert!(parameters.len() <= SLOT / 4);
        if self.pending.dispatches.len() == BATCH {
            self.submit();
        }
        let compiled = self.compiled(kernel)?;
        let offset = self.pending.dispatches.len() * SLOT;
        self.pending.parameters.resize(offset, 0);
        self.pending.parameters.extend(parameters.iter().flat_map(|word| word.to_le_bytes()));
        self.pending.parameters.resize(offset + SLOT, 0);
        let uniform = wgpu::BindGroupEntry {
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
        let entries: Vec<_> = std::iter::once(uniform).chain(operands).collect();
        let operands = self.context.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(kernel.name),
            layout: &compiled.layout,
            entries: &entries,
        });
        let groups = [across as u32, down as u32];
        self.pending.dispatches.push(Dispatch { pipeline: compiled.pipeline, operands, offset: offset as u32, groups });
        #[cfg(feature = "record")]
        self.pending.recorded.push(crate::record::Launch::new(kernel, groups, parameters));
        Ok(())
    }

    /// Takes the list of dispatches.
    #[cfg(feature = "record")]
    pub(crate) fn take_recorded(&mut self) -> Vec<crate::record::Launch> {
        std::mem::take(&mut self.pending.recorded)
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

    /// Runs a long kernel in dispatches that do not take too many operations, given those of a workgroup and the most of a
    /// dispatch. The kernel's first parameters are the first workgroup of a dispatch and their number.
    pub(crate) fn launch_long(
        &mut self,
        kernel: &'static Kernel,
        groups: usize,
        (each, most): (usize, u64),
        parameters: &[u32],
        operands: &[&Buffer],
    ) -> Result<()> {
        let together = usize::try_from(most / each.max(1) as u64).unwrap_or(usize::MAX).max(1);
        for first in (0..groups).step_by(together) {
            let count = together.min(groups - first);
            let mut all = vec![extent(first)?, extent(count)?];
            all.extend(parameters);
            self.launch(kernel, count, &all, operands)?;
            self.spend((count as u64).saturating_mul(each as u64));
        }
        Ok(())
    }

    /// Counts the operations of a long kernel, and submits it once they are many.
    fn spend(&mut self, operations: u64) {
        self.pending.operations = self.pending.operations.saturating_add(operations);
        if self.pending.operations >= SUBMISSION_OPERATIONS {
            self.submit();
        }
    }

    /// The kernel, compiled at its first use.
    fn compiled(&mut self, kernel: &'static Kernel) -> Result<Compiled> {
        if let Some(compiled) = self.pending.kernels.get(kernel.name) {
            return Ok(compiled.clone());
        }
        let kinds = [wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::Validation];
        let device = &self.context.device;
        let (compiled, error) = wait::caught(device, &kinds, || compile(device, kernel));
        if let Some(e) = error {
            let what = format!("the driver of {} rejects the kernel {}: {e}", self.context.adapter, kernel.name);
            return Err(failed(kind_of_rejection(&e), &what));
        }
        self.context.check()?;
        self.pending.kernels.insert(kernel.name, compiled.clone());
        Ok(compiled)
    }

    /// Submits what was recorded.
    fn submit(&mut self) {
        if !self.pending.dispatches.is_empty() {
            self.submit_dispatches();
        }
        #[cfg(target_family = "wasm")]
        self.context.discard();
    }

    fn submit_dispatches(&mut self) {
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
        self.pending.operations = 0;
        // Frees what finished work used; errors show in `check`.
        let _ = device.poll(wgpu::PollType::Poll);
    }

    /// Submits what was recorded and waits for it; errors show in `check`.
    pub(crate) fn finish(&mut self) {
        self.submit();
        let _ = wait::finish(&self.context.device, &self.context.queue);
    }

    /// A buffer that the host reads or writes. Running out of memory for it does not affect the device.
    fn staging(&mut self, what: &str, bytes: u64, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer> {
        let (mut staging, mut out_of_memory) = create(&self.context.device, what, bytes, usage);
        if out_of_memory {
            self.finish();
            (staging, out_of_memory) = create(&self.context.device, what, bytes, usage);
        }
        self.context.check()?;
        if out_of_memory {
            let what = format!("not enough memory for {bytes} bytes of {what}");
            return Err(failed(ErrorKind::OutOfMemory, &what));
        }
        Ok(staging)
    }

    /// Sets the first values of a buffer, in order with the kernels. The browser holds no more than a slice of them.
    #[cfg(target_family = "wasm")]
    pub(crate) fn upload(&mut self, values: &[f32], to: &Buffer) -> Result<()> {
        self.submit();
        for (i, slice) in values.chunks(SLICE).enumerate() {
            if i > 0 {
                self.finish();
            }
            self.context.queue.write_buffer(&to.handle, (4 * SLICE * i) as u64, bytemuck::cast_slice(slice));
        }
        self.context.check()
    }

    /// Sets the first values of a buffer, in order with the kernels. Values pass through memory for two slices.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn upload(&mut self, values: &[f32], to: &Buffer) -> Result<()> {
        self.submit();
        let context = self.context;
        let (device, queue) = (&context.device, &context.queue);
        let mut last = None;
        for (i, slice) in values.chunks(SLICE).enumerate() {
            let bytes: &[u8] = bytemuck::cast_slice(slice);
            let usage = wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC;
            let staging = self.staging("values to upload", bytes.len() as u64, usage)?;
            let lost = |e| failed(ErrorKind::DeviceLost, &format!("cannot write to the device: {e}"));
            staging.get_mapped_range_mut(..).map_err(lost)?.copy_from_slice(bytes);
            staging.unmap();
            let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            encoder.copy_buffer_to_buffer(&staging, 0, &to.handle, (4 * SLICE * i) as u64, bytes.len() as u64);
            let before = last.replace(queue.submit([encoder.finish()]));
            // Frees what finished work used; errors show in `check`.
            let _ = device.poll(match before {
                Some(_) => wgpu::PollType::Wait { submission_index: before, timeout: None },
                None => wgpu::PollType::Poll,
            });
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
        let context = self.context;
        let (device, bytes) = (&context.device, 4 * count as u64);
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = self.staging("values to read", bytes, usage)?;
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(&from.handle, 0, &staging, 0, bytes);
        self.context.queue.submit([encoder.finish()]);
        let (sender, receiver) = mpsc::channel();
        // The receiver lives until the end of this function; a late answer finds nobody.
        staging.map_async(wgpu::MapMode::Read, .., move |mapped| _ = sender.send(mapped));
        let lost =
            |e: &dyn std::fmt::Display| failed(ErrorKind::DeviceLost, &format!("cannot read from the device: {e}"));
        let finished = wait::finish(device, &self.context.queue);
        self.context.check()?;
        finished.map_err(|e| lost(&e))?;
        receiver.try_recv().map_err(|e| lost(&e))?.map_err(|e| lost(&e))?;
        let view = staging.get_mapped_range(..).map_err(|e| lost(&e))?;
        let values = bytemuck::try_cast_slice(&view).map_err(|e| lost(&e))?;
        with(values);
        drop(view);
        wait::discard(&staging);
        Ok(())
    }
}

/// A kernel for the device; whether its driver takes it shows in errors.
fn compile(device: &wgpu::Device, kernel: &Kernel) -> Compiled {
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
    Compiled { pipeline, layout }
}

#[cfg(test)]
mod tests {
    use style_core::backend::ops::{ReluOps, VectorOps};
    use style_core::backend::{Shape, Storage};

    use super::*;
    use crate::backend::Wgpu;

    #[test]
    fn a_lost_device_is_an_error_of_every_later_call() {
        let Some(wgpu) = Wgpu::for_tests() else { return };
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

    static INVALID: Kernel =
        Kernel { name: "invalid", files: &["fn invalid() { no_such_function(); }"], operands: &[] };

    #[test]
    fn a_kernel_that_a_driver_rejects_is_an_error_and_the_device_goes_on() {
        let Some(wgpu) = Wgpu::for_tests() else { return };
        let e = wgpu.context.enter().unwrap().launch(&INVALID, 1, &[], &[]).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Unsupported, "{e}");
        assert!(e.to_string().contains("invalid"), "{e}");
        wgpu.rectify(&mut wgpu.tensor(Shape::new(5, 6, 7)).unwrap()).unwrap();
    }

    #[test]
    fn a_driver_that_fails_to_compile_a_kernel_does_not_lose_the_device() {
        let internal = wgpu::Error::Internal { source: "no registers".into(), description: String::new() };
        assert_eq!(kind_of_rejection(&internal), ErrorKind::Unsupported);
        let memory = wgpu::Error::OutOfMemory { source: "no memory".into() };
        assert_eq!(kind_of_rejection(&memory), ErrorKind::OutOfMemory);
    }

    #[test]
    fn an_error_that_no_call_returned_is_that_of_the_next_one() {
        let Some(wgpu) = Wgpu::for_tests() else { return };
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
