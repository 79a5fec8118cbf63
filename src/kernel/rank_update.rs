//! The symmetric rank-k update: all inner products, or all squared distances, of a few long rows. Only the lower triangle is
//! computed.
//!
//! Rows are stored one after the other. A tile of products is a few dot products side by side, so each loaded vector is used
//! several times and nothing is packed. Matrix libraries pack, for square matrices. With so few and so long rows, packing costs
//! more than it gains (`docs/performance.md`). The update processes [`STRIP`] columns at a time. Four rows of a strip then stay
//! in the first-level cache, and a block of rows in the second-level cache.

use pulp::{Arch, Simd, WithSimd};
use std::array;
use std::marker::PhantomData;

/// Number of columns that are processed at a time. Four rows of this length take 16 KiB in f64.
pub(crate) const STRIP: usize = 512;

/// Number of unused values between the rows of a strip. Without this gap, all rows would fall into the same few sets of the
/// cache.
pub(crate) const APART: usize = 8;

/// Number of rows of a tile, down. With [`ACROSS`] it gives 12 sums, which with 3 + 1 loaded vectors fill AVX2's 16 registers.
const DOWN: usize = 4;
/// Number of rows of a tile, across.
const ACROSS: usize = 3;

/// Number of rows in a block, a multiple of `DOWN` and `ACROSS`. Their strips are read again and again, and take 384 KiB in
/// f64.
const BLOCK: usize = 96;

/// Some rows in one slice. Each row begins `stride` values after the one before, and its first `length` values count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    pub(crate) values: &'a [f64],
    /// Number of values from the beginning of a row to that of the next. It is at least `length`.
    pub(crate) stride: usize,
    pub(crate) length: usize,
}

/// Adds the inner products of `n` rows to the lower triangle of a column-major matrix of shape (n, n).
///
/// # Panics
///
/// When `rows` has fewer than `n` rows, or `products` has fewer than n² values.
pub(crate) fn rank_update(products: &mut [f64], rows: Rows<'_>, n: usize) {
    update::<Product>(products, rows, n);
}

/// Adds the squared distances of `n` rows to the lower triangle of a column-major matrix of shape (n, n).
///
/// The sum of a pair depends on its two rows alone, and not on the other rows.
///
/// # Panics
///
/// When `rows` has fewer than `n` rows, or `squared` has fewer than n² values.
pub(crate) fn add_squared_distances(squared: &mut [f64], rows: Rows<'_>, n: usize) {
    update::<SquaredDifference>(squared, rows, n);
}

fn update<T: Term>(sums: &mut [f64], rows: Rows<'_>, n: usize) {
    // Without rows the slice may be empty, and a strip could not be cut from it.
    let strips = if n == 0 { 0 } else { rows.length };
    for begin in (0..strips).step_by(STRIP) {
        let length = STRIP.min(rows.length - begin);
        let rows = Rows { values: &rows.values[begin..], length, ..rows };
        Arch::new().dispatch(Update { sums, rows, n, term: PhantomData::<T> });
    }
}

/// The term that two values add to the sum of their rows.
trait Term {
    fn add<S: Simd>(simd: S, x: S::f64s, y: S::f64s, sum: S::f64s) -> S::f64s;
    fn of(x: f64, y: f64) -> f64;
}

/// The term of an inner product: `x · y`.
struct Product;

impl Term for Product {
    #[inline(always)]
    fn add<S: Simd>(simd: S, x: S::f64s, y: S::f64s, sum: S::f64s) -> S::f64s {
        simd.mul_add_e_f64s(x, y, sum)
    }

    fn of(x: f64, y: f64) -> f64 {
        x * y
    }
}

/// The term of a squared distance: `(x − y)²`.
struct SquaredDifference;

impl Term for SquaredDifference {
    #[inline(always)]
    fn add<S: Simd>(simd: S, x: S::f64s, y: S::f64s, sum: S::f64s) -> S::f64s {
        let d = simd.sub_f64s(x, y);
        simd.mul_add_e_f64s(d, d, sum)
    }

    fn of(x: f64, y: f64) -> f64 {
        (x - y).powi(2)
    }
}

/// The update for one strip.
struct Update<'a, T> {
    sums: &'a mut [f64],
    rows: Rows<'a>,
    n: usize,
    term: PhantomData<T>,
}

