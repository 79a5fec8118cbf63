//! Two models alone: are they kin, which came first, and what changed?

use super::copies::separated;
use super::in_part::PartSearch;
use super::index::Member;
use super::presence::logistic;
use super::relations::{Step, movements, step};
use super::weights::Weights;
use super::witness::common_sign::settled;
use super::witness::{ALL, Hypothesis, Lineage};
use crate::detect::families::Families;
use crate::error::Error;
use crate::geometry::{Geometry, Independence};
use crate::model_set::ModelId;
use crate::phylogeny::{Movement, Relation, Signal};

/// What the weights of two models a and b say of each other, as [`direction`] finds it.
///
/// Three questions are kept apart: whether the two are kin, which came first if one was made from the other, and what changed. That
/// they are siblings of a third model cannot be seen from the two alone.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Direction {
    /// The probability that two networks that were trained apart are as much alike, in 0 to 1. `None` where no tensor shows it.
    pub p_value: Option<f64>,
    /// The probability that a came first, if one of the two was made from the other, in 0 to 1; ½ where nothing tells.
    pub first: f64,
    /// What each signal says for a as the first, in nats; below 0 for b. Signals that say nothing are left out.
    pub evidence: Vec<(Signal, f64)>,
    /// How the later model came from the earlier one, whichever of the two is likelier to be the earlier.
    pub relation: Relation,
    /// How the later model was quantized, as in `Q8_0`, or what was taken out of the earlier one; `None` where nothing tells.
    pub method: Option<String>,
    /// How far each parameter moved from the likelier first to the other, in norms of the first; the farthest first.
    pub movements: Vec<Movement>,
    /// What the two share, where they are kin in that part alone. Then the p-value is that of all else, and neither came first.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub in_part: Option<KinInPart>,
}

/// The tensors that two models share while all else in them is independent.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct KinInPart {
    /// The names of the tensors, sorted.
    pub tensors: Vec<String>,
    /// Number of values in these tensors.
    pub values: usize,
    /// Their share of all values of a and of b, in [0, 1].
    pub shares: [f64; 2],
}

/// Compares two models by themselves.
///
/// All witnesses of the default detector speak that need no third model: imprints, norms, counters, exact decay, vocabularies.
/// Exchanging a and b gives `1 − first`, and evidence of the other sign.
///
/// # Errors
///
/// [`Error::NotComparable`] when the two have no tensors to compare, [`Error::Source`] for a model that cannot be read any more,
/// [`Error::InvalidSetting`] for a number out of range.
///
/// # Complexity
///
/// Each model is read some five times beyond the geometry.
///
/// ```
/// use neural_phylogeny::detect::{Weights, direction};
/// use neural_phylogeny::geometry::{Geometry, GeometrySettings};
/// use neural_phylogeny::{InMemory, ModelId, ModelSet};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use neural_phylogeny::rand::{Rng, SeedableRng};
/// # let mut rng = neural_phylogeny::rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// # let base: Vec<f32> = (0..4096).map(|_| rng.gen_range(-1.0..1.0)).collect();
/// # let tuned = base.iter().enumerate().map(|(i, w)| w + rng.gen_range(-0.2..0.2) * (1.0 + (i / 640) as f32)).collect();
/// # let model = |weights| InMemory::new().with_parameter("fc.weight", [64, 64], weights);
/// let models = ModelSet::from_models([("base", model(base)?), ("tuned", model(tuned)?)])?;
/// let geometry = Geometry::compute(&models, &GeometrySettings::new())?;
/// let [base, tuned] = [0, 1].map(ModelId::new);
/// let found = direction(&geometry, base, tuned, &Weights::default())?;
/// assert!(found.p_value < Some(1e-6) && found.first > 0.5);
/// # Ok(())
/// # }
/// ```
pub fn direction(geometry: &Geometry, a: ModelId, b: ModelId, weights: &Weights) -> Result<Direction, Error> {
    weights.check()?;
    if let Some(found) = in_part(geometry, a, b, weights)? {
        return Ok(found);
    }
    let p_value = geometry.independence().z(a, b).map(Independence::p_value);
    let pair = [a, b];
    let separated = separated(geometry, &pair, weights)?;
    if let [_] = separated.siblings[..] {
        // Both are one absent model, rounded, so that neither came first.
        let movements = movements(geometry, a, b)?;
        return Ok(Direction {
            p_value,
            first: 0.5,
            evidence: Vec::new(),
            relation: Relation::Cast,
            method: None,
            movements,
            in_part: None,
        });
    }
    if let Some(copy) = separated.copies.first() {
        let nats = (copy.direction / (1.0 - copy.direction)).ln();
        let said = if copy.source == a { nats } else { -nats };
        let mut movements = movements(geometry, copy.source, copy.copy)?;
        farthest_first(&mut movements);
        return Ok(Direction {
            p_value,
            first: logistic(said),
            evidence: vec![(Signal::COPY, said)],
            relation: copy.relation,
            method: copy.method.clone(),
            movements,
            in_part: None,
        });
    }
    let lineage = Lineage::of(geometry, &pair, weights)?;
    let [first, later] = [Member::new(0), Member::new(1)];
    let hypothesis = Hypothesis::of(&lineage, first);
    let evidence: Vec<(Signal, f64)> = ALL
        .iter()
        .map(|w| (w.signal(), settled(w.points(&hypothesis, first, later), w.common_sign(weights))))
        .collect();
    let said: f64 = evidence.iter().fold(0.0, |sum, (_, nats)| sum + nats);
    let (parent, child) = if said < 0.0 { (b, a) } else { (a, b) };
    let increments = geometry.read_increment(parent, child)?;
    let Step { relation, mut movements, method } = step(geometry, [parent, child], increments.as_deref(), weights)?;
    farthest_first(&mut movements);
    let evidence = evidence.into_iter().filter(|&(_, nats)| nats != 0.0).collect();
    Ok(Direction { p_value, first: logistic(said), evidence, relation, method, movements, in_part: None })
}

