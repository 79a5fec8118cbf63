//! The solution of one lineage: its root, its tree, and the probability of each edge.

use super::absent::{self, Absent};
use super::ahead;
use super::candidates::LineageEvidence;
use super::confidence::{Supposition, shares};
use super::index::Member;
use super::presence::ranks;
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
    /// For the edge from that parent, given that the two are kin: the probability that this is the parent if it is in the set, and
    /// the probability that it is. Both are 0 without a parent.
    pub(super) answers: Vec<(f64, f64)>,
    /// The likeliest parents of each member that is no merge.
    pub(super) candidates: Vec<Vec<Candidate>>,
    /// The root score of each member that is no merge. The root has the lowest score.
    pub(super) scores: Vec<f64>,
    /// The second lowest root score less the lowest; 0 for a tie.
    pub(super) margin: f64,
    /// The models that are not in the set.
    pub(super) absent: Vec<Absent>,
    /// The likeliest root, which may be a sibling of one that is not in the set; `None` for a tie, and where shared lines or tensors
    /// rule every member out.
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
    let mut lineage = Lineage::unread(geometry, models, merged.plain, weights)?;
    lineage.read(ahead::likely(&lineage, merged))?;
    let (roots, mut first) = rooted(&lineage, merged)?;
    let mut suppositions = Vec::new();
    let mut likeliest: Option<Tree<'_>> = None;
    for &(root, probability) in roots.supposed(&weights.root) {
        // The tree that the roots were compared along is mostly that of one of them.
        let grown = first.take_if(|tree| tree.hypothesis.root() == root);
        let mut tree = grown.map_or_else(|| Tree::of(&lineage, merged, root), Ok)?;
        ranks::weigh(&mut tree, merged.plain)?;
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
    let evidence =
        LineageEvidence { lineage: &lineage, roots: &roots, tree: &tree, shares: &shares.all, kinship: &kin };
    let candidates = lineage.plain_members().collect::<Vec<_>>();
    let candidates: Vec<Vec<Candidate>> = candidates.into_par_iter().map(|c| evidence.candidates(c)).collect();

    // Where two roots tie, its children get no parent. Where the root is more probably not in the set, they get one that is not.
    let tie = roots.tied(weights.tolerances.tie);
    let mut parents = tree.parents.clone();
    let mut absent = Vec::new();
    if !tie {
        absent.extend(Absent::root(&tree, &candidates));
        let inner = absent::inner(&lineage, &tree, merged.plain);
        let without_root = !absent.is_empty();
        let root = tree.hypothesis.root();
        absent.extend(inner.into_iter().filter(|inner| !without_root || inner.parent != Some(root)));
    }
    let rootless = tie || absent.iter().any(|model| model.parent.is_none());
    let root = tree.hypothesis.root();
    parents.iter_mut().for_each(|parent| *parent = parent.filter(|&p| !(rootless && p == root)));
    for &(child, _) in absent.iter().flat_map(|model| &model.children) {
        parents[child.index()] = None;
    }
    let answers = |c: Member| parents[c.index()].map_or((0.0, 0.0), |q| shares.apart(q, c));
    Ok(Solution {
        answers: lineage.members().map(answers).collect(),
        candidates,
        margin: if tie { 0.0 } else { roots.margin() },
        absent,
        root: (!tie && !tree.presence.contradicted).then_some(root),
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
