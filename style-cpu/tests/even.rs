//! The Wasserstein distance of even pictures, whose covariances are nothing but rounding errors.

use style_core::statistics::Wasserstein;
use style_core::{ConvLayer, Image, InputSpace, Layer, Model, Network, Session};
use style_cpu::Cpu;
use testkit::Rng;

/// A convolution of `channels` channels on each of two even pictures, as content and as style: the losses are finite.
#[test]
fn an_even_picture_has_a_distance() {
    for channels in [64, 512] {
        let mut rng = Rng::new("even");
        let weight = (0..27 * channels).map(|_| (0.3 * rng.unit()) as f32).collect();
        let bias = (0..channels).map(|_| (20.0 * rng.unit()) as f32).collect();
        let conv = ConvLayer { name: "conv1_1".into(), in_channels: 3, out_channels: channels, weight, bias };
        let model = Model::new("even", InputSpace::CAFFE, vec![Layer::Conv(conv)]).unwrap();
        let network = std::sync::Arc::new(Network::new(Cpu::new().unwrap(), &model).unwrap());
        let even = |value: [f32; 3], side: usize| {
            let pixels = value.into_iter().flat_map(|v| vec![v; side * side]).collect();
            Image::from_planar(side, side, pixels).unwrap()
        };
        let mut spotted = even([200.0, 10.0, 30.0], 48).into_pixels();
        spotted[100] = 0.0;
        let spotted = Image::from_planar(48, 48, spotted).unwrap();
        for style in [even([128.0; 3], 33), even([0.0; 3], 60), even([255.0, 0.0, 9.0], 40), spotted] {
            let b = Session::builder(network.clone()).without_content().style(style).size(40, 37);
            let b = b.style_layers([("conv1_1", 1.0)]).statistic(Wasserstein).iterations(4);
            let mut session = b.build().unwrap();
            for picture in [even([128.0; 3], 37), even([3.0, 250.0, 7.0], 37)] {
                let picture = picture.resized(40, 37).unwrap();
                let (losses, gradient) = session.evaluate(&picture).unwrap();
                assert!(losses.total.is_finite() && gradient.iter().all(|g| g.is_finite()), "{losses:?}");
            }
            session.run(|_| std::ops::ControlFlow::Continue(())).unwrap();
            assert!(session.image().unwrap().pixels().iter().all(|v| v.is_finite()));
        }
    }
}
