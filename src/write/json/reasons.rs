//! The reasons of edges as they stand in a phylogeny file.

use crate::model_set::ModelId;
use crate::phylogeny::{Candidate, Evidence, Movement, Phylogeny, PhylogenyBuilder, Signal, Stage};
use serde::{Deserialize, Serialize};

/// How much of a phylogeny the lists of the first version hold. The rest stands in lists beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// The most probable candidates and largest movements.
    Foremost,
    /// All there is, as when one model is written.
    Everything,
}

impl Extent {
    fn candidates(self) -> usize {
        match self {
            Self::Foremost => 5,
            Self::Everything => usize::MAX,
        }
    }

    fn movements(self) -> usize {
        match self {
            Self::Foremost => 20,
            Self::Everything => usize::MAX,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CandidateEntry {
    parent: Option<String>,
    probability: f64,
    #[serde(default)]
    evidence: Vec<EvidenceEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct EvidenceEntry {
    /// Files of an earlier version have no stage.
    #[serde(default)]
    stage: String,
    signal: String,
    weight: f64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MovementsEntry {
    compared: Option<usize>,
    untouched: Option<usize>,
    #[serde(default)]
    largest: Vec<MovementEntry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    others: Vec<MovementEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct MovementEntry {
    parameter: String,
    size: usize,
    /// JSON has no infinity: null stands for it.
    relative: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rank: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    removed: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

/// The foremost candidates of a model, most probable first.
pub(super) fn candidates(phylogeny: &Phylogeny, model: ModelId, extent: Extent) -> Vec<CandidateEntry> {
    phylogeny.candidates(model).iter().take(extent.candidates()).map(|c| candidate(phylogeny, c)).collect()
}

/// The candidates of a model after the foremost ones.
pub(super) fn more_candidates(phylogeny: &Phylogeny, model: ModelId, extent: Extent) -> Vec<CandidateEntry> {
    phylogeny.candidates(model).iter().skip(extent.candidates()).map(|c| candidate(phylogeny, c)).collect()
}

fn candidate(phylogeny: &Phylogeny, candidate: &Candidate) -> CandidateEntry {
    let evidence = |e: &Evidence| EvidenceEntry {
        stage: e.stage.as_str().to_owned(),
        signal: e.signal.as_str().to_owned(),
        weight: e.weight,
    };
    CandidateEntry {
        parent: candidate.parent.map(|p| phylogeny.name(p).to_owned()),
        probability: candidate.probability,
        evidence: candidate.evidence.iter().map(evidence).collect(),
    }
}

/// The movements of an edge, largest first; `None` when nothing was measured.
pub(super) fn movements(
    phylogeny: &Phylogeny,
    parent: ModelId,
    child: ModelId,
    extent: Extent,
) -> Option<MovementsEntry> {
    let entry = |m: &Movement| MovementEntry {
        parameter: m.parameter.clone(),
        size: m.size,
        relative: Some(m.relative).filter(|r| r.is_finite()),
        rank: m.rank,
        removed: m.removed,
        weight: m.weight,
        source: m.source.clone(),
    };
    let compared = phylogeny.compared(parent, child);
    let untouched = phylogeny.untouched(parent, child);
    let all = phylogeny.movements(parent, child).iter();
    let largest = all.clone().take(extent.movements()).map(entry).collect();
    let others = all.skip(extent.movements()).map(entry).collect();
    let [compared, untouched] = [compared, untouched].map(Some);
    (compared > Some(0)).then_some(MovementsEntry { compared, untouched, largest, others })
}

impl CandidateEntry {
    /// Makes the candidate. `find` gives the model of a name.
    pub(super) fn candidate<E>(&self, find: impl Fn(&str) -> Result<ModelId, E>) -> Result<Candidate, E> {
        let parent = self.parent.as_deref().map(find).transpose()?;
        let stage = |e: &EvidenceEntry| Stage::from_spelling(&e.stage).unwrap_or(Stage::Parent);
        let evidence =
            self.evidence.iter().map(|e| Evidence::new(stage(e), Signal::from_spelling(&e.signal), e.weight));
        Ok(Candidate::new(parent, self.probability, evidence.collect()))
    }
}

impl MovementsEntry {
    /// Adds the movements of an edge.
    pub(super) fn add(&self, builder: PhylogenyBuilder, parent: ModelId, child: ModelId) -> PhylogenyBuilder {
        let movement = |m: &MovementEntry| {
            let movement = Movement::new(m.parameter.as_str(), m.size, m.relative.unwrap_or(f64::INFINITY));
            let movement = m.rank.into_iter().fold(movement, Movement::with_rank);
            let movement = m.removed.into_iter().fold(movement, Movement::with_removed);
            let movement = m.weight.into_iter().fold(movement, Movement::with_weight);
            m.source.iter().fold(movement, Movement::with_source)
        };
        let movements: Vec<Movement> = self.largest.iter().chain(&self.others).map(movement).collect();
        let still = movements.iter().filter(|m| m.relative == 0.0).count();
        let (compared, untouched) = (self.compared.unwrap_or(movements.len()), self.untouched.unwrap_or(still));
        builder.with_movements(parent, child, movements).with_movement_counts(parent, child, compared, untouched)
    }
}
