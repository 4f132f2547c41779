//! Limited-memory BFGS (Nocedal and Wright, algorithm 7.4), with the two-loop recursion expressed in dot products.
//!
//! The direction is a linear combination of the stored pairs `s = x' - x`, `y = g' - g` and the gradient, and the recursion
//! only needs `<s, y>`, `<y, y>`, `<s, g>`, `<y, g>` (Chen et al., "Large-scale L-BFGS using MapReduce", NIPS 2014). So the
//! device reads the history twice per step, once for all dot products and once for the combination, and the host runs the
//! recursion in `f64` on a few hundred numbers.
//!
//! With a line search the pairs are stored in half precision ([`History`]), and all products are those of the stored pairs.
//! So the recursion is exact for pairs that differ from the true ones by their rounding, and the approximate Hessian stays
//! positive definite.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::alloc::zeros;
use crate::backend::Backend;
use crate::backend::shape::Shape;
use crate::checkpoint::Checkpoint;
use crate::distributed::Communicator;
use crate::error::{Error, ErrorKind, Result};
use crate::optim::history::{History, MOST_PAIRS};
use crate::optim::line_search::{LineSearch, Verdict};
use crate::optim::point::{Point, Update};

/// Maximum ratio of a line search's first trial step to the last step.
const MAX_GROWTH: f64 = 4.0;

/// Number of consecutive fixed steps that may fail before the descent ends.
const MAX_FAILURES: i32 = 8;

/// Hyperparameters of L-BFGS.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LbfgsOptions {
    /// Number of stored pairs, at most [`MAX_HISTORY`](Self::MAX_HISTORY). Each takes two vectors of the image's size, with
    /// a line search in half precision if the backend supports it. More pairs give hardly more progress per evaluation;
    /// fewer than about 20 give clearly less.
    pub history: usize,
    /// Root mean square change of the image in the first step, in 8-bit units; later steps are scaled automatically.
    pub initial_step: f64,
    /// `None`: a line search for the strong Wolfe conditions; no accepted step raises the loss. `Some(rate)`: no line
    /// search, the default of the peers (torch.optim.LBFGS, Lua's optim.lbfgs): every step is `rate` times the direction,
    /// the first `min(1, 1 / sum |g|) rate`, and is accepted for any finite loss.
    pub fixed_step: Option<f64>,
}

impl LbfgsOptions {
    /// Maximum number of stored pairs.
    pub const MAX_HISTORY: usize = MOST_PAIRS;

    /// Whether the pairs are stored in half precision; see [`History`].
    pub(super) fn halves(&self) -> bool {
        self.fixed_step.is_none()
    }
}

impl Default for LbfgsOptions {
    fn default() -> Self {
        Self { history: 40, initial_step: 5.0, fixed_step: None }
    }
}

pub(crate) struct Lbfgs<B: Backend> {
    options: LbfgsOptions,
    /// Sums over the processes that each have a share of the vectors.
    communicator: Arc<dyn Communicator>,
    /// Elements of all shares.
    elements: usize,
    /// The last accepted point, where the line search starts.
    base: Point<B>,
    /// Infinite if the base is a start that has not been evaluated.
    base_loss: f64,
    /// `<g, g>`, and `<g, s_i>` and `<g, y_i>` for each of `pairs`, `g` the gradient at the base.
    square: f64,
    gs: Vec<f64>,
    gy: Vec<f64>,
    direction: B::Tensor,
    /// Ring buffer of pairs; that in slot `order[0]` is the oldest.
    pairs: History<B>,
    order: Vec<usize>,
    /// `<s_i, y_j>` and `<y_i, y_j>`, with `i` and `j` as in `pairs`.
    sy: Vec<Vec<f64>>,
    yy: Vec<Vec<f64>>,
    search: Option<LineSearch>,
    /// Length of the step under evaluation, in units of `direction`, without a line search.
    fixed: f64,
    /// Number of consecutive fixed steps with a non-finite loss.
    failures: i32,
    /// Length of `direction`.
    length: f64,
    /// Length of the last accepted step.
    step_length: f64,
    scalars: B::Scalars,
    /// Buffer for scalars read back.
    values: Vec<f64>,
    recursion: Recursion,
    /// The gradient on the host, if the length of the first step needs its sum.
    gradient: Vec<f32>,
}

/// Buffers of the recursion, kept between steps.
struct Recursion {
    /// `<g, .>` of the basis `[s..., y..., g]`, oldest first, and the direction's coefficients in it.
    dots: Vec<f64>,
    coefficients: Vec<f64>,
    alpha: Vec<f64>,
}

