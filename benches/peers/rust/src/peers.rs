//! The libraries, each called in its cheapest way.

use burn_backend::TensorData;
use burn_backend::ops::{ConvOptions, ModuleOps};
use burn_flex::{Flex, FlexTensor};
use candle_core::{Device, Tensor};

use crate::Failure;
use crate::case::{Case, Shape};

pub(crate) trait Peer: Sized + 'static {
    const NAME: &str;
    /// The alternatives for backward-data; the fastest is reported.
    const BACKWARD: &[fn(&Self) -> Result<Self::Tensor, Failure>];
    type Tensor: 'static;

    fn new(case: &Case) -> Result<Self, Failure>;
    fn forward(&self) -> Result<Self::Tensor, Failure>;
    fn values(tensor: Self::Tensor) -> Result<Vec<f32>, Failure>;
}

pub(crate) struct Candle {
    x: Tensor,
    filters: Tensor,
    turned: Tensor,
    bias: Tensor,
    gradient: Tensor,
}

impl Peer for Candle {
    const NAME: &str = "candle 0.11.1";
    // its autograd calls conv_transpose2d, which takes two to three times as long, and also computes the filters' gradient
    const BACKWARD: &[fn(&Self) -> Result<Tensor, Failure>] = &[Self::convolve_turned];
    type Tensor = Tensor;

    fn new(case: &Case) -> Result<Self, Failure> {
        let Shape { in_channels, out_channels, height, width } = case.shape;
        let tensor = |values: &[f32], shape: [usize; 4]| Tensor::from_slice(values, &shape, &Device::Cpu);
        Ok(Self {
            x: tensor(&case.x, [1, in_channels, height, width])?,
            filters: tensor(&case.filters, [out_channels, in_channels, 3, 3])?,
            turned: tensor(&case.turned_filters(), [in_channels, out_channels, 3, 3])?,
            bias: tensor(&case.bias, [1, out_channels, 1, 1])?,
            gradient: tensor(&case.gradient, [1, out_channels, height, width])?,
        })
    }

    fn forward(&self) -> Result<Tensor, Failure> {
        Ok(self.x.conv2d(&self.filters, 1, 1, 1, 1)?.broadcast_add(&self.bias)?)
    }

    fn values(tensor: Tensor) -> Result<Vec<f32>, Failure> {
        Ok(tensor.flatten_all()?.to_vec1()?)
    }
}

impl Candle {
    fn convolve_turned(&self) -> Result<Tensor, Failure> {
        Ok(self.gradient.conv2d(&self.turned, 1, 1, 1, 1)?)
    }
}

pub(crate) struct Burn {
    x: FlexTensor,
    filters: FlexTensor,
    turned: FlexTensor,
    bias: FlexTensor,
    gradient: FlexTensor,
}

impl Peer for Burn {
    const NAME: &str = "burn-flex 0.22.1";
    // the second can be faster on one thread, the first on more
    const BACKWARD: &[fn(&Self) -> Result<FlexTensor, Failure>] = &[Self::convolve_turned, Self::own_backward];
    type Tensor = FlexTensor;

    fn new(case: &Case) -> Result<Self, Failure> {
        let Shape { in_channels, out_channels, height, width } = case.shape;
        let tensor = |values: &[f32], shape: &[usize]| FlexTensor::from_data(TensorData::new(values.to_vec(), shape));
        Ok(Self {
            x: tensor(&case.x, &[1, in_channels, height, width]),
            filters: tensor(&case.filters, &[out_channels, in_channels, 3, 3]),
            turned: tensor(&case.turned_filters(), &[in_channels, out_channels, 3, 3]),
            bias: tensor(&case.bias, &[out_channels]),
            gradient: tensor(&case.gradient, &[1, out_channels, height, width]),
        })
    }

    fn forward(&self) -> Result<FlexTensor, Failure> {
        Ok(Flex::conv2d(self.x.clone(), self.filters.clone(), Some(self.bias.clone()), padding_1()))
    }

    fn values(tensor: FlexTensor) -> Result<Vec<f32>, Failure> {
        tensor.into_data().try_to_vec().map_err(|e| format!("{e:?}").into())
    }
}

// clones of its tensors share their data
impl Burn {
    fn convolve_turned(&self) -> Result<FlexTensor, Failure> {
        Ok(Flex::conv2d(self.gradient.clone(), self.turned.clone(), None, padding_1()))
    }

    /// The function that its autodiff calls for the input gradient.
    fn own_backward(&self) -> Result<FlexTensor, Failure> {
        Ok(Flex::conv2d_x_backward(self.x.clone(), self.filters.clone(), self.gradient.clone(), padding_1()))
    }
}

fn padding_1() -> ConvOptions<2> {
    ConvOptions::new([1, 1], [1, 1], [1, 1], 1)
}
