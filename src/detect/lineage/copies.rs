//! Copies and conversions: the same weights, cast, quantized, pruned, scaled or permuted.

use crate::error::Error;
use crate::geometry::{Geometry, ParameterView};
use crate::model_set::ModelId;
use crate::phylogeny::Relation;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// A model that was made from another without training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Copy {
    pub(super) source: ModelId,
    pub(super) copy: ModelId,
    pub(super) relation: Relation,
    /// That the source is the source, and not the copy.
    pub(super) direction: f64,
}

/// Squared cosines this near to 1 leave rounding of f32 between a model and a multiple of another.
const COLLINEAR: f64 = 1e-10;

/// A projection, as pruning is, leaves this share of a squared norm to rounding.
const PROJECTED: f64 = 1e-9;

/// Conversions to fewer bits move a model by less than this share of its norm,
const ROUNDED: f64 = 0.12;
/// and all parameters that it changes alike, within this factor.
const ALIKE: f64 = 12.0;

/// Certain but for what nobody thought of.
const CERTAIN: f64 = 0.98;

/// Nothing tells which of the two was first.
const EVEN: f64 = 0.5;

/// The one farther from the rest of the family is the copy.
const LIKELY: f64 = 0.9;

/// Separates copies from the models they were made from; both in the order given.
pub(super) fn copies(geometry: &Geometry, members: &[ModelId]) -> Result<(Vec<ModelId>, Vec<Copy>), Error> {
    let mut copies = Vec::new();
    let mut originals = Vec::new();
    // Of identical models nothing but the order in which they were given tells them apart.
    let first = |&m: &ModelId| members.iter().copied().filter(|&o| geometry.identical(o, m)).min().unwrap_or(m);
    let sources: Vec<ModelId> = members.par_iter().map(first).collect();
    for (&m, source) in members.iter().zip(sources) {
        if source == m {
            originals.push(m);
        } else {
            copies.push(Copy { source, copy: m, relation: Relation::Duplicate, direction: EVEN });
        }
    }
    let converted = converted(geometry, &originals)?;
    let gone: BTreeSet<ModelId> = converted.iter().map(|c| c.copy).collect();
    copies.extend(converted);
    originals.retain(|m| !gone.contains(m));
    Ok((originals, copies))
}

fn converted(geometry: &Geometry, models: &[ModelId]) -> Result<Vec<Copy>, Error> {
    let comparison = geometry.compare(models)?;
    let n = models.len();
    let parameters: Vec<&ParameterView> = comparison.scoped().collect();
    let squared = comparison.squared_distances();
    let mut found: Vec<Copy> = Vec::new();
    let mut is_copy = vec![false; n];
    let central =
        |a: usize| -> f64 { (0..n).filter(|&b| squared[(a, b)] > 0.0).map(|b| squared[(a, b)].ln()).sum::<f64>() };
    let sources = |b: usize| (0..n).filter(|&a| a != b && pruned(&parameters, a, b)).collect();
    let of_pruned: Vec<Vec<usize>> = (0..n).into_par_iter().map(sources).collect();
    for (copy, sources) in of_pruned.into_iter().enumerate() {
        if let Some(source) = sources.into_iter().find(|&a| !is_copy[a]) {
            found.push(Copy {
                source: models[source],
                copy: models[copy],
                relation: Relation::Pruned,
                direction: CERTAIN,
            });
            is_copy[copy] = true;
        }
    }
    for copy in 0..n {
        let nearest = (0..n)
            .filter(|&a| a != copy && !is_copy[a])
            .min_by(|&a, &b| squared[(copy, a)].total_cmp(&squared[(copy, b)]));
        let Some(source) = nearest.filter(|&a| !is_copy[copy] && rounded(&parameters, a, copy)) else { continue };
        if let Some(relation) = conversion(geometry, models[source], models[copy])? {
            found.push(Copy { source: models[source], copy: models[copy], relation, direction: CERTAIN });
            is_copy[copy] = true;
        }
    }
    let relation = |a: usize, b: usize| match scaled(&parameters, a, b) {
        true => Some(Relation::Scaled),
        false => geometry.permuted(models[a], models[b]).then_some(Relation::Permuted),
    };
    let relations = |a: usize| (0..a).filter_map(|b| Some((b, relation(a, b)?))).collect();
    let related: Vec<Vec<(usize, Relation)>> = (0..n).into_par_iter().map(relations).collect();
    for (a, related) in related.into_iter().enumerate() {
        for (b, relation) in related {
            if is_copy[a] || is_copy[b] {
                continue;
            }
            let (of_a, of_b) = (central(a), central(b));
            let (source, copy) = if of_a < of_b { (a, b) } else { (b, a) };
            let told = n > 2 && of_a != of_b;
            let direction = if told { LIKELY } else { EVEN };
            found.push(Copy { source: models[source], copy: models[copy], relation, direction });
            is_copy[copy] = true;
        }
    }
    Ok(found)
}