impl<B: Backend> Lbfgs<B> {
    pub(super) fn new(
        backend: &B,
        shape: Shape,
        elements: usize,
        options: LbfgsOptions,
        communicator: Arc<dyn Communicator>,
    ) -> Result<Self> {
        let m = options.history;
        Ok(Self {
            options,
            communicator,
            elements,
            base: Point::new(backend, shape)?,
            base_loss: f64::INFINITY,
            square: 0.0,
            gs: vec![0.0; m],
            gy: vec![0.0; m],
            direction: backend.tensor(shape)?,
            pairs: History::new(backend, shape, m, options.halves())?,
            order: Vec::with_capacity(m),
            sy: vec![vec![0.0; m]; m],
            yy: vec![vec![0.0; m]; m],
            search: None,
            fixed: 0.0,
            failures: 0,
            length: 0.0,
            step_length: 0.0,
            scalars: backend.scalars(6 * m)?,
            values: vec![0.0; 6 * m],
            recursion: Recursion {
                dots: vec![0.0; 2 * m + 1],
                coefficients: vec![0.0; 2 * m + 1],
                alpha: vec![0.0; m],
            },
            gradient: zeros(if options.fixed_step.is_some() { shape.len() } else { 0 }, "a gradient")?,
        })
    }

    pub(super) fn begin(&mut self, backend: &B, start: &B::Tensor) -> Result<()> {
        backend.copy(start, &mut self.base.x)
    }

    /// Returns to the last accepted point and treats it as a start.
    pub(super) fn forget(&mut self, backend: &B, point: &mut Point<B>) -> Result<()> {
        backend.copy(&self.base.x, &mut point.x)?;
        self.order.clear();
        (self.search, self.fixed, self.failures, self.base_loss) = (None, 0.0, 0, f64::INFINITY);
        Ok(())
    }

    pub(super) fn save(&self, backend: &B, to: &mut Checkpoint) -> Result<()> {
        to.put_tensor("lbfgs.x", backend, &self.base.x)?;
        to.put_tensor("lbfgs.g", backend, &self.base.g)?;
        to.put_tensor("lbfgs.direction", backend, &self.direction)?;
        to.put("lbfgs.search", &self.search.as_ref().map_or(vec![], LineSearch::numbers));
        to.put("lbfgs.lengths", &[self.base_loss, self.square, self.fixed, self.length, self.step_length]);
        to.note("lbfgs.failures", self.failures);
        to.note("lbfgs.pairs", self.order.len());
        // Oldest first, regardless of the storage order.
        let row = |products: &[f64]| self.order.iter().map(|&i| products[i]).collect::<Vec<_>>();
        let mut scratch = backend.tensor(backend.shape(&self.direction))?;
        for (k, &i) in self.order.iter().enumerate() {
            self.pairs.save(backend, i, k, &mut scratch, to)?;
            to.put(&format!("lbfgs.sy{k}"), &row(&self.sy[i]));
            to.put(&format!("lbfgs.yy{k}"), &row(&self.yy[i]));
        }
        to.put("lbfgs.gs", &row(&self.gs));
        to.put("lbfgs.gy", &row(&self.gy));
        Ok(())
    }

    pub(super) fn load(&mut self, backend: &B, from: &Checkpoint) -> Result<()> {
        let damaged = |what: &str| Error::new(ErrorKind::Checkpoint, format!("the checkpoint is damaged ({what})"));
        from.tensor("lbfgs.x", backend, &mut self.base.x)?;
        from.tensor("lbfgs.g", backend, &mut self.base.g)?;
        from.tensor("lbfgs.direction", backend, &mut self.direction)?;
        self.search = match &from.numbers("lbfgs.search", None)?[..] {
            [] => None,
            numbers => Some(LineSearch::from_numbers(numbers).ok_or_else(|| damaged("lbfgs.search"))?),
        };
        if let [base_loss, square, fixed, length, step_length] = from.numbers("lbfgs.lengths", 5)?[..] {
            (self.base_loss, self.square, self.fixed) = (base_loss, square, fixed);
            (self.length, self.step_length) = (length, step_length);
            if [square, fixed, length, step_length].iter().any(|v| v.is_nan() || *v < 0.0) {
                return Err(damaged("lbfgs.lengths"));
            }
        }
        self.failures = from.noted("lbfgs.failures")?;
        let count: usize = from.noted("lbfgs.pairs")?;
        if count > self.options.history {
            return Err(damaged("lbfgs.pairs"));
        }
        self.order = (0..count).collect();
        self.order.reserve(self.options.history);
        let mut scratch = backend.tensor(backend.shape(&self.direction))?;
        for k in 0..count {
            self.pairs.load(backend, k, &mut scratch, from)?;
            self.sy[k][..count].copy_from_slice(&from.numbers(&format!("lbfgs.sy{k}"), count)?);
            self.yy[k][..count].copy_from_slice(&from.numbers(&format!("lbfgs.yy{k}"), count)?);
        }
        self.gs[..count].copy_from_slice(&from.numbers("lbfgs.gs", count)?);
        self.gy[..count].copy_from_slice(&from.numbers("lbfgs.gy", count)?);
        Ok(())
    }

