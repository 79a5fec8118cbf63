//! Copies and conversions: the same weights, cast, quantized, pruned, scaled or permuted.

use super::weights::{Copies, Weights};
use crate::error::Error;
use crate::geometry::{Comparison, Geometry, ParameterView};
use crate::model_set::{ModelId, Position};
use crate::phylogeny::Relation;
use ndarray::Array2;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// A model made from another one without training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Copy {
    pub(super) source: ModelId,
    pub(super) copy: ModelId,
    pub(super) relation: Relation,
    /// Probability that `source` is the source and `copy` the copy.
    pub(super) direction: f64,
}

/// Separates copies from the models they were made from. Both lists keep the order of `members`.
///
/// # Errors
///
/// [`Error::Source`] for a model that cannot be read, [`Error::NotComparable`] for models of different groups.
pub(super) fn copies(
    geometry: &Geometry,
    members: &[ModelId],
    weights: &Weights,
) -> Result<(Vec<ModelId>, Vec<Copy>), Error> {
    let mut copies = Vec::new();
    let mut originals = Vec::new();
    // Identical models differ in nothing but the order in which they were given, so the first one is the source.
    let first = |&m: &ModelId| members.iter().copied().filter(|&o| geometry.identical(o, m)).min().unwrap_or(m);
    let sources: Vec<ModelId> = members.par_iter().map(first).collect();
    for (&m, source) in members.iter().zip(sources) {
        if source == m {
            originals.push(m);
        } else {
            copies.push(Copy { source, copy: m, relation: Relation::Duplicate, direction: weights.copies.even });
        }
    }
    // Identical models are out by now, so all pairs that are left differ.
    let converted = converted(geometry, &originals, weights)?;
    let gone: BTreeSet<ModelId> = converted.iter().map(|c| c.copy).collect();
    copies.extend(converted);
    originals.retain(|m| !gone.contains(m));
    Ok((originals, copies))
}

/// The position of a model that equals no other one, in the comparison of all of them.
type Distinct = Position<Comparison>;

/// The search for originals that were made from one another without training.
struct ConversionSearch<'a> {
    geometry: &'a Geometry,
    models: &'a [ModelId],
    parameters: Vec<&'a ParameterView>,
    squared: Array2<f64>,
    weights: &'a Weights,
    is_copy: Vec<bool>,
    found: Vec<Copy>,
}

/// The copies among `models` that were converted, pruned, scaled or permuted.
fn converted(geometry: &Geometry, models: &[ModelId], weights: &Weights) -> Result<Vec<Copy>, Error> {
    let comparison = geometry.compare(models)?;
    let mut converted = ConversionSearch {
        geometry,
        models,
        parameters: comparison.scoped().collect(),
        squared: comparison.squared_distances(),
        weights,
        is_copy: vec![false; models.len()],
        found: Vec::new(),
    };
    // The surest relation goes first: a pruned model may look rounded, and a rounded one scaled.
    converted.find_pruned();
    converted.find_rounded()?;
    converted.find_scaled_and_permuted();
    Ok(converted.found)
}

