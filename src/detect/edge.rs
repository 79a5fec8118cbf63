use crate::geometry::Geometry;
use crate::model_set::ModelId;
use crate::phylogeny::{Edge, Relation};

/// An edge with its distance, and the standard error of it, where the two can be compared.
pub(super) fn edge(geometry: &Geometry, parent: ModelId, child: ModelId, relation: Relation, confidence: f64) -> Edge {
    let edge = Edge::new(parent, child).with_relation(relation).with_confidence(confidence);
    let edge = geometry.distance(parent, child).into_iter().fold(edge, Edge::with_distance);
    geometry.distance_error(parent, child).into_iter().fold(edge, Edge::with_distance_error)
}
