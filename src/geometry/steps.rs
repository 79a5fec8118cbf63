//! The products of the steps of one job, and the squared distances that follow from them.

use super::direct::Squared;
use super::step_tree::StepTree;
use crate::kernel::{APART, Packed, Rows, STRIP, Sums, rank_update};
use pulp::{Arch, Simd, WithSimd};

/// Greatest number of columns of a job whose products are all in f64. So short a job takes little time in either precision.
const ALL_WIDE: usize = 8 * STRIP;
/// Least squared length of a far step, as a share of the larger squared norm of its two rows.
///
/// The products of far steps are in f64. What f32 loses of shorter ones is at most 10⁻⁹ of that norm.
const FAR: f64 = 0.01;

/// Number of columns among which one is sampled for the tree.
const SAMPLED: usize = 32;
/// The most columns that are sampled.
const MOST_SAMPLED: usize = STRIP;

/// Number of unused values between the rows of a strip in f32, as many bytes as [`APART`] in f64.
const APART_NARROW: usize = 2 * APART;

/// Least squared step whose products in f32 do not fall below what f32 can hold.
const SMALLEST: f64 = 1e-26;

/// What rounding in f32 adds to a sum of squares over one strip, as a share of it.
const ROUNDING: f64 = 1.5e-7;
/// The most that rounding may add to a squared distance, as a share of it.
const TOLERATED: f64 = 5e-7;
/// The most by which products in f64 may exceed the distance that is their difference.
const MOST_CANCELLED: f64 = 1e5;

/// Products of the steps of a tree, summed over the columns of one job.
///
/// A step is `Δ_i = θ_i − θ_p`, with p the parent of i. Every difference of two rows is a sum of the steps on the path between
/// them. Products are in f32 over one strip, and in f64 over all strips. Those of far steps and of short jobs are in f64
/// throughout.
#[derive(Debug)]
pub(super) struct StepSums {
    tree: StepTree,
    /// Products of steps by place, column-major. Only the lower triangle is filled.
    products: Vec<f64>,
    strips: usize,
}

/// The buffers for one strip of all steps.
#[derive(Default)]
pub(super) struct StepBuffers {
    narrow: Vec<f32>,
    pub(super) wide: Vec<f64>,
}

/// A pair of rows whose squared distance must be summed directly.
pub(super) type Doubtful = (usize, usize);

impl StepSums {
    /// Chooses the tree by the first columns of the job's first block. `columns` is the length of the job.
    pub(super) fn new(narrow: &[f32], length: usize, columns: usize, rows: usize, wide: &mut Vec<f64>) -> Self {
        let sampled = (columns / SAMPLED).clamp(SAMPLED, MOST_SAMPLED).min(length);
        let mut sample = Squared::new(rows);
        sample.add(narrow, length, sampled, wide);
        let square = |row: &[f32]| row[..sampled].iter().map(|&x| f64::from(x).powi(2)).sum();
        let norms: Vec<f64> = narrow.chunks_exact(length).map(square).collect();
        let tree = StepTree::of(&sample, &norms, if columns > ALL_WIDE { FAR } else { 0.0 });
        let steps = rows.saturating_sub(1);
        Self { tree, products: vec![0.0; steps * steps], strips: 0 }
    }

    /// Adds a block. Its rows are `length` values long and follow one another.
    pub(super) fn add(&mut self, narrow: &[f32], length: usize, buffers: &mut StepBuffers) {
        let (steps, far) = (self.tree.order.len().saturating_sub(1), self.tree.far);
        let (stride, wide_stride) = (STRIP + APART_NARROW, STRIP + APART);
        buffers.narrow.resize(steps * stride, 0.0);
        buffers.wide.resize(far * wide_stride, 0.0);
        for begin in (0..length).step_by(STRIP) {
            let taken = STRIP.min(length - begin);
            let strip = |row: usize| &narrow[row * length + begin..][..taken];
            for &row in &self.tree.order[1..] {
                let (to, from, place) = (strip(row), strip(self.tree.parent[row]), self.tree.place[row]);
                // Where all steps are far, no product is in f32.
                if far < steps {
                    Arch::new().dispatch(Subtract { to, from, step: &mut buffers.narrow[place * stride..][..taken] });
                }
                if place < far {
                    Arch::new().dispatch(Subtract {
                        to,
                        from,
                        step: &mut buffers.wide[place * wide_stride..][..taken],
                    });
                }
            }
            let wide = Rows { values: &buffers.wide, stride: wide_stride, length: taken };
            rank_update(Sums { values: &mut self.products, side: steps }, wide, 0, far);
            let narrow = Rows { values: &buffers.narrow, stride, length: taken };
            rank_update(Sums { values: &mut self.products, side: steps }, narrow, far, steps);
            self.strips += 1;
        }
    }

