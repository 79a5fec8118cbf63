use super::edmonds::{minimum_arborescence, minimum_rooted_arborescence};
use super::family_trees::{self, FamilyTree};
use super::{Families, NamedDetector, NamedSetting, PhylogenyDetector, SelectorUse};
use crate::error::Error;
use crate::geometry::{Comparison, Geometry, Quantity};
use crate::kernel::upper_median;
use crate::model_set::{ModelId, Position};
use crate::parent::ParentSelector;
use crate::phylogeny::Phylogeny;
use rand::RngCore;
use std::fmt;
use std::str::FromStr;

/// How the kurtosis of weights changes from parent to child.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kurtosis {
    /// The kurtosis falls: training specialized the parent (fine-tuning, in MoTHer's terms). The default.
    #[default]
    Falls,
    /// The kurtosis rises: training went on to generalize (continued pre-training, in MoTHer's terms).
    Rises,
}

impl fmt::Display for Kurtosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Falls => "falls",
            Self::Rises => "rises",
        })
    }
}

impl FromStr for Kurtosis {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "falls" => Ok(Self::Falls),
            "rises" => Ok(Self::Rises),
            _ => Err(Error::unknown_word("kurtosis", text, "`falls` or `rises`")),
        }
    }
}

/// Minimum arborescence with the direction of kurtosis, after MoTHer: one tree over each family, of several generations.
///
/// ```text
/// D(i, j) = mean over t of √(d_t²(i, j) / D_t)
/// k(i)    = Σ_t kurtosis of the values of t in model i
/// M(i, j) = D(i, j) + λ · mean(D) · [k(j) > k(i)]          cost of the edge i → j; with `Rises`, [k(j) < k(i)]
/// ```
///
/// Here t runs over the parameters that all members hold, and `D_t` is the number of values of t that the scope covers. mean(D)
/// is taken over the whole matrix, its zero diagonal included. The family's tree is the arborescence of least total cost. Its
/// root is the member that makes that cost least.
///
/// This detector does not use the parent selector. Scores of the result are −k (`Falls`) or k (`Rises`).
///
/// # Assumes
///
/// Kurtosis changes in one known direction along every edge. On networks of known lineage it does not. The direction that
/// fits differs by architecture, and nothing in the weights shows which one it is (see `docs/method.md`).
///
/// # Settings
///
/// - [`with_lambda`](Self::with_lambda): the weight λ of the direction, finite and at least 0. Default: 0.3. At 0 the edges are
///   those of the minimum spanning tree, rooted by kurtosis. Far above 1, the number of edges against the direction decides
///   before distances do.
/// - [`with_kurtosis`](Self::with_kurtosis): the direction. Default: [`Kurtosis::Falls`]. MoTHer sets it by hand for each data
///   set, too.
/// - [`with_families`](Self::with_families): the families to expect. Default: the independence test.
///
/// # Ties
///
/// Costs are symmetric but for the direction, so several roots often cost the same. For example, if two children are above
/// their parent in kurtosis, either may be the root. Among such roots, the one farthest on the parents' side of kurtosis is
/// taken.
///
/// Where kurtosis ties as well (copies whose neurons were permuted), all of them are roots, and what lies between them has no
/// direction. Costs count as equal below 2⁻⁴⁶ of the largest distance, and kurtoses below 10⁻¹² of the largest kurtosis.
/// Between parents of exactly the same cost, the order of [`Geometry::models`] decides, which depends on weights alone.
///
/// # Confidence
///
/// Confidence is the probability of kinship times `½ + ½ (1 − exp(−2 g / s))`. Here g is how far kurtosis changes in the
/// assumed direction along the edge, and 0 when it changes against it. s is the median difference from the median kurtosis of
/// the family. Confidence is not calibrated.
///
/// # Complexity
///
/// O(n² (T + log n)) time and O(n²) memory, some 150 bytes for each ordered pair, for families of n members and T parameters.
/// Each other member that shares the root's kurtosis adds one search for a tree. Parameters are not read.
///
/// # Differs from MoTHer
///
/// - Families come from the independence test instead of Ward clustering into a given number of trees.
/// - All matrix-shaped parameters count. MoTHer chooses one kind of square layers by hand for each architecture. Distances and
///   kurtosis are over the same parameters. Parameters that share one matrix to save memory count as that many tensors.
/// - Only the full-weight distance is used. For LoRA, MoTHer counts the rank of `W_i − W_j`, which inner products do not show.
/// - Copies are joined to their original first. Ties are settled as above, not by the order of names.
///
/// Source: Horwitz, Shul & Hoshen, *Unsupervised Model Tree Heritage Recovery*, ICLR 2025, arXiv:2405.18432, and its published
/// code.
///
/// # Errors
///
/// [`detect`](PhylogenyDetector::detect) returns [`Error::InvalidSetting`] for λ out of range, and the errors of
/// [`Families::expected`].
///
/// ```
/// use neural_phylogeny::{Config, ModelSet, detect_phylogeny};
/// use neural_phylogeny::detect::{Arborescence, Kurtosis};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use neural_phylogeny::InMemory;
/// # use neural_phylogeny::rand::{Rng, SeedableRng};
/// # let mut rng = neural_phylogeny::rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// # let mut trained = |from: &[f32], by: f32| -> Vec<f32> { from.iter().map(|w| w + by * rng.gen_range(-1.0..1.0)).collect() };
/// # let base = trained(&[0.0; 4096], 1.0);
/// # let model = |weights| InMemory::new().with_parameter("fc.weight", [64, 64], weights);
/// # let children = [trained(&base, 0.1), trained(&base, 0.1), trained(&base, 0.1)];
/// let [a, b, c] = children.map(model);
/// let models = ModelSet::from_models([("base", model(base)?), ("a", a?), ("b", b?), ("c", c?)])?;
/// let detector = Arborescence::new().with_kurtosis(Kurtosis::Rises);
/// let phylogeny = detect_phylogeny(&models, Config::default().with_detector(detector))?;
/// assert_eq!(phylogeny.edges().len(), 3);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Arborescence {
    lambda: f64,
    kurtosis: Kurtosis,
    families: Families,
}

