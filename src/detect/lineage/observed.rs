//! Is the root in the set, or are its children siblings of a root that is not?
//!
//! Two descendants of different children of the root share only what the root had. A line (or tensor) that they share and the
//! supposed root does not means that they had it from another: the root is not in the set.

use super::inheritance::Inheritance;
use super::root::{LEAST_LINES, Roots};
use super::sheet::Sheet;
use crate::detect::families::components;
use crate::evidence::LineState;
use crate::geometry::{Comparison, ParameterView};
use crate::kernel::median;

/// Branches of the supposed root that share a line which it lacks: two may be one branch that was taken for two, three are not.
const CONTRADICTING: usize = 3;

/// Natural logarithm of the likelihood ratio, present against absent, when the supposed root is contradicted.
const CONTRADICTED: f64 = -4.0;

/// The same when two branches share a line that it lacks: they may be one after all.
const DOUBTED: f64 = -1.0;

/// Of one factor of e in the number of branches that rule out its children, by their median.
const TELLING: f64 = 1.3;

/// So many branches are as likely with the root present as without it.
const EVEN_BRANCHES: f64 = 1.5;

/// With so much from lines, angles can add but half of it.
const MANY: f64 = 2.0;

/// Cosines between the increments of the nearest members that are as likely with the root present as without it.
const EVEN_COSINE: f64 = 0.17;
const COSINE_SCALE: f64 = 0.1;
const COSINE_LIMITS: (f64, f64) = (-2.5, 1.5);

/// Nearest members whose increments are compared.
const NEAREST: usize = 5;

/// What is known of the presence of the root.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Observed {
    /// That the supposed root is the root, and not a sibling of its children.
    pub(super) probability: f64,
    /// Whether shared lines rule the supposed root out.
    pub(super) contradicted: bool,
}

