//! The gradient of a picture that several processes share: each computes that of its tiles, and sends it to those that descend on
//! the pixels.

use std::ops::Range;

use crate::alloc::zeros;
use crate::backend::Backend;
use crate::backend::shape::Shape;
use crate::distributed::part::Part;
use crate::error::Result;
use crate::pass::tiles::Window;

/// The gradient of this process's tiles, and what is exchanged of it.
pub(crate) struct Halo<B: Backend> {
    part: Part,
    /// For each process, the rectangle of all pixels that its tiles see.
    seen: Vec<Window>,
    /// The gradient in this process's rectangle.
    pub(crate) gradient: B::Tensor,
    values: Vec<f32>,
    own: Vec<f32>,
    sent: Vec<Vec<f32>>,
    received: Vec<Vec<f32>>,
}

impl<B: Backend> Halo<B> {
    pub(crate) fn new(backend: &B, part: Part, seen: Vec<Window>) -> Result<Self> {
        let (channels, process) = (part.picture().channels, part.communicator().process());
        let shape = seen[process].shape(channels);
        let buffer = |window: Window, positions: Range<usize>| {
            let count: usize = runs(window, positions, part.picture().width).map(|run| run.len()).sum();
            zeros(channels * count, "a gradient")
        };
        let sent = (0..seen.len()).map(|q| buffer(seen[process], part.positions(q))).collect::<Result<_>>()?;
        let received = seen.iter().map(|&of| buffer(of, part.positions(process))).collect::<Result<_>>()?;
        Ok(Self {
            gradient: backend.tensor(shape)?,
            values: zeros(shape.len(), "a gradient")?,
            own: zeros(part.shape().len(), "a gradient")?,
            sent,
            received,
            part,
            seen,
        })
    }

    /// Size in bytes of that of the largest of these rectangles, at most.
    pub(crate) fn bytes(backend: &B, picture: Shape, seen: &[Window]) -> usize {
        let own = Part::largest(picture, seen.len()).len();
        let seen = seen.iter().map(|window| window.shape(picture.channels));
        let (device, host) = seen.fold((0, 0), |(device, host), of: Shape| {
            (device.max(backend.tensor_bytes(of)), host.max(of.len().saturating_mul(2)))
        });
        // Each pixel is seen by a few processes, but for those of process 0, which may see all.
        let host = host.saturating_add(own.saturating_mul(6));
        device.saturating_add(host.saturating_mul(size_of::<f32>()))
    }

    /// Adds up the gradient of this process's part, in the order of the processes.
    pub(crate) fn exchange(&mut self, backend: &B, gradient: &mut B::Tensor) -> Result<()> {
        let Self { part, seen, gradient: of_tiles, values, own, sent, received } = self;
        let (process, width) = (part.communicator().process(), part.picture().width);
        backend.download(of_tiles, values)?;
        let window = seen[process];
        for (q, sent) in sent.iter_mut().enumerate() {
            let mut to = &mut sent[..];
            for plane in values.chunks_exact(window.shape(1).len()) {
                for run in runs(window, part.positions(q), width) {
                    let from = window.index(run.start, width);
                    let (here, behind) = to.split_at_mut(run.len());
                    here.copy_from_slice(&plane[from..][..run.len()]);
                    to = behind;
                }
            }
        }
        let from: Vec<_> = sent.iter().map(|sent| &sent[..]).collect();
        let mut to: Vec<_> = received.iter_mut().map(|received| &mut received[..]).collect();
        part.communicator().exchange(&from, &mut to)?;
        own.fill(0.0);
        let positions = part.positions(process);
        for (&window, received) in seen.iter().zip(received) {
            let mut from = &received[..];
            for plane in own.chunks_exact_mut(positions.len()) {
                for run in runs(window, positions.clone(), width) {
                    let (here, behind) = from.split_at(run.len());
                    let to = &mut plane[run.start - positions.start..][..run.len()];
                    to.iter_mut().zip(here).for_each(|(to, here)| *to += here);
                    from = behind;
                }
            }
        }
        backend.upload(own, gradient)
    }
}

/// The positions of a window that are among these, row by row, in a picture of this width.
fn runs(window: Window, positions: Range<usize>, width: usize) -> impl Iterator<Item = Range<usize>> {
    let rows = window.rows.start..window.rows.end;
    rows.filter_map(move |row| {
        let start = (row * width + window.columns.start).max(positions.start);
        let end = (row * width + window.columns.end).min(positions.end);
        (start < end).then_some(start..end)
    })
}
