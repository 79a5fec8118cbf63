use super::Phylogeny;
use crate::model_set::ModelId;

/// How far one parameter moved from parent to child.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Movement {
    /// The parameter's name.
    pub parameter: String,
    /// Number of values compared.
    pub size: usize,
    /// ‖child − parent‖ / ‖parent‖. It is 0 when untouched, and infinite when the parent's values are all zero and the child's
    /// are not.
    pub relative: f64,
    /// Rank of the increment, where it is low; else `None`.
    pub rank: Option<usize>,
    /// The share of what the parent has along some directions that was taken out of this parameter, where the child was edited; else
    /// `None`. It is 1 where nothing is left, and above 1 where the directions were turned round.
    pub removed: Option<f64>,
    /// The parent's share in this parameter, where a merge gives parameters unlike shares; else `None`. The shares of one
    /// parameter sum to 1 over the parents.
    pub weight: Option<f64>,
    /// The parent's name of the parameter, where a layer of the child is another layer of the parent; else `None`.
    pub source: Option<String>,
}

impl Movement {
    /// A movement without a rank: the increment has full rank, or its rank was not measured.
    pub fn new(parameter: impl Into<String>, size: usize, relative: f64) -> Self {
        Self { parameter: parameter.into(), size, relative, rank: None, removed: None, weight: None, source: None }
    }

    /// Sets the rank of the increment.
    #[must_use]
    pub fn with_rank(mut self, rank: usize) -> Self {
        self.rank = Some(rank);
        self
    }

    /// Sets the share of its directions that was taken out. It is finite.
    #[must_use]
    pub fn with_removed(mut self, share: f64) -> Self {
        self.removed = Some(share);
        self
    }

    /// Sets the parent's name of the parameter.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Sets the parent's share in this parameter. It is finite.
    #[must_use]
    pub fn with_weight(mut self, weight: f64) -> Self {
        self.weight = Some(weight);
        self
    }
}

/// The movements of one edge. The list may be cut short; the counts are those of all compared parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Movements {
    pub(super) listed: Vec<Movement>,
    pub(super) compared: usize,
    pub(super) untouched: usize,
}

impl Movements {
    /// The whole list, sorted: largest first, then by name.
    pub(super) fn new(mut listed: Vec<Movement>) -> Self {
        listed.sort_by(|a, b| b.relative.total_cmp(&a.relative).then_with(|| a.parameter.cmp(&b.parameter)));
        let untouched = listed.iter().filter(|m| m.relative == 0.0).count();
        Self { compared: listed.len(), untouched, listed }
    }
}

impl Phylogeny {
    /// How far parameters moved along an edge: largest first, then by name. It is empty when the detector did not measure it.
    ///
    /// A file of the first, shorter form of version 1 holds the twenty largest alone.
    ///
    /// ```
    /// use neural_phylogeny::{Edge, ModelId};
    /// use neural_phylogeny::phylogeny::{Movement, PhylogenyBuilder};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let [parent, child] = [0, 1].map(ModelId::new);
    /// let movements = vec![Movement::new("embed.weight", 64, 0.0), Movement::new("head.weight", 32, 0.25)];
    /// let phylogeny = PhylogenyBuilder::new(2)
    ///     .with_edge(Edge::new(parent, child))
    ///     .with_movements(parent, child, movements)
    ///     .build()?;
    ///
    /// assert_eq!(phylogeny.movements(parent, child)[0].parameter, "head.weight");
    /// assert_eq!((phylogeny.compared(parent, child), phylogeny.untouched(parent, child)), (2, 1));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When a model is not one of this phylogeny's.
    pub fn movements(&self, parent: ModelId, child: ModelId) -> &[Movement] {
        self.moved(parent, child).map_or(&[], |m| &m.listed)
    }

    /// How many parameters were compared along an edge, listed or not. It is 0 when the detector did not measure it.
    ///
    /// # Panics
    ///
    /// When a model is not one of this phylogeny's.
    pub fn compared(&self, parent: ModelId, child: ModelId) -> usize {
        self.moved(parent, child).map_or(0, |m| m.compared)
    }

    /// How many of the [`compared`](Self::compared) parameters have the parent's values.
    ///
    /// # Panics
    ///
    /// When a model is not one of this phylogeny's.
    pub fn untouched(&self, parent: ModelId, child: ModelId) -> usize {
        self.moved(parent, child).map_or(0, |m| m.untouched)
    }

    fn moved(&self, parent: ModelId, child: ModelId) -> Option<&Movements> {
        let [parent, child] = [parent, child].map(|m| self.own(m));
        self.reasons.movements.get(&(child, parent))
    }
}
