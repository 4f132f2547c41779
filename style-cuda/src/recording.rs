//! Repeated work, replayed as a CUDA graph.

use style_core::Result;

use crate::context::{Context, Graph};

/// The addresses of the tensors that the work reads and writes. They always have the same shape, so equal addresses mean
/// equal work.
type Pair = [u64; 2];

/// Graphs of one piece of work, one per pair of tensors that it read and wrote.
///
/// For each pair, the work runs directly the first time, is recorded the second time, and is replayed from its graph
/// after that.
#[derive(Default)]
pub struct Recording {
    graphs: Vec<(Pair, State)>,
    /// The pair of the last replay, if it had no graph.
    missed: Option<Pair>,
}

enum State {
    /// Run once.
    Seen,
    Recorded(Graph),
    /// The device cannot record it.
    Direct,
}

/// L-BFGS alternates between two pairs; extra slots serve one-off callers.
const PAIRS: usize = 4;

impl Recording {
    /// Replays the graph of a pair; `false` if there is none.
    pub(crate) fn replay(&mut self, context: &Context, pair: Pair) -> Result<bool> {
        let known = self.graphs.iter().find(|(of, _)| *of == pair);
        let Some((_, State::Recorded(graph))) = known else {
            self.missed = Some(pair);
            return Ok(false);
        };
        context.enter()?.replay(graph)?;
        Ok(true)
    }

    /// Runs the work of the pair that the last replay missed.
    pub(crate) fn record(&mut self, context: &Context, mut work: impl FnMut() -> Result<()>) -> Result<()> {
        let Some(pair) = self.missed.take() else { return work() };
        let Some((_, state)) = self.graphs.iter_mut().find(|(of, _)| *of == pair) else {
            work()?;
            if self.graphs.len() == PAIRS {
                self.graphs.remove(0);
            }
            self.graphs.push((pair, State::Seen));
            return Ok(());
        };
        if let State::Seen = state {
            let entered = context.enter()?;
            *state = entered.record(&mut work)?.map_or(State::Direct, State::Recorded);
            if let State::Recorded(graph) = state {
                return entered.replay(graph);
            }
        }
        work()
    }
}
