//! Adapters, limits and errors.

mod common;

use std::sync::Arc;

use common::{model, picture, wgpu_or_skip};
use style_core::backend::ops::{Conv2dOps, HistoryOps, VectorOps};
use style_core::backend::{Shape, Storage};
use style_core::{ErrorKind, LayerWeight, Network, Session};
use style_wgpu::{AdapterKind, Wgpu, adapters};

#[test]
fn lists_adapters_or_says_what_is_missing() {
    match adapters() {
        Ok(adapters) => {
            assert!(!adapters.is_empty());
            for (i, adapter) in adapters.iter().enumerate() {
                println!("{adapter}");
                assert_eq!(adapter.index, i);
                assert!(!adapter.name.is_empty());
            }
        }
        Err(e) => {
            assert_eq!(e.kind(), ErrorKind::Unavailable);
            assert!(e.to_string().contains("CPU backend"), "no advice: {e}");
        }
    }
}

#[test]
fn software_is_used_only_if_asked_for() {
    if wgpu_or_skip().is_none() {
        return;
    }
    let all = adapters().unwrap();
    match Wgpu::new() {
        Ok(wgpu) => assert_ne!(wgpu.adapter().kind, AdapterKind::Software),
        Err(e) => {
            assert!(all.iter().all(|adapter| adapter.kind == AdapterKind::Software), "{e}");
            assert_eq!(e.kind(), ErrorKind::Unavailable);
            assert!(e.to_string().contains(&all[0].name) && e.to_string().contains("CPU backend"), "{e}");
        }
    }
    // By its index or its name, an adapter is asked for.
    let last = all.last().unwrap();
    assert_eq!(Wgpu::builder().adapter(last.index).build().unwrap().adapter(), last);
    let named = Wgpu::builder().named(last.name.to_uppercase()).build().unwrap();
    assert_eq!(named.adapter().name, last.name);
}

#[test]
fn no_such_adapter() {
    if wgpu_or_skip().is_none() {
        return;
    }
    for builder in [Wgpu::builder().adapter(99), Wgpu::builder().named("no such name")] {
        let e = builder.build().unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Unavailable);
        assert!(e.to_string().contains("available adapters: 0: "), "{e}");
    }
}

#[test]
fn tensors_of_two_devices_do_not_mix() {
    let (Some(first), Some(second)) = (wgpu_or_skip(), wgpu_or_skip()) else { return };
    let shape = Shape::new(3, 4, 5);
    let (x, mut y) = (first.tensor(shape).unwrap(), second.tensor(shape).unwrap());
    let e = first.copy(&x, &mut y).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Argument);
    assert!(e.to_string().contains("another `Wgpu`"), "{e}");
}

/// A device with a memory limit.
fn limited(bytes: usize) -> Option<Wgpu> {
    let adapter = wgpu_or_skip()?.adapter().index;
    Some(Wgpu::builder().adapter(adapter).memory(bytes).build().unwrap())
}

#[test]
fn memory_is_counted_and_limited() {
    let Some(wgpu) = limited(16 << 20) else { return };
    let before = wgpu.free_memory().unwrap();
    assert!(before < 16 << 20);
    let shape = Shape::new(16, 100, 100);
    let tensor = wgpu.tensor(shape).unwrap();
    assert_eq!(before - wgpu.free_memory().unwrap(), wgpu.tensor_bytes(shape));
    // Also what is allocated in addition to the values.
    let (odd, free) = (Shape::new(1, 5, 7), wgpu.free_memory().unwrap());
    let odds =
        (wgpu.tensor(odd).unwrap(), wgpu.gate(odd).unwrap(), wgpu.switches(odd).unwrap(), wgpu.half(odd).unwrap());
    let bytes = wgpu.tensor_bytes(odd) + wgpu.gate_bytes(odd) + wgpu.switches_bytes(odd) + wgpu.half_bytes(odd);
    assert_eq!(free - wgpu.free_memory().unwrap(), bytes);
    drop(odds);
    // Filters of a picture, and those that are transformed.
    for (read, written) in [(3, 5), (128, 256)] {
        let weight = vec![0.5; 9 * read * written];
        let filter = wgpu.pack(read, written, &weight, &vec![0.5; written]).unwrap();
        assert_eq!(free - wgpu.free_memory().unwrap(), wgpu.filter_bytes(read, written), "{read} to {written}");
        drop(filter);
    }
    let e = wgpu.tensor(Shape::new(64, 512, 512)).map(|_| ()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::OutOfMemory);
    drop(tensor);
    assert_eq!(wgpu.free_memory(), Some(before));
}