impl<T: Term> WithSimd for Update<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        // The rows of one block stay in the cache while all rows below pass by.
        for block in (0..self.n).step_by(BLOCK) {
            let end = (block + BLOCK).min(self.n);
            for i in (block..self.n).step_by(DOWN) {
                for j in (block..end.min(i + DOWN)).step_by(ACROSS) {
                    match (DOWN.min(self.n - i), ACROSS.min(end - j)) {
                        (4, 3) => self.tile::<S, 4, 3>(simd, i, j),
                        (4, 2) => self.tile::<S, 4, 2>(simd, i, j),
                        (4, 1) => self.tile::<S, 4, 1>(simd, i, j),
                        (3, 3) => self.tile::<S, 3, 3>(simd, i, j),
                        (3, 2) => self.tile::<S, 3, 2>(simd, i, j),
                        (3, 1) => self.tile::<S, 3, 1>(simd, i, j),
                        (2, 3) => self.tile::<S, 2, 3>(simd, i, j),
                        (2, 2) => self.tile::<S, 2, 2>(simd, i, j),
                        (2, 1) => self.tile::<S, 2, 1>(simd, i, j),
                        (1, 3) => self.tile::<S, 1, 3>(simd, i, j),
                        (1, 2) => self.tile::<S, 1, 2>(simd, i, j),
                        _ => self.tile::<S, 1, 1>(simd, i, j),
                    }
                }
            }
        }
    }
}

impl<T: Term> Update<'_, T> {
    /// Updates the tile of `M` rows from `i` on by `N` rows from `j` on, where `j ≤ i + M`.
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const N: usize>(&mut self, simd: S, i: usize, j: usize) {
        let Rows { values, stride, length } = self.rows;
        let whole = length / S::F64_LANES * S::F64_LANES;
        let row = |r: usize| &values[r * stride..][..length];
        let vectors = |r: usize| S::as_simd_f64s(&row(r)[..whole]).0;
        let down: [&[S::f64s]; M] = array::from_fn(|m| vectors(i + m));
        let across: [&[S::f64s]; N] = array::from_fn(|n| vectors(j + n));
        let steps = whole / S::F64_LANES;
        // All slices get the same length here, so the compiler removes the bounds checks of the loop.
        let down: [&[S::f64s]; M] = array::from_fn(|m| &down[m][..steps]);
        let across: [&[S::f64s]; N] = array::from_fn(|n| &across[n][..steps]);
        let mut sums = [[simd.splat_f64s(0.0); N]; M];
        for p in 0..steps {
            let across: [S::f64s; N] = array::from_fn(|n| across[n][p]);
            for m in 0..M {
                let x = down[m][p];
                for n in 0..N {
                    sums[m][n] = T::add(simd, x, across[n], sums[m][n]);
                }
            }
        }
        // A tile on the diagonal also computes products above it. These are not added.
        for (m, sums) in sums.iter().enumerate() {
            for (n, &sum) in sums.iter().enumerate().filter(|(n, _)| j + n <= i + m) {
                self.sums[(j + n) * self.n + i + m] += simd.reduce_sum_f64s(sum);
            }
        }
        if whole == length {
            return;
        }
        for m in 0..M {
            for n in (0..N).filter(|n| j + n <= i + m) {
                let rest = row(i + m)[whole..].iter().zip(&row(j + n)[whole..]);
                self.sums[(j + n) * self.n + i + m] += rest.map(|(&x, &y)| T::of(x, y)).sum::<f64>();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_product_of_the_lower_triangle_is_added_once() {
        for n in (0..=14).chain([95, 96, 97, 99, 101, 200]) {
            for length in [0, 1, 7, 16, 21, STRIP + 13] {
                let stride = length + 3;
                let values: Vec<f64> = (0..n * stride).map(|i| ((i * 7919) % 31) as f64 - 15.0).collect();
                let rows = Rows { values: &values, stride, length };
                let (mut products, mut squared) = (vec![1.0; n * n], vec![1.0; n * n]);
                rank_update(&mut products, rows, n);
                add_squared_distances(&mut squared, rows, n);
                for i in 0..n {
                    for j in 0..n {
                        let pairs = || values[i * stride..][..length].iter().zip(&values[j * stride..][..length]);
                        let lower = |sum: f64| if i < j { 1.0 } else { 1.0 + sum };
                        let told = format!("{n} rows of {length}, {i} {j}");
                        assert_eq!(products[j * n + i], lower(pairs().map(|(a, b)| a * b).sum()), "{told}");
                        assert_eq!(squared[j * n + i], lower(pairs().map(|(a, b)| (a - b) * (a - b)).sum()), "{told}");
                    }
                }
            }
        }
    }
}
