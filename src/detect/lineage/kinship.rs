//! Which models are kin, and of one family by it.

use super::in_part::PartSearch;
use crate::detect::families::Families;
use crate::error::Error;
use crate::geometry::Independence;
use crate::model_set::ModelId;
use std::collections::BTreeSet;

/// The independence test, and the pairs that are kin in a part alone.
pub(super) struct Kinship<'g> {
    pub(super) independence: &'g Independence,
    families: Families,
    /// The pairs that are kin by a part alone, the smaller id first.
    by_parts: BTreeSet<(ModelId, ModelId)>,
    /// The models of expected families in which there are such pairs.
    divided: BTreeSet<ModelId>,
}

impl<'g> Kinship<'g> {
    pub(super) fn new(independence: &'g Independence, families: Families) -> Self {
        Self { independence, families, by_parts: BTreeSet::new(), divided: BTreeSet::new() }
    }

    /// Finds the pairs of a group that are kin by a part alone, given the expected family of each model.
    ///
    /// A given count of families stays as it is.
    ///
    /// # Errors
    ///
    /// Those of the search.
    pub(super) fn divide(&mut self, search: &PartSearch<'_>, labels: &[usize]) -> Result<(), Error> {
        if !matches!(self.families, Families::Auto { .. }) || !self.independence.is_measured() {
            return Ok(());
        }
        for label in 0..labels.iter().max().map_or(0, |most| most + 1) {
            let family: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == label).collect();
            let pairs = search.kin_by_parts(&family)?;
            if pairs.is_empty() {
                continue;
            }
            self.divided.extend(family.iter().map(|&i| search.members()[i]));
            self.by_parts.extend(pairs.into_iter().map(|(i, j)| ordered(search.members()[i], search.members()[j])));
        }
        Ok(())
    }

    /// Whether two models are kin, and not by a part alone.
    pub(super) fn related(&self, a: ModelId, b: ModelId) -> bool {
        !self.by_parts.contains(&ordered(a, b)) && self.families.related(self.independence, a, b)
    }

    /// Whether two models of one expected family join it to one. Where it has no parts, all of it is one.
    pub(super) fn of_one_family(&self, a: ModelId, b: ModelId) -> bool {
        !self.divided.contains(&a) || self.related(a, b)
    }
}

fn ordered(a: ModelId, b: ModelId) -> (ModelId, ModelId) {
    (a.min(b), a.max(b))
}
