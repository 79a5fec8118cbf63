//! The symmetric rank-k update: all inner products, or all squared distances, of a few long rows. Only the lower triangle is
//! computed.
//!
//! Rows are stored one after the other. A tile of products is a few dot products side by side, so each loaded vector is used
//! several times and nothing is packed. Matrix libraries pack, for square matrices. With so few and so long rows, packing costs
//! more than it gains (`docs/performance.md`). The update processes [`STRIP`] columns at a time. Four rows of a strip then stay
//! in the first-level cache, and a block of rows in the second-level cache.
//!
//! Rows are in f32 or f64. The sum of one strip is in the rows' own precision, the sum of strips in f64. A vector register holds
//! twice as many values in f32, so that the update is twice as fast.

use super::element::Element;
use pulp::{Arch, Simd, WithSimd};
use std::array;
use std::marker::PhantomData;

/// Number of columns that are processed at a time. Four rows of this length take 16 KiB in f64.
pub(crate) const STRIP: usize = 512;

/// Number of unused values between the rows of a strip. Without this gap, all rows would fall into the same few sets of the
/// cache.
pub(crate) const APART: usize = 8;

/// Number of rows of a tile, down.
const DOWN: usize = 4;

/// Number of rows in a block, a multiple of `DOWN` and of every [`Term::ACROSS`]. Their strips are read again and again, and take 384 KiB in
/// f64.
const BLOCK: usize = 96;

/// Some rows in one slice. Each row begins `stride` values after the one before, and its first `length` values count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a, E> {
    pub(crate) values: &'a [E],
    /// Number of values from the beginning of a row to that of the next. It is at least `length`.
    pub(crate) stride: usize,
    pub(crate) length: usize,
}

/// A square column-major matrix of which some rows and columns are updated.
#[derive(Debug)]
pub(crate) struct Sums<'a> {
    pub(crate) values: &'a mut [f64],
    /// Number of values from the beginning of a column to that of the next.
    pub(crate) side: usize,
}

/// Adds the inner products of the rows `from..to` with all rows up to their own to the lower triangle of `products`.
///
/// # Panics
///
/// When `rows` has fewer than `to` rows, or `products` a side of less.
pub(crate) fn rank_update<E: Element>(products: Sums<'_>, rows: Rows<'_, E>, from: usize, to: usize) {
    update::<E, Product>(products, rows, from, to);
}

/// Adds the squared distances of `n` rows to the lower triangle of a column-major matrix of shape (n, n).
///
/// The sum of a pair depends on its two rows alone, and not on the other rows.
///
/// # Panics
///
/// When `rows` has fewer than `n` rows, or `squared` has fewer than n² values.
pub(crate) fn add_squared_distances(squared: &mut [f64], rows: Rows<'_, f64>, n: usize) {
    update::<f64, SquaredDifference>(Sums { values: squared, side: n }, rows, 0, n);
}

fn update<E: Element, T: Term>(sums: Sums<'_>, rows: Rows<'_, E>, from: usize, to: usize) {
    // Without rows the slice may be empty, and a strip could not be cut from it.
    let strips = if from == to { 0 } else { rows.length };
    for begin in (0..strips).step_by(STRIP) {
        let length = STRIP.min(rows.length - begin);
        let rows = Rows { values: &rows.values[begin..], length, ..rows };
        let sums = Sums { values: &mut *sums.values, ..sums };
        Arch::new().dispatch(Update { sums, rows, from, to, term: PhantomData::<T> });
    }
}

/// The term that two values add to the sum of their rows.
trait Term {
    /// Number of rows of a tile, across. Sums and loaded vectors of a tile fill AVX2's 16 registers.
    const ACROSS: usize;

    fn add<E: Element, S: Simd>(simd: S, x: E::Vector<S>, y: E::Vector<S>, sum: E::Vector<S>) -> E::Vector<S>;
    fn of(x: f64, y: f64) -> f64;
}

/// The term of an inner product: `x · y`.
struct Product;

impl Term for Product {
    /// 12 sums, and 3 + 1 loaded vectors.
    const ACROSS: usize = 3;

    #[inline(always)]
    fn add<E: Element, S: Simd>(simd: S, x: E::Vector<S>, y: E::Vector<S>, sum: E::Vector<S>) -> E::Vector<S> {
        E::multiply_add(simd, x, y, sum)
    }

    fn of(x: f64, y: f64) -> f64 {
        x * y
    }
}

/// The term of a squared distance: `(x − y)²`.
struct SquaredDifference;

impl Term for SquaredDifference {
    /// 8 sums, 2 + 1 loaded vectors and the difference. Twelve sums would leave no register for it.
    const ACROSS: usize = 2;

