//! Colour profiles: conversion from a file's colours to sRGB, the space of the networks' training data and of results
//! (feature `icc`).

use std::sync::Arc;

use moxcms::{
    CmsError, ColorProfile, DataColorSpace, Layout, RenderingIntent, ToneReprCurve, Transform16BitExecutor,
    TransformOptions, Xyzd,
};

/// A profile that moves no colour by more than this, in 8-bit units, is treated as sRGB and not converted.
const SAME: f32 = 0.5;

/// Probes along each side of the colour cube for that check.
const PROBES: usize = 9;

/// Conversion from a file's values, 16 bits each, to sRGB in 8-bit units.
pub(crate) struct ToSrgb {
    by: By,
}

enum By {
    /// The output for each grey.
    Greys(Vec<f32>),
    /// Linearises by one curve per channel, then applies a matrix. Does not use moxcms: its 16-bit tables merge a third
    /// of the greys that 16 bits distinguish.
    Light {
        curves: [Vec<f32>; 3],
        matrix: [[f32; 3]; 3],
    },
    Tables(Arc<Transform16BitExecutor>),
}

impl ToSrgb {
    /// The conversion from a profile for pixels of one value or three; `None` if the profile is sRGB, and a reason if
    /// it is unusable.
    pub(crate) fn new(icc: &[u8], grey: bool) -> Result<Option<Self>, String> {
        let profile = ColorProfile::new_from_slice(icc).map_err(|e| e.to_string())?;
        let by = match profile.color_space {
            DataColorSpace::Gray if !grey => return Err("it is a grey profile, but the picture has colours".into()),
            DataColorSpace::Gray if profile.pcs == DataColorSpace::Xyz => {
                By::Greys(curve(&profile.gray_trc)?.into_iter().map(encoded).collect())
            }
            DataColorSpace::Rgb if has_tables(&profile) => By::Tables(tables(&profile).map_err(|e| e.to_string())?),
            DataColorSpace::Rgb if profile.is_matrix_shaper() && profile.pcs == DataColorSpace::Xyz => By::Light {
                curves: [curve(&profile.red_trc)?, curve(&profile.green_trc)?, curve(&profile.blue_trc)?],
                matrix: matrix(&profile)?,
            },
            DataColorSpace::Cmyk => return Err("it is one of CMYK, and the pixels are not".into()),
            DataColorSpace::Gray | DataColorSpace::Rgb => return Err("it lacks what colours are converted by".into()),
            other => return Err(format!("it is one of {other:?}")),
        };
        let convert = Self { by };
        Ok((!convert.is_identity()?).then_some(convert))
    }

    /// Whether pixels have one value each.
    pub(crate) fn takes_grey(&self) -> bool {
        matches!(self.by, By::Greys(_))
    }

    /// Converts pixels of one value or three to three values each.
    pub(crate) fn convert(&self, from: &[u16], to: &mut [f32]) -> Result<(), String> {
        match &self.by {
            By::Greys(greys) => {
                to.chunks_exact_mut(3).zip(from).for_each(|(to, v)| to.fill(greys[usize::from(*v)]));
            }
            By::Light { curves, matrix } => {
                for (to, from) in to.chunks_exact_mut(3).zip(from.chunks_exact(3)) {
                    let light = [0, 1, 2].map(|c| curves[c][usize::from(from[c])]);
                    for (to, row) in to.iter_mut().zip(matrix) {
                        *to = encoded(row[0] * light[0] + row[1] * light[1] + row[2] * light[2]);
                    }
                }
            }
            By::Tables(transform) => {
                let mut words = vec![0; from.len()];
                transform.transform(from, &mut words).map_err(|e| e.to_string())?;
                to.iter_mut().zip(words).for_each(|(to, v)| *to = f32::from(v) / 257.0);
            }
        }
        Ok(())
    }

    fn is_identity(&self) -> Result<bool, String> {
        let mut from: Vec<u16> = (0..=255).map(|i| i * 257).collect();
        let channels = if self.takes_grey() { 1 } else { 3 };
        if channels == 3 {
            let value = |i: usize| (i * usize::from(u16::MAX) / (PROBES - 1)) as u16;
            let cube = (0..PROBES.pow(3)).flat_map(|i| [i / PROBES / PROBES, i / PROBES % PROBES, i % PROBES]);
            from = from.into_iter().flat_map(|v| [v; 3]).chain(cube.map(value)).collect();
        }
        let mut to = vec![0.0; from.len() / channels * 3];
        self.convert(&from, &mut to)?;
        let stored = |i: usize| f32::from(from[if channels == 1 { i / 3 } else { i }]) / 257.0;
        Ok(to.iter().enumerate().all(|(i, v)| (v - stored(i)).abs() <= SAME))
    }
}

fn has_tables(profile: &ColorProfile) -> bool {
    profile.lut_a_to_b_perceptual.is_some()
        || profile.lut_a_to_b_colorimetric.is_some()
        || profile.lut_a_to_b_saturation.is_some()
}

/// By the profile's rendering intent, or another one if the profile has no table for it.
fn tables(profile: &ColorProfile) -> Result<Arc<Transform16BitExecutor>, CmsError> {
    let srgb = srgb_profile();
    let by = |rendering_intent| {
        let options = TransformOptions {
            rendering_intent,
            // Floating point: fixed point has 13 bits.
            prefer_fixed_point: false,
            ..Default::default()
        };
        profile.create_transform_16bit(Layout::Rgb, &srgb, Layout::Rgb, options)
    };
    by(profile.rendering_intent)
        .or_else(|e| by(RenderingIntent::Perceptual).or_else(|_| by(RenderingIntent::RelativeColorimetric)).or(Err(e)))
}

/// The linear value of every 16-bit value.
fn curve(trc: &Option<ToneReprCurve>) -> Result<Vec<f32>, String> {
    let trc = trc.as_ref().ok_or("it has no curve")?;
    let evaluator = trc.make_linear_evaluator().map_err(|e| e.to_string())?;
    let curve: Vec<f32> = (0..=u16::MAX).map(|v| evaluator.evaluate_value(f32::from(v) / 65535.0)).collect();
    if curve.iter().all(|v| v.is_finite()) {
        Ok(curve)
    } else {
        Err("its curves have values that are no numbers".into())
    }
}

/// From the profile's linear space to linear sRGB.
fn matrix(profile: &ColorProfile) -> Result<[[f32; 3]; 3], String> {
    let matrix = profile.transform_matrix(&srgb_profile()).v.map(|row| row.map(|v| v as f32));
    let finite = matrix.iter().flatten().all(|v| v.is_finite());
    if finite { Ok(matrix) } else { Err("its colours have values that are no numbers".into()) }
}

/// The sRGB value of a linear value, in 8-bit units.
fn encoded(light: f32) -> f32 {
    let light = light.clamp(0.0, 1.0);
    255.0 * if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

fn srgb_profile() -> ColorProfile {
    let mut profile = ColorProfile::new_srgb();
    // The values other programs use, adapted to the profile white; moxcms' own differ in the fourth digit, which is
    // half an 8-bit step in dark colours at the gamut boundary.
    profile.red_colorant = Xyzd { x: 0.436_04, y: 0.222_48, z: 0.013_92 };
    profile.green_colorant = Xyzd { x: 0.385_11, y: 0.716_91, z: 0.097_07 };
    profile.blue_colorant = Xyzd { x: 0.143_05, y: 0.060_61, z: 0.713_91 };
    profile
}
