//! What is asked of weights, and what they are.

use style_core::{InputSpace, Model};

use crate::format::Format;
use crate::space::{self, InputSpaceSource};
use crate::vgg::Vgg;

/// Options for [`crate::load`]: the expected network and the input space. The default accepts any.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LoadOptions {
    pub(crate) vgg: Option<Vgg>,
    pub(crate) input: Option<InputSpace>,
}

impl LoadOptions {
    /// The network that the file must hold. By default either is accepted; a file that ends before `conv3_4`, where the
    /// two are identical, counts as VGG-16.
    #[must_use]
    pub fn network(mut self, vgg: Vgg) -> Self {
        self.vgg = Some(vgg);
        self
    }

    /// The input space of the weights, for files whose family does not determine it.
    #[must_use]
    pub fn input_space(mut self, input: InputSpace) -> Self {
        self.input = Some(input);
        self
    }
}

/// A loaded weight file.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub(crate) model: Model,
    pub(crate) vgg: Vgg,
    pub(crate) format: Format,
    pub(crate) sha256: String,
    pub(crate) input_source: InputSpaceSource,
}

impl Loaded {
    /// The network with its weights: the chain up to the last convolution in the file.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The model alone, by value.
    #[must_use]
    pub fn into_model(self) -> Model {
        self.model
    }

    /// The network that the file holds.
    #[must_use]
    pub fn vgg(&self) -> Vgg {
        self.vgg
    }

    /// The file's format.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The source of the model's input space. If it is [`InputSpaceSource::Assumed`], find it out and set it with
    /// [`LoadOptions::input_space`]: weights in the wrong space load and paint, but give poor results.
    #[must_use]
    pub fn input_space_source(&self) -> InputSpaceSource {
        self.input_source
    }

    /// The model's input space in a word or two, for example `caffe` or `torchvision`.
    #[must_use]
    pub fn input_space_name(&self) -> String {
        space::describe(self.model.input())
    }

    /// SHA-256 of the whole file, 64 lower-case hexadecimal digits; for a folder, of its `.npy` files concatenated in
    /// the order of their names.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}