#[test]
fn threads_do_not_exceed_the_memory_limit_together() {
    let Some(wgpu) = limited(16 << 20) else { return };
    // Room for two of 5 MiB.
    let shape = Shape::new(1, 1280, 1024);
    assert!((10 << 20..15 << 20).contains(&wgpu.free_memory().unwrap()));
    let tensors = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| wgpu.tensor(shape))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(tensors.iter().filter(|tensor| tensor.is_ok()).count(), 2);
    assert!(tensors.into_iter().flat_map(Result::err).all(|e| e.kind() == ErrorKind::OutOfMemory));
    assert!((10 << 20..15 << 20).contains(&wgpu.free_memory().unwrap()));
}

#[test]
fn a_picture_that_does_not_fit_is_an_error_before_any_work() {
    let Some(wgpu) = limited(24 << 20) else { return };
    let network = Arc::new(Network::new(wgpu, &model()).unwrap());
    let builder = |width, height| {
        Session::builder(Arc::clone(&network))
            .content(picture("content", width, height))
            .style(picture("style", 16, 16))
            .content_layers(vec![LayerWeight::new("conv2_2", 1.0)])
            .style_layers(vec![LayerWeight::new("conv1_1", 1.0)])
    };
    let e = builder(2000, 1500).build().map(|_| ()).unwrap_err();
    let ErrorKind::MemoryExceeded { width, height, .. } = e.kind() else { panic!("{e}") };
    // The size that the error suggests does fit.
    assert!(width > 100 && height > 75, "{e}");
    builder(width, height).build().unwrap();
}

/// More workgroups than a dimension of a dispatch has are folded into two dimensions; `combine` takes several dispatches, and an
/// upload several slices.
#[test]
fn more_workgroups_than_a_dimension_has() {
    let Some(wgpu) = wgpu_or_skip() else { return };
    let shape = Shape::new(1, 65_536, 257);
    let (mut x, mut y) = (wgpu.tensor(shape).unwrap(), wgpu.tensor(shape).unwrap());
    let values: Vec<f32> = (0..shape.len()).map(|i| (i % 1009) as f32).collect();
    wgpu.upload(&values, &mut x).unwrap();
    wgpu.copy(&x, &mut y).unwrap();
    let mut copied = vec![0.0; shape.len()];
    wgpu.download(&y, &mut copied).unwrap();
    assert!(copied == values);
    let (mut out, mut sum) = (wgpu.scalars(1).unwrap(), [0.0]);
    wgpu.dots(&[&x], &[&y], &mut out, 0).unwrap();
    wgpu.read_scalars(&out, &mut sum).unwrap();
    let want: f64 = values.iter().map(|&v| f64::from(v).powi(2)).sum();
    assert!((sum[0] - want).abs() < 1e-7 * want, "{} instead of {want}", sum[0]);
    wgpu.combine(&[(2.0, &x), (-1.0, &x)], &mut y).unwrap();
    wgpu.download(&y, &mut copied).unwrap();
    assert!(copied == values);
}

#[test]
fn a_buffer_that_the_device_cannot_bind_is_refused() {
    let Some(wgpu) = wgpu_or_skip() else { return };
    let e = wgpu.tensor(Shape::new(1024, 65_536, 65_536)).map(|_| ()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::OutOfMemory);
    assert!(e.to_string().contains("in one buffer"), "{e}");
}
