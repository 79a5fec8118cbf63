//! What a result says of each model, beside the truth.

use neural_phylogeny::evaluate::Truth;
use neural_phylogeny::{Edge, Phylogeny};
use std::collections::BTreeSet;

/// One model.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) child: &'a str,
    /// Its true parents, in the result or not.
    pub(crate) truth: BTreeSet<&'a str>,
    /// Those that are in the result.
    pub(crate) present: BTreeSet<&'a str>,
    /// Its true ancestors in the result, nearest first.
    pub(crate) ancestors: Vec<&'a str>,
    /// Whether a true parent has parents itself.
    pub(crate) grandchild: bool,
    pub(crate) given: BTreeSet<&'a str>,
    pub(crate) edges: &'a [Edge],
    /// What the result gives the true parent, when it is one.
    pub(crate) probability: Option<f64>,
}

impl<'a> Answer<'a> {
    /// One for each model that the truth knows.
    pub(crate) fn all(found: &'a Phylogeny, truth: &'a Truth) -> Vec<Self> {
        let known = truth.phylogeny();
        let here: BTreeSet<&str> = found.models().map(|m| found.name(m)).collect();
        let answer = |m| {
            let child = known.id(found.name(m))?;
            let parents = known.parents(child);
            let truth: BTreeSet<&str> = parents.iter().map(|e| known.name(e.parent)).collect();
            let ancestors = known.ancestors(child).into_iter().map(|a| known.name(a)).filter(|a| here.contains(a));
            let candidate = |c: &&neural_phylogeny::phylogeny::Candidate| {
                truth.len() == 1 && c.parent.is_some_and(|p| truth.contains(found.name(p)))
            };
            Some(Self {
                child: found.name(m),
                present: truth.intersection(&here).copied().collect(),
                ancestors: ancestors.collect(),
                grandchild: parents.iter().any(|e| !known.parents(e.parent).is_empty()),
                given: found.parents(m).iter().map(|e| found.name(e.parent)).collect(),
                edges: found.parents(m),
                probability: found.candidates(m).iter().find(candidate).map(|c| c.probability),
                truth,
            })
        };
        found.models().filter_map(answer).collect()
    }

    /// Exactly the true parents, where all or none are there.
    pub(crate) fn is_right(&self) -> bool {
        self.given == self.present
    }

    /// Its parents are all missing, and it has some.
    pub(crate) fn is_orphan(&self) -> bool {
        !self.truth.is_empty() && self.present.is_empty()
    }

    /// The most confident edge to a model that is no ancestor.
    pub(crate) fn invented(&self, found: &Phylogeny) -> Option<f64> {
        let strange = self.edges.iter().filter(|e| !self.ancestors.contains(&found.name(e.parent)));
        strange.filter_map(|e| e.confidence).reduce(f64::max)
    }
}
