//! The settings in effect by the names of their options, as a user types them: those of options that are not given are the
//! defaults, or the preset's.

use std::collections::BTreeMap;
use std::fmt::Display;

use clap::ValueEnum;
use style_transfer::backend::ops::Tv;
use style_transfer::statistics::{GramNorm, StatisticKind};
use style_transfer::{ContentWeight, LbfgsOptions, Optimizer, Padding, Pooling, Preset, Settings};

use crate::args::compute::Compute;
use crate::args::{Args, OptimizerName, Scales, Size, Start};
use crate::settings::{iterations, optimizer, size};
use crate::video::args::VideoArgs;

/// The default share of noise where the start is the photograph.
const NOISE: f32 = 0.2;

/// All that decides how a frame is painted but pictures and weights. `described` are the settings of a first frame, `paintings`
/// is their number.
pub(super) fn typed(args: &VideoArgs, described: &Settings, paintings: usize) -> BTreeMap<String, String> {
    let VideoArgs { paint, next_iterations, steadiness, fps: _ } = args;
    // Every option is here, in `described`, or among the files: the compiler reminds of a new one.
    let Args {
        content: _,
        styles: _,
        style_strength: _,
        output: _,
        preset,
        depth,
        size: _,
        style_size,
        style_scale,
        style_share,
        style_mask: _,
        style_region: _,
        map: _,
        style_map: _,
        content_mask: _,
        colours,
        init: _,
        noise_ratio: _,
        seed: _,
        iterations: _,
        scales,
        until: _,
        ema: _,
        memory: _,
        optimizer: _,
        learning_rate: _,
        content_weight: _,
        content_mean_weight: _,
        style_weight: _,
        balance: _,
        tv_weight: _,
        tv: _,
        content_layers: _,
        style_layers: _,
        statistic: _,
        laplacian,
        loss: _,
        pooling: _,
        seamless: _,
        padding: _,
        compute:
            Compute { network: _, weights: _, input_space: _, backend: _, threads: _, device: _, precision, direct },
        plan: _,
        snapshot_every: _,
        checkpoint: _,
        every: _,
        log: _,
        tensorboard: _,
        plot: _,
        preview: _,
        open: _,
        quiet: _,
        config: _,
    } = paint;
    // Every setting of the core too.
    let Settings {
        content_layers,
        style_layers,
        statistic,
        losses,
        content_weight,
        style_weight,
        balanced,
        tv,
        tv_weight,
        pooling,
        padding,
        seamless: _,
        init: _,
        noise: _,
        noise_ratio: _,
        seed,
        optimizer: _,
        iterations: _,
        scales: _,
        running_mean,
        tolerance,
    } = described;
    let (start, ratio) = start(paint, described);
    let (descent, rate) = descent(paint);
    let each = |given: &[f64]| {
        let of = |i: usize| given.get(i).or(given.first().filter(|_| given.len() == 1)).copied().unwrap_or(1.0);
        list((0..paintings).map(of))
    };
    let layer = |name: &str, weight: f64, kind: Option<&StatisticKind>| {
        let kind = kind.map_or(String::new(), |kind| format!(":{}", statistic_name(kind)));
        format!("{name}={weight}{kind}")
    };
    let scales = match (scales, preset) {
        (Some(Scales::List(sizes)), _) => list(sizes.iter().map(|(size, n)| format!("{size}={n}"))),
        (Some(Scales::Auto), _) | (None, None) => "auto".into(),
        (None, Some(_)) => "the preset's".into(),
    };
    let mut all = BTreeMap::new();
    let mut add = |name: &str, value: &dyn Display| all.insert(name.to_owned(), value.to_string());
    add("--next-iterations", next_iterations);
    add("--steadiness", steadiness);
    add("--preset", &preset.map_or("not given", Preset::name));
    add("--depth", depth);
    add("--size", &size_name(size(paint)));
    add("--style-size", &size_name(style_size.unwrap_or(size(paint))));
    add("--style-scale", &each(style_scale));
    add("--style-share", &each(style_share));
    add("--colours", &value_name(colours));
    add("--init", &start);
    add("--noise-ratio", &ratio);
    add("--seed", seed);
    add("--iterations", &iterations(paint));
    add("--scales", &scales);
    add("--until", &tolerance.map_or("not given".into(), until_name));
    add("--ema", &running_mean.map_or("not given".into(), |decay| decay.to_string()));
    add("--optimizer", &descent);
    add("--learning-rate", &rate);
    match content_weight {
        ContentWeight::Relative => {
            add("--style-strength", style_weight);
        }
        ContentWeight::Sum(weight) => {
            add("--content-weight", weight);
            add("--style-weight", style_weight);
        }
        ContentWeight::Mean(weight) => {
            add("--content-mean-weight", weight);
            add("--style-weight", style_weight);
        }
        // None that this program sets.
        _ => {
            add("--style-weight", style_weight);
        }
    }
    add("--balance", &flag(*balanced));
    add("--tv-weight", tv_weight);
    add("--tv", &tv_name(*tv));
    add("--content-layers", &list(content_layers.iter().map(|l| layer(&l.layer, l.weight, None))));
    add("--style-layers", &list(style_layers.iter().map(|l| layer(&l.layer, l.weight, l.statistic.as_ref()))));
    add("--statistic", &statistic.as_ref().map_or("the default of each layer".into(), statistic_name));
    add("--laplacian", &list(laplacian.iter().map(|(weight, side)| format!("{weight}:{side}"))));
    add("--loss", &list(losses.iter().map(|(kind, weight)| format!("{kind}={weight}"))));
    add("--pooling", &if *pooling == Pooling::Max { "max" } else { "avg" });
    add("--padding", &if *padding == Padding::Zero { "zero" } else { "replicate" });
    add("--precision", &value_name(precision));
    add("--direct", &flag(*direct));
    all
}

