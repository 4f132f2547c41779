//! Whole sessions with random descriptions: each ends in a suitable error or a finite picture.
//!
//! `PROPTEST_CASES` sets the number of descriptions, `PROPTEST_RNG_SEED` selects them; the default is deterministic.

mod random;

use std::cell::Cell;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use style_core::backend::ops::Tv;
use style_core::losses::{Neighbours, Palette, RelaxedEmd, SelfSimilarity};
use style_core::statistics::{Covariance, Gram, GramNorm, Moments, Patches, Sliced, Statistic, Wasserstein};
use style_core::{
    AdamOptions, Checkpoint, ConvLayer, Error, ErrorKind, Image, Init, InputSpace, Layer, Losses, Mask, Model, Network,
    Noise, Optimizer, Padding, Pooling, Result, Scale, Session, SessionBuilder, Style,
};
use style_cpu::{Cpu, Isa};
use testkit::Rng;

/// A description of a session.
#[derive(Clone, Debug)]
struct Case {
    network: Net,
    content: Option<Picture>,
    content_mask: Option<Map>,
    styles: Vec<Styled>,
    size: Option<(usize, usize)>,
    content_layers: Vec<(Name, f64)>,
    style_layers: Vec<(Name, f64)>,
    statistic: Kind,
    statistic_at: Option<(Name, Kind)>,
    /// A loss over hypercolumns or colours, by its number, and its layers.
    loss: Option<(usize, Vec<Name>)>,
    balanced: bool,
    /// Whether the content weight refers to the mean.
    mean: bool,
    /// Content, style, total variation.
    weights: [f64; 3],
    tv: Tv,
    pooling: Pooling,
    padding: Padding,
    seamless: bool,
    init: Option<Start>,
    noise: Noise,
    noise_ratio: Option<f32>,
    seed: u64,
    optimizer: Optimizer,
    iterations: usize,
    scales: Vec<Scale>,
    ema: Option<f64>,
    memory_limit: Option<usize>,
    tiles: Option<[usize; 2]>,
    isa: Isa,
    /// The number of steps before the style weight changes, and the new weight.
    reweigh: Option<(usize, f64)>,
    /// The number of steps before an interruption.
    stop: Option<usize>,
}

#[derive(Clone, Debug)]
struct Net {
    /// Channels of the convolutions and the exponent of the factor of their weights.
    blocks: Vec<Vec<(usize, i32)>>,
    /// The exponent of the biases.
    bias: i32,
    torch: bool,
    seed: u8,
}

/// A layer by its position in the chain, modulo the number of layers; `None` is an unknown layer.
type Name = Option<usize>;

#[derive(Clone, Debug)]
struct Picture {
    width: usize,
    height: usize,
    seed: u8,
    values: Values,
}

#[derive(Clone, Copy, Debug)]
enum Values {
    Random,
    Flat(f32),
    /// Random values in plus or minus this range.
    Wide(f32),
}

#[derive(Clone, Debug)]
struct Map {
    width: usize,
    height: usize,
    seed: u8,
    /// The share of zeros: none, half, all but one.
    zeros: u8,
    factor: f32,
}

#[derive(Clone, Debug)]
struct Styled {
    picture: Picture,
    share: f64,
    mask: Option<Map>,
    region: Option<Map>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Gram(GramNorm),
    Covariance,
    Moments,
    Wasserstein,
    Sliced(Sliced),
    Patches(usize),
}

impl Kind {
    /// Sets the statistic of a layer, or of all.
    fn set(self, b: SessionBuilder<Cpu>, layer: Option<String>) -> SessionBuilder<Cpu> {
        fn on<S: Statistic<Cpu> + 'static>(
            b: SessionBuilder<Cpu>,
            layer: Option<String>,
            statistic: S,
        ) -> SessionBuilder<Cpu> {
            match layer {
                None => b.statistic(statistic),
                Some(layer) => b.statistic_at(layer, statistic),
            }
        }
        match self {
            Self::Gram(norm) => on(b, layer, Gram { norm }),
            Self::Covariance => on(b, layer, Covariance),
            Self::Moments => on(b, layer, Moments),
            Self::Wasserstein => on(b, layer, Wasserstein),
            Self::Sliced(sliced) => on(b, layer, sliced),
            Self::Patches(side) => on(b, layer, Patches { side }),
        }
    }
}

