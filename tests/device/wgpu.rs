//! wgpu behind a [`Device`], on a GPU or else on a software driver.

use style_transfer::backend::ops::VectorOps;
use style_transfer::backend::{Backend, Shape, Storage};
use style_transfer::cpu::Cpu;
use style_transfer::wgpu::{AdapterKind, Wgpu, adapters};
use style_transfer::{Device, ErrorKind, Image, Init, Network};

use crate::{builder, model, picture};

/// The adapter that `STYLE_WGPU_ADAPTER` names, or else the best one, software drivers included. `None`, with a note, if neither is
/// there to test.
fn wgpu() -> Option<Wgpu> {
    let mut builder = Wgpu::builder().software(true);
    let name = std::env::var("STYLE_WGPU_ADAPTER").ok();
    if let Some(name) = &name {
        builder = builder.named(name);
    }
    match builder.build() {
        Ok(wgpu) => Some(wgpu),
        Err(e) if e.kind() == ErrorKind::Unavailable && name.is_none() => {
            eprintln!("SKIPPED: {e}");
            None
        }
        Err(e) => panic!("{e}"),
    }
}

/// The losses and the image of a session.
fn told<B: Backend>(backend: B) -> (Vec<f64>, Image) {
    let mut session = builder(Network::new(backend, &model()).unwrap())
        .content(picture(12, 9, 7))
        .style(picture(9, 12, 31))
        .init(Init::Content)
        .iterations(6)
        .build()
        .unwrap();
    let mut totals = vec![];
    while !session.is_finished() {
        totals.push(session.step().unwrap().losses.total);
    }
    (totals, session.image().unwrap())
}

#[test]
fn a_session_on_a_device_has_the_bits_of_the_backend() {
    let (Some(first), Some(second)) = (wgpu(), wgpu()) else { return };
    assert!(told(Device::from(first)) == told(second));
}

#[test]
fn wgpu_adapters_have_names() {
    let Some(wgpu) = wgpu() else { return };
    let index = wgpu.adapter().index;
    let device = Device::by_name(&format!("wgpu:{index}")).unwrap();
    assert_eq!(device.name(), format!("wgpu:{index}"));
    assert!(device.to_string().contains(&wgpu.adapter().name), "{device}");
    let named = Device::by_name(&format!("wgpu:{}", wgpu.adapter().name.to_uppercase())).unwrap();
    assert!(matches!(named, Device::Wgpu(_)));
    assert_eq!(Device::by_name("wgpu:no such model").unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn a_software_driver_is_not_chosen_unasked() {
    if wgpu().is_none() || adapters().unwrap().iter().any(|adapter| adapter.kind != AdapterKind::Software) {
        return;
    }
    assert!(!matches!(Device::best().unwrap(), Device::Wgpu(_)));
    assert_eq!(Device::by_name("wgpu").unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(!Device::available().iter().any(|device| device.name.starts_with("wgpu")));
}

#[test]
fn memory_of_another_device_is_an_error() {
    let Some(wgpu) = wgpu() else { return };
    let devices = [Device::from(Cpu::new().unwrap()), Device::from(wgpu)];
    for (ours, theirs) in [(&devices[0], &devices[1]), (&devices[1], &devices[0])] {
        let shape = Shape::new(3, 4, 5);
        let (mut a, b) = (ours.tensor(shape).unwrap(), theirs.tensor(shape).unwrap());
        let e = ours.copy(&b, &mut a).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Argument);
        assert!(e.to_string().contains("another device"), "{e}");
    }
}
