use super::index::Member;
use crate::geometry::ParameterView;
use crate::kernel::Square;
use crate::model_set::Position;
use rayon::prelude::*;

/// Number of rows that one parallel job fills. It changes no result.
const ROWS: usize = 64;

/// Dense squared distances of one parameter between all members of a family, shape `(n, n)`, and the n squared norms.
#[derive(Debug)]
pub(super) struct Sheet {
    squared: Square<f64>,
    norms: Vec<f64>,
}

impl Sheet {
    /// The sheet of `n` members; `None` when all of them have the same values.
    pub(super) fn of(parameter: &ParameterView, n: usize) -> Option<Self> {
        let mut squared = Square::filled(n, 0.0);
        squared.par_blocks_mut(ROWS).for_each(|(first, rows)| {
            // Column by column, both the runs read and the rows written stay in the cache.
            for b in Position::all(n) {
                for (i, row) in rows.chunks_exact_mut(n).enumerate() {
                    row[b.index()] = parameter.squared_distance(Position::new(first + i), b);
                }
            }
        });
        let differs = squared.rows().any(|row| row.iter().any(|&squared| squared > 0.0));
        let norms = Position::all(n).map(|a| parameter.squared_norm(a)).collect();
        differs.then_some(Self { squared, norms })
    }

    /// The squared distance of two members in this parameter.
    pub(super) fn squared(&self, a: Member, b: Member) -> f64 {
        self.squared[(a, b)]
    }

    /// The squared norm `‖θ_a‖²` in this parameter.
    pub(super) fn norm(&self, a: Member) -> f64 {
        self.norms[a.index()]
    }
}
