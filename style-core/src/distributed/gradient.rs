//! The gradient of a picture that several processes share. Each computes that of the pixels that its tiles see, and sends it to
//! those that descend on them.

use std::ops::Range;

use crate::alloc::zeros;
use crate::backend::Backend;
use crate::backend::shape::Shape;
use crate::distributed::range;
use crate::distributed::share::Share;
use crate::error::Result;
use crate::pass::tiles::Window;

/// The gradient of the pixels that this process's tiles see, and buffers to send it.
pub(crate) struct TileGradient<B: Backend> {
    share: Share,
    /// For each process, the rectangle of all pixels that its tiles see.
    seen: Vec<Window>,
    /// The gradient in this process's rectangle.
    pub(crate) gradient: B::Tensor,
    values: Vec<f32>,
    own: Vec<f32>,
    sent: Vec<Vec<f32>>,
    received: Vec<Vec<f32>>,
}

impl<B: Backend> TileGradient<B> {
    pub(crate) fn new(backend: &B, share: Share, seen: Vec<Window>) -> Result<Self> {
        let (channels, process) = (share.picture().channels, share.communicator().process());
        let shape = seen[process].shape(channels);
        let buffer =
            |window, positions| zeros(channels * count(window, positions, share.picture().width), "a gradient");
        let sent = (0..seen.len()).map(|q| buffer(seen[process], share.positions(q))).collect::<Result<_>>()?;
        let received = seen.iter().map(|&of| buffer(of, share.positions(process))).collect::<Result<_>>()?;
        Ok(Self {
            gradient: backend.tensor(shape)?,
            values: zeros(shape.len(), "a gradient")?,
            own: zeros(share.shape().len(), "a gradient")?,
            sent,
            received,
            share,
            seen,
        })
    }

    /// Size in bytes in the process that needs most.
    pub(crate) fn bytes(backend: &B, picture: Shape, seen: &[Window]) -> usize {
        let own = Share::largest(picture, seen.len()).len();
        let received = |process: usize| {
            let positions = range(process, seen.len(), picture.positions());
            let of = |&window: &Window| count(window, positions.clone(), picture.width);
            seen.iter().map(of).fold(0, usize::saturating_add).saturating_mul(picture.channels)
        };
        let received = (0..seen.len()).map(received).max().unwrap_or(0);
        let seen = seen.iter().map(|window| window.shape(picture.channels));
        let of_tiles = seen.map(|of| {
            let [values, sent] = [of.len(); 2].map(|len| len.saturating_mul(size_of::<f32>()));
            [backend.tensor_bytes(of), values, sent].into_iter().fold(0, usize::saturating_add)
        });
        let host = own.saturating_add(received).saturating_mul(size_of::<f32>());
        of_tiles.max().unwrap_or(0).saturating_add(host)
    }

    /// Adds up the gradient of this process's share, in the order of the processes.
    pub(crate) fn exchange(&mut self, backend: &B, gradient: &mut B::Tensor) -> Result<()> {
        let Self { share, seen, gradient: of_tiles, values, own, sent, received } = self;
        let (process, width) = (share.communicator().process(), share.picture().width);
        backend.download(of_tiles, values)?;
        let window = seen[process];
        for (q, sent) in sent.iter_mut().enumerate() {
            let mut to = &mut sent[..];
            for plane in values.chunks_exact(window.shape(1).len()) {
                for run in runs(window, share.positions(q), width) {
                    let from = window.index(run.start, width);
                    let (here, behind) = to.split_at_mut(run.len());
                    here.copy_from_slice(&plane[from..][..run.len()]);
                    to = behind;
                }
            }
        }
        let from: Vec<_> = sent.iter().map(|sent| &sent[..]).collect();
        let mut to: Vec<_> = received.iter_mut().map(|received| &mut received[..]).collect();
        share.communicator().exchange(&from, &mut to)?;
        own.fill(0.0);
        let positions = share.positions(process);
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

/// The number of positions of a window that are among these, in a picture of this width.
fn count(window: Window, positions: Range<usize>, width: usize) -> usize {
    runs(window, positions, width).map(|run| run.len()).sum()
}

/// The positions of a window that are among these, row by row, in a picture of this width.
fn runs(window: Window, positions: Range<usize>, width: usize) -> impl Iterator<Item = Range<usize>> {
    let first = window.rows.start.max(positions.start / width);
    let rows = first..window.rows.end.min(positions.end.div_ceil(width));
    rows.filter_map(move |row| {
        let start = (row * width + window.columns.start).max(positions.start);
        let end = (row * width + window.columns.end).min(positions.end);
        (start < end).then_some(start..end)
    })
}
