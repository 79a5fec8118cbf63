use super::Phylogeny;
use crate::model_set::ModelId;

/// How far one parameter moved from parent to child.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Movement {
    /// The parameter's name.
    pub parameter: String,
    /// Values compared.
    pub size: usize,
    /// ‖child − parent‖ / ‖parent‖: 0 when untouched, infinite when the parent's values are all zero and the child's are not.
    pub relative: f64,
    /// Rank of the increment, where it is low.
    pub rank: Option<usize>,
}

impl Movement {
    /// A movement whose increment has full rank, or was not looked at.
    pub fn new(parameter: impl Into<String>, size: usize, relative: f64) -> Self {
        Self { parameter: parameter.into(), size, relative, rank: None }
    }

    /// Sets the rank of the increment.
    pub fn with_rank(mut self, rank: usize) -> Self {
        self.rank = Some(rank);
        self
    }
}

/// The movements of one edge. A file lists the largest alone and says how many there are.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Movements {
    listed: Vec<Movement>,
    compared: usize,
    untouched: usize,
}

impl Phylogeny {
    /// Keeps how far each parameter moved along an edge; replaces what was kept.
    ///
    /// Ignored when no edge joins the two. A movement below 0 or NaN is left out.
    ///
    /// ```
    /// use neural_phylogeny::{Edge, ModelId, Movement, Phylogeny};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let [parent, child] = [0, 1].map(ModelId::new);
    /// let movements = vec![Movement::new("embed.weight", 64, 0.0), Movement::new("head.weight", 32, 0.25)];
    /// let phylogeny =
    ///     Phylogeny::from_edges(2, vec![Edge::new(parent, child)])?.with_movements(parent, child, movements);
    ///
    /// assert_eq!(phylogeny.movements(parent, child)[0].parameter, "head.weight");
    /// assert_eq!((phylogeny.compared(parent, child), phylogeny.untouched(parent, child)), (2, 1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_movements(mut self, parent: ModelId, child: ModelId, mut movements: Vec<Movement>) -> Self {
        movements.retain(|m| m.relative >= 0.0);
        movements.sort_by(|a, b| b.relative.total_cmp(&a.relative).then_with(|| a.parameter.cmp(&b.parameter)));
        if movements.is_empty() {
            self.reasons.movements.remove(&(child, parent));
        } else if self.parents(child).iter().any(|e| e.parent == parent) {
            let untouched = movements.iter().filter(|m| m.relative == 0.0).count();
            let kept = Movements { compared: movements.len(), untouched, listed: movements };
            self.reasons.movements.insert((child, parent), kept);
        }
        self
    }

    /// Sets how many parameters were compared and how many of them are untouched, where not all of them are listed.
    #[cfg(feature = "serde")]
    pub(crate) fn with_movement_counts(
        mut self,
        parent: ModelId,
        child: ModelId,
        compared: usize,
        untouched: usize,
    ) -> Self {
        if let Some(kept) = self.reasons.movements.get_mut(&(child, parent)) {
            kept.compared = compared.max(kept.listed.len());
            kept.untouched = untouched.clamp(kept.untouched, kept.compared);
        }
        self
    }

    /// How far parameters moved along an edge, largest first, then by name; empty when the detector did not measure it.
    ///
    /// A phylogeny that was read from a file has the largest alone.
    pub fn movements(&self, parent: ModelId, child: ModelId) -> &[Movement] {
        self.reasons.movements.get(&(child, parent)).map_or(&[], |m| &m.listed)
    }

    /// How many parameters were compared along an edge, listed or not; 0 when the detector did not measure it.
    pub fn compared(&self, parent: ModelId, child: ModelId) -> usize {
        self.reasons.movements.get(&(child, parent)).map_or(0, |m| m.compared)
    }

    /// How many of the [`compared`](Self::compared) parameters have the parent's values.
    pub fn untouched(&self, parent: ModelId, child: ModelId) -> usize {
        self.reasons.movements.get(&(child, parent)).map_or(0, |m| m.untouched)
    }
}
