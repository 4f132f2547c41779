//! Optimisers on device vectors. Each receives the loss and gradient at the point it requested, and moves the image to the
//! next point; neither ever returns a non-finite point as the result.

pub(crate) mod adam;
pub(crate) mod average;
mod history;
pub(crate) mod lbfgs;
pub(crate) mod line_search;
pub(crate) mod point;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::backend::Backend;
use crate::backend::shape::Shape;
use crate::checkpoint::Checkpoint;
use crate::distributed::share::Share;
use crate::error::{Error, ErrorKind, Result};
use crate::optim::adam::Adam;
use crate::optim::history::History;
use crate::optim::lbfgs::Lbfgs;
use crate::optim::point::{Point, Update};

pub(crate) use adam::AdamOptions;
pub(crate) use adam::Carried;
pub(crate) use lbfgs::LbfgsOptions;

/// The optimiser of the image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Optimizer {
    /// Limited-memory BFGS with a strong Wolfe line search; better quality per evaluation.
    Lbfgs(LbfgsOptions),
    /// Adam.
    Adam(AdamOptions),
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::Lbfgs(LbfgsOptions::default())
    }
}

/// An optimiser with its vectors.
pub(crate) enum Descent<B: Backend> {
    Lbfgs(Box<Lbfgs<B>>),
    Adam(Box<Adam<B>>),
}

impl<B: Backend> Descent<B> {
    /// On this process's share of a picture.
    pub(crate) fn new(backend: &B, share: &Share, optimizer: &Optimizer) -> Result<Self> {
        let (shape, elements, communicator) = (share.shape(), share.picture().len(), Arc::clone(share.communicator()));
        Ok(match optimizer {
            Optimizer::Lbfgs(options) => {
                Self::Lbfgs(Box::new(Lbfgs::new(backend, shape, elements, *options, communicator)?))
            }
            Optimizer::Adam(options) => Self::Adam(Box::new(Adam::new(backend, shape, *options, communicator)?)),
        })
    }

    /// Sets the start, which is the result until improved.
    pub(crate) fn begin(&mut self, backend: &B, start: &B::Tensor) -> Result<()> {
        match self {
            Self::Lbfgs(lbfgs) => lbfgs.begin(backend, start),
            Self::Adam(adam) => adam.begin(backend, start),
        }
    }

    /// Processes the loss at `point.x`, whose gradient is `point.g`, and moves `point.x` to the next point to evaluate.
    pub(crate) fn update(&mut self, backend: &B, loss: f64, point: &mut Point<B>) -> Result<Update> {
        match self {
            Self::Lbfgs(lbfgs) => lbfgs.update(backend, loss, point),
            Self::Adam(adam) => adam.update(backend, loss, point),
        }
    }

    /// Saves everything that the next [`update`](Self::update) depends on, except the point.
    pub(crate) fn save(&self, backend: &B, to: &mut Checkpoint) -> Result<()> {
        match self {
            Self::Lbfgs(lbfgs) => lbfgs.save(backend, to),
            Self::Adam(adam) => adam.save(backend, to),
        }
    }

    pub(crate) fn load(&mut self, backend: &B, from: &Checkpoint) -> Result<()> {
        match self {
            Self::Lbfgs(lbfgs) => lbfgs.load(backend, from),
            Self::Adam(adam) => adam.load(backend, from),
        }
    }

    /// The state that a descent at another size can continue from.
    pub(crate) fn carried(&self, backend: &B, share: &Share) -> Result<Option<Carried>> {
        match self {
            Self::Lbfgs(_) => Ok(None),
            Self::Adam(adam) => adam.carried(backend, share).map(Some),
        }
    }

    /// Continues from the state of another descent.
    pub(crate) fn carry_on(&mut self, backend: &B, carried: &Carried, share: &Share) -> Result<()> {
        match self {
            Self::Lbfgs(_) => Ok(()),
            Self::Adam(adam) => adam.carry_on(backend, carried, share),
        }
    }

    /// Adapts to a changed loss. Returns whether `point` is the result again and must be re-evaluated: the curvature pairs
    /// of L-BFGS belong to the old loss, while Adam's moments forget it over time.
    pub(crate) fn forget(&mut self, backend: &B, point: &mut Point<B>) -> Result<bool> {
        match self {
            Self::Lbfgs(lbfgs) => lbfgs.forget(backend, point).map(|()| true),
            Self::Adam(adam) => {
                adam.forget();
                Ok(false)
            }
        }
    }

    /// The last accepted point; initially the start.
    pub(crate) fn result(&self) -> &B::Tensor {
        match self {
            Self::Lbfgs(lbfgs) => lbfgs.result(),
            Self::Adam(adam) => adam.result(),
        }
    }
}

impl Optimizer {
    /// Size in bytes of the vectors that it and its [`Point`] hold.
    pub(crate) fn bytes<B: Backend>(&self, backend: &B, shape: Shape) -> usize {
        let history = match self {
            Self::Lbfgs(options) => History::bytes(backend, shape, options.history, options.halves()),
            Self::Adam(_) => 0,
        };
        backend.tensor_bytes(shape).saturating_mul(5).saturating_add(history)
    }

    pub(crate) fn check(&self) -> Result<()> {
        let bad = |what: String| Err(Error::new(ErrorKind::Argument, what));
        match self {
            Self::Lbfgs(o) if !(1..=LbfgsOptions::MAX_HISTORY).contains(&o.history) => {
                let most = LbfgsOptions::MAX_HISTORY;
                bad(format!("the history of L-BFGS must be 1 to {most} pairs; found {}", o.history))
            }
            Self::Lbfgs(LbfgsOptions { fixed_step: Some(r), .. })
            | Self::Lbfgs(LbfgsOptions { initial_step: r, .. })
            | Self::Adam(AdamOptions { learning_rate: r, .. })
                if !(r.is_finite() && *r > 0.0 && *r <= 1e6) =>
            {
                bad(format!("the step or learning rate must be above 0 and at most 1e6 8-bit units; found {r:e}"))
            }
            Self::Adam(o) if ![o.beta1, o.beta2].iter().all(|b| (0.0..1.0).contains(b)) => {
                bad(format!("the betas of Adam must be in 0..1; found {} and {}", o.beta1, o.beta2))
            }
            // The backends store it as f32.
            Self::Adam(o) if !((o.epsilon as f32).is_finite() && o.epsilon as f32 > 0.0) => {
                bad(format!("the epsilon of Adam must be positive as an f32; found {:e}", o.epsilon))
            }
            _ => Ok(()),
        }
    }
}
