//! Models that are not in the set: the root of a lineage, and inner ones.

use super::index::Member;
use super::tree::Tree;
use super::witness::Lineage;
use crate::phylogeny::Candidate;
use std::collections::BTreeMap;

/// A model that is not in the set, and its children that are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Absent {
    /// Its parent; `None` for the root of the lineage.
    pub(super) parent: Option<Member>,
    /// Probability that there is such a model.
    pub(super) probability: f64,
    /// Its children, each with the probability that it is one.
    pub(super) children: Vec<(Member, f64)>,
}

impl Absent {
    /// The root, where it is more probably not in the set: the supposed root is then a sibling of its children.
    pub(super) fn root(tree: &Tree<'_>, candidates: &[Vec<Candidate>]) -> Option<Self> {
        let probability = 1.0 - tree.presence.probability;
        if probability <= 0.5 {
            return None;
        }
        let root = tree.hypothesis.root();
        let plain = Member::all(candidates.len());
        // Merges that hang below the root have their parents from elsewhere.
        let children = plain.filter(|c| tree.parents[c.index()] == Some(root));
        let none = |c: &Member| candidates[c.index()].iter().find(|candidate| candidate.parent.is_none());
        let child = |c: Member| (c, none(&c).map_or(probability, |candidate| candidate.probability));
        let children = std::iter::once((root, probability)).chain(children.map(child)).collect();
        Some(Self { parent: None, probability, children })
    }
}

/// Inner models that are not in the set: children of one parent that share whole tensors which their parent lacks, bit for bit.
///
/// Training never ends in the same values twice, so that the children have them from one model. It is neither of them, or the tree
/// would say so. That the parent has what others of its children have shows that it is the parent.
pub(super) fn inner(lineage: &Lineage<'_>, tree: &Tree<'_>, plain: usize) -> Vec<Absent> {
    let number = &lineage.weights().presence;
    let mut children: BTreeMap<Member, Vec<Member>> = BTreeMap::new();
    for c in Member::all(plain) {
        if let Some(parent) = tree.parents[c.index()].filter(|p| p.index() < plain) {
            children.entry(parent).or_default().push(c);
        }
    }
    let comparison = lineage.comparison();
    let mut found = Vec::new();
    for (parent, children) in children.into_iter().filter(|(_, children)| children.len() > 2) {
        // The first child of each group of those that share what their parent lacks.
        let mut group: BTreeMap<Member, Member> = children.iter().map(|&c| (c, c)).collect();
        for parameter in comparison.scoped() {
            let squared = |a: Member, b: Member| parameter.squared_distance(a.within(), b.within());
            // A parent that no child shares this tensor with may have changed it itself.
            if !children.iter().any(|&c| squared(parent, c) == 0.0) {
                continue;
            }
            for (i, &a) in children.iter().enumerate().filter(|(_, c)| squared(parent, **c) > 0.0) {
                for &b in children[..i].iter().filter(|b| squared(a, **b) == 0.0) {
                    let (kept, gone) = (group[&a].min(group[&b]), group[&a].max(group[&b]));
                    group.values_mut().filter(|label| **label == gone).for_each(|label| *label = kept);
                }
            }
        }
        let mut members: BTreeMap<Member, Vec<(Member, f64)>> = BTreeMap::new();
        for (c, label) in group {
            members.entry(label).or_default().push((c, number.inner));
        }
        found.extend(members.into_values().filter(|members| members.len() > 1).map(|children| Absent {
            parent: Some(parent),
            probability: number.inner,
            children,
        }));
    }
    found
}
