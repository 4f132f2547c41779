//! Unusable drivers and devices, and cleanup after errors, on ptx-runner, which can simulate all of them.

mod common;

use std::sync::Arc;

use common::{model, picture, runs_on};
use cudarc::driver::result;
use ptx_runner::{Configured, Device, configure, leaks};
use style_core::backend::ops::VectorOps;
use style_core::backend::{Shape, Storage};
use style_core::{AdamOptions, ErrorKind, LayerWeight, Network, Optimizer, Session, SessionBuilder};
use style_cuda::{Cuda, Precision};

/// A simulated device with the test's settings; `None` on a real GPU.
fn device(change: impl FnOnce(&mut Device)) -> Option<Configured> {
    let mut device = Device::default();
    change(&mut device);
    (runs_on() == "ptx-runner").then(|| configure(device).unwrap())
}

fn refused(precision: Precision) -> (ErrorKind, String) {
    let e = Cuda::builder().precision(precision).build().expect_err("no such device should do");
    (e.kind(), e.to_string())
}

fn builder(network: &Arc<Network<Cuda>>, width: usize, height: usize) -> SessionBuilder<Cuda> {
    Session::builder(Arc::clone(network))
        .content(picture("content", width, height))
        .style(picture("style", 16, 16))
        .content_layers(vec![LayerWeight::new("conv2_2", 1.0)])
        .style_layers(vec![LayerWeight::new("conv1_1", 1.0)])
}

#[test]
fn no_device() {
    let Some(_device) = device(|d| d.devices = 0) else { return };
    let (kind, message) = refused(Precision::F32);
    assert_eq!(kind, ErrorKind::Unavailable);
    assert!(message.contains("no CUDA device") && message.contains("CPU backend"), "{message}");
}

#[test]
fn no_such_device() {
    let Some(_device) = device(|d| d.devices = 2) else { return };
    for builder in [Cuda::builder().device(2), Cuda::builder().named("h100")] {
        let e = builder.build().unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Unavailable);
        assert!(e.to_string().contains("available devices: 0: ptx-runner"), "{e}");
    }
    assert_eq!(Cuda::builder().device(1).build().unwrap().device().index, 1);
    assert_eq!(Cuda::builder().named("PTX-Runner").build().unwrap().device().index, 0);
}

#[test]
fn capability_too_low() {
    for (version, precision, advice) in [
        ((7, 0), Precision::F32, "CPU backend"),
        ((7, 0), Precision::F16, "CPU backend"),
        ((7, 5), Precision::F16, "Precision::F32"),
        ((7, 5), Precision::Bf16, "Precision::F32"),
    ] {
        let Some(_device) = device(|d| (d.major, d.minor) = version) else { return };
        let (kind, message) = refused(precision);
        assert_eq!(kind, ErrorKind::Unavailable);
        assert!(message.contains(&format!("{}.{}", version.0, version.1)) && message.contains(advice), "{message}");
    }
    let Some(_device) = device(|d| (d.major, d.minor) = (7, 5)) else { return };
    Cuda::new().unwrap();
}

#[test]
fn driver_too_old() {
    let Some(_device) = device(|d| d.driver = 10_020) else { return };
    let (kind, message) = refused(Precision::F32);
    assert_eq!(kind, ErrorKind::Unavailable);
    assert!(message.contains("10.2") && message.contains("11.0"), "{message}");
}

#[test]
fn a_picture_that_does_not_fit_is_an_error_before_any_work() {
    let Some(_device) = device(|d| d.memory = 24 << 20) else { return };
    let network = Arc::new(Network::new(Cuda::new().unwrap(), &model()).unwrap());
    ptx_runner::forget_launches().unwrap();
    let e = builder(&network, 2000, 1500).build().unwrap_err();
    let ErrorKind::MemoryExceeded { width, height, .. } = e.kind() else { panic!("{e}") };
    assert!(ptx_runner::launches().unwrap().is_empty());
    // The size that the error suggests does fit.
    assert!(width > 100 && height > 75, "{e}");
    builder(&network, width, height).build().unwrap();
}

#[test]
fn a_picture_that_does_not_fit_whole_is_cut_into_tiles() {
    let losses = |memory: usize| {
        let _device = device(|d| d.memory = memory as _)?;
        let network = Arc::new(Network::new(Cuda::new().unwrap(), &model()).unwrap());
        let builder = builder(&network, 160, 120).optimizer(Optimizer::Adam(AdamOptions::default()));
        let tiles = builder.plan().unwrap().tiles;
        let mut session = builder.build().unwrap();
        Some((tiles, [(); 2].map(|()| session.step().unwrap().losses.total)))
    };
    let (Some((one, whole)), Some((many, tiled))) = (losses(64 << 20), losses(5200 << 10)) else { return };
    assert!(one == [1, 1] && many != [1, 1], "{one:?} {many:?}");
    whole.iter().zip(tiled).for_each(|(a, b)| assert!((a - b).abs() < 1e-4 * b, "{a} is not {b}"));
}

