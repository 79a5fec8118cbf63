//! The tensors of a model while schemes look for theirs.

use super::{Dequantize, QuantizationConfig, Quantized, Tensor};
use crate::error::SourceError;
use crate::format::{ParameterInfo, Quantization};
use crate::source::ParameterSource;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The tensors of a model, and those that a scheme has taken.
pub(super) struct Search<'a> {
    pub(super) source: &'a dyn ParameterSource,
    pub(super) config: &'a QuantizationConfig,
    path: &'a Path,
    stored: BTreeMap<String, ParameterInfo>,
    /// The names of tensors that are pieces of quantized ones.
    taken: BTreeSet<String>,
    found: BTreeMap<String, Quantized>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        source: &'a dyn ParameterSource,
        path: &'a Path,
        config: &'a QuantizationConfig,
        stored: Vec<ParameterInfo>,
    ) -> Self {
        let stored = stored.into_iter().map(|info| (info.name.clone(), info)).collect();
        Self { source, config, path, stored, taken: BTreeSet::new(), found: BTreeMap::new() }
    }

    /// Returns the tensors that no scheme has taken, sorted by name.
    pub(super) fn rest(&self) -> impl Iterator<Item = &ParameterInfo> {
        self.stored.values().filter(|info| !self.taken.contains(&info.name))
    }

    /// Returns the number of values of all tensors that are stored.
    pub(super) fn stored_size(&self) -> usize {
        self.stored.values().fold(0, |sum, info| sum.saturating_add(info.size()))
    }

    /// Whether some tensor is quantized.
    pub(super) fn found_some(&self) -> bool {
        !self.found.is_empty()
    }

    /// Returns a tensor that no scheme has taken.
    pub(super) fn tensor(&self, name: &str) -> Option<ParameterInfo> {
        self.stored.get(name).filter(|info| !self.taken.contains(&info.name)).cloned()
    }

    /// Returns what stands before `end` in the names of the tensors that no scheme has taken.
    pub(super) fn before(&self, end: &str) -> Vec<String> {
        self.rest().filter_map(|info| info.name.strip_suffix(end)).map(ToOwned::to_owned).collect()
    }

    /// Returns a tensor that another one needs.
    pub(super) fn needed(&self, name: &str, by: &str) -> Result<ParameterInfo, SourceError> {
        let missing = || self.malformed(format!("tensor `{by}` needs a tensor `{name}`, found none"));
        self.tensor(name).ok_or_else(missing)
    }

    /// Adds a quantized tensor. `parts` are the stored tensors that it consists of; those that do not exist are ignored.
    pub(super) fn add(
        &mut self,
        name: &str,
        shape: Vec<usize>,
        method: impl Into<String>,
        parts: &[String],
        decode: impl Dequantize + 'static,
    ) -> Result<(), SourceError> {
        let Some(size) = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) else {
            return Err(SourceError::ShapeOverflow { path: self.path.to_owned(), tensor: name.to_owned(), shape });
        };
        let plain = self.stored.contains_key(name) && !parts.iter().any(|part| part == name);
        if plain || self.found.contains_key(name) {
            return Err(SourceError::DuplicateTensor { path: self.path.to_owned(), tensor: name.to_owned() });
        }
        self.take(parts);
        let method = Quantization::new(method.into());
        self.found.insert(name.to_owned(), Quantized { shape, method, size, decode: Box::new(decode) });
        Ok(())
    }

    /// Says that tensors are pieces of others. Names that do not exist are ignored.
    pub(super) fn take(&mut self, names: &[String]) {
        self.taken.extend(names.iter().filter(|name| self.stored.contains_key(*name)).cloned());
    }

    /// The error of tensors that do not fit each other.
    pub(super) fn malformed(&self, reason: String) -> SourceError {
        SourceError::Malformed { path: self.path.to_owned(), format: "quantized".to_owned(), reason }
    }

    /// The error of a tensor whose shape or dtype does not fit.
    pub(super) fn misfit(&self, info: &ParameterInfo, expected: &str) -> SourceError {
        let ParameterInfo { name, shape, dtype, .. } = info;
        self.malformed(format!("tensor `{name}` has shape {shape:?} in {dtype}, expected {expected}"))
    }

    /// The error of a way to quantize that is not read.
    pub(super) fn unsupported(&self, format: &str, reason: String) -> SourceError {
        SourceError::UnsupportedContent { path: self.path.to_owned(), format: format.to_owned(), reason }
    }

    /// Returns every tensor of the resulting model. `None` when none is quantized.
    pub(super) fn finish(self) -> Option<BTreeMap<String, Tensor>> {
        if self.found.is_empty() {
            return None;
        }
        let Self { stored, taken, found, .. } = self;
        let plain = stored.into_iter().filter(|(name, _)| !taken.contains(name));
        let plain = plain.map(|(name, info)| (name, Tensor::Plain(info)));
        Some(found.into_iter().map(|(name, tensor)| (name, Tensor::Quantized(tensor))).chain(plain).collect())
    }
}
