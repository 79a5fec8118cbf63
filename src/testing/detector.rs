use super::Violation;
use super::networks::{Story, same, stories, without_panic};
use crate::detect::PhylogenyDetector;
use crate::geometry::Geometry;
use crate::model_set::ModelId;
use crate::parent::{Medoid, ParentSelector, SmallestNorm};
use crate::phylogeny::{FamilyId, Phylogeny};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Checks a [`PhylogenyDetector`] against its contract.
///
/// The sets are stars, chains, copies, two families, models of two layouts, and sets of two. One selector always finds a
/// parent, another one ties.
///
/// - The result is a phylogeny of every model, or an error, and never a panic. An error on every set is a failure.
/// - The same geometry and random numbers give the same phylogeny, whatever ran before.
/// - Models that cannot be compared are never of one family.
/// - Shuffling and renaming the models permutes edges, families, scores and margins and changes nothing else: position settles
///   no tie. Models of the same weights may stand for each other. The last bits of numbers may differ.
///
/// *What* is found is not checked: that depends on settings.
///
/// # Errors
///
/// The broken promise, with the set on which it was broken.
///
/// ```
/// use neural_phylogeny::detect::cluster::{ClusterDetector, ExpectedFamilies};
/// use neural_phylogeny::testing::check_detector;
///
/// assert_eq!(check_detector(&ClusterDetector::new(ExpectedFamilies)), Ok(()));
/// ```
pub fn check_detector(detector: &dyn PhylogenyDetector) -> Result<(), Violation> {
    // Scores of SmallestNorm differ, those of Medoid tie in every pair.
    let selectors: [&dyn ParentSelector; 2] = [&SmallestNorm, &Medoid];
    let mut failed = None;
    let mut given = false;
    for story in stories() {
        for selector in selectors {
            match check_story(detector, selector, &story)? {
                Some(error) => failed = Some(error),
                None => given = true,
            }
        }
    }
    match failed {
        // A detector may refuse one set. One that refuses every set is broken.
        Some(error) if !given => {
            Err(Violation::new("every set", format!("an error, the last `{error}`"), "a phylogeny"))
        }
        _ => Ok(()),
    }
}

/// Checks one set with one selector. Gives the detector's error when it cannot handle the set.
fn check_story(
    detector: &dyn PhylogenyDetector,
    selector: &dyn ParentSelector,
    story: &Story,
) -> Result<Option<String>, Violation> {
    let orders = story.orders();
    let name = format!("{}, {selector:?}", story.name);
    let geometry = story.geometry(&orders[0])?;
    let first = detect(detector, selector, &name, &geometry)?;
    // The second run sees whatever state the first one left in the detector.
    let second = detect(detector, selector, &name, &geometry)?;
    match (&first, &second) {
        (Ok(first), Ok(second)) if first != second => {
            let [first, second] = [first, second].map(|p| Shape::of(p, story, &orders[0]));
            let difference = first.difference(&second);
            let found = difference.unwrap_or_else(|| "others in remarks, or in which copy stands for which".to_owned());
            return Err(Violation::new(name, found, "the same from two runs with the same random numbers"));
        }
        (Ok(_), Err(error)) | (Err(error), Ok(_)) => {
            let found = format!("that one of them failed: {error}");
            return Err(Violation::new(name, found, "the same from two runs with the same random numbers"));
        }
        _ => {}
    }
    for order in &orders[1..] {
        let geometry = story.geometry(order)?;
        let found = detect(detector, selector, &name, &geometry)?;
        match (&first, &found) {
            (Ok(first), Ok(found)) => {
                let want = Shape::of(first, story, &orders[0]);
                if let Some(difference) = want.difference(&Shape::of(found, story, order)) {
                    return Err(Violation::new(name, difference, "the same in another order of the models"));
                }
            }
            // Errors may name models in another order, so that their text is not compared.
            (Err(_), Err(_)) => {}
            (Ok(_), Err(error)) | (Err(error), Ok(_)) => {
                let found = format!("that one of them failed: {error}");
                return Err(Violation::new(name, found, "the same in another order of the models"));
            }
        }
    }
    Ok(first.err())
}

