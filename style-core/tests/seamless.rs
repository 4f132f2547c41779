//! Pictures that repeat without seams.

mod common;

use std::sync::Arc;

use common::{layers, network, picture};
use style_core::statistics::{Covariance, Patches};
use style_core::{ErrorKind, Image, Init, Scale, Session, SessionBuilder};
use testkit::Reference;

const SIZE: (usize, usize) = (16, 12);

fn texture() -> SessionBuilder<Reference> {
    let b = Session::builder(network()).without_content().style(picture("style", 18, 21)).size(SIZE.0, SIZE.1);
    b.style_layers(layers(&[("conv1_2", 0.5), ("conv2_1", 0.25), ("conv3_1", 0.25)])).seamless(true)
}

/// The picture moved down and to the right; what leaves comes back on the other side.
fn rolled(values: &[f32], down: usize, right: usize) -> Vec<f32> {
    let (w, h) = SIZE;
    let from = |i: usize| {
        let (k, y, x) = (i / (w * h), i / w % h, i % w);
        values[(k * h + (y + h - down) % h) * w + (x + w - right) % w]
    };
    (0..values.len()).map(from).collect()
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    let norm = |of: &mut dyn Iterator<Item = f32>| of.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut a.iter().copied())
}

/// Nothing tells where the picture begins: moved by whole positions of the deepest layer, it has the same loss, and its
/// gradient moves along. Tiles change nothing.
#[test]
fn there_is_no_edge() {
    let image = picture("image", SIZE.0, SIZE.1);
    let moved = Image::from_planar(SIZE.0, SIZE.1, rolled(image.pixels(), 4, 8)).unwrap();
    let content = |b: SessionBuilder<Reference>| {
        b.content(picture("content", SIZE.0, SIZE.1)).content_layers(layers(&[("conv2_2", 1.0)]))
    };
    for (what, b) in [
        ("texture", texture()),
        ("covariance", texture().statistic(Covariance)),
        ("patches", texture().style_layers(layers(&[("conv1_2", 1.0)])).statistic(Patches { side: 1 })),
    ] {
        let mut session = b.build().unwrap();
        let (here, there) = (session.evaluate(&image).unwrap(), session.evaluate(&moved).unwrap());
        let error = (here.0.total - there.0.total).abs() / here.0.total;
        let off = distance(&there.1, &rolled(&here.1, 4, 8));
        assert!(error < 1e-5 && off < 1e-4, "{what}: {error:e}, {off:e}");
    }
    // With an edge, both change.
    let mut edged = texture().seamless(false).build().unwrap();
    let (here, there) = (edged.evaluate(&image).unwrap(), edged.evaluate(&moved).unwrap());
    assert!(distance(&there.1, &rolled(&here.1, 4, 8)) > 1e-2);

    let whole = content(texture()).build().unwrap().evaluate(&image).unwrap();
    for (rows, columns) in [(1, 2), (3, 4)] {
        let tiled = content(texture()).tiles(rows, columns).build().unwrap().evaluate(&image).unwrap();
        let error = (whole.0.total - tiled.0.total).abs() / whole.0.total;
        assert!(error < 1e-5 && distance(&whole.1, &tiled.1) < 1e-4, "{rows} x {columns}: {error:e}");
    }
}

/// Smaller than a receptive field, the picture is seen several times over.
#[test]
fn gradients_are_those_of_differences() {
    let small = |w: usize, h: usize| texture().size(w, h).init(Init::Noise);
    for (w, h) in [(4, 4), (4, 12)] {
        let mut session = small(w, h).build().unwrap();
        let image = picture("image", w, h);
        let (losses, gradient) = session.evaluate(&image).unwrap();
        assert!(losses.total.is_finite());
        let at = gradient.iter().map(|g| g.abs()).fold(0.0, f32::max);
        let i = gradient.iter().position(|g| g.abs() == at).unwrap();
        let mut pushed = |by: f32| {
            let mut pixels = image.pixels().to_vec();
            pixels[i] += by;
            session.evaluate(&Image::from_planar(w, h, pixels).unwrap()).unwrap().0.total
        };
        let slope = (pushed(0.25) - pushed(-0.25)) / 0.5;
        assert!((slope - f64::from(gradient[i])).abs() < 0.02 * slope.abs(), "{w} x {h}: {slope}, {}", gradient[i]);
    }
}

#[test]
fn sides_are_multiples() {
    let error = texture().size(16, 13).build().unwrap_err();
    assert!(error.kind() == ErrorKind::Shape && error.to_string().contains("use 16x16"), "{error}");
    let scales = vec![Scale { size: 21, iterations: 2, optimizer: None }];
    let mut session = texture().size(32, 24).scales(scales).iterations(2).build().unwrap();
    let first = session.image().unwrap();
    assert_eq!((first.width(), first.height()), (20, 16));
    session.run(|_| std::ops::ControlFlow::Continue(())).unwrap();
    let last = session.image().unwrap();
    assert_eq!((last.width(), last.height()), (32, 24));
    // Content targets know which they are.
    let network = Arc::new(network());
    let content = |seamless: bool| {
        let b = Session::builder(Arc::clone(&network)).without_style().content_layers(layers(&[("conv2_2", 1.0)]));
        b.seamless(seamless)
    };
    let targets = content(true).content(picture("content", 16, 12)).targets().unwrap();
    let error = content(false).with_targets(&targets).build().unwrap_err();
    assert!(error.to_string().contains("seamless"), "{error}");
    content(true).with_targets(&targets).build().unwrap();
    // Targets have no other size than the session.
    let odd = content(true).content(picture("content", 15, 12)).targets().unwrap_err();
    assert!(odd.kind() == ErrorKind::Shape && odd.to_string().contains("use 16x12"), "{odd}");
    let huge = texture().size(usize::MAX, 1).statistic(Patches { side: 1 });
    assert!(huge.plan().is_err() && huge.seamless(false).build().is_err());
}
