//! Each witness alone.

mod side_by_side;

use super::*;
use crate::detect::lineage::tests::fixture::{Model, alike, ids, m, noticed, of_models, of_points, point};
use crate::detect::lineage::weights::Weights;
use crate::model_set::ModelId;
use crate::source::Dtype;

/// What a witness says for `first` before `later`, given these models.
fn precedes(witness: &dyn Witness, weights: &Weights, models: &[Model], first: usize, later: usize) -> f64 {
    let geometry = of_models(models);
    let ids = ids(&geometry);
    let lineage = Lineage::of(&geometry, &ids, weights).unwrap();
    witness.precedes(&lineage, m(first), m(later))
}

/// What a witness says of `parent` → `child` under the root 0: what it measures, and what it forbids.
fn inherits(witness: &dyn Witness, weights: &Weights, models: &[Model], parent: usize, child: usize) -> [f64; 2] {
    let geometry = of_models(models);
    let ids = ids(&geometry);
    let lineage = Lineage::of(&geometry, &ids, weights).unwrap();
    let mut hypothesis = Hypothesis::of(&lineage, m(0));
    hypothesis.derive().unwrap();
    let (parent, child) = (m(parent), m(child));
    [witness.inherits(&hypothesis, parent, child), witness.forbids(&hypothesis, parent, child)]
}

/// A root, a child and another one, rows of the root kept in each.
fn family() -> [Model; 3] {
    let root = Model::new(1);
    let child = root.trained(2, 0..6, 1.0);
    let other = root.trained(3, 0..6, 1.0);
    [root, child, other]
}

#[test]
fn counters_go_one_way_and_speak_of_nothing_else() {
    let weights = Weights::default();
    let [root, child, other] = family();
    let says = |a: Model, b: Model| precedes(&counters::Counters, &weights, &[a, b, other.clone()], 0, 1);
    assert_eq!(says(root.clone().with_counter(3.0), child.clone().with_counter(5.0)), 4.0);
    assert_eq!(says(root.clone().with_counter(5.0), child.clone().with_counter(3.0)), -4.0);
    assert_eq!(says(root.clone().with_counter(5.0), child.clone().with_counter(5.0)), 0.0);
    assert_eq!(says(root.clone(), child.clone()), 0.0);
    let forbids = |a: f32, b: f32| {
        let models = [root.clone(), child.clone().with_counter(a), other.clone().with_counter(b)];
        inherits(&counters::Counters, &weights, &models, 1, 2)
    };
    assert_eq!([forbids(2.0, 1.0), forbids(1.0, 2.0), forbids(1.0, 1.0)], [[0.0, -20.0], [0.0, 0.0], [0.0, 0.0]]);
    noticed("witnesses.counters", &[], |w| {
        precedes(&counters::Counters, w, &[root.clone().with_counter(1.0), child.clone().with_counter(2.0)], 0, 1)
            .to_string()
    });
}

#[test]
fn vocabularies_grow() {
    let weights = Weights::default();
    let [root, child, other] = family();
    let models = [root, child.with_rows(4), other];
    assert_eq!(precedes(&vocabulary::Vocabulary, &weights, &models, 0, 1), 3.0);
    assert_eq!(precedes(&vocabulary::Vocabulary, &weights, &models, 1, 0), -3.0);
    assert_eq!(precedes(&vocabulary::Vocabulary, &weights, &models, 0, 2), 0.0);
    assert_eq!(inherits(&vocabulary::Vocabulary, &weights, &models, 1, 2), [0.0, -8.0]);
    assert_eq!(inherits(&vocabulary::Vocabulary, &weights, &models, 2, 1), [0.0, 0.0]);
    noticed("witnesses.vocabulary", &[], |w| {
        let root = precedes(&vocabulary::Vocabulary, w, &models, 0, 1);
        format!("{root} {:?}", inherits(&vocabulary::Vocabulary, w, &models, 1, 2))
    });
}

