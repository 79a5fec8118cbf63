//! The search for models that were made from one another without training.

use super::link::{Link, Origin};
use super::{Copy, Sibling, source};
use crate::detect::lineage::weights::Weights;
use crate::error::Error;
use crate::geometry::{Comparison, Geometry, ParameterView};
use crate::model_set::{ModelId, Position};
use crate::phylogeny::Relation;
use ndarray::Array2;

/// The position of a model in the comparison of all models that differ from one another.
pub(super) type Distinct = Position<Comparison>;

/// Models that all differ, and what links them.
pub(super) struct Search<'a> {
    pub(super) geometry: &'a Geometry,
    pub(super) models: &'a [ModelId],
    pub(super) parameters: Vec<&'a ParameterView>,
    pub(super) squared: Array2<f64>,
    pub(super) weights: &'a Weights,
    pub(super) links: Vec<Link>,
}

/// The copies among some models.
pub(super) struct Converted {
    pub(super) copies: Vec<Copy>,
    pub(super) siblings: Vec<Sibling>,
}

/// Finds the models among `models` that were converted, pruned, perturbed, scaled or permuted.
pub(super) fn converted(geometry: &Geometry, models: &[ModelId], weights: &Weights) -> Result<Converted, Error> {
    let comparison = geometry.compare(models)?;
    let mut search = Search {
        geometry,
        models,
        parameters: comparison.scoped().collect(),
        squared: comparison.squared_distances(),
        weights,
        links: Vec::new(),
    };
    // The surest relation goes first. A pruned model may look rounded, and a rounded one scaled.
    search.link_pruned()?;
    search.link_near()?;
    search.link_scaled_and_permuted();
    Ok(search.hung())
}

impl Search<'_> {
    /// All models, in order.
    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = Distinct> + Clone + use<> {
        Distinct::all(self.models.len())
    }

    pub(super) fn model(&self, a: Distinct) -> ModelId {
        self.models[a.index()]
    }

    pub(super) fn squared(&self, a: Distinct, b: Distinct) -> f64 {
        self.squared[(a.index(), b.index())]
    }

    /// Squared norm over the parameters in scope.
    pub(super) fn squared_norm(&self, a: Distinct) -> f64 {
        self.parameters.iter().map(|p| p.squared_norm(a)).sum()
    }

    /// Whether values prove that a model was made from another one.
    pub(super) fn is_derived(&self, model: Distinct) -> bool {
        self.links.iter().any(|link| link.derives(model))
    }

    /// Whether something links two models already.
    pub(super) fn is_linked(&self, a: Distinct, b: Distinct) -> bool {
        self.links.iter().any(|link| link.other(a) == Some(b))
    }

    /// Hangs all linked models on a source.
    fn hung(&self) -> Converted {
        let mut converted = Converted { copies: Vec::new(), siblings: Vec::new() };
        for component in self.components() {
            self.hang(&component, &mut converted);
        }
        converted
    }

    /// The linked models, in components.
    pub(super) fn components(&self) -> Vec<Vec<Distinct>> {
        let mut seen = vec![false; self.models.len()];
        let mut components = Vec::new();
        for first in self.all() {
            if std::mem::replace(&mut seen[first.index()], true) {
                continue;
            }
            let mut component = vec![first];
            let mut at = 0;
            while let Some(&model) = component.get(at) {
                at += 1;
                for other in self.links.iter().filter_map(|link| link.other(model)) {
                    if !std::mem::replace(&mut seen[other.index()], true) {
                        component.push(other);
                    }
                }
            }
            if component.len() > 1 {
                component.sort_unstable();
                components.push(component);
            }
        }
        components
    }

    /// Hangs the models of a component on the one that stands for them, link by link.
    fn hang(&self, component: &[Distinct], converted: &mut Converted) {
        let Some((standing, likely)) = source::standing(self, component) else { return };
        let numbers = &self.weights.copies;
        let mut reached = vec![standing];
        let mut at = 0;
        while let Some(&model) = reached.get(at) {
            at += 1;
            let mut next: Vec<(&Link, Distinct)> = self
                .links
                .iter()
                .filter_map(|link| Some((link, link.other(model)?)))
                .filter(|(_, other)| !reached.contains(other))
                .collect();
            next.sort_by(|(_, a), (_, b)| self.squared(model, *a).total_cmp(&self.squared(model, *b)));
            for (link, other) in next {
                if reached.contains(&other) {
                    continue;
                }
                reached.push(other);
                let (source, copy) = (self.model(model), self.model(other));
                let direction = match link.origin {
                    Origin::Neither => {
                        converted.siblings.push(Sibling { standing: source, sibling: copy });
                        continue;
                    }
                    Origin::First if link.derives(other) => numbers.certain,
                    Origin::First => {
                        // Two models are sources of one copy, as exact as the other: they differ by less than it shows.
                        let (relation, direction) = (Relation::Perturbed, numbers.even);
                        let source = self.model(standing);
                        converted.copies.push(Copy { source, copy, relation, method: None, direction });
                        continue;
                    }
                    Origin::Open | Origin::Noise => likely,
                };
                let (relation, method) = (link.relation, link.method.clone());
                converted.copies.push(Copy { source, copy, relation, method, direction });
            }
        }
    }
}