impl Default for Arborescence {
    fn default() -> Self {
        Self { lambda: 0.3, kurtosis: Kurtosis::default(), families: Families::default() }
    }
}

impl Arborescence {
    /// The detector with λ = 0.3, falling kurtosis, and families by the independence test.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the weight λ of the direction, finite and at least 0.
    pub fn with_lambda(mut self, lambda: f64) -> Self {
        self.lambda = lambda;
        self
    }

    /// Sets how kurtosis changes from parent to child. Default: it falls.
    pub fn with_kurtosis(mut self, kurtosis: Kurtosis) -> Self {
        self.kurtosis = kurtosis;
        self
    }

    /// Sets how many families to expect. Default: as many as the independence test finds.
    pub fn with_families(mut self, families: Families) -> Self {
        self.families = families;
        self
    }

    /// The tree of one family, with every rooting that costs the same.
    fn tree(&self, comparison: &Comparison) -> FamilyTree {
        let scores = parenthood(comparison, self.kurtosis);
        let ranks = ranks(&scores);
        let edges = costs(comparison, self.lambda, &ranks);
        let root_costs: Vec<(i64, i32)> = ranks.iter().map(|&rank| (0, rank)).collect();
        // Every member reaches every other, so there always is an arborescence.
        let best = minimum_rooted_arborescence(&edges, &root_costs).unwrap_or_else(|| vec![None; scores.len()]);
        let root = best.iter().position(Option::is_none);
        // A root of higher rank loses the tie, so only roots of equal rank are tried.
        let as_good = |&r: &usize| Some(r) != root && root.is_some_and(|root| ranks[r] == ranks[root]);
        let n = scores.len();
        let others = (0..n).filter(as_good).filter_map(|r| minimum_arborescence(n, r, &edges));
        let least = total(&best, &edges);
        let ties: Vec<_> = others.filter(|parents| total(parents, &edges) == least).collect();
        let rootings: Vec<_> = std::iter::once(best).chain(ties).collect();
        FamilyTree {
            distinctness: distinctness(&scores, &rootings[0]),
            margin: (rootings.len() > 1).then_some(0.0),
            rootings,
            scores,
        }
    }
}

/// What the detector is called, and its settings.
pub(super) const NAMED: NamedDetector = NamedDetector::new(
    "arborescence",
    "Families by the independence test, in each a minimum arborescence directed by kurtosis, after MoTHer; uses no selector",
    &[
        NamedSetting::new("lambda", "L", "weight of the direction beside distances, from 0 [default: 0.3]", |word| {
            lambda(word).map(drop)
        }),
        NamedSetting::new(
            "kurtosis",
            "falls|rises",
            "how the kurtosis of weights changes from parent to child [default: falls]",
            |word| word.parse::<Kurtosis>().map(drop),
        ),
    ],
    |families, words| {
        let arborescence = Arborescence::new().with_families(families);
        let arborescence = words.value("lambda", lambda)?.into_iter().fold(arborescence, Arborescence::with_lambda);
        let kurtosis = words.value("kurtosis", str::parse::<Kurtosis>)?;
        Ok(Box::new(kurtosis.into_iter().fold(arborescence, Arborescence::with_kurtosis)))
    },
);

fn lambda(word: &str) -> Result<f64, Error> {
    word.parse().map_err(|_| Error::unknown_word("lambda", word, "a finite number from 0"))
}

impl PhylogenyDetector for Arborescence {
    fn selector_use(&self) -> SelectorUse {
        SelectorUse::Unused
    }

    fn check(&self, groups: usize, models: usize) -> Result<(), Error> {
        if !(self.lambda.is_finite() && self.lambda >= 0.0) {
            let found = self.lambda.to_string();
            return Err(Error::InvalidSetting { setting: "lambda", found, expected: "a finite number from 0" });
        }
        self.families.check(groups, models)
    }

