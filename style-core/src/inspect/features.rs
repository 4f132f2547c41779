//! The features of a picture.

use std::sync::Arc;

use crate::alloc::zeros;
use crate::backend::Backend;
use crate::backend::ops::conv2d::Padding;
use crate::backend::ops::pool2d::Pooling;
use crate::backend::shape::Shape;
use crate::error::Result;
use crate::image::Image;
use crate::network::Network;
use crate::network::taps::Taps;
use crate::pass::chain::Chain;
use crate::pass::plan::ChainPlan;

/// One layer's response to a picture, after the ReLU or the pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// The layer.
    pub layer: String,
    /// `[1, C, H, W]`.
    pub shape: Shape,
    /// `[C, H, W]`, row-major.
    pub values: Vec<f32>,
}

impl<B: Backend> Network<B> {
    /// The features of a picture at the named layers, in chain order, without repeats. Pooling and padding are as in
    /// [`SessionBuilder`](crate::SessionBuilder::padding).
    ///
    /// # Errors
    /// `Argument` if a layer is unknown; `TooSmall` if the picture is too small for a layer; backend errors.
    pub fn features(
        &self,
        image: &Image,
        layers: &[&str],
        pooling: Pooling,
        padding: Padding,
    ) -> Result<Vec<Features>> {
        let positions = layers.iter().map(|l| self.position(l)).collect::<Result<Vec<_>>>()?;
        let taps = Taps::new(positions);
        let backend = self.backend();
        let plan = ChainPlan::new(self, image.shape(), &taps, pooling, padding, false, None)?;
        let mut workspace = backend.workspace(plan.workspace())?;
        let mut chain = Chain::new(backend, &[Arc::new(plan)])?;
        let mut features = vec![];
        chain.forward(self, &self.upload(image)?, &mut workspace, |tapped, _| {
            let shape = tapped.whole;
            let mut values = zeros(shape.len(), "features")?;
            backend.download(tapped.features, &mut values)?;
            features.push(Features { layer: self.layers[taps.positions()[tapped.tap]].name.clone(), shape, values });
            Ok(())
        })?;
        Ok(features)
    }
}