impl ConversionSearch<'_> {
    /// Adds a copy, which is then no source for others.
    fn add(&mut self, source: Distinct, copy: Distinct, relation: Relation, direction: f64) {
        self.found.push(Copy { source: self.model(source), copy: self.model(copy), relation, direction });
        self.is_copy[copy.index()] = true;
    }

    /// All models, in order.
    fn all(&self) -> impl DoubleEndedIterator<Item = Distinct> + Clone + use<> {
        Distinct::all(self.models.len())
    }

    fn model(&self, a: Distinct) -> ModelId {
        self.models[a.index()]
    }

    fn is_copy(&self, a: Distinct) -> bool {
        self.is_copy[a.index()]
    }

    fn squared(&self, a: Distinct, b: Distinct) -> f64 {
        self.squared[(a.index(), b.index())]
    }

    /// Finds models with some values of another one set to zero.
    fn find_pruned(&mut self) {
        let n = self.models.len();
        let tolerance = self.weights.tolerances.projected;
        let sources =
            |b: Distinct| self.all().filter(|&a| a != b && projected(&self.parameters, a, b, tolerance)).collect();
        let of_pruned: Vec<Vec<Distinct>> = (0..n).into_par_iter().map(|b| sources(Distinct::new(b))).collect();
        for (copy, sources) in self.all().zip(of_pruned) {
            // A copy is no source, so a chain of copies hangs below one original.
            if let Some(source) = sources.into_iter().find(|&a| !self.is_copy(a)) {
                self.add(source, copy, Relation::Pruned, self.weights.copies.certain);
            }
        }
    }

    /// Finds models that are another one in fewer bits.
    fn find_rounded(&mut self) -> Result<(), Error> {
        for copy in self.all() {
            let quantized = |a: Distinct| self.geometry.is_quantized(self.model(a));
            let own = quantized(copy);
            // A conversion moves a model little, so its source is the nearest model. A model in fewer bits is made from one in
            // all bits: two quantized copies of one source may be nearer to each other.
            let nearest = self
                .all()
                .filter(|&a| a != copy && !self.is_copy(a) && !(own && quantized(a)))
                .min_by(|&a, &b| self.squared(copy, a).total_cmp(&self.squared(copy, b)));
            // Few bits move a model far, but its steps are known, so that the distance need not tell.
            let near = |&a: &Distinct| {
                !self.is_copy(copy) && (own || rounded(&self.parameters, a, copy, &self.weights.copies))
            };
            // Reading values is expensive. It happens only where the distance allows a conversion.
            let Some(source) = nearest.filter(near) else { continue };
            let explained = self.weights.copies.explained;
            if let Some(relation) = conversion(self.geometry, self.model(source), self.model(copy), explained)? {
                self.add(source, copy, relation, self.weights.copies.certain);
            }
        }
        Ok(())
    }

    /// Finds models that are a multiple of another one, or the same values in another order.
    fn find_scaled_and_permuted(&mut self) {
        let n = self.models.len();
        let relation = |a, b| match collinear(&self.parameters, a, b, self.weights.tolerances.collinear) {
            true => Some(Relation::Scaled),
            false => self.geometry.permuted(self.model(a), self.model(b)).then_some(Relation::Permuted),
        };
        let relations = |a: usize| Distinct::all(a).filter_map(|b| Some((b, relation(Distinct::new(a), b)?))).collect();
        let related: Vec<Vec<(Distinct, Relation)>> = (0..n).into_par_iter().map(relations).collect();
        for (a, related) in self.all().zip(related) {
            for (b, relation) in related {
                if self.is_copy(a) || self.is_copy(b) {
                    continue;
                }
                // The two models alone do not show which was first. The rest of the family is nearer to the source.
                let (of_a, of_b) = (self.log_distances(a), self.log_distances(b));
                let (source, copy) = if of_a < of_b { (a, b) } else { (b, a) };
                // Two models alone have no rest of the family.
                let known = n > 2 && of_a != of_b;
                let copies = self.weights.copies;
                self.add(source, copy, relation, if known { copies.likely } else { copies.even });
            }
        }
    }

    /// Sum of the logarithms of squared distances to all models that differ from this one.
    fn log_distances(&self, a: Distinct) -> f64 {
        self.all().map(|b| self.squared(a, b)).filter(|&squared| squared > 0.0).map(f64::ln).sum()
    }
}

/// Whether b is a projection of a: `⟨a, b⟩ = ‖b‖²` in every parameter. This holds when b is a with some values set to zero.
///
/// Distances of all pairs are at hand, so this test costs no read. [`PairEvidence::pruned_share`] reads the values of one pair
/// and counts their zeros, which is stricter.
///
/// [`PairEvidence::pruned_share`]: crate::geometry::PairEvidence::pruned_share
fn projected(parameters: &[&ParameterView], a: Distinct, b: Distinct, tolerance: f64) -> bool {
    let mut changed = false;
    let every = parameters.iter().all(|p| {
        let (apart, own) = (p.squared_distance(a, b), p.squared_norm(a));
        changed |= apart > 0.0;
        // `⟨a, b⟩ = ‖b‖²` is the same as `d² = ‖a‖² − ‖b‖²`.
        (own - p.squared_norm(b) - apart).abs() <= tolerance * own
    });
    every && changed
}

/// Whether b is a positive multiple of a in every parameter, and differs from a in at least one.
///
/// Distances of all pairs are at hand, so this test costs no read. [`PairEvidence::scaled`] reads the values of one pair. It
/// allows for the rounding of b's dtype, and it gives the factor.
///
/// [`PairEvidence::scaled`]: crate::geometry::PairEvidence::scaled
fn collinear(parameters: &[&ParameterView], a: Distinct, b: Distinct, tolerance: f64) -> bool {
    let mut changed = false;
    let every = parameters.iter().all(|p| {
        let (aa, bb, inner) = (p.squared_norm(a), p.squared_norm(b), p.inner(a, b));
        changed |= p.squared_distance(a, b) > tolerance * aa;
        // Parallel vectors have a sine of 0. A negative factor is no scaling.
        inner > 0.0 && aa * bb - inner * inner <= tolerance * aa * bb
    });
    every && changed
}

