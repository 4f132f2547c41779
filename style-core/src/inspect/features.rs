//! The features of a picture.

use std::sync::Arc;

#[cfg(feature = "ndarray")]
use ndarray::Array3;

use crate::alloc::zeros;
use crate::backend::Backend;
use crate::backend::ops::conv2d::Padding;
use crate::backend::ops::pool2d::Pooling;
use crate::backend::shape::Shape;
use crate::error::Result;
#[cfg(feature = "ndarray")]
use crate::error::{Error, ErrorKind};
use crate::image::Image;
use crate::network::Network;
use crate::network::taps::Taps;
use crate::pass::chain::Chain;
use crate::pass::plan::ChainPlan;

/// One layer's response to a picture, after the ReLU or the pool.
///
/// Feature `ndarray` adds `TryFrom<Features> for ndarray::Array3<f32>`, `[C, H, W]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// The layer.
    pub layer: String,
    /// `[1, C, H, W]`.
    pub shape: Shape,
    /// `[C, H, W]`, row-major.
    pub values: Vec<f32>,
}

/// `[C, H, W]`, without a copy.
#[cfg(feature = "ndarray")]
impl TryFrom<Features> for Array3<f32> {
    type Error = Error;

    /// # Errors
    /// `Shape` if the values are not as many as the shape says, which those of [`Network::features`] are.
    fn try_from(features: Features) -> Result<Self> {
        let Shape { channels, height, width } = features.shape;
        let (found, shape) = (features.values.len(), features.shape);
        Self::from_shape_vec((channels, height, width), features.values).map_err(|e| {
            let message = format!("features {shape} have {} values, but {found} were given", shape.len());
            Error::new(ErrorKind::Shape, message).with_source(e)
        })
    }
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
