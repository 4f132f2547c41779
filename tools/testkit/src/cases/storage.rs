//! Memory: round trips, reshapes, and invalid sizes.

use libtest_mimic::Failed;
use style_core::backend::ops::{Conv2d, Epilogue, Pool2d};
use style_core::backend::{Acc, Backend, Shape};
use style_core::{ErrorKind, Pooling};

use super::{Case, Check, Lab, SHAPES, conv2d, misfit, near_scalar, refused, same_bits, served_or_misfit, shapes, tag};
use crate::{Array, Rng};

/// All cases of storage.
#[must_use]
pub fn cases<B: Backend>() -> Vec<Case<B>> {
    let mut cases = Vec::new();
    for shape in shapes() {
        cases.push(Case::new(format!("storage/round-trip/{}", tag(shape)), move |b, rng| round_trip(b, shape, rng)));
    }
    cases.push(Case::new("storage/zeros", zeros));
    cases.push(Case::new("storage/reshape", reshape));
    cases.push(Case::new("storage/reshape-gate", reshape_gate));
    cases.push(Case::new("storage/reshape-switches", reshape_switches));
    cases.push(Case::new("storage/misfit", misfits));
    cases.push(Case::new("storage/out-of-memory", out_of_memory));
    cases.push(Case::new("storage/bytes", bytes));
    cases.push(Case::new("storage/empty", empty));
    cases.push(Case::new("storage/description", description));
    cases
}

/// Downloaded values equal the uploaded ones bit by bit.
fn round_trip<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let mut values = Array::random(shape, rng).to_f32();
    let odd = [-0.0, f32::INFINITY, f32::MIN_POSITIVE / 2.0, f32::MAX];
    for (value, odd) in values.iter_mut().skip(1).step_by(3).zip(odd) {
        *value = odd;
    }
    for lab in Lab::both(b) {
        let mut tensor = lab.blank(shape)?;
        b.upload(&values, &mut tensor)?;
        same_bits("downloaded values", &lab.get(&tensor)?, &values)?;
        same_bits("downloaded values, again", &lab.get(&tensor)?, &values)?;
    }
    Ok(())
}

fn zeros<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    for shape in shapes() {
        let tensor = b.tensor(shape)?;
        if b.shape(&tensor) != shape {
            return Err(format!("expected a tensor of {shape}, found {}", b.shape(&tensor)).into());
        }
        same_bits("a new tensor", &Lab::fresh(b).get(&tensor)?, &vec![0.0; shape.len()])?;
    }
    for value in Lab::fresh(b).scalars(&b.scalars(5)?, 5)? {
        near_scalar("a new scalar", value, 0.0, 0.0)?;
    }
    Ok(())
}

/// A tensor accepts every shape within its memory, one after another, and its original shape again.
fn reshape<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    let (home, lab) = (Shape::new(64, 65, 64), Lab::fresh(b));
    let mut tensor = b.tensor(home)?;
    for (c, h, w) in SHAPES.into_iter().chain([(64, 65, 64)]) {
        let shape = Shape::new(c, h, w);
        b.reshape(&mut tensor, shape)?;
        let values = Array::random(shape, rng).to_f32();
        b.upload(&values, &mut tensor)?;
        same_bits("downloaded values", &lab.get(&tensor)?, &values)?;
    }
    for shape in [
        Shape::new(64, 65, 65),
        Shape::new(64, 1 << (usize::BITS - 24), 1 << (usize::BITS - 24)),
        Shape::new(usize::MAX, 1, 1),
    ] {
        misfit(&format!("a reshape to {shape}"), b.reshape(&mut tensor, shape))?;
    }
    if b.shape(&tensor) != home {
        return Err("a failed reshape changed the shape".into());
    }
    Ok(())
}

