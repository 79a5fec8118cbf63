//! Witness: rows of the vocabulary that one of two models lacks.

use super::{Hypothesis, Lineage, Member, Witness};
use crate::parent::numbers;
use crate::phylogeny::Signal;
use std::cmp::Ordering;

numbers! {
    /// The numbers of [`Vocabulary`].
    pub struct VocabularyWeights {
        /// What fewer rows say of two rivals.
        root: f64 = 3.0, "nats", 0.0..=1e3,
            "The vocabulary with more rows is the later one nearly always.";
        /// What a candidate loses that has more rows than the child.
        parent: f64 = -8.0, "nats", -1e3..=0.0,
            "Vocabularies are resized upward nearly always; pruning one is rare, not impossible.";
    }
}

/// The model whose vocabulary has fewer rows came first. Used for root and parents.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary;

impl Witness for Vocabulary {
    fn signal(&self) -> Signal {
        Signal::new("vocabulary-size", "rows of the vocabulary that one of the two lacks")
    }

    fn precedes(&self, lineage: &Lineage<'_>, first: Member, later: Member) -> f64 {
        let rows = lineage.geometry().compare_rows(lineage.model(later), lineage.model(first));
        lineage.weights().witnesses.vocabulary.root * f64::from(rows as i8)
    }

    fn forbids(&self, hypothesis: &Hypothesis<'_>, parent: Member, child: Member) -> f64 {
        let lineage = hypothesis.lineage();
        let rows = lineage.geometry().compare_rows(lineage.model(parent), lineage.model(child));
        if rows == Ordering::Greater { lineage.weights().witnesses.vocabulary.parent } else { 0.0 }
    }
}
