use super::super::masks::Donated;
use super::*;
use crate::detect::lineage::tests::fixture::{Model, alike, ids, m, noticed, of_models, of_points, point};

fn star(members: usize) -> Solution {
    Solution {
        parents: (0..members).map(|i| (i > 0).then(|| m(0))).collect(),
        answers: vec![(0.0, 0.0); members],
        candidates: vec![Vec::new(); members],
        scores: vec![0.0; members],
        margin: 1.0,
        absent: Vec::new(),
        root: Some(m(0)),
    }
}

fn found(geometry: &Geometry, solved: &Solution, weights: &Weights) -> Vec<Merge<Member>> {
    let ids = ids(geometry);
    merges(geometry, &ids, &geometry.compare(&ids).unwrap(), solved, weights).unwrap()
}

fn donated(share: f64) -> Donated {
    Donated { share, factor: 1.0, followed: false }
}

fn traces_of(untouched: f64, shares: &[f64]) -> Traces {
    Traces { untouched, least: untouched, resolved: 0.9, donors: shares.iter().map(|&s| donated(s)).collect() }
}

#[test]
fn masks_on_the_root_and_on_another_ancestor_are_found() {
    let root = Model::new(1);
    let child = |seed| root.trained(seed, 0..0, 1.0);
    let (a, b) = (child(2), child(3));
    let merge = root.with_masked([&a, &b], 7);
    let geometry = of_models(&[root.clone(), a, b, merge, child(4), child(5)]);
    let merges = found(&geometry, &star(6), &Weights::default());
    assert_eq!(merges.len(), 1);
    assert_eq!((merges[0].child, merges[0].combination.parents.len()), (m(3), 2));
    // The base is a child of the root here, and parents are its children.
    let base = child(6);
    let [a, b] = [7, 8].map(|seed| base.trained(seed, 0..0, 1.0));
    let merge = base.with_masked([&a, &b], 9);
    let geometry = of_models(&[root.clone(), base, a, b, merge, child(4)]);
    let mut solved = star(6);
    solved.parents[2..5].fill(Some(m(1)));
    let merges = found(&geometry, &solved, &Weights::default());
    assert_eq!(merges.iter().map(|m| m.child).collect::<Vec<_>>(), [m(4)]);
    let mut parents = merges[0].combination.parents.clone();
    parents.sort();
    assert_eq!(parents, [m(2), m(3)]);
}

#[test]
fn donors_are_read_only_where_the_base_is_seen() {
    let root = Model::new(1);
    let child = |seed| root.trained(seed, 0..0, 1.0);
    let (a, b) = (child(2), child(3));
    // A quarter of the values of a masked merge is the root's.
    let merge = root.with_masked([&a, &b], 7);
    let geometry = of_models(&[root.clone(), a, b, merge, child(4), child(5)]);
    let of = |seen: f64| {
        let mut weights = Weights::default();
        weights.masked.seen = seen;
        found(&geometry, &star(6), &weights).len()
    };
    assert_eq!([of(0.1), of(0.3)], [1, 0]);
}

#[test]
fn ordinary_families_have_no_masks() {
    let root = Model::new(1);
    let child = |seed| root.trained(seed, 0..6, 1.0);
    let (a, b) = (child(2), child(3));
    let geometry = of_models(&[root.clone(), a.clone(), b, a.trained(6, 0..0, 1.0), child(4), child(5)]);
    assert_eq!(found(&geometry, &star(6), &Weights::default()), []);
}

#[test]
fn traces_are_recognized_by_factors_or_by_untouched_values() {
    let names = ["untouched", "untouched_alone", "least", "moved", "share", "share_alone", "beside"];
    noticed("masked", &names, |w| {
        let of = |t: &Traces| format!("{:?}", recognized(t, &w.masked));
        let mut cases = vec![
            traces_of(0.1, &[0.08, 0.09]),
            traces_of(0.05, &[0.08, 0.09]),
            traces_of(0.05, &[0.12, 0.15]),
            traces_of(0.1, &[0.04, 0.1]),
            traces_of(0.1, &[0.5, 0.4, 0.08]),
            traces_of(0.2, &[0.01, 0.01]),
        ];
        cases.push(Traces { least: 0.03, ..traces_of(0.2, &[]) });
        cases.push(Traces { resolved: 0.25, ..traces_of(0.2, &[]) });
        let mut followed = traces_of(0.1, &[0.3, 0.3]);
        followed.donors[0].followed = true;
        cases.push(followed);
        cases.iter().map(of).collect::<Vec<_>>().join(" ")
    });
    let numbers = Weights::default().masked;
    assert!(recognized(&traces_of(0.1, &[0.08, 0.09]), &numbers).is_some());
    assert!(recognized(&traces_of(0.1, &[0.3, 0.03]), &numbers).is_none());
}