#[test]
fn lines_that_decay_shrank_are_later_ones() {
    let root = Model::new(1);
    let of = |rows: usize, factor: f32| [root.clone(), root.trained(2, 0..rows, factor), root.trained(3, 0..6, 1.0)];
    let weights = Weights::default();
    let says = |rows, factor| precedes(&decay::ExactDecay, &weights, &of(rows, factor), 0, 1);
    assert_eq!([says(3, 0.98), says(3, 1.02), says(3, 1.0)], [4.0, -4.0, 0.0]);
    // Two lines give no factor to rely on, and rounding moves one by less than 3e-6.
    assert_eq!([says(2, 0.98), says(3, 0.999_999)], [0.0, 0.0]);
    let forbids = |parent, child| inherits(&decay::ExactDecay, &weights, &of(6, 0.98), parent, child);
    assert_eq!([forbids(1, 2), forbids(2, 1)], [[0.0, -20.0], [0.0, 0.0]]);
    let scenario = |w: &Weights| {
        let says = |rows, factor| precedes(&decay::ExactDecay, w, &of(rows, factor), 0, 1);
        format!("{} {} {}", says(3, 0.98), says(2, 0.98), says(6, 0.999_996))
    };
    noticed("witnesses.decay", &[], scenario);
    noticed("tolerances", &["factor"], scenario);
}

#[test]
fn scattered_factors_are_no_decay() {
    let root = Model::new(1);
    let shrunk = |factor| root.trained(2, 0..9, factor);
    // The median factor is 1 % below 1, and the median deviation from it 0.15 % or 0.25 %.
    let says = |w: &Weights, apart: f32| {
        let child = shrunk(0.99).with_rows_of(&shrunk(0.99 - apart), 0..3).with_rows_of(&shrunk(0.99 + apart), 3..6);
        let child =
            child.with_rows_of(&shrunk(0.99 - 1.5 * apart), 6..7).with_rows_of(&shrunk(0.99 + 1.5 * apart), 7..8);
        precedes(&decay::ExactDecay, w, &[root.clone(), child, root.trained(3, 0..9, 1.0)], 0, 1)
    };
    let weights = Weights::default();
    assert_eq!([says(&weights, 0.0015), says(&weights, 0.0025)], [4.0, 0.0]);
    noticed("tolerances", &["deviations"], |w| says(w, 0.0015).to_string());
}

/// The same numbers, with every member a rival.
fn all_rivals(weights: &Weights) -> Weights {
    let mut weights = *weights;
    weights.root.rivals = 9;
    weights
}

#[test]
fn others_share_untouched_lines_with_the_parent() {
    let root = Model::new(1);
    let weights = all_rivals(&Weights::default());
    // Three children keep ten rows of the root; the rival trained some of them.
    let of = |lost: usize| {
        let child = |seed| root.trained(seed, 0..10, 1.0);
        [root.clone(), root.trained(2, lost..10, 1.0), child(3), child(4), child(5)]
    };
    let says = |w: &Weights, lost| precedes(&lines::SharedLines, &all_rivals(w), &of(lost), 0, 1);
    assert!((says(&weights, 8) - 1.5 * 4f64.ln()).abs() < 1e-12, "{}", says(&weights, 8));
    assert!((precedes(&lines::SharedLines, &weights, &of(8), 1, 0) + 1.5 * 4f64.ln()).abs() < 1e-12);
    assert_eq!([says(&weights, 1), says(&weights, 0)], [0.0, 0.0]);
    noticed("witnesses.lines", &[], |w| format!("{} {}", says(w, 8), says(w, 1)));
}

#[test]
fn branches_that_share_a_line_contradict_who_lacks_it() {
    let root = Model::new(1);
    let weights = Weights::default();
    for sharing in 1..=3 {
        let keeps = |branch: usize| if branch < sharing { 0..6 } else { 0..0 };
        let mut models = vec![root.clone()];
        models.extend((0..4).map(|b| root.trained(2 + b as u64, keeps(b), 1.0)));
        let geometry = of_models(&models);
        let ids = ids(&geometry);
        let lineage = Lineage::of(&geometry, &ids, &weights).unwrap();
        let branches: Vec<Member> = lineage.members().collect();
        let counts = lines::SharedLines.contradicts(&lineage, &branches);
        // The root has the lines itself, so that it counts as one more that shares them. What one branch alone has is shared
        // by that branch.
        assert_eq!((counts[4], counts[0]), (sharing + 1, 1), "{counts:?}");
    }
}

#[test]
fn branches_that_share_a_tensor_contradict_who_lacks_it() {
    let weights = Weights::default();
    for sharing in 2..=3usize {
        let mut first: Vec<Vec<f64>> = (0..5).map(|i| point(&[(0, 5.0), (i + 1, 1.0)])).collect();
        let second: Vec<Vec<f64>> = first.clone();
        for shared in first.iter_mut().skip(1).take(sharing) {
            *shared = point(&[(0, 5.0), (9, 1.0)]);
        }
        let geometry = of_points(&[first, second]);
        let ids = ids(&geometry);
        let lineage = Lineage::of(&geometry, &ids, &weights).unwrap();
        let branches: Vec<Member> = lineage.members().collect();
        let counts = untouched::Untouched.contradicts(&lineage, &branches);
        assert_eq!((counts[0], counts[1], counts[4]), (sharing, 0, if sharing < 4 { sharing } else { 0 }));
    }
}

