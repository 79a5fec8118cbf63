use super::{Edge, Node, Relation};

/// A step of descent between two nodes, of which either may be an unobserved model.
///
/// [`Edge`] is the step between two models of the set. A link has what both kinds have.
///
/// ```
/// use neural_phylogeny::ModelId;
/// use neural_phylogeny::phylogeny::{Link, UnobservedId};
/// let link = Link::new(UnobservedId::new(0), ModelId::new(4)).with_confidence(0.8);
/// assert_eq!((link.weight, link.distance, link.confidence), (1.0, None, Some(0.8)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Link {
    /// The parent: the earlier of the two.
    pub parent: Node,
    /// The child: the one made from the parent.
    pub child: Node,
    /// The parent's share in the child: 1 unless merged. It may be negative.
    pub weight: f64,
    /// How the child was made; [`Relation::Unspecified`] where nothing tells.
    pub relation: Relation,
    /// Euclidean distance of the two, in units of the weights. `None` when it is not known.
    pub distance: Option<f64>,
    /// How sure the detector is of pair and direction, in [0, 1]. `None` when the detector does not say.
    pub confidence: Option<f64>,
}

impl Link {
    /// A link of weight 1 and no stated relation, with no distance and no confidence.
    pub fn new(parent: impl Into<Node>, child: impl Into<Node>) -> Self {
        let (parent, child) = (parent.into(), child.into());
        Self { parent, child, weight: 1.0, relation: Relation::Unspecified, distance: None, confidence: None }
    }

    /// Sets the parent's share in the child.
    #[must_use]
    pub fn with_weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }

    /// Sets how the child was made.
    #[must_use]
    pub fn with_relation(mut self, relation: Relation) -> Self {
        self.relation = relation;
        self
    }

    /// Sets the distance.
    #[must_use]
    pub fn with_distance(mut self, distance: f64) -> Self {
        self.distance = Some(distance);
        self
    }

    /// Sets the confidence, in [0, 1].
    #[must_use]
    pub fn with_confidence(mut self, confidence: f64) -> Self {
        self.confidence = Some(confidence);
        self
    }
}

impl From<Edge> for Link {
    fn from(edge: Edge) -> Self {
        Self {
            parent: edge.parent.into(),
            child: edge.child.into(),
            weight: edge.weight,
            relation: edge.relation,
            distance: edge.distance,
            confidence: edge.confidence,
        }
    }
}
