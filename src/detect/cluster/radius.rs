//! Estimates of a radius from the expected families.

use ndarray::Array2;

/// A factor for the radius. Distances are summed in more than one way, and rounding must not put a distance equal to the radius
/// outside it.
const SLACK: f64 = 1.0 + 1e-6;

/// The radius that best separates distances within families from distances between them.
///
/// It is the distance `b` within a family with the least `|{within > b}| / |within| + |{between ≤ b}| / |between|`. A
/// millionth is added for rounding. If several are equally good, it is the smallest.
///
/// If every distance within is below every distance between, this is the largest distance within: the smallest radius that
/// keeps families whole. If they overlap, a few far members are lost rather than all families joined.
///
/// If there is no distance within (or none above `negligible`, as in families of copies), the radius is half the smallest
/// distance between.
pub(super) fn separating(mut within: Vec<f64>, mut between: Vec<f64>, negligible: f64) -> f64 {
    within.sort_by(f64::total_cmp);
    between.sort_by(f64::total_cmp);
    let share = |count: usize, all: &[f64]| if all.is_empty() { 0.0 } else { count as f64 / all.len() as f64 };
    let loss = |radius: f64| {
        let broken = within.len() - within.partition_point(|&d| d <= radius);
        let joined = between.partition_point(|&d| d <= radius);
        share(broken, &within) + share(joined, &between)
    };
    let mut best = (0.0, f64::INFINITY);
    for &radius in &within {
        let loss = loss(radius);
        // The strict comparison keeps the smallest of equally good radii.
        if loss < best.1 {
            best = (radius, loss);
        }
    }
    if best.0 > negligible {
        return best.0 * SLACK;
    }
    match between.iter().find(|&&d| d > negligible) {
        Some(&nearest) => nearest / 2.0,
        // All models are copies of one, so any radius joins them.
        None => 1.0,
    }
}

/// All distances within expected families, and all distances between them.
pub(super) fn pairs(squared: &Array2<f64>, expected: &[usize]) -> (Vec<f64>, Vec<f64>) {
    let (mut within, mut between) = (Vec::new(), Vec::new());
    for i in 0..expected.len() {
        for j in 0..i {
            let side = if expected[i] == expected[j] { &mut within } else { &mut between };
            side.push(squared[(i, j)].sqrt());
        }
    }
    (within, between)
}

/// The links within families and the gaps between them.
///
/// Links are the edges of each family's minimum spanning tree. Gaps are the distances from each model to the nearest model of
/// another family.
pub(super) fn links(squared: &Array2<f64>, expected: &[usize]) -> (Vec<f64>, Vec<f64>) {
    let n = expected.len();
    let mut within = Vec::new();
    // Prim's algorithm, on one family after the other.
    let mut to_tree = vec![f64::INFINITY; n];
    let mut outside = vec![true; n];
    for start in 0..n {
        let mut last = outside[start].then_some(start);
        while let Some(model) = last {
            outside[model] = false;
            let mut nearest: Option<usize> = None;
            for j in (0..n).filter(|&j| outside[j] && expected[j] == expected[start]) {
                to_tree[j] = to_tree[j].min(squared[(model, j)]);
                if nearest.is_none_or(|k| to_tree[j] < to_tree[k]) {
                    nearest = Some(j);
                }
            }
            within.extend(nearest.map(|j| to_tree[j].sqrt()));
            last = nearest;
        }
    }
    let strangers = |i: usize| (0..n).filter(move |&j| expected[j] != expected[i]).map(move |j| squared[(i, j)]);
    let between = (0..n).map(|i| strangers(i).fold(f64::INFINITY, f64::min).sqrt()).filter(|d| d.is_finite());
    (within, between.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::cluster::distances::squared_distances;
    use ndarray::array;

    #[test]
    fn families_apart_give_the_largest_distance_within() {
        let radius = separating(vec![1.0, 3.0, 2.0], vec![5.0, 9.0], 0.0);
        assert!((3.0..3.001).contains(&radius));
    }

    #[test]
    fn one_far_member_is_given_up_rather_than_all_families_joined() {
        let radius = separating(vec![1.0, 1.0, 2.0, 2.0, 90.0], vec![5.0; 10], 0.0);
        assert!((2.0..2.001).contains(&radius));
    }

    #[test]
    fn families_of_one_or_of_copies_end_half_way_to_the_nearest_stranger() {
        assert_eq!(separating(vec![], vec![7.0, 4.0], 0.0), 2.0);
        assert_eq!(separating(vec![0.0, 1e-13], vec![7.0, 4.0], 1e-12), 2.0);
        assert!(separating(vec![], vec![], 0.0) > 0.0);
        assert!(separating(vec![0.0], vec![0.0], 0.0) > 0.0);
    }

    #[test]
    fn links_are_spanning_trees_and_nearest_strangers() {
        //  0 . 1 . . 2 . . . . . . . 3     4 of the family of 3
        let squared = squared_distances(array![[0.0], [1.0], [3.0], [10.0], [14.0]].view());
        let (mut within, between) = links(&squared, &[0, 0, 0, 1, 1]);
        within.sort_by(f64::total_cmp);
        let near = |found: &[f64], expected: &[f64]| {
            found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9)
        };
        assert!(near(&within, &[1.0, 2.0, 4.0]), "{within:?}");
        assert!(near(&between, &[10.0, 9.0, 7.0, 7.0, 11.0]), "{between:?}");
    }
}