/// Whether b can be a in fewer bits: it moved little, and by about the same share wherever it moved.
///
/// Parameters that did not move are ignored: many conversions leave embeddings as they are.
fn rounded(parameters: &[&ParameterView], a: Distinct, b: Distinct, numbers: &Copies) -> bool {
    let relative = parameters.iter().map(|p| (p.squared_distance(a, b) / p.squared_norm(a)).sqrt());
    let (mut least, mut most) = (f64::INFINITY, 0.0f64);
    for r in relative.filter(|r| r.is_finite() && *r > 0.0) {
        least = least.min(r);
        most = most.max(r);
    }
    most < numbers.rounded && most <= numbers.alike * least
}

/// The kind of conversion that values prove; `None` when they prove none or cannot be read.
fn conversion(geometry: &Geometry, source: ModelId, copy: ModelId, explained: f64) -> Result<Option<Relation>, Error> {
    let Some(pair) = geometry.read_pair(source, copy)? else { return Ok(None) };
    if pair.is_cast().is_some() {
        return Ok(Some(Relation::Cast));
    }
    // Known steps tell more than the search for a grid does.
    let by_steps = pair.rounding_ratio().is_some_and(|ratio| (1.0 / explained..=explained).contains(&ratio));
    Ok((by_steps || pair.quantized_bits().is_some()).then_some(Relation::Quantized))
}