/// The answer where the two share a part and nothing else.
fn in_part(geometry: &Geometry, a: ModelId, b: ModelId, weights: &Weights) -> Result<Option<Direction>, Error> {
    let independence = geometry.independence();
    if !geometry.comparable(a, b) || !independence.is_measured() {
        return Ok(None);
    }
    let pair = [a, b];
    let search = PartSearch::new(geometry, &independence, Families::default().false_alarm(), &pair, weights);
    let Some((part, z)) = search.of_pair()? else { return Ok(None) };
    let share = |m: ModelId| part.models.iter().find(|(model, _)| *model == m).map_or(0.0, |(_, share)| *share);
    let shares = pair.map(share);
    let increments = geometry.read_increment(a, b)?;
    let Step { relation, mut movements, method } = step(geometry, pair, increments.as_deref(), weights)?;
    farthest_first(&mut movements);
    Ok(Some(Direction {
        p_value: z.map(Independence::p_value),
        first: 0.5,
        evidence: Vec::new(),
        relation,
        method,
        movements,
        in_part: Some(KinInPart { tensors: part.tensors, values: part.values, shares }),
    }))
}

/// Orders parameters as results do: those that moved farthest first, by name where they moved alike.
fn farthest_first(movements: &mut [Movement]) {
    movements.sort_by(|a, b| b.relative.total_cmp(&a.relative).then_with(|| a.parameter.cmp(&b.parameter)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::lineage::tests::fixture::{Model, of_models};

    fn found(models: &[Model], a: usize, b: usize) -> Direction {
        direction(&of_models(models), ModelId::new(a), ModelId::new(b), &Weights::default()).unwrap()
    }

    #[test]
    fn kinship_and_order_are_apart_and_exchanging_the_two_turns_the_answer() {
        let base = Model::new(1);
        let models = [base.clone(), base.trained_unevenly(2, 0.5)];
        let (forward, reverse) = (found(&models, 0, 1), found(&models, 1, 0));
        assert!(forward.p_value.unwrap() < 1e-6 && forward.first > 0.6, "{forward:?}");
        assert!((forward.first + reverse.first - 1.0).abs() < 1e-12);
        assert_eq!((forward.relation, &forward.movements), (reverse.relation, &reverse.movements));
        let sum: f64 = forward.evidence.iter().map(|(_, nats)| nats).sum();
        assert!((sum - (forward.first / (1.0 - forward.first)).ln()).abs() < 1e-9);
    }

    #[test]
    fn counters_decide_and_equal_models_leave_it_open() {
        let base = Model::new(1);
        let later = base.trained_unevenly(2, 0.5).with_counter(2.0);
        assert!(found(&[base.clone().with_counter(1.0), later], 0, 1).first > 0.95);
        let same = found(&[base.clone(), base], 0, 1);
        assert_eq!((same.first, same.relation), (0.5, Relation::Duplicate));
    }

    #[test]
    fn strangers_are_no_kin_whatever_the_order() {
        let found = found(&[Model::new(1), Model::new(5)], 0, 1);
        assert!(found.p_value.unwrap() > 1e-3, "{found:?}");
    }
}
