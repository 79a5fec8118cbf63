//! Rebuilds a model that is not in the set from siblings that were made from it by increments of low rank, as LoRA adds.
//!
//! Let `W_i = W + M_i` be one matrix of sibling i, with M_i of rank r_i. For increments that have nothing in common,
//!
//! ```text
//! rank(W_i − W_j) = r_i + r_j          col(M_1) = col(W_1 − W_2) ∩ col(W_1 − W_3), and rows likewise
//! W_1 − W_2 = M_1 − M_2                is block diagonal in the bases of M_1 and M_2, and its first block is M_1
//! ```
//!
//! so that three siblings give W back in closed form. Where values were rounded to 16 bits, the closed form is where an alternation
//! begins: each increment is cut to its rank, and W is the mean of what is left (Horwitz, Kahana & Hoshen, *Recovering the
//! Pre-Fine-Tuning Weights of Generative Models*, ICML 2024, arXiv:2402.10208). All of it happens in the few dimensions that the
//! increments span.

mod alternation;
mod error;
mod file;
mod matrix;
mod one_sided;
mod span;
mod tensor;

pub use error::RebuildError;

use crate::error::{Error, SourceError};
use crate::format::{Format, ParameterInfo, Safetensors};
use crate::model_set::{ModelId, ModelSet};
use std::path::Path;

/// How one tensor of the absent model was found.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum TensorOrigin {
    /// Two children or more have these values, bit for bit.
    Shared {
        /// How many children have them.
        children: usize,
    },
    /// In closed form, from the ranks of the differences of children.
    ClosedForm,
    /// By alternation from the closed form, because rounding hides part of the increments.
    Iterated {
        /// How many rounds it took.
        rounds: usize,
    },
}

/// One tensor of the absent model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RebuiltTensor {
    /// Its name, as in the children.
    pub name: String,
    /// How it was found.
    pub origin: TensorOrigin,
    /// Rank of each child's increment, in the order of the children. 0 where the child has the tensor unchanged.
    pub ranks: Vec<usize>,
    /// How far the estimates of the children lie from their mean, as a share of the tensor's norm. 0 for shared values.
    pub error: f64,
}

/// A model that was rebuilt.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Rebuilt {
    /// The children it was rebuilt from.
    pub children: Vec<ModelId>,
    /// All tensors, sorted by name.
    pub tensors: Vec<RebuiltTensor>,
    /// For each child, what its increments of low rank leave unexplained: `‖W_i − W − M_i‖ / ‖W‖` over all tensors.
    pub residuals: Vec<f64>,
}