/// Pairs of comparable models with the same values in another order, at any distance.
pub(super) fn permuted(geometry: &Geometry, members: &[ModelId], weights: &Weights) -> Vec<(ModelId, ModelId)> {
    // A permutation keeps the norm. Sorted by norm, permuted copies are neighbors, and few pairs need a test.
    let mut keyed: Vec<(f64, ModelId)> = members.iter().map(|&m| (geometry.norm(m).powi(2), m)).collect();
    keyed.sort_by(|x, y| x.0.total_cmp(&y.0));
    let mut pairs = Vec::new();
    for (i, &(norm, a)) in keyed.iter().enumerate() {
        for &(other, b) in
            keyed[i + 1..].iter().take_while(|(other, _)| other - norm <= weights.tolerances.projected * norm)
        {
            debug_assert!(other >= norm);
            if geometry.permuted(a, b) {
                pairs.push((a, b));
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::lineage::tests::fixture::{Model, alike, ids, noticed, of_points, point};
    use crate::error::SourceError;
    use crate::geometry::GeometrySettings;
    use crate::model_set::ModelSet;
    use crate::source::{ParameterInfo, ParameterSource};

    /// Relations of copies to their sources, by number.
    fn found(weights: &Weights, geometry: &Geometry) -> Vec<(usize, usize, Relation, f64)> {
        let (_, copies) = copies(geometry, &ids(geometry), weights).unwrap();
        copies.iter().map(|c| (c.source.index(), c.copy.index(), c.relation, c.direction)).collect()
    }

    #[test]
    fn pruned_scaled_and_equal_models_are_copies() {
        let weights = Weights::default();
        let root = point(&[(0, 3.0), (1, 4.0)]);
        let twice = root.iter().map(|x| 2.0 * x).collect::<Vec<f64>>();
        let far = point(&[(0, 3.5), (1, 4.0), (5, 1.0)]);
        let of = |points: &[Vec<f64>]| found(&weights, &alike(2, points));
        assert_eq!(of(&[root.clone(), point(&[(0, 3.0)])]), [(0, 1, Relation::Pruned, 0.98)]);
        assert_eq!(of(&[root.clone(), twice.clone()]), [(0, 1, Relation::Scaled, 0.5)]);
        assert_eq!(of(&[root.clone(), twice.clone(), far.clone()]), [(0, 1, Relation::Scaled, 0.9)]);
        assert_eq!(of(&[root.clone(), root.clone(), far.clone()]), [(0, 1, Relation::Duplicate, 0.5)]);
        assert_eq!(of(&[root.clone(), far.clone()]), []);
        noticed("copies", &["certain", "likely", "even"], |w| {
            let pruned = found(w, &alike(2, &[point(&[(0, 3.0), (1, 4.0)]), point(&[(0, 3.0)])]));
            let two = found(w, &alike(2, &[point(&[(0, 3.0), (1, 4.0)]), twice.clone()]));
            let three = found(w, &alike(2, &[root.clone(), twice.clone(), far.clone()]));
            format!("{pruned:?} {two:?} {three:?}")
        });
    }

    #[test]
    fn rounding_is_told_from_training_at_the_edge() {
        let geometry =
            |moved: [f64; 2]| of_points(&moved.map(|by| vec![point(&[(0, 1.0)]), point(&[(0, 1.0), (1, by)])]));
        let is_rounded = |w: &Weights, moved| {
            let geometry = geometry(moved);
            let comparison = geometry.compare(&ids(&geometry)).unwrap();
            let parameters: Vec<&ParameterView> = comparison.scoped().collect();
            rounded(&parameters, Distinct::FIRST, Distinct::SECOND, &w.copies)
        };
        let weights = Weights::default();
        assert!(is_rounded(&weights, [0.119, 0.119]) && !is_rounded(&weights, [0.121, 0.119]));
        assert!(is_rounded(&weights, [0.1, 0.1 / 11.9]) && !is_rounded(&weights, [0.1, 0.1 / 12.1]));
        // A parameter that was left as it is says nothing.
        assert!(is_rounded(&weights, [0.1, 0.0]));
        noticed("copies", &["rounded", "alike"], |w| {
            format!("{} {}", is_rounded(w, [0.1, 0.1]), is_rounded(w, [0.05, 0.005]))
        });
    }

    /// A model in steps, which says how far rounding to them moved its values.
    #[derive(Debug)]
    struct InSteps {
        model: Model,
        step: f32,
        rounding: f64,
    }

    impl ParameterSource for InSteps {
        fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
            let method = crate::format::Quantization::new("steps");
            Ok(self.model.parameters()?.into_iter().map(|info| info.with_quantization(method.clone())).collect())
        }

        fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
            self.model.read(name, offset, out)?;
            out.iter_mut().for_each(|value| *value = (*value / self.step).round() * self.step);
            Ok(())
        }

        fn rounding(&self, _: &str) -> Result<Option<f64>, SourceError> {
            Ok(Some(self.rounding))
        }
    }

    #[test]
    fn a_copy_in_known_steps_is_as_far_as_rounding_explains() {
        let root = Model::new(1);
        let child = root.trained(2, 0..0, 1.0);
        // Steps of a tenth of the largest value lie on none of the grids that are searched for.
        let mut values = [0.0; 64];
        child.read("w0", 0, &mut values).unwrap();
        let step = values.iter().fold(0.0f32, |most, value| most.max(value.abs())) / 40.0;
        let geometry = |share: f64| {
            let rounding = share * f64::from(step) / 12f64.sqrt();
            let copy = InSteps { model: child.clone(), step, rounding };
            let set = ModelSet::builder().with_model("root", root.clone()).with_model("child", child.clone());
            let set = set.with_model("copy", copy).build().unwrap();
            crate::geometry::Geometry::compute(&set, &GeometrySettings::default()).unwrap()
        };
        let weights = Weights::default();
        assert_eq!(found(&weights, &geometry(1.0)), [(1, 2, Relation::Quantized, 0.98)]);
        assert_eq!(found(&weights, &geometry(0.6)), [(1, 2, Relation::Quantized, 0.98)]);
        // What rounding to these steps would move lies far below or above what moved.
        assert_eq!(found(&weights, &geometry(0.1)), []);
        assert_eq!(found(&weights, &geometry(10.0)), []);
        let near = geometry(0.6);
        noticed("copies", &["explained"], |w| format!("{:?}", found(w, &near)));
    }

    #[test]
    fn tolerances_of_copies_are_noticed() {
        noticed("tolerances", &["collinear", "projected"], |w| {
            // A sine of 1.2e-5 between multiples, and a product that is 1.5e-9 off.
            let turned = found(w, &alike(1, &[point(&[(0, 1.0)]), point(&[(0, 2.0), (1, 2.4e-5)])]));
            let pruned = found(w, &alike(1, &[point(&[(0, 1.0), (1, 1.0)]), point(&[(0, 1.0 + 1.5e-9), (2, 1e-9)])]));
            format!("{turned:?} {pruned:?}")
        });
    }
}