#[derive(Clone, Debug)]
enum Start {
    Content,
    Noise,
    Style,
    /// Relative to the result's size.
    Fitting(u8, Values),
    Other(Picture),
}

impl Net {
    fn model(&self) -> Model {
        let mut rng = Rng::new(&format!("net {}", self.seed));
        let (mut layers, mut in_channels) = (vec![], 3);
        for (b, block) in self.blocks.iter().enumerate() {
            for (c, &(out_channels, exponent)) in block.iter().enumerate() {
                let scale = (2.0 / (9.0 * in_channels as f64)).sqrt() * 1.7;
                let mut draw = |n: usize, scale: f64, exponent: i32| {
                    let value = |v: f64| (v * scale * 10f64.powi(exponent)) as f32;
                    (0..n).map(|_| value(rng.unit()).clamp(-f32::MAX, f32::MAX)).collect()
                };
                let weight = draw(9 * in_channels * out_channels, scale, exponent);
                let bias = draw(out_channels, 5.0, self.bias);
                let name = format!("conv{b}_{c}");
                layers.push(Layer::Conv(ConvLayer { name, in_channels, out_channels, weight, bias }));
                in_channels = out_channels;
            }
            layers.push(Layer::Pool { name: format!("pool{b}") });
        }
        let space = if self.torch { InputSpace::TORCHVISION } else { InputSpace::CAFFE };
        Model::new("random", space, layers).unwrap()
    }

    fn name(&self, name: Name) -> String {
        let names =
            self.blocks.iter().enumerate().flat_map(|(b, block)| {
                (0..block.len()).map(move |c| format!("conv{b}_{c}")).chain([format!("pool{b}")])
            });
        let names: Vec<_> = names.collect();
        name.map_or_else(|| "conv9_9".to_owned(), |i| names[i % names.len()].clone())
    }
}

impl Picture {
    fn image(&self) -> Image {
        let mut rng = Rng::new(&format!("picture {}", self.seed));
        let value = |_| match self.values {
            Values::Random => (127.5 + 127.5 * rng.unit()) as f32,
            Values::Flat(value) => value,
            Values::Wide(width) => width * rng.unit() as f32,
        };
        let pixels = (0..3 * self.width * self.height).map(value).collect();
        Image::from_finite_planar(self.width, self.height, pixels).unwrap()
    }
}

impl Map {
    fn mask(&self) -> Result<Mask> {
        let mut rng = Rng::new(&format!("mask {}", self.seed));
        let n = self.width * self.height;
        let one = rng.below(n as u64) as usize;
        let value = |i| {
            let zero = match self.zeros {
                0 => false,
                1 => rng.unit() < 0.0,
                _ => i != one,
            };
            if zero { 0.0 } else { (0.5 + 0.5 * rng.unit()) as f32 * self.factor }
        };
        Mask::new(self.width, self.height, (0..n).map(value).collect())
    }
}

impl Case {
    fn network(&self, threads: usize) -> Result<Arc<Network<Cpu>>> {
        let cpu = Cpu::builder().isa(self.isa).threads(threads).build()?;
        Ok(Arc::new(Network::new(cpu, &self.network.model())?))
    }

    /// The size of the result.
    fn size(&self) -> Option<(usize, usize)> {
        let of = |p: &Picture| (p.width, p.height);
        let start = if let Some(Start::Other(picture)) = &self.init { Some(of(picture)) } else { None };
        let style = self.styles.first().map(|s| of(&s.picture));
        self.content.as_ref().map(of).or(self.size).or(start).or(style)
    }

