//! Copies and conversions: models made from others without training. They come out before any tree is grown.

mod cast;
mod link;
mod near;
mod permuted;
mod pruned;
mod same;
mod scaled;
mod search;
mod source;
#[cfg(test)]
mod tests;
mod tuned;

pub(super) use permuted::permuted;

use super::weights::Weights;
use crate::error::Error;
use crate::geometry::Geometry;
use crate::model_set::ModelId;
use crate::phylogeny::Relation;
use same::Same;
use search::converted;
use std::collections::BTreeMap;

/// A model that takes no part in the tree, because all that it shows is its source.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Copy {
    pub(super) source: ModelId,
    pub(super) copy: ModelId,
    pub(super) relation: Relation,
    /// How the copy was quantized, where that is known.
    pub(super) method: Option<String>,
    /// Probability that `source` is the source and `copy` the copy.
    pub(super) direction: f64,
}

/// A model that is another one but for rounding, where neither was made from the other: both are one absent model, rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sibling {
    /// The one that stands for both in the tree.
    pub(super) standing: ModelId,
    /// The other one.
    pub(super) sibling: ModelId,
}

/// A family without its copies, and the copies.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Separated {
    /// The models that are no copies, in the order of the members.
    pub(super) originals: Vec<ModelId>,
    pub(super) copies: Vec<Copy>,
    pub(super) siblings: Vec<Sibling>,
}

/// Hangs copies of copies on what the first of them was made from. All copies are then siblings, whichever was copied.
fn hang_on_originals(copies: &mut [Copy]) {
    // A model whose vectors were trained is no copy, so that its own copies stay below it.
    let made = copies.iter().filter(|c| c.relation != Relation::FineTune);
    let made: BTreeMap<ModelId, ModelId> = made.map(|c| (c.copy, c.source)).collect();
    for copy in copies {
        let mut steps = made.len();
        while let Some(&source) = made.get(&copy.source).filter(|source| steps > 0 && **source != copy.copy) {
            (copy.source, steps) = (source, steps - 1);
        }
    }
}

/// Separates copies from the models they were made from.
///
/// 1. Models that are the same in everything that both hold ([`same`]).
/// 2. Models that have the matrices of another one, and vectors of their own ([`tuned`]).
/// 3. Models that were cast, quantized, pruned, perturbed, scaled or permuted ([`search`]).
///
/// # Errors
///
/// [`Error::Source`] for a model that cannot be read, [`Error::NotComparable`] for models of different groups.
pub(super) fn separated(geometry: &Geometry, members: &[ModelId], weights: &Weights) -> Result<Separated, Error> {
    let Same { originals: mut distinct, mut copies, matrices_alone } = same::same(geometry, members, weights)?;
    if matrices_alone {
        let (originals, tuned) = tuned::tuned(geometry, &distinct, weights)?;
        distinct = originals;
        copies.extend(tuned);
    }
    // Models of equal matrices are out by now, so all pairs that are left differ.
    let converted = converted(geometry, &distinct, weights)?;
    copies.extend(converted.copies);
    hang_on_originals(&mut copies);
    let gone = |m: &ModelId| copies.iter().any(|c| c.copy == *m) || converted.siblings.iter().any(|s| s.sibling == *m);
    let originals = distinct.into_iter().filter(|m| !gone(m)).collect();
    Ok(Separated { originals, copies, siblings: converted.siblings })
}