/// The results of a convolution that depend on its gate: `y`, and `dx` from random `dy`.
fn gated<B: Backend>(b: &B, op: &Conv2d, gate: &mut B::Gate, rng: &mut Rng) -> Result<Vec<f32>, Failed> {
    let lab = Lab::fresh(b);
    let (filter, x) = (conv2d::pack(b, &conv2d::random_weights(op, rng))?, lab.put(&Array::random(op.input(), rng))?);
    let dy = lab.put(&Array::random(op.output(), rng))?;
    let (mut y, mut dx) = (lab.blank(op.output())?, lab.blank(op.input())?);
    let mut workspace = b.workspace(b.conv2d_workspace(op))?;
    b.conv2d_fwd(op, &x, &filter, Epilogue::ReluGate(gate), &mut y, &mut workspace)?;
    b.conv2d_bwd(op, &dy, Some(gate), &filter, Acc::Store, &mut dx, &mut workspace)?;
    Ok([lab.get(&y)?, lab.get(&dx)?].concat())
}

/// A gate accepts shapes within its memory, one after another, and works in each like a fresh one.
fn reshape_gate<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    let home = Shape::new(40, 20, 24);
    let mut gate = b.gate(home)?;
    for (out_channels, height, width) in [(40, 20, 24), (33, 9, 13), (5, 7, 4), (3, 11, 9), (1, 6, 17), (40, 20, 24)] {
        let (op, seed) = (Conv2d::new(8, out_channels, height, width), rng.unit().to_string());
        b.reshape_gate(&mut gate, op.output())?;
        let want = gated(b, &op, &mut b.gate(op.output())?, &mut Rng::new(&seed))?;
        same_bits("with a reshaped gate", &gated(b, &op, &mut gate, &mut Rng::new(&seed))?, &want)?;
    }
    for shape in too_large(home) {
        misfit(&format!("a gate reshaped to {shape}"), b.reshape_gate(&mut gate, shape))?;
    }
    gated(b, &Conv2d::new(8, 40, 20, 24), &mut gate, rng).map(|_| ())
}

/// Shapes that need more memory than `home` has.
fn too_large(home: Shape) -> [Shape; 6] {
    let Shape { channels, height, width } = home;
    [
        Shape::new(channels, height, width + 1),
        Shape::new(channels, height + 1, width),
        Shape::new(2 * channels, height, width),
        Shape::new(channels, 1 << (usize::BITS - 24), 1 << (usize::BITS - 24)),
        Shape::new(usize::MAX, 1, 1),
        Shape::new(1, usize::MAX, usize::MAX),
    ]
}

/// The results of a max pool that depend on its switches: `y`, and `dx` from random `dy`.
fn pooled<B: Backend>(b: &B, op: &Pool2d, switches: &mut B::Switches, rng: &mut Rng) -> Result<Vec<f32>, Failed> {
    let lab = Lab::fresh(b);
    let (x, dy) = (lab.put(&Array::random(op.input(), rng))?, lab.put(&Array::random(op.output(), rng))?);
    let (mut y, mut dx) = (lab.blank(op.output())?, lab.blank(op.input())?);
    b.pool2d_fwd(op, &x, &mut y, Some(switches))?;
    b.pool2d_bwd(op, &dy, Some(switches), Acc::Store, &mut dx)?;
    Ok([lab.get(&y)?, lab.get(&dx)?].concat())
}

/// The same for switches.
fn reshape_switches<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    let home = Shape::new(40, 10, 12);
    let mut switches = b.switches(home)?;
    let op = |channels, height, width| Pool2d { pooling: Pooling::Max, channels, height, width };
    for op in [op(40, 20, 24), op(33, 9, 13), op(5, 7, 4), op(3, 11, 9), op(1, 6, 17), op(40, 20, 24)] {
        let seed = rng.unit().to_string();
        b.reshape_switches(&mut switches, op.output())?;
        let want = pooled(b, &op, &mut b.switches(op.output())?, &mut Rng::new(&seed))?;
        same_bits("with reshaped switches", &pooled(b, &op, &mut switches, &mut Rng::new(&seed))?, &want)?;
    }
    for shape in too_large(home) {
        misfit(&format!("switches reshaped to {shape}"), b.reshape_switches(&mut switches, shape))?;
    }
    pooled(b, &op(40, 20, 24), &mut switches, rng).map(|_| ())
}

