//! The likeliest parents of a member, and what decided between them, stage by stage.
//!
//! All evidence is weighed against one reference: the member is a child of the supposed root. For the supposed root itself,
//! the reference is: the second likeliest root is the root.
//!
//! No single stage explains everything. The rest is the row "the tree as a whole". With that row, the difference of two totals
//! is the logarithm of the ratio of the two probabilities.
//!
//! Totals hold under the condition that all members are kin. The probability of kinship stands apart and is no part of a total.

use super::confidence::holds;
use super::index::Member;
use super::presence::HOLDS;
use super::root::Roots;
use super::tree::{Tree, root_prior};
use super::witness::{ALL, Lineage};
use crate::kernel::Square;
use crate::phylogeny::{Candidate, Evidence, Signal, Stage};

/// A remainder of less, in nats, is the rounding of the terms that it is left over from.
const ROUNDED: f64 = 1e-11;

/// What is known of a solved lineage, from which candidates are made.
pub(super) struct LineageEvidence<'a> {
    pub(super) lineage: &'a Lineage<'a>,
    pub(super) roots: &'a Roots,
    pub(super) tree: &'a Tree<'a>,
    /// Probability of each edge by (parent, child), given that the two are kin.
    pub(super) shares: &'a Square<f64>,
    /// Probability that two members are kin.
    pub(super) kinship: &'a (dyn Fn(Member, Member) -> f64 + Sync),
}

/// A candidate that has no row for the tree as a whole yet.
struct Contender {
    parent: Option<Member>,
    probability: f64,
    evidence: Vec<Evidence>,
}

impl Contender {
    /// The sum of the evidence without kinship, in nats.
    fn total(&self) -> f64 {
        self.evidence.iter().filter(|e| e.stage != Stage::Kinship).fold(0.0, |sum, e| sum + e.weight)
    }
}