    fn product(&self, a: usize, b: usize) -> f64 {
        let (a, b) = (self.tree.place[a], self.tree.place[b]);
        self.products[a.max(b) + a.min(b) * (self.tree.order.len() - 1)]
    }

    /// Writes the squared distance of every pair of rows, and returns the pairs for which it may be wrong.
    ///
    /// For a row i with parent p and a row j before it in the order of the tree,
    /// `d²(i, j) = ‖Δ_i‖² + d²(p, j) + 2 ⟨Δ_i, θ_p − θ_j⟩`. The last product is a sum of products of steps on the path from p to j.
    /// Rows with equal fingerprints are at distance 0. O(n²) time.
    ///
    /// Rounding is a share of the squared length of the path. A pair that is much nearer than its path is long is doubtful.
    pub(super) fn squared_distances(&self, fingerprints: &[u128], squared: &mut Packed) -> Vec<Doubtful> {
        let StepTree { order, parent, .. } = &self.tree;
        let lengths = self.lengths(fingerprints);
        let bound = TOLERATED / ROUNDING * (self.strips.max(1) as f64).sqrt();
        let mut doubtful = Vec::new();
        let mut paths = vec![Path::default(); order.len()];
        for (at, &i) in order.iter().enumerate().skip(1) {
            let p = parent[i];
            self.paths(at, &lengths, &mut paths);
            let step = self.product(i, i);
            for &j in &order[..at] {
                if fingerprints[i] == fingerprints[j] {
                    // Rounding must not give a distance to rows with the same values.
                    squared.set(i, j, 0.0);
                    continue;
                }
                let before = if j == p { 0.0 } else { squared.value(p, j) };
                let found = step + before + 2.0 * paths[j].inner;
                squared.set(i, j, found.max(0.0));
                if !paths[j].is_short_for(found, bound) {
                    doubtful.push((i, j));
                }
            }
        }
        doubtful
    }

    /// Returns the length of each row's step, infinite where f32 may not hold its products.
    fn lengths(&self, fingerprints: &[u128]) -> Vec<f64> {
        let StepTree { order, parent, place, far } = &self.tree;
        let mut lengths = vec![0.0; order.len()];
        for &row in order.iter().skip(1) {
            let squared = self.product(row, row);
            let held =
                if place[row] < *far { squared.is_finite() } else { (SMALLEST..f64::INFINITY).contains(&squared) };
            let same = fingerprints[row] == fingerprints[parent[row]];
            lengths[row] = if held || same { squared.sqrt() } else { f64::INFINITY };
        }
        lengths
    }

    /// Measures the paths from the row i at `at` in the order to all rows before it.
    ///
    /// Nothing is summed from the root on: one row far from all others would take the digits of every sum that it is in.
    fn paths(&self, at: usize, lengths: &[f64], paths: &mut [Path]) {
        let StepTree { order, parent, place, far } = &self.tree;
        let i = order[at];
        let extended = |path: Path, row: usize, inner: f64| {
            let far = if place[row] < *far { lengths[row] } else { 0.0 };
            Path { all: path.all + lengths[row], far: path.far + far, inner: path.inner + inner }
        };
        let mut above = vec![false; order.len()];
        let (mut row, mut path) = (i, Path::default());
        while row != parent[row] {
            path = extended(path, row, if row == i { 0.0 } else { self.product(i, row) });
            row = parent[row];
            (paths[row], above[row]) = (path, true);
        }
        // Of the rows that are not above it, none is below it, for those come later.
        for &j in order[..at].iter().filter(|&&j| !above[j]) {
            paths[j] = extended(paths[parent[j]], j, -self.product(i, j));
        }
    }
}

/// Sums over the steps on the path from a row i to a row j.
#[derive(Clone, Copy, Debug, Default)]
struct Path {
    /// Lengths of all steps.
    all: f64,
    /// Lengths of the far ones.
    far: f64,
    /// `⟨Δ_i, θ_p − θ_j⟩`, with p the parent of i.
    inner: f64,
}

