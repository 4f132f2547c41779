//! Conformance cases: properties of every backend, as plain generic functions, one file per op.
//!
//! Each op is compared with the [`crate::oracle`] within a tolerance that its file states once. Further checks need no
//! tolerance: `Store` never reads its destination (it holds NaN), fused equals composed, repeated calls give the same bits,
//! and invalid operands return an error instead of panicking. Every comparison runs twice, with operands in fresh memory
//! and with operands reshaped within larger memory full of NaN.

pub mod conv2d;
pub mod cosine;
pub mod gram;
pub mod guide;
pub mod half;
pub mod history;
pub mod loss;
pub mod moments;
pub mod nearest;
pub mod pool2d;
pub mod product;
pub mod relu;
pub mod sample;
pub mod storage;
pub mod transport;
pub mod tv;
pub mod vector;
pub mod window;

use libtest_mimic::Failed;
use style_core::ErrorKind;
use style_core::backend::{Acc, Backend, Shape};

use crate::{Array, Rng};

/// The result of a case.
pub type Check = Result<(), Failed>;

type Body<B> = Box<dyn Fn(&B, &mut Rng) -> Check + Send + Sync>;

/// One conformance case.
pub struct Case<B> {
    name: String,
    body: Body<B>,
}

impl<B: Backend> Case<B> {
    /// Creates a case; its name (`conv2d/fwd/5-8x7x9`) also seeds its random input.
    pub fn new(name: impl Into<String>, body: impl Fn(&B, &mut Rng) -> Check + Send + Sync + 'static) -> Self {
        Self { name: name.into(), body: Box::new(body) }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs the case on a backend.
    ///
    /// # Errors
    /// The property that does not hold.
    pub fn run(&self, backend: &B) -> Check {
        (self.body)(backend, &mut Rng::new(&self.name))
    }
}

/// All cases for a backend that computes in `f32`; for half precision see [`half::cases`].
#[must_use]
pub fn all<B: Backend>() -> Vec<Case<B>> {
    let rooms: [fn() -> Vec<Case<B>>; 17] = [
        storage::cases,
        conv2d::cases,
        cosine::cases,
        pool2d::cases,
        relu::cases,
        gram::cases,
        moments::cases,
        guide::cases,
        history::cases,
        loss::cases,
        nearest::cases,
        product::cases,
        sample::cases,
        transport::cases,
        tv::cases,
        vector::cases,
        window::cases,
    ];
    rooms.into_iter().flat_map(|cases| cases()).collect()
}

/// Awkward extents `(channels, height, width)` for cheap ops.
const SHAPES: [(usize, usize, usize); 16] = [
    (1, 1, 1),
    (3, 1, 17),
    (5, 9, 1),
    (8, 2, 2),
    (15, 3, 5),
    (16, 7, 9),
    (17, 13, 17),
    (31, 16, 16),
    (32, 17, 15),
    (33, 33, 18),
    (48, 5, 6),
    (64, 4, 4),
    (64, 7, 3),
    (3, 61, 45),
    (3, 64, 64),
    (1, 129, 127),
];

/// [`SHAPES`], as shapes.
fn shapes() -> impl Iterator<Item = Shape> {
    SHAPES.into_iter().map(|(c, h, w)| Shape::new(c, h, w))
}

/// `5x7x9`.
fn tag(shape: Shape) -> String {
    format!("{}x{}x{}", shape.channels, shape.height, shape.width)
}

/// Extents whose products overflow.
const HUGE: [usize; 4] = [usize::MAX, usize::MAX / 2, 1 << (usize::BITS - 2), 1 << (usize::BITS / 2)];

/// Both accumulation modes.
const ACCS: [Acc; 2] = [Acc::Store, Acc::Add];

/// The shape of the larger memory that holds `shape`.
fn larger(shape: Shape) -> Shape {
    if cfg!(miri) {
        // Filling more would dominate the run time of an interpreter.
        return Shape::new(shape.channels + 1, shape.height + 1, shape.width + 1);
    }
    Shape::new(shape.channels + 17, shape.height + 3, shape.width + 5)
}

/// A backend and the kind of memory used for operands.
struct Lab<'a, B> {
    /// The backend.
    b: &'a B,
    /// Whether tensors are reshaped within larger memory full of NaN, and gates and switches within larger memory.
    stale: bool,
}

impl<'a, B: Backend> Lab<'a, B> {
    /// Fresh memory, then stale memory.
    fn both(b: &'a B) -> [Self; 2] {
        [Self { b, stale: false }, Self { b, stale: true }]
    }

    /// Fresh memory.
    fn fresh(b: &'a B) -> Self {
        Self { b, stale: false }
    }

    /// A tensor: fresh, or reshaped within larger memory full of NaN.
    fn tensor(&self, shape: Shape) -> Result<B::Tensor, Failed> {
        if !self.stale {
            return Ok(self.b.tensor(shape)?);
        }
        let home = larger(shape);
        let mut tensor = self.b.tensor(home)?;
        self.b.upload(&vec![f32::NAN; home.len()], &mut tensor)?;
        self.b.reshape(&mut tensor, shape)?;
        if self.b.shape(&tensor) != shape {
            return Err("reshape returned another shape than requested".into());
        }
        Ok(tensor)
    }

    /// A tensor full of NaN: a destination that must not be read.
    fn blank(&self, shape: Shape) -> Result<B::Tensor, Failed> {
        let mut tensor = self.tensor(shape)?;
        self.b.upload(&vec![f32::NAN; shape.len()], &mut tensor)?;
        Ok(tensor)
    }

    /// A tensor with these values.
    fn put(&self, values: &Array) -> Result<B::Tensor, Failed> {
        let mut tensor = self.tensor(values.shape)?;
        self.b.upload(&values.to_f32(), &mut tensor)?;
        Ok(tensor)
    }

