//! Is q an ancestor of c, or are the two siblings that drifted together?
//!
//! With r the root, `x = q − r` and `y = c − r`: a descendant inherits x whole and adds an increment of its own, so that
//! `y − x` is unrelated to x; of siblings it is y that is (nearly) unrelated to x. In every parameter the two hypotheses are
//! weighed by what cosines between unrelated increments look like.

use super::norm::Norms;
use super::sheet::Sheet;
use crate::geometry::Comparison;
use crate::parent::{SIBLING_WIDTH, sibling_likelihood};
use rayon::prelude::*;

/// How many independent tests all parameters together are worth, in units of one.
///
/// Parameters of one network agree more than independent ones would, so that evidence must not grow with their number. Four
/// makes the probabilities that follow right about as often as they say (docs/evaluation.md).
const INDEPENDENT: f64 = 4.0;

/// Share of the gain in log distance that counts as evidence.
const DISTANCE_SHARE: f64 = 0.5;

/// Scale of the cosine between what a descendant inherited and what it added: it may as well undo as go on.
const DESCENT: f64 = 0.3;

/// The least log-likelihood of a single cosine, and the evidence of a parameter that q and c share and the root has not.
const CAP: f64 = 4.0;

/// Log distances gained in one parameter beyond this count alike.
const LARGEST_GAIN: f64 = 7.0;

/// Share of the evidence of norms that counts next to distances and angles.
const NORM_SHARE: f64 = 0.6;

/// Evidence that no other outweighs: what training cannot undo speaks against the candidate.
pub(super) const EXCLUDED: f64 = -20.0;

/// What each pair of members says of `q → c` against `r → c`, natural logarithms of likelihood ratios, shape (n, n).
#[derive(Debug)]
pub(super) struct Inheritance {
    n: usize,
    pub(super) root: usize,
    cells: Vec<Cell>,
}

/// Of one ordered pair.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cell {
    pub(super) angle: f64,
    pub(super) distance: f64,
    pub(super) norm: f64,
    /// Parameters that c left as the root has them, and q did not.
    pub(super) reverted: f64,
    tests: f64,
}

impl Cell {
    pub(super) fn total(&self) -> f64 {
        self.angle + self.distance + self.norm + self.untouched()
    }

    pub(super) fn untouched(&self) -> f64 {
        if self.reverted > 0.0 { EXCLUDED } else { 0.0 }
    }
}

impl Inheritance {
    /// O(n² T) for n members and T parameters.
    pub(super) fn of(comparison: &Comparison, norms: &Norms, root: usize) -> Self {
        let n = comparison.len();
        let mut cells = vec![Cell::default(); n * n];
        for parameter in comparison.scoped() {
            let Some(sheet) = Sheet::of(parameter, n) else { continue };
            let projected = Projected::of(&sheet, root, n);
            cells.par_chunks_mut(n).enumerate().filter(|&(q, _)| q != root).for_each(|(q, row)| {
                for (c, cell) in row.iter_mut().enumerate().filter(|&(c, _)| c != q && c != root) {
                    projected.add(&sheet, q, c, cell);
                }
            });
        }
        cells.par_chunks_mut(n).enumerate().for_each(|(q, row)| {
            for (c, cell) in row.iter_mut().enumerate() {
                let scale = INDEPENDENT / (cell.tests + 1.0);
                cell.angle *= scale;
                cell.distance *= scale * DISTANCE_SHARE;
                cell.norm = NORM_SHARE * (norms.precedes(q, c) - norms.precedes(root, c));
            }
        });
        Self { n, root, cells }
    }

    pub(super) fn cell(&self, q: usize, c: usize) -> &Cell {
        &self.cells[q * self.n + c]
    }
}

/// Increments from the root without their share along the root's own values: weight decay moves all descendants that way.
struct Projected {
    root: usize,
    /// `⟨x − r, r⟩ / ‖r‖`.
    along: Vec<f64>,
    /// Squared length of what is left of `x − r`.
    squared: Vec<f64>,
}

/// A remainder this much smaller than the increment is rounding.
const ROUNDING: f64 = 1e-12;

impl Projected {
    fn of(sheet: &Sheet, root: usize, n: usize) -> Self {
        let own = sheet.norm(root);
        let along: Vec<f64> = (0..n)
            .map(|x| {
                let inner = (sheet.norm(x) - own - sheet.squared(root, x)) / 2.0;
                if own > 0.0 { inner / own.sqrt() } else { 0.0 }
            })
            .collect();
        let left = |x: usize| {
            let whole = sheet.squared(root, x);
            let rest = whole - along[x] * along[x];
            if rest > ROUNDING * whole { rest } else { 0.0 }
        };
        Self { root, squared: (0..n).map(left).collect(), along }
    }

    fn add(&self, sheet: &Sheet, q: usize, c: usize, cell: &mut Cell) {
        let (to_q, to_c, apart) = (sheet.squared(self.root, q), sheet.squared(self.root, c), sheet.squared(q, c));
        if to_c == 0.0 {
            cell.reverted += f64::from(u8::from(to_q > 0.0));
            return;
        }
        let (qq, cc) = (self.squared[q], self.squared[c]);
        let inner = (to_q + to_c - apart) / 2.0 - self.along[q] * self.along[c];
        let on = qq + cc - 2.0 * inner;
        if apart == 0.0 {
            cell.angle += CAP;
            cell.distance += LARGEST_GAIN;
            cell.tests += 1.0;
            return;
        }
        if qq == 0.0 || cc == 0.0 || on <= ROUNDING * (qq + cc) {
            return;
        }
        let siblings = inner / (qq * cc).sqrt();
        let descent = (inner - qq) / (qq * on).sqrt();
        cell.angle += descent_likelihood(descent) - sibling_likelihood(siblings);
        cell.distance += (0.5 * (cc / on).ln()).clamp(-LARGEST_GAIN, LARGEST_GAIN);
        cell.tests += 1.0;
    }
}

/// Log-likelihood of a cosine between what was inherited and what was added, on the scale of [`sibling_likelihood`].
fn descent_likelihood(cosine: f64) -> f64 {
    -(cosine.abs() / DESCENT).min(CAP) + (SIBLING_WIDTH / (2.0 * DESCENT)).ln()
}
