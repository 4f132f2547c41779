//! Translates the command line into library settings: a preset, then the given options.

use style_transfer::backend::Backend;
use style_transfer::losses::{Laplacian, LossKind};
use style_transfer::statistics::{Covariance, Gram, GramNorm, Moments, Patches, Sliced, Statistic, Wasserstein};
use style_transfer::{
    AdamOptions, LayerWeight, LbfgsOptions, Optimizer, Padding, Pooling, Preset, Scale, SessionBuilder,
};

use crate::args::{Args, LayerArg, OptimizerName, PaddingName, PoolingName, Scales, Size, StatisticName};

/// Default long side of the result.
const LONG_SIDE: u32 = 512;

/// Default number of evaluations, or their equivalent in time.
const ITERATIONS: usize = 80;

/// The size of the result.
pub(crate) fn size(args: &Args) -> Size {
    let of_preset = |preset: Preset| match preset.long_side() {
        None => Size::Native,
        Some(n) => Size::LongSide(u32::try_from(n).unwrap_or(LONG_SIDE)),
    };
    args.size.or(args.preset.map(of_preset)).unwrap_or(Size::LongSide(LONG_SIDE))
}

/// The optimiser.
pub(crate) fn optimizer(args: &Args) -> Optimizer {
    let fixed = LbfgsOptions { history: 100, fixed_step: Some(1.0), ..LbfgsOptions::default() };
    let mut optimizer = match args.optimizer {
        None => args.preset.map_or(Optimizer::default(), Preset::optimizer),
        Some(OptimizerName::Lbfgs) => Optimizer::Lbfgs(LbfgsOptions::default()),
        Some(OptimizerName::LbfgsFixed) => Optimizer::Lbfgs(fixed),
        Some(OptimizerName::Adam) => Optimizer::Adam(AdamOptions::default()),
    };
    if let Some(step) = args.learning_rate {
        match &mut optimizer {
            Optimizer::Lbfgs(LbfgsOptions { fixed_step: Some(rate), .. }) => *rate = step,
            Optimizer::Lbfgs(o) => o.initial_step = step,
            Optimizer::Adam(o) => o.learning_rate = step,
            _ => {}
        }
    }
    optimizer
}

/// The number of evaluations.
pub(crate) fn iterations(args: &Args) -> usize {
    args.iterations.or(args.preset.map(Preset::iterations)).unwrap_or(ITERATIONS)
}

/// Sizes to paint first, and the iterations at the result's own size, given by width and height.
pub(crate) fn scales(args: &Args, (width, height): (usize, usize)) -> (Vec<Scale>, usize) {
    let iterations = iterations(args);
    match (&args.scales, args.preset) {
        (None, Some(preset)) => (preset.scales(width.max(height), iterations), iterations),
        (Some(Scales::List(list)), _) => {
            let scale = |&(size, iterations)| Scale { size, iterations, optimizer: None };
            (list.iter().map(scale).collect(), iterations)
        }
        (Some(Scales::Auto), _) | (None, None) => Scale::coarse_to_fine(width, height, iterations),
    }
}

/// The losses of `--loss`, or of the preset.
pub(crate) fn losses(args: &Args) -> Vec<(LossKind, f64)> {
    match args.preset {
        Some(preset) if args.loss.is_empty() => preset.settings().losses,
        _ => args.loss.clone(),
    }
}

/// All settings except the pictures. Without a preset these are the library's defaults.
pub(crate) fn describe<B: Backend>(
    mut builder: SessionBuilder<B>,
    args: &Args,
    size: (usize, usize),
) -> SessionBuilder<B> {
    if let Some(preset) = args.preset {
        builder = builder.preset(preset);
    }
    let (scales, iterations) = scales(args, size);
    builder = builder.optimizer(optimizer(args)).scales(scales).iterations(iterations).seed(args.seed);
    if let Some(fraction) = args.until {
        builder = builder.tolerance(fraction);
    }
    if let Some(decay) = args.ema {
        builder = builder.running_mean(decay);
    }
    if let Some(bytes) = args.memory {
        builder = builder.memory_limit(bytes);
    }
    if let Some(layers) = &args.content_layers {
        builder = builder.content_layers(weighted(layers, |_| 1.0));
    }
    if let Some(layers) = &args.style_layers {
        let even = |n: usize| args.preset.map_or(1.0 / n as f64, |preset| preset.style_layer_weight(n));
        builder = builder.style_layers(weighted(layers, even));
    }
    if let Some(name) = args.statistic {
        builder = statistic(builder, None, name);
    }
    for layer in args.style_layers.iter().flatten() {
        if let Some(name) = layer.statistic {
            builder = statistic(builder, Some(&layer.name), name);
        }
    }
    if let Some(strength) = args.style_strength {
        builder = builder.style_strength(strength);
    }
    if let Some(weight) = args.content_weight {
        builder = builder.content_weight(weight);
    }
    if let Some(weight) = args.content_mean_weight {
        builder = builder.content_mean_weight(weight);
    }
    if let Some(weight) = args.style_weight {
        builder = builder.style_weight(weight);
    }
    builder = builder.balanced(args.balance);
    if let Some(kind) = args.tv {
        builder = builder.tv(kind);
    }
    if let Some(weight) = args.tv_weight {
        builder = builder.tv_weight(weight);
    }
    if let Some(pooling) = args.pooling {
        builder = builder.pooling(match pooling {
            PoolingName::Avg => Pooling::Average,
            PoolingName::Max => Pooling::Max,
        });
    }
    for &(weight, pool) in &args.laplacian {
        builder = builder.loss(weight, Laplacian { pool });
    }
    builder = builder.losses(losses(args));
    builder = builder.seamless(args.seamless);
    if let Some(padding) = args.padding {
        builder = builder.padding(match padding {
            PaddingName::Zero => Padding::Zero,
            PaddingName::Replicate => Padding::Replicate,
        });
    }
    builder
}

fn statistic<B: Backend>(builder: SessionBuilder<B>, layer: Option<&str>, name: StatisticName) -> SessionBuilder<B> {
    match name {
        StatisticName::Gram => placed(builder, layer, Gram::default()),
        StatisticName::GramPerElement => placed(builder, layer, Gram { norm: GramNorm::Elements }),
        StatisticName::Covariance => placed(builder, layer, Covariance),
        StatisticName::Moments => placed(builder, layer, Moments),
        StatisticName::Wasserstein => placed(builder, layer, Wasserstein),
        StatisticName::SlicedWasserstein => placed(builder, layer, Sliced::Random { seed: 0 }),
        StatisticName::Histogram => placed(builder, layer, Sliced::Channels),
        StatisticName::Patches => placed(builder, layer, Patches::default()),
    }
}

/// Sets the statistic of a layer, or of all.
fn placed<B: Backend>(
    builder: SessionBuilder<B>,
    layer: Option<&str>,
    statistic: impl Statistic<B> + 'static,
) -> SessionBuilder<B> {
    match layer {
        None => builder.statistic(statistic),
        Some(layer) => builder.statistic_at(layer, statistic),
    }
}

/// The layers in a list, where "none" is the empty list; `even(n)` is the weight of a layer without its own.
fn weighted(layers: &[LayerArg], even: impl Fn(usize) -> f64) -> Vec<LayerWeight> {
    if let [LayerArg { name, weight: None, statistic: None }] = layers
        && name == "none"
    {
        return vec![];
    }
    layers.iter().map(|l| LayerWeight::new(&l.name, l.weight.unwrap_or(even(layers.len())))).collect()
}
