//! What the instruction sets of this machine have in common. NEON and AVX agree in every bit, so each digest printed here
//! is the same on ARM and on x86; CI compares them.

mod common;

use std::hash::{DefaultHasher, Hasher};
use std::ops::ControlFlow;
use std::sync::Arc;

use common::{layers, model, picture};
use style_core::{Init, Network, Session};
use style_cpu::{Cpu, Isa};

/// Ops that multiply and add with one rounding where the instruction set can, or read the results of such ops.
const FUSED: [&str; 11] = [
    "conv2d",
    "gram",
    "guide",
    "gradient of",
    "rectify",
    "window_bwd Add",
    "pro",
    "nearest",
    "sample",
    "scalars",
    "half_combine",
];
/// Ops that call the C library's `pow`, which may differ between systems.
const POWERS: [&str; 3] = ["tv_bwd Power", "scale_by", "scalars"];

fn available() -> impl Iterator<Item = (Isa, Cpu)> {
    let cpu = |isa| Cpu::builder().isa(isa).threads(1).build().unwrap();
    Isa::ALL.into_iter().filter(|isa| isa.is_available()).map(move |isa| (isa, cpu(isa)))
}

fn is_of(name: &str, ops: &[&str]) -> bool {
    ops.iter().any(|op| name.starts_with(op))
}

fn digest(values: impl Iterator<Item = u64>) -> u64 {
    let mut hasher = DefaultHasher::new();
    values.for_each(|v| hasher.write_u64(v));
    hasher.finish()
}

#[test]
fn ops_agree_in_every_bit_but_where_the_portable_kernels_round_twice() {
    let all: Vec<_> = available().map(|(isa, cpu)| (isa, testkit::bits(&cpu).unwrap())).collect();
    let (_, portable) = &all[0];
    let Some((first, fused)) = all.get(1) else { return };
    for (isa, bits) in &all[1..] {
        for (((name, bits), (_, of_first)), (_, plain)) in bits.iter().zip(fused).zip(portable) {
            assert!(bits == of_first, "{name}: {isa:?} and {first:?} differ");
            assert!(bits == plain || is_of(name, &FUSED), "{name}: {isa:?} and the portable kernels differ");
        }
    }
    let same = fused.iter().filter(|(name, _)| !is_of(name, &POWERS));
    println!("digest of the ops: {:016x}", digest(same.flat_map(|(_, bits)| bits.iter().copied())));
}

#[test]
fn a_small_painting_succeeds() {
    let mut fused = None;
    let mut start = None;
    for (isa, cpu) in available() {
        let session = Session::builder(Arc::new(Network::new(cpu, &model()).unwrap()))
            .content(picture("content"))
            .style(picture("style"))
            .content_layers(layers(&["conv3_1"]))
            .style_layers(layers(&["conv1_1", "conv2_1", "conv3_1"]))
            .init(Init::Image(picture("start")))
            .iterations(12);
        let mut session = session.build().unwrap();
        let mut totals = Vec::new();
        session
            .run(|progress| {
                totals.push(progress.accepted_losses.total);
                ControlFlow::Continue(())
            })
            .unwrap();
        let image = session.image().unwrap();
        println!("{isa:?}: the loss went from {} to {}", totals[0], totals[totals.len() - 1]);
        assert!(totals.iter().all(|total| total.is_finite()) && image.pixels().iter().all(|v| v.is_finite()));
        assert!(totals[totals.len() - 1] < 0.5 * totals[0], "{isa:?}: {totals:?}");
        let of_portable = *start.get_or_insert(totals[0]);
        assert!((totals[0] / of_portable - 1.0).abs() < 1e-5, "{isa:?}: {} instead of {of_portable}", totals[0]);
        if isa != Isa::Portable {
            assert!(*fused.get_or_insert_with(|| image.clone()) == image, "{isa:?}: another painting");
        }
    }
    if let Some(image) = fused {
        println!("digest of the painting: {:016x}", digest(image.pixels().iter().map(|v| u64::from(v.to_bits()))));
    }
}
