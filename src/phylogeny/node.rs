use crate::model_set::ModelId;
use std::fmt;

/// Number of an unobserved model in one phylogeny, from 0.
///
/// It is no [`ModelId`]: an unobserved model has no name, no weights and no distance. Ids of one result mean nothing in another.
///
/// ```
/// use neural_phylogeny::phylogeny::UnobservedId;
/// assert_eq!(UnobservedId::new(0).to_string(), "?1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct UnobservedId(usize);

impl UnobservedId {
    /// The unobserved model at a position.
    pub const fn new(index: usize) -> Self {
        Self(index)
    }

    /// Its position, from 0.
    pub const fn index(self) -> usize {
        self.0
    }
}

/// Written as `?1`, `?2` and so on, as in tables and drawings.
impl fmt::Display for UnobservedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("?{}", self.0 + 1))
    }
}

/// A place in a phylogeny: a model of the set, or one that is not in it.
///
/// Models come before unobserved ones in order.
///
/// ```
/// use neural_phylogeny::ModelId;
/// use neural_phylogeny::phylogeny::{Node, UnobservedId};
/// assert_eq!(Node::from(ModelId::new(3)).model(), Some(ModelId::new(3)));
/// assert_eq!(Node::from(UnobservedId::new(0)).model(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Node {
    /// A model of the set.
    Model(ModelId),
    /// A model that is not in the set.
    Unobserved(UnobservedId),
}

impl Node {
    /// The model of the set; `None` for an unobserved one.
    pub const fn model(self) -> Option<ModelId> {
        match self {
            Self::Model(model) => Some(model),
            Self::Unobserved(_) => None,
        }
    }

    /// The unobserved model; `None` for one of the set.
    pub const fn unobserved(self) -> Option<UnobservedId> {
        match self {
            Self::Model(_) => None,
            Self::Unobserved(id) => Some(id),
        }
    }

    /// Its number where unobserved models are counted on after `models` models.
    pub(super) fn number(self, models: usize) -> usize {
        match self {
            Self::Model(model) => model.index(),
            Self::Unobserved(id) => models.saturating_add(id.index()),
        }
    }

    /// The node of a number.
    pub(super) fn of(number: usize, models: usize) -> Self {
        match number.checked_sub(models) {
            None => Self::Model(ModelId::new(number)),
            Some(id) => Self::Unobserved(UnobservedId::new(id)),
        }
    }
}

impl From<ModelId> for Node {
    fn from(model: ModelId) -> Self {
        Self::Model(model)
    }
}

impl From<UnobservedId> for Node {
    fn from(id: UnobservedId) -> Self {
        Self::Unobserved(id)
    }
}

/// A model by its number, an unobserved one as `?1`.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(model) => model.fmt(f),
            Self::Unobserved(id) => id.fmt(f),
        }
    }
}
