//! Some rows of some matrices of two models.

use crate::error::Error;
use crate::evidence::kept::{ENTRY, SHARE};
use crate::evidence::shared::{SharedTensor, SharedTensors};
use crate::evidence::values::Values;
use crate::geometry::{Aside, GeometrySettings};
use crate::model_set::{Kind, LayoutGroup, ModelId, ModelSet, SharedParameter};
use std::collections::BTreeSet;
use std::ops::Range;

/// The most matrices that are sampled.
const MATRICES: usize = 9;

/// The most rows of a matrix that are sampled. Of 64 rows there are 2,016 pairs.
const ROWS: usize = 64;

/// The most values of a row that are sampled, from its first on.
const COLUMNS: usize = 4096;

/// The least rows, and the least values of a row, of a matrix that tells noise from training.
const LEAST: usize = 16;

/// Equally many rows of one matrix in both models.
pub(super) struct Sample {
    columns: usize,
    values: [Vec<f32>; 2],
}

impl Sample {
    /// A sample of rows of `columns` values.
    #[cfg(test)]
    pub(super) fn new(columns: usize, a: Vec<f32>, b: Vec<f32>) -> Self {
        Self { columns, values: [a, b] }
    }

    /// The number of values of one model.
    pub(super) fn len(&self) -> usize {
        self.values[0].len()
    }

    /// The number of values that are the same.
    pub(super) fn equal(&self) -> usize {
        let [a, b] = &self.values;
        a.iter().zip(b).filter(|(a, b)| a == b).count()
    }

    /// The values of the first model or of the second, row by row.
    pub(super) fn values(&self, which: usize) -> &[f32] {
        &self.values[which]
    }

    /// The number of values of one row.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Whether it has enough rows and columns to tell noise from training.
    pub(super) fn is_large(&self) -> bool {
        self.columns >= LEAST && self.len() / self.columns.max(1) >= LEAST
    }
}

/// Samples of matrices that both models hold: of large ones if there are any, spread over the network.
pub(super) fn samples(values: &Values, a: ModelId, b: ModelId) -> Result<Vec<Sample>, Error> {
    chosen(values.shared(&[a, b])?).iter().map(|tensor| sample(values, tensor, [a, b])).collect()
}

/// The matrices that are sampled of these tensors.
fn chosen(tensors: Vec<SharedTensor<'_>>) -> Vec<SharedTensor<'_>> {
    let matrices: Vec<SharedTensor<'_>> =
        tensors.into_iter().filter(|t| t.kind == Kind::Matrix && t.size() > 0).collect();
    let large = |t: &SharedTensor<'_>| t.rows() >= LEAST && t.row_size >= LEAST;
    let any = matrices.iter().any(large);
    let of: Vec<SharedTensor<'_>> = matrices.into_iter().filter(|t| !any || large(t)).collect();
    spread(of.len(), MATRICES).map(|t| of[t].clone()).collect()
}

/// The runs of a matrix that are sampled: pieces of rows, from their first value on.
fn runs(tensor: &SharedTensor<'_>) -> impl Iterator<Item = Range<usize>> + use<> {
    let (range, row_size) = (&tensor.values, tensor.row_size);
    // The first and the last row may be compared in part. Only whole rows are sampled, if there are any.
    let (first, last) = (range.start.div_ceil(row_size), range.end / row_size);
    let columns = row_size.min(COLUMNS);
    spread(last.saturating_sub(first), ROWS)
        .map(move |row| (first + row) * row_size..(first + row) * row_size + columns)
}

/// The samples of every model by itself, which the pass can set aside. None where they take more than their share of the memory.
///
/// They are also those of two models of one layout.
pub(in crate::evidence) fn wanted(models: &ModelSet, settings: &GeometrySettings) -> Aside {
    let shared = SharedTensors::new(models);
    let mut wanted: Vec<Vec<BTreeSet<[usize; 2]>>> =
        models.groups().iter().map(|g| vec![BTreeSet::new(); g.parameters().len()]).collect();
    let mut seen = BTreeSet::new();
    for id in models.ids() {
        // Models of one layout have one list of tensors.
        let Some((g, _)) = shared.place(id).filter(|_| seen.insert(models.listed(id).as_ptr())) else { continue };
        for tensor in shared.among(&[id]).map(chosen).unwrap_or_default() {
            let parameters = models.groups()[g].parameters().iter().enumerate();
            let named: Vec<_> = parameters.filter(|(_, p)| p.name == tensor.name).collect();
            for run in runs(&tensor) {
                let within = |p: &Range<usize>| p.start <= run.start && run.end <= p.end;
                if let Some((p, _)) = named.iter().find(|(_, parameter)| within(&parameter.values)) {
                    wanted[g][*p].insert([run.start, run.end]);
                }
            }
        }
    }
    let of_parameter = |(p, runs): (&SharedParameter, &BTreeSet<[usize; 2]>)| {
        p.holders.len() * runs.iter().map(|[begin, end]| size_of::<f32>() * (end - begin) + ENTRY).sum::<usize>()
    };
    let of_group = |(g, runs): (&LayoutGroup, &Vec<BTreeSet<[usize; 2]>>)| {
        g.parameters().iter().zip(runs).map(of_parameter).sum::<usize>()
    };
    let size: usize = models.groups().iter().zip(&wanted).map(of_group).sum();
    if size as u64 > settings.memory() / SHARE {
        return Aside::default();
    }
    let apart = |runs: BTreeSet<[usize; 2]>| runs.into_iter().map(|[begin, end]| begin..end).collect();
    Aside::new(wanted.into_iter().map(|g| g.into_iter().map(apart).collect()).collect())
}

/// At most `most` of the numbers below `count`, evenly spread.
fn spread(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let taken = count.min(most);
    (0..taken).map(move |i| i * count / taken)
}

/// Some rows of one matrix.
fn sample(values: &Values, tensor: &SharedTensor<'_>, models: [ModelId; 2]) -> Result<Sample, Error> {
    let mut sample = Sample { columns: tensor.row_size.min(COLUMNS), values: [Vec::new(), Vec::new()] };
    for run in runs(tensor) {
        for ((model, name), out) in models.iter().zip(&tensor.own_names).zip(&mut sample.values) {
            values.read_sample(*model, name, &run, out)?;
        }
    }
    Ok(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spread_evenly() {
        let spread = |count, most| spread(count, most).collect::<Vec<_>>();
        assert_eq!((spread(0, 3), spread(2, 3), spread(10, 3)), (vec![], vec![0, 1], vec![0, 3, 6]));
    }

    #[test]
    fn equal_values_and_rows_are_counted() {
        let sample = Sample::new(2, vec![1.0, 2.0, 3.0, 4.0], vec![1.0, 2.5, 3.0, 4.0]);
        assert_eq!((sample.len(), sample.equal(), sample.columns(), sample.is_large()), (4, 3, 2, false));
    }
}
