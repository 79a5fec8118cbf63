use crate::error::Error;
use crate::geometry::{Geometry, Independence};
use crate::model_set::{ModelId, Position};
use crate::phylogeny::{Edge, Phylogeny, PhylogenyBuilder, Relation, Remark};

/// A phylogeny in the making, with the measurements that its edges need.
pub(super) struct Draft<'g> {
    pub(super) geometry: &'g Geometry,
    pub(super) independence: &'g Independence,
    builder: PhylogenyBuilder,
    ties: usize,
}

impl<'g> Draft<'g> {
    pub(super) fn new(geometry: &'g Geometry, independence: &'g Independence) -> Self {
        Self { geometry, independence, builder: PhylogenyBuilder::new(geometry.len()), ties: 0 }
    }

    /// Changes the builder of the phylogeny.
    pub(super) fn add(&mut self, what: impl FnOnce(PhylogenyBuilder) -> PhylogenyBuilder) {
        self.builder = what(std::mem::take(&mut self.builder));
    }

    /// Counts a family whose parent no evidence decides, if `tie` is true.
    pub(super) fn count_tie(&mut self, tie: bool) {
        self.ties += usize::from(tie);
    }

    /// An edge with its distance and the standard error of that distance; both are missing where models are not comparable.
    ///
    /// # Errors
    ///
    /// Those of [`Geometry::compare`].
    pub(super) fn edge(
        &self,
        parent: ModelId,
        child: ModelId,
        relation: Relation,
        confidence: f64,
    ) -> Result<Edge, Error> {
        let edge = Edge::new(parent, child).with_relation(relation).with_confidence(confidence.clamp(0.0, 1.0));
        if !self.geometry.comparable(parent, child) {
            return Ok(edge);
        }
        let comparison = self.geometry.compare(&[parent, child])?;
        let edge = edge.with_distance(comparison.squared_distance(Position::FIRST, Position::SECOND).sqrt());
        Ok(edge.with_distance_error(comparison.distance_error(Position::FIRST, Position::SECOND)))
    }

    /// The finished phylogeny, with these remarks and the number of ties.
    ///
    /// # Errors
    ///
    /// Those of [`PhylogenyBuilder::build`].
    pub(super) fn phylogeny(self, remarks: Vec<Remark>) -> Result<Phylogeny, Error> {
        let ties = (self.ties > 0).then_some(Remark::Ties { count: self.ties });
        self.builder.with_remarks(remarks).with_remarks(ties).build()
    }
}