#[test]
fn the_plan_is_what_is_taken() {
    for precision in [Precision::F32, Precision::F16] {
        let Some(_device) = device(|_| {}) else { return };
        let cuda = Cuda::builder().precision(precision).build().unwrap();
        let network = Arc::new(Network::new(cuda, &model()).unwrap());
        let free = || network.backend().free_memory().unwrap();
        let before = free();
        let builder = builder(&network, 96, 80);
        let plan = builder.plan().unwrap();
        let planned = plan.peak() - plan.filters - plan.pictures;
        let session = builder.build().unwrap();
        let taken = before - free();
        let off = (taken as f64 - planned as f64) / planned as f64;
        assert!(off.abs() < 0.02, "{precision:?}: {taken} bytes allocated, {planned} planned");
        drop(session);
        assert_eq!(free(), before);
    }
}

#[test]
fn an_allocation_that_fails_is_an_error_and_leaves_nothing() {
    let Some(_device) = device(|d| d.memory = 24 << 20) else { return };
    let cuda = Cuda::new().unwrap();
    let free = cuda.free_memory().unwrap();
    let e = cuda.tensor(Shape::new(3, 4000, 4000)).err().unwrap();
    assert_eq!(e.kind(), ErrorKind::OutOfMemory);
    assert!(e.to_string().contains("192000000 bytes"), "{e}");
    assert_eq!(cuda.free_memory().unwrap(), free);
}

#[test]
fn a_device_that_is_lost_is_an_error_and_no_panic() {
    for launch in [1, 3, 40, 200] {
        let Some(_device) = device(|d| d.lost_at_launch = launch) else { return };
        let network = Arc::new(Network::new(Cuda::new().unwrap(), &model()).unwrap());
        let lost = |e: style_core::Error| {
            assert_eq!(e.kind(), ErrorKind::DeviceLost, "{e}");
            assert!(e.to_string().contains("nvidia-smi"), "{e}");
        };
        match builder(&network, 12, 9).iterations(20).build() {
            Err(e) => lost(e),
            Ok(mut session) => {
                lost(session.run(|_| std::ops::ControlFlow::Continue(())).unwrap_err());
                lost(session.image().unwrap_err());
            }
        }
    }
}

#[test]
fn the_callers_context_stays_current() {
    let Some(_device) = device(|d| d.devices = 2) else { return };
    result::init().unwrap();
    let handle = result::device::get(1).unwrap();
    // SAFETY: the handle is valid, and the context is released below.
    let theirs = unsafe { result::primary_ctx::retain(handle) }.unwrap();
    // SAFETY: retained just now.
    unsafe { result::ctx::set_current(theirs) }.unwrap();
    let cuda = Cuda::new().unwrap();
    let mut tensor = cuda.tensor(Shape::new(3, 2, 2)).unwrap();
    cuda.upload(&[1.0; 12], &mut tensor).unwrap();
    assert_eq!(result::ctx::get_current().unwrap(), Some(theirs));
    drop((tensor, cuda));
    assert_eq!(result::ctx::get_current().unwrap(), Some(theirs));
    // SAFETY: retained above and not used afterwards.
    unsafe { result::primary_ctx::release(handle) }.unwrap();
}

#[test]
fn two_backends_do_not_mix() {
    let Some(_device) = device(|_| {}) else { return };
    let (one, other) = (Cuda::new().unwrap(), Cuda::new().unwrap());
    let shape = Shape::new(3, 2, 2);
    let (a, mut b) = (one.tensor(shape).unwrap(), other.tensor(shape).unwrap());
    let e = one.copy(&a, &mut b).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Argument);
    assert!(e.to_string().contains("another `Cuda`"), "{e}");
}

#[test]
fn many_threads_share_a_backend() {
    let Some(_device) = device(|_| {}) else { return };
    let network = Arc::new(Network::new(Cuda::new().unwrap(), &model()).unwrap());
    let totals = || {
        let mut session = builder(&network, 12, 9).iterations(5).build().unwrap();
        (0..5).map(|_| session.step().unwrap().losses.total).collect::<Vec<_>>()
    };
    let alone = totals();
    std::thread::scope(|scope| {
        let others: Vec<_> = (0..3).map(|_| scope.spawn(totals)).collect();
        others.into_iter().for_each(|other| assert_eq!(other.join().unwrap(), alone));
    });
}

#[test]
fn nothing_is_left_behind() {
    let Some(_device) = device(|_| {}) else { return };
    {
        let network = Arc::new(Network::new(Cuda::new().unwrap(), &model()).unwrap());
        let mut session = builder(&network, 12, 9).iterations(6).build().unwrap();
        session.run(|_| std::ops::ControlFlow::Continue(())).unwrap();
        let live = leaks().unwrap();
        assert!(live.iter().any(|l| l.contains("graph")), "no evaluation was recorded: {live:?}");
    }
    assert_eq!(leaks().unwrap(), Vec::<String>::new());
}
