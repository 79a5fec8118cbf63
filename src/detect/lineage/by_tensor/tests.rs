use super::*;
use crate::detect::lineage::tests::fixture::{ids, noticed, of_points, point};
use crate::geometry::Geometry;

/// In each tensor, a root, three children of it along axes of their own, and a mean of the first two in this share of the second.
fn merged(shares: &[f64]) -> Vec<Vec<Vec<f64>>> {
    let of = |&share: &f64| {
        let child = |axis: usize| point(&[(0, 10.0), (axis, 1.0)]);
        let merge = point(&[(0, 10.0), (1, 1.0 - share), (2, share)]);
        vec![point(&[(0, 10.0)]), child(1), child(2), child(3), merge]
    };
    shares.iter().map(of).collect()
}

fn found(geometry: &Geometry, rounding: f64, weights: &Weights) -> Option<Combination<Original>> {
    let comparison = geometry.compare(&ids(geometry)).unwrap();
    let d = |a: Original, b: Original| comparison.squared_distance(a.within(), b.within());
    let models: Vec<Original> = Original::all(geometry.len()).collect();
    let rounding = |_: Original| rounding;
    let search = Search { d: &d, comparison: &comparison, rounding: &rounding, weights };
    search.combination(models[models.len() - 1], &models[..models.len() - 1])
}

/// What is found of these tensors without rounding.
fn text(points: &[Vec<Vec<f64>>], rounding: f64, weights: &Weights) -> String {
    let shown = |c: Combination<Original>| format!("{:?} {:.3?} {:.3?}", c.parents, c.weights, c.by_tensor);
    found(&of_points(points), rounding, weights).map_or_else(String::new, shown)
}

#[test]
fn a_gradient_over_tensors_has_the_weights_of_each() {
    let found = found(&of_points(&merged(&[0.0, 0.25, 0.5, 0.75, 1.0])), 0.0, &Weights::default()).unwrap();
    assert_eq!(found.parents, [Original::new(1), Original::new(2)]);
    assert!((found.weights[0] - 0.5).abs() < 1e-9 && found.residual < 1e-9);
    let second: Vec<f64> = found.by_tensor.values().map(|w| w[1]).collect();
    assert_eq!(second.len(), 5);
    assert!(second.iter().zip([0.0, 0.25, 0.5, 0.75, 1.0]).all(|(w, share)| (w - share).abs() < 1e-9), "{second:?}");
}

#[test]
fn one_weight_in_all_tensors_needs_no_list() {
    let found = found(&of_points(&merged(&[0.3; 5])), 0.0, &Weights::default()).unwrap();
    assert!(found.by_tensor.is_empty() && (found.weights[1] - 0.3).abs() < 1e-9);
}

#[test]
fn spherical_interpolation_lies_on_the_arc_even_between_strangers() {
    let of = |share: f64| {
        let angle = share * std::f64::consts::FRAC_PI_2;
        vec![
            point(&[(0, 10.0)]),
            point(&[(1, 10.0)]),
            point(&[(2, 10.0)]),
            point(&[(0, 10.0 * angle.cos()), (1, 10.0 * angle.sin())]),
        ]
    };
    let found = found(&of_points(&[0.2, 0.4, 0.6, 0.8].map(of)), 0.0, &Weights::default()).unwrap();
    assert_eq!(found.parents, [Original::new(0), Original::new(1)]);
    assert!((found.weights[0] - 0.5).abs() < 1e-6 && found.residual < 1e-9, "{found:?}");
}

#[test]
fn three_parents_with_weights_of_their_own_are_found() {
    let of = |shares: [f64; 3]| {
        let mut points = merged(&[0.0]).remove(0);
        points[4] = point(&[(0, 10.0), (1, shares[0]), (2, shares[1]), (3, shares[2])]);
        points
    };
    let tensors = [[0.5, 0.3, 0.2], [0.3, 0.3, 0.4], [0.4, 0.3, 0.3], [0.3, 0.4, 0.3]].map(of);
    let found = found(&of_points(&tensors), 0.0, &Weights::default()).unwrap();
    assert_eq!((found.parents.len(), found.by_tensor.len()), (3, 4));
}

#[test]
fn ordinary_children_and_roots_are_no_merges() {
    // The third child, and a root between a child and one that went the other way with the same factor everywhere but once.
    let mut siblings = merged(&[0.5; 5]);
    siblings.iter_mut().for_each(|points| points.truncate(4));
    assert_eq!(text(&siblings, 0.0, &Weights::default()), "");
    // One tensor that no parent explains is enough against it.
    let mut tuned = merged(&[0.1, 0.3, 0.5, 0.7, 0.9]);
    tuned[2][4] = point(&[(0, 10.0), (1, 0.5), (2, 0.5), (9, 0.5)]);
    assert_eq!(text(&tuned, 0.0, &Weights::default()), "");
}