    fn describe(&self, network: &Arc<Network<Cpu>>) -> Result<SessionBuilder<Cpu>> {
        let layers = |list: &[(Name, f64)]| {
            list.iter().map(|&(name, weight)| (self.network.name(name), weight)).collect::<Vec<_>>()
        };
        let [content, style, tv] = self.weights;
        let mut b = Session::builder(Arc::clone(network))
            .content_layers(layers(&self.content_layers))
            .style_layers(layers(&self.style_layers))
            .style_weight(style)
            .tv(self.tv)
            .tv_weight(tv)
            .pooling(self.pooling)
            .padding(self.padding)
            .seamless(self.seamless)
            .noise(self.noise)
            .seed(self.seed)
            .optimizer(self.optimizer)
            .iterations(self.iterations)
            .scales(self.scales.clone());
        b = if self.mean { b.content_mean_weight(content) } else { b.content_weight(content) };
        b = self.statistic.set(b, None);
        if let Some((name, kind)) = self.statistic_at {
            b = kind.set(b, Some(self.network.name(name)));
        }
        b = b.balanced(self.balanced);
        if let Some((number, layers)) = &self.loss {
            let layers: Vec<_> = layers.iter().map(|&name| self.network.name(name)).collect();
            let (places, seed) = (20, self.seed);
            b = match number {
                0 | 1 => b.loss(0.5, Neighbours { layers, turned: *number == 1 }),
                2 => b.loss(0.5, RelaxedEmd { layers, places, seed }),
                3 => b.loss(0.5, SelfSimilarity { layers, places }),
                _ => b.loss(0.5, Palette { places, seed }),
            };
        }
        if let Some(content) = &self.content {
            b = b.content(content.image());
        }
        if let Some(map) = self.content_mask.as_ref().filter(|_| !self.content_layers.is_empty()) {
            b = b.content_mask(map.mask()?);
        }
        for Styled { picture, share, mask, region } in &self.styles {
            let mut style = Style::new(picture.image()).share(*share);
            if let Some(map) = mask {
                style = style.mask(map.mask()?);
            }
            if let Some(map) = region {
                style = style.region(map.mask()?);
            }
            b = b.style(style);
        }
        if let Some((width, height)) = self.size {
            b = b.size(width, height);
        }
        if let Some(start) = &self.init {
            b = b.init(match start {
                Start::Content => Init::Content,
                Start::Noise => Init::Noise,
                Start::Style => Init::Style,
                Start::Fitting(seed, values) => {
                    let (width, height) = self.size().unwrap_or((3, 3));
                    let (width, height) = (width.max(1), height.max(1));
                    Init::Image(Picture { width, height, seed: *seed, values: *values }.image())
                }
                Start::Other(picture) => Init::Image(picture.image()),
            });
        }
        if let Some(ratio) = self.noise_ratio {
            b = b.noise_ratio(ratio);
        }
        if let Some(decay) = self.ema {
            b = b.running_mean(decay);
        }
        if let Some(limit) = self.memory_limit {
            b = b.memory_limit(limit);
        }
        if let Some([rows, columns]) = self.tiles {
            b = b.tiles(rows, columns);
        }
        Ok(b)
    }

    /// The outcome of a description: the number of steps, or the error.
    fn check(&self) -> Result<usize, TestCaseError> {
        let network = self.network(1).map_err(wrong)?;
        // A mask without a positive value is an error before there is a description.
        let Ok(builder) = self.describe(&network) else { return Ok(0) };
        let planned = builder.plan();
        let built = builder.build();
        let mut session = match (planned, built) {
            (Ok(plan), built) => {
                if let Some(limit) = self.memory_limit {
                    prop_assert!(plan.peak() <= limit, "a plan of {} bytes", plan.peak());
                }
                match built {
                    Ok(session) => session,
                    Err(e) => return typed(&e).map(|()| 0),
                }
            }
            (Err(planned), Err(built)) => {
                prop_assert_eq!(planned.kind(), built.kind(), "{} and {}", planned, built);
                return typed(&planned).map(|()| 0);
            }
            (Err(planned), Ok(_)) => return Err(wrong(format!("built although planning failed: {planned}"))),
        };
        let (ended, record) = self.run(&mut session, self.reweigh, self.stop)?;
        let painted = session.image().map_err(wrong)?;
        if ended.is_none() {
            let size = (painted.width(), painted.height());
            prop_assert_eq!(Some(size), self.size());
        }
        if let Some((at, bytes)) = record.checkpoint {
            let checkpoint = Checkpoint::from_bytes(&bytes).map_err(wrong)?;
            // Workspaces grow with the threads, so a limit may require other tiles.
            let threads = if self.memory_limit.is_none() { 2 } else { 1 };
            let other = self.network(threads).map_err(wrong)?;
            let mut as_it_was = self.clone();
            if let Some((_, weight)) = self.reweigh.filter(|&(after, weight)| after <= at && is_weight(weight)) {
                as_it_was.weights[1] = weight;
            }
            let mut resumed = as_it_was.describe(&other).and_then(|b| b.resume(&checkpoint)).map_err(wrong)?;
            let later = self.reweigh.filter(|&(after, _)| after > at).map(|(after, weight)| (after - at, weight));
            let (again, replayed) = self.run(&mut resumed, later, None)?;
            prop_assert_eq!(again.map(|e| e.kind()), ended.map(|e| e.kind()), "resumed after {}", at);
            prop_assert_eq!(bits(&replayed.totals), bits(&record.totals[at..]), "resumed after {}", at);
            prop_assert_eq!(resumed.image().map_err(wrong)?, painted, "resumed after {}", at);
        }
        Ok(record.totals.len())
    }