    pub(super) fn result(&self) -> &B::Tensor {
        &self.base.x
    }

    pub(super) fn update(&mut self, backend: &B, loss: f64, point: &mut Point<B>) -> Result<Update> {
        let [square, slope] = self.slopes(backend, point)?;
        let mut update =
            Update { accepted: false, gradient_norm: square.sqrt(), step_length: self.step_length, converged: false };
        let finite = loss.is_finite() && square.is_finite();
        let verdict = match &mut self.search {
            // The start image, or a step without a line search: accepted if it is finite.
            None if finite => Verdict::Accept,
            None => Verdict::Fail,
            Some(search) => search.update(loss, if square.is_finite() { slope } else { f64::NAN }),
        };
        match verdict {
            Verdict::Try(_) => {}
            Verdict::Accept => {
                update.accepted = true;
                let t = self.step();
                if t > 0.0 {
                    self.step_length = t * self.length;
                    update.step_length = self.step_length;
                    self.remember(backend, point, t)?;
                }
                self.failures = 0;
                std::mem::swap(&mut self.base, point);
                (self.base_loss, self.square) = (loss, square);
                update.converged = !self.search_from_base(backend)?;
            }
            // There is no earlier point to return to.
            Verdict::Fail if self.base_loss.is_infinite() => update.converged = true,
            Verdict::Fail if self.order.is_empty() && (self.search.is_some() || self.failures > MAX_FAILURES) => {
                update.converged = true;
            }
            Verdict::Fail => {
                // The history has misled the search: discard it and follow the negative gradient.
                self.failures = self.failures.saturating_add(1);
                self.order.clear();
                update.converged = !self.search_from_base(backend)?;
            }
        }
        let t = self.step();
        if t > 0.0 {
            backend.combine(&[(1.0, &self.base.x), (t, &self.direction)], &mut point.x)?;
        } else {
            backend.copy(&self.base.x, &mut point.x)?;
        }
        Ok(update)
    }

    /// The step under evaluation, in units of `direction`; 0 at the start.
    fn step(&self) -> f64 {
        self.search.as_ref().map_or(self.fixed, LineSearch::step)
    }

    /// `<g, g>` and `<g, d>` at a trial point.
    fn slopes(&mut self, backend: &B, point: &Point<B>) -> Result<[f64; 2]> {
        backend.dots(&[&point.g], &[&point.g, &self.direction], &mut self.scalars, 0)?;
        let mut values = [0.0; 2];
        backend.read_scalars(&self.scalars, &mut values)?;
        self.communicator.sum(&mut values)?;
        Ok(values)
    }

    /// Stores the pair of an accepted step if its curvature is positive, and computes all dot products with it and with the
    /// new gradient. Overwrites the base and the direction.
    fn remember(&mut self, backend: &B, point: &Point<B>, t: f64) -> Result<()> {
        let m = self.options.history;
        let free = if self.order.len() < m { (0..m).find(|i| !self.order.contains(i)) } else { None };
        let slot = free.unwrap_or_else(|| self.order[0]);
        // The new s and y as they are stored take the place of the old x and of the direction.
        let (Point { x: s, g }, y) = (&mut self.base, &mut self.direction);
        backend.combine(&[(t, y)], s)?;
        backend.combine(&[(1.0, &point.g), (-1.0, g)], y)?;
        self.pairs.store(backend, slot, s, y)?;
        self.order.retain(|&i| i != slot);
        self.order.push(slot);

        // One pass over the history: the new s, y and g against every s and y.
        let n = self.order.len();
        self.pairs.dots(backend, &self.order, &[s, y, &point.g], &mut self.scalars)?;
        let values = &mut self.values[..6 * n];
        backend.read_scalars(&self.scalars, values)?;
        self.communicator.sum(values)?;
        for (k, &i) in self.order.iter().enumerate() {
            self.sy[slot][i] = values[n + k];
            self.sy[i][slot] = values[2 * n + k];
            self.yy[slot][i] = values[3 * n + k];
            self.yy[i][slot] = values[3 * n + k];
            (self.gs[i], self.gy[i]) = (values[4 * n + k], values[5 * n + k]);
        }
        let (ss, sy, yy) = (values[n - 1], self.sy[slot][slot], self.yy[slot][slot]);
        let curved = sy > 1e-10 * (ss * yy).sqrt();
        if !curved {
            self.order.pop();
        }
        Ok(())
    }

