use crate::error::Error;
use crate::geometry::Geometry;
use crate::model_set::ModelId;
use crate::phylogeny::{Edge, Relation};

/// An edge with its distance, and the standard error of it, where the two can be compared.
pub(super) fn edge(
    geometry: &Geometry,
    parent: ModelId,
    child: ModelId,
    relation: Relation,
    confidence: f64,
) -> Result<Edge, Error> {
    let edge = Edge::new(parent, child).with_relation(relation).with_confidence(confidence);
    if !geometry.comparable(parent, child) {
        return Ok(edge);
    }
    let comparison = geometry.compare(&[parent, child])?;
    let edge = edge.with_distance(comparison.squared_distance(0, 1).sqrt());
    Ok(edge.with_distance_error(comparison.distance_error(0, 1)))
}
