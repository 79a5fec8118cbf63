//! Detection on small networks of known lineage.

use neural_phylogeny::detect::Families;
use neural_phylogeny::detect::cluster::{ClusterDetector, Clustering, ExpectedFamilies, Points};
use neural_phylogeny::parent::{Medoid, SmallestNorm};
use neural_phylogeny::phylogeny::{FamilyId, Remark};
use neural_phylogeny::{Clusterer, Config, Error, InMemory, ModelSet, Phylogeny, Relation, detect_phylogeny};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;

const SHAPES: [(&str, &[usize]); 4] =
    [("fc1.weight", &[40, 30]), ("fc1.bias", &[40]), ("fc2.weight", &[20, 40]), ("fc3.weight", &[30, 20])];

type Network = Vec<Vec<f32>>;

struct Trainer(ChaCha8Rng);

impl Trainer {
    fn network(&mut self) -> Network {
        SHAPES.iter().map(|(_, s)| (0..s.iter().product()).map(|_| self.0.gen_range(-1.0f32..1.0)).collect()).collect()
    }

    fn tuned(&mut self, parent: &Network, movement: f32) -> Network {
        parent.iter().map(|t| t.iter().map(|w| w + self.0.gen_range(-movement..movement)).collect()).collect()
    }
}

fn source(network: &Network) -> InMemory {
    SHAPES.iter().zip(network).fold(InMemory::new(), |m, ((n, s), w)| m.with_parameter(*n, s, w.clone()).unwrap())
}

fn set(models: &[(&str, &Network)]) -> ModelSet {
    models.iter().fold(ModelSet::builder(), |b, (name, n)| b.with_model(*name, source(n))).build().unwrap()
}

/// Two roots with three children each, and one model of no family.
fn two_stars() -> Vec<(&'static str, Network)> {
    let mut t = Trainer(ChaCha8Rng::seed_from_u64(1));
    let (a, b, alone) = (t.network(), t.network(), t.network());
    let tuned: Vec<Network> = [&a, &a, &a, &b, &b, &b].map(|r| t.tuned(r, 0.2)).into();
    let names = ["a1", "a2", "a3", "b1", "b2", "b3"];
    let mut models: Vec<_> = names.into_iter().zip(tuned).collect();
    models.extend([("a", a), ("b", b), ("alone", alone)]);
    models
}