/// `--init` and `--noise-ratio`.
fn start(args: &Args, described: &Settings) -> (String, f32) {
    let of_preset = described.init.as_ref().and_then(|init| serde_json::to_value(init).ok());
    let of_preset = of_preset.as_ref().and_then(|init| init.as_str());
    let (name, default) = match (&args.init, of_preset) {
        (Some(Start::File(_)), _) => ("a file", 0.0),
        (Some(Start::Style), _) => ("style", 0.0),
        (Some(Start::Content), _) => ("content", 0.0),
        (Some(Start::Noise), _) => ("noise", 1.0),
        (None, Some(name)) => (name, described.noise_ratio.unwrap_or(if name == "noise" { 1.0 } else { 0.0 })),
        (None, None) => {
            let relative = described.content_weight == ContentWeight::Relative;
            let less = if relative { described.style_weight.min(1.0) as f32 } else { 1.0 };
            ("content", described.noise_ratio.unwrap_or(NOISE * less))
        }
    };
    (name.into(), args.noise_ratio.unwrap_or(default))
}

/// `--optimizer` and `--learning-rate`.
fn descent(args: &Args) -> (String, f64) {
    let chosen = optimizer(args);
    let (name, rate) = match &chosen {
        Optimizer::Lbfgs(LbfgsOptions { fixed_step: Some(rate), .. }) => (OptimizerName::LbfgsFixed, *rate),
        Optimizer::Lbfgs(options) => (OptimizerName::Lbfgs, options.initial_step),
        Optimizer::Adam(options) => (OptimizerName::Adam, options.learning_rate),
        _ => return ("another".into(), 0.0),
    };
    let given = Args { optimizer: Some(name), learning_rate: Some(rate), ..args.clone() };
    let of_preset = if optimizer(&given) == chosen { "" } else { ", as the preset has it" };
    (format!("{}{of_preset}", value_name(&name)), rate)
}

fn size_name(size: Size) -> String {
    match size {
        Size::Native => "native".into(),
        Size::LongSide(n) => n.to_string(),
    }
}

fn until_name(fraction: f64) -> String {
    if fraction == Settings::GOOD { "good".into() } else { fraction.to_string() }
}

fn value_name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
}

fn statistic_name(kind: &StatisticKind) -> String {
    match kind {
        StatisticKind::Gram(GramNorm::Elements) => "gram-per-element".into(),
        StatisticKind::SlicedWasserstein => "sliced-wasserstein".into(),
        StatisticKind::Patches => "patches".into(),
        other => String::from(other.clone()),
    }
}

fn tv_name(tv: Tv) -> String {
    match tv {
        Tv::Squared => "squared".into(),
        Tv::Absolute => "absolute".into(),
        Tv::Means => "means".into(),
        Tv::NinePoint => "nine-point".into(),
        Tv::Power(b) => format!("power={b}"),
        // None that this program sets.
        other => format!("{other:?}"),
    }
}

fn flag(given: bool) -> &'static str {
    if given { "given" } else { "not given" }
}

/// What a user types with commas; "none" for nothing.
fn list(all: impl Iterator<Item = impl Display>) -> String {
    let all: Vec<_> = all.map(|one| one.to_string()).collect();
    if all.is_empty() { "none".into() } else { all.join(",") }
}
