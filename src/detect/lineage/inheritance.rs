//! Is q an ancestor of c, or are the two siblings that drifted together?
//!
//! Let r be the root, `x = q − r` and `y = c − r`. A descendant inherits x whole and adds an increment of its own, so `y − x`
//! is unrelated to x. For siblings, it is y that is (nearly) unrelated to x.
//!
//! Every parameter weighs the two hypotheses by the distribution of cosines between unrelated increments.

use super::index::Member;
use super::sheet::Sheet;
use super::weights::Weights;
use crate::geometry::Comparison;
use crate::kernel::Square;
use rayon::prelude::*;

/// The evidence of every ordered pair of members for `q → c` against `r → c`.
#[derive(Debug)]
pub(super) struct Inheritance {
    cells: Square<Cell>,
    /// The members that cells are of, in order; `None` for all members of the lineage.
    among: Option<Vec<Member>>,
}

/// The evidence of distances for one ordered pair, in natural logarithms of likelihood ratios summed over parameters.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cell {
    pub(super) angle: f64,
    pub(super) distance: f64,
    /// How much of the way from the root to q the child has gone: 1 where it inherited all of it, the mean over parameters.
    pub(super) slope: f32,
    /// The natural logarithm of the way from q to c over that from the root to q, the mean over parameters.
    pub(super) beyond: f32,
    /// Number of parameters in which c equals the root and q does not.
    pub(super) reverted: u32,
    /// Number of parameters that the others are of.
    pub(super) parameters: u32,
}

/// A slope in one parameter beyond these counts as much as these. One parameter of many must not decide a pair.
const SLOPES: [f64; 2] = [-1.0, 3.0];

impl Inheritance {
    /// Measures all pairs. O(n² T) time for n members and T parameters.
    pub(super) fn of(comparison: &Comparison, root: Member, weights: &Weights) -> Self {
        let n = comparison.len();
        let mut cells = Square::filled(n, Cell::default());
        for parameter in comparison.scoped() {
            let Some(sheet) = Sheet::of(parameter, n) else { continue };
            let projected = Increments::of(&sheet, root, n, weights);
            cells.par_rows_mut().filter(|&(q, _)| q != root.index()).for_each(|(q, row)| {
                for (c, cell) in row.iter_mut().enumerate().filter(|&(c, _)| c != q && c != root.index()) {
                    projected.add(Member::new(q), Member::new(c), cell);
                }
            });
        }
        let (independent, share) = (weights.parents.independent, weights.witnesses.distance.share);
        let largest = weights.witnesses.angle.largest;
        cells.par_rows_mut().for_each(|(_, row)| {
            for cell in row {
                // Parameters of one network agree more than independent tests do. Together they count as `independent` tests.
                let scale = independent / (f64::from(cell.parameters) + 1.0);
                cell.angle *= scale;
                cell.distance *= scale * share;
                cell.angle = cell.angle.min(largest);
                let count = cell.parameters.max(1) as f32;
                (cell.slope, cell.beyond) = (cell.slope / count, cell.beyond / count);
            }
        });
        Self { cells, among: None }
    }

    /// Measures all pairs of some members, one of which is the supposed root. They are in ascending order.
    pub(super) fn among(comparison: &Comparison, root: Member, among: Vec<Member>, weights: &Weights) -> Self {
        let place = among.binary_search(&root).unwrap_or_default();
        let positions: Vec<_> = among.iter().map(|m| m.within()).collect();
        Self { among: Some(among), ..Self::of(&comparison.of(&positions), Member::new(place), weights) }
    }

    /// The evidence for `q → c`. It is 0 where q or c is the root, and where both are one member.
    ///
    /// # Panics
    ///
    /// Panics when a member was not measured.
    pub(super) fn cell(&self, q: Member, c: Member) -> &Cell {
        let Some(among) = &self.among else { return &self.cells[(q, c)] };
        let place = |m: Member| among.binary_search(&m).expect("only members of the branch are asked about");
        &self.cells[(place(q), place(c))]
    }
}

/// Increments from the root in one parameter, without their component along the root's own values.
///
/// Weight decay moves all descendants along the root, so that component does not separate ancestors from siblings.
struct Increments<'a> {
    sheet: &'a Sheet,
    weights: &'a Weights,
    root: Member,
    /// The component of each increment along the root: `⟨x − r, r⟩ / ‖r‖`.
    along: Vec<f64>,
    /// Squared length of the rest of each increment `x − r`.
    squared: Vec<f64>,
}

impl<'a> Increments<'a> {
    /// Measures the increments of all n members from `root` in one parameter.
    fn of(sheet: &'a Sheet, root: Member, n: usize, weights: &'a Weights) -> Self {
        let own = sheet.norm(root);
        // `⟨x − r, r⟩ = (‖x‖² − ‖r‖² − ‖x − r‖²) / 2`, so no values are needed.
        let along = |x: Member| {
            let inner = (sheet.norm(x) - own - sheet.squared(root, x)) / 2.0;
            if own > 0.0 { inner / own.sqrt() } else { 0.0 }
        };
        let along: Vec<f64> = Member::all(n).map(along).collect();
        let left = |x: Member| {
            let whole = sheet.squared(root, x);
            let rest = whole - along[x.index()] * along[x.index()];
            if rest > weights.tolerances.increment * whole { rest } else { 0.0 }
        };
        Self { sheet, weights, root, squared: Member::all(n).map(left).collect(), along }
    }

    /// Adds the evidence of this parameter for `q → c`.
    fn add(&self, q: Member, c: Member, cell: &mut Cell) {
        let Self { sheet, weights, root, .. } = *self;
        let witnesses = &weights.witnesses;
        let (to_q, to_c, apart) = (sheet.squared(root, q), sheet.squared(root, c), sheet.squared(q, c));
        if to_c == 0.0 {
            // c still has the root's values. If q changed them, c cannot have them through q.
            cell.reverted += u32::from(to_q > 0.0);
            return;
        }
        let (qq, cc) = (self.squared[q.index()], self.squared[c.index()]);
        // What both have along the root is left out of the inner product.
        let inner = (to_q + to_c - apart) / 2.0 - self.along[q.index()] * self.along[c.index()];
        let on = qq + cc - 2.0 * inner;
        if apart == 0.0 {
            // Both have values that the root lacks: one has them from the other.
            cell.angle += witnesses.angle.shared;
            cell.distance += witnesses.distance.largest_gain;
            cell.slope += 1.0;
            cell.parameters += 1;
            return;
        }
        if qq == 0.0 || cc == 0.0 || on <= weights.tolerances.increment * (qq + cc) {
            // Without a remainder there is no direction, and a cosine of rounding errors would be noise.
            return;
        }
        let siblings = inner / (qq * cc).sqrt();
        let descent = (inner - qq) / (qq * on).sqrt();
        cell.angle += witnesses.angle.descent_likelihood(descent, &weights.precedence)
            - weights.precedence.sibling_likelihood(siblings);
        let gain = witnesses.distance.largest_gain;
        // The lengths are squared: half of the logarithm is the gain in log distance.
        cell.distance += (0.5 * (cc / on).ln()).clamp(-gain, gain);
        cell.slope += (inner / qq).clamp(SLOPES[0], SLOPES[1]) as f32;
        cell.beyond += (0.5 * (on / qq).ln()).clamp(-gain, gain) as f32;
        cell.parameters += 1;
    }
}