fn detect(
    detector: &dyn PhylogenyDetector,
    selector: &dyn ParentSelector,
    name: &str,
    geometry: &Geometry,
) -> Result<Result<Phylogeny, String>, Violation> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let found = without_panic(name, "a phylogeny", || detector.detect(geometry, selector, &mut rng))?;
    let phylogeny = match found {
        Ok(phylogeny) => phylogeny,
        Err(error) => return Ok(Err(format!("{name}: {error}"))),
    };
    if phylogeny.len() != geometry.len() {
        let (found, expected) = (phylogeny.len(), geometry.len());
        return Err(Violation::new(name, format!("{found} models"), format!("all {expected}")));
    }
    for family in phylogeny.families() {
        let first = family.members[0];
        if let Some(other) = family.members.iter().find(|&&m| !geometry.comparable(first, m)) {
            let (a, b) = (first.index(), other.index());
            let found = format!("models {a} and {b} in one family");
            return Err(Violation::new(name, found, "models that cannot be compared in families apart"));
        }
    }
    Ok(Ok(phylogeny))
}

/// A value that is compared exactly, with numbers that may differ in their last bits.
type Item<K, const N: usize> = (K, [f64; N]);

type EdgeKey = (usize, usize, &'static str);
type FamilyKey = (Vec<usize>, Vec<usize>);

/// A phylogeny whose models are the networks of a story. A copy counts as its original.
struct Shape {
    /// Parent, child and relation; weight, distance and confidence.
    edges: Vec<Item<EdgeKey, 3>>,
    /// Members and roots, with the margin.
    families: Vec<Item<FamilyKey, 1>>,
    /// The model, with its score.
    scores: Vec<Item<usize, 1>>,
}

/// Stands for a missing number. No number that exists is negative infinity.
const ABSENT: f64 = f64::NEG_INFINITY;

impl Shape {
    fn of(phylogeny: &Phylogeny, story: &Story, order: &[usize]) -> Self {
        let originals = story.originals();
        let network = |m: ModelId| originals[order[m.index()]];
        let networks = |models: &[ModelId]| {
            let mut networks: Vec<usize> = models.iter().map(|&m| network(m)).collect();
            networks.sort_unstable();
            networks
        };
        let edges = phylogeny.edges().iter().map(|e| {
            let numbers = [e.weight, e.distance.unwrap_or(ABSENT), e.confidence.unwrap_or(ABSENT)];
            ((network(e.parent), network(e.child), e.relation.as_str()), numbers)
        });
        let families = phylogeny.families().iter().enumerate().map(|(i, f)| {
            ((networks(&f.members), networks(&f.roots)), [phylogeny.margin(FamilyId::new(i)).unwrap_or(ABSENT)])
        });
        let scores = phylogeny.models().map(|m| (network(m), [phylogeny.score(m).unwrap_or(ABSENT)]));
        Self { edges: sorted(edges), families: sorted(families), scores: sorted(scores) }
    }

    fn difference(&self, other: &Self) -> Option<String> {
        // Margins are differences of scores, so that they are compared at the size of scores.
        let scale = self.scores.iter().flat_map(|s| s.1).filter(|s| s.is_finite()).fold(0.0f64, |m, s| m.max(s.abs()));
        differ("edges", &self.edges, &other.edges, 1.0)
            .or_else(|| differ("families", &self.families, &other.families, scale))
            .or_else(|| differ("scores", &self.scores, &other.scores, scale))
    }
}

fn sorted<K: Ord, const N: usize>(items: impl Iterator<Item = Item<K, N>>) -> Vec<Item<K, N>> {
    let mut items: Vec<_> = items.collect();
    let numbers = |a: &[f64; N], b: &[f64; N]| a.iter().zip(b).map(|(x, y)| x.total_cmp(y)).find(|o| o.is_ne());
    items.sort_by(|a, b| a.0.cmp(&b.0).then(numbers(&a.1, &b.1).unwrap_or(std::cmp::Ordering::Equal)));
    items
}

fn differ<K: PartialEq + std::fmt::Debug, const N: usize>(
    what: &str,
    want: &[Item<K, N>],
    found: &[Item<K, N>],
    scale: f64,
) -> Option<String> {
    let close = |a: f64, b: f64| same(a, b, scale.max(a.abs()));
    let equal = |(w, f): (&Item<K, N>, &Item<K, N>)| w.0 == f.0 && w.1.iter().zip(&f.1).all(|(&a, &b)| close(a, b));
    if want.len() == found.len() && want.iter().zip(found).all(equal) {
        return None;
    }
    Some(format!("{what} {found:?} where there were {want:?}"))
}
