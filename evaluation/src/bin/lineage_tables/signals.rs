//! What single signals say of a true edge: was the parent first?

use crate::Failure;
use crate::sets::Set;
use neural_phylogeny::{
    Comparison, Geometry, LineState, Lines, LogDistanceMedoid, ModelId, ParameterView, ParentSelector, Precedence,
};
use std::cmp::Ordering;

pub(crate) const NAMES: [&str; 14] = [
    "norm of matrices rises",
    "norm of all parameters rises",
    "kurtosis rises",
    "v = (‖c‖² − ‖p‖²) / ‖c − p‖² within 0.25 … 1.5",
    "exact decay: factor of untouched lines below 1",
    "untouched lines nested",
    "step counters ahead",
    "log-distance medoid score lower",
    "precedence score lower",
    "angle at the parent nearer to 90°, seen from the root",
    "vocabulary larger",
    "coarser dtype",
    "increment of low rank from the parent",
    "increment of low rank from the root, not the parent",
];

/// From here on signals are not about direction: they say how many edges have the property.
pub(crate) const UNDIRECTED: usize = 12;

/// What all signals say of one edge: whether the parent was first, or nothing.
pub(crate) type Says = [Option<bool>; NAMES.len()];

/// A true family with what its signals need, measured once.
pub(crate) struct Measured<'a> {
    geometry: &'a Geometry,
    members: Vec<ModelId>,
    medoid: Vec<f64>,
    precedence: Vec<f64>,
    /// One for each member as the reference.
    lines: Vec<Lines>,
}

impl<'a> Measured<'a> {
    /// A family, root first.
    pub(crate) fn of(set: &'a Set, family: &[String]) -> Result<Self, Failure> {
        let (geometry, members) = (&set.geometry, family.iter().filter_map(|n| set.id(n)).collect::<Vec<_>>());
        let mut lines = Vec::new();
        for &reference in &members {
            lines.extend(geometry.read_lines(reference, &members)?);
        }
        Ok(Self {
            geometry,
            medoid: LogDistanceMedoid.scores(geometry, &members)?,
            precedence: Precedence.scores(geometry, &members)?,
            members,
            lines,
        })
    }

    /// `p` and `c` are places in the family.
    pub(crate) fn says(&self, p: usize, c: usize) -> Result<Says, Failure> {
        let (parent, child, root) = (self.members[p], self.members[c], self.members[0]);
        let geometry = self.geometry;
        let pair = geometry.compare(&[parent, child])?;
        let sum = |all: bool, of: &dyn Fn(&ParameterView) -> f64| match all {
            true => pair.parameters().iter().map(of).sum::<f64>(),
            false => pair.scoped().map(of).sum(),
        };
        let kurtosis = |m: usize| pair.scoped().filter_map(|v| v.moments(m).kurtosis()).sum::<f64>();
        let size = |m: ModelId| geometry.dtype(m).map(|d| d.size());
        let low_rank = |from| Ok::<_, Failure>(geometry.read_pair(from, child)?.map(|e| e.low_rank().is_some()));
        Ok([
            rises(sum(false, &|v| v.squared_norm(0)), sum(false, &|v| v.squared_norm(1))),
            rises(sum(true, &|v| v.squared_norm(0)), sum(true, &|v| v.squared_norm(1))),
            rises(kurtosis(0), kurtosis(1)),
            norm_ratio(&pair),
            self.lines.get(p).and_then(|lines| decay(lines, c)),
            self.nested(p, c),
            self.counters(parent, child),
            rises(self.medoid[p], self.medoid[c]),
            rises(self.precedence[p], self.precedence[c]),
            if p == 0 { None } else { angle(geometry, [root, parent, child]) },
            order(geometry.compare_rows(child, parent)),
            order(size(parent).cmp(&size(child))),
            low_rank(parent)?,
            if p == 0 { None } else { low_rank(root)? },
        ])
    }

    /// Of every other member's lines: does the parent keep some that the child changed, and none the other way round? By
    /// majority over the other members, none of which is told apart.
    fn nested(&self, p: usize, c: usize) -> Option<bool> {
        let others = self.lines.iter().enumerate().filter(|&(o, _)| o != p && o != c);
        let votes = others.map(|(_, lines)| {
            let (more, less) = (lines.kept_in_b_changed_in_a(c, p), lines.kept_in_b_changed_in_a(p, c));
            i64::from(more > 0 && less == 0) - i64::from(less > 0 && more == 0)
        });
        order(votes.sum::<i64>().cmp(&0))
    }

    fn counters(&self, parent: ModelId, child: ModelId) -> Option<bool> {
        let of_child = self.geometry.counters(child);
        let ahead = self.geometry.counters(parent).iter().filter_map(|(name, count)| {
            of_child.iter().find(|(other, _)| other == name).map(|(_, later)| later - count)
        });
        let ahead: Vec<f64> = ahead.filter(|&a| a != 0.0).collect();
        match (ahead.iter().any(|&a| a > 0.0), ahead.iter().any(|&a| a < 0.0)) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        }
    }
}

fn order(order: Ordering) -> Option<bool> {
    order.is_ne().then(|| order.is_gt())
}

fn rises(parent: f64, child: f64) -> Option<bool> {
    parent.partial_cmp(&child).and_then(|o| order(o.reverse()))
}

fn norm_ratio(pair: &Comparison) -> Option<bool> {
    let v = (pair.squared_norm(1) - pair.squared_norm(0)) / pair.squared_distance(0, 1);
    (0.25..=1.5).contains(&v.abs()).then_some(v > 0.0)
}

/// Two lines at least must agree, or there is no factor to speak of.
fn decay(lines: &Lines, child: usize) -> Option<bool> {
    let factor = lines.factor(child).filter(|_| lines.count(child, LineState::Exact) > 1)?.median;
    ((factor - 1.0).abs() > 1e-6).then_some(factor < 1.0)
}

/// Increments of unrelated trainings are orthogonal: of the two models the one at the right angle came between.
fn angle(geometry: &Geometry, [root, parent, child]: [ModelId; 3]) -> Option<bool> {
    let squared = |a, b| geometry.squared_distance(a, b);
    let (pc, pr, cr) = (squared(parent, child)?, squared(parent, root)?, squared(child, root)?);
    let cosine = |far: f64, near: f64| ((near + pc - far) / (2.0 * (near * pc).sqrt())).abs();
    rises(cosine(cr, pr), cosine(pr, cr))
}