#[test]
fn numbers_are_noticed() {
    let gradient = merged(&[0.2, 0.4, 0.5, 0.6, 0.8]);
    // Each tensor has what training added, as a squared length.
    let added = |points: &[Vec<Vec<f64>>], lengths: &[f64]| -> Vec<Vec<Vec<f64>>> {
        let mut points = points.to_vec();
        points.iter_mut().zip(lengths.iter().cycle()).for_each(|(p, squared)| p[4][9] = squared.sqrt());
        points
    };
    noticed("by_tensor", &["left_over"], |w| {
        [0.008, 0.015].map(|left| text(&added(&gradient, &[left]), 0.0, w)).join(" ")
    });
    noticed("by_tensor", &["tensor_left_over"], |w| {
        let one = |left| added(&gradient, &[left, 0.0, 0.0, 0.0, 0.0]);
        [0.006, 0.012].map(|left| text(&one(left), 0.0, w)).join(" ")
    });
    // Squared norms are near 100.
    noticed("by_tensor", &["tensor_rounding"], |w| {
        let one = |left| added(&merged(&[0.5, 0.4, 0.5, 0.6, 0.5]), &[left, 0.0, 0.0, 0.0, 0.0]);
        [0.085, 0.12].map(|left| text(&one(left), 2e-4, w)).join(" ")
    });
    noticed("by_tensor", &["rounding"], |w| {
        [0.025, 0.045].map(|left| text(&added(&gradient, &[left]), 2e-4, w)).join(" ")
    });
    noticed("by_tensor", &["above_rounding"], |w| {
        [2e-4, 3e-4, 8e-4].map(|rounding| text(&merged(&[0.3, 0.4, 0.5, 0.6, 0.7]), rounding, w)).join(" ")
    });
    noticed("by_tensor", &["least_rounding"], |w| {
        let scaled = |by: f64| {
            merged(&[0.5; 4])
                .iter()
                .map(|t| {
                    t.iter()
                        .map(|p| {
                            let mut p = p.clone();
                            p[1] *= by;
                            p[2] *= by;
                            p
                        })
                        .collect()
                })
                .collect::<Vec<_>>()
        };
        // Movements so small that rounding in double precision is all there is.
        [1.1e-5, 1.5e-5].map(|by| text(&scaled(by), 0.0, w)).join(" ")
    });
    noticed("by_tensor", &["tensors"], |w| {
        format!("{} {}", text(&merged(&[0.3, 0.7, 0.4]), 0.0, w), text(&merged(&[0.3, 0.7]), 0.0, w))
    });
    noticed("by_tensor", &["outside"], |w| [1.015, 1.03].map(|s| text(&merged(&[0.3, 0.7, 0.5, s]), 0.0, w)).join(" "));
    noticed("by_tensor", &["same"], |w| {
        [0.01, 0.03].map(|s| text(&merged(&[0.5 + s, 0.5 - s, 0.5 + s, 0.5 - s]), 0.0, w)).join(" ")
    });
}

#[test]
fn numbers_of_the_search_are_noticed() {
    // Means of several parents with unlike weights, among more models than are looked at.
    let many = |parents: usize, others: usize| -> Vec<Vec<Vec<f64>>> {
        let of = |t: usize| {
            let child = |axis: usize| point(&[(0, 10.0), (axis, if axis <= parents { 1.0 } else { 1.2 })]);
            let mut points: Vec<Vec<f64>> =
                std::iter::once(point(&[(0, 10.0)])).chain((1..=parents + others).map(child)).collect();
            let raw: Vec<f64> = (0..parents).map(|i| 1.0 + 0.3 * ((i + t) % parents) as f64).collect();
            let sum: f64 = raw.iter().sum();
            let shares: Vec<(usize, f64)> = raw.iter().enumerate().map(|(i, r)| (i + 1, r / sum)).collect();
            points.push(point(&[&[(0, 10.0)], &shares[..]].concat()));
            points
        };
        (0..5).map(of).collect()
    };
    noticed("by_tensor", &["extended", "most"], |w| {
        format!("{} {} {}", text(&many(3, 1), 0.0, w), text(&many(4, 1), 0.0, w), text(&many(5, 1), 0.0, w))
    });
    // Six models that were made from the merge lie nearer to it than its parents, two by two in nearly opposite directions.
    let followed: Vec<Vec<Vec<f64>>> = merged(&[0.1, 0.3, 0.5, 0.7, 0.9])
        .into_iter()
        .map(|mut points| {
            let merge = points[4].clone();
            let beside = |steps: &[(usize, f64)]| {
                let mut point = merge.clone();
                steps.iter().for_each(|&(axis, step)| point[axis] += step);
                point
            };
            let pairs = [10, 12, 14].map(|axis| [beside(&[(axis, 0.1)]), beside(&[(axis, -0.1), (axis + 1, 0.035)])]);
            points.splice(4..4, pairs.into_iter().flatten());
            points
        })
        .collect();
    assert!(text(&followed, 0.0, &Weights::default()).starts_with("[Original(1), Original(2)]"));
    noticed("by_tensor", &["reach", "pairs", "opposed"], |w| text(&followed, 0.0, w));
    // Most tensors are those of one parent, three are means, and one is that of the other parent. In the means, and in all tensors
    // together, models that were made from the merge hide the parents.
    let mut names: Vec<String> = (0..24).map(|t| format!("w{t}")).collect();
    names.sort();
    let place = |at: usize| names[at][1..].parse::<usize>().unwrap();
    let mut shares = vec![0.0; 24];
    [5, 9, 13].iter().for_each(|&at| shares[place(at)] = 0.5);
    shares[place(2)] = 1.0;
    let hidden: Vec<Vec<Vec<f64>>> = merged(&shares)
        .into_iter()
        .map(|mut points| {
            let merge = points[4].clone();
            let beside = |axis: usize, step: f64, other: f64| {
                let mut point = merge.clone();
                point[axis] += step;
                point[axis + 1] += other;
                point
            };
            let pairs = (0..7).map(|i| [beside(10 + 2 * i, 0.1, 0.0), beside(10 + 2 * i, -0.1, 0.035)]);
            points.splice(4..4, pairs.flatten());
            points
        })
        .collect();
    noticed("by_tensor", &["matrices"], |w| text(&hidden, 0.0, w));
}
