//! How a child came from its parent, and how far each parameter moved.

use crate::error::Error;
use crate::geometry::{Comparison, Geometry, PairEvidence, ParameterView};
use crate::model_set::{Kind, ModelId};
use crate::phylogeny::{Movement, Relation};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The relation of an edge between two models that are no copies of one another, and the movement of every parameter.
///
/// A child that moved by more than `far` norms of its parent counts as trained on far.
pub(super) fn relation(
    geometry: &Geometry,
    parent: ModelId,
    child: ModelId,
    far: f64,
) -> Result<(Relation, Vec<Movement>), Error> {
    let comparison = geometry.compare(&[parent, child])?;
    let pair = geometry.read_pair(parent, child)?;
    // The same read of the pair serves the movements and the relation.
    let movements = moved(&comparison, pair.as_deref());
    let matrices: BTreeMap<&str, bool> = comparison
        .parameters()
        .iter()
        .filter(|p| p.kind() == Kind::Matrix)
        .map(|p| (p.name(), p.squared_distance(0, 1) > 0.0))
        .collect();
    let untouched = matrices.values().filter(|moved| !**moved).count();
    let (distance, norm) = (comparison.squared_distance(0, 1), comparison.squared_norm(0));
    // The most specific relation goes first: a child can meet several of these conditions.
    let relation = if geometry.compare_rows(child, parent) == Ordering::Greater {
        Relation::VocabularyResized
    } else if pair.is_some_and(|p| p.low_rank().is_some()) {
        Relation::LowRank
    } else if untouched > 0 && untouched < matrices.len() {
        Relation::Partial
    } else if distance > far * far * norm {
        Relation::Continued
    } else {
        Relation::FineTune
    };
    Ok((relation, movements))
}

/// The movement of every parameter that both models hold.
///
/// A movement has a rank when values can be read and the increment is of low rank.
pub(super) fn movements(geometry: &Geometry, parent: ModelId, child: ModelId) -> Result<Vec<Movement>, Error> {
    Ok(moved(&geometry.compare(&[parent, child])?, geometry.read_pair(parent, child)?.as_deref()))
}

/// The movement of every parameter that both hold, with ranks from `pair` where it is at hand.
fn moved(comparison: &Comparison, pair: Option<&PairEvidence>) -> Vec<Movement> {
    let low = |name: &str| pair?.parameters().iter().find(|p| p.name == name)?.low_rank().filter(|&rank| rank > 0);
    let movement = |p: &ParameterView| {
        let (moved, norm) = (p.squared_distance(0, 1).sqrt(), p.squared_norm(0).sqrt());
        // A parameter that is zero in both would give 0 / 0.
        let relative = if moved == 0.0 { 0.0 } else { moved / norm };
        let movement = Movement::new(p.name(), p.size(), relative);
        match low(p.name()) {
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

    #[test]
    fn far_and_partial_training_are_relations() {
        let [parent, child] = [0, 1].map(ModelId::new);
        let of = |geometry: &Geometry, far| relation(geometry, parent, child, far).unwrap().0;
        let far = alike(1, &[point(&[(0, 1.0)]), point(&[(0, 1.0), (1, 1.5)])]);
        noticed("relations", &[], |w| format!("{:?}", of(&far, w.relations.far)));
        assert_eq!((of(&far, 1.0), of(&far, 1.6)), (Relation::Continued, Relation::FineTune));
        let moved = vec![point(&[(0, 1.0)]), point(&[(0, 1.0), (1, 0.1)])];
        let partial = of_points(&[moved, vec![point(&[(0, 1.0)]), point(&[(0, 1.0)])]]);
        assert_eq!(of(&partial, 1.0), Relation::Partial);
    }
}
