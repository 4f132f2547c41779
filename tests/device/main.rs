//! The backend chosen at run time: what it is called, and that it paints as the backend inside does.

#[cfg(feature = "cuda")]
mod cuda;
mod same;
#[cfg(feature = "wgpu")]
mod wgpu;

use std::sync::Arc;

use style_transfer::backend::Backend;
use style_transfer::cpu::Cpu;
use style_transfer::inspect::Probe;
use style_transfer::{
    ConvLayer, Device, ErrorKind, Image, InputSpace, Layer, Model, Network, Session, SessionBuilder, Targets,
};

/// Three convolutions of few channels, and a pool.
fn model() -> Model {
    let conv = |name: &str, in_channels: usize, out_channels: usize| {
        let weight = (0..9 * in_channels * out_channels).map(|i| (i * 89 % 101) as f32 / 500.0 - 0.1).collect();
        Layer::Conv(ConvLayer { name: name.into(), in_channels, out_channels, weight, bias: vec![1.0; out_channels] })
    };
    let pool = Layer::Pool { name: "pool1".into() };
    let layers = vec![conv("conv1_1", 3, 8), conv("conv1_2", 8, 16), pool, conv("conv2_1", 16, 24)];
    Model::new("small", InputSpace::CAFFE, layers).unwrap()
}

fn picture(width: usize, height: usize, seed: usize) -> Image {
    let value = |i: usize| (i * (37 + seed) % 251) as f32 * 0.6 + (i / 13 % (7 + seed)) as f32 * 12.0;
    Image::from_planar(width, height, (0..3 * width * height).map(value).collect()).unwrap()
}

/// A session with losses at the layers of the model.
fn builder<B: Backend>(network: impl Into<Arc<Network<B>>>) -> SessionBuilder<B> {
    Session::builder(network)
        .content_layers([("conv2_1", 0.5)])
        .style_layers(["conv1_1", "conv1_2", "conv2_1"].map(|name| (name, 0.5)))
}

/// An application's state, without a type parameter.
struct State {
    session: Session,
}

#[test]
fn an_application_needs_no_type_parameter() {
    let network: Network = Network::new(Device::by_name("cpu").unwrap(), &model()).unwrap();
    let builder: SessionBuilder = builder(network).content(picture(16, 16, 1)).style(picture(16, 16, 2)).iterations(1);
    let mut state = State { session: builder.build().unwrap() };
    assert!(state.session.step().unwrap().losses.total.is_finite());
}

#[test]
fn state_goes_to_other_threads() {
    fn is_sent_and_shared<T: Send + Sync>() {}
    is_sent_and_shared::<State>();
    is_sent_and_shared::<(Device, Network, SessionBuilder, Session, Targets, Probe)>();
    is_sent_and_shared::<(Network<Cpu>, SessionBuilder<Cpu>, Session<Cpu>, Targets<Cpu>, Probe<Cpu>)>();
}

#[test]
fn devices_have_names() {
    let cpu: Device = "cpu".parse().unwrap();
    assert!(matches!(cpu, Device::Cpu(_)));
    assert_eq!(cpu.name(), "cpu");
    assert!(cpu.to_string().starts_with("cpu ("), "{cpu}");

    let available = Device::available();
    let names: Vec<_> = available.iter().map(|device| device.name.as_str()).collect();
    assert_eq!(names.last(), Some(&"cpu"));
    assert!(names.contains(&Device::best().unwrap().name().as_str()), "{names:?}");
    assert_eq!(Device::best().unwrap().name(), Device::by_name("best").unwrap().name());
    assert!(!available.iter().any(|device| device.description.is_empty()), "{available:?}");
}

#[test]
fn a_device_that_cannot_be_opened_is_an_error() {
    for name in ["", "gpu", "CPU", "cpu:1", "cuda:", "wgpu:", "best:1"] {
        let e = Device::by_name(name).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Argument, "{e}");
        assert!(e.to_string().contains(&format!("\"{name}\"")) && e.to_string().contains("cuda:0"), "{e}");
    }
    let e = Device::by_name("cuda:1000000").unwrap_err();
    if cfg!(feature = "cuda") {
        assert_eq!(e.kind(), ErrorKind::Unavailable, "{e}");
    } else {
        assert_eq!(e.kind(), ErrorKind::Unsupported, "{e}");
        assert!(e.to_string().contains("feature \"cuda\""), "{e}");
    }
    let e = Device::by_name("wgpu:1000000").unwrap_err();
    if cfg!(feature = "wgpu") {
        assert_eq!(e.kind(), ErrorKind::Unavailable, "{e}");
    } else {
        assert_eq!(e.kind(), ErrorKind::Unsupported, "{e}");
        assert!(e.to_string().contains("feature \"wgpu\""), "{e}");
    }
}
