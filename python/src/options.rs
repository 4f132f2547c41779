//! The settings of a session, from JSON.

use pyo3::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value};
use style_transfer::losses::Laplacian;
use style_transfer::statistics::StatisticKind;
use style_transfer::{Init, Preset, Result, Scale, SessionBuilder, Settings, Start};

use crate::errors::{argument, raised};

/// The number of evaluations, or their equivalent in time, without a preset: that of `stylize`.
const ITERATIONS: usize = 80;

/// What the caller set.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Options {
    preset: Option<String>,
    /// Replace those of the preset, or the defaults.
    settings: Map<String, Value>,
    /// Paint from coarse to fine, whatever the preset.
    coarse_to_fine: bool,
    init: Option<Start>,
    noise_ratio: Option<f32>,
    style_strength: Option<f64>,
    content_weight: Option<f64>,
    content_mean_weight: Option<f64>,
    style_weight: Option<f64>,
    laplacian: Vec<(f64, usize)>,
    memory_limit: Option<usize>,
    tiles: Option<[usize; 2]>,
}

impl Options {
    pub(crate) fn from_json(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|e| refused(&e))
    }

    /// The description with these settings, of a result of this size, in the order in which `stylize` sets them.
    pub(crate) fn describe(
        self,
        mut builder: SessionBuilder,
        (width, height): (usize, usize),
        (content, style): (bool, bool),
    ) -> Result<SessionBuilder> {
        let preset: Option<Preset> = self.preset.as_deref().map(str::parse).transpose()?;
        let scales_given = self.settings.contains_key("scales");
        let mut settings = overlaid(&described(preset), self.settings)?;
        if self.coarse_to_fine || (!scales_given && preset.is_none()) {
            (settings.scales, settings.iterations) = Scale::coarse_to_fine(width, height, settings.iterations);
        } else if let Some(preset) = preset.filter(|_| !scales_given) {
            settings.scales = preset.scales(width.max(height), settings.iterations);
        }
        expect_statistics(&settings)?;
        if !content {
            settings.content_layers.clear();
        }
        if !style {
            settings.style_layers.clear();
        }
        builder = builder.settings(settings);
        if let Some(strength) = self.style_strength {
            builder = builder.style_strength(strength);
        }
        if let Some(weight) = self.content_weight {
            builder = builder.content_weight(weight);
        }
        if let Some(weight) = self.content_mean_weight {
            builder = builder.content_mean_weight(weight);
        }
        if let Some(weight) = self.style_weight {
            builder = builder.style_weight(weight);
        }
        for (weight, pool) in self.laplacian {
            builder = builder.loss(weight, Laplacian { pool });
        }
        builder = match self.init {
            Some(Start::Content) => builder.init(Init::Content),
            Some(Start::Noise) => builder.init(Init::Noise),
            Some(Start::Style) => builder.init(Init::Style),
            _ => builder,
        };
        if let Some(bytes) = self.memory_limit {
            builder = builder.memory_limit(bytes);
        }
        if let Some([rows, columns]) = self.tiles {
            builder = builder.tiles(rows, columns);
        }
        Ok(builder)
    }

    /// The share of noise, to be set after the start.
    pub(crate) fn noise_ratio(&self) -> Option<f32> {
        self.noise_ratio
    }
}

/// The settings of a preset, or the defaults.
fn described(preset: Option<Preset>) -> Settings {
    match preset {
        Some(preset) => preset.settings(),
        None => Settings { iterations: ITERATIONS, ..Settings::default() },
    }
}

/// Refuses a statistic of an unknown name, which in Rust would be the caller's own.
fn expect_statistics(settings: &Settings) -> Result<()> {
    let all = settings.statistic.iter().chain(settings.style_layers.iter().filter_map(|l| l.statistic.as_ref()));
    for kind in all {
        if let StatisticKind::Custom(name) = kind {
            let names = "gram, gram of elements, covariance, moments, wasserstein, sliced wasserstein, histogram and \
                         patches of 3";
            return Err(argument(format!("no statistic is called {name:?}; the statistics are {names}")));
        }
    }
    Ok(())
}

/// The settings with these fields in place of their own.
fn overlaid(settings: &Settings, given: Map<String, Value>) -> Result<Settings> {
    let mut all = serde_json::to_value(settings).map_err(|e| refused(&e))?;
    if let Value::Object(fields) = &mut all {
        fields.extend(given);
    }
    serde_json::from_value(all).map_err(|e| refused(&e))
}

fn refused(e: &serde_json::Error) -> style_transfer::Error {
    let message = e.to_string();
    // The place in JSON text that the caller has never seen.
    let message = message.split(" at line ").next().unwrap_or_default();
    argument(format!("settings: {message}"))
}

/// The names of all presets.
#[pyfunction]
pub(crate) fn presets() -> Vec<&'static str> {
    Preset::ALL.map(Preset::name).into()
}

/// The settings of a preset, or the defaults, as JSON.
#[pyfunction]
#[pyo3(signature = (preset))]
pub(crate) fn settings(preset: Option<&str>) -> PyResult<String> {
    let preset = preset.map(str::parse).transpose().map_err(raised)?;
    serde_json::to_string(&described(preset)).map_err(|e| raised(refused(&e)))
}

/// The long side of a preset's pictures; None if it keeps the size of the photograph.
#[pyfunction]
pub(crate) fn long_side(preset: &str) -> PyResult<Option<usize>> {
    preset.parse().map(Preset::long_side).map_err(raised)
}
