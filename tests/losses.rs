//! Every preset, statistic, total variation, mask, padding and back-propagation rule on the CPU, and a few steps of the
//! optimisers, against `f64` values that PyTorch computed from each author's formula
//! (`tools/testkit/golden/make_losses.py`).

#![cfg(all(feature = "cpu", feature = "embedded"))]

use std::sync::Arc;

use serde::Deserialize;
use style_core::backend::ops::{ReluRule, Tv};
use style_core::inspect::{Neuron, Probe};
use style_core::losses::{Neighbours, Palette, RelaxedEmd, SelfSimilarity};
use style_core::statistics::{Covariance, Moments, Patches, Sliced, Wasserstein};
use style_core::{
    AdamOptions, Image, LbfgsOptions, Mask, Network, Optimizer, Padding, Pooling, Preset, Session, SessionBuilder,
    Style,
};
use style_cpu::{Convolution, Cpu};
use testkit::Array;
use testkit::golden::{Picture, Summary, content, start, style};

#[derive(Deserialize)]
struct Golden {
    presets: Vec<Case>,
    variants: Vec<Case>,
    /// Cases with a repeated border, by pooling.
    paddings: Vec<Case>,
    /// The default objective at a style strength.
    strengths: Vec<Case>,
    /// Losses of hypercolumns and of colours.
    hypercolumns: Vec<Value>,
    descents: Descents,
    neurons: Vec<Signal>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    total: f64,
    content: f64,
    style: f64,
    tv: f64,
    gradient: Summary,
}

#[derive(Deserialize)]
struct Value {
    name: String,
    loss: f64,
    gradient: Summary,
}

#[derive(Deserialize)]
struct Descents {
    lbfgs: Vec<f64>,
    adam: Vec<f64>,
}

#[derive(Deserialize)]
struct Signal {
    layer: String,
    pooling: String,
    rule: String,
    channel: usize,
    row: usize,
    column: usize,
    activation: f64,
    signal: Summary,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../tools/testkit/golden/losses.json")).unwrap()
}

fn network() -> Arc<Network<Cpu>> {
    Arc::new(Network::new(Cpu::new().unwrap(), style_models::embedded().unwrap().model()).unwrap())
}

fn image(picture: &Picture) -> Image {
    picture.image().unwrap()
}

/// The paper's objective.
fn builder(network: &Arc<Network<Cpu>>) -> SessionBuilder<Cpu> {
    plain(network).style(image(&style()))
}

fn plain(network: &Arc<Network<Cpu>>) -> SessionBuilder<Cpu> {
    Session::builder(Arc::clone(network)).preset(Preset::Gatys).content(image(&content()))
}

/// Losses within 2e-5 and the gradient within 1e-4 of its norm (5e-5 but for those that depend on the order of values).
fn check(case: &Case, session: &mut Session<Cpu>) {
    let (losses, gradient) = session.evaluate(&image(&start())).unwrap();
    let pairs = [
        ("total", losses.total, case.total),
        ("content", losses.content(), case.content),
        ("style", losses.style(), case.style),
        ("tv", losses.tv(), case.tv),
    ];
    for (what, got, want) in pairs {
        let error = (got - want).abs() / want;
        assert!(error <= 2e-5, "{} {what}: {got} instead of {want}, off by {error:.1e}", case.name);
    }
    let error = case.gradient.error(&Array::from_f32(start().planar().shape, &gradient));
    let limit =
        if matches!(&*case.name, "histogram" | "sliced wasserstein" | "patches" | "cnnmrf") { 1e-4 } else { 5e-5 };
    assert!(error <= limit, "{}: the gradient is off by {error:.1e}", case.name);
}

#[test]
fn presets_are_their_authors() {
    let (golden, network) = (golden(), network());
    // The last two are sums of losses over hypercolumns.
    assert_eq!(golden.presets.len() + 2, Preset::ALL.len());
    for case in &golden.presets {
        let preset: Preset = case.name.parse().unwrap();
        check(case, &mut builder(&network).preset(preset).build().unwrap());
    }
}

