//! safetensors: a length, a JSON header, and the values. `crate::save` writes it.
//!
//! Besides the usual types, an I8 tensor `NAME` with an F32 tensor `NAME_scale` of its first dimension represents
//! `q[o, ...] * scale[o]`: the form of the embedded weights. The metadata entry `input_space` is `caffe`,
//! `torchvision`, or `ORDER;RANGE;MEAN,MEAN,MEAN;STD,STD,STD` (`bgr;255;103.939,116.779,123.68;1,1,1`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use style_core::{InputSpace, Result};

use crate::source::Source;
use crate::space::{self, INPUT_SPACE};
use crate::tensors::{Number, Tensors, zeros};
use crate::threads;

/// VGG's headers take a few kilobytes.
const MAX_HEADER: u64 = 8 << 20;

/// An opened safetensors file.
pub(crate) struct Safetensors {
    source: Source,
    /// Offset of the values.
    start: u64,
    tensors: BTreeMap<String, TensorInfo>,
    input_space: Option<String>,
}

impl Safetensors {
    pub(crate) fn open(source: &Source) -> Result<Self> {
        let damaged = |why: &dyn std::fmt::Display| {
            source.bad(format!("the safetensors header is damaged ({why}); download the file again"))
        };
        let length = source.read(0, 8)?.try_into().map(u64::from_le_bytes).unwrap_or(u64::MAX);
        if length > MAX_HEADER {
            return Err(damaged(&format!("its declared size is {length} bytes")));
        }
        let header = source.read(8, length)?;
        let header: Metadata = serde_json::from_slice(&header).map_err(|e| damaged(&e).with_source(e))?;
        let start = 8 + length;
        let held = source.len().saturating_sub(start);
        if header.data_len() as u64 != held {
            return Err(source.bad(format!(
                "expected {} bytes of tensors, found {held}; the file is truncated or damaged, download it again",
                header.data_len()
            )));
        }
        let input_space = header.metadata().as_ref().and_then(|m| m.get(INPUT_SPACE).cloned());
        let tensors = header.tensors().into_iter().map(|(name, info)| (name, info.clone())).collect();
        Ok(Self { source: source.clone(), start, tensors, input_space })
    }

    fn info(&self, name: &str) -> Result<&TensorInfo> {
        self.tensors.get(name).ok_or_else(|| self.source.bad(format!("{name} is missing; download the file again")))
    }

    fn bytes(&self, info: &TensorInfo) -> Result<Cow<'_, [u8]>> {
        let (from, to) = info.data_offsets;
        self.source.bytes(self.start + from as u64, to.saturating_sub(from) as u64)
    }

    /// `q * scale`, with one scale per entry of the first dimension.
    fn dequantise(&self, name: &str, info: &TensorInfo) -> Result<Vec<f32>> {
        let scale_name = format!("{name}_scale");
        let scale_info = self.info(&scale_name)?;
        let rows = info.shape.first().copied().unwrap_or(0);
        if scale_info.dtype != Dtype::F32 || scale_info.shape != [rows] || rows == 0 {
            return Err(self.source.bad(format!(
                "expected {rows} F32 values in {scale_name}, one for each row of {name}; download the file again"
            )));
        }
        let scales = Number::F32.decode(&self.bytes(scale_info)?)?;
        let bytes = self.bytes(info)?;
        let len = (bytes.len() / rows).max(1);
        let mut values = zeros(bytes.len())?;
        let rows = values.chunks_exact_mut(len).zip(bytes.chunks_exact(len)).zip(scales);
        threads::for_each(rows.collect(), |((values, row), scale)| {
            values.iter_mut().zip(row).for_each(|(value, q)| *value = f32::from(q.cast_signed()) * scale);
        });
        Ok(values)
    }
}

impl Tensors for Safetensors {
    fn list(&self) -> Vec<(&str, &[usize])> {
        self.tensors.iter().map(|(name, info)| (name.as_str(), info.shape.as_slice())).collect()
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>> {
        let info = self.info(name)?;
        let number = match info.dtype {
            Dtype::I8 => return self.dequantise(name, info),
            Dtype::F16 => Number::F16,
            Dtype::BF16 => Number::Bf16,
            Dtype::F32 => Number::F32,
            Dtype::F64 => Number::F64,
            other => {
                return Err(self
                    .source
                    .bad(format!("expected F16, BF16, F32, F64 or scaled I8 in {name}, found {other:?}; convert it")));
            }
        };
        number.decode(&self.bytes(info)?)
    }

    fn input_space(&self) -> Option<Result<InputSpace>> {
        let text = self.input_space.as_deref()?;
        Some(space::parse(text).ok_or_else(|| {
            self.source.bad(format!("invalid input_space {text:?} in the metadata; use `caffe` or `torchvision`"))
        }))
    }
}