fn misfits<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    let mut tensor = b.tensor(Shape::new(3, 4, 5))?;
    for len in [0, 59, 61, 64] {
        misfit("an upload", b.upload(&vec![0.0; len], &mut tensor))?;
        misfit("a download", b.download(&tensor, &mut vec![0.0; len]))?;
    }
    b.reshape(&mut tensor, Shape::new(2, 3, 4))?;
    misfit("an upload of the old shape", b.upload(&[0.0; 60], &mut tensor))?;
    misfit("a download of the old shape", b.download(&tensor, &mut [0.0; 60]))?;
    let scalars = b.scalars(3)?;
    misfit("four of three scalars", b.read_scalars(&scalars, &mut [0.0; 4]))?;
    b.read_scalars(&scalars, &mut [0.0; 2])?;
    b.read_scalars(&scalars, &mut [])?;
    Ok(())
}

/// Sizes beyond any machine's memory return an error instead of aborting; the check does not overflow.
fn out_of_memory<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    let shapes = [
        Shape::new(usize::MAX, usize::MAX, usize::MAX),
        Shape::new(64, 1 << (usize::BITS - 14), 1 << (usize::BITS - 14)),
        Shape::new(1, usize::MAX, 1),
        Shape::new(1 << 20, 1 << 20, 1 << 17),
        Shape::new(1 << 21, 1 << 21, 1 << 21),
    ];
    for shape in shapes {
        let _ = (b.tensor_bytes(shape), b.gate_bytes(shape), b.switches_bytes(shape));
        refused(&format!("a tensor of {shape}"), ErrorKind::OutOfMemory, b.tensor(shape))?;
        refused(&format!("a gate of {shape}"), ErrorKind::OutOfMemory, b.gate(shape))?;
        refused(&format!("switches of {shape}"), ErrorKind::OutOfMemory, b.switches(shape))?;
    }
    for huge in [usize::MAX, usize::MAX - 7, 1 << (usize::BITS - 1)] {
        refused("scalars", ErrorKind::OutOfMemory, b.scalars(huge))?;
        refused("a workspace", ErrorKind::OutOfMemory, b.workspace(huge))?;
    }
    Ok(())
}

/// A plan must not underestimate: a tensor takes at least the size of its values, a gate a bit per element.
fn bytes<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    for shape in shapes() {
        let least = [shape.len() * 4, shape.len().div_ceil(8), shape.len().div_ceil(4)];
        let planned = [b.tensor_bytes(shape), b.gate_bytes(shape), b.switches_bytes(shape)];
        for ((what, least), planned) in ["tensor", "gate", "switches"].into_iter().zip(least).zip(planned) {
            if planned < least {
                return Err(format!("{what} of {shape}: expected at least {least} bytes, found {planned}").into());
            }
        }
    }
    Ok(())
}

fn empty<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    for shape in [Shape::new(3, 0, 4), Shape::new(0, 3, 4), Shape::new(3, 4, 0), Shape::new(0, 0, 0)] {
        let whole_life = || {
            let mut tensor = b.tensor(shape)?;
            let (_gate, _switches, scalars) = (b.gate(shape)?, b.switches(shape)?, b.scalars(0)?);
            b.upload(&[], &mut tensor)?;
            b.download(&tensor, &mut [])?;
            b.read_scalars(&scalars, &mut [])
        };
        served_or_misfit("empty memory", whole_life())?;
        let shrunk = || b.reshape(&mut b.tensor(Shape::new(3, 4, 5))?, shape);
        served_or_misfit("a reshape to an empty shape", shrunk())?;
    }
    b.workspace(0)?;
    Ok(())
}

fn description<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    if b.description().is_empty() { Err("the description is empty".into()) } else { Ok(()) }
}
