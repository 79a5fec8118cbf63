//! Where parameters come from; a source knows one model, never another.

mod adapter;
mod checkpoint;
mod discover;
mod flat;
mod json;
mod listing;
mod memory;
mod names;
mod open;
mod random;
mod safetensors;

pub use adapter::PeftAdapter;
pub use checkpoint::{Ignored, Layout};
pub(crate) use discover::SKETCHES;
pub use discover::{Discovered, DiscoveredModel, Discovery, Unreadable};
pub use memory::InMemory;
pub use random::{Entries, RandomSource};
pub use safetensors::{SafetensorsFile, SafetensorsShards};

use crate::error::SourceError;
use std::fmt;

/// How a tensor is stored.
///
/// Every dtype here widens to f32: floating point ones exactly, but for F64, which is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Dtype {
    /// 64-bit floating point.
    F64,
    /// 32-bit floating point.
    F32,
    /// 16-bit floating point, IEEE.
    F16,
    /// 16-bit floating point, 8-bit exponent.
    BF16,
    /// 8-bit floating point, 4-bit exponent, no infinity.
    F8E4M3,
    /// 8-bit floating point, 5-bit exponent.
    F8E5M2,
    /// 64-bit signed integer.
    I64,
    /// 32-bit signed integer.
    I32,
    /// 16-bit signed integer.
    I16,
    /// 8-bit signed integer.
    I8,
    /// 64-bit unsigned integer.
    U64,
    /// 32-bit unsigned integer.
    U32,
    /// 16-bit unsigned integer.
    U16,
    /// 8-bit unsigned integer.
    U8,
    /// Boolean, one byte each.
    Bool,
}

impl Dtype {
    /// Whether values of this dtype can have been trained: true of floating point only.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F64 | Self::F32 | Self::F16 | Self::BF16 | Self::F8E4M3 | Self::F8E5M2)
    }

    /// Whether values of this dtype count: true of integers, not of booleans.
    pub fn is_integer(self) -> bool {
        !self.is_float() && self != Self::Bool
    }

    /// Bytes per element.
    pub fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::BF16 | Self::I16 | Self::U16 => 2,
            Self::F8E4M3 | Self::F8E5M2 | Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }
}

impl fmt::Display for Dtype {
    /// The spelling of the safetensors format.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::F8E4M3 => "F8_E4M3",
            Self::F8E5M2 => "F8_E5M2",
            Self::I64 => "I64",
            Self::I32 => "I32",
            Self::I16 => "I16",
            Self::I8 => "I8",
            Self::U64 => "U64",
            Self::U32 => "U32",
            Self::U16 => "U16",
            Self::U8 => "U8",
            Self::Bool => "BOOL",
        })
    }
}

/// One tensor as a source announces it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParameterInfo {
    /// Its name, unique within the model.
    pub name: String,
    /// Its shape; empty for a scalar.
    pub shape: Vec<usize>,
    /// How it is stored.
    pub dtype: Dtype,
}

impl ParameterInfo {
    /// Number of elements, the product of the shape.
    ///
    /// Saturates: a source has checked that its shapes can be counted.
    pub fn size(&self) -> usize {
        self.shape.iter().fold(1, |n, &d| n.saturating_mul(d))
    }
}

/// One trained network, read in chunks.
///
/// # Contract
///
/// - [`parameters`](Self::parameters) lists every tensor once, sorted by name, and always the same.
/// - [`read`](Self::read) fills `out` with elements `offset .. offset + out.len()` of the tensor in row-major order,
///   widened to f32. One embedding matrix may hold 10⁹ values: never load more than was asked for.
/// - A name that is not listed is [`SourceError::UnknownParameter`], a range beyond the end [`SourceError::OutOfRange`].
/// - NaN and infinity are passed on as they are; the caller refuses them with the element's index.
/// - Calls come from several threads at once.
/// - [`prefetch`](Self::prefetch) may be left out, and changes nothing of what is read.
/// - Errors say which file and which tensor, what was found and what was expected; the model's name is added by the caller.
///
/// `testing::check_parameter_source` (feature `testing`) checks an implementation.
pub trait ParameterSource: Send + Sync + fmt::Debug {
    /// Every tensor of the model, sorted by name.
    ///
    /// # Errors
    ///
    /// When the model cannot be read at all.
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError>;

    /// Fills `out` with a row-major run of one tensor, beginning at element `offset`.
    ///
    /// # Errors
    ///
    /// When there is no such tensor or range, or reading fails.
    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError>;

    /// Tells that elements `offset .. offset + length` of a tensor are going to be read soon, from some thread.
    ///
    /// A hint, which has no result and must not wait: a source that can load data in the background begins to. Does nothing unless
    /// it is implemented, and nothing of what does not exist.
    fn prefetch(&self, name: &str, offset: usize, length: usize) {
        let _ = (name, offset, length);
    }
}

impl<S: ParameterSource + ?Sized> ParameterSource for Box<S> {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        (**self).parameters()
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        (**self).read(name, offset, out)
    }

    fn prefetch(&self, name: &str, offset: usize, length: usize) {
        (**self).prefetch(name, offset, length);
    }
}

impl<S: ParameterSource + ?Sized> ParameterSource for std::sync::Arc<S> {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        (**self).parameters()
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        (**self).read(name, offset, out)
    }

    fn prefetch(&self, name: &str, offset: usize, length: usize) {
        (**self).prefetch(name, offset, length);
    }
}

/// Checks that `offset .. offset + length` lies within a tensor of `size` elements.
///
/// # Errors
///
/// [`SourceError::OutOfRange`] when it does not; for implementors of [`ParameterSource::read`].
pub fn check_range(parameter: &str, size: usize, offset: usize, length: usize) -> Result<(), SourceError> {
    match offset.checked_add(length) {
        Some(end) if end <= size => Ok(()),
        end => Err(SourceError::OutOfRange {
            parameter: parameter.to_owned(),
            offset,
            end: end.unwrap_or(usize::MAX),
            size,
        }),
    }
}
