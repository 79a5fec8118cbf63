use super::*;
use proptest::prelude::*;

type Edges<C> = Vec<(usize, usize, C)>;

fn total<C: Cost>(parents: &[Option<usize>], edges: &[(usize, usize, C)]) -> C {
    let cheapest = |p: usize, v: usize| {
        let costs = edges.iter().filter(|e| (e.0, e.1) == (p, v)).map(|e| e.2);
        costs.reduce(|a, b| if b < a { b } else { a }).expect("an edge of the graph")
    };
    let steps = parents.iter().enumerate().filter_map(|(v, p)| Some(cheapest((*p)?, v)));
    steps.fold(C::ZERO, C::plus)
}

fn reaches_all(parents: &[Option<usize>], root: usize) -> bool {
    (0..parents.len()).all(|start| {
        let mut node = start;
        let steps = std::iter::from_fn(|| parents[node].inspect(|&p| node = p)).take(parents.len()).count();
        steps < parents.len() && node == root
    })
}

/// The least total over every choice of one edge into each node that makes an arborescence.
fn by_brute_force<C: Cost>(n: usize, root: usize, edges: &[(usize, usize, C)]) -> Option<C> {
    let into = |v: usize| edges.iter().filter(move |e| e.1 == v && e.0 != v);
    let mut choices: Vec<(Vec<Option<usize>>, C)> = vec![(vec![None; n], C::ZERO)];
    for v in (0..n).filter(|&v| v != root) {
        let extended = choices.iter().flat_map(|(parents, cost)| {
            into(v).map(move |e| {
                let mut parents = parents.clone();
                parents[v] = Some(e.0);
                (parents, cost.plus(e.2))
            })
        });
        choices = extended.collect();
    }
    let trees = choices.into_iter().filter(|(parents, _)| reaches_all(parents, root)).map(|(_, cost)| cost);
    trees.reduce(|a, b| if b < a { b } else { a })
}

/// A graph of at most six nodes, few edges or nearly all, costs of a range.
fn graph(costs: std::ops::Range<i64>) -> impl Strategy<Value = (usize, usize, Edges<i64>)> {
    (1usize..=6, 0.2f64..1.0).prop_flat_map(move |(n, density)| {
        let pairs: Vec<(usize, usize)> = (0..n).flat_map(|a| (0..n).map(move |b| (a, b))).collect();
        let edges = prop::collection::vec((costs.clone(), prop::bool::weighted(density)), n * n);
        (0..n, edges).prop_map(move |(root, edges)| {
            let kept = pairs.iter().zip(edges).filter(|(_, (_, keep))| *keep);
            (n, root, kept.map(|(&(a, b), (cost, _))| (a, b, cost)).collect())
        })
    })
}

