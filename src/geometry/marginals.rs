use crate::kernel::Moments;
use crate::model_set::Kind;

/// What is known of one tensor in each model that holds it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TensorMarginals {
    pub(crate) name: String,
    pub(crate) size: usize,
    /// One for each holder.
    pub(crate) moments: Vec<Moments>,
    /// One for each holder. Equal values have equal fingerprints.
    pub(crate) fingerprints: Vec<u128>,
}

/// One tensor, or a few that share a distance matrix to save memory, with the facts about each model by itself.
#[derive(Clone, Debug)]
pub(crate) struct Marginals {
    pub(crate) kind: Kind,
    pub(crate) tensors: Vec<TensorMarginals>,
    /// The places of the models that hold it, sorted.
    pub(crate) holders: Vec<Place>,
}

/// The place of a model in its group. The order depends on content alone, and not on names or positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place(pub(crate) usize);

/// The place of a model among the holders of one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Holder(pub(crate) usize);

impl Marginals {
    /// Returns the number of values, over all tensors.
    pub(crate) fn size(&self) -> usize {
        self.tensors.iter().map(|t| t.size).sum()
    }

    /// Returns the squared norm after the mean of each tensor is subtracted.
    pub(crate) fn centered_norm(&self, a: Holder) -> f64 {
        self.tensors.iter().map(|t| t.moments[a.0].m2).sum()
    }

    /// Returns the position of a model among the holders. `None` when it is not one of them.
    pub(crate) fn holder(&self, place: Place) -> Option<Holder> {
        self.holders.binary_search(&place).ok().map(Holder)
    }

    /// Returns the positions of two models among the holders. `None` when one of them is not a holder.
    pub(crate) fn both(&self, i: Place, j: Place) -> Option<(Holder, Holder)> {
        Some((self.holder(i)?, self.holder(j)?))
    }

    /// Whether two holders have the same values in every tensor.
    pub(crate) fn same_values(&self, a: Holder, b: Holder) -> bool {
        self.tensors.iter().all(|t| t.fingerprints[a.0] == t.fingerprints[b.0])
    }
}