impl LineageEvidence<'_> {
    /// The likeliest parents of a member that is no merge, followed by the candidate "no parent in the set".
    ///
    /// At most `confidence.listed` parents are given, the likeliest first.
    pub(super) fn candidates(&self, child: Member) -> Vec<Candidate> {
        let share = |q: Member| self.shares[(q, child)];
        let mut order: Vec<Member> = self.lineage.members().filter(|&q| q != child && share(q) > 0.0).collect();
        order.sort_by(|&a, &b| share(b).total_cmp(&share(a)));
        let listed = self.lineage.weights().confidence.listed;
        let all: f64 = order.iter().map(|&q| share(q)).sum();
        let mut contenders: Vec<Contender> = order.into_iter().take(listed).map(|q| self.parent(q, child)).collect();
        // Rounding can bring the sum above 1.
        let probability = (1.0 - all).clamp(0.0, 1.0);
        contenders.push(Contender {
            parent: None,
            probability,
            evidence: self.absence(child, probability, &contenders),
        });

        let reference = self.reference(child, &contenders);
        contenders.into_iter().map(|contender| self.finished(contender, reference)).collect()
    }

    /// The candidate `parent`, with its evidence against the reference.
    fn parent(&self, parent: Member, child: Member) -> Contender {
        let mut evidence = vec![Evidence::new(Stage::Kinship, Signal::KINSHIP, (self.kinship)(parent, child).ln())];
        if child == self.root() {
            evidence.extend(evidence_of(Stage::Root, self.roots.rather(parent, self.second())));
        } else {
            evidence.extend(self.descent(parent, child));
        }
        // The row of kinship stays even with weight 0: it shows that kinship was tested.
        evidence.retain(|e| e.weight != 0.0 || e.stage == Stage::Kinship);
        Contender { parent: Some(parent), probability: self.shares[(parent, child)].clamp(0.0, 1.0), evidence }
    }

    /// The evidence for a parent against the root as the parent.
    fn descent(&self, parent: Member, child: Member) -> Vec<Evidence> {
        if parent == self.root() {
            return Vec::new();
        }
        let without_root = self.lineage.weights().confidence.without_root;
        let present = self.tree.presence.probability;
        // Without the root, an edge from it is wrong for sure, and any other edge holds with probability `without_root`.
        let stays = (holds(false, present, without_root) / holds(true, present, without_root)).ln();
        let mut evidence = vec![
            Evidence::new(Stage::Presence, HOLDS, stays),
            Evidence::new(
                Stage::Parent,
                Signal::PRIOR,
                -root_prior(self.lineage.len(), &self.lineage.weights().parents),
            ),
        ];
        let weighed = self.tree.hypothesis.weigh(parent, child);
        evidence.extend(evidence_of(Stage::Parent, ALL.iter().map(|witness| witness.signal()).zip(weighed)));
        evidence
    }

    /// The evidence for no parent in the set: the member is the root, or the root is missing.
    fn absence(&self, child: Member, probability: f64, contenders: &[Contender]) -> Vec<Evidence> {
        let mut evidence: Vec<Evidence> = if child == self.root() {
            evidence_of(Stage::Root, self.roots.rather(child, self.second())).collect()
        } else if self.roots.probability(child) > probability / 2.0 {
            // Most of the probability is that the member itself is the root. Then no other root has to be present.
            let alone = Evidence::new(Stage::Presence, HOLDS, -self.tree.presence.probability.ln());
            evidence_of(Stage::Root, self.roots.rather(child, self.root())).chain([alone]).collect()
        } else {
            self.without_root(contenders)
        };
        evidence.retain(|e| e.weight != 0.0);
        evidence
    }

    /// The evidence that the likeliest edge is wrong because the root is missing.
    ///
    /// A model outside the set then stands in the place of that parent. What speaks for the parent against the root therefore
    /// speaks for the missing model too.
    fn without_root(&self, contenders: &[Contender]) -> Vec<Evidence> {
        let without_root = self.lineage.weights().confidence.without_root;
        let lost = |contender: &Contender| {
            let there = holds(contender.parent == Some(self.root()), self.tree.presence.probability, without_root);
            contender.probability * (1.0 - there) / there
        };
        // The edge that loses most with the root gives most of the probability of no parent.
        let Some(replaced) = contenders.iter().max_by(|a, b| lost(a).total_cmp(&lost(b))) else { return Vec::new() };
        let terms = self.tree.presence.terms.iter();
        let mut evidence: Vec<Evidence> =
            evidence_of(Stage::Presence, terms.map(|(signal, odds)| (signal.clone(), -odds))).collect();
        if replaced.parent != Some(self.root()) {
            // This edge is wrong only in the share that does not hold without the root.
            evidence.push(Evidence::new(Stage::Presence, HOLDS, (1.0 - without_root).ln()));
            evidence.extend(replaced.evidence.iter().filter(|e| e.stage == Stage::Parent).cloned());
        }
        evidence
    }

    /// The level that log probabilities are measured from. It makes the tree-as-a-whole row of the reference 0.
    fn reference(&self, child: Member, contenders: &[Contender]) -> f64 {
        let wanted = if child == self.root() { None } else { Some(self.root()) };
        let reference = contenders.iter().find(|d| d.parent == wanted && d.probability > 0.0);
        // The root may be less likely than every listed candidate. Then the first candidate serves as well.
        reference.or_else(|| contenders.first()).map_or(0.0, |d| d.probability.ln() - d.total())
    }

    /// Adds the row of the tree as a whole: what no single stage explains.
    fn finished(&self, mut contender: Contender, reference: f64) -> Candidate {
        let rest = contender.probability.ln() - reference - contender.total();
        if rest.abs() > ROUNDED {
            contender.evidence.push(Evidence::new(Stage::Tree, Signal::TREES, rest));
        }
        Candidate::new(contender.parent.map(|q| self.lineage.model(q)), contender.probability, contender.evidence)
    }

    /// The supposed root of the tree.
    fn root(&self) -> Member {
        self.tree.hypothesis.root()
    }

    /// The second likeliest root.
    fn second(&self) -> Member {
        self.roots.likely.get(1).map_or(self.root(), |(member, _)| *member)
    }
}

/// Evidence of one stage from terms in nats.
fn evidence_of(stage: Stage, terms: impl IntoIterator<Item = (Signal, f64)>) -> impl Iterator<Item = Evidence> {
    terms.into_iter().map(move |(signal, weight)| Evidence::new(stage, signal, weight))
}
