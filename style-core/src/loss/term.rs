//! The interface of a term of the objective: a loss prepared for pictures of one size.
//!
//! A loss `l(F_1, F_2, ...)` of the features of some layers (or of the image itself) adds `weight l` to the objective.
//! An evaluation calls its [`Term`] in this order; a picture that is not tiled is one tile:
//!
//! ```text
//! begin
//!   for each tile:  forward at each of its layers, then end_of_tile
//! end                            with the picture's values known, the loss and what its gradient needs
//!   for each tile:  backward at each of its layers, the last first:  dF (=|+=) weight dl/dF
//! loss                           from the scalars that it wrote on the device
//! ```

use crate::backend::Backend;
use crate::backend::shape::{Acc, Rows, Shape};
use crate::distributed::Communicator;
use crate::error::Result;
use crate::loss::guide::Guide;
use crate::pass::tiled::Seen;
use crate::pass::tiles::Window;

/// How a loss is computed from the parts of a picture: its tiles, in one process or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Additivity {
    /// It needs all features at once: tiling the picture, or sharing it among processes, is an error (not for losses of
    /// the image itself).
    Whole,
    /// It is a function of statistics that can be combined from those of the parts. The gradient at one position
    /// depends on all others through the statistics only.
    Statistics,
    /// It is a function of sums over positions (for a statistic), or itself such a sum (for a loss). The gradient at
    /// one position depends on no other position, except through the sums.
    Positions,
}

/// A layer's features, as passed to a term or a statistic: those of the whole picture, of one tile, or of one band of
/// rows.
pub struct Site<'a, B: Backend> {
    /// Compute backend.
    pub backend: &'a B,
    /// The features, `[1, N, H, W]`, or some of their rows if the picture is processed in bands. For a term on the
    /// image, its pixels.
    pub features: &'a B::Tensor,
    /// Shape of the features of the whole picture, or of a tile.
    pub whole: Shape,
    /// The rows of `features` that count: all, except for a band, which includes neighbouring rows.
    pub rows: Rows,
    /// Whether to store the values, or to add to them, as for every band after the first.
    pub acc: Acc,
    /// The weights of the positions of `features`, if they are not uniform. Only for statistics.
    pub guide: Option<&'a Guide<B>>,
    /// Index of the tile.
    pub tile: usize,
    /// Index of the layer among those of the term.
    pub layer: usize,
    /// The tile's own features within those of the whole picture, if there are several tiles.
    pub(crate) window: Option<Window>,
    /// The row of the whole features, or of the tile's own, that the first row of `features` is.
    pub(crate) top: usize,
}

impl<B: Backend> Clone for Site<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: Backend> Copy for Site<'_, B> {}

impl<'a, B: Backend> Site<'a, B> {
    /// The features passed to a tap, `features` being the tile's own, for the `layer`th layer of a term.
    pub(crate) fn new(backend: &'a B, seen: &Seen<'_, B>, features: &'a B::Tensor, layer: usize) -> Self {
        let acc = if seen.first { Acc::Store } else { Acc::Add };
        let Seen { own: whole, rows, tile, top, .. } = *seen;
        let window = seen.window.map(|w| w.whole);
        Self { backend, features, whole, rows, acc, guide: None, tile, layer, window, top }
    }

    /// Shape of the features of the whole picture, or of a tile.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.whole
    }

    /// The row and column of the tile's first position within the features of the whole picture.
    #[must_use]
    pub fn origin(&self) -> [usize; 2] {
        self.window.map_or([0, 0], |window| window.at())
    }
}

/// Memory that a term may use during one call.
pub struct Buffers<'a, B: Backend> {
    /// The scalars of all terms; this one's begin at `slot`.
    pub scalars: &'a mut B::Scalars,
    /// See `scalars`.
    pub slot: usize,
    /// Workspace large enough for the ops on these features.
    pub workspace: &'a mut B::Workspace,
    /// Scratch of the current statistic.
    pub(crate) scratch: &'a mut [B::Tensor],
    /// Gradients of the values of the current statistic.
    pub(crate) dvalues: &'a mut [B::Tensor],
    /// A tile's part of a content target, if there are several tiles.
    pub(crate) target: Option<&'a mut B::Tensor>,
}

impl<B: Backend> Buffers<'_, B> {
    /// Reborrows the buffers, for a call that another one follows.
    pub(crate) fn again(&mut self) -> Buffers<'_, B> {
        let Self { scalars, slot, workspace, scratch, dvalues, target } = self;
        Buffers { scalars, slot: *slot, workspace, scratch, dvalues, target: target.as_deref_mut() }
    }
}

/// A term of the objective, ready for pictures of one size. An evaluation calls [`begin`](Term::begin); for each tile,
/// [`forward`](Term::forward) at each of its layers, then [`end_of_tile`](Term::end_of_tile); [`end`](Term::end) once
/// all tiles have been seen; for each tile, [`backward`](Term::backward) at each of its layers, the last layer first;
/// and [`loss`](Term::loss). If every term on layers has [`Additivity::Positions`], a tile of several goes backward
/// before the next tile and before `end`.
pub trait Term<B: Backend>: Send + Sync {
    /// The number of scalars that it writes; asked once.
    fn slots(&self) -> usize {
        0
    }

    /// Whether it waits for the device or computes on the host, so that its work cannot be recorded by a device.
    fn on_host(&self) -> bool {
        false
    }

    /// Called at the start of an evaluation.
    fn begin(&mut self) {}

    /// Reads features of one of its layers.
    ///
    /// # Errors
    /// Backend errors, as for all calls.
    fn forward(&mut self, at: &Site<'_, B>, buffers: Buffers<'_, B>) -> Result<()>;

    /// Called when all its layers have been seen in a tile.
    ///
    /// # Errors
    /// Backend errors.
    fn end_of_tile(&mut self, backend: &B, tile: usize) -> Result<()> {
        let _ = (backend, tile);
        Ok(())
    }

    /// Called when all tiles have been seen. If other processes have seen some of the tiles, add in their sums with
    /// `communicator`.
    ///
    /// # Errors
    /// Backend errors, and those of `communicator`.
    fn end(&mut self, backend: &B, communicator: &dyn Communicator, buffers: Buffers<'_, B>) -> Result<()> {
        let _ = (backend, communicator, buffers);
        Ok(())
    }

    /// `dfeatures (=|+=) weight dl/dfeatures` for all positions of `at.features`.
    ///
    /// # Errors
    /// Backend errors.
    fn backward(
        &mut self,
        at: &Site<'_, B>,
        weight: f64,
        acc: Acc,
        dfeatures: &mut B::Tensor,
        buffers: Buffers<'_, B>,
    ) -> Result<()>;

    /// The loss, before its weight, from the scalars that it wrote. If processes share the picture, those of a loss on layers
    /// with [`Additivity::Positions`] are summed over them before this call; for others, all take those of process 0.
    fn loss(&self, scalars: &[f64]) -> f64;
}