    /// `sum |g|` at the base; needed once per descent with fixed steps.
    fn absolute_sum(&mut self, backend: &B) -> Result<f64> {
        backend.download(&self.base.g, &mut self.gradient)?;
        let mut sum = [self.gradient.iter().map(|g| f64::from(g.abs())).sum()];
        self.communicator.sum(&mut sum)?;
        Ok(sum[0])
    }

    /// Starts a line search (or a fixed step) at the base; `false` if there is no descent direction.
    fn search_from_base(&mut self, backend: &B) -> Result<bool> {
        let n = self.order.len();
        let (slope, square) = (self.two_loop(), self.square);
        let downhill = slope < 0.0;
        if n > 0 && !downhill {
            self.order.clear();
            return self.search_from_base(backend);
        }
        if !downhill {
            (self.search, self.fixed) = (None, 0.0);
            return Ok(false);
        }
        let coefficients = &self.recursion.coefficients;
        self.pairs.combine(backend, &self.order, coefficients, &self.base.g, &mut self.direction)?;
        backend.dots(&[&self.direction], &[&self.direction], &mut self.scalars, 0)?;
        let mut length = [0.0];
        backend.read_scalars(&self.scalars, &mut length)?;
        self.communicator.sum(&mut length)?;
        self.length = length[0].sqrt();
        if let Some(rate) = self.options.fixed_step {
            // After a failure the first step is retried at a tenth of its length.
            let first = if n == 0 { (1.0 / self.absolute_sum(backend)?).min(1.0) } else { 1.0 };
            self.fixed = rate * first * 0.1f64.powi(self.failures);
            return Ok(true);
        }
        // Without curvature information the step is scaled to the requested change; with it, 1 is the Newton step.
        let t = if n == 0 {
            self.options.initial_step * (self.elements as f64 / square).sqrt()
        } else {
            // Early curvature is unreliable: the first trial is at most a few times as long as the last step.
            (MAX_GROWTH * self.step_length / self.length).min(1.0)
        };
        self.search = Some(LineSearch::new(self.base_loss, slope, t));
        Ok(true)
    }

    /// The coefficients of the direction `-H g` over `[s..., y..., g]`; returns the slope along it.
    fn two_loop(&mut self) -> f64 {
        let Self { order, sy, yy, gs, gy, square, recursion: Recursion { dots, coefficients: c, alpha }, .. } = self;
        let n = order.len();
        let (s, y, g) = (0, n, 2 * n);
        for (k, &i) in order.iter().enumerate() {
            (dots[s + k], dots[y + k]) = (gs[i], gy[i]);
        }
        dots[g] = *square;
        c[..g].fill(0.0);
        c[g] = -1.0;
        // <s_k, q> and <y_k, q> for q = sum c . basis.
        let s_dot =
            |c: &[f64], k: usize| (0..n).map(|j| c[y + j] * sy[order[k]][order[j]]).sum::<f64>() + c[g] * dots[s + k];
        let y_dot = |c: &[f64], k: usize| {
            let from_s = (0..n).map(|j| c[s + j] * sy[order[j]][order[k]]).sum::<f64>();
            let from_y = (0..n).map(|j| c[y + j] * yy[order[k]][order[j]]).sum::<f64>();
            from_s + from_y + c[g] * dots[y + k]
        };
        for k in (0..n).rev() {
            let i = order[k];
            alpha[k] = s_dot(c, k) / sy[i][i];
            c[y + k] -= alpha[k];
        }
        if let Some(&last) = order.last() {
            let gamma = sy[last][last] / yy[last][last];
            c[..=g].iter_mut().for_each(|c| *c *= gamma);
        }
        for k in 0..n {
            let i = order[k];
            let beta = y_dot(c, k) / sy[i][i];
            c[s + k] += alpha[k] - beta;
        }
        c[..=g].iter().zip(&*dots).map(|(c, d)| c * d).sum()
    }
}