/// Whether b is a with some values set to zero: then `⟨a, b⟩ = ‖b‖²` in every parameter.
fn pruned(parameters: &[&ParameterView], a: usize, b: usize) -> bool {
    let mut changed = false;
    let every = parameters.iter().all(|p| {
        let (apart, own) = (p.squared_distance(a, b), p.squared_norm(a));
        changed |= apart > 0.0;
        (own - p.squared_norm(b) - apart).abs() <= PROJECTED * own
    });
    every && changed
}

/// Whether b is a multiple of a in every parameter, not 1 in all.
fn scaled(parameters: &[&ParameterView], a: usize, b: usize) -> bool {
    let mut changed = false;
    let every = parameters.iter().all(|p| {
        let (aa, bb, inner) = (p.squared_norm(a), p.squared_norm(b), p.inner(a, b));
        changed |= p.squared_distance(a, b) > COLLINEAR * aa;
        inner > 0.0 && aa * bb - inner * inner <= COLLINEAR * aa * bb
    });
    every && changed
}

/// Whether b could be a in fewer bits: moved little, and alike wherever it moved; embeddings are often left as they are.
fn rounded(parameters: &[&ParameterView], a: usize, b: usize) -> bool {
    let relative = parameters.iter().map(|p| (p.squared_distance(a, b) / p.squared_norm(a)).sqrt());
    let (mut least, mut most) = (f64::INFINITY, 0.0f64);
    for r in relative.filter(|r| r.is_finite() && *r > 0.0) {
        least = least.min(r);
        most = most.max(r);
    }
    most < ROUNDED && most <= ALIKE * least
}

fn conversion(geometry: &Geometry, source: ModelId, copy: ModelId) -> Result<Option<Relation>, Error> {
    let Some(pair) = geometry.read_pair(source, copy)? else { return Ok(None) };
    Ok(if pair.is_cast().is_some() { Some(Relation::Cast) } else { pair.quantized_bits().map(|_| Relation::Quantized) })
}

/// Pairs of comparable models with the same values in another order, whatever their distance.
pub(super) fn permuted(geometry: &Geometry, members: &[ModelId]) -> Vec<(ModelId, ModelId)> {
    // Sorted by what a permutation leaves as it is, copies are neighbors.
    let mut keyed: Vec<(f64, ModelId)> = members.iter().map(|&m| (geometry.norm(m).powi(2), m)).collect();
    keyed.sort_by(|x, y| x.0.total_cmp(&y.0));
    let mut pairs = Vec::new();
    for (i, &(norm, a)) in keyed.iter().enumerate() {
        for &(other, b) in keyed[i + 1..].iter().take_while(|(other, _)| other - norm <= PROJECTED * norm) {
            debug_assert!(other >= norm);
            if geometry.permuted(a, b) {
                pairs.push((a, b));
            }
        }
    }
    pairs
}
