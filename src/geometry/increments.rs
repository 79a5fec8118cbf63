//! The increments between two models, matrix by matrix: which moved, and by what rank.

use super::evidence::{PairEvidence, ParameterEvidence};
use crate::model_set::Kind;

/// The least ratio of the smaller side to the rank for an increment of low rank.
const LOW_RANK: usize = 4;

/// What one matrix of a model b moved by from a model a.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Increment {
    /// The name, without a wrapper that only some models have.
    pub(crate) name: String,
    /// Number of rows compared, and number of elements in one row.
    pub(crate) shape: [usize; 2],
    /// Number of values compared.
    pub(crate) size: usize,
    /// Number of values that are the same bit for bit.
    pub(crate) equal: usize,
    /// `‖a‖²` and `‖b‖²`.
    pub(crate) squared_norms: [f64; 2],
    /// The numerical rank of `b − a`, as in [`ParameterEvidence::rank`].
    pub(crate) rank: Option<usize>,
    /// Whether the rank could not be computed.
    pub(crate) undecomposed: bool,
}

impl Increment {
    /// The rank where it is low, as [`ParameterEvidence::low_rank`].
    pub(crate) fn low_rank(&self) -> Option<usize> {
        low_rank(self.rank, self.shape, self.size - self.equal)
    }

    /// Whether every value is the same, bit for bit.
    pub(crate) fn is_untouched(&self) -> bool {
        self.equal == self.size
    }
}

/// What every matrix moved by that two models hold, sorted by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Increments {
    pub(crate) matrices: Vec<Increment>,
}

impl Increments {
    /// The largest rank, when every matrix that moved did so by a rank of at most a quarter of its smaller side.
    pub(crate) fn low_rank(&self) -> Option<usize> {
        lowest(self.matrices.iter().filter(|m| !m.is_untouched()).map(Increment::low_rank))
    }
}

impl From<&PairEvidence> for Increments {
    /// What a full comparison tells of the matrices.
    fn from(pair: &PairEvidence) -> Self {
        let matrices = pair.parameters.iter().filter(|p| p.kind == Kind::Matrix && p.size > 0);
        let increment = |p: &ParameterEvidence| Increment {
            name: p.name.clone(),
            shape: p.shape,
            size: p.size,
            equal: p.equal,
            squared_norms: [p.squared_norm_a, p.squared_norm_b],
            rank: p.rank,
            undecomposed: p.undecomposed,
        };
        Self { matrices: matrices.map(increment).collect() }
    }
}

impl PairEvidence {
    /// The largest rank of an increment, when every changed matrix has a rank of at most a quarter of its smaller side.
    ///
    /// Vectors may have changed in any way.
    pub fn low_rank(&self) -> Option<usize> {
        let changed = self.parameters.iter().filter(|p| p.kind == Kind::Matrix && p.equal < p.size);
        lowest(changed.map(ParameterEvidence::low_rank))
    }
}

impl ParameterEvidence {
    /// The rank of `b − a` where it is low: at most a quarter of the smaller side.
    ///
    /// A few changed values, rows or columns have a low rank of themselves. r rows or columns cannot hold more than r times the
    /// larger side. So a rank counts only where more values changed than as many rows or columns hold.
    pub fn low_rank(&self) -> Option<usize> {
        low_rank(self.rank, self.shape, self.size - self.equal)
    }
}

/// A rank where it is low for a matrix of this shape, of which so many values changed.
fn low_rank(rank: Option<usize>, [rows, columns]: [usize; 2], changed: usize) -> Option<usize> {
    let rank = rank.filter(|rank| LOW_RANK * rank <= rows.min(columns))?;
    (rank == 0 || changed > rank * rows.max(columns)).then_some(rank)
}

/// The largest of the ranks of all matrices that changed; `None` where one has none, and where the largest is 0.
fn lowest(ranks: impl Iterator<Item = Option<usize>>) -> Option<usize> {
    let ranks: Vec<usize> = ranks.collect::<Option<_>>()?;
    ranks.into_iter().max().filter(|&rank| rank > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn increment(rank: Option<usize>, equal: usize) -> Increment {
        let squared_norms = [1.0, 1.0];
        Increment { name: "w".to_owned(), shape: [16, 8], size: 128, equal, squared_norms, rank, undecomposed: false }
    }

    #[test]
    fn ranks_are_low_up_to_a_quarter_and_where_enough_changed() {
        let low = |rank, equal| increment(rank, equal).low_rank();
        assert_eq!([low(Some(2), 0), low(Some(3), 0), low(None, 0)], [Some(2), None, None]);
        // Two rows hold 16 values, two columns 32.
        assert_eq!([low(Some(2), 128 - 32), low(Some(2), 128 - 33), low(Some(0), 128)], [None, Some(2), Some(0)]);
    }

    #[test]
    fn every_matrix_that_moved_counts() {
        let all = |matrices: &[Increment]| Increments { matrices: matrices.to_vec() }.low_rank();
        assert_eq!(all(&[increment(Some(1), 0), increment(Some(2), 0), increment(None, 128)]), Some(2));
        assert_eq!(all(&[increment(Some(1), 0), increment(None, 0)]), None);
        assert_eq!((all(&[increment(Some(0), 0)]), all(&[])), (None, None));
    }
}
