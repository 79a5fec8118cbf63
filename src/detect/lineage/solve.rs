//! The solution of one lineage: its root, its tree, and the probability of each edge.

use super::candidates::LineageEvidence;
use super::confidence::{Supposition, shares};
use super::index::Member;
use super::root::Roots;
use super::tree::{LineageMerges, Tree};
use super::weights::Weights;
use super::witness::Lineage;
use crate::error::Error;
use crate::geometry::Geometry;
use crate::kernel::Square;
use crate::model_set::ModelId;
use crate::phylogeny::Candidate;
use rayon::prelude::*;

/// The solution of one lineage. Members are numbered as they were given.
#[derive(Debug)]
pub(super) struct Solution {
    /// Parent of each member; `None` for roots.
    pub(super) parents: Vec<Option<Member>>,
    /// Confidence of the edge from that parent, in 0 to 1; 0 without a parent.
    pub(super) confidences: Vec<f64>,
    /// The likeliest parents of each member that is no merge.
    pub(super) candidates: Vec<Vec<Candidate>>,
    /// The root score of each member that is no merge. The root has the lowest score.
    pub(super) scores: Vec<f64>,
    /// The second lowest root score less the lowest; 0 for a tie.
    pub(super) margin: f64,
    /// Whether shared lines or tensors rule out that any member is the root.
    pub(super) contradicted: bool,
    /// The likeliest root; `None` for a tie or a contradicted root.
    pub(super) root: Option<Member>,
}

/// Solves a lineage with two or more members that are no merges.
///
/// 1. All witnesses give a first root, the likeliest tree under it, and from the directions of its edges the likely roots.
/// 2. Each likely root gives a likeliest tree, and the probability that the root is present.
/// 3. All trees under all likely roots give the probability of each edge.
///
/// The result is the tree under the likeliest root.
///
/// # Errors
///
/// [`Error::Detection`] when no root has any probability, [`Error::Source`] for a model that cannot be read any more.
pub(super) fn solve(
    geometry: &Geometry,
    models: &[ModelId],
    merged: LineageMerges<'_>,
    weights: &Weights,
    kinship: &(dyn Fn(ModelId, ModelId) -> f64 + Sync),
) -> Result<Solution, Error> {
    let lineage = Lineage::with_merges(geometry, models, merged.plain, weights)?;
    let (roots, mut first) = rooted(&lineage, merged)?;
    let mut suppositions = Vec::new();
    let mut likeliest: Option<Tree<'_>> = None;
    for &(root, probability) in roots.supposed(&weights.root) {
        // The tree that the roots were compared along is mostly that of one of them.
        let grown = first.take_if(|tree| tree.hypothesis.root() == root);
        let mut tree = grown.map_or_else(|| Tree::of(&lineage, merged, root), Ok)?;
        // A tree holds measurements of all pairs. To save memory, trees under less likely roots leave only their edge weights.
        let edges = std::mem::replace(&mut tree.weights, Square::filled(0, 0.0));
        suppositions.push(Supposition::of(&tree, probability, edges));
        likeliest.get_or_insert(tree);
    }
    let Some(tree) = likeliest else {
        return Err(Error::Detection {
            detector: "LineageDetector",
            models: models.len(),
            reason: "no root has any probability".to_owned(),
        });
    };
    let shares = shares(&suppositions, models.len(), weights)?;
    // Their matrices are not needed any more, and candidates need memory of their own.
    drop(suppositions);

    let kin = |a: Member, b: Member| kinship(lineage.model(a), lineage.model(b));
    let evidence = LineageEvidence { lineage: &lineage, roots: &roots, tree: &tree, shares: &shares, kinship: &kin };
    let candidates = lineage.plain_members().collect::<Vec<_>>();
    let candidates = candidates.into_par_iter().map(|c| evidence.candidates(c)).collect();

    // Where two roots tie, or lines rule the root out, its children get no parent.
    let tie = roots.tied(weights.tolerances.tie);
    let contradicted = tree.presence.contradicted;
    let parents = named(&tree, tie || contradicted);
    let confidence = |c: Member| parents[c.index()].map_or(0.0, |q| shares[(q, c)].min(1.0));
    Ok(Solution {
        confidences: lineage.members().map(confidence).collect(),
        candidates,
        margin: if tie { 0.0 } else { roots.margin() },
        contradicted,
        root: (!contradicted && !tie).then_some(tree.hypothesis.root()),
        parents,
        scores: roots.scores,
    })
}

/// The likely roots, and the tree along which they were compared.
///
/// The first answer, by rivals, gives that tree. The edges of the tree then say which end of it is older.
fn rooted<'a>(lineage: &'a Lineage<'a>, merged: LineageMerges<'_>) -> Result<(Roots, Option<Tree<'a>>), Error> {
    let first = Roots::of(lineage);
    let Some(&(root, _)) = first.likely.first() else { return Ok((first, None)) };
    let mut tree = Tree::of(lineage, merged, root)?;
    tree.hypothesis.read_edges(&tree.parents)?;
    Ok((first.along(&tree.hypothesis, &tree.parents, merged.plain), Some(tree)))
}

/// The parents in the likeliest tree. With `rootless`, the children of the root have no parent.
fn named(tree: &Tree<'_>, rootless: bool) -> Vec<Option<Member>> {
    let root = tree.hypothesis.root();
    tree.parents.iter().map(|&parent| parent.filter(|&p| !(rootless && p == root))).collect()
}
