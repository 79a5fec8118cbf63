//! A tree without its root: who is next to whom, and which way each edge points.

use super::index::Member;
use super::root::Terms;
use super::weights::Root as Numbers;
use super::witness::common_sign::together;
use super::witness::{ALL, COUNT, Hypothesis};

/// The edges of a tree, with what all witnesses say of the direction of each.
pub(super) struct Skeleton {
    parents: Vec<Option<Member>>,
    /// Number of neighbors of each member.
    degrees: Vec<usize>,
    /// For each member, the evidence that its parent in the tree came before it, in nats; 0 for the root.
    points: Vec<[f64; COUNT]>,
    /// For each witness, the sum over all edges, and the probability that its sign is right where edges have it in common.
    together: [(f64, Option<f64>); COUNT],
}

impl Skeleton {
    /// Asks all witnesses about each edge of a tree. O(n) pairs.
    pub(super) fn of(hypothesis: &Hypothesis<'_>, parents: &[Option<Member>]) -> Self {
        let mut degrees = vec![0; parents.len()];
        let mut points = vec![[0.0; COUNT]; parents.len()];
        for (c, &parent) in Member::all(parents.len()).zip(parents) {
            let Some(q) = parent else { continue };
            degrees[q.index()] += 1;
            degrees[c.index()] += 1;
            points[c.index()] = ALL.map(|witness| witness.points(hypothesis, q, c));
        }
        let sum = |witness: usize| points.iter().fold(0.0, |sum, of_edge| sum + of_edge[witness]);
        let weights = hypothesis.lineage().weights();
        let together = std::array::from_fn(|witness| (sum(witness), ALL[witness].common_sign(weights)));
        Self { parents: parents.to_vec(), degrees, points, together }
    }

    /// What speaks for a member as the root, against the root of the tree; `None` for a member that descends from a merge.
    ///
    /// Members from `plain` on are merges. If `a` is the root, the edges between the tree's root and `a` point the other way, and
    /// no other edge does: of `½ Σ ±L` only their sum changes. A witness whose edges have their sign in common says what
    /// [`together`] gives.
    pub(super) fn terms(&self, a: Member, plain: usize, numbers: &Numbers) -> Option<Terms> {
        let mut witnesses = [0.0; COUNT];
        let mut at = a;
        // A tree has no circle; if there were one, the climb would have no end.
        for _ in 0..=self.parents.len() {
            // A merge is made of its parents, so the edges above it point down for sure.
            if at.index() >= plain {
                return None;
            }
            let Some(parent) = self.parents[at.index()] else { break };
            witnesses.iter_mut().zip(&self.points[at.index()]).for_each(|(sum, points)| *sum -= points);
            at = parent;
        }
        // Edges with a sign in common are weighed together: as they point from `a`, less as they point from the tree's root.
        for (sum, &(all, sign)) in witnesses.iter_mut().zip(&self.together) {
            if let Some(right) = sign {
                *sum = together(all + 2.0 * *sum, right) - together(all, right);
            }
        }
        let degree = self.degrees[a.index()].max(1) as f64;
        Some(Terms { witnesses, neighbors: numbers.neighbors * degree.ln() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::lineage::root::Roots;
    use crate::detect::lineage::tests::fixture::{Model, alike, ids, m, noticed, of_models, point};
    use crate::detect::lineage::weights::Weights;
    use crate::detect::lineage::witness::Lineage;
    use crate::geometry::Geometry;

    /// The roots along a tree, whatever the first answer was.
    fn along(geometry: &Geometry, weights: &Weights, parents: &[Option<usize>], plain: usize) -> Roots {
        let ids = ids(geometry);
        let lineage = Lineage::of(geometry, &ids, weights).unwrap();
        let parents: Vec<Option<Member>> = parents.iter().map(|p| p.map(Member::new)).collect();
        let root = Member::all(parents.len()).find(|r| parents[r.index()].is_none()).unwrap();
        let mut hypothesis = Hypothesis::of(&lineage, root);
        hypothesis.read_edges(&parents).unwrap();
        Roots::of(&lineage).along(&hypothesis, &parents, plain)
    }

    /// A line of descent: each model was trained from the one before.
    fn line(length: usize) -> Vec<Model> {
        let first = Model::new(1);
        let next = |last: &Model, seed: usize| last.trained_unevenly(seed as u64 + 2, 0.6);
        (1..length).fold(vec![first], |mut line, seed| {
            line.push(next(&line[seed - 1], seed));
            line
        })
    }

    #[test]
    fn the_end_from_which_all_edges_point_is_the_root_whatever_the_tree_was_rooted_at() {
        let geometry = of_models(&line(5));
        let weights = Weights::default();
        let rooted = [[None, Some(0), Some(1), Some(2), Some(3)], [Some(1), Some(2), Some(3), Some(4), None]];
        let [down, up] = rooted.map(|parents| along(&geometry, &weights, &parents, 5));
        assert_eq!((down.likely[0].0, up.likely[0].0), (m(0), m(0)));
        assert!((down.likely[0].1 - up.likely[0].1).abs() < 1e-9 && down.likely[0].1 > 0.5, "{:?}", down.likely);
        for &(a, p) in &down.likely {
            for &(b, q) in &down.likely {
                let sum: f64 = down.rather(a, b).iter().map(|(_, term)| term).sum();
                assert!((sum - (p / q).ln()).abs() < 1e-9, "{sum} for {p} and {q}");
            }
        }
        let lowest = (0..5).min_by(|&a, &b| down.scores[a].total_cmp(&down.scores[b]));
        assert_eq!(lowest, Some(0));
        assert!((down.margin() - 2.0 * (down.likely[0].1 / down.likely[1].1).ln()).abs() < 1e-9);
    }

    #[test]
    fn a_member_with_many_neighbors_is_the_root_where_nothing_else_tells() {
        // All norms are equal, so that no edge has a direction; distances differ, so that the first answer is no tie.
        let child =
            |i: usize| point(&[(0, (100.0 - (1.0 + i as f64 / 10.0)).sqrt()), (i + 1, (1.0 + i as f64 / 10.0).sqrt())]);
        let points: Vec<Vec<f64>> = std::iter::once(point(&[(0, 10.0)])).chain((0..4).map(child)).collect();
        let says = |w: &Weights| along(&alike(2, &points), w, &[None, Some(0), Some(0), Some(0), Some(0)], 5).likely;
        let likely = says(&Weights::default());
        assert!(likely[0].0 == m(0) && (likely[0].1 / likely[1].1 - 16.0).abs() < 1e-6, "{likely:?}");
        noticed("root", &["neighbors"], |w| format!("{:?}", says(w)));
    }

    #[test]
    fn what_descends_from_a_merge_is_no_root() {
        // 3 is a merge; the tree has it below 1, and 2 below it.
        let geometry = of_models(&line(4));
        let found = along(&geometry, &Weights::default(), &[None, Some(0), Some(3), Some(1)], 3);
        assert_eq!(found.probability(m(2)), 0.0);
        assert!(found.scores[2] > found.scores[0] && found.scores.len() == 3);
    }
}
