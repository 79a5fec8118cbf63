use crate::geometry::ParameterView;
use rayon::prelude::*;

/// Rows filled by one job.
const ROWS: usize = 64;

/// Squared distances of one parameter between all members of a family, dense, with squared norms.
#[derive(Debug)]
pub(super) struct Sheet {
    n: usize,
    /// Shape (n, n).
    squared: Vec<f64>,
    norms: Vec<f64>,
}

impl Sheet {
    /// `None` when all members have the same values.
    pub(super) fn of(parameter: &ParameterView, n: usize) -> Option<Self> {
        let mut squared = vec![0.0; n * n];
        squared.par_chunks_mut((ROWS * n).max(1)).enumerate().for_each(|(chunk, rows)| {
            // Column by column: neither the runs read nor the rows written leave the cache.
            for b in 0..n {
                for (i, row) in rows.chunks_exact_mut(n).enumerate() {
                    row[b] = parameter.squared_distance(chunk * ROWS + i, b);
                }
            }
        });
        let differs = squared.par_iter().any(|&value| value > 0.0);
        let norms = (0..n).map(|a| parameter.squared_norm(a)).collect();
        differs.then_some(Self { n, squared, norms })
    }

    pub(super) fn squared(&self, a: usize, b: usize) -> f64 {
        self.squared[a * self.n + b]
    }

    /// `‖θ_a‖²`.
    pub(super) fn norm(&self, a: usize) -> f64 {
        self.norms[a]
    }
}
