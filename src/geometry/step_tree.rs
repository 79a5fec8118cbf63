//! A tree of the rows of one job, in which each row is a small step from its parent.

use super::direct::Squared;

/// Squared distance from which on rows are strangers, as a share of the larger squared norm of the two.
const STRANGE: f64 = 0.5;

/// A spanning tree of the rows of a job: the shortest, by the squared distances of a sample of columns.
///
/// A path of the shortest tree has no step that is longer than the distance of its ends. So a distance is never the small
/// difference of large numbers, whichever two rows it belongs to. The tree is that of a sample, so this holds about: see
/// [`StepSums`](super::steps::StepSums).
///
/// Strangers are joined anywhere, since their distance is as long as any path between them. Each family grows from its own first
/// row, so that the sums of its members are the same whatever strangers are beside it.
#[derive(Debug)]
pub(super) struct StepTree {
    /// All rows, parents first. The first one is the root.
    pub(super) order: Vec<usize>,
    /// For each row, its parent. The root is its own.
    pub(super) parent: Vec<usize>,
    /// For each row but the root, the place of its step among all steps. Far steps come first.
    pub(super) place: Vec<usize>,
    /// Number of far steps.
    pub(super) far: usize,
}

impl StepTree {
    /// Finds the tree by Prim's method from the first row on, in O(n²) time. Of equal distances, that of the first row counts.
    /// Where no row is near to those of the tree, the first one that is left goes on.
    ///
    /// `norms` are the squared norms in the sample. A step is far unless its squared length is less than `near` of the larger
    /// squared norm of its two rows.
    pub(super) fn of(sample: &Squared, norms: &[f64], near: f64) -> Self {
        let n = norms.len();
        let mut order = Vec::with_capacity(n);
        let mut parent = vec![0; n];
        let mut nearest = vec![f64::INFINITY; n];
        let mut left: Vec<usize> = (1..n).collect();
        let mut far = Vec::new();
        let mut short = Vec::new();
        let mut last = 0;
        order.extend((n > 0).then_some(0));
        while !left.is_empty() {
            let mut at = 0;
            for (i, &row) in left.iter().enumerate() {
                let squared = sample.value(row, last);
                if squared < nearest[row] {
                    nearest[row] = squared;
                    parent[row] = last;
                }
                if nearest[row] < nearest[left[at]] {
                    at = i;
                }
            }
            let next = left[at];
            let akin = nearest[next] < STRANGE * norms[next].max(norms[parent[next]]);
            // The order of what is left stays that of the rows, so that ties are decided alike.
            last = left.remove(if akin { at } else { 0 });
            order.push(last);
            // A distance that is no number makes a step far.
            let is_near = nearest[last] < near * norms[last].max(norms[parent[last]]);
            if is_near { short.push(last) } else { far.push(last) }
        }
        let mut place = vec![0; n];
        far.iter().chain(&short).enumerate().for_each(|(at, &row)| place[row] = at);
        Self { order, parent, place, far: far.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows on a line, as their squared distances and norms.
    fn on_a_line(at: &[f64]) -> (Squared, Vec<f64>) {
        let mut squared = Squared::new(at.len());
        for i in 0..at.len() {
            (0..i).for_each(|j| squared.set(i, j, (at[i] - at[j]).powi(2)));
        }
        (squared, at.iter().map(|x| x * x).collect())
    }

    #[test]
    fn steps_are_between_neighbors_and_far_ones_come_first() {
        let (squared, norms) = on_a_line(&[10.0, 10.4, 90.0, 10.1, 90.1]);
        let tree = StepTree::of(&squared, &norms, 0.01);
        assert_eq!(tree.order, [0, 3, 1, 2, 4]);
        assert_eq!(tree.parent, [0, 3, 1, 0, 2]);
        assert_eq!((tree.far, tree.place[2]), (1, 0));
        assert_eq!([tree.place[3], tree.place[1], tree.place[4]], [1, 2, 3]);
        assert_eq!(StepTree::of(&squared, &norms, 0.0).far, 4);
    }

    #[test]
    fn a_family_has_the_same_steps_whatever_strangers_come_before_it() {
        let (squared, norms) = on_a_line(&[10.0, 10.4, 10.1, 10.9]);
        let alone = StepTree::of(&squared, &norms, 0.0);
        let (squared, norms) = on_a_line(&[900.0, 10.0, 1e5, 10.4, 10.1, 10.9]);
        let tree = StepTree::of(&squared, &norms, 0.0);
        let family = [1, 3, 4, 5];
        let steps: Vec<(usize, usize)> = alone.order[1..].iter().map(|&i| (i, alone.parent[i])).collect();
        let within: Vec<(usize, usize)> = steps.iter().map(|&(i, p)| (family[i], family[p])).collect();
        let order: Vec<usize> = tree.order.iter().copied().filter(|row| family.contains(row)).collect();
        assert_eq!(order[0], 1);
        assert_eq!(order[1..].iter().map(|&i| (i, tree.parent[i])).collect::<Vec<_>>(), within);
    }

    #[test]
    fn one_row_has_no_step() {
        let tree = StepTree::of(&Squared::new(1), &[1.0], 0.01);
        assert_eq!((tree.order, tree.far), (vec![0], 0));
    }
}