#[test]
fn hypercolumns_and_colours() {
    let (golden, network) = (golden(), network());
    assert_eq!(golden.hypercolumns.len(), 5);
    for case in &golden.hypercolumns {
        let bare = builder(&network).content_layers([] as [&str; 0]).style_layers([] as [&str; 0]);
        let described = match case.name.as_str() {
            "neighbours" => bare.loss(1.0, Neighbours::default()),
            "neighbours turned" => bare.loss(1.0, Neighbours { turned: true, ..Neighbours::default() }),
            "relaxed emd" => bare.loss(1.0, RelaxedEmd::default()),
            "self-similarity" => bare.loss(1.0, SelfSimilarity::default()),
            "palette" => bare.loss(1.0, Palette::default()),
            name => panic!("no objective is described for {name}"),
        };
        let (losses, gradient) = described.build().unwrap().evaluate(&image(&start())).unwrap();
        let error = (losses.total - case.loss).abs() / case.loss;
        assert!(error <= 2e-5, "{}: {} instead of {}, off by {error:.1e}", case.name, losses.total, case.loss);
        let error = case.gradient.error(&Array::from_f32(start().planar().shape, &gradient));
        // Of a million magnitudes, rounding changes the sign of those near zero.
        let limit = if case.name == "self-similarity" { 1e-3 } else { 1e-4 };
        assert!(error <= limit, "{}: the gradient is off by {error:.1e}", case.name);
    }
    let loss = |name: &str| golden.hypercolumns.iter().find(|case| case.name == name).unwrap().loss;
    let strotss = loss("relaxed emd") + 4.0 * loss("self-similarity") + 0.25 * loss("palette");
    for (preset, want) in [(Preset::Nnst, 0.5 * loss("neighbours turned")), (Preset::Strotss, strotss)] {
        let described = builder(&network).preset(preset).style_layers([] as [&str; 0]).padding(Padding::Zero);
        let (losses, _) = described.build().unwrap().evaluate(&image(&start())).unwrap();
        let error = (losses.total - want).abs() / want;
        assert!(error <= 2e-5, "{preset}: {} instead of {want}, off by {error:.1e}", losses.total);
    }
}

/// The masks of `make_losses.py`.
fn mask(which: &str, width: usize, height: usize) -> Mask {
    let value = |i: usize| match (which, i % width, i / width) {
        ("soft", x, y) => ((7 * x + 3 * y) % 32) as f32 / 31.0,
        (_, x, y) => f32::from((x + y) % 5 < 3),
    };
    Mask::new(width, height, (0..width * height).map(value).collect()).unwrap()
}

#[test]
fn statistics_variations_styles_and_masks() {
    let (golden, network) = (golden(), network());
    let second = || image(&Picture::content_at(31, 29));
    assert_eq!(golden.variants.len(), 15);
    for case in &golden.variants {
        let styles = |b: SessionBuilder<Cpu>| b.content_weight(0.0).style_weight(1.0);
        let shallow = || builder(&network).style_layers(["conv1_1", "conv2_1", "conv3_1"].map(|l| (l, 1.0 / 3.0)));
        let variation = |kind| builder(&network).content_weight(0.0).style_weight(0.0).tv(kind).tv_weight(1.0);
        let plain = || plain(&network);
        let masked = || {
            let first = Style::new(image(&style())).mask(mask("soft", 53, 37)).region(mask("hard", 43, 50));
            let second = Style::new(second()).mask(mask("soft", 20, 90)).share(2.0);
            plain().style(first).style(second)
        };
        let described = match case.name.as_str() {
            "covariance" => styles(builder(&network).statistic(Covariance)),
            "moments" => styles(builder(&network).statistic(Moments)),
            "tv absolute" => variation(Tv::Absolute),
            "tv means" => variation(Tv::Means),
            "tv power" => variation(Tv::Power(2.5)),
            "tv nine-point" => variation(Tv::NinePoint),
            "two styles" => styles(plain().style(image(&style())).style(Style::new(second()).share(3.0))),
            "masks gram" => styles(masked()),
            "masks covariance" => styles(masked().statistic(Covariance)),
            "masks moments" => styles(masked().statistic(Moments)),
            "wasserstein" => styles(shallow().statistic(Wasserstein)),
            "sliced wasserstein" => styles(shallow().statistic(Sliced::Random { seed: 0 })),
            "histogram" => styles(shallow().statistic(Sliced::Channels)),
            "patches" => styles(shallow().statistic(Patches::default())),
            "content mask" => {
                builder(&network).content_mask(mask("soft", 53, 37)).content_weight(1.0).style_weight(0.0)
            }
            other => panic!("unknown case {other}"),
        };
        check(case, &mut described.build().unwrap());
    }
}