proptest! {
    #[test]
    fn the_total_is_that_of_the_best_of_all_arborescences((n, root, edges) in graph(-20..40)) {
        let found = minimum_arborescence(n, root, &edges);
        prop_assert_eq!(found.is_some(), by_brute_force(n, root, &edges).is_some());
        if let Some(parents) = found {
            prop_assert!(parents[root].is_none() && reaches_all(&parents, root));
            prop_assert_eq!(Some(total(&parents, &edges)), by_brute_force(n, root, &edges));
        }
    }

    #[test]
    fn the_root_is_that_of_the_best_total((n, _, edges) in graph(0..40), root_costs in prop::collection::vec(-5i64..60, 6)) {
        let root_costs = &root_costs[..n];
        let rooted = |r: usize| Some(by_brute_force(n, r, &edges)?.plus(root_costs[r]));
        let best = (0..n).filter_map(rooted).min();
        let found = minimum_rooted_arborescence(&edges, root_costs);
        prop_assert_eq!(found.is_some(), best.is_some());
        if let Some(parents) = found {
            let root = parents.iter().position(Option::is_none).unwrap();
            prop_assert!(reaches_all(&parents, root));
            prop_assert_eq!(Some(total(&parents, &edges).plus(root_costs[root])), best);
        }
    }

    #[test]
    fn floats_find_the_same_trees_as_integers((n, root, edges) in graph(0..1_000_000)) {
        let floats: Edges<f64> = edges.iter().map(|&(a, b, cost)| (a, b, cost as f64)).collect();
        prop_assert_eq!(minimum_arborescence(n, root, &floats), minimum_arborescence(n, root, &edges));
    }

    #[test]
    fn the_order_of_edges_has_no_part((n, root, edges) in graph(0..4), seed in any::<u64>()) {
        let mut shuffled = edges.clone();
        shuffled.sort_by_key(|e| (e.0 as u64 * 31 + e.1 as u64 + 1).wrapping_mul(seed | 1));
        prop_assert_eq!(minimum_arborescence(n, root, &shuffled), minimum_arborescence(n, root, &edges));
    }

    #[test]
    fn where_the_best_tree_is_the_only_one_numbers_of_nodes_have_no_part(
        (n, root, edges) in graph(0..1),
        bits in Just((0..36u32).collect::<Vec<_>>()).prop_shuffle(),
        to in Just((0..6usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        // Sums of different powers of two differ.
        let edges: Edges<i64> = edges.iter().zip(bits).map(|(&(a, b, _), bit)| (a, b, 1i64 << bit)).collect();
        let mut rank = [0; 6];
        to.iter().filter(|&&t| t < n).enumerate().for_each(|(new, &old)| rank[old] = new);
        let renamed: Edges<i64> = edges.iter().map(|&(a, b, cost)| (rank[a], rank[b], cost)).collect();
        let found = minimum_arborescence(n, rank[root], &renamed);
        let expected = minimum_arborescence(n, root, &edges).map(|parents| {
            let mut moved = vec![None; n];
            parents.iter().enumerate().for_each(|(v, p)| moved[rank[v]] = p.map(|p| rank[p]));
            moved
        });
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn of_equally_cheap_edges_the_one_from_the_lower_node_is_taken() {
    let edges = [(0, 1, 1.0), (0, 2, 1.0), (2, 3, 5.0), (1, 3, 5.0)];
    assert_eq!(minimum_arborescence(4, 0, &edges), Some(vec![None, Some(0), Some(0), Some(1)]));
}

#[test]
fn a_cycle_is_broken_where_it_costs_least() {
    // 1 and 2 would rather have each other for parents.
    let edges = [(0, 1, 10.0), (0, 2, 7.0), (1, 2, 1.0), (2, 1, 1.0)];
    assert_eq!(minimum_arborescence(3, 0, &edges), Some(vec![None, Some(2), Some(0)]));
}

#[test]
fn nodes_without_a_way_and_roots_out_of_range_give_nothing() {
    assert_eq!(minimum_arborescence(3, 0, &[(0, 1, 1.0), (2, 1, 1.0)]), None);
    assert_eq!(minimum_arborescence::<f64>(1, 1, &[]), None);
    assert_eq!(minimum_arborescence::<f64>(1, 0, &[]), Some(vec![None]));
    assert_eq!(minimum_rooted_arborescence::<f64>(&[], &[]), Some(Vec::new()));
    assert_eq!(minimum_rooted_arborescence(&[], &[0.0, 0.0]), None);
}

#[test]
fn cycles_within_cycles_do_not_overflow_the_stack() {
    // Each node is cheapest entered from its successor, and each contracted pair from the next.
    let n = 4_000;
    let mut edges: Edges<i64> = Vec::new();
    for v in 0..n - 1 {
        edges.push((v, v + 1, 2 * v as i64 + 1));
        edges.push((v + 1, v, 1));
    }
    edges.push((0, n - 1, 1_000_000));
    let parents = minimum_arborescence(n, 0, &edges).unwrap();
    assert!(reaches_all(&parents, 0));
    let from_the_end = minimum_rooted_arborescence(&edges, &vec![0; n]).unwrap();
    assert_eq!(from_the_end.iter().position(Option::is_none), Some(n - 1));
}

#[test]
fn thousands_of_nodes_with_64_candidates_each_take_no_time() {
    let n = 4_000;
    let mut state = 1u64;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let edges: Edges<f64> =
        (0..n).flat_map(|v| (0..64).map(move |_| v)).map(|v| (next() % n, v, next() as f64)).collect();
    let begin = std::time::Instant::now();
    let parents = minimum_arborescence(n, 0, &edges).unwrap();
    println!("{:?}", begin.elapsed());
    assert!(reaches_all(&parents, 0));
    // A guard against the quadratic, not a measurement.
    assert!(begin.elapsed().as_secs() < 10);
}
