//! Single matrices of models: which ones have equal values, and how far each is from independence.

use super::Geometry;
use super::group::GroupGeometry;
use super::independence::LEAST_SIZE;
use super::marginals::{Holder, Marginals};
use crate::error::Error;
use crate::model_set::{Kind, ModelId};
use std::collections::HashMap;

/// What the matrices of some models of one group have in common.
///
/// Matrices are numbered alike in all models of a group. Those of less than 64 values are left out, and so are those of one value
/// in a model: zeros are the same in networks that have nothing to do with one another.
#[derive(Clone, Debug, Default)]
pub(crate) struct MatrixPrints {
    /// For each model and matrix, a number for its values, equal where the values are. 0 where the model lacks the matrix.
    pub(crate) prints: Vec<Vec<u32>>,
    /// For each model and matrix, the squared norm.
    pub(crate) squared_norms: Vec<Vec<f64>>,
    /// For each matrix, the number of tensors that it stands for, and that of their values.
    pub(crate) sizes: Vec<(usize, usize)>,
    /// Whether the distances of all pairs are at hand. Else each pair must be read.
    pub(crate) distances_kept: bool,
}

/// One matrix of two models, as the independence test sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MatrixScore {
    /// The number of the matrix.
    pub(crate) matrix: usize,
    /// `z_t` of the [independence test](super::Independence).
    pub(crate) z: f64,
    /// `d_t²`, as a share of the larger squared norm.
    pub(crate) apart: f64,
}

/// Tensors that some models share.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CommonTensors {
    /// Their names, sorted.
    pub(crate) names: Vec<String>,
    /// Number of their values.
    pub(crate) values: usize,
}

impl Geometry {
    /// What the matrices of some models of one group have in common.
    pub(crate) fn matrix_prints(&self, models: &[ModelId]) -> MatrixPrints {
        let Some((group, places)) = self.places(models) else { return MatrixPrints::default() };
        let mut found = MatrixPrints {
            prints: vec![Vec::new(); places.len()],
            squared_norms: vec![Vec::new(); places.len()],
            distances_kept: group.pairs.kept_squared_distance(places[0], places[0]).is_some(),
            sizes: group.marginals().map(|m| (m.tensors.len(), m.size())).collect(),
        };
        let mut numbers: HashMap<Vec<u128>, u32> = HashMap::new();
        for marginals in group.marginals() {
            for (model, &place) in places.iter().enumerate() {
                let holder = marginals.holder(place).filter(|&at| tells(marginals, at));
                let print = holder.map_or(0, |Holder(at)| {
                    let values = marginals.tensors.iter().map(|t| t.fingerprints[at]).collect();
                    let next = numbers.len() as u32 + 1;
                    *numbers.entry(values).or_insert(next)
                });
                let squared = |Holder(at)| marginals.tensors.iter().map(|t| t.moments[at].squared_norm()).sum();
                found.prints[model].push(print);
                found.squared_norms[model].push(holder.map_or(0.0, squared));
            }
        }
        found
    }

    /// The scores of every matrix that two models both hold. There are none where the two cannot be compared.
    ///
    /// # Errors
    ///
    /// The errors of [`compare`](Self::compare).
    pub(crate) fn matrix_scores(&self, a: ModelId, b: ModelId) -> Result<Vec<MatrixScore>, Error> {
        let Some((group, i, j)) = self.together(a, b) else { return Ok(Vec::new()) };
        let both = |m: &Marginals| m.both(i, j).filter(|&(i, j)| tells(m, i) && tells(m, j));
        let numbers = group.marginals().enumerate().filter(|(_, m)| both(m).is_some()).map(|(number, _)| number);
        let parameters = group.parameters(&[i, j])?;
        let held = parameters.iter().filter_map(|p| Some((p, both(&p.marginals)?)));
        Ok(numbers
            .zip(held)
            .map(|(matrix, (p, (i, j)))| {
                let norms = p.marginals.centered_norm(i) * p.marginals.centered_norm(j);
                let size = p.marginals.size() as f64;
                // The error of sketches adds to the deviation of unrelated models.
                let deviation = (1.0 / size + p.width.map_or(0.0, |width| 1.0 / width as f64)).sqrt();
                let cosine = (p.centered_inner(i, j) / norms.sqrt()).clamp(-1.0, 1.0);
                let larger = p.squared_norm(i).max(p.squared_norm(j));
                MatrixScore { matrix, z: cosine / deviation, apart: p.squared_distance(i, j) / larger }
            })
            .collect())
    }

    /// The tensors of some matrices, and every vector that has the same values in all of some models.
    pub(crate) fn common_tensors(&self, models: &[ModelId], matrices: &[usize]) -> CommonTensors {
        let Some((group, places)) = self.places(models) else { return CommonTensors::default() };
        let mut found = CommonTensors::default();
        for (number, marginals) in group.marginals().enumerate() {
            let holders: Option<Vec<Holder>> = places.iter().map(|&place| marginals.holder(place)).collect();
            let Some(holders) = holders else { continue };
            let equal = || {
                let same = |&at: &Holder| marginals.same_values(at, holders[0]);
                marginals.centered_norm(holders[0]) > 0.0 && holders.iter().all(same)
            };
            if matrices.contains(&number) || (marginals.kind == Kind::Vector && equal()) {
                found.names.extend(marginals.tensors.iter().map(|t| t.name.clone()));
                found.values += marginals.size();
            }
        }
        // A matrix of which only some rows are compared is listed once for each range of rows.
        found.names.sort_unstable();
        found.names.dedup();
        found
    }

    /// The number of matrices of a model that are large enough to tell, those that no other model holds included.
    pub(crate) fn count_matrices(&self, model: ModelId) -> usize {
        let Some((group, own, _)) = self.together(model, model) else { return 0 };
        let compared = group.marginals().filter(|m| m.holder(own).is_some_and(|at| tells(m, at)));
        let compared: usize = compared.map(|m| m.tensors.len()).sum();
        let listed = self.listed(model).map_or(0, |list| {
            let large = list.iter().filter(|info| {
                let wide = info.shape.iter().filter(|&&n| n > 1).count() > 1;
                wide && !info.dtype.is_integer() && info.size() >= LEAST_SIZE
            });
            large.count()
        });
        compared.max(listed)
    }

    /// The group of some models and their places in it. `None` without models, or where they are not of one group.
    fn places(&self, models: &[ModelId]) -> Option<(&GroupGeometry, Vec<super::Place>)> {
        let &first = models.first()?;
        let (group, _, _) = self.together(first, first)?;
        let place = |&model: &ModelId| self.together(first, model).map(|(_, _, place)| place);
        Some((group, models.iter().map(place).collect::<Option<_>>()?))
    }
}

/// Whether a parameter is a matrix that shows kinship, and has values that differ.
fn tells(marginals: &Marginals, at: Holder) -> bool {
    marginals.kind == Kind::Matrix && marginals.size() >= LEAST_SIZE && marginals.centered_norm(at) > 0.0
}
