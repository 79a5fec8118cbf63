//! What one read of an adapted weight may need in memory and time, checked before any value is read.
//!
//! Shapes of an adapter cost nothing where its file has holes. So they bound nothing.

use super::factor::{Factor, Values};
use super::fit::{Change, Fit};
use super::increment::Increment;
use super::kronecker::Matrix;
use super::low_rank::LowRank;
use crate::error::SourceError;

/// Largest rank of factors. A larger one is taken up to the smaller side of the weight, beyond which it adds nothing.
const RANK: usize = 4096;

/// Most coefficients of an increment of waves. peft's default is 1,000.
const WAVES: usize = 1 << 16;

/// Most values that are held at once for one row or column, and most magnitudes: 16 MiB.
const HELD: usize = 1 << 22;

impl Fit<'_> {
    /// Refuses a change that would need more than is bounded. `key` is the tensor that an error names.
    pub(super) fn check_bound(&self, change: &Change, key: &str) -> Result<(), SourceError> {
        let Change::Sum { increment, magnitude } = change else { return Ok(()) };
        let at_most = |what: &str, found: usize, most: usize| match found <= most {
            true => Ok(()),
            false => Err(self.mismatch(key, format!("{found} {what}"), format!("at most {most}"))),
        };
        at_most("magnitudes", magnitude.as_ref().map_or(0, |magnitude| magnitude.count()), HELD)?;
        match &**increment {
            Increment::LowRank(product) => self.check_product(product, key),
            Increment::Hadamard { halves, .. } => halves.iter().try_for_each(|half| self.check_product(half, key)),
            Increment::Kronecker(kronecker) => {
                [&kronecker.first, &kronecker.second].into_iter().try_for_each(|matrix| {
                    at_most("values in a row of a matrix of LoKr", matrix.columns(), HELD)?;
                    match matrix {
                        Matrix::Product(product) => self.check_product(product, key),
                        Matrix::Stored { .. } => Ok(()),
                    }
                })
            }
            Increment::Difference { .. } => Ok(()),
        }
    }

    fn check_product(&self, product: &LowRank, key: &str) -> Result<(), SourceError> {
        [&product.a, &product.b].into_iter().try_for_each(|factor| self.check_factor(factor, product, key))
    }

    fn check_factor(&self, factor: &Factor, product: &LowRank, key: &str) -> Result<(), SourceError> {
        let side = product.inputs.min(product.outputs);
        let (rank, most) = match &factor.values {
            Values::Waves(waves) => (waves.turns.len(), WAVES),
            Values::Tucker { middle, kernel, .. } => {
                let core = middle.saturating_mul(*kernel);
                if core > HELD {
                    return Err(self.mismatch(key, format!("{core} values of a core"), format!("at most {HELD}")));
                }
                (product.rank.max(*middle), RANK.max(side))
            }
            _ if matches!(product.b.values, Values::Waves(_)) => return Ok(()),
            _ => (product.rank, RANK.max(side)),
        };
        match rank <= most {
            true => Ok(()),
            false => Err(self.mismatch(
                key,
                format!("rank {rank}"),
                format!("at most {most} for a weight of {} x {}", product.outputs, product.inputs),
            )),
        }
    }
}
