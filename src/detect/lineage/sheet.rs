use super::index::Member;
use crate::geometry::ParameterView;
use crate::kernel::Square;
use rayon::prelude::*;

/// Rows filled by one job. It changes no result.
const ROWS: usize = 64;

/// Squared distances of one parameter between all members of a family, dense, with squared norms.
#[derive(Debug)]
pub(super) struct Sheet {
    squared: Square<f64>,
    norms: Vec<f64>,
}

impl Sheet {
    /// `None` when all members have the same values.
    pub(super) fn of(parameter: &ParameterView, n: usize) -> Option<Self> {
        let mut squared = Square::filled(n, 0.0);
        squared.par_blocks_mut(ROWS).for_each(|(first, rows)| {
            // Column by column: neither the runs read nor the rows written leave the cache.
            for b in 0..n {
                for (i, row) in rows.chunks_exact_mut(n).enumerate() {
                    row[b] = parameter.squared_distance(first + i, b);
                }
            }
        });
        let differs = squared.rows().any(|row| row.iter().any(|&squared| squared > 0.0));
        let norms = (0..n).map(|a| parameter.squared_norm(a)).collect();
        differs.then_some(Self { squared, norms })
    }

    pub(super) fn squared(&self, a: Member, b: Member) -> f64 {
        self.squared[(a, b)]
    }

    /// `‖θ_a‖²`.
    pub(super) fn norm(&self, a: Member) -> f64 {
        self.norms[a.index()]
    }
}
