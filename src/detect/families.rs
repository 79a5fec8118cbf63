use crate::error::Error;
use crate::geometry::{Geometry, Independence, Quantity};
use crate::model_set::ModelId;
use petgraph::unionfind::UnionFind;

/// The default probability that a set without kin shows any.
const FALSE_ALARM: f64 = 1e-3;

/// The number of families to expect, and how models are divided into them.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Families {
    /// As many families as the [independence test](Independence) finds.
    Auto {
        /// Probability that a set without kin shows any kin. In (0, 1), 1e-3 by default.
        false_alarm: f64,
    },
    /// This many families over the whole set. The most related models, by z-score, are joined first until so many are left.
    Count(usize),
}

impl Default for Families {
    fn default() -> Self {
        Self::Auto { false_alarm: FALSE_ALARM }
    }
}

impl Families {
    /// The expected family of each model, one list for each group of comparable models, in the order of [`Geometry::groups`].
    ///
    /// Families are numbered from 0 by first appearance within the group.
    ///
    /// Families are the connected components of related pairs.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidSetting`] for a probability out of range.
    /// - [`Error::FamilyCount`] for a count below the number of groups or above the number of models.
    /// - [`Error::NotMeasured`] when the geometry holds no independence and the count is not one for each group.
    ///
    /// # Complexity
    ///
    /// O(n² log n) time for n models.
    pub fn expected(&self, geometry: &Geometry) -> Result<Vec<Vec<usize>>, Error> {
        self.expected_from(geometry, &geometry.independence())
    }

    /// Refuses a probability out of range, and a count that `models` models in `groups` groups cannot be divided into.
    pub(super) fn check(self, groups: usize, models: usize) -> Result<(), Error> {
        match self {
            Self::Auto { false_alarm } if !(false_alarm > 0.0 && false_alarm < 1.0) => {
                let (found, expected) = (false_alarm.to_string(), "a probability between 0 and 1");
                Err(Error::InvalidSetting { setting: "false_alarm", found, expected })
            }
            Self::Count(count) if !(groups..=models).contains(&count) => {
                let reason = "at least one for each group of comparable models, at most one for each model";
                Err(Error::FamilyCount { found: count, least: groups, most: models, reason })
            }
            _ => Ok(()),
        }
    }

    /// The probability that a set without kin shows any. It is the default where a count of families is given.
    pub(super) fn false_alarm(&self) -> f64 {
        match *self {
            Self::Auto { false_alarm } => false_alarm,
            Self::Count(_) => FALSE_ALARM,
        }
    }

    /// Whether two models are kin by these settings.
    ///
    /// A given count of families is no test of a pair, so the default false-alarm probability is used then.
    pub(super) fn related(&self, independence: &Independence, a: ModelId, b: ModelId) -> bool {
        let false_alarm = self.false_alarm();
        // Without a measured independence, families were given: one for each group. Then all models of a group are kin.
        !independence.is_measured() || independence.related(a, b, false_alarm)
    }

    /// Like [`expected`](Self::expected), from z-scores that are known already.
    pub(super) fn expected_from(
        &self,
        geometry: &Geometry,
        independence: &Independence,
    ) -> Result<Vec<Vec<usize>>, Error> {
        self.check(geometry.groups().len(), geometry.len())?;
        // One family for each group follows from the layouts and needs no test.
        if *self != Self::Count(geometry.groups().len()) {
            geometry.require(Quantity::Independence)?;
        }
        let mut joined = UnionFind::<usize>::new(geometry.len());
        match *self {
            Self::Auto { false_alarm } => {
                for group in geometry.groups() {
                    for (i, a) in group.iter().enumerate() {
                        for b in &group[..i] {
                            // Joined models need no test: only a first link between two components matters.
                            let known = joined.equiv(a.index(), b.index());
                            if !known && independence.related(*a, *b, false_alarm) {
                                joined.union(a.index(), b.index());
                            }
                        }
                    }
                }
            }
            Self::Count(count) => {
                let mut pairs = pairs(geometry, independence);
                // The sort is stable, so pairs of equal z stay in the order by content.
                pairs.sort_by(|x, y| y.z.total_cmp(&x.z));
                let mut left = geometry.len();
                for pair in pairs {
                    if left > count && joined.union(pair.a.index(), pair.b.index()) {
                        left -= 1;
                    }
                }
            }
        }
        let label = |group: &[ModelId]| by_first_appearance(group.iter().map(|m| joined.find(m.index())));
        Ok(geometry.groups().map(label).collect())
    }
}

/// Two comparable models and the z-score of their relation.
struct Pair {
    a: ModelId,
    b: ModelId,
    z: f64,
}

/// All comparable pairs, in an order that depends on the models' content alone. Pairs without evidence have the lowest z.
fn pairs(geometry: &Geometry, independence: &Independence) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for group in geometry.groups() {
        for (i, &a) in group.iter().enumerate() {
            for &b in &group[..i] {
                pairs.push(Pair { a, b, z: independence.z(a, b).unwrap_or(f64::NEG_INFINITY) });
            }
        }
    }
    pairs
}

/// The connected components of `0..n`. Each is sorted, and they are in the order of their first members.
pub(super) fn components(n: usize, joined: impl Fn(usize, usize) -> bool) -> Vec<Vec<usize>> {
    let mut sets = UnionFind::<usize>::new(n);
    for i in 0..n {
        for j in 0..i {
            // The test may be expensive, so pairs that are connected already skip it.
            if !sets.equiv(i, j) && joined(i, j) {
                sets.union(i, j);
            }
        }
    }
    let labels = by_first_appearance((0..n).map(|i| sets.find(i)));
    let mut components = vec![Vec::new(); labels.iter().max().map_or(0, |&l| l + 1)];
    labels.into_iter().enumerate().for_each(|(i, label)| components[label].push(i));
    components
}

/// Renumbers labels from 0 by first appearance.
pub(crate) fn by_first_appearance<L: Ord>(labels: impl Iterator<Item = L>) -> Vec<usize> {
    let mut numbers = std::collections::BTreeMap::new();
    labels
        .map(|l| {
            let next = numbers.len();
            *numbers.entry(l).or_insert(next)
        })
        .collect()
}
