//! What edges were concluded from, as it stands in a phylogeny file.

use crate::error::Error;
use crate::model_set::ModelId;
use crate::phylogeny::{Candidate, Evidence, Movement, Phylogeny, Signal, Stage};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// How much of what a phylogeny knows is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// The most probable candidates and largest movements: a file of many models stays readable.
    Foremost,
    /// All there is: for one model.
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
    /// Files written before stages were told have none.
    #[serde(default)]
    stage: String,
    signal: String,
    weight: f64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MovementsEntry {
    #[serde(default)]
    compared: usize,
    #[serde(default)]
    untouched: usize,
    #[serde(default)]
    largest: Vec<MovementEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct MovementEntry {
    parameter: String,
    size: usize,
    /// JSON knows no infinity: null.
    relative: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rank: Option<usize>,
}

/// The candidates of a model, most probable first.
pub(super) fn candidates(phylogeny: &Phylogeny, model: ModelId, extent: Extent) -> Vec<CandidateEntry> {
    let evidence = |e: &Evidence| EvidenceEntry {
        stage: e.stage.as_str().to_owned(),
        signal: e.signal.as_str().to_owned(),
        weight: e.weight,
    };
    let entry = |c: &Candidate| CandidateEntry {
        parent: c.parent.map(|p| phylogeny.name(p).to_owned()),
        probability: c.probability,
        evidence: c.evidence.iter().map(evidence).collect(),
    };
    phylogeny.candidates(model).iter().take(extent.candidates()).map(entry).collect()
}

/// The movements of an edge, largest first; `None` when there are none.
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
    };
    let compared = phylogeny.compared(parent, child);
    let untouched = phylogeny.untouched(parent, child);
    let largest = phylogeny.movements(parent, child).iter().take(extent.movements()).map(entry).collect();
    (compared > 0).then_some(MovementsEntry { compared, untouched, largest })
}

/// Gives a model the candidates of its file.
pub(super) fn with_candidates(
    phylogeny: Phylogeny,
    model: ModelId,
    entries: &[CandidateEntry],
    ids: &HashMap<&str, ModelId>,
) -> Result<Phylogeny, Error> {
    let invalid = |found: String| {
        Err(Error::Format { reason: format!("model `{}` has a candidate {found}", phylogeny.name(model)) })
    };
    let mut candidates = Vec::with_capacity(entries.len());
    for entry in entries {
        let parent = match &entry.parent {
            None => None,
            Some(name) => match ids.get(name.as_str()) {
                Some(&id) => Some(id),
                None => return invalid(format!("`{name}`, which is not among the models")),
            },
        };
        if !(0.0..=1.0).contains(&entry.probability) {
            return invalid(format!("of probability {}, expected 0 to 1", entry.probability));
        }
        let stage = |e: &EvidenceEntry| Stage::from_spelling(&e.stage).unwrap_or(Stage::Parent);
        let evidence =
            entry.evidence.iter().map(|e| Evidence::new(stage(e), Signal::from_spelling(&e.signal), e.weight));
        candidates.push(Candidate::new(parent, entry.probability, evidence.collect()));
    }
    Ok(phylogeny.with_candidates(model, candidates))
}

/// Gives an edge the movements of its file.
pub(super) fn with_movements(
    phylogeny: Phylogeny,
    parent: ModelId,
    child: ModelId,
    entry: &MovementsEntry,
) -> Result<Phylogeny, Error> {
    let mut movements = Vec::with_capacity(entry.largest.len());
    for m in &entry.largest {
        let relative = m.relative.unwrap_or(f64::INFINITY);
        if relative < 0.0 {
            let reason = format!(
                "model `{}` has a parameter `{}` that moved by {relative}, expected at least 0",
                phylogeny.name(child),
                m.parameter
            );
            return Err(Error::Format { reason });
        }
        let movement = Movement::new(m.parameter.as_str(), m.size, relative);
        movements.push(m.rank.into_iter().fold(movement, Movement::with_rank));
    }
    let phylogeny = phylogeny.with_movements(parent, child, movements);
    Ok(phylogeny.with_movement_counts(parent, child, entry.compared, entry.untouched))
}
