//! Random descriptions: most can be painted, some have a fault.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use style_core::backend::ops::Tv;
use style_core::statistics::{GramNorm, Sliced};
use style_core::{AdamOptions, LbfgsOptions, Noise, Optimizer, Padding, Pooling, Scale};
use style_cpu::Isa;

use crate::{Case, Kind, Map, Name, Net, Picture, Start, Styled, Values};

/// Rarely picks a value of the other kind.
fn rarely<T: std::fmt::Debug>(
    usual: impl Strategy<Value = T> + 'static,
    odd: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<T> {
    prop_oneof![80 => usual, 1 => odd].boxed()
}

/// `10^x` with an exponent of either sign.
fn magnitude(exponents: std::ops::Range<f64>) -> impl Strategy<Value = f64> + Clone {
    exponents.prop_map(|e| 10f64.powf(e))
}

fn weight() -> BoxedStrategy<f64> {
    let extreme = prop_oneof![
        Just(0.0),
        Just(-0.0),
        Just(1e30),
        Just(1e-30),
        Just(5e-324),
        magnitude(-50.0..30.0),
        magnitude(0.0..30.0),
    ];
    let wrong = prop_oneof![
        Just(-1.0),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(1.000_001e30),
        magnitude(30.1..300.0),
        Just(-1e-320)
    ];
    prop_oneof![100 => magnitude(-4.0..4.0), 20 => extreme, 1 => wrong].boxed()
}

fn side() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 8..=40usize, 1 => 1..=8usize]
}

fn values() -> impl Strategy<Value = Values> {
    let far = prop_oneof![Just(f32::MAX), Just(1e30), Just(1e19), Just(1e10), Just(1e-38), Just(1e-45)];
    prop_oneof![
        12 => Just(Values::Random),
        2 => (0..=255u8).prop_map(|v| Values::Flat(f32::from(v))),
        1 => far.clone().prop_map(Values::Wide),
        1 => far.prop_map(Values::Flat),
    ]
}

fn picture() -> impl Strategy<Value = Picture> {
    (side(), side(), any::<u8>(), values()).prop_map(|(width, height, seed, values)| Picture {
        width,
        height,
        seed,
        values,
    })
}

fn map() -> impl Strategy<Value = Map> {
    let factor = prop_oneof![6 => Just(1.0f32), 1 => Just(1e-6), 1 => Just(1e-30), 1 => Just(1e-45)];
    (1..=9usize, 1..=9usize, any::<u8>(), 0..=2u8, factor).prop_map(|(width, height, seed, zeros, factor)| Map {
        width,
        height,
        seed,
        zeros,
        factor,
    })
}

fn styled() -> impl Strategy<Value = Styled> {
    let share = prop_oneof![4 => Just(1.0), 2 => weight()];
    (picture(), share, option::weighted(0.25, map()), option::weighted(0.25, map()))
        .prop_map(|(picture, share, mask, region)| Styled { picture, share, mask, region })
}

fn name() -> BoxedStrategy<Name> {
    rarely((0..12usize).prop_map(Some), Just(None))
}

/// Layers with their weights, possibly with a duplicate.
fn layers() -> impl Strategy<Value = (Vec<(Name, f64)>, bool)> {
    (vec((name(), weight()), 0..=4), (0..40u8).prop_map(|n| n == 39))
}

fn net() -> impl Strategy<Value = Net> {
    let exponent = prop_oneof![12 => Just(0), 1 => -45..=38i32, 1 => -4..=4i32];
    let blocks = vec(vec((1..=20usize, exponent.clone()), 1..=3), 1..=3);
    (blocks, exponent, any::<bool>(), any::<u8>()).prop_map(|(blocks, bias, torch, seed)| Net {
        blocks,
        bias,
        torch,
        seed,
    })
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Gram(GramNorm::Positions)),
        Just(Kind::Gram(GramNorm::Elements)),
        Just(Kind::Covariance),
        Just(Kind::Moments),
        Just(Kind::Wasserstein),
        Just(Kind::Sliced(Sliced::Channels)),
        Just(Kind::Sliced(Sliced::Random { seed: 1 })),
        (0_usize..5).prop_map(Kind::Patches)
    ]
}

fn tv() -> impl Strategy<Value = Tv> {
    let exponent = rarely(1.0..=4.0f32, prop_oneof![Just(0.0f32), Just(f32::NAN), Just(4.1), Just(-1.0)]);
    prop_oneof![
        Just(Tv::Squared),
        Just(Tv::Absolute),
        Just(Tv::Means),
        Just(Tv::NinePoint),
        exponent.prop_map(Tv::Power),
        Just(Tv::Power(1.0))
    ]
}

fn optimizer() -> BoxedStrategy<Optimizer> {
    let step = || {
        let wrong = prop_oneof![Just(0.0), Just(f64::NAN), Just(f64::INFINITY), Just(-1.0), Just(1.1e6)];
        rarely(prop_oneof![3 => magnitude(-2.0..1.5), 1 => magnitude(-300.0..6.0), 1 => Just(1e6)], wrong)
    };
    let beta = || {
        let odd = prop_oneof![Just(0.0), Just(1.0 - f64::EPSILON / 2.0), Just(1.0 - 1e-7), Just(1e-300), 0.0..1.0f64];
        let wrong = prop_oneof![Just(1.0), Just(-0.1), Just(f64::NAN)];
        rarely(prop_oneof![2 => Just(0.9), 1 => odd], wrong)
    };
    let epsilon = rarely(
        prop_oneof![2 => Just(1e-8), 1 => magnitude(-323.0..300.0)],
        prop_oneof![Just(0.0), Just(f64::NAN), Just(-1.0)],
    );
    let history = rarely(1..=70usize, prop_oneof![Just(0usize), Just(1001), Just(usize::MAX)]);
    let lbfgs = (history, step(), option::weighted(0.4, step())).prop_map(|(history, initial_step, fixed_step)| {
        Optimizer::Lbfgs(LbfgsOptions { history, initial_step, fixed_step })
    });
    let adam = (step(), beta(), beta(), epsilon).prop_map(|(learning_rate, beta1, beta2, epsilon)| {
        Optimizer::Adam(AdamOptions { learning_rate, beta1, beta2, epsilon })
    });
    prop_oneof![lbfgs, adam].boxed()
}

