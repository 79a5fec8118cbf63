use crate::model_set::ModelId;
use std::fmt;

/// Number of a family in one phylogeny: its position in [`Phylogeny::families`](super::Phylogeny::families).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct FamilyId(usize);

impl FamilyId {
    /// The family at a position.
    pub const fn new(index: usize) -> Self {
        Self(index)
    }

    /// Its position.
    pub const fn index(self) -> usize {
        self.0
    }
}

/// Written as the number alone.
impl fmt::Display for FamilyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Models that descend from common roots.
///
/// - `members` is sorted and not empty.
/// - `roots` is sorted and part of `members`. Several roots mean one of two things: a merge joined lineages, or nothing in the
///   weights shows which came first (a tie). A model whose parent is [withheld](super::Phylogeny::is_withheld) is no root.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Family {
    /// All models of the family, roots included.
    pub members: Vec<ModelId>,
    /// The members without a parent, named or withheld.
    pub roots: Vec<ModelId>,
}