#[test]
fn what_the_child_left_untouched_is_not_from_who_changed_it() {
    let weights = Weights::default();
    let root = Model::new(1);
    let says = |w: &Weights, of_parent: usize, of_child: usize| {
        let models = [root.clone(), root.trained(2, 0..of_parent, 1.0), root.trained(3, 0..of_child, 1.0)];
        inherits(&untouched::Untouched, w, &models, 1, 2)
    };
    assert_eq!(says(&weights, 0, 2), [0.0, -20.0]);
    assert_eq!([says(&weights, 0, 1), says(&weights, 5, 5), says(&weights, 5, 0)], [[0.0, 0.0]; 3]);
    // A whole tensor is seen without reading lines.
    let models = [root.clone(), root.trained(2, 0..0, 1.0), root.trained(3, 0..0, 1.0).with_second_of(&root)];
    assert_eq!(inherits(&untouched::Untouched, &weights, &models, 1, 2)[0], -20.0);
}

#[test]
fn lines_that_only_the_candidate_has_speak_for_it() {
    let weights = Weights::default();
    let root = Model::new(1);
    let says = |w: &Weights, rows: usize| {
        let parent = root.trained(2, 0..0, 1.0);
        let models = [root.clone(), parent.clone(), parent.trained(3, 0..rows, 1.0), root.trained(4, 0..0, 1.0)];
        inherits(&untouched::Untouched, w, &models, 1, 2)
    };
    assert_eq!([says(&weights, 2), says(&weights, 1)], [[0.0, 10.0], [0.0, 0.0]]);
    noticed("witnesses.untouched", &["derived", "least_lines"], |w| format!("{:?} {:?}", says(w, 2), says(w, 1)));
    noticed("parents", &["compared", "excluded"], |w| {
        let kept = [root.clone(), root.trained(2, 0..0, 1.0), root.trained(3, 0..4, 1.0)];
        let kept = inherits(&untouched::Untouched, w, &kept, 1, 2);
        // Children of one child of the root: each of them looks like the parent of the others.
        let first = root.trained(2, 0..4, 1.0);
        let later = (3..8).map(|seed| first.trained(seed, 0..4, 1.0));
        let models: Vec<Model> = [root.clone(), first.clone()].into_iter().chain(later).collect();
        let geometry = of_models(&models);
        let (ids, weights) = (ids(&geometry), all_rivals(w));
        let lineage = Lineage::of(&geometry, &ids, &weights).unwrap();
        let mut hypothesis = Hypothesis::of(&lineage, m(0));
        hypothesis.derive().unwrap();
        let pairs = lineage.members().flat_map(|q| lineage.members().map(move |c| (q, c)));
        format!("{kept:?} {}", pairs.filter(|&(q, c)| hypothesis.derived(q, c).is_some()).count())
    });
}

#[test]
fn a_small_share_of_lines_may_have_come_back() {
    let root = Model::new(1);
    let says = |w: &Weights| {
        // Two lines of the root that the candidate changed, among 79 that the child left as they were.
        let trained = |seed, kept| root.trained(seed, kept, 1.0).with_second_of(&root);
        inherits(&untouched::Untouched, w, &[root.clone(), trained(2, 0..29), trained(3, 0..31)], 1, 2)
    };
    assert_eq!(says(&Weights::default()), [0.0, -20.0]);
    noticed("witnesses.untouched", &["returned"], |w| format!("{:?}", says(w)));
}

#[test]
fn digits_that_were_rounded_away_do_not_come_back() {
    let weights = Weights::default();
    let root = Model::new(1);
    let says = |w: &Weights, dtype: Dtype, rows: usize| {
        let models = [root.clone(), root.trained(2, 0..0, 1.0).with_dtype(dtype), root.trained(3, 0..rows, 1.0)];
        inherits(&dtype::StoredDtype, w, &models, 1, 2)
    };
    assert_eq!(says(&weights, Dtype::BF16, 4), [0.0, -20.0]);
    assert_eq!([says(&weights, Dtype::F32, 4), says(&weights, Dtype::BF16, 1)], [[0.0, 0.0]; 2]);
    noticed("witnesses.dtype", &[], |w| format!("{:?} {:?}", says(w, Dtype::F16, 1), says(w, Dtype::F16, 2)));
}