fn view<'a>(models: &'a [(&'static str, Network)]) -> Vec<(&'static str, &'a Network)> {
    models.iter().map(|(n, m)| (*n, m)).collect()
}

fn edges(phylogeny: &Phylogeny) -> BTreeSet<(String, String)> {
    let name = |m| phylogeny.name(m).to_owned();
    phylogeny.edges().iter().map(|e| (name(e.parent), name(e.child))).collect()
}

fn expected(pairs: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    pairs.iter().map(|(p, c)| ((*p).to_owned(), (*c).to_owned())).collect()
}

const STARS: [(&str, &str); 6] = [("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("b", "b2"), ("b", "b3")];

#[test]
fn two_stars_and_a_stranger_are_told_apart_without_settings() {
    let models = two_stars();
    let phylogeny = detect_phylogeny(&set(&view(&models)), Config::default()).unwrap();
    assert_eq!(edges(&phylogeny), expected(&STARS));
    assert_eq!(phylogeny.isolated().map(|m| phylogeny.name(m)).collect::<Vec<_>>(), ["alone"]);
    assert!(phylogeny.remarks().contains(&Remark::FamiliesExpected { count: 3 }));
    for edge in phylogeny.edges() {
        // Increments are spread evenly over lines here, so that only the middle of the star speaks for its root.
        assert!(edge.confidence.unwrap() > 0.5 && edge.distance.unwrap() > 0.0, "{edge:?}");
    }
}

#[test]
fn shuffling_and_renaming_permute_the_result_and_change_nothing_else() {
    let models = two_stars();
    let reference = detect_phylogeny(&set(&view(&models)), Config::default()).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for _ in 0..5 {
        let mut order: Vec<usize> = (0..models.len()).collect();
        order.sort_by_key(|_| rng.next_u32());
        let names: Vec<String> = order.iter().map(|i| format!("x{}", i * 7 % 9)).collect();
        let shuffled: Vec<(&str, &Network)> =
            order.iter().zip(&names).map(|(&i, n)| (n.as_str(), &models[i].1)).collect();
        let found = detect_phylogeny(&set(&shuffled), Config::default()).unwrap();
        let original = |m: neural_phylogeny::ModelId| order[m.index()];
        let key = |p: usize, c: usize, e: &neural_phylogeny::Edge| {
            (p, c, e.distance.map(f64::to_bits), e.confidence.map(f64::to_bits))
        };
        let plain: BTreeSet<_> = reference.edges().iter().map(|e| key(e.parent.index(), e.child.index(), e)).collect();
        let moved: BTreeSet<_> = found.edges().iter().map(|e| key(original(e.parent), original(e.child), e)).collect();
        assert_eq!(plain, moved);
    }
}

#[test]
fn a_count_of_families_is_kept() {
    let models = two_stars();
    for count in 1..=9 {
        let detector = ClusterDetector::new(ExpectedFamilies).with_families(Families::Count(count));
        let phylogeny = detect_phylogeny(&set(&view(&models)), Config::default().with_detector(detector)).unwrap();
        assert_eq!(phylogeny.families().len(), count);
    }
    for count in [0, 10] {
        let detector = ClusterDetector::new(ExpectedFamilies).with_families(Families::Count(count));
        let result = detect_phylogeny(&set(&view(&models)), Config::default().with_detector(detector));
        assert!(matches!(result, Err(Error::FamilyCount { found, least: 1, most: 9, .. }) if found == count));
    }
}

#[test]
fn a_tie_is_an_outcome() {
    let mut t = Trainer(ChaCha8Rng::seed_from_u64(2));
    let parent = t.network();
    let child = t.tuned(&parent, 0.1);
    let models = set(&[("one", &parent), ("two", &child)]);
    // Two models are equally far from each other: their medoid is a tie.
    let phylogeny = detect_phylogeny(&models, Config::default().with_selector(Medoid)).unwrap();
    assert!(phylogeny.edges().is_empty());
    assert_eq!(phylogeny.families().len(), 1);
    assert_eq!(phylogeny.families()[0].roots.len(), 2);
    assert_eq!(phylogeny.margin(FamilyId::new(0)), Some(0.0));
    assert!(phylogeny.remarks().contains(&Remark::Ties { count: 1 }));
    let settled = detect_phylogeny(&models, Config::default().with_selector(SmallestNorm)).unwrap();
    assert_eq!(settled.edges().len(), 1);
}

#[test]
fn a_duplicate_adds_one_edge_and_changes_no_other() {
    let models = two_stars();
    let before = edges(&detect_phylogeny(&set(&view(&models)), Config::default()).unwrap());
    for original in ["a", "b2", "alone"] {
        let mut models = models.clone();
        let copy = models.iter().find(|m| m.0 == original).unwrap().1.clone();
        models.push(("copy", copy));
        let phylogeny = detect_phylogeny(&set(&view(&models)), Config::default()).unwrap();
        let mut after = edges(&phylogeny);
        assert!(after.remove(&(original.to_owned(), "copy".to_owned())), "{after:?}");
        assert_eq!(after, before);
        let edge = phylogeny.parents(phylogeny.id("copy").unwrap())[0];
        assert_eq!((edge.relation, edge.distance, edge.confidence), (Relation::Duplicate, Some(0.0), Some(0.5)));
    }
}

#[test]
fn identical_models_alone_are_one_family() {
    let network = Trainer(ChaCha8Rng::seed_from_u64(3)).network();
    let models = set(&[("x", &network), ("y", &network), ("z", &network)]);
    let phylogeny = detect_phylogeny(&models, Config::default()).unwrap();
    assert_eq!(phylogeny.families().len(), 1);
    assert!(phylogeny.edges().iter().all(|e| e.relation == Relation::Duplicate));
}

#[test]
fn models_that_cannot_be_compared_never_share_a_family() {
    let mut t = Trainer(ChaCha8Rng::seed_from_u64(4));
    let root = t.network();
    let child = t.tuned(&root, 0.1);
    let other = |v: f32| {
        InMemory::new().with_parameter("other.weight", [64, 64], (0..4096).map(|i| (i as f32 * v).sin()).collect())
    };
    let models = ModelSet::builder()
        .with_model("root", source(&root))
        .with_model("o1", other(1.0).unwrap())
        .with_model("child", source(&child))
        .with_model("o2", other(1.0).unwrap())
        .build()
        .unwrap();
    let phylogeny = detect_phylogeny(&models, Config::default()).unwrap();
    assert_eq!(phylogeny.families().len(), 2);
    assert!(phylogeny.remarks().contains(&Remark::LayoutGroups { count: 2 }));
}

#[derive(Debug)]
struct Outside(fn(&Points<'_>) -> Clustering);

impl Clusterer for Outside {
    fn cluster(&self, points: &Points<'_>, _: &mut dyn RngCore) -> Result<Clustering, Error> {
        Ok((self.0)(points))
    }
}

#[test]
fn noise_is_isolated_and_a_wrong_number_of_labels_refused() {
    let models = two_stars();
    let noise = ClusterDetector::new(Outside(|p| Clustering::new(vec![None; p.len()])));
    let phylogeny = detect_phylogeny(&set(&view(&models)), Config::default().with_detector(noise)).unwrap();
    assert_eq!(phylogeny.isolated().count(), 9);
    assert!(phylogeny.remarks().contains(&Remark::Noise { count: 9 }));
    let short = ClusterDetector::new(Outside(|_| Clustering::new(vec![Some(0)])));
    let result = detect_phylogeny(&set(&view(&models)), Config::default().with_detector(short));
    assert!(matches!(result, Err(Error::Clustering { .. })));
}

#[test]
fn a_minimum_confidence_withholds_edges_and_is_a_share() {
    let models = two_stars();
    let set = set(&view(&models));
    let detected = |minimum| detect_phylogeny(&set, Config::default().with_minimum_confidence(minimum));
    let [all, none] = [0.0, 1.0].map(|minimum| detected(minimum).unwrap());
    assert_eq!((all.edges().len(), none.edges().len()), (6, 0));
    let members = |p: &Phylogeny| p.families().iter().map(|f| f.members.clone()).collect::<Vec<_>>();
    assert_eq!(members(&all), members(&none));
    assert!(none.remarks().contains(&Remark::Withheld { edges: 6, minimum: 1.0 }));
    for minimum in [-0.1, 1.1, f64::NAN] {
        assert!(matches!(detected(minimum), Err(Error::InvalidSetting { setting: "minimum_confidence", .. })));
    }
}

#[test]
fn every_model_that_fails_in_the_pass_is_skipped_in_one_go() -> Result<(), Error> {
    use neural_phylogeny::geometry::Progress;
    use neural_phylogeny::model_set::OnUnreadable;
    use std::ops::ControlFlow;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    // The first look at a model takes some 4,000 values of its middle, so that the ends are seen only by the pass.
    let size = 300 * 300;
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let base: Vec<f32> = (0..size).map(|_| rng.gen_range(-1.0..1.0)).collect();
    let mut tuned = || -> Vec<f32> { base.iter().map(|w| w + rng.gen_range(-0.1f32..0.1)).collect() };
    let mut weights =
        [("base", base.clone()), ("first", tuned()), ("child", tuned()), ("last", tuned()), ("other", tuned())];
    weights[1].1[0] = f32::NAN;
    weights[3].1[size - 1] = f32::NEG_INFINITY;
    let set = |on_unreadable, wanted: &dyn Fn(&str) -> bool| {
        let builder = ModelSet::builder().with_on_unreadable(on_unreadable);
        let models = weights.iter().filter(|(name, _)| wanted(name));
        let model = |w: &Vec<f32>| InMemory::new().with_parameter("w", [300, 300], w.clone()).unwrap();
        models.fold(builder, |b, (name, w)| b.with_model(*name, model(w))).build()
    };
    let error = detect_phylogeny(&set(OnUnreadable::Stop, &|_| true)?, Config::new()).unwrap_err();
    assert!(error.to_string().contains("holds "), "{error}");

    // With one thread, the number of values read falls only where a pass begins again.
    let [last, restarts] = [0, 0].map(|_| Arc::new(AtomicU64::new(0)));
    let (seen, counted) = (Arc::clone(&last), Arc::clone(&restarts));
    let observer = move |progress: Progress| {
        let before = seen.swap(progress.read, Ordering::Relaxed);
        counted.fetch_add(u64::from(progress.read < before), Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    let config = Config::new().with_threads(1).with_observer(observer);
    let found = detect_phylogeny(&set(OnUnreadable::Skip, &|_| true)?, config)?;
    let skipped: Vec<(&str, bool)> =
        found.skipped().iter().map(|s| (s.name.as_str(), s.reason.contains("holds "))).collect();
    assert_eq!(skipped, [("first", true), ("last", true)]);
    assert_eq!(restarts.load(Ordering::Relaxed), 1, "one pass finds both");
    let without =
        detect_phylogeny(&set(OnUnreadable::Stop, &|name| !["first", "last"].contains(&name))?, Config::new())?;
    assert_eq!(found.with_skipped(Vec::new()), without);
    Ok(())
}