    /// Runs all steps and checks the picture after each.
    fn run(
        &self,
        session: &mut Session<Cpu>,
        reweigh: Option<(usize, f64)>,
        stop: Option<usize>,
    ) -> Result<(Option<Error>, Record), TestCaseError> {
        let mut record = Record { totals: vec![], checkpoint: None };
        session.image().map_err(|e| wrong(format!("the start: {e}")))?;
        while !session.is_finished() {
            if let Some((_, weight)) = reweigh.filter(|(after, _)| *after == record.totals.len()) {
                let changed = session.set_style_weight(weight);
                prop_assert_eq!(changed.is_ok(), is_weight(weight), "{:?}", changed);
            }
            if stop == Some(record.totals.len()) {
                let bytes = session.checkpoint().and_then(|c| c.to_bytes()).map_err(wrong)?;
                record.checkpoint = Some((record.totals.len(), bytes));
            }
            let stepped = session.step().map(|progress| progress.losses.total);
            let image = session.image().map_err(|e| wrong(format!("after {} steps: {e}", record.totals.len())))?;
            prop_assert!(image.pixels().iter().all(|v| v.is_finite()));
            match stepped {
                Ok(total) => record.totals.push(total),
                Err(e) => {
                    typed(&e)?;
                    return Ok((Some(e), record));
                }
            }
            let Losses { total, .. } = session.losses().cloned().unwrap_or_default();
            prop_assert!(total.is_finite(), "the image's loss is {}", total);
            prop_assert!(record.totals.len() <= 20, "too many steps");
        }
        Ok((None, record))
    }
}

/// The record of a run.
struct Record {
    /// The total loss of each step.
    totals: Vec<f64>,
    /// A checkpoint: the number of steps before it, and its bytes.
    checkpoint: Option<(usize, Vec<u8>)>,
}

fn is_weight(weight: f64) -> bool {
    (0.0..=1e30).contains(&weight)
}

fn bits(values: &[f64]) -> Vec<u64> {
    // All NaNs count as equal.
    values.iter().map(|v| if v.is_nan() { f64::NAN } else { *v }.to_bits()).collect()
}

fn wrong(what: impl std::fmt::Display) -> TestCaseError {
    TestCaseError::fail(what.to_string())
}

/// Checks that a description can cause this error.
fn typed(e: &Error) -> Result<(), TestCaseError> {
    use ErrorKind::{Argument, MemoryExceeded, NonFinite, Shape, TooSmall};
    match e.kind() {
        Argument | MemoryExceeded { .. } | NonFinite | Shape | TooSmall { .. } => Ok(()),
        kind => Err(wrong(format!("{kind}: {e}"))),
    }
}

fn runner(cases: u32) -> TestRunner {
    let given = ProptestConfig::default();
    let rng_seed = if given.rng_seed == RngSeed::Random { RngSeed::Fixed(2015) } else { given.rng_seed };
    TestRunner::new(ProptestConfig { cases, rng_seed, failure_persistence: None, ..given })
}

#[test]
fn a_session_paints_or_says_what_is_wrong() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    let (tried, painted, with) = (Cell::new(0u32), Cell::new(0u32), [const { Cell::new(0u32) }; 5]);
    let ran = runner(cases).run(&random::case(), |case| {
        let steps = case.check()?;
        tried.set(tried.get() + 1);
        painted.set(painted.get() + u32::from(steps > 0));
        if let Some((loss, _)) = case.loss.as_ref().filter(|_| steps > 0) {
            with[*loss].set(with[*loss].get() + 1);
        }
        Ok(())
    });
    let with = with.map(Cell::into_inner);
    println!("{} of {} descriptions painted; with losses over hypercolumns {with:?}", painted.get(), tried.get());
    if let Err(e) = ran {
        panic!("{e}");
    }
    assert!(8 * painted.get() > tried.get(), "too few descriptions can be painted");
}