fn scales() -> impl Strategy<Value = Vec<Scale>> {
    let scale = || {
        (0..=44usize, rarely(1..=3usize, Just(0)), option::weighted(0.2, optimizer()))
            .prop_map(|(size, iterations, optimizer)| Scale { size, iterations, optimizer })
    };
    // Mostly ascending sizes, whether or not they can be painted.
    let some = (vec(scale(), 1..=2), 0..12u8).prop_map(|(mut scales, unsorted)| {
        if unsorted > 0 {
            scales.sort_by_key(|s| s.size);
        }
        scales
    });
    prop_oneof![4 => Just(vec![]), 1 => some]
}

pub(crate) fn case() -> impl Strategy<Value = Case> {
    let wide = rarely(0.0..200.0f32, prop_oneof![Just(f32::NAN), Just(-1.0f32), Just(1e6f32), Just(1.1e6f32)]);
    let noise = (any::<bool>(), wide).prop_map(|(n, w)| if n { Noise::Normal(w) } else { Noise::Uniform(w) });
    let ratio = rarely(0.0..=1.0f32, prop_oneof![Just(f32::NAN), Just(-0.1f32), Just(1.1f32)]);
    let init = prop_oneof![
        8 => Just(Start::Content),
        8 => Just(Start::Noise),
        8 => Just(Start::Style),
        8 => (any::<u8>(), values()).prop_map(|(seed, values)| Start::Fitting(seed, values)),
        1 => picture().prop_map(Start::Other),
    ];
    let pictures = (
        net(),
        option::weighted(0.85, picture()),
        option::weighted(0.2, map()),
        prop_oneof![12 => vec(styled(), 1..=3), 1 => Just(vec![])],
        option::weighted(0.02, (rarely(1..=40usize, Just(0)), 1..=40usize)),
    );
    let losses = (
        layers(),
        layers(),
        kind(),
        option::weighted(0.1, (name(), kind())),
        any::<bool>(),
        [weight(), weight(), weight()],
        tv(),
        prop_oneof![Just(Pooling::Average), Just(Pooling::Max)],
        prop_oneof![Just((Padding::Zero, false)), Just((Padding::Replicate, false)), Just((Padding::Replicate, true))],
    );
    let descent = (
        option::weighted(0.5, init),
        noise,
        option::weighted(0.3, ratio),
        any::<u64>(),
        optimizer(),
        rarely(1..=6usize, Just(0)),
        scales(),
    );
    let decay = prop_oneof![0.0..1.0f64, Just(0.0), Just(1.0 - f64::EPSILON / 2.0)];
    let ema = rarely(decay, prop_oneof![Just(1.0f64), Just(-0.1f64), Just(f64::NAN)]);
    let limit = prop_oneof![0..=1usize << 16, 1usize << 16..=1 << 24, Just(usize::MAX)];
    let tiles = rarely([1..=6usize, 1..=6usize], prop_oneof![Just([0, 1]), Just([1000, 1]), Just([usize::MAX; 2])]);
    let rest = (
        option::weighted(0.2, ema),
        option::weighted(0.2, limit),
        option::weighted(0.3, tiles),
        prop_oneof![Just(Isa::Portable), Just(Isa::best())],
        option::weighted(0.2, (0..=6usize, weight())),
        option::weighted(0.3, 0..=6usize),
        option::weighted(0.15, (0..5usize, vec(name(), 1..4))),
        prop::bool::weighted(0.2),
    );
    (pictures, losses, descent, rest).prop_map(
        |(
            (network, content, content_mask, styles, size),
            (content_layers, style_layers, statistic, statistic_at, mean, weights, tv, pooling, (padding, seamless)),
            (init, noise, noise_ratio, seed, optimizer, iterations, scales),
            (ema, memory_limit, tiles, isa, reweigh, stop, loss, balanced),
        )| {
            let distinct = |(mut list, twice): (Vec<(Name, f64)>, bool)| {
                let mut seen = vec![];
                list.retain(|&(layer, _)| {
                    let name = network.name(layer);
                    let new = !seen.contains(&name);
                    seen.push(name);
                    twice || new
                });
                list
            };
            let (content_layers, style_layers) = (distinct(content_layers), distinct(style_layers));
            let content_layers = if content.is_some() { content_layers } else { vec![] };
            let style_layers = if styles.is_empty() { vec![] } else { style_layers };
            let own = |(at, kind): (Name, Kind)| {
                let layer = at.zip(style_layers.len().checked_sub(1)).map(|(at, last)| style_layers[at.min(last)].0);
                (layer.flatten(), kind)
            };
            let statistic_at = statistic_at.filter(|_| !style_layers.is_empty()).map(own);
            Case {
                network,
                content,
                content_mask,
                styles,
                size,
                content_layers,
                style_layers,
                statistic,
                statistic_at,
                loss,
                balanced,
                mean,
                weights,
                tv,
                pooling,
                padding,
                seamless,
                init,
                noise,
                noise_ratio,
                seed,
                optimizer,
                iterations,
                scales,
                ema,
                memory_limit,
                tiles,
                isa,
                reweigh,
                stop,
            }
        },
    )
}