    fn detect(&self, geometry: &Geometry, _: &dyn ParentSelector, _: &mut dyn RngCore) -> Result<Phylogeny, Error> {
        self.check(geometry.groups().len(), geometry.len())?;
        geometry.require(Quantity::Moments)?;
        geometry.require(Quantity::Sizes)?;
        let grow = |members: &[ModelId]| Ok(self.tree(&geometry.compare(members)?));
        family_trees::detect(geometry, self.families, &grow)
    }
}

/// A score for each member: how much it is like a child by kurtosis. The parent has the lowest.
fn parenthood(comparison: &Comparison, change: Kurtosis) -> Vec<f64> {
    let n = comparison.len();
    let mut scores = vec![0.0; n];
    for parameter in comparison.scoped() {
        // Without spread, a parameter has no kurtosis in that member. Then the other members cannot be compared with it.
        let all: Option<Vec<f64>> = Position::all(n).map(|a| parameter.moments(a).kurtosis()).collect();
        for (score, kurtosis) in scores.iter_mut().zip(all.into_iter().flatten()) {
            match change {
                Kurtosis::Falls => *score -= kurtosis,
                Kurtosis::Rises => *score += kurtosis,
            }
        }
    }
    scores
}

/// The rank of each score, the lowest first. Scores that differ by no more than rounding share a rank.
fn ranks(scores: &[f64]) -> Vec<i32> {
    const ROUNDING: f64 = 1e-12;
    let scale = scores.iter().fold(0.0f64, |m, s| m.max(s.abs()));
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let mut ranks = vec![0; scores.len()];
    for pair in order.windows(2) {
        let apart = scores[pair[1]] - scores[pair[0]] > ROUNDING * scale;
        ranks[pair[1]] = ranks[pair[0]] + i32::from(apart);
    }
    ranks
}

/// The matrix M in whole steps, as edges (from, to, cost).
///
/// Sums of the same terms in another order differ by rounding. Whole steps make ties exact.
fn costs(comparison: &Comparison, lambda: f64, ranks: &[i32]) -> Vec<(usize, usize, (i64, i32))> {
    /// Steps in the largest distance. The penalty then has room below 2⁶².
    const STEPS: f64 = (1u64 << 46) as f64;
    const MOST: f64 = (1u64 << 61) as f64;
    let n = comparison.len();
    let tensors: usize = comparison.scoped().map(|p| p.tensors()).sum();
    let mut distances = vec![0.0; n * n];
    for parameter in comparison.scoped() {
        let weight = parameter.tensors() as f64 / tensors as f64;
        for a in 0..n {
            for b in 0..a {
                let rms =
                    (parameter.squared_distance(Position::new(a), Position::new(b)) / parameter.size() as f64).sqrt();
                distances[a * n + b] += weight * rms;
            }
        }
    }
    let largest = distances.iter().copied().fold(0.0, f64::max);
    // The sum has each pair once. The factor 2 counts both orders, and n² includes the zero diagonal.
    let mean = 2.0 * distances.iter().sum::<f64>() / (n * n) as f64;
    let steps = |cost: f64| if largest > 0.0 { (cost / largest * STEPS).round().min(MOST) as i64 } else { 0 };
    // The penalty is rounded once, so every edge against the direction pays exactly the same.
    let penalty = steps(lambda * mean);
    let mut edges = Vec::with_capacity(n * n);
    for a in 0..n {
        for b in 0..a {
            let distance = steps(distances[a * n + b]);
            for (from, to) in [(a, b), (b, a)] {
                let against = if ranks[to] < ranks[from] { penalty } else { 0 };
                edges.push((from, to, (distance + against, 0)));
            }
        }
    }
    edges
}

/// Total cost of a tree in steps.
fn total(parents: &[Option<usize>], edges: &[(usize, usize, (i64, i32))]) -> i128 {
    // A cost may reach 2⁶¹, so a sum needs more than 64 bits.
    edges.iter().filter(|(from, to, _)| parents[*to] == Some(*from)).map(|(_, _, cost)| i128::from(cost.0)).sum()
}

/// For each member, how clear its kurtosis makes the direction from its parent, in 0 to 1.
fn distinctness(scores: &[f64], parents: &[Option<usize>]) -> Vec<f64> {
    let median = |mut values: Vec<f64>| upper_median(&mut values).unwrap_or_default();
    let middle = median(scores.to_vec());
    let spread = median(scores.iter().map(|s| (s - middle).abs()).collect());
    let of = |(child, parent): (usize, &Option<usize>)| {
        let gain = parent.map_or(0.0, |p| scores[child] - scores[p]);
        if gain > 0.0 { 1.0 - (-2.0 * gain / spread).exp() } else { 0.0 }
    };
    parents.iter().enumerate().map(of).collect()
}

#[cfg(test)]
mod tests;