#[test]
fn numbers_of_masks_are_noticed() {
    let root = Model::new(1);
    let child = |seed| root.trained(seed, 0..0, 1.0);
    let (a, b) = (child(2), child(3));
    let merge = root.with_masked([&a, &b], 7);
    let sample = |models: [&Model; 4]| {
        let geometry = of_models(&models.map(Model::clone));
        geometry.read_sample(&ids(&geometry)).unwrap().unwrap()
    };
    // Six rows of sixteen columns are dead to nine tenths.
    let dead = |rows| root.trained(9, 0..rows, 1.0);
    let follower = merge.trained(11, 0..0, 1.0).with_rows_of(&merge, 0..20);
    noticed("masked", &["line"], |w| {
        let all = [
            sample([&root, &merge, &a, &b]),
            sample([&root, &dead(6), &a, &b]),
            sample([&root, &merge, &follower, &a]),
        ];
        all.iter().map(|s| format!("{:?}", traces(s, &w.masked))).collect::<Vec<_>>().join(" ")
    });
    // The third member has a small share in the child.
    let slight = |share: f64| {
        let child = point(&[(0, 10.0), (1, 0.5), (2, share), (9, 1.0)]);
        alike(3, &[point(&[(0, 10.0)]), point(&[(0, 10.0), (1, 1.0)]), point(&[(0, 10.0), (2, 1.0)]), child])
    };
    noticed("masked", &["donor"], |w| {
        [0.03, 0.06]
            .map(|share| {
                let geometry = slight(share);
                let (ids, solved) = (ids(&geometry), star(4));
                let comparison = geometry.compare(&ids).unwrap();
                let squared = comparison.squared_distances();
                let search = Search {
                    squared: &squared,
                    geometry: &geometry,
                    models: &ids,
                    comparison: &comparison,
                    solved: &solved,
                    weights: w,
                };
                format!("{:?}", search.donors(m(0), m(3)))
            })
            .join(" ")
    });
}

#[test]
fn members_beside_a_donor_are_asked_too() {
    let beside = |x: f64| point(&[(0, 10.0), (1, x), (2, (1.0 - x * x).sqrt())]);
    let [root, a, b] = [point(&[(0, 10.0)]), point(&[(0, 10.0), (1, 1.0)]), point(&[(0, 10.0), (3, 1.0)])];
    let child = point(&[(0, 10.0), (1, 0.5), (3, 0.5)]);
    let geometry = alike(3, &[root, a, b, beside(0.95), beside(0.9), beside(0.85), child]);
    noticed("masked", &["mates"], |w| {
        let (ids, solved) = (ids(&geometry), star(7));
        let comparison = geometry.compare(&ids).unwrap();
        let squared = comparison.squared_distances();
        let (models, comparison) = (&ids[..], &comparison);
        let search = Search { geometry: &geometry, models, comparison, squared: &squared, solved: &solved, weights: w };
        format!("{:?}", search.donors(m(0), m(6)))
    });
}

#[test]
fn parents_have_the_same_share_in_every_parameter() {
    let found = |w: &Weights, shares: [[f64; 2]; 3]| {
        let of = |share: [f64; 2]| {
            let child = point(&[(0, 10.0), (1, share[0]), (2, share[1]), (9, 1.0)]);
            vec![point(&[(0, 10.0)]), point(&[(0, 10.0), (1, 1.0)]), point(&[(0, 10.0), (2, 1.0)]), child]
        };
        let geometry = of_points(&shares.map(of));
        let comparison = geometry.compare(&ids(&geometry)).unwrap();
        combination(&comparison, m(0), m(3), &[m(1), m(2)], w)
    };
    let weights = Weights::default();
    let merge = found(&weights, [[0.5, 0.5]; 3]).unwrap();
    assert_eq!(merge.parents.len(), 2);
    assert!(found(&weights, [[0.5, 0.1]; 3]).is_none());
    noticed("masked", &["least_weight", "spread"], |w| {
        format!("{:?} {:?}", found(w, [[0.5, 0.25]; 3]), found(w, [[0.4, 0.4], [0.5, 0.5], [0.6, 0.6]]))
    });
}

#[test]
fn distances_alone_have_no_masks() {
    let geometry = alike(1, &[point(&[(0, 10.0)]), point(&[(0, 10.0), (1, 1.0)]), point(&[(0, 10.0), (2, 1.0)])]);
    assert_eq!(found(&geometry, &star(3), &Weights::default()), []);
}
