//! Numerical rank of an increment, from a sketch collected row by row.
//!
//! Let Δ have shape (rows, columns), and let Ω be a sparse sign matrix of shape (columns, k). If the rank of Δ is below k, then
//! `Y = Δ Ω` has the same rank, and singular values near those of Δ. Source: Tropp, Yurtsever, Udell & Cevher, *Practical
//! sketching algorithms for low-rank matrix approximation*, SIAM J. Matrix Anal. Appl. 38, 2017, doi:10.1137/17M1111590.
//!
//! `YᵀY` is summed over rows in f64. In it, singular values of 1e-4 of the largest become 1e-8.
//!
//! Most increments have full rank, and some of their rows show that already: leaving rows out makes no singular value larger.

use crate::error::Error;
use crate::kernel::symmetric_eigenvalues;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};
use pulp::{Arch, Simd, WithSimd};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Number of nonzero entries in each row of Ω. There is one in each block of its columns.
const SIGNS: usize = 8;
/// Number of columns in each block of Ω.
const BLOCK: usize = 17;

/// Number of columns of Ω.
const WIDTH: usize = SIGNS * BLOCK;

/// The share of the largest singular value below which others do not count.
const FLOOR: f64 = 1e-4;

/// A factor: singular values below this many times the effect of storage rounding on a matrix do not count.
const NOISE: f64 = 2.0;

/// Number of rows of Y that are multiplied at once.
const ROWS: usize = 128;

/// Number of rows in a sample for each column of Ω. With one, a full matrix may have small singular values by chance.
const SAMPLE: usize = 2;

/// The matrix Ω; the identity where Δ has few columns.
#[derive(Debug)]
pub(in crate::evidence) struct RowProjection {
    columns: usize,
    /// For each column of Δ, its columns of Ω and their signs; `None` for the identity.
    signs: Option<Vec<[(u8, i8); SIGNS]>>,
    /// An upper bound of `‖Ω‖²`, where ‖·‖ is the spectral norm.
    squared_norm: f64,
}

impl RowProjection {
    /// The matrix for a number of columns. It depends on that number alone.
    pub(super) fn new(columns: usize) -> Self {
        if columns <= WIDTH {
            return Self { columns, signs: None, squared_norm: 1.0 };
        }
        // The number of columns is the seed, so that results repeat.
        let mut rng = ChaCha8Rng::seed_from_u64(columns as u64);
        let mut draw = |block: usize| {
            let bits = rng.next_u32();
            ((block * BLOCK + (bits >> 1) as usize % BLOCK) as u8, if bits & 1 == 0 { 1 } else { -1 })
        };
        let signs: Vec<[(u8, i8); SIGNS]> = (0..columns).map(|_| std::array::from_fn(&mut draw)).collect();
        let mut products = vec![0.0; WIDTH * WIDTH];
        for row in &signs {
            for &(i, s) in row {
                for &(j, t) in row {
                    products[usize::from(i) * WIDTH + usize::from(j)] += f64::from(s * t) / SIGNS as f64;
                }
            }
        }
        // No eigenvalue of ΩᵀΩ is larger than the sum of the magnitudes in one of its rows.
        let sum = |row: &[f64]| row.iter().map(|p| p.abs()).sum::<f64>();
        let squared_norm = products.chunks_exact(WIDTH).map(sum).fold(0.0, f64::max);
        Self { columns, signs: Some(signs), squared_norm }
    }

    /// Number of columns of Ω, or of Δ where Ω is the identity.
    pub(super) fn width(&self) -> usize {
        if self.signs.is_some() { WIDTH } else { self.columns }
    }

    /// The stride at which the rows of a matrix are sampled to see that it is full; 1 where sampling saves nothing.
    pub(super) fn sampled(&self, rows: usize) -> usize {
        (rows / (SAMPLE * self.width()).max(1)).max(1)
    }

    /// The factor by which products of Y must be scaled, because the entries of Ω are not.
    fn scale(&self) -> f64 {
        if self.signs.is_some() { 1.0 / SIGNS as f64 } else { 1.0 }
    }
}

/// Number of rows of Δ that are projected side by side.
pub(super) const LANES: usize = 8;

/// One row of a and one of b, or the same piece of both. They have the same length.
pub(super) type RowPair<'r> = (&'r [f32], &'r [f32]);

/// Adds `Δ Ω` to eight rows of Y. All rows begin at the same column of Δ.
struct Project<'p> {
    signs: &'p [[(u8, i8); SIGNS]],
    rows: [RowPair<'p>; LANES],
    /// The rows of Y, transposed, so that one vector holds one column of all rows.
    ///
    /// It is as long as there are values of `u8`, so that no index needs a check.
    y: &'p mut [[f64; LANES]; 1 << u8::BITS],
}

