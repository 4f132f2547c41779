//! Memory shared by the terms.

use crate::backend::Backend;
use crate::backend::shape::Shape;
use crate::error::Result;
use crate::pass::tiles::Window;

/// Memory that the terms use in turn.
pub(crate) struct Shared<B: Backend> {
    /// Scratch of the current statistic.
    pub(crate) scratch: Vec<B::Tensor>,
    /// Gradients of the values of the current statistic.
    pub(crate) dvalues: Vec<B::Tensor>,
    /// A tile's own features, content target and feature gradient, if there are several tiles.
    pub(crate) own: Option<[B::Tensor; OWN]>,
}

/// Number of tensors for a tile's own features in [`Shared`].
pub(crate) const OWN: usize = 3;

/// Copies a window of a map to its own tensor; returns the map itself without a window.
pub(crate) fn own_window<'a, B: Backend>(
    backend: &B,
    map: &'a B::Tensor,
    window: Option<Window>,
    to: Option<&'a mut B::Tensor>,
) -> Result<&'a B::Tensor> {
    let (Some(window), Some(to)) = (window, to) else { return Ok(map) };
    backend.reshape(to, window.shape(backend.shape(map).channels))?;
    backend.window(map, window.at(), to)?;
    Ok(to)
}

/// The tensors for a tile's own features, if there are several tiles.
pub(super) fn each<T>(own: &mut Option<[T; OWN]>) -> [Option<&mut T>; OWN] {
    own.as_mut().map_or([None, None, None], |own| own.each_mut().map(Some))
}

/// The first of `tensors`, reshaped to these shapes.
pub(crate) fn shaped<'a, B: Backend>(
    backend: &B,
    tensors: &'a mut [B::Tensor],
    shapes: &[Shape],
) -> Result<&'a mut [B::Tensor]> {
    let tensors = &mut tensors[..shapes.len()];
    tensors.iter_mut().zip(shapes).try_for_each(|(tensor, &shape)| backend.reshape(tensor, shape))?;
    Ok(tensors)
}

/// Shapes large enough for any of these lists, one list at a time: the largest first shape, the largest second shape,
/// ...
pub(crate) fn largest<B: Backend>(backend: &B, lists: impl IntoIterator<Item = Vec<Shape>>) -> Vec<Shape> {
    let mut all: Vec<Shape> = vec![];
    for list in lists {
        for (i, shape) in list.into_iter().enumerate() {
            match all.get_mut(i) {
                None => all.push(shape),
                Some(most) if backend.tensor_bytes(shape) > backend.tensor_bytes(*most) => *most = shape,
                Some(_) => {}
            }
        }
    }
    all
}