/// `parents` is the tree under the supposed root, `None` for the root itself.
pub(super) fn observed(
    comparison: &Comparison,
    roots: &Roots,
    inheritance: &Inheritance,
    parents: &[Option<usize>],
) -> Observed {
    let root = inheritance.root;
    let n = comparison.len();
    if n <= 3 {
        // Too few for either test: nothing tells.
        return Observed { probability: 0.5, contradicted: false };
    }
    let branch = joined(branches(root, parents), inheritance);
    let branches_against = branches_against(comparison, roots, &branch);
    let own = branches_against[root];
    let children: Vec<usize> = (0..n).filter(|&m| parents[m] == Some(root)).collect();
    let mut others: Vec<usize> = children.iter().map(|&m| branches_against[m]).collect();
    others.sort_unstable();
    let typical = match others.len() {
        0 => 0.0,
        k if k % 2 == 1 => others[k / 2] as f64,
        k => (others[k / 2 - 1] + others[k / 2]) as f64 / 2.0,
    };
    let lines = match own {
        _ if own >= CONTRADICTING => CONTRADICTED,
        2 => DOUBTED,
        _ if typical >= 1.0 => TELLING * (typical / EVEN_BRANCHES).ln(),
        _ => 0.0,
    };
    let most = if lines >= MANY { COSINE_LIMITS.1 / 2.0 } else { COSINE_LIMITS.1 };
    let angles = nearest_cosine(comparison, root, &children)
        .map_or(0.0, |c| ((EVEN_COSINE - c) / COSINE_SCALE).clamp(COSINE_LIMITS.0, most));
    Observed { probability: logistic(lines + angles), contradicted: own >= CONTRADICTING }
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// For each member the child of the root it descends from; itself for the root.
fn branches(root: usize, parents: &[Option<usize>]) -> Vec<usize> {
    let climb = |m: usize| {
        let mut at = m;
        while let Some(p) = parents[at].filter(|&p| p != root) {
            at = p;
        }
        at
    };
    (0..parents.len()).map(climb).collect()
}

/// Branches of which a member of one may descend from a member of the other, taken for one.
fn joined(mut branch: Vec<usize>, inheritance: &Inheritance) -> Vec<usize> {
    let n = branch.len();
    let may_descend = |q: usize, c: usize| {
        let cell = inheritance.cell(q, c);
        cell.angle + cell.distance > 0.0
    };
    for a in (0..n).filter(|&a| a != inheritance.root) {
        for b in (0..a).filter(|&b| b != inheritance.root) {
            let (kept, gone) = (branch[a].min(branch[b]), branch[a].max(branch[b]));
            if kept != gone && (may_descend(a, b) || may_descend(b, a)) {
                branch.iter_mut().filter(|label| **label == gone).for_each(|label| *label = kept);
            }
        }
    }
    branch
}

/// For each member the most branches that share one line, or tensor, which the member lacks; of lines the second most, since
/// one line may be chance.
fn branches_against(comparison: &Comparison, roots: &Roots, branch: &[usize]) -> Vec<usize> {
    let n = branch.len();
    let mut most = vec![0; n];
    for (&reference, lines) in &roots.lines {
        let states: Vec<&[LineState]> = (0..n).map(|m| lines.states(m)).collect();
        let counts: Vec<usize> = (0..lines.len())
            .map(|line| {
                let mut sharing: Vec<usize> = (0..n)
                    .filter(|&m| m == reference || states[m][line] == LineState::Exact)
                    .map(|m| branch[m])
                    .collect();
                sharing.sort_unstable();
                sharing.dedup();
                sharing.len()
            })
            .collect();
        for m in (0..n).filter(|&m| m != reference) {
            let mut against: Vec<usize> = (0..counts.len())
                .filter(|&line| states[m][line] == LineState::Changed)
                .map(|line| counts[line])
                .collect();
            against.sort_unstable_by(|a, b| b.cmp(a));
            most[m] = most[m].max(against.get(LEAST_LINES - 1).copied().unwrap_or(0));
        }
    }
    for parameter in comparison.scoped() {
        let Some(sheet) = Sheet::of(parameter, n) else { continue };
        for class in classes(&sheet, n) {
            let mut sharing: Vec<usize> = class.iter().map(|&m| branch[m]).collect();
            sharing.sort_unstable();
            sharing.dedup();
            for m in (0..n).filter(|m| !class.contains(m)) {
                most[m] = most[m].max(sharing.len());
            }
        }
    }
    most
}

/// Members with the same values, of two or more.
fn classes(sheet: &Sheet, n: usize) -> Vec<Vec<usize>> {
    let equal = components(n, |a, b| sheet.squared(a, b) == 0.0);
    equal.into_iter().filter(|class| class.len() > 1).collect()
}

/// Upper quartile over parameters of the median cosine, seen from the root, between the members nearest to it: from a sibling
/// all others lie in the direction back to the root.
fn nearest_cosine(comparison: &Comparison, root: usize, children: &[usize]) -> Option<f64> {
    let n = comparison.len();
    let mut near = vec![0.0; n];
    for parameter in comparison.scoped() {
        let mut apart: Vec<f64> =
            (0..n).map(|m| parameter.squared_distance(root, m)).filter(|&squared| squared > 0.0).collect();
        if apart.len() < 2 {
            continue;
        }
        apart.sort_unstable_by(f64::total_cmp);
        let unit = apart[apart.len() / 2];
        for (m, sum) in near.iter_mut().enumerate() {
            *sum += 0.5 * (parameter.squared_distance(root, m) / unit).max(1e-12).ln();
        }
    }
    let mut order = children.to_vec();
    order.sort_by(|&a, &b| near[a].total_cmp(&near[b]));
    order.truncate(NEAREST);
    let mut medians: Vec<f64> = comparison.scoped().filter_map(|p| median_cosine(p, root, &order)).collect();
    medians.sort_unstable_by(f64::total_cmp);
    medians.get((medians.len() * 3) / 4).copied()
}

fn median_cosine(parameter: &ParameterView, root: usize, members: &[usize]) -> Option<f64> {
    let squared = |a, b| parameter.squared_distance(a, b);
    let pairs = members.iter().enumerate().flat_map(|(i, &a)| members[..i].iter().map(move |&b| (a, b)));
    let moved = pairs.map(|(a, b)| (squared(root, a), squared(root, b), squared(a, b)));
    let mut cosines: Vec<f64> = moved
        .filter(|&(to_a, to_b, _)| to_a > 0.0 && to_b > 0.0)
        .map(|(to_a, to_b, apart)| (to_a + to_b - apart) / (2.0 * (to_a * to_b).sqrt()))
        .collect();
    median(&mut cosines)
}