impl Path {
    /// Whether rounding is a small part of the squared distance of its ends. `bound` is for products in f32.
    fn is_short_for(self, squared: f64, bound: f64) -> bool {
        let far = self.far * self.far;
        // An infinite sum would be within any share of itself.
        self.all.is_finite()
            && squared.is_finite()
            && self.all * self.all - far <= bound * squared
            && far <= MOST_CANCELLED * squared
    }
}

/// Subtracts values, in the precision of the result.
struct Subtract<'a, E> {
    to: &'a [f32],
    from: &'a [f32],
    step: &'a mut [E],
}

impl WithSimd for Subtract<'_, f32> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.step.iter_mut().zip(self.to).zip(self.from).for_each(|((step, x), y)| *step = x - y);
    }
}

impl WithSimd for Subtract<'_, f64> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let both = self.to.iter().zip(self.from);
        self.step.iter_mut().zip(both).for_each(|(step, (&x, &y))| *step = f64::from(x) - f64::from(y));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: usize = 9 * STRIP;

    /// Rows of `COLUMNS` values, and the sums of their steps.
    fn sums(rows: &[Vec<f32>]) -> (StepSums, Vec<u128>) {
        let mut buffers = StepBuffers::default();
        let all = rows.concat();
        let mut sums = StepSums::new(&all, COLUMNS, COLUMNS, rows.len(), &mut buffers.wide);
        sums.add(&all, COLUMNS, &mut buffers);
        // As a fingerprint would, this tells equal rows.
        let same = |row: &Vec<f32>| rows.iter().position(|other| other == row).unwrap_or_default() as u128;
        (sums, rows.iter().map(same).collect())
    }

    /// Numbers around 0 without a pattern, of some size.
    fn numbers(seed: usize, size: f32) -> Vec<f32> {
        let number = |i: usize| ((i * 7919 + seed * 104_729) % 1009) as f32 / 504.5 - 1.0;
        (0..COLUMNS).map(|i| size * number(i * (seed + 3))).collect()
    }

    fn moved(row: &[f32], seed: usize, size: f32) -> Vec<f32> {
        row.iter().zip(numbers(seed, size)).map(|(x, step)| x + step).collect()
    }

    #[test]
    fn distances_follow_from_steps_and_equal_rows_are_at_zero() {
        let root = numbers(1, 1.0);
        let child = moved(&root, 2, 1e-3);
        let rows = [root.clone(), moved(&child, 3, 1e-5), child.clone(), numbers(4, 1.0), child];
        let (sums, fingerprints) = sums(&rows);
        assert_eq!(sums.tree.far, 1);
        let mut squared = Packed::zeros(rows.len());
        assert_eq!(sums.squared_distances(&fingerprints, &mut squared), []);
        for i in 0..rows.len() {
            for j in 0..i {
                let pairs = rows[i].iter().zip(&rows[j]);
                let expected: f64 = pairs.map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum();
                assert!((squared.value(i, j) - expected).abs() <= TOLERATED * expected, "{i} {j}");
            }
        }
        assert_eq!(squared.value(4, 2), 0.0);
    }

    #[test]
    fn pairs_whose_path_is_long_and_squares_out_of_range_are_doubtful() {
        let root = numbers(1, 1.0);
        // Equal to the root in the columns that are sampled, so that the tree joins each of them with it.
        let behind = |mut row: Vec<f32>| {
            row[..STRIP].copy_from_slice(&root[..STRIP]);
            row
        };
        let far = behind(moved(&root, 2, 1e-2));
        let rows = [root.clone(), far.clone(), behind(moved(&far, 3, 1e-5))];
        let (all, fingerprints) = sums(&rows);
        let mut squared = Packed::zeros(rows.len());
        assert_eq!(all.squared_distances(&fingerprints, &mut squared), [(2, 1)]);
        for size in [1e25, 1e-25] {
            let rows = rows.each_ref().map(|row| row.iter().map(|x| size * x).collect());
            let (all, fingerprints) = sums(&rows);
            let doubtful = all.squared_distances(&fingerprints, &mut squared);
            assert_eq!(doubtful, [(1, 0), (2, 0), (2, 1)], "{size}");
        }
    }
}