#[test]
fn the_default_is_relative_to_its_targets() {
    let (golden, network) = (golden(), network());
    let [case] = &golden.strengths[..] else { panic!("one case") };
    let session = Session::builder(Arc::clone(&network)).content(image(&content())).style(image(&style()));
    check(case, &mut session.style_strength(2.0).build().unwrap());
}

/// The golden values use the paper's objective with another padding.
#[test]
fn a_repeated_border_is_torchs() {
    let (golden, network) = (golden(), network());
    assert_eq!(golden.paddings.len(), 2);
    for case in &golden.paddings {
        let pooling = if case.name == "max" { Pooling::Max } else { Pooling::Average };
        let session = builder(&network).preset(Preset::Gatys).pooling(pooling).padding(Padding::Replicate);
        check(case, &mut session.build().unwrap());
    }
}

#[test]
fn optimisers_go_the_way_of_torch() {
    // Strict mode, because this compares the optimisers.
    let strict = Cpu::builder().convolution(Convolution::Direct).build().unwrap();
    let network = Arc::new(Network::new(strict, style_models::embedded().unwrap().model()).unwrap());
    let golden = golden();
    let adam = Optimizer::Adam(AdamOptions { learning_rate: 2.0, ..AdamOptions::default() });
    let lbfgs = Optimizer::Lbfgs(LbfgsOptions { history: 100, fixed_step: Some(1.0), ..LbfgsOptions::default() });
    // The first step of L-BFGS is tiny, so its change of the gradient has few digits in f32: PyTorch's f32 run differs from
    // its f64 run by up to 5.5e-2.
    for (optimizer, want, limit) in [(lbfgs, &golden.descents.lbfgs, 2e-2), (adam, &golden.descents.adam, 2e-5)] {
        let mut session = builder(&network).preset(Preset::Pystiche).optimizer(optimizer).build().unwrap();
        for (i, want) in want.iter().enumerate() {
            let got = session.step().unwrap().losses.total;
            let error = (got - want).abs() / want;
            assert!(error <= limit, "{optimizer:?}, evaluation {i}: {got} instead of {want}, off by {error:.1e}");
        }
    }
}

#[test]
fn signals_go_back_by_three_rules() {
    let (golden, network) = (golden(), network());
    assert_eq!(golden.neurons.len(), 12);
    for want in &golden.neurons {
        let pooling = if want.pooling == "max" { Pooling::Max } else { Pooling::Average };
        let rule = match want.rule.as_str() {
            "gradient" => ReluRule::Gradient,
            "deconvnet" => ReluRule::Deconvnet,
            _ => ReluRule::Guided,
        };
        let mut probe =
            Probe::new(Arc::clone(&network), &image(&content()), &want.layer, pooling, Padding::Zero).unwrap();
        let neuron = probe.strongest(want.channel).unwrap();
        assert_eq!(neuron, Neuron { channel: want.channel, row: want.row, column: want.column });
        let response = probe.back(neuron, rule).unwrap();
        assert!((f64::from(response.activation) - want.activation).abs() <= 1e-5 * want.activation);
        let shape = content().planar().shape;
        let error = want.signal.error(&Array::from_f32(shape, &response.signal));
        assert!(error <= 1e-4, "{} {} {}: off by {error:.1e}", want.layer, want.pooling, want.rule);
        // Outside the neuron's receptive field, there is only the rounding of Winograd's tiles.
        for (i, v) in response.signal.iter().enumerate() {
            let (r, c) = (i / shape.width % shape.height, i % shape.width);
            assert!(
                f64::from(v.abs()) <= 1e-6 * want.signal.norm
                    || (response.rows.contains(&r) && response.columns.contains(&c))
            );
        }
    }
}
