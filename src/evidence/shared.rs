//! The tensors that some models share, and how they are read run by run.

use crate::error::Error;
use crate::model_set::{Kind, LayoutGroup, ModelId, ModelSet, Position};
use std::ops::Range;

/// The most values that one job reads of one model in a run: 4 MiB.
pub(crate) const RUN: usize = 1 << 20;

/// A tensor that some models all hold, with the values to compare. Ranges that follow one another are joined.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SharedTensor<'v> {
    pub(crate) name: &'v str,
    pub(crate) kind: Kind,
    /// Number of elements in one row: the product of every dimension but the first.
    pub(crate) row_size: usize,
    pub(crate) values: Range<usize>,
    /// The tensor's name in each of the models.
    pub(crate) own_names: Vec<&'v str>,
}

impl SharedTensor<'_> {
    /// The number of values to compare.
    pub(crate) fn size(&self) -> usize {
        self.values.len()
    }

    /// The number of rows compared. The first and the last may be compared in part.
    pub(crate) fn rows(&self) -> usize {
        self.values.end.div_ceil(self.row_size) - self.values.start / self.row_size
    }

    /// The runs of the tensor, which depend on its shape alone.
    ///
    /// Each has whole rows and at most [`RUN`] values. Longer rows are cut into pieces.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (end, row) = (self.values.end, self.row_size);
        let mut begin = self.values.start;
        std::iter::from_fn(move || {
            // Runs end at multiples of one step of the whole tensor, so they depend on its shape alone.
            let next = if row <= RUN {
                let step = RUN / row * row;
                (begin / step + 1) * step
            } else {
                let first = begin / row * row;
                (first + ((begin - first) / RUN + 1) * RUN).min(first + row)
            };
            let run = begin..next.min(end);
            begin = run.end;
            (!run.is_empty()).then_some(run)
        })
    }
}

/// Cuts a run at the ends of rows. Each part has the number of its row and the places of its values within the run.
pub(crate) fn rows_of(run: &Range<usize>, row_size: usize) -> impl Iterator<Item = (usize, Range<usize>)> + use<> {
    let run = run.clone();
    let first = run.start / row_size;
    (first..run.end.div_ceil(row_size)).map(move |row| {
        let (begin, end) = ((row * row_size).max(run.start), ((row + 1) * row_size).min(run.end));
        (row, begin - run.start..end - run.start)
    })
}

/// The models of a set, each with its place among those it can be compared with.
#[derive(Debug)]
pub(crate) struct SharedTensors {
    models: ModelSet,
    /// For each model, its group and its position in the group.
    positions: Vec<(usize, Position<LayoutGroup>)>,
}

impl SharedTensors {
    /// Looks up the place of every model in its group.
    pub(crate) fn new(models: &ModelSet) -> Self {
        let mut positions = vec![(0, Position::FIRST); models.len()];
        for (g, group) in models.groups().iter().enumerate() {
            for (at, model) in group.positions().zip(group.models()) {
                positions[model.index()] = (g, at);
            }
        }
        Self { models: models.clone(), positions }
    }

    /// The set of models.
    pub(crate) fn models(&self) -> &ModelSet {
        &self.models
    }

    /// The group of a model, and its position in it. `None` for a model that is not of the set.
    pub(crate) fn place(&self, model: ModelId) -> Option<(usize, Position<LayoutGroup>)> {
        self.positions.get(model.index()).copied()
    }

    /// The tensors that all given models hold, sorted by name, then by their values.
    ///
    /// # Errors
    ///
    /// [`Error::NotComparable`] when the models are not of one group.
    pub(crate) fn among(&self, models: &[ModelId]) -> Result<Vec<SharedTensor<'_>>, Error> {
        let Some(&first) = models.first() else { return Ok(Vec::new()) };
        let mut at = Vec::with_capacity(models.len());
        let mut group = None;
        for model in models {
            let apart = || Error::NotComparable { first: first.index(), second: model.index() };
            let &(g, position) = self.positions.get(model.index()).ok_or_else(apart)?;
            if *group.get_or_insert(g) != g {
                return Err(apart());
            }
            at.push(position);
        }
        let group = &self.models.groups()[group.unwrap_or_default()];
        let mut tensors: Vec<SharedTensor<'_>> = Vec::new();
        for (p, parameter) in group.parameters().iter().enumerate() {
            let Some(own_names) = at.iter().map(|&m| group.own_name(m, p)).collect::<Option<Vec<&str>>>() else {
                continue;
            };
            let (name, row_size) = (parameter.name.as_str(), parameter.row_size);
            // A layout cuts a tensor where its holders differ. What these models all hold is joined again, so that rows
            // stay whole.
            match tensors.last_mut() {
                Some(before)
                    if before.own_names == own_names
                        && before.row_size == row_size
                        && before.values.end == parameter.values.start =>
                {
                    before.values.end = parameter.values.end;
                }
                _ => tensors.push(SharedTensor {
                    name,
                    kind: parameter.kind,
                    row_size,
                    values: parameter.values.clone(),
                    own_names,
                }),
            }
        }
        Ok(tensors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(row_size: usize, values: Range<usize>) -> SharedTensor<'static> {
        SharedTensor { name: "w", kind: Kind::Matrix, row_size, values, own_names: Vec::new() }
    }

    #[test]
    fn runs_are_whole_rows_or_pieces_of_one() {
        for (row_size, values) in [(1, 0..3 * RUN + 5), (1000, 7..5 * RUN), (RUN + 3, 2..3 * RUN + 1), (RUN, 0..RUN)] {
            let t = tensor(row_size, values.clone());
            let runs: Vec<Range<usize>> = t.runs().collect();
            assert_eq!((runs[0].start, runs[runs.len() - 1].end), (values.start, values.end));
            assert!(runs.windows(2).all(|w| w[0].end == w[1].start));
            for run in &runs {
                assert!(!run.is_empty() && run.len() <= RUN);
                let inner = [run.start, run.end].into_iter().filter(|&at| at != values.start && at != values.end);
                for at in inner {
                    assert!(at.is_multiple_of(row_size) || row_size > RUN);
                }
                assert!(row_size <= RUN || rows_of(run, row_size).count() == 1);
            }
        }
    }

    #[test]
    fn a_run_is_cut_at_the_ends_of_rows() {
        let rows: Vec<_> = rows_of(&(7..22), 5).collect();
        assert_eq!(rows, [(1, 0..3), (2, 3..8), (3, 8..13), (4, 13..15)]);
    }
}
