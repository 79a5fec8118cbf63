//! What is matched: the tensors of models that share one spelling.

use crate::source::ParameterSource;
use std::sync::Arc;

/// A tensor of one model: the name and shape that its source lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnTensor {
    pub(crate) name: Arc<str>,
    pub(crate) shape: Vec<usize>,
}

/// A model of one side, with its own tensor for each name of the side. `None` where it holds none.
#[derive(Clone, Debug)]
pub(crate) struct Speller {
    pub(crate) source: Arc<dyn ParameterSource>,
    pub(crate) tensors: Vec<Option<OwnTensor>>,
}

/// Models that are compared under the same names.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    /// The names, in natural order.
    pub(crate) names: Vec<String>,
    pub(crate) models: Vec<Speller>,
}

/// A row-major array inside a stored tensor. Its dimensions are all larger than one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The tensor, as a position in the names of its side.
    pub(crate) tensor: usize,
    /// The first value of the piece in the tensor.
    pub(crate) start: usize,
    pub(crate) dims: Vec<usize>,
}

impl Piece {
    /// The whole of a tensor, without dimensions of one.
    pub(crate) fn whole(tensor: usize, shape: &[usize]) -> Self {
        Self { tensor, start: 0, dims: shape.iter().copied().filter(|&d| d > 1).collect() }
    }

    pub(crate) fn rows(&self) -> usize {
        self.dims.first().copied().unwrap_or(1)
    }

    pub(crate) fn columns(&self) -> usize {
        self.dims.iter().skip(1).product()
    }

    pub(crate) fn size(&self) -> usize {
        self.dims.iter().product()
    }

    /// Whether it is large enough that its values can tell it from others.
    pub(crate) fn is_telling(&self) -> bool {
        self.dims.len() >= 2 && self.size() >= LEAST_SIZE
    }
}

/// Least number of values of a matrix that is matched by its values. The independence test has the same limit.
const LEAST_SIZE: usize = 64;
