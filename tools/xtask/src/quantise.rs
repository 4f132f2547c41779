//! Eight bits per value, one scale per channel.

/// The largest magnitude of a quantised value: symmetric, so -128 is not used.
const TOP: f64 = 127.0;

/// A search for the scale and bytes that minimise the sum of `(w - scale * q)^2`. Clipping the largest values can reduce
/// it, because the steps of all others become finer.
pub(crate) fn quantise(channel: &[f32]) -> (f32, Vec<i8>) {
    let largest = channel.iter().fold(0.0_f64, |m, &w| m.max(f64::from(w).abs()));
    if largest == 0.0 {
        return (0.0, vec![0; channel.len()]);
    }
    let mut best = (f64::INFINITY, 0.0);
    for clip in 0..=80 {
        let mut scale = largest / TOP * (1.0 - 0.005 * f64::from(clip));
        // alternate: the values for a scale, then the best scale for these values
        for _ in 0..2 {
            let (mut wq, mut qq, mut error) = (0.0, 0.0, 0.0);
            let stored = f64::from(to_f32(scale));
            for &w in channel {
                let (w, q) = (f64::from(w), f64::from(round(f64::from(w), stored)));
                wq += w * q;
                qq += q * q;
                error += (w - stored * q).powi(2);
            }
            if error < best.0 {
                best = (error, stored);
            }
            scale = wq / qq;
        }
    }
    let scale = best.1;
    (to_f32(scale), channel.iter().map(|&w| round(f64::from(w), scale)).collect())
}

#[allow(clippy::cast_possible_truncation)] // the clamp keeps it in range
fn round(w: f64, scale: f64) -> i8 {
    (w / scale).round().clamp(-TOP, TOP) as i8
}

#[allow(clippy::cast_possible_truncation)] // rounding to f32 is intended
fn to_f32(x: f64) -> f32 {
    x as f32
}

#[cfg(test)]
mod tests {
    use super::quantise;

    #[test]
    fn is_as_near_as_half_a_step_and_never_worse_than_no_clipping() {
        let mut seed = 1_u32;
        for spread in [1e-3_f32, 1.0, 40.0] {
            let channel: Vec<f32> = (0..576)
                .map(|_| {
                    let mut unit = || {
                        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        f32::from((seed >> 16) as u16) / 65_536.0 - 0.5
                    };
                    (unit() + unit() + unit() + unit()) * spread
                })
                .collect();
            let (scale, q) = quantise(&channel);
            let error = |scale: f32, q: &[i8]| -> f32 {
                channel.iter().zip(q).map(|(w, &q)| (w - scale * f32::from(q)).powi(2)).sum()
            };
            let plain = channel.iter().fold(0.0_f32, |m, w| m.max(w.abs())) / 127.0;
            #[allow(clippy::cast_possible_truncation)]
            let plain_q: Vec<i8> = channel.iter().map(|w| (w / plain).round() as i8).collect();
            assert!(error(scale, &q) <= error(plain, &plain_q) * 1.0001);
            for (w, &q) in channel.iter().zip(&q) {
                assert!(q.unsigned_abs() == 127 || (w - scale * f32::from(q)).abs() <= 0.5001 * scale);
            }
        }
        assert_eq!(quantise(&[0.0; 9]), (0.0, vec![0; 9]));
    }
}
