//! Numerical rank of an increment, from a sketch gathered row by row.
//!
//! For Δ of shape (rows, columns) and a sparse sign matrix Ω of shape (columns, k), `Y = Δ Ω` has the rank of Δ when that is
//! below k, and singular values near those of Δ (Tropp, Yurtsever, Udell & Cevher, *Practical sketching algorithms for low-rank
//! matrix approximation*, SIAM J. Matrix Anal. Appl. 38, 2017, doi:10.1137/17M1111590). `YᵀY` is summed over rows in f64:
//! singular values of 1e-4 of the largest are 1e-8 in it.

use crate::error::Error;
use crate::geometry::eigen;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, MatMut, MatRef, Par};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Nonzero entries in each row of Ω, one in each block of its columns.
const SIGNS: usize = 8;
const BLOCK: usize = 17;

/// Columns of Ω.
const WIDTH: usize = SIGNS * BLOCK;

/// Singular values below this share of the largest do not count.
const FLOOR: f64 = 1e-4;

/// Singular values below this many times what storage rounding gives to a matrix do not count.
const NOISE: f64 = 2.0;

/// Rows of Y multiplied at once.
const ROWS: usize = 128;

/// Ω, or nothing where Δ has few columns.
#[derive(Debug)]
pub(super) enum Sketch {
    Whole {
        columns: usize,
    },
    /// For each column of Δ its columns of Ω and their signs.
    Signs(Vec<[(u8, i8); SIGNS]>),
}

impl Sketch {
    /// Depends on the number of columns alone.
    pub(super) fn new(columns: usize) -> Self {
        if columns <= WIDTH {
            return Self::Whole { columns };
        }
        let mut rng = ChaCha8Rng::seed_from_u64(columns as u64);
        let mut draw = |block: usize| {
            let bits = rng.next_u32();
            ((block * BLOCK + (bits >> 1) as usize % BLOCK) as u8, if bits & 1 == 0 { 1 } else { -1 })
        };
        Self::Signs((0..columns).map(|_| std::array::from_fn(&mut draw)).collect())
    }

    pub(super) fn width(&self) -> usize {
        match self {
            Self::Whole { columns } => *columns,
            Self::Signs(_) => WIDTH,
        }
    }

    fn scale(&self) -> f64 {
        match self {
            Self::Whole { .. } => 1.0,
            Self::Signs(_) => 1.0 / SIGNS as f64,
        }
    }

    /// Adds one row of Δ, or a piece of it from a column on, to a row of Y.
    fn project(&self, column: usize, a: &[f32], b: &[f32], y: &mut [f64]) {
        let increments = a.iter().zip(b).map(|(&a, &b)| f64::from(b) - f64::from(a));
        match self {
            Self::Whole { .. } => y[column..].iter_mut().zip(increments).for_each(|(y, d)| *y += d),
            Self::Signs(signs) => {
                for (d, entries) in increments.zip(&signs[column..]) {
                    for &(at, sign) in entries {
                        y[usize::from(at)] += d * f64::from(sign);
                    }
                }
            }
        }
    }
}

/// `YᵀY` of some rows; the lower triangle, column-major.
#[derive(Debug)]
pub(super) struct Gram<'s> {
    sketch: &'s Sketch,
    products: Vec<f64>,
    /// Rows of Y, row-major, not yet multiplied.
    waiting: Vec<f64>,
}

impl<'s> Gram<'s> {
    pub(super) fn new(sketch: &'s Sketch) -> Self {
        Self { sketch, products: vec![0.0; sketch.width() * sketch.width()], waiting: Vec::new() }
    }

    pub(super) fn add_row(&mut self, column: usize, a: &[f32], b: &[f32]) {
        let begin = self.waiting.len();
        self.waiting.resize(begin + self.sketch.width(), 0.0);
        self.sketch.project(column, a, b, &mut self.waiting[begin..]);
        if self.waiting.len() >= ROWS * self.sketch.width() {
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

    pub(super) fn merge(&mut self, next: &Self) {
        self.products.iter_mut().zip(&next.products).for_each(|(a, b)| *a += b);
    }

    /// Number of singular values above the floor; `None` when the sketch, or the matrix, is full.
    ///
    /// `rounding` is the root of the summed squares of what storage may have rounded off.
    pub(super) fn rank(&self, rows: usize, columns: usize, rounding: f64) -> Result<Option<usize>, Error> {
        let k = self.sketch.width();
        let full: Vec<f64> =
            (0..k * k).map(|at| self.products[(at / k).max(at % k) + (at / k).min(at % k) * k]).collect();
        let (squared, _) = eigen::symmetric(k, &full)?;
        let largest = squared.first().map_or(0.0, |s| s.max(0.0).sqrt());
        // Spectral norm of a random matrix of shape (rows, k) of this Frobenius norm.
        let noise = NOISE * rounding * (1.0 / (rows as f64).sqrt() + 1.0 / (k as f64).sqrt());
        let floor = (FLOOR * largest).max(noise).powi(2);
        let rank = squared.iter().take_while(|&&s| s > floor).count();
        Ok((rank < k.min(rows).min(columns)).then_some(rank))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    /// Rank found for an increment of a rank over a parent with entries of one, in f32.
    fn found(rows: usize, columns: usize, rank: usize) -> Option<usize> {
        let mut rng = ChaCha8Rng::seed_from_u64((rows * columns + rank) as u64);
        let mut random = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.gen_range(-1.0..1.0)).collect() };
        let (parent, left, right) = (random(rows * columns), random(rows * rank), random(rank * columns));
        let sketch = Sketch::new(columns);
        let mut gram = Gram::new(&sketch);
        for i in 0..rows {
            let a = &parent[i * columns..][..columns];
            let low = |j: usize| (0..rank).map(|k| left[i * rank + k] * right[k * columns + j]).sum::<f32>();
            let b: Vec<f32> = a.iter().enumerate().map(|(j, x)| x + 0.1 * low(j)).collect();
            gram.add_row(0, a, &b);
        }
        gram.multiply();
        gram.rank(rows, columns, 0.5f64.powi(24) * ((rows * columns) as f64).sqrt()).unwrap()
    }

    #[test]
    fn ranks_up_to_the_width_are_found() {
        for (rows, columns) in [(200, 100), (60, 500), (300, 400), (400, 137)] {
            for rank in [1, 4, 16, 48] {
                assert_eq!(found(rows, columns, rank), Some(rank), "{rows} {columns}");
            }
        }
        assert_eq!(found(200, 300, 0), Some(0));
    }

    #[test]
    fn a_full_matrix_has_no_low_rank() {
        assert_eq!(found(40, 60, 40), None);
        assert_eq!(found(300, 300, 200), None);
    }
}