/// What a witness measures of `1 → 2` under the root 0, from points alone.
fn by_points(witness: &dyn Witness, weights: &Weights, parameters: usize, points: &[Vec<f64>]) -> f64 {
    let geometry = alike(parameters, points);
    let ids = ids(&geometry);
    let lineage = Lineage::of(&geometry, &ids, weights).unwrap();
    witness.inherits(&Hypothesis::of(&lineage, m(0)), m(1), m(2))
}

fn root() -> Vec<f64> {
    point(&[(0, 10.0)])
}

#[test]
fn angles_tell_descendants_from_siblings() {
    let weights = Weights::default();
    let parent = point(&[(0, 10.0), (1, 1.0)]);
    let child = point(&[(0, 10.0), (1, 1.0), (2, 1.0)]);
    let sibling = point(&[(0, 10.0), (2, 1.0)]);
    let says = |w: &Weights, other: &[f64]| by_points(&angle::Angle, w, 1, &[root(), parent.clone(), other.to_vec()]);
    assert!(says(&weights, &child) > 1.0 && says(&weights, &sibling) < -1.0);
    // One parameter is worth two tests of four, all of many never more than four.
    let of = |parameters| by_points(&angle::Angle, &weights, parameters, &[root(), parent.clone(), child.clone()]);
    assert!((of(3) / of(1) - 1.5).abs() < 1e-9 && of(99) / of(1) < 2.0);
    noticed("parents", &["independent"], |w| says(w, &child).to_string());
    noticed("precedence", &["acute", "obtuse", "cap"], |w| {
        let obtuse = point(&[(0, 10.0), (1, -0.1), (2, 1.0)]);
        // A cosine beyond four scales, to the obtuse side.
        let opposite = point(&[(0, 10.0), (1, -1.0), (2, 0.1)]);
        [&child, &obtuse, &opposite].map(|p| says(w, p).to_string()).join(" ")
    });
    noticed("witnesses.angle", &["descent", "cap", "shared"], |w| {
        let undone = point(&[(0, 10.0), (1, 0.8), (2, 1.0)]);
        let turned = point(&[(0, 10.0), (1, -2.0), (2, 0.1)]);
        [&undone, &turned, &parent].map(|p| says(w, p).to_string()).join(" ")
    });
}

#[test]
fn distances_are_gained_up_to_a_limit() {
    let weights = Weights::default();
    let says = |w: &Weights, apart: f64| {
        let points = [root(), point(&[(0, 10.0), (1, 1.0)]), point(&[(0, 10.0), (1, 1.0), (2, apart)])];
        by_points(&distance::Distance, w, 1, &points)
    };
    // Half of ln(√2) times the two tests that one parameter is worth.
    assert!((says(&weights, 1.0) - 2.0 * 0.5 * 0.5 * 2f64.ln()).abs() < 1e-9, "{}", says(&weights, 1.0));
    assert_eq!(says(&weights, 1e-5), 7.0);
    noticed("witnesses.distance", &[], |w| format!("{} {}", says(w, 1.0), says(w, 1e-5)));
}

#[test]
fn remainders_of_rounding_say_nothing() {
    // What is left of the increment beside the root's own values, or between the two, is a share of 2e-12 or 7e-13.
    noticed("tolerances", &["increment"], |w| {
        let says = |share: f64| {
            let points = [root(), point(&[(0, 20.0), (1, 10.0 * share.sqrt())]), point(&[(0, 10.0), (2, 1.0)])];
            by_points(&angle::Angle, w, 1, &points).to_string()
        };
        format!("{} {}", says(1.5e-12), says(0.7e-12))
    });
}

