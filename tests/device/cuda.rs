//! CUDA behind a [`Device`], on a GPU or else on ptx-runner.

use style_transfer::backend::ops::{AdamStep, Conv2d, Conv2dOps, Epilogue, GramOps, LossOps, Rows, VectorOps};
use style_transfer::backend::{Acc, Backend, Shape, Storage};
use style_transfer::cpu::Cpu;
use style_transfer::cuda::{self, Cuda, Precision};
use style_transfer::{AdamOptions, Device, ErrorKind, Image, Init, Network, Optimizer, Result};

use crate::{builder, model, picture};

/// Installs ptx-runner as the process's driver if there is no GPU; returns whether it did.
fn is_emulated() -> bool {
    if cuda::devices().is_ok_and(|devices| !devices[0].name.contains("ptx-runner")) {
        return false;
    }
    ptx_runner::install().unwrap_or_else(|e| panic!("{e}"));
    true
}

/// The losses and the image of a session long enough to be recorded and replayed.
fn told<B: Backend>(backend: B, optimizer: Optimizer) -> (Vec<f64>, Image) {
    let mut session = builder(Network::new(backend, &model()).unwrap())
        .content(picture(12, 9, 7))
        .style(picture(9, 12, 31))
        .init(Init::Content)
        .optimizer(optimizer)
        .iterations(6)
        .build()
        .unwrap();
    let mut totals = vec![];
    while !session.is_finished() {
        totals.push(session.step().unwrap().losses.total);
        if is_emulated() && totals.len() == 4 {
            let live = ptx_runner::leaks().unwrap();
            assert!(live.iter().any(|l| l.contains("graph")), "no evaluation was recorded: {live:?}");
        }
    }
    (totals, session.image().unwrap())
}

#[test]
fn a_session_on_a_device_has_the_bits_of_the_backend() {
    is_emulated();
    for precision in [Precision::F32, Precision::F16] {
        for optimizer in [Optimizer::default(), Optimizer::Adam(AdamOptions::default())] {
            let cuda = || Cuda::builder().precision(precision).build().unwrap();
            let device = Device::from(cuda());
            assert_eq!(device.unit_roundoffs(), cuda().unit_roundoffs());
            assert_eq!(device.free_memory().is_some(), cuda().free_memory().is_some());
            assert!(told(device, optimizer) == told(cuda(), optimizer), "{precision:?}, {optimizer:?}");
        }
    }
}

#[test]
fn cuda_devices_have_names() {
    is_emulated();
    for name in ["best", "cuda", "cuda:0"] {
        let device = Device::by_name(name).unwrap();
        assert!(matches!(device, Device::Cuda(_)), "{name}");
        assert_eq!(device.name(), "cuda:0");
    }
    let first = &Device::available()[0];
    assert_eq!(first.name, "cuda:0");
    assert!(Device::best().unwrap().to_string().contains(&first.description));
    let part = &first.description[..first.description.len() - 1];
    assert_eq!(Device::by_name(&format!("cuda:{}", part.to_uppercase())).unwrap().name(), "cuda:0");
    assert_eq!(Device::by_name("cuda:no such model").unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn memory_of_another_device_is_an_error() {
    is_emulated();
    let refused = |what: &str, result: Result<()>| {
        let e = result.expect_err(what);
        assert_eq!(e.kind(), ErrorKind::Argument, "{what}: {e}");
        assert!(e.to_string().contains("another device"), "{what}: {e}");
    };
    let devices = [Device::from(Cpu::new().unwrap()), Device::from(Cuda::new().unwrap())];
    for (ours, theirs) in [(&devices[0], &devices[1]), (&devices[1], &devices[0])] {
        let shape = Shape::new(3, 4, 5);
        let (mut a, mut b) = (ours.tensor(shape).unwrap(), theirs.tensor(shape).unwrap());
        assert_eq!(ours.shape(&b), shape);
        refused("upload", ours.upload(&[0.0; 60], &mut b));
        refused("download", ours.download(&b, &mut [0.0; 60]));
        refused("reshape", ours.reshape(&mut b, shape));
        refused("reshape_gate", ours.reshape_gate(&mut theirs.gate(shape).unwrap(), shape));
        refused("reshape_switches", ours.reshape_switches(&mut theirs.switches(shape).unwrap(), shape));
        refused("read_scalars", ours.read_scalars(&theirs.scalars(1).unwrap(), &mut [0.0]));
        refused("copy", ours.copy(&b, &mut a));
        refused("dots", ours.dots(&[&a], &[&a, &b], &mut ours.scalars(2).unwrap(), 0));
        refused("combine", ours.combine(&[(1.0, &b)], &mut a));
        let step = AdamStep { rate: 1.0, beta1: 0.9, beta2: 0.999, correction2: 0.1, epsilon: 1e-8 };
        let [mut m, mut v] = [(); 2].map(|()| ours.tensor(shape).unwrap());
        refused("adam", ours.adam(&step, &b, &mut m, &mut v, &mut a));
        refused("a loss", ours.half_squared_distance(&a, &a, &mut theirs.scalars(1).unwrap(), 0));
        let mut workspace = theirs.workspace(ours.gram_workspace(shape)).unwrap();
        let mut g = ours.tensor(Shape::gram(3)).unwrap();
        refused("gram", ours.gram(&a, Rows::all(shape), 1.0, Acc::Store, &mut g, &mut workspace));

        let op = Conv2d::new(3, 8, 4, 5);
        let mut workspace = ours.workspace(ours.conv2d_workspace(&op)).unwrap();
        let [of_ours, of_theirs] = [ours, theirs].map(|device| device.pack(3, 8, &[0.0; 216], &[0.0; 8]).unwrap());
        let (mut y, mut gate) = (ours.tensor(op.output()).unwrap(), theirs.gate(op.output()).unwrap());
        refused("a filter", ours.conv2d_fwd(&op, &a, &of_theirs, Epilogue::Relu, &mut y, &mut workspace));
        let gated = Epilogue::ReluGate(&mut gate);
        refused("a gate", ours.conv2d_fwd(&op, &a, &of_ours, gated, &mut y, &mut workspace));
        refused("replay", ours.replay(&mut Default::default(), &a, &mut b).map(|_| ()));
    }
}