    /// A destination: NaN for `Store`, `previous` for `Add`.
    fn destination(&self, acc: Acc, previous: &Array) -> Result<B::Tensor, Failed> {
        match acc {
            Acc::Store => self.blank(previous.shape),
            Acc::Add => self.put(previous),
        }
    }

    /// A gate; a reshaped one in stale memory.
    fn gate(&self, shape: Shape) -> Result<B::Gate, Failed> {
        let mut gate = self.b.gate(if self.stale { larger(shape) } else { shape })?;
        if self.stale {
            self.b.reshape_gate(&mut gate, shape)?;
        }
        Ok(gate)
    }

    /// The same for switches.
    fn switches(&self, shape: Shape) -> Result<B::Switches, Failed> {
        let mut switches = self.b.switches(if self.stale { larger(shape) } else { shape })?;
        if self.stale {
            self.b.reshape_switches(&mut switches, shape)?;
        }
        Ok(switches)
    }

    /// The values of a tensor.
    fn get(&self, tensor: &B::Tensor) -> Result<Vec<f32>, Failed> {
        let mut values = vec![f32::NAN; self.b.shape(tensor).len()];
        self.b.download(tensor, &mut values)?;
        Ok(values)
    }

    /// The first `count` scalars.
    fn scalars(&self, scalars: &B::Scalars, count: usize) -> Result<Vec<f64>, Failed> {
        let mut values = vec![f64::NAN; count];
        self.b.read_scalars(scalars, &mut values)?;
        Ok(values)
    }
}

/// `value`, or `previous + value` under `Add`; and the bound including the rounding of that sum.
fn accumulated(acc: Acc, previous: &Array, value: &Array, bound: &Array) -> (Array, Array) {
    match acc {
        Acc::Store => (value.clone(), bound.clone()),
        Acc::Add => {
            let sum = previous.zip(value, |p, v| p + v);
            let rounding = previous.zip(value, |p, v| 2e-7 * (p.abs() + v.abs()));
            (sum, bound.zip(&rounding, |b, r| b + r))
        }
    }
}

/// Checks `|got - want| <= bound` for every element; NaN always fails.
fn near(what: &str, got: &[f32], want: &Array, bound: &Array) -> Check {
    if got.len() != want.data.len() {
        return Err(format!("{what}: {} values instead of {}", got.len(), want.data.len()).into());
    }
    let (height, width) = (want.shape.height, want.shape.width);
    for (i, &g) in got.iter().enumerate() {
        let (w, limit) = (want.data[i], bound.data[i]);
        let error = (f64::from(g) - w).abs();
        if error.is_nan() || error > limit {
            let (k, r, c) = (i / (height * width), i / width % height, i % width);
            return Err(
                format!("{what}: at [{k}, {r}, {c}] {g:e} instead of {w:e}, off by {error:.1e} > {limit:.1e}").into()
            );
        }
    }
    Ok(())
}

/// Checks `|got - want| <= bound`.
fn near_scalar(what: &str, got: f64, want: f64, bound: f64) -> Check {
    let error = (got - want).abs();
    if error.is_nan() || error > bound {
        return Err(format!("{what}: {got:e} instead of {want:e}, off by {error:.1e} > {bound:.1e}").into());
    }
    Ok(())
}

/// Checks that nothing but a tensor's values, such as the padding of its layout, adds to a dot product.
fn padded_with_zeros<B: Backend>(lab: &Lab<'_, B>, tensor: &B::Tensor, values: &[f32]) -> Check {
    let mut out = lab.b.scalars(1)?;
    lab.b.dots(&[tensor], &[tensor], &mut out, 0)?;
    let want: f64 = values.iter().map(|&v| f64::from(v).powi(2)).sum();
    near_scalar("<v, v> on the device", lab.scalars(&out, 1)?[0], want, 1e-6 * want)
}

/// Checks equality as numbers: `-0.0` equals `0.0`, NaN equals nothing.
fn equal(what: &str, got: &[f32], want: &[f32]) -> Check {
    match got.iter().zip(want).position(|(g, w)| g != w) {
        None if got.len() == want.len() => Ok(()),
        None => Err(format!("{what}: {} values instead of {}", got.len(), want.len()).into()),
        Some(i) => Err(format!("{what}: element {i} is {:e} instead of {:e}", got[i], want[i]).into()),
    }
}

/// Checks equality bit by bit.
fn same_bits(what: &str, got: &[f32], want: &[f32]) -> Check {
    match got.iter().zip(want).position(|(g, w)| g.to_bits() != w.to_bits()) {
        None if got.len() == want.len() => Ok(()),
        None => Err(format!("{what}: {} values instead of {}", got.len(), want.len()).into()),
        Some(i) => Err(format!("{what}: element {i} differs: {:e} and {:e}", got[i], want[i]).into()),
    }
}

/// Checks that `result` is an error of `kind`.
fn refused<T>(what: &str, kind: ErrorKind, result: style_core::Result<T>) -> Check {
    match result {
        Err(e) if e.kind() == kind => Ok(()),
        Err(e) => Err(format!("{what}: expected the error {kind}, found {}: {e}", e.kind()).into()),
        Ok(_) => Err(format!("{what}: expected an error").into()),
    }
}

/// Checks that `result` is a shape error.
fn misfit<T>(what: &str, result: style_core::Result<T>) -> Check {
    refused(what, ErrorKind::Shape, result)
}

/// Backends may accept empty operands or reject them with a shape error; anything else fails.
fn served_or_misfit(what: &str, result: style_core::Result<()>) -> Check {
    if result.is_ok() { Ok(()) } else { misfit(what, result) }
}
