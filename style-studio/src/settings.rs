//! The settings of a job, as the sliders of the page have them.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a job paints with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// Style strength: 1 is the library's default.
    pub(crate) strength: f64,
    /// Stroke size: the scale of the painting relative to the photograph.
    pub(crate) stroke: f64,
    /// How much of the photograph's colours is kept, 0 to 1.
    pub(crate) colours: f64,
    /// Seed of the noise in the start image.
    pub(crate) seed: u32,
    /// Long side of the result in pixels.
    pub(crate) side: u32,
    /// Time budget: as long as this many evaluations take at the result's size.
    pub(crate) iterations: u32,
    /// Whether a scale ends once it hardly changes any more, so that `iterations` is a limit.
    pub(crate) good: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { strength: 1.0, stroke: 1.0, colours: 0.0, seed: 0, side: 512, iterations: 80, good: false }
    }
}

/// A change of some settings; those that are absent stay.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Change {
    strength: Option<f64>,
    stroke: Option<f64>,
    colours: Option<f64>,
    seed: Option<u32>,
    side: Option<u32>,
    iterations: Option<u32>,
    good: Option<bool>,
}

/// What a change means for a picture that is being painted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    /// Nothing changes.
    None,
    /// The same painting is shown in other colours.
    Shown,
    /// The session takes it from its next evaluation on.
    Live,
    /// The session goes on from where it is, described anew.
    Resume,
    /// A new session continues from the current picture.
    Repaint,
    /// A new session begins with the photograph.
    Over,
}

impl Settings {
    /// Checks all ranges.
    pub(crate) fn checked(self) -> Result<Self> {
        let within = |name: &str, value: f64, least: f64, most: f64| match value >= least && value <= most {
            true => Ok(()),
            false => Err(Error::Invalid(format!("{name} must be from {least} to {most}, but is {value}"))),
        };
        within("the style strength", self.strength, 0.05, 20.0)?;
        within("the stroke size", self.stroke, 0.4, 2.5)?;
        within("the share of the photograph's colours", self.colours, 0.0, 1.0)?;
        within("the long side in pixels", self.side.into(), 64.0, 2048.0)?;
        within("the number of evaluations", self.iterations.into(), 1.0, 1000.0)?;
        Ok(self)
    }

    /// With a change.
    pub(crate) fn with(&self, change: &Change) -> Result<Self> {
        Self {
            strength: change.strength.unwrap_or(self.strength),
            stroke: change.stroke.unwrap_or(self.stroke),
            colours: change.colours.unwrap_or(self.colours),
            seed: change.seed.unwrap_or(self.seed),
            side: change.side.unwrap_or(self.side),
            iterations: change.iterations.unwrap_or(self.iterations),
            good: change.good.unwrap_or(self.good),
        }
        .checked()
    }

    /// What it takes to get from other settings to these.
    pub(crate) fn effect(&self, before: &Self) -> Effect {
        if self.seed != before.seed {
            Effect::Over
        } else if (self.stroke, self.side, self.iterations) != (before.stroke, before.side, before.iterations) {
            Effect::Repaint
        } else if self.good != before.good {
            Effect::Resume
        } else if self.strength != before.strength {
            Effect::Live
        } else if self.colours != before.colours {
            Effect::Shown
        } else {
            Effect::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_checked() {
        let set = |json: &str| {
            let change: Change = serde_json::from_str(json).map_err(|e| Error::Invalid(e.to_string()))?;
            Settings::default().with(&change)
        };
        assert_eq!(set(r#"{"strength": 2}"#).map(|s| s.strength).ok(), Some(2.0));
        for bad in [
            r#"{"strength": -1}"#,
            r#"{"strength": 1e999}"#,
            r#"{"stroke": 0}"#,
            r#"{"colours": 1.01}"#,
            r#"{"seed": -1}"#,
            r#"{"side": 100000}"#,
            r#"{"iterations": 0}"#,
            r#"{"path": "/etc/passwd"}"#,
        ] {
            assert!(set(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn effects() {
        let base = Settings::default();
        let effect = |settings: Settings| settings.effect(&base);
        assert_eq!(effect(base.clone()), Effect::None);
        assert_eq!(effect(Settings { colours: 0.5, ..base.clone() }), Effect::Shown);
        assert_eq!(effect(Settings { strength: 2.0, colours: 0.5, ..base.clone() }), Effect::Live);
        assert_eq!(effect(Settings { good: true, strength: 2.0, ..base.clone() }), Effect::Resume);
        assert_eq!(effect(Settings { stroke: 2.0, strength: 2.0, ..base.clone() }), Effect::Repaint);
        assert_eq!(effect(Settings { seed: 1, stroke: 2.0, ..base.clone() }), Effect::Over);
    }
}
