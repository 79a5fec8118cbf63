use super::*;
use crate::detect::lineage::tests::fixture::{alike, ids, noticed, of_points, point};
use crate::geometry::Geometry;

/// Merges among models, all kin but the pairs of strangers.
fn found(
    weights: &Weights,
    geometry: &Geometry,
    strangers: &[(usize, usize)],
) -> (Vec<Merge<Original>>, Vec<Vec<Original>>) {
    let comparison = geometry.compare(&ids(geometry)).unwrap();
    let related = |a: Original, b: Original| {
        let (a, b) = (a.index(), b.index());
        !strangers.contains(&(a, b)) && !strangers.contains(&(b, a))
    };
    merges(&comparison, &related, &|_| 0.0, weights)
}

/// A root, children along axes of their own, and one more model.
fn family(last: Vec<f64>) -> Vec<Vec<f64>> {
    let children = (1..6).map(|i| point(&[(0, 10.0), (i, 1.0)]));
    std::iter::once(point(&[(0, 10.0)])).chain(children).chain([last]).collect()
}

fn children(merges: &[Merge<Original>]) -> Vec<(usize, f64)> {
    merges.iter().map(|m| (m.child.index(), m.confidence)).collect()
}

#[test]
fn means_and_extrapolations_are_found() {
    let weights = Weights::default();
    let of = |last| children(&found(&weights, &alike(1, &family(last)), &[]).0);
    assert_eq!(of(point(&[(0, 10.0), (1, 0.5), (2, 0.5)])), [(6, 0.95)]);
    assert_eq!(of(point(&[(0, 10.0), (1, 0.8), (2, 0.6), (3, -0.4)])), [(6, 0.9)]);
    assert_eq!(of(point(&[(0, 10.0), (7, 1.0)])), []);
}

#[test]
fn a_mean_of_strangers_splits_what_it_joined() {
    let points = [point(&[(0, 10.0)]), point(&[(1, 10.0)]), point(&[(0, 5.0), (1, 5.0)])];
    let (merges, lineages) = found(&Weights::default(), &alike(1, &points), &[(0, 1)]);
    assert_eq!(children(&merges), [(2, 0.95)]);
    assert_eq!(lineages, [vec![Original::new(0)], vec![Original::new(1)]]);
}

#[test]
fn merges_are_renumbered_whole() {
    let (merges, _) = found(&Weights::default(), &alike(1, &family(point(&[(0, 10.0), (1, 0.7), (2, 0.3)]))), &[]);
    let named = merges[0].renumbered(|o| format!("m{}", o.index()));
    assert_eq!(named.child, "m6");
    assert_eq!(merges[0].combination.heaviest(), Some(Original::new(1)));
    let weights: f64 = named.combination.weights.iter().sum();
    assert!((weights - 1.0).abs() < 1e-9 && named.combination.parents.len() == 2);
}

#[test]
fn numbers_of_merges_are_noticed() {
    noticed("merges", &["left_over", "convex", "extrapolated", "convex_confidence", "extrapolated_confidence"], |w| {
        let of = |last| format!("{:?}", children(&found(w, &alike(1, &family(last)), &[]).0));
        // What is left over is 0.002 of ½; weights add up to 1.08 and to 2.2.
        let left = of(point(&[(0, 10.0), (1, 0.5), (2, 0.5), (9, 0.001f64.sqrt())]));
        let slightly = of(point(&[(0, 10.0), (1, 0.6), (2, 0.44), (3, -0.04)]));
        let far = of(point(&[(0, 10.0), (1, 0.9), (2, 0.7), (3, -0.6)]));
        format!("{left} {slightly} {far}")
    });
    noticed("merges", &["fewest"], |w| {
        let points =
            [point(&[(0, 10.0), (1, 1.0)]), point(&[(0, 10.0), (2, 1.0)]), point(&[(0, 10.0), (1, 0.5), (2, 0.5)])];
        format!("{:?}", children(&found(w, &alike(1, &points), &[]).0))
    });
}

/// A mean of two children with these shares of the first in three parameters, to which training added some.
fn trained(weights: &Weights, shares: [f64; 3], added: f64) -> String {
    let of = |share: f64| family(point(&[(0, 10.0), (1, share), (2, 1.0 - share), (9, added.sqrt())]));
    format!("{:?}", children(&found(weights, &of_points(&shares.map(of)), &[]).0))
}

#[test]
fn numbers_of_merges_that_were_trained_on_are_noticed() {
    // What is added is the square of a length: ρ is 0.14 of a mean with 0.08, opposed parents leave 0.3 of it at 0.088.
    let weights = Weights::default();
    assert_eq!(trained(&weights, [0.5; 3], 0.08), "[(6, 0.6)]");
    assert_eq!(trained(&weights, [0.5; 3], 0.09), "[]");
    let names = ["trained_left_over", "trained_least", "trained_most", "trained_spread", "trained_parameters"];
    noticed("merges", &[&names[..], &["trained_confidence", "opposed"]].concat(), |w| {
        let cases = [([0.5; 3], 0.08), ([0.24; 3], 0.02), ([0.42, 0.5, 0.58], 0.06)];
        cases.map(|(shares, added)| trained(w, shares, added)).join(" ")
    });
}

#[test]
fn increments_in_one_direction_are_one_lineage() {
    let points =
        [point(&[(0, 10.0)]), point(&[(0, 10.0), (1, 1.0)]), point(&[(0, 10.0), (1, 0.5), (2, 0.75f64.sqrt())])];
    let geometry = alike(1, &points);
    noticed("merges", &["one_lineage"], |weights| {
        let comparison = geometry.compare(&ids(&geometry)).unwrap();
        let d = |a: Original, b: Original| comparison.squared_distance(a.within(), b.within());
        let logs = Array2::zeros((3, 3));
        let roots = vec![Original::new(0)];
        let rounding = |_: Original| 0.0;
        let search = Search {
            d: &d,
            logs: &logs,
            comparison: &comparison,
            by_tensor: by_tensor::Search { d: &d, comparison: &comparison, rounding: &rounding, weights },
            swapped: swapped::Search { d: &d, comparison: &comparison, rounding: &rounding, weights },
            weights,
            active: Vec::new(),
            found: Vec::new(),
            roots,
        };
        search.of_different_lineages(&[Original::new(1), Original::new(2)]).to_string()
    });
}
