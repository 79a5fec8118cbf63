//! An adapter while its tensors are matched with those of its base.

use super::increment::Increment;
use super::magnitude::Magnitude;
use super::rotation::Rotation;
use super::scaling::Scaling;
use crate::error::SourceError;
use crate::format::Quantization;
use crate::source::{Dtype, ParameterInfo, ParameterSource};
use std::collections::BTreeMap;
use std::path::Path;

/// A tensor of the resulting model.
#[derive(Debug)]
pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) dtype: Dtype,
    /// How the values of the base were quantized.
    pub(super) quantization: Option<Quantization>,
    pub(super) content: Content,
}

/// Where the values of a tensor of the resulting model come from.
#[derive(Debug)]
pub(super) enum Content {
    /// The tensor of the base, unchanged.
    Base,
    /// Stored whole in the adapter, under this name.
    Stored(String),
    /// A tensor that the adapter changes.
    Adapted(Box<Adapted>),
}

/// A tensor that the adapter changes.
#[derive(Debug)]
pub(super) struct Adapted {
    /// The stored name of the adapter's own copy, which is changed. `None` for the tensor of the base.
    pub(super) under: Option<String>,
    pub(super) change: Change,
}

/// How a tensor is changed.
#[derive(Debug)]
pub(super) enum Change {
    /// An increment is added. Then the lines of the sum may get stored magnitudes.
    Sum {
        increment: Box<Increment>,
        magnitude: Option<Magnitude>,
    },
    Rotation(Rotation),
    Scaling(Scaling),
}

/// An adapter while its tensors are matched with the base.
pub(super) struct Fit<'a> {
    /// The folder or file of the adapter.
    pub(super) path: &'a Path,
    pub(super) source: &'a dyn ParameterSource,
    /// The tensors that the adapter stores, by name.
    pub(super) stored: BTreeMap<String, ParameterInfo>,
    /// The tensors of the resulting model.
    pub(super) tensors: BTreeMap<String, Tensor>,
}

impl<'a> Fit<'a> {
    /// Begins with the base as it is.
    pub(super) fn new(
        path: &'a Path,
        source: &'a dyn ParameterSource,
        base: Vec<ParameterInfo>,
    ) -> Result<Self, SourceError> {
        let of_base = |p: ParameterInfo| {
            let ParameterInfo { name, shape, dtype, quantization } = p;
            (name, Tensor { shape, dtype, quantization, content: Content::Base })
        };
        let stored: BTreeMap<String, ParameterInfo> =
            source.parameters()?.into_iter().map(|info| (info.name.clone(), info)).collect();
        if stored.is_empty() {
            let expected = "the tensors of an adapter, the file has none: parts of a sharded model (ZeRO-3) must be gathered \
                            before an adapter is saved";
            return Err(SourceError::NoWeights { path: path.to_owned(), expected: expected.to_owned() });
        }
        Ok(Self { path, source, stored, tensors: base.into_iter().map(of_base).collect() })
    }

    pub(super) fn unsupported(&self, feature: String) -> SourceError {
        SourceError::AdapterUnsupported { path: self.path.to_owned(), feature }
    }

    pub(super) fn mismatch(&self, tensor: &str, found: String, expected: String) -> SourceError {
        SourceError::AdapterMismatch { path: self.path.to_owned(), tensor: tensor.to_owned(), found, expected }
    }

    /// Returns the shape of a stored tensor.
    pub(super) fn shape(&self, key: &str) -> &[usize] {
        self.stored.get(key).map_or(&[], |info| &info.shape)
    }

    /// Returns the number of elements of a stored tensor.
    pub(super) fn size(&self, key: &str) -> usize {
        super::increments::count(self.shape(key))
    }

    /// Reads a stored tensor that is one number.
    pub(super) fn number(&self, key: &str) -> Result<f32, SourceError> {
        if self.size(key) != 1 {
            return Err(self.mismatch(key, format!("shape {:?}", self.shape(key)), "one number".to_owned()));
        }
        let mut value = [0.0];
        self.source.read(key, 0, &mut value)?;
        match value[0] {
            v if v.is_finite() => Ok(v),
            v => Err(self.mismatch(key, v.to_string(), "a finite number".to_owned())),
        }
    }

    /// Changes a tensor. `keys` are the stored tensors that the change is computed from.
    pub(super) fn change(&mut self, target: &str, change: Change, keys: &[&String]) -> Result<(), SourceError> {
        self.check_bound(&change, keys.first().map_or(target, |key| key.as_str()))?;
        let of_adapter = keys.iter().filter_map(|key| self.stored.get(*key)).map(|info| info.dtype);
        let Some(tensor) = self.tensors.get(target) else { return Ok(()) };
        // A changed weight is not rounded back, so it is as precise as the most precise of its parts.
        let dtype = of_adapter.filter(|dtype| dtype.is_float()).fold(tensor.dtype, wider);
        let under = match &tensor.content {
            Content::Base => None,
            Content::Stored(key) => Some(key.clone()),
            Content::Adapted(_) => {
                let found = "a second change of the same tensor".to_owned();
                return Err(self.mismatch(target, found, "one change for each tensor".to_owned()));
            }
        };
        if !tensor.dtype.is_float() {
            let key = keys.first().map_or(target, |key| key.as_str());
            return Err(self.mismatch(key, format!("a base weight in {}", tensor.dtype), "floating point".to_owned()));
        }
        let content = Content::Adapted(Box::new(Adapted { under, change }));
        let shape = tensor.shape.clone();
        self.tensors.insert(target.to_owned(), Tensor { shape, dtype, quantization: None, content });
        Ok(())
    }

    /// Finds a tensor of the resulting model whose name ends like another one, for error messages.
    pub(super) fn near(&self, missing: &str) -> String {
        let last = |n: &str| n.rsplit('.').take(2).map(ToOwned::to_owned).collect::<Vec<_>>();
        let near = self.tensors.keys().find(|name| last(name) == last(missing));
        near.map_or(String::new(), |n| format!(" (it has `{n}`)"))
    }
}

fn wider(a: Dtype, b: Dtype) -> Dtype {
    match a.size().cmp(&b.size()) {
        std::cmp::Ordering::Greater => a,
        std::cmp::Ordering::Less => b,
        std::cmp::Ordering::Equal if a == b => a,
        // F16 cannot hold every BF16 and BF16 cannot hold every F16, so only F32 holds both.
        std::cmp::Ordering::Equal => Dtype::F32,
    }
}
