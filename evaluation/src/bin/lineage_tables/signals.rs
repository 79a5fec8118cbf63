//! What single signals say of a true edge: was the parent first?
//!
//! The witnesses are those of the detector itself; beside them stand signals that it does not use.

use crate::Failure;
use crate::sets::Set;
use neural_phylogeny::detect::Weights;
use neural_phylogeny::detect::witness::{ALL, Hypothesis, Lineage, Member, Witness};
use neural_phylogeny::geometry::{Geometry, ParameterView};
use neural_phylogeny::model_set::Position;
use neural_phylogeny::parent::LogDistanceMedoid;
use neural_phylogeny::{ModelId, ParentSelector};
use std::cmp::Ordering;

/// Signals that no witness is.
const OTHERS: [&str; 5] = [
    "norm of matrices rises",
    "norm of all parameters rises",
    "kurtosis rises",
    "log-distance medoid score lower",
    "coarser dtype",
];

/// Signals that are not about direction: how many edges have the property.
const UNDIRECTED: [&str; 2] =
    ["increment of low rank from the parent", "increment of low rank from the root, not the parent"];

/// Each witness by what it says of two rivals, then by what it says of a parent under the true root, then all others.
pub(crate) fn names() -> Vec<String> {
    let stage = |stage: &'static str| ALL.iter().map(move |w| format!("{} ({stage})", w.signal()));
    let others = OTHERS.iter().chain(&UNDIRECTED).map(|&name| name.to_owned());
    stage("root").chain(stage("parent")).chain(others).collect()
}

/// From here on signals are not about direction.
pub(crate) fn first_undirected() -> usize {
    names().len() - UNDIRECTED.len()
}

/// What all signals say of one edge: whether the parent was first, or nothing.
pub(crate) type Says = Vec<Option<bool>>;

/// A true family with what its signals need, measured once.
pub(crate) struct Measured<'a> {
    geometry: &'a Geometry,
    members: &'a [ModelId],
    medoid: Vec<f64>,
    under_root: Hypothesis<'a>,
}

/// The members of a family, root first, and weights under which every member is a rival.
pub(crate) fn family(set: &Set, family: &[String]) -> (Vec<ModelId>, Weights) {
    let members: Vec<ModelId> = family.iter().filter_map(|name| set.id(name)).collect();
    let mut weights = Weights::default();
    weights.root.rivals = members.len().max(2);
    (members, weights)
}

impl<'a> Measured<'a> {
    /// A lineage, root first.
    pub(crate) fn of(lineage: &'a Lineage<'a>, members: &'a [ModelId]) -> Result<Self, Failure> {
        let geometry = lineage.geometry();
        let mut under_root = Hypothesis::of(lineage, Member::new(0));
        under_root.derive()?;
        Ok(Self { geometry, members, medoid: LogDistanceMedoid.scores(geometry, members)?, under_root })
    }

    /// `p` and `c` are places in the family.
    pub(crate) fn says(&self, p: usize, c: usize) -> Result<Says, Failure> {
        let (parent, child, root) = (self.members[p], self.members[c], self.members[0]);
        let pair = self.geometry.compare(&[parent, child])?;
        let sum = |all: bool, of: &dyn Fn(&ParameterView) -> f64| match all {
            true => pair.parameters().iter().map(of).sum::<f64>(),
            false => pair.scoped().map(of).sum(),
        };
        let kurtosis = |m| pair.scoped().filter_map(|v| v.moments(m).kurtosis()).sum::<f64>();
        let size = |m: ModelId| self.geometry.dtype(m).map(|d| d.size());
        let low_rank = |from| Ok::<_, Failure>(self.geometry.read_pair(from, child)?.map(|e| e.low_rank().is_some()));
        let (first, later) = (Member::new(p), Member::new(c));
        let mut says: Says = ALL.iter().map(|w| sign(w.precedes(self.under_root.lineage(), first, later))).collect();
        says.extend(ALL.iter().map(|w| self.as_parent(*w, first, later)));
        says.extend([
            rises(sum(false, &|v| v.squared_norm(Position::FIRST)), sum(false, &|v| v.squared_norm(Position::SECOND))),
            rises(sum(true, &|v| v.squared_norm(Position::FIRST)), sum(true, &|v| v.squared_norm(Position::SECOND))),
            rises(kurtosis(Position::FIRST), kurtosis(Position::SECOND)),
            rises(self.medoid[p], self.medoid[c]),
            order(size(parent).cmp(&size(child))),
            low_rank(parent)?,
            if p == 0 { None } else { low_rank(root)? },
        ]);
        Ok(says)
    }

    /// Whether a witness says more for the edge than for the reverse, given the root.
    fn as_parent(&self, witness: &dyn Witness, parent: Member, child: Member) -> Option<bool> {
        if parent == self.under_root.root() {
            return None;
        }
        let weighs = |q, c| witness.inherits(&self.under_root, q, c) + witness.forbids(&self.under_root, q, c);
        sign(weighs(parent, child) - weighs(child, parent))
    }
}

fn sign(weight: f64) -> Option<bool> {
    (weight != 0.0).then_some(weight > 0.0)
}

fn order(order: Ordering) -> Option<bool> {
    order.is_ne().then(|| order.is_gt())
}

fn rises(parent: f64, child: f64) -> Option<bool> {
    parent.partial_cmp(&child).and_then(|o| order(o.reverse()))
}
