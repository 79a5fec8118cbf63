//! The symmetric rank-k update: all inner products of a few long rows, or all squared distances, lower triangle only.
//!
//! Rows lie one after the other, so that a tile of products is a few dot products side by side: each vector loaded takes part
//! in several, nothing is packed. Matrix libraries pack, for square matrices; for rows so few and so long that costs more than it
//! gives (`docs/performance.md`). [`STRIP`] columns are gone through at a time: four rows of a strip stay in the first-level
//! cache, a block of rows in the second.

use pulp::{Arch, Simd, WithSimd};
use std::array;
use std::marker::PhantomData;

/// Columns gone through at a time.
pub(crate) const STRIP: usize = 512;

/// Values to leave between rows of a strip, or all of them would lie in the same few sets of the cache.
pub(crate) const APART: usize = 8;

/// Rows of a tile, down and across: 12 sums, 4 + 1 vectors and nothing more fit the 16 registers of AVX2.
const DOWN: usize = 4;
const ACROSS: usize = 3;

/// Rows, a multiple of `DOWN` and `ACROSS`, whose strips are gone through again and again.
const BLOCK: usize = 96;

/// Some rows, each at its own distance from the last, and how many values of each count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    pub(crate) values: &'a [f64],
    /// From the first value of a row to the first of the next, at least `length`.
    pub(crate) stride: usize,
    pub(crate) length: usize,
}

/// Adds the inner products of `n` rows to the lower triangle of a column-major matrix of shape (n, n).
///
/// # Panics
///
/// When there are fewer values or products than that.
pub(crate) fn rank_update(products: &mut [f64], rows: Rows<'_>, n: usize) {
    update::<Product>(products, rows, n);
}

/// Adds the squared distances of `n` rows to the lower triangle of a column-major matrix of shape (n, n).
///
/// The sum for a pair is that of its two rows, whichever others there are.
///
/// # Panics
///
/// When there are fewer values or distances than that.
pub(crate) fn add_squared_distances(squared: &mut [f64], rows: Rows<'_>, n: usize) {
    update::<SquaredDifference>(squared, rows, n);
}

fn update<T: Term>(sums: &mut [f64], rows: Rows<'_>, n: usize) {
    // Without rows there are no values to cut strips from.
    let strips = if n == 0 { 0 } else { rows.length };
    for begin in (0..strips).step_by(STRIP) {
        let length = STRIP.min(rows.length - begin);
        let rows = Rows { values: &rows.values[begin..], length, ..rows };
        Arch::new().dispatch(Update { sums, rows, n, term: PhantomData::<T> });
    }
}

/// What two values add to the sum of their rows.
trait Term {
    fn add<S: Simd>(simd: S, x: S::f64s, y: S::f64s, sum: S::f64s) -> S::f64s;
    fn of(x: f64, y: f64) -> f64;
}

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

/// The update by one strip.
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
    /// `M` rows from `i` by `N` rows from `j`, where `j ≤ i + M`.
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const N: usize>(&mut self, simd: S, i: usize, j: usize) {
        let Rows { values, stride, length } = self.rows;
        let whole = length / S::F64_LANES * S::F64_LANES;
        let row = |r: usize| &values[r * stride..][..length];
        let vectors = |r: usize| S::as_simd_f64s(&row(r)[..whole]).0;
        let down: [&[S::f64s]; M] = array::from_fn(|m| vectors(i + m));
        let across: [&[S::f64s]; N] = array::from_fn(|n| vectors(j + n));
        let steps = whole / S::F64_LANES;
        // Of one length for all, so that the loop checks none.
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