    #[inline(always)]
    fn add<E: Element, S: Simd>(simd: S, x: E::Vector<S>, y: E::Vector<S>, sum: E::Vector<S>) -> E::Vector<S> {
        let d = E::subtract(simd, x, y);
        E::multiply_add(simd, d, d, sum)
    }

    fn of(x: f64, y: f64) -> f64 {
        (x - y).powi(2)
    }
}

/// The update for one strip.
struct Update<'a, E, T> {
    sums: Sums<'a>,
    rows: Rows<'a, E>,
    from: usize,
    to: usize,
    term: PhantomData<T>,
}

impl<E: Element, T: Term> WithSimd for Update<'_, E, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        // The rows of one block stay in the cache while all rows below pass by.
        for block in (0..self.to).step_by(BLOCK) {
            let end = (block + BLOCK).min(self.to);
            for i in (block.max(self.from)..self.to).step_by(DOWN) {
                for j in (block..end.min(i + DOWN)).step_by(T::ACROSS) {
                    match (DOWN.min(self.to - i), T::ACROSS.min(end - j)) {
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

impl<E: Element, T: Term> Update<'_, E, T> {
    /// Updates the tile of `M` rows from `i` on by `N` rows from `j` on, where `j ≤ i + M`.
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const N: usize>(&mut self, simd: S, i: usize, j: usize) {
        let Rows { values, stride, length } = self.rows;
        let row = |r: usize| &values[r * stride..][..length];
        let steps = E::vectors::<S>(row(i)).0.len();
        // All slices get the same length here, so the compiler removes the bounds checks of the loop.
        let down: [&[E::Vector<S>]; M] = array::from_fn(|m| &E::vectors::<S>(row(i + m)).0[..steps]);
        let across: [&[E::Vector<S>]; N] = array::from_fn(|n| &E::vectors::<S>(row(j + n)).0[..steps]);
        let mut sums = [[E::zero(simd); N]; M];
        for p in 0..steps {
            let across: [E::Vector<S>; N] = array::from_fn(|n| across[n][p]);
            for m in 0..M {
                let x = down[m][p];
                for n in 0..N {
                    sums[m][n] = T::add::<E, S>(simd, x, across[n], sums[m][n]);
                }
            }
        }
        let rest = |r: usize| E::vectors::<S>(row(r)).1;
        let side = self.sums.side;
        // A tile on the diagonal also computes products above it. These are not added.
        for (m, sums) in sums.iter().enumerate() {
            for (n, &sum) in sums.iter().enumerate().filter(|(n, _)| j + n <= i + m) {
                let after = rest(i + m).iter().zip(rest(j + n)).map(|(x, y)| T::of(x.wide(), y.wide()));
                self.sums.values[(j + n) * side + i + m] += E::total(simd, sum) + after.sum::<f64>();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small whole numbers, so that sums are exact in f32 too.
    fn number(i: usize) -> f64 {
        ((i * 7919) % 31) as f64 - 15.0
    }

    #[test]
    fn every_product_of_the_lower_triangle_is_added_once() {
        for n in (0..=14).chain([95, 96, 97, 99, 101, 200]) {
            for length in [0, 1, 7, 16, 21, STRIP + 13] {
                let stride = length + 3;
                let wide: Vec<f64> = (0..n * stride).map(number).collect();
                let narrow: Vec<f32> = wide.iter().map(|&x| x as f32).collect();
                let rows = Rows { values: &wide, stride, length };
                let [mut products, mut squared, mut in_f32] = [(); 3].map(|()| vec![1.0; n * n]);
                rank_update(Sums { values: &mut products, side: n }, rows, 0, n);
                add_squared_distances(&mut squared, rows, n);
                let rows = Rows { values: &narrow, stride, length };
                // In two parts, the second with all rows before it.
                rank_update(Sums { values: &mut in_f32, side: n }, rows, 0, n / 3);
                rank_update(Sums { values: &mut in_f32, side: n }, rows, n / 3, n);
                for i in 0..n {
                    for j in 0..n {
                        let pairs = || wide[i * stride..][..length].iter().zip(&wide[j * stride..][..length]);
                        let lower = |sum: f64| if i < j { 1.0 } else { 1.0 + sum };
                        let told = format!("{n} rows of {length}, {i} {j}");
                        let product = lower(pairs().map(|(a, b)| a * b).sum());
                        assert_eq!(products[j * n + i], product, "{told}");
                        assert_eq!(in_f32[j * n + i], product, "{told}, in f32");
                        assert_eq!(squared[j * n + i], lower(pairs().map(|(a, b)| (a - b) * (a - b)).sum()), "{told}");
                    }
                }
            }
        }
    }
}
