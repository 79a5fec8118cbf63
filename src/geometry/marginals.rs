use crate::kernel::Moments;
use crate::model_set::Kind;

/// One tensor in the models that hold it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TensorMarginals {
    pub(crate) name: String,
    pub(crate) size: usize,
    /// One for each holder.
    pub(crate) moments: Vec<Moments>,
    /// One for each holder; equal for equal values.
    pub(crate) fingerprints: Vec<u128>,
}

/// One tensor, or a few that share a matrix to save memory, and what is known of each model by itself.
#[derive(Clone, Debug)]
pub(crate) struct Marginals {
    pub(crate) kind: Kind,
    pub(crate) tensors: Vec<TensorMarginals>,
    /// The models of the group that hold it, sorted.
    pub(crate) holders: Vec<Place>,
}

/// The place of a model in its group, by content: an order that neither names nor positions have a part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place(pub(crate) usize);

/// The place of a model among the holders of one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Holder(pub(crate) usize);

impl Marginals {
    pub(crate) fn size(&self) -> usize {
        self.tensors.iter().map(|t| t.size).sum()
    }

    /// Squared norm after each tensor's mean is taken off.
    pub(crate) fn centred_norm(&self, a: Holder) -> f64 {
        self.tensors.iter().map(|t| t.moments[a.0].m2).sum()
    }

    /// Where a model is among the holders.
    pub(crate) fn holder(&self, place: Place) -> Option<Holder> {
        self.holders.binary_search(&place).ok().map(Holder)
    }

    /// Where two models are among the holders.
    pub(crate) fn both(&self, i: Place, j: Place) -> Option<(Holder, Holder)> {
        Some((self.holder(i)?, self.holder(j)?))
    }

    /// Whether two holders have the same values in every tensor.
    pub(crate) fn same_values(&self, a: Holder, b: Holder) -> bool {
        self.tensors.iter().all(|t| t.fingerprints[a.0] == t.fingerprints[b.0])
    }
}
