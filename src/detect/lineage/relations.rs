//! How a child came from its parent, and how far each parameter moved.

use super::edits::edit;
use super::weights::Weights;
use crate::error::Error;
use crate::geometry::{Comparison, Geometry, Increment, Increments, ParameterView};
use crate::model_set::{Kind, ModelId, Position};
use crate::phylogeny::{Movement, Relation};
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

/// Parent and child in a comparison of the two.
const PARENT: Position<Comparison> = Position::FIRST;
const CHILD: Position<Comparison> = Position::SECOND;

/// What happened along an edge between two models that are no copies of one another.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) relation: Relation,
    /// How far every parameter moved.
    pub(super) movements: Vec<Movement>,
    /// What was taken out of the parent, where it was edited.
    pub(super) method: Option<String>,
}

/// Finds what happened along an edge between two models that are no copies of one another.
///
/// `increments` tells how the matrices moved, where values can be read.
///
/// # Errors
///
/// [`Error::NotComparable`], and [`Error::Source`] for a model that cannot be read any more.
pub(super) fn step(
    geometry: &Geometry,
    [parent, child]: [ModelId; 2],
    increments: Option<&Increments>,
    weights: &Weights,
) -> Result<Step, Error> {
    let far = weights.relations.far;
    let comparison = geometry.compare(&[parent, child])?;
    let mut movements = moved(&comparison, increments);
    let mut matrices: BTreeMap<&str, bool> = BTreeMap::new();
    for p in comparison.parameters().iter().filter(|p| p.kind() == Kind::Matrix) {
        // A tensor may be compared in several ranges of rows. It moved when any of them did.
        *matrices.entry(p.name()).or_default() |= p.squared_distance(PARENT, CHILD) > 0.0;
    }
    let untouched = matrices.values().filter(|moved| !**moved).count();
    let (distance, norm) = (comparison.squared_distance(PARENT, CHILD), comparison.squared_norm(PARENT));
    let edit = increments.map_or(Ok(None), |moved| edit(geometry, [parent, child], moved, weights))?;
    let edit = edit.filter(|edit| edit.earlier == parent);
    let mut method = None;
    // The most specific relation goes first: a child can meet several of these conditions.
    let relation = if geometry.compare_rows(child, parent) == Ordering::Greater {
        Relation::VocabularyResized
    } else if let Some(edit) = edit {
        movements.iter_mut().for_each(|m| m.removed = edit.removed.get(&m.parameter).copied());
        method = Some(edit.method());
        Relation::Edited
    } else if increments.is_some_and(|moved| moved.low_rank().is_some()) {
        Relation::LowRank
    } else if untouched > 0 && untouched < matrices.len() {
        Relation::Partial
    } else if distance > far * far * norm {
        Relation::Continued
    } else {
        Relation::FineTune
    };
    Ok(Step { relation, movements, method })
}

/// The movement of every parameter that both models hold.
///
/// A movement has a rank when values can be read and the increment is of low rank.
pub(super) fn movements(geometry: &Geometry, parent: ModelId, child: ModelId) -> Result<Vec<Movement>, Error> {
    Ok(moved(&geometry.compare(&[parent, child])?, geometry.read_increment(parent, child)?.as_deref()))
}

/// The movement of every parameter that both hold, with ranks from `increments` where they are at hand.
fn moved(comparison: &Comparison, increments: Option<&Increments>) -> Vec<Movement> {
    let matrices = increments.map_or(&[][..], |increments| &increments.matrices);
    // By name in one step: models may have a hundred thousand tensors.
    let rank = |m: &Increment| m.low_rank().filter(|&rank| rank > 0);
    // Of several ranges of one tensor, the first counts.
    let ranks: HashMap<&str, Option<usize>> = matrices.iter().rev().map(|m| (m.name.as_str(), rank(m))).collect();
    let movement = |p: &ParameterView| {
        let (moved, norm) = (p.squared_distance(PARENT, CHILD).sqrt(), p.squared_norm(PARENT).sqrt());
        // A parameter that is zero in both would give 0 / 0.
        let relative = if moved == 0.0 { 0.0 } else { moved / norm };
        let movement = Movement::new(p.name(), p.size(), relative);
        match ranks.get(p.name()).copied().flatten() {
            Some(rank) => movement.with_rank(rank),
            None => movement,
        }
    };
    comparison.parameters().iter().map(movement).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::lineage::tests::fixture::{alike, noticed, of_points, point};
    use crate::geometry::GeometrySettings;
    use crate::model_set::ModelSet;
    use crate::source::InMemory;

    fn of_far(geometry: &Geometry, far: f64) -> Relation {
        let mut weights = Weights::default();
        weights.relations.far = far;
        let [parent, child] = [0, 1].map(ModelId::new);
        let increments = geometry.read_increment(parent, child).unwrap();
        step(geometry, [parent, child], increments.as_deref(), &weights).unwrap().relation
    }

    #[test]
    fn a_tensor_compared_in_ranges_moved_when_any_range_did() {
        // `embed` has more rows in a third model, so that it is compared in two ranges. The child moved the first one alone.
        let model = |rows: usize, moved: f32, head: f32| {
            let embed = (0..8 * rows).map(|i| if i < 8 { i as f32 + moved } else { 1.0 + i as f32 }).collect();
            // A moved diagonal is no increment of low rank.
            let head = (0..64).map(|i| i as f32 + if i % 9 == 0 { head } else { 0.0 }).collect();
            let model = InMemory::new().with_parameter("embed", [rows, 8], embed).unwrap();
            model.with_parameter("head", [8, 8], head).unwrap()
        };
        let of = |ranges: [(usize, f32, f32); 3]| {
            let models = ranges.map(|(rows, moved, head)| model(rows, moved, head));
            let set = ModelSet::from_models(["parent", "child", "other"].into_iter().zip(models)).unwrap();
            let geometry = Geometry::compute(&set, &GeometrySettings::default()).unwrap();
            let ranges = geometry.compare(&[ModelId::new(0), ModelId::new(1)]).unwrap().parameters().len();
            (ranges, of_far(&geometry, 1e9))
        };
        // The third model has fewer rows: 0..1 is a range of all, 1..8 one of the first two.
        let (ranges, found) = of([(8, 0.0, 0.0), (8, 0.5, 0.25), (1, 3.0, 3.0)]);
        assert_eq!(ranges, 3);
        assert_ne!(found, Relation::Partial);
        let (_, found) = of([(8, 0.0, 0.0), (8, 0.0, 0.25), (1, 3.0, 3.0)]);
        assert_eq!(found, Relation::Partial);
    }

    #[test]
    fn far_and_partial_training_are_relations() {
        let of = of_far;
        let far = alike(1, &[point(&[(0, 1.0)]), point(&[(0, 1.0), (1, 1.5)])]);
        noticed("relations", &[], |w| format!("{:?}", of(&far, w.relations.far)));
        assert_eq!((of(&far, 1.0), of(&far, 1.6)), (Relation::Continued, Relation::FineTune));
        let moved = vec![point(&[(0, 1.0)]), point(&[(0, 1.0), (1, 0.1)])];
        let partial = of_points(&[moved, vec![point(&[(0, 1.0)]), point(&[(0, 1.0)])]]);
        assert_eq!(of(&partial, 1.0), Relation::Partial);
    }
}
