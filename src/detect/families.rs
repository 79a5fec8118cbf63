use crate::error::Error;
use crate::geometry::{Geometry, Independence, Quantity};
use crate::model_set::ModelId;
use petgraph::unionfind::UnionFind;

const FALSE_ALARM: f64 = 1e-3;

/// How many families to expect, and which models they hold.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Families {
    /// As many as the [independence test](Independence) finds.
    Auto {
        /// Probability, in (0, 1), that a set without kin shows any. Default 1e-3.
        false_alarm: f64,
    },
    /// This many, counted over the whole set: z-scores join the most related models first until so many are left.
    Count(usize),
}

impl Default for Families {
    fn default() -> Self {
        Self::Auto { false_alarm: FALSE_ALARM }
    }
}

impl Families {
    /// The expected family of each model, per group of comparable models and in the order of
    /// [`Geometry::groups`]; numbered from 0 by first appearance within the group.
    ///
    /// Families are the connected components of related pairs.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`] for a probability out of range, [`Error::FamilyCount`] for a count that is less than the number
    /// of groups or more than the number of models, [`Error::NotMeasured`] when the geometry holds no independence and the count
    /// is not one for each group.
    ///
    /// # Complexity
    ///
    /// O(n² log n) for n models.
    pub fn expected(&self, geometry: &Geometry) -> Result<Vec<Vec<usize>>, Error> {
        self.expected_from(geometry, &geometry.independence())
    }

    /// Refuses a probability out of range, and a count that so many groups of so many models cannot be divided into.
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

    /// Whether two models are kin by these settings; a given count of families is no test of a pair, and takes the default's.
    pub(super) fn related(&self, independence: &Independence, a: ModelId, b: ModelId) -> bool {
        let false_alarm = match *self {
            Self::Auto { false_alarm } => false_alarm,
            Self::Count(_) => FALSE_ALARM,
        };
        // Families were then given, one for each group.
        !independence.is_measured() || independence.related(a, b, false_alarm)
    }

    /// The same from z-scores that are already there.
    pub(super) fn expected_from(
        &self,
        geometry: &Geometry,
        independence: &Independence,
    ) -> Result<Vec<Vec<usize>>, Error> {
        self.check(geometry.groups().len(), geometry.len())?;
        if *self != Self::Count(geometry.groups().len()) {
            geometry.require(Quantity::Independence)?;
        }
        let mut joined = UnionFind::<usize>::new(geometry.len());
        match *self {
            Self::Auto { false_alarm } => {
                for group in geometry.groups() {
                    for (i, a) in group.iter().enumerate() {
                        for b in &group[..i] {
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

struct Pair {
    a: ModelId,
    b: ModelId,
    z: f64,
}

/// All comparable pairs, in the order of the models' content; pairs without any evidence come last.
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

/// Connected components of `0..n`, each sorted, by their first member.
pub(super) fn components(n: usize, joined: impl Fn(usize, usize) -> bool) -> Vec<Vec<usize>> {
    let mut sets = UnionFind::<usize>::new(n);
    for i in 0..n {
        for j in 0..i {
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
