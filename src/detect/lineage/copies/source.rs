//! Which of several linked models is the source of the others.

use super::link::Origin;
use super::same::first;
use super::search::{Distinct, Search};
use crate::phylogeny::Relation;

/// What one other model may say at most of which of two came first, in nats.
const MOST: f64 = 3.0;

/// Less than this, in nats, is rounding and says nothing.
const LEAST: f64 = 0.01;

/// The model that stands for a component, and the probability that it is the source where values prove none.
///
/// Values may prove that a model was made from another one; such a model stands for none. Of the others, the one nearest to the
/// rest of the family stands: whatever was added to a copy is missing in all models that do not descend from it. Where the rest
/// does not tell, the first by content stands, and the probability is even.
pub(super) fn standing(search: &Search<'_>, component: &[Distinct]) -> Option<(Distinct, f64)> {
    let proved: Vec<Distinct> = component.iter().copied().filter(|&m| !search.is_derived(m)).collect();
    let mut candidates = if proved.is_empty() { component.to_vec() } else { proved };
    // A model that others were made from comes before one that nothing is known of.
    let has_copies = |m: &Distinct| search.links.iter().any(|l| l.models[0] == *m && l.derives(l.models[1]));
    if candidates.iter().any(has_copies) {
        candidates.retain(has_copies);
    }
    let others = |m: Distinct| candidates.iter().copied().filter(move |&other| other != m);
    let votes = |m: Distinct| others(m).map(|other| before(search, component, m, other)).sum::<f64>();
    let votes: Vec<(f64, Distinct)> = candidates.iter().map(|&m| (votes(m), m)).collect();
    let most = votes.iter().map(|(votes, _)| *votes).fold(f64::NEG_INFINITY, f64::max);
    let likeliest = votes.iter().filter(|(votes, _)| *votes >= most - LEAST).map(|&(_, m)| m);
    let standing = likeliest.min_by(|&a, &b| first(search.geometry, search.model(a), search.model(b)))?;
    // The least sure of all comparisons counts.
    let surest = others(standing).map(|other| before(search, component, standing, other)).fold(f64::INFINITY, f64::min);
    let numbers = &search.weights.copies;
    let probability = 1.0 / (1.0 + (-surest).exp());
    Some((standing, if surest < LEAST { numbers.even } else { probability.min(numbers.likely) }))
}

/// How much the rest of the family says, in nats, that `a` came before `b`.
///
/// Let x be any other model. Where b is a with noise added, ‖x − b‖² is larger than ‖x − a‖² by ‖b − a‖², for x knows nothing of
/// the noise. Over N values, the likelihood ratio of this against the opposite is `N (‖x − b‖² − ‖x − a‖²) / 2 ‖x − a‖²` in nats.
/// The origin knows nothing of noise either, so that norms have a vote where noise is all that the two differ by.
fn before(search: &Search<'_>, component: &[Distinct], a: Distinct, b: Distinct) -> f64 {
    let values: usize = search.parameters.iter().map(|p| p.size()).sum();
    let vote = |to_a: f64, to_b: f64| {
        let ratio = values as f64 * (to_b - to_a) / (2.0 * to_a.min(to_b));
        if ratio.is_finite() { ratio.clamp(-MOST, MOST) } else { 0.0 }
    };
    let others = || search.all().filter(|x| !component.contains(x));
    let link = search.links.iter().find(|link| link.other(a) == Some(b));
    // What scales or permutes a model is no noise. The source is nearer to the others on the whole.
    if link.is_some_and(|link| matches!(link.relation, Relation::Scaled | Relation::Permuted)) {
        let nearer: f64 = others().map(|x| (search.squared(x, b) / search.squared(x, a)).ln()).sum();
        return if nearer.abs() > 0.0 { MOST.copysign(nearer) } else { 0.0 };
    }
    let rest: f64 = others().map(|x| vote(search.squared(x, a), search.squared(x, b))).sum();
    let noise = link.is_some_and(|link| link.origin == Origin::Noise);
    rest + if noise { vote(search.squared_norm(a), search.squared_norm(b)) } else { 0.0 }
}
