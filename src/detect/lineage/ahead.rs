//! What will be asked of the values of a lineage, told by its distances before any value is read again.
//!
//! Roots, candidate parents and edges are three questions, each after the answer to the one before. Distances and angles already
//! tell most of who is a candidate for what. So the values that all three need are read in one sweep.

use super::index::Member;
use super::root::Roots;
use super::tree::{LineageMerges, unread};
use super::witness::{Hypothesis, Likely, Lineage};

/// How far lines may move the evidence for a candidate parent, in nats. A candidate is kept that they may make no longer hopeless.
const MOVED: f64 = 4.0;

/// Edges this near to the likeliest one, in nats, may be in the tree when lines are known.
const NEAR: f64 = 5.0;

/// The most parents of one member, under one root, whose ranks are asked.
const PARENTS: usize = 2;

/// A root less likely than this by what needs no values is not foreseen as one.
const LEAST: f64 = 0.01;

/// The questions that are likely for a lineage of which no value was read again.
///
/// There are none where lines of some members are other lines than those of all: the answers would not be the same.
///
/// # Complexity
///
/// O(n² T) time for each rival, which is kept, and O(n²) for its tree.
pub(super) fn likely(lineage: &Lineage<'_>, merged: LineageMerges<'_>) -> Likely {
    let mut likely = Likely::default();
    if !lineage.is_uniform() {
        return likely;
    }
    let roots = Roots::of(lineage);
    for &(root, _) in roots.likely.iter().filter(|(_, probability)| *probability >= LEAST) {
        let hypothesis = Hypothesis::of(lineage, root);
        candidates(&hypothesis, &mut likely);
        edges(&hypothesis, merged, &mut likely);
        likely.inheritances.insert(root, hypothesis.shared_inheritance());
    }
    // Lines of more members than there is room for are read when they are asked for.
    let members: usize = likely.lines.values().map(|children| lineage.rivals().len() + children.len()).sum();
    let room = lineage.members().next().map_or(0, |m| lineage.geometry().room_for_lines(lineage.model(m)));
    if members > room {
        likely.lines.clear();
    }
    likely
}

/// Adds the lines of candidate parents that are no rivals. The lines of rivals are read in any case.
fn candidates(hypothesis: &Hypothesis<'_>, likely: &mut Likely) {
    let (lineage, root) = (hypothesis.lineage(), hypothesis.root());
    let (numbers, rivals) = (&lineage.weights().parents, lineage.rivals());
    for c in lineage.members().filter(|&c| c != root) {
        let others = lineage.members().filter(|q| *q != c && !rivals.contains(q));
        let weighed = others.map(|q| (q, hypothesis.inherits(q, c)));
        let mut found: Vec<(Member, f64)> = weighed.filter(|&(_, total)| total > numbers.hopeless - MOVED).collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        // The lines of a rival against all others are known then, and change the order of its candidates.
        let most = if rivals.contains(&c) { 2 * numbers.compared } else { numbers.compared };
        found.into_iter().take(most).for_each(|(q, _)| {
            likely.lines.entry(q).or_default().insert(c);
        });
    }
}

/// Adds the edges of the tree that distances and angles give, and those that come near to them.
fn edges(hypothesis: &Hypothesis<'_>, merged: LineageMerges<'_>, likely: &mut Likely) {
    let (parents, weights) = unread(hypothesis, merged);
    for (c, parent) in Member::all(merged.plain).zip(parents) {
        let Some(parent) = parent else { continue };
        likely.edges.insert((parent, c));
        let least = weights[(parent, c)] - NEAR;
        let others = hypothesis.lineage().members().filter(|&q| q != c && q != parent && weights[(q, c)] >= least);
        let mut others: Vec<Member> = others.collect();
        others.sort_by(|&a, &b| weights[(b, c)].total_cmp(&weights[(a, c)]));
        likely.edges.extend(others.into_iter().take(PARENTS - 1).map(|q| (q, c)));
    }
}