impl WithSimd for Project<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.rows.map(|(a, b)| (&a[..self.signs.len()], &b[..self.signs.len()]));
        for (column, entries) in self.signs.iter().enumerate() {
            let increments = rows.map(|(a, b)| f64::from(b[column]) - f64::from(a[column]));
            for &(at, sign) in entries {
                let sign = f64::from(sign);
                self.y[usize::from(at)].iter_mut().zip(increments).for_each(|(y, d)| *y += d * sign);
            }
        }
    }
}

/// The product `YᵀY` of some rows: the lower triangle, column-major.
#[derive(Debug)]
pub(in crate::evidence) struct Gram<'s> {
    sketch: &'s RowProjection,
    products: Vec<f64>,
    /// Rows of Y that are not multiplied yet, row-major.
    waiting: Vec<f64>,
}

impl<'s> Gram<'s> {
    /// The product of no rows.
    pub(super) fn new(sketch: &'s RowProjection) -> Self {
        Self { sketch, products: vec![0.0; sketch.width() * sketch.width()], waiting: Vec::new() }
    }

    /// Adds up to eight rows of Δ, or pieces of them that begin at one column.
    ///
    /// # Panics
    ///
    /// Panics when there are more than eight rows.
    pub(super) fn add_rows(&mut self, column: usize, rows: &[RowPair<'_>]) {
        let (begin, k) = (self.waiting.len(), self.sketch.width());
        self.waiting.resize(begin + rows.len() * k, 0.0);
        let waiting = self.waiting[begin..].chunks_exact_mut(k);
        match (&self.sketch.signs, rows.first()) {
            (Some(signs), Some(first)) => {
                // Missing rows are filled with the first one. Their results are not used.
                let mut all = [*first; LANES];
                all[..rows.len()].copy_from_slice(rows);
                let mut y = [[0.0; LANES]; 1 << u8::BITS];
                let signs = &signs[column..][..first.0.len()];
                Arch::new().dispatch(Project { signs, rows: all, y: &mut y });
                for (lane, row) in waiting.enumerate() {
                    row.iter_mut().zip(&y).for_each(|(w, y)| *w = y[lane]);
                }
            }
            _ => {
                for (row, (a, b)) in waiting.zip(rows) {
                    let increments = a.iter().zip(*b).map(|(&a, &b)| f64::from(b) - f64::from(a));
                    row[column..].iter_mut().zip(increments).for_each(|(w, d)| *w = d);
                }
            }
        }
        // One product of many rows is faster than many products of few.
        if self.waiting.len() >= ROWS * k {
            self.multiply();
        }
    }

    /// Multiplies the rows that wait.
    pub(super) fn multiply(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let k = self.sketch.width();
        let y = MatRef::from_row_major_slice(&self.waiting, self.waiting.len() / k, k);
        triangular::matmul(
            MatMut::from_column_major_slice_mut(&mut self.products, k, k),
            BlockStructure::TriangularLower,
            Accum::Add,
            y.transpose(),
            BlockStructure::Rectangular,
            y,
            BlockStructure::Rectangular,
            self.sketch.scale(),
            Par::Seq,
        );
        self.waiting.clear();
    }

    /// Adds the product of other rows of the same tensor.
    pub(super) fn merge(&mut self, next: &Self) {
        self.products.iter_mut().zip(&next.products).for_each(|(a, b)| *a += b);
    }

    /// The number of singular values above the floor; `None` when the sketch, or the matrix, is full.
    ///
    /// `rounding` is the root of the summed squares of what storage may have rounded off.
    ///
    /// # Errors
    ///
    /// [`Error::Decomposition`] when a product is not finite.
    pub(super) fn rank(&self, rows: usize, columns: usize, rounding: f64) -> Result<Option<usize>, Error> {
        let k = self.sketch.width();
        let full: Vec<f64> =
            (0..k * k).map(|at| self.products[(at / k).max(at % k) + (at / k).min(at % k) * k]).collect();
        let squared = symmetric_eigenvalues("the products of an increment's rows", k, &full)?;
        let largest = squared.first().map_or(0.0, |s| s.max(0.0));
        let floor = (FLOOR * FLOOR * largest).max(self.squared_noise(rows, rounding));
        let rank = squared.iter().take_while(|&&s| s > floor).count();
        // A rank as large as the sketch shows only that the real rank is no smaller.
        Ok((rank < k.min(rows).min(columns)).then_some(rank))
    }

    /// Whether these rows suffice to know that the sketch of all `rows` rows is full. `change_squared` is `‖Δ‖²`.
    pub(super) fn is_full(&self, rows: usize, rounding: f64, change_squared: f64) -> bool {
        // ‖Δ Ω‖ ≤ ‖Δ‖ ‖Ω‖, so this floor is no lower than the floor of all rows.
        let largest = self.sketch.squared_norm * change_squared;
        let floor = (FLOOR * FLOOR * largest).max(self.squared_noise(rows, rounding));
        let k = self.sketch.width();
        let above = |i: usize, j: usize| self.products[i + j * k] - if i == j { floor } else { 0.0 };
        // All singular values are above the floor when what is left has a Cholesky factor. Computing them takes ten times as
        // long.
        Mat::from_fn(k, k, |i, j| above(i.max(j), i.min(j))).llt(Side::Lower).is_ok()
    }

    /// The squared spectral norm of a random matrix of shape (rows, k) with this Frobenius norm, with a margin.
    fn squared_noise(&self, rows: usize, rounding: f64) -> f64 {
        let k = self.sketch.width() as f64;
        (NOISE * rounding * (1.0 / (rows as f64).sqrt() + 1.0 / k.sqrt())).powi(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    const ROUNDOFF: f64 = 1.0 / (1 << 24) as f64;

    /// The rank found for an increment of rank `rank`, over a parent whose entries are one, in f32. Also whether every second
    /// row shows that the rank is full.
    fn found(rows: usize, columns: usize, rank: usize) -> (Option<usize>, bool) {
        let mut rng = ChaCha8Rng::seed_from_u64((rows * columns + rank) as u64);
        let mut random = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.gen_range(-1.0..1.0)).collect() };
        let (parent, left, right) = (random(rows * columns), random(rows * rank), random(rank * columns));
        let sketch = RowProjection::new(columns);
        let (mut gram, mut sample) = (Gram::new(&sketch), Gram::new(&sketch));
        let mut change_squared = 0.0;
        for i in 0..rows {
            let a = &parent[i * columns..][..columns];
            let low = |j: usize| (0..rank).map(|k| left[i * rank + k] * right[k * columns + j]).sum::<f32>();
            let b: Vec<f32> = a.iter().enumerate().map(|(j, x)| x + 0.1 * low(j)).collect();
            change_squared += a.iter().zip(&b).map(|(a, b)| (f64::from(*b) - f64::from(*a)).powi(2)).sum::<f64>();
            gram.add_rows(0, &[(a, &b)]);
            if i % 2 == 0 {
                sample.add_rows(0, &[(a, &b)]);
            }
        }
        gram.multiply();
        sample.multiply();
        let rounding = ROUNDOFF * ((rows * columns) as f64).sqrt();
        let full = sample.is_full(rows, rounding, change_squared);
        (gram.rank(rows, columns, rounding).unwrap(), full)
    }

    #[test]
    fn one_changed_value_has_rank_one_wherever_it_is() {
        for (rows, columns) in [(16, 144), (20, 300), (40, 30)] {
            let sketch = RowProjection::new(columns);
            for at in (0..columns).step_by(37) {
                for value in [0.683_441_16, 1e-30, 1e30, 1e-41, f32::MAX] {
                    let (before, mut after) = (vec![0.0; columns], vec![0.0; columns]);
                    after[at] = value;
                    let mut gram = Gram::new(&sketch);
                    gram.add_rows(0, &[(&before, &after)]);
                    gram.multiply();
                    assert_eq!(gram.rank(rows, columns, 0.0).unwrap(), Some(1), "{columns} {at} {value}");
                }
            }
        }
    }

    #[test]
    fn products_that_are_not_finite_are_an_error_and_no_rank() {
        let sketch = RowProjection::new(3);
        let mut gram = Gram::new(&sketch);
        gram.add_rows(0, &[(&[0.0; 3], &[f32::NAN, 0.0, 0.0])]);
        gram.multiply();
        assert!(matches!(gram.rank(3, 3, 0.0), Err(Error::Decomposition { .. })));
    }

    #[test]
    fn ranks_up_to_the_width_are_found() {
        for (rows, columns) in [(200, 100), (60, 500), (300, 400), (400, 137)] {
            for rank in [1, 4, 16, 48] {
                assert_eq!(found(rows, columns, rank), (Some(rank), false), "{rows} {columns}");
            }
        }
        assert_eq!(found(200, 300, 0), (Some(0), false));
    }

    #[test]
    fn a_full_matrix_has_no_low_rank() {
        assert_eq!(found(40, 60, 40).0, None);
        assert_eq!(found(300, 300, 200).0, None);
        // Half of the rows have fewer singular values than the sketch.
        assert_eq!(found(200, 300, 200), (None, false));
    }

    #[test]
    fn some_rows_of_a_full_matrix_tell_that_it_is_full() {
        for (rows, columns) in [(600, 300), (545, 400), (600, 90)] {
            assert_eq!(found(rows, columns, columns.min(200)), (None, true), "{rows} {columns}");
        }
        assert_eq!(RowProjection::new(300).sampled(600), 2);
        assert_eq!(RowProjection::new(300).sampled(543), 1);
    }
}
