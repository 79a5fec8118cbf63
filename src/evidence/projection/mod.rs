//! The directions in which a matrix of two models differs, and what each model has along them.
//!
//! Let `Δ = B − A` have shape (m, n) and low rank k. Four passes over the values find its directions and the sides of both:
//!
//! ```text
//! 1.  Y = Δ Ω        Q = leading left vectors of Y          Ω random signs, of k + 4 columns
//! 2.  Z = Δᵀ Q       V = orthonormal columns of Z
//! 3.  Δ V            U = orthonormal columns of Δ V          along columns: A V, B V
//! 4.  Uᵀ A, Uᵀ B                                             along rows
//! ```
//!
//! Two steps of this power iteration are enough, since nothing but rounding lies beside the k directions. Source: Halko, Martinsson
//! & Tropp, *Finding structure with randomness*, SIAM Review 53, 2011, doi:10.1137/090771806.

mod known;
mod passes;
mod subspace;

use super::pair::unit_roundoff;
use super::shared::SharedTensor;
use super::values::Values;
use crate::error::Error;
use crate::geometry::{Geometry, Increment, Projection, Side};
use crate::model_set::{Kind, ModelId};
pub(super) use known::KnownProjections;
use passes::Passes;
use subspace::{Panel, leading};

/// The most directions that are looked for.
const MOST: usize = 8;

/// Columns of Ω beyond the rank.
const BEYOND: usize = 4;

/// The longest side of a matrix that is looked at. Panels take (m + n) (k + 4) numbers, so this bounds them at 50 MiB.
const LONGEST: usize = 1 << 18;

impl Geometry {
    /// Reads one matrix of two models, which were compared before, and finds what both have along the directions in which they
    /// differ. `None` where values are not at hand, and where these directions are not few.
    ///
    /// # Errors
    ///
    /// [`Error::Source`] for a model that cannot be read any more, [`Error::Decomposition`].
    ///
    /// # Complexity
    ///
    /// Four reads of the matrix in both models, and some 20 operations for each value, direction and read.
    pub(crate) fn projection(&self, a: ModelId, b: ModelId, compared: &Increment) -> Result<Option<Projection>, Error> {
        self.evidence().map_or(Ok(None), |evidence| evidence.projection(a, b, compared))
    }
}

/// The projection of one matrix of two models, which has been compared before.
///
/// The result is `None` for vectors, for an increment of a rank above 8 or of none, for a side of more than 2¹⁸ values, and where
/// there are fewer directions than the rank says.
///
/// # Errors
///
/// [`Error::Source`] for a model that cannot be read any more, [`Error::Decomposition`].
pub(super) fn projection(
    values: &Values,
    [a, b]: [ModelId; 2],
    compared: &Increment,
) -> Result<Option<Projection>, Error> {
    let Some(rank) = compared.low_rank().filter(|rank| (1..=MOST).contains(rank)) else { return Ok(None) };
    let mut named = values.shared(&[a, b])?.into_iter().filter(|t| t.name == compared.name);
    // A tensor compared in ranges apart from one another has no single matrix.
    let (Some(tensor), None) = (named.next(), named.next()) else { return Ok(None) };
    let (rows, columns) = (tensor.rows(), tensor.row_size);
    if tensor.kind != Kind::Matrix || rows.max(columns) > LONGEST {
        return Ok(None);
    }
    let passes = Passes::new(values, [a, b], &tensor);
    let (_, y) = passes.along_columns(&Panel::signs(columns, rank + BEYOND))?;
    let Some((q, _)) = leading(&y, rank)? else { return Ok(None) };
    let (_, z) = passes.along_rows(&q)?;
    let Some((v, _)) = leading(&z, rank)? else { return Ok(None) };
    let (of_a, change) = passes.along_columns(&v)?;
    let Some((u, least)) = leading(&change, rank)? else { return Ok(None) };
    let norm = compared.squared_norms[0].max(compared.squared_norms[1]).sqrt();
    let rounding = coarser(values, [a, b], &tensor) * norm;
    let noise = |across: usize, along: usize| noise(rounding, norm, rank, [across, along], least);
    let on_columns = side(&v, &of_a, &change, noise(columns, rows));
    let (of_a, change) = passes.along_rows(&u)?;
    Ok(Some(Projection { rows: side(&u, &of_a, &change, noise(rows, columns)), columns: on_columns }))
}

/// The roundoff of the coarser of two dtypes.
fn coarser(values: &Values, models: [ModelId; 2], tensor: &SharedTensor<'_>) -> f64 {
    let roundoff = |(model, name)| values.dtype(model, name).map_or(0.0, unit_roundoff);
    models.into_iter().zip(tensor.own_names.iter().copied()).map(roundoff).fold(0.0, f64::max)
}

/// The norm of what rounding leaves along k directions of length `across`, in a matrix whose other side is `along`.
///
/// ```text
/// e √(k / across) · (1 + ‖B‖ / (√along σ))        e = ε ‖B‖, ε the roundoff, σ the least singular value of Δ
/// ```
///
/// The first term is the rounding of B itself. The second is that of the directions, which tilts them by `e / (√along σ)`.
fn noise(rounding: f64, norm: f64, rank: usize, [across, along]: [usize; 2], least: f64) -> f64 {
    let tilt = norm / ((along as f64).sqrt() * least);
    rounding * (rank as f64 / across as f64).sqrt() * (1.0 + tilt)
}

/// One side of the matrix, from what a has along the directions and from the change.
fn side(directions: &Panel, of_a: &Panel, change: &Panel, rounding: f64) -> Side {
    let (mut squared_a, mut squared_b, mut inner) = (0.0, 0.0, 0.0);
    for (&a, &d) in of_a.values.iter().zip(&change.values) {
        let b = a + d;
        squared_a += a * a;
        squared_b += b * b;
        inner += a * b;
    }
    Side { basis: directions.columns(), squared_a, squared_b, inner, rounding }
}
