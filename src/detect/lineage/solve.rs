//! One lineage solved: root, tree, and how probable each edge is.

use super::candidates::Found;
use super::confidence::{Supposition, shares};
use super::index::Member;
use super::root::Roots;
use super::tree::{Merged, Tree, descends};
use super::weights::Weights;
use super::witness::Lineage;
use crate::error::Error;
use crate::geometry::Geometry;
use crate::kernel::Square;
use crate::model_set::ModelId;
use crate::phylogeny::Candidate;
use rayon::prelude::*;

/// What was found of one lineage; members are numbered as they were given.
#[derive(Debug)]
pub(super) struct Solved {
    /// Parent of each member but merges, `None` for roots.
    pub(super) parents: Vec<Option<Member>>,
    /// Confidence of the edge from that parent.
    pub(super) confidences: Vec<f64>,
    /// Of the members that are no merges.
    pub(super) candidates: Vec<Vec<Candidate>>,
    /// Of the members that are no merges.
    pub(super) scores: Vec<f64>,
    pub(super) margin: f64,
    /// Shared lines or tensors rule out that any member is the root.
    pub(super) contradicted: bool,
    /// The likeliest root, when there is one.
    pub(super) root: Option<Member>,
}

impl Solved {
    /// Whether `model` is `ancestor` or descends from it.
    pub(super) fn descends(&self, model: Member, ancestor: Member) -> bool {
        descends(&self.parents, model, ancestor)
    }

    /// Takes the parent of a member away, and the candidates for it: it is a merge.
    pub(super) fn set_aside(&mut self, member: Member) {
        self.parents[member.index()] = None;
        self.candidates[member.index()].clear();
    }
}

/// Solves a lineage of two members or more that are no merges.
///
/// 1. The likely roots, by all witnesses.
/// 2. Under each the likeliest tree, and whether the root is there.
/// 3. The probability of each edge over all trees and roots.
///
/// The tree is that under the likeliest root.
pub(super) fn solve(
    geometry: &Geometry,
    models: &[ModelId],
    merged: Merged<'_>,
    weights: &Weights,
    kinship: &(dyn Fn(ModelId, ModelId) -> f64 + Sync),
) -> Result<Solved, Error> {
    let lineage = Lineage::with_merges(geometry, models, merged.plain, weights)?;
    let roots = Roots::of(&lineage);
    let mut suppositions = Vec::new();
    let mut likeliest: Option<Tree<'_>> = None;
    for &(root, probability) in roots.supposed(&weights.root) {
        let mut tree = Tree::of(&lineage, merged, root)?;
        // Of other trees than the likeliest nothing is kept but their weights: a tree holds what was measured of all pairs.
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
    drop(suppositions);

    let kin = |a: Member, b: Member| kinship(lineage.model(a), lineage.model(b));
    let found = Found { lineage: &lineage, roots: &roots, tree: &tree, shares: &shares, kinship: &kin };
    let candidates = lineage.plain_members().collect::<Vec<_>>();
    let candidates = candidates.into_par_iter().map(|c| found.candidates(c)).collect();

    let tie = roots.tied(weights.tolerances.tie);
    let contradicted = tree.presence.contradicted;
    let parents = named(&tree, tie || contradicted);
    let confidence = |c: Member| parents[c.index()].map_or(0.0, |q| shares[(q, c)].min(1.0));
    Ok(Solved {
        confidences: lineage.members().map(confidence).collect(),
        candidates,
        margin: if tie { 0.0 } else { roots.margin() },
        contradicted,
        root: (!contradicted && !tie).then_some(tree.hypothesis.root()),
        parents,
        scores: roots.scores,
    })
}

/// The parents of the likeliest tree; without those that are the root where it is none.
fn named(tree: &Tree<'_>, rootless: bool) -> Vec<Option<Member>> {
    let root = tree.hypothesis.root();
    tree.parents.iter().map(|&parent| parent.filter(|&p| !(rootless && p == root))).collect()
}