/// The same with each loss over hypercolumns, and without what such a loss cannot have.
#[test]
fn a_session_with_a_loss_over_hypercolumns_paints_or_says_what_is_wrong() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    for number in 0..5 {
        let painted = Cell::new(0u32);
        let ran = runner(cases).run(&random::case(), |case| {
            let Case { content, mut styles, .. } = plain();
            styles.splice(.., case.styles.first().cloned().map(|s| Styled { mask: None, region: None, ..s }));
            let case = Case {
                content: case.content.clone().or(content),
                styles: if styles.is_empty() { plain().styles } else { styles },
                loss: Some((number, vec![Some(0), Some(1)])),
                seamless: false,
                memory_limit: None,
                tiles: None,
                ..case
            };
            painted.set(painted.get() + u32::from(case.check()? > 0));
            Ok(())
        });
        println!("loss {number}: {} of {cases} descriptions painted", painted.get());
        if let Err(e) = ran {
            panic!("{e}");
        }
        assert!(painted.get() > 0, "loss {number}");
    }
}

/// The simplest description that can be painted.
fn plain() -> Case {
    let values = Values::Random;
    let picture = Picture { width: 8, height: 8, seed: 0, values };
    let styled = Styled { picture: picture.clone(), share: 1.0, mask: None, region: None };
    Case {
        network: Net { blocks: vec![vec![(1, 0)]], bias: 0, torch: false, seed: 0 },
        content: Some(picture),
        content_mask: None,
        styles: vec![styled],
        size: None,
        content_layers: vec![],
        style_layers: vec![(Some(0), 1.0)],
        statistic: Kind::Gram(GramNorm::Positions),
        statistic_at: None,
        loss: None,
        balanced: false,
        mean: false,
        weights: [1.0; 3],
        tv: Tv::Squared,
        pooling: Pooling::Average,
        padding: Padding::Zero,
        seamless: false,
        init: None,
        noise: Noise::Uniform(0.0),
        noise_ratio: None,
        seed: 0,
        optimizer: Optimizer::default(),
        iterations: 3,
        scales: vec![],
        ema: None,
        memory_limit: None,
        tiles: None,
        isa: Isa::Portable,
        reweigh: None,
        stop: None,
    }
}

/// Checks a description that once revealed a bug; returns its outcome.
fn holds(change: impl Fn(&mut Case)) -> usize {
    let mut case = plain();
    change(&mut case);
    case.check().unwrap_or_else(|e| panic!("{e}: {case:#?}"))
}

#[test]
fn adam_refuses_gradients_whose_squares_overflow() {
    let steps = holds(|case| {
        case.optimizer = Optimizer::Adam(AdamOptions { beta2: 0.9, ..AdamOptions::default() });
        case.statistic = Kind::Covariance;
        case.styles[0].picture.seed = 1;
        case.style_layers = vec![(Some(0), 1e30)];
        case.stop = Some(2);
    });
    assert_eq!(steps, 0);
}

#[test]
fn adam_refuses_an_epsilon_that_is_zero_as_f32() {
    let mut case = plain();
    for epsilon in [1e-50, 1e50] {
        case.optimizer = Optimizer::Adam(AdamOptions { epsilon, ..AdamOptions::default() });
        let kind = case.describe(&case.network(1).unwrap()).unwrap().plan().unwrap_err().kind();
        assert_eq!(kind, ErrorKind::Argument, "{epsilon}");
    }
}

#[test]
fn the_threads_do_not_change_how_a_style_picture_is_cut() {
    let steps = holds(|case| {
        case.network.blocks = vec![vec![(1, 0), (5, 0)], vec![(5, 0), (5, 0), (2, 0)]];
        case.content = Some(Picture { width: 8, height: 2, seed: 0, values: Values::Random });
        case.styles[0].picture = Picture { width: 17, height: 23, seed: 0, values: Values::Random };
        case.content_layers = vec![(Some(5), 1.0)];
        case.style_layers = vec![(Some(3), 1.0)];
        case.tiles = Some([1, 2]);
        case.stop = Some(0);
    });
    assert_eq!(steps, 3);
}