#[test]
fn norms_grow_by_unrelated_increments() {
    let weights = Weights::default();
    let geometry = alike(1, &[root(), point(&[(0, 10.0), (1, 1.0)]), point(&[(0, 10.0), (1, 1.0), (2, 1.0)])]);
    let ids = ids(&geometry);
    let says = |w: &Weights| {
        let lineage = Lineage::of(&geometry, &ids, w).unwrap();
        (norm::Norm.precedes(&lineage, m(0), m(1)), norm::Norm.inherits(&Hypothesis::of(&lineage, m(0)), m(1), m(2)))
    };
    let (forward, _) = says(&weights);
    assert!(forward > 0.9 && forward < 1.001, "{forward}");
    let lineage = Lineage::of(&geometry, &ids, &weights).unwrap();
    assert_eq!(norm::Norm.precedes(&lineage, m(1), m(0)), -forward);
    let decayed = alike(1, &[root(), point(&[(0, 10.0), (1, 1.0)]), point(&[(0, 9.97), (1, 1.0), (2, 0.6)])]);
    noticed("witnesses.norm", &["beside"], |w| {
        let models = [Model::new(1), Model::new(1).trained_unevenly(2, 0.5)];
        let (geometry, two) = (of_models(&models), [ModelId::new(0), ModelId::new(1)]);
        let lineage = Lineage::of(&geometry, &two, w).unwrap();
        norm::Norm.points(&Hypothesis::of(&lineage, m(0)), m(0), m(1)).to_string()
    });
    noticed("witnesses.norm", &["root", "parent", "spread", "wide"], |w| {
        let lineage = Lineage::of(&decayed, &ids, w).unwrap();
        let parent = norm::Norm.inherits(&Hypothesis::of(&lineage, m(0)), m(1), m(2));
        format!("{:?} {parent}", says(w))
    });
}

#[test]
fn precedence_is_asked_of_rivals_alone() {
    let points: Vec<Vec<f64>> =
        std::iter::once(root()).chain((1..6).map(|i| point(&[(0, 10.0), (i, i as f64)]))).collect();
    let geometry = alike(2, &points);
    let ids = ids(&geometry);
    let says = |w: &Weights| {
        let lineage = Lineage::of(&geometry, &ids, w).unwrap();
        let rivals = lineage.rivals().to_vec();
        (rivals.clone(), precedence::Precedence.precedes(&lineage, rivals[0], rivals[1]))
    };
    let (rivals, first) = says(&Weights::default());
    assert!(rivals.len() == 4 && rivals[0] == m(0) && first > 0.0, "{rivals:?} {first}");
    noticed("witnesses.precedence", &[], |w| says(w).1.to_string());
    noticed("root", &["rivals"], |w| format!("{:?}", says(w).0));
    noticed("precedence", &["rivals", "witnesses", "floor"], |w| {
        let many: Vec<Vec<f64>> =
            (0..140).map(|i| point(&[(0, 10.0), (i % 15 + 1, 1.0 + i as f64 / 7.0), (i / 10 + 1, 0.3)])).collect();
        let scores = crate::parent::Precedences::of(
            &alike(1, &many).compare(&(0..140).map(crate::model_set::ModelId::new).collect::<Vec<_>>()).unwrap(),
            &w.precedence,
        );
        let mut near = points.clone();
        near.push(point(&[(0, 10.0), (5, 5.0 + 0.0015)]));
        let few = crate::parent::Precedences::of(
            &alike(1, &near).compare(&(0..7).map(crate::model_set::ModelId::new).collect::<Vec<_>>()).unwrap(),
            &w.precedence,
        );
        format!("{} {:?} {:?}", scores.rivals.len(), scores.scores(), few.scores())
    });
}

#[test]
fn a_child_has_gone_the_whole_way_to_its_parent() {
    let weights = Weights::default();
    let says = |w: &Weights, gone: f64, on: f64| {
        let points = [root(), point(&[(0, 10.0), (1, 1.0)]), point(&[(0, 10.0), (1, gone), (2, on)])];
        by_points(&slope::Slope, w, 1, &points)
    };
    assert_eq!([says(&weights, 1.0, 1.0), says(&weights, 1.07, 1.0), says(&weights, 0.1, 0.01)], [0.0, 0.0, -4.0]);
    assert!(says(&weights, 0.7, 1.0) < -0.9 && says(&weights, 0.7, 1.0) < says(&weights, 0.7, 5.0));
    noticed("witnesses.slope", &[], |w| {
        [says(w, 0.7, 1.0), says(w, 2.5, 0.1), says(w, 0.1, 0.01)].map(|s| s.to_string()).join(" ")
    });
}

#[test]
fn angles_agree_up_to_a_limit() {
    let points = [root(), point(&[(0, 10.0), (1, 1.0)]), point(&[(0, 10.0), (1, 1.0), (2, 0.02)])];
    let says = |w: &Weights| by_points(&angle::Angle, w, 30, &points);
    assert_eq!(says(&Weights::default()), 10.0);
    noticed("witnesses.angle", &["largest"], |w| says(w).to_string());
}
