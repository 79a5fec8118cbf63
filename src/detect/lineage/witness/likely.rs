//! What a lineage is likely to be asked once the lines of its rivals are known, so that all of it is read together.

use crate::detect::lineage::index::Member;
use crate::detect::lineage::inheritance::Inheritance;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Questions that distances alone make likely. None of them changes an answer: what was not foreseen is read when it is asked.
#[derive(Debug, Default)]
pub(crate) struct Likely {
    /// For members that are no rivals, the members whose lines are compared with theirs.
    pub(crate) lines: BTreeMap<Member, BTreeSet<Member>>,
    /// Edges whose ranks are asked, each (parent, child).
    pub(crate) edges: BTreeSet<(Member, Member)>,
    /// The evidence of angles and distances under each root that was supposed.
    pub(in crate::detect::lineage) inheritances: BTreeMap<Member, Arc<Inheritance>>,
}
