//! Images and masks from values, and sessions on them: each constructor accepts what it documents, and no session
//! panics.
//!
//! Two bytes are a size, one gives the kind of the rest, and the rest are values: bytes, or `f32`.

use style_core::{ErrorKind, Image, LayerWeight, Mask, Session, Style};

use crate::{Outcome, check_message, tiny};

pub(crate) fn run(data: &[u8]) -> Outcome {
    let Some((&[width, height, kind], rest)) = data.split_first_chunk() else { return Outcome::Foreign };
    let side = |n: u8| match n {
        0..250 => usize::from(n),
        250 => usize::MAX,
        251 => usize::MAX / 3 + 1,
        252 => 1 << 32,
        n => usize::MAX >> (n - 251),
    };
    let (width, height) = (side(width), side(height));
    let values = || -> Vec<f32> {
        match kind & 1 {
            0 => rest.iter().map(|v| f32::from(*v) / 255.0).collect(),
            _ => rest.as_chunks().0.iter().map(|v| f32::from_le_bytes(*v)).collect(),
        }
    };
    if kind & 2 == 0 { image(width, height, kind, rest, values()) } else { mask(width, height, values()) }
}

fn rejected(error: &style_core::Error, kinds: &[ErrorKind]) -> Outcome {
    assert!(kinds.contains(&error.kind()), "{:?}: {error}", error.kind());
    check_message(error);
    Outcome::Rejected
}

fn image(width: usize, height: usize, kind: u8, bytes: &[u8], values: Vec<f32>) -> Outcome {
    let fits = |len: usize| {
        let wanted = width.checked_mul(height).and_then(|n| n.checked_mul(3));
        wanted.is_some_and(|wanted| wanted > 0 && wanted == len)
    };
    if kind & 4 != 0 {
        return match Image::from_rgb8(width, height, bytes) {
            Ok(image) => {
                assert!(fits(bytes.len()));
                assert_eq!(image.to_rgb8(), bytes);
                Outcome::Accepted
            }
            Err(e) => {
                assert!(!fits(bytes.len()));
                rejected(&e, &[ErrorKind::Shape])
            }
        };
    }
    let finite = values.iter().all(|v| v.is_finite());
    let len = values.len();
    match Image::from_planar(width, height, values.clone()) {
        Ok(_) => assert!(fits(len) && values.iter().all(|v| (-2550.0..=2805.0).contains(v))),
        Err(e) if e.kind() == ErrorKind::Image => assert!(fits(len) && finite),
        Err(e) => drop(rejected(&e, &[ErrorKind::Shape, ErrorKind::NonFinite])),
    }
    let image = match Image::from_finite_planar(width, height, values) {
        Ok(image) => image,
        Err(e) => {
            assert!(!(fits(len) && finite));
            return rejected(&e, &[ErrorKind::Shape, ErrorKind::NonFinite]);
        }
    };
    assert!(fits(len) && finite);
    assert_eq!(image.to_rgb8().len(), len);
    let to = (1 + usize::from(kind >> 3), 1 + (usize::from(kind) * 7 + width) % 37);
    match image.resized(to.0, to.1) {
        Ok(resized) => assert_eq!((resized.width(), resized.height()), to),
        Err(e) => drop(rejected(&e, &[ErrorKind::Shape, ErrorKind::NonFinite])),
    }
    if let Err(e) = image.crop(to.0..to.1, 0..to.1) {
        rejected(&e, &[ErrorKind::Shape]);
    }
    paint(image.clone(), Style::new(image), None)
}

fn mask(width: usize, height: usize, values: Vec<f32>) -> Outcome {
    let fits = width.checked_mul(height).is_some_and(|n| n > 0 && n == values.len());
    let good = values.iter().all(|v| (0.0..=1.0).contains(v)) && values.iter().any(|v| *v > 0.0);
    let mask = match Mask::new(width, height, values) {
        Ok(mask) => mask,
        Err(e) => {
            assert!(!(fits && good));
            return rejected(&e, &[ErrorKind::Shape, ErrorKind::Argument]);
        }
    };
    assert!(fits && good);
    if let Err(e) = mask.inverted() {
        rejected(&e, &[ErrorKind::Argument]);
    }
    let style = Style::new(tiny::picture("style", 9, 8)).mask(mask.clone()).region(mask.clone());
    paint(tiny::picture("content", 8, 9), style, Some(mask))
}

/// A few steps.
fn paint(content: Image, style: Style, mask: Option<Mask>) -> Outcome {
    let weight = |layer: &str| vec![LayerWeight { layer: layer.into(), weight: 1.0 }];
    let mut builder = Session::builder(tiny::network(&["conv1_1", "pool1", "conv2_1"], 2))
        .content(content)
        .style(style)
        .content_layers(weight("conv2_1"))
        .style_layers(weight("conv2_1"))
        .iterations(3);
    if let Some(mask) = mask {
        builder = builder.content_mask(mask);
    }
    let mut session = match builder.build() {
        Ok(session) => session,
        Err(e) => {
            check_message(&e);
            return Outcome::Rejected;
        }
    };
    for _ in 0..3 {
        if session.is_finished() {
            break;
        }
        if let Err(e) = session.step() {
            check_message(&e);
            return Outcome::Rejected;
        }
    }
    if let Err(e) = session.image() {
        check_message(&e);
    }
    Outcome::Accepted
}
