use super::*;

/// Models as points with a name, the expected family of each, and which clusterers divide them otherwise by their nature.
struct Story {
    name: &'static str,
    points: &'static [(&'static str, [f64; 2], usize)],
    /// Names of the points that DBSCAN leaves out as noise.
    noise: &'static [&'static str],
}

const STORIES: &[Story] = &[
    Story { name: "pair", points: &[("parent", [0.0, 0.0], 0), ("child", [1.0, 0.0], 0)], noise: &[] },
    Story {
        name: "star",
        points: &[
            ("parent", [0.0, 0.0], 0),
            ("east", [1.0, 0.0], 0),
            ("north", [0.0, 1.0], 0),
            ("west", [-1.0, 0.0], 0),
            ("south", [0.0, -1.0], 0),
        ],
        noise: &[],
    },
    Story {
        name: "two stars",
        points: &[
            ("parent a", [0.0, 0.0], 0),
            ("parent b", [20.0, 0.0], 1),
            ("child a1", [1.0, 0.2], 0),
            ("child b1", [21.0, -0.3], 1),
            ("child a2", [-0.8, 0.1], 0),
            ("child b2", [20.1, 1.2], 1),
        ],
        noise: &[],
    },
    Story {
        name: "star and stranger",
        points: &[
            ("parent", [0.0, 0.0], 0),
            ("east", [1.0, 0.0], 0),
            ("north", [0.0, 1.1], 0),
            ("stranger", [300.0, -40.0], 1),
        ],
        noise: &["stranger"],
    },
    Story {
        name: "chain",
        points: &[
            ("first", [0.0, 0.0], 0),
            ("second", [1.0, 0.1], 0),
            ("third", [2.0, -0.1], 0),
            ("fourth", [3.0, 0.2], 0),
            ("fifth", [4.0, 0.0], 0),
        ],
        noise: &[],
    },
    Story {
        name: "identical models",
        points: &[("one", [0.5, 2.0], 0), ("copy", [0.5, 2.0], 0), ("another copy", [0.5, 2.0], 0)],
        noise: &[],
    },
    Story {
        name: "strangers",
        points: &[("a", [0.0, 0.0], 0), ("b", [9.0, 1.0], 1), ("c", [2.0, 8.0], 2)],
        noise: &["a", "b", "c"],
    },
    Story { name: "one model", points: &[("alone", [3.0, 4.0], 0)], noise: &["alone"] },
    Story { name: "no model", points: &[], noise: &[] },
];

fn coordinates(story: &Story) -> Array2<f64> {
    Array2::from_shape_fn((story.points.len(), 2), |(i, c)| story.points[i].1[c])
}

#[test]
fn expected_families_that_stand_apart_come_back_from_every_clusterer() {
    for story in STORIES {
        let expected: Vec<usize> = story.points.iter().map(|p| p.2).collect();
        for clusterer in scale_free() {
            let quantile = format!("{clusterer:?}").contains("Quantile");
            if quantile {
                continue;
            }
            let context = format!("{}: {clusterer:?}", story.name);
            let found = cluster(&*clusterer, &coordinates(story), &expected, 1).expect(&context).labels;
            let leaves_noise = context.contains("Dbscan");
            let want: Vec<Option<usize>> = story
                .points
                .iter()
                .map(|(name, _, family)| (!(leaves_noise && story.noise.contains(name))).then_some(*family))
                .collect();
            assert_eq!(partition(&found), partition(&want), "{context}");
        }
    }
}

#[test]
fn models_without_coordinates_are_one_family() {
    for n in [0, 1, 2, 5] {
        for clusterer in scale_free() {
            let found = cluster(&*clusterer, &Array2::zeros((n, 0)), &vec![0; n], 1).unwrap().labels;
            let noise = n == 1 && format!("{clusterer:?}").starts_with("Dbscan");
            assert_eq!(found, vec![(!noise).then_some(0); n], "{n} models: {clusterer:?}");
        }
    }
}

#[test]
fn more_families_than_models_are_refused() {
    let two = coordinates(&STORIES[0]);
    let refused = |clusterer: &dyn Clusterer| {
        let error = cluster(clusterer, &two, &[0, 0], 1).unwrap_err();
        assert!(matches!(error, Error::FamilyCount { found: 3, least: 1, most: 2, .. }), "{clusterer:?}: {error}");
    };
    refused(&KMeans::new().with_families(3));
    refused(&GaussianMixture::new().with_families(3));
}

#[test]
fn more_families_than_different_models_give_the_different_models() {
    let copies = Array2::from_shape_fn((5, 1), |(i, _)| (i % 2) as f64);
    let clusterers: [&dyn Clusterer; 2] = [&KMeans::new().with_families(4), &GaussianMixture::new().with_families(4)];
    for clusterer in clusterers {
        let found = cluster(clusterer, &copies, &[0; 5], 1).unwrap().labels;
        assert_eq!(partition(&found), [0, 1, 0, 1, 0].map(Some), "{clusterer:?}");
    }
}

#[test]
fn as_many_families_as_models_leave_each_alone() {
    let story = coordinates(&STORIES[1]);
    let clusterers: [&dyn Clusterer; 2] = [&KMeans::new().with_families(5), &GaussianMixture::new().with_families(5)];
    for clusterer in clusterers {
        let found = cluster(clusterer, &story, &[0; 5], 1).unwrap().labels;
        assert_eq!(partition(&found), [0, 1, 2, 3, 4].map(Some), "{clusterer:?}");
    }
}

/// One child farther from its family than another family is: the expected radius gives the child up, not the families.
#[test]
fn one_wild_child_does_not_join_all_families() {
    let coordinates = ndarray::array![[0.0], [0.1], [0.2], [0.3], [90.0], [5.0], [5.1], [5.2], [5.3]];
    let expected = [0, 0, 0, 0, 0, 1, 1, 1, 1];
    let found = |clusterer: &dyn Clusterer| cluster(clusterer, &coordinates, &expected, 1).unwrap().labels;
    let want = |wild| [Some(0), Some(0), Some(0), Some(0), wild, Some(1), Some(1), Some(1), Some(1)];
    assert_eq!(partition(&found(&Dbscan::new())), partition(&want(None)));
    assert_eq!(partition(&found(&MeanShift::new())), partition(&want(Some(2))));
}

#[cfg(feature = "testing")]
#[test]
fn every_clusterer_keeps_the_contract() {
    for clusterer in scale_free() {
        assert_eq!(neural_phylogeny::testing::check_clusterer(&*clusterer), Ok(()), "{clusterer:?}");
    }
}