/// Rebuilds an absent model and writes it as one safetensors file, whole or not at all.
///
/// Tensors have the names, shapes and dtypes of the first child. The file's metadata say that the model is inferred, from which
/// children, and with which residuals: `inferred`, `children`, `residuals`, `error`.
///
/// # Errors
///
/// - [`RebuildError::TooFew`] with fewer than three children, unless two share every tensor.
/// - [`RebuildError::Missing`] and [`RebuildError::Shape`] for children of unlike layout.
/// - [`RebuildError::NotLowRank`] for a tensor that all children changed, and not by increments of low rank.
/// - [`RebuildError::Model`] for a child that cannot be read or holds NaN, [`RebuildError::Write`] for the file.
///
/// # Complexity
///
/// Values are read three times, in pieces. For c children and increments of rank r in all, memory is O((m + n) r c) for a matrix of
/// shape (m, n), and time O(m n r c).
///
/// ```
/// use neural_phylogeny::rebuild::rebuild;
/// use neural_phylogeny::{InMemory, ModelId, ModelSet};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let noise = |seed: u64| {
/// #     let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
/// #     std::iter::repeat_with(move || { x ^= x << 13; x ^= x >> 7; x ^= x << 17; (x >> 40) as f32 / 8388608.0 - 1.0 })
/// # };
/// let base: Vec<f32> = noise(1).take(32 * 24).collect();
/// // Each child adds an increment of rank 1.
/// let child = |seed: u64| {
///     let (column, row): (Vec<f32>, Vec<f32>) = (noise(seed).take(32).collect(), noise(seed + 99).take(24).collect());
///     let weights = base.iter().enumerate().map(|(at, w)| w + column[at / 24] * row[at % 24]).collect();
///     InMemory::new().with_parameter("fc.weight", [32, 24], weights)
/// };
/// let models = ModelSet::from_models([("a", child(2)?), ("b", child(3)?), ("c", child(4)?)])?;
/// let children: Vec<ModelId> = models.ids().collect();
///
/// let rebuilt = rebuild(&models, &children, folder.path().join("model.safetensors"))?;
/// assert!(rebuilt.residuals.iter().all(|&residual| residual < 1e-6));
/// let model = ModelSet::discover(folder.path().join("model.safetensors"));
/// # let _ = model;
/// # Ok(())
/// # }
/// ```
pub fn rebuild(models: &ModelSet, children: &[ModelId], file: impl AsRef<Path>) -> Result<Rebuilt, RebuildError> {
    let first = *children.first().ok_or(RebuildError::TooFew { found: 0, tensor: None })?;
    let readers = children.iter().map(|&child| Child::of(models, child)).collect::<Result<Vec<_>, _>>()?;
    let tensors: Vec<ParameterInfo> = readers[0].tensors.clone();
    for (info, child) in tensors.iter().flat_map(|info| readers[1..].iter().map(move |child| (info, child))) {
        child.holds(info)?;
    }
    debug_assert_eq!(readers[0].id, first);

    // Everything is solved before anything is written, so that a tensor that cannot be rebuilt costs no file.
    let mut solved = Vec::with_capacity(tensors.len());
    for info in &tensors {
        solved.push(tensor::solve(info, &readers)?);
    }
    let whole: f64 = solved.iter().map(|s| s.norm).sum();
    let share = |squared: f64| if whole > 0.0 { (squared / whole).sqrt() } else { 0.0 };
    let residuals: Vec<f64> = (0..children.len()).map(|i| share(solved.iter().map(|s| s.left[i]).sum())).collect();
    let report = tensors.iter().zip(&solved).map(|(info, s)| RebuiltTensor {
        name: info.name.clone(),
        origin: s.origin,
        ranks: s.ranks.clone(),
        error: s.error,
    });
    let rebuilt = Rebuilt { children: children.to_vec(), tensors: report.collect(), residuals };
    let names: Vec<&str> = children.iter().map(|&child| models.name(child)).collect();
    file::write(file.as_ref(), &tensors, &solved, &readers, &rebuilt, &names)?;
    Ok(rebuilt)
}

/// The name that a rebuilt checkpoint gets in its folder: the one that libraries look for.
pub fn file_name() -> String {
    let extension = Safetensors.extensions().first().copied().unwrap_or_default();
    format!("model.{extension}")
}

/// One child, and how its tensors are read.
pub(crate) struct Child<'m> {
    models: &'m ModelSet,
    id: ModelId,
    tensors: Vec<ParameterInfo>,
}

impl<'m> Child<'m> {
    fn of(models: &'m ModelSet, id: ModelId) -> Result<Self, RebuildError> {
        let failed = |source: SourceError| RebuildError::Model(Error::of_model(models.name(id), source));
        Ok(Self { models, id, tensors: models.source(id).parameters().map_err(failed)? })
    }

    fn name(&self) -> &'m str {
        self.models.name(self.id)
    }

    /// Refuses a child that lacks a tensor or has it in another shape.
    fn holds(&self, info: &ParameterInfo) -> Result<(), RebuildError> {
        let tensor = info.name.clone();
        match self.tensors.iter().find(|own| own.name == info.name) {
            None => Err(RebuildError::Missing { model: self.name().to_owned(), tensor }),
            Some(own) if own.shape != info.shape => Err(RebuildError::Shape {
                model: self.name().to_owned(),
                tensor,
                found: own.shape.clone(),
                expected: info.shape.clone(),
            }),
            Some(_) => Ok(()),
        }
    }

    /// Reads values of one tensor. NaN and infinity are an error.
    fn read(&self, tensor: &str, offset: usize, out: &mut [f32]) -> Result<(), RebuildError> {
        crate::geometry::read_finite(self.models, self.id, tensor, offset, out).map_err(RebuildError::Model)
    }
}

#[cfg(test)]
mod tests;
