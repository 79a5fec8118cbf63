//! The probability of each edge, over all trees under all likely roots.

use super::index::Member;
use super::spanning::edge_probabilities;
use super::tree::Tree;
use super::weights::Weights;
use crate::error::Error;
use crate::kernel::Square;
use rayon::prelude::*;

/// A likely root, and the weights of its trees.
pub(super) struct Supposition {
    pub(super) root: Member,
    /// Probability that this member is the root among the members.
    pub(super) probability: f64,
    /// Probability that this member is the real root, and not a sibling of its children.
    pub(super) present: f64,
    /// The weight of each edge in nats, by (parent, child).
    pub(super) weights: Square<f64>,
}

impl Supposition {
    /// A root with the results of its tree and the weights of the tree's edges.
    pub(super) fn of(tree: &Tree<'_>, probability: f64, weights: Square<f64>) -> Self {
        Self { root: tree.hypothesis.root(), probability, present: tree.presence.probability, weights }
    }

    /// Probability that an edge from `parent` holds, given that the tree has it.
    fn holds(&self, parent: Member, without_root: f64) -> f64 {
        holds(self.root == parent, self.present, without_root)
    }
}

/// Probability that an edge of a tree holds, where the root is present with probability `present`.
///
/// Without the root, the edges from it are wrong, and a share `without_root` of the others is right.
pub(super) fn holds(from_root: bool, present: f64, without_root: f64) -> f64 {
    if from_root { present } else { without_root + (1.0 - without_root) * present }
}

/// The probabilities of all edges by (parent, child), shape `(members, members)`, summed over the likely roots.
pub(super) struct Shares {
    /// Probability of each edge. For each child, what is missing to 1 is the probability of no parent in the set.
    pub(super) all: Square<f64>,
    /// The same, given that the root is in the set.
    pub(super) given: Square<f64>,
}

impl Shares {
    /// The probability that this is the parent given that it is in the set, and the probability that it is in the set.
    pub(super) fn apart(&self, parent: Member, child: Member) -> (f64, f64) {
        let (all, given) = (self.all[(parent, child)].min(1.0), self.given[(parent, child)].min(1.0));
        (given, if given > 0.0 { (all / given).min(1.0) } else { 0.0 })
    }
}

/// Sums the probabilities of all edges over the likely roots.
///
/// # Errors
///
/// [`Error::Detection`] when a child has no finite weight.
pub(super) fn shares(suppositions: &[Supposition], members: usize, weights: &Weights) -> Result<Shares, Error> {
    let negligible = weights.tolerances.negligible;
    let over_trees = |s: &Supposition| edge_probabilities(&s.weights, s.root, negligible);
    let edges: Vec<Square<f64>> = suppositions.par_iter().map(over_trees).collect::<Result<_, Error>>()?;
    let mut shares = Shares { all: Square::filled(members, 0.0), given: Square::filled(members, 0.0) };
    for (supposition, edges) in suppositions.iter().zip(&edges) {
        for q in Member::all(members) {
            let there = supposition.holds(q, weights.confidence.without_root);
            for c in Member::all(members) {
                let given = supposition.probability * edges[(q, c)];
                shares.given[(q, c)] += given;
                shares.all[(q, c)] += there * given;
            }
        }
    }
    Ok(shares)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::lineage::tests::fixture::noticed;

    #[test]
    fn edges_hold_with_the_root_and_half_of_the_way_without() {
        assert_eq!([(true, 0.2), (false, 0.2), (false, 1.0)].map(|(r, p)| holds(r, p, 0.5)), [0.2, 0.6, 1.0]);
    }

    #[test]
    fn roots_are_summed_over_by_their_probability() {
        let flat = |root, probability, present| Supposition {
            root: Member::new(root),
            probability,
            present,
            weights: Square::filled(2, 0.0),
        };
        let found = shares(&[flat(0, 0.75, 0.5), flat(1, 0.25, 1.0)], 2, &Weights::default()).unwrap().all;
        assert_eq!((found[(0usize, 1usize)], found[(1usize, 0usize)]), (0.375, 0.25));
    }

    #[test]
    fn what_is_left_out_as_negligible_is_noticed() {
        // Member 2 is less likely than the root to be the parent of 1, by 30 nats or by 60.
        let share = |w: &Weights, below: f64| {
            let mut weights = Square::filled(3, 0.0);
            weights[(2usize, 1usize)] = -below;
            let supposition = Supposition { root: Member::new(0), probability: 1.0, present: 1.0, weights };
            shares(&[supposition], 3, w).unwrap().all[(2usize, 1usize)]
        };
        let weights = Weights::default();
        assert!(share(&weights, 30.0) > 0.0 && share(&weights, 60.0) == 0.0);
        noticed("tolerances", &["negligible"], |w| format!("{:e} {:e}", share(w, 30.0), share(w, 60.0)));
    }
}
