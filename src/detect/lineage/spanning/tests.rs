use super::*;
use proptest::prelude::*;

/// `Σ` over all trees of the product of their edges, and of those with each edge.
fn enumerated(weights: &Square<f64>, root: usize) -> Square<f64> {
    let n = weights.len();
    let mut with = Square::filled(n, 0.0);
    let mut all = 0.0;
    // A parent for each member, the root's own being of no account.
    for mut code in 0..n.pow(n as u32) {
        let parents: Vec<usize> = (0..n).map(|_| (code % n, code /= n).0).collect();
        let reaches = |m: usize| (0..n).fold(m, |at, _| if at == root { root } else { parents[at] }) == root;
        if parents[root] != root || !(0..n).all(reaches) {
            continue;
        }
        let children: Vec<usize> = (0..n).filter(|&c| c != root).collect();
        let likelihood: f64 = children.iter().map(|&c| weights[(parents[c], c)].exp()).product();
        all += likelihood;
        children.iter().for_each(|&c| with[(parents[c], c)] += likelihood);
    }
    Square::from_fn(n, |q, c| with[(q, c)] / all)
}

#[track_caller]
fn agree(weights: &Square<f64>, root: usize) {
    let found = edge_probabilities(weights, Member::new(root), 40.0).unwrap();
    let expected = enumerated(weights, root);
    for (f, e) in found.rows().flatten().zip(expected.rows().flatten()) {
        assert!((f - e).abs() < 1e-9, "{f} for {e} of {weights:?}");
    }
}

proptest! {
    #[test]
    fn probabilities_are_those_of_all_trees(
        (n, root, weights) in (2..=5usize).prop_flat_map(|n| (Just(n), 0..n, prop::collection::vec(-6.0..6.0f64, n * n)))
    ) {
        agree(&Square::from_rows(n, weights), root);
    }
}

#[test]
fn equal_weights_make_all_trees_alike() {
    for n in 2..=5 {
        let flat = Square::filled(n, 0.0);
        agree(&flat, n - 1);
        // Cayley: of n^(n−2) trees a share of 2/n has each edge.
        let found = edge_probabilities(&flat, Member::new(0), 40.0).unwrap();
        assert!((found[(0usize, 1usize)] - 2.0 / n as f64).abs() < 1e-12);
    }
}

#[test]
fn what_is_negligible_is_left_out_and_the_root_never() {
    let far = |w: f64| Square::from_fn(3, move |q, c| if (q, c) == (1, 2) { w } else { 0.0 });
    let share = |w: f64| edge_probabilities(&far(w), Member::new(0), 40.0).unwrap()[(1usize, 2usize)];
    assert!(share(-39.9) > 0.0 && share(-40.1) == 0.0);
    let from_root = Square::from_fn(3, |q, _| if q == 0 { -25.0 } else { 0.0 });
    let found = edge_probabilities(&from_root, Member::new(0), 20.0).unwrap();
    assert!(found[(0usize, 1usize)] > 0.49, "{found:?}");
}

#[test]
fn weights_that_are_not_finite_are_refused() {
    let weights = Square::from_fn(3, |_, c| if c == 1 { f64::NEG_INFINITY } else { 0.0 });
    assert!(edge_probabilities(&weights, Member::new(0), 40.0).is_err());
}
