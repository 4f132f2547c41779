//! Work that is done again and again, as a graph of the device's.

use std::sync::Arc;

use style_core::Result;

use crate::context::{Context, Graph};
use crate::tensor::Tensor;

/// Graphs of one piece of work, one for each pair of tensors that it read and wrote.
///
/// A pair is worked on directly the first time, recorded the second, and done from its graph from then on.
#[derive(Default)]
pub struct Recording {
    graphs: Vec<([u64; 2], State)>,
}

enum State {
    /// Worked on once.
    Seen,
    Recorded(Graph),
    /// The device does not record it.
    Direct,
}

/// L-BFGS goes to and fro between two pairs; more are somebody's passing ones.
const PAIRS: usize = 4;

impl Recording {
    pub(crate) fn repeat(
        &mut self,
        context: &Arc<Context>,
        from: &Tensor,
        to: &mut Tensor,
        mut work: impl FnMut(&Tensor, &mut Tensor) -> Result<()>,
    ) -> Result<()> {
        // Of one shape always, so that the same places are the same work.
        let pair = [from.address(), to.address()];
        let Some((_, state)) = self.graphs.iter_mut().find(|(of, _)| *of == pair) else {
            work(from, to)?;
            if self.graphs.len() == PAIRS {
                self.graphs.remove(0);
            }
            self.graphs.push((pair, State::Seen));
            return Ok(());
        };
        let entered = context.enter()?;
        if let State::Seen = state {
            *state = entered.record(|| work(from, to))?.map_or(State::Direct, State::Recorded);
        }
        match state {
            State::Recorded(graph) => entered.replay(graph),
            State::Seen | State::Direct => {
                drop(entered);
                work(from, to)
            }
        }
    }
}
