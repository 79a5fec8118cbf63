//! Families, roots, parents of any depth, merges and copies, without a setting.

mod absent;
mod affine;
mod ahead;
mod branch;
mod by_tensor;
mod candidates;
mod collector;
mod confidence;
mod copies;
mod direction;
mod edits;
mod in_part;
mod index;
mod inheritance;
mod kinship;
mod layers;
mod masks;
mod merges;
mod norms;
mod presence;
mod relations;
mod root;
mod sheet;
mod skeleton;
mod solve;
mod span;
mod spanning;
mod sparse;
mod swapped;
#[cfg(test)]
mod tests;
mod tree;
pub mod weights;
pub mod witness;

pub use direction::{Direction, KinInPart, direction};

use super::families::{Families, components};
use super::{NamedDetector, NamedSetting, PhylogenyDetector, SelectorUse};
use crate::error::Error;
use crate::geometry::{Geometry, Quantity};
use crate::model_set::ModelId;
use crate::parent::ParentSelector;
use crate::phylogeny::{Phylogeny, Remark};
use crate::source::Dtype;
use collector::Collector;
use in_part::PartSearch;
use index::{Member, Original};
use kinship::Kinship;
use merges::Merge;
use rand::RngCore;
use tree::LineageMerges;
use weights::Weights;

/// The default detector: families, roots, parents of any depth, merges and copies, without a setting that has to be made.
///
/// The steps run in this order. Each has a page of its own in `docs/method.md`:
///
/// 1. **Families**, by the [independence test](crate::geometry::Independence). A permuted copy joins the family of its source.
///    Models that are kin in a [part](Phylogeny::shared_parts) alone, such as a frozen vision tower, are no family by it.
/// 2. **Copies**: identical, cast, quantized, pruned, scaled and permuted models are children of their source. They take no
///    further part.
/// 3. **Merges**: models that are affine combinations of any other models. Merges of masked increments (TIES, DARE) are found
///    after step 5. Lineages that only a merge joins are solved one by one.
/// 4. **Roots**, by all witnesses. Distances and angles, as in [`Precedence`](crate::parent::Precedence), give a first tree. Where
///    its edges point tell the lines that grew where two models differ, norms and step counters. Others are lines and tensors
///    that training left as they were, and lines that decay shrank by one exact factor.
/// 5. **Parents**: for every member and every possible ancestor, whether the way from the root goes through that ancestor.
///    The evidence is a likelihood ratio from angles, distances and norms. Training that cannot be undone has a veto against
///    it. The tree is the arborescence of largest total evidence. The confidence of an edge is its probability over *all*
///    arborescences and the likely roots. It is multiplied by the probability that the root is in the set at all. Where the root
///    is more probably not in the set, its children get an [unobserved](Phylogeny::unobserved) parent.
/// 6. **Relations**, and the movement of each parameter along each edge.
///
/// This detector does not use the parent selector: it has evidence of its own.
///
/// # Differs from
///
/// This detector shares only the question with the paper. Inheritance in every parameter, exact lines as characters, and edge
/// probabilities by the matrix-tree theorem are not published elsewhere to our knowledge.
///
/// # Complexity
///
/// Time for n models of one family and T parameters, from a geometry: O(n² T), and O(n³) for the edge probabilities under at
/// most three roots. The O(n³) part is about half of the time at 4,000 models. Memory: O(n²) next to the geometry.
///
/// Families are solved one by one. Where their size is bounded, only the comparison of all pairs, O(n² T), grows faster than n.
/// Values, where they can be read, are read again once, for the lines of likely roots, those of candidate parents and the ranks of likely
/// edges together. That holds for families of one layout and at most 256 models, of which as many fit the memory as are read
/// side by side. Others are read once for each of these questions. For figures see `docs/performance.md`.
///
/// ```
/// use neural_phylogeny::{Config, ModelSet, detect_phylogeny};
/// use neural_phylogeny::detect::LineageDetector;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use neural_phylogeny::InMemory;
/// # use neural_phylogeny::rand::{Rng, SeedableRng};
/// # let mut rng = neural_phylogeny::rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// # let mut trained = |from: &[f32], by: f32| -> Vec<f32> { from.iter().map(|w| w + by * rng.gen_range(-1.0..1.0)).collect() };
/// # let base = trained(&[0.0; 4096], 1.0);
/// # let model = |weights| InMemory::new().with_parameter("fc.weight", [64, 64], weights);
/// # let child = trained(&base, 0.2);
/// # let (grandchild, others) = (trained(&child, 0.1), [trained(&base, 0.2), trained(&base, 0.2), trained(&base, 0.2)]);
/// # let [b, c, d] = others.map(model);
/// let models = ModelSet::from_models([
///     ("base", model(base)?), ("child", model(child)?), ("grandchild", model(grandchild)?), ("b", b?), ("c", c?), ("d", d?),
/// ])?;
/// let phylogeny = detect_phylogeny(&models, Config::default().with_detector(LineageDetector::new()))?;
/// let grandchild = phylogeny.id("grandchild").ok_or("no such model")?;
/// let lineage: Vec<&str> = phylogeny.ancestors(grandchild).into_iter().map(|m| phylogeny.name(m)).collect();
/// assert_eq!(lineage.first(), Some(&"child"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LineageDetector {
    families: Families,
    weights: Weights,
}

impl LineageDetector {
    /// The detector with default weights. Families come from the independence test at a false-alarm probability of 1e-3.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many families to expect, or the false-alarm probability of the test that separates them.
    pub fn with_families(mut self, families: Families) -> Self {
        self.families = families;
        self
    }

    /// Sets the probability that the root of a lineage is in the set, before anything is measured: a number between 0 and 1. The
    /// default is that of `presence.prior` in [`Weights`], in favor of the set.
    ///
    /// Where nothing in the weights tells whether the root is there, this prior is all there is.
    pub fn with_presence_prior(mut self, probability: f64) -> Self {
        self.weights.presence.prior = probability;
        self
    }

    /// Sets the numbers that evidence is weighed by. They are checked when the detector runs.
    pub fn with_weights(mut self, weights: Weights) -> Self {
        self.weights = weights;
        self
    }
}

/// What the detector is called.
pub(super) const NAMED: NamedDetector = NamedDetector::new(
    "lineage",
    "Any depth, merges, copies and how sure each edge is, with nothing to set; uses no selector",
    &[NamedSetting::new(
        PRIOR,
        "P",
        "probability that the root of a family is in the set, before anything is measured, in (0, 1) [default: 0.9]",
        |word| prior(word).map(drop),
    )],
    |families, words| {
        let detector = LineageDetector::new().with_families(families);
        let prior = words.value(PRIOR, prior)?;
        Ok(Box::new(prior.into_iter().fold(detector, LineageDetector::with_presence_prior)))
    },
);

/// The name of the setting of [`LineageDetector::with_presence_prior`].
const PRIOR: &str = "presence-prior";

/// Reads the prior of presence from a word.
fn prior(word: &str) -> Result<f64, Error> {
    word.parse().ok().filter(|&p| p > 0.0 && p < 1.0).ok_or_else(|| Error::InvalidSetting {
        setting: "presence_prior",
        found: format!("`{word}`"),
        expected: "a number between 0 and 1",
    })
}

impl PhylogenyDetector for LineageDetector {
    fn selector_use(&self) -> SelectorUse {
        SelectorUse::Unused
    }

    fn check(&self, groups: usize, models: usize) -> Result<(), Error> {
        self.families.check(groups, models)
    }

    fn detect(&self, geometry: &Geometry, _: &dyn ParentSelector, _: &mut dyn RngCore) -> Result<Phylogeny, Error> {
        self.weights.check()?;
        // Copies, norms and increments along the root are all measured from the origin.
        geometry.require(Quantity::Norms)?;
        let independence = geometry.independence();
        let expected = self.families.expected_from(geometry, &independence)?;
        let mut collector = Collector::new(geometry, &independence, &self.weights);
        // Put together from tensors of others, a model compares with them under wrong names. So its layout stays apart from others.
        let stacks = layers::stacks(geometry, &self.weights)?;
        let stacked = |m: ModelId| {
            let list = geometry.listed(m).map(|list| list.as_ptr());
            stacks.iter().any(|s| geometry.listed(s.child).map(|list| list.as_ptr()) == list)
        };
        let mut kinship = Kinship::new(&independence, self.families);
        let mut count = 0;
        for (members, labels) in geometry.groups().zip(&expected) {
            // Permuting changes distances, so the independence test misses permuted copies. They are found by their values.
            let permuted = copies::permuted(geometry, members, &self.weights);
            let place = |m: ModelId| members.iter().position(|&o| o == m);
            let twins: Vec<(usize, usize)> =
                permuted.iter().filter_map(|&(a, b)| Some((place(a)?, place(b)?))).collect();
            let apart: Vec<bool> = members.iter().map(|&m| stacked(m)).collect();
            // Models that share a frozen part alone, as a vision tower, are no family by it.
            let parts = PartSearch::new(geometry, &independence, self.families.false_alarm(), members, &self.weights);
            kinship.divide(&parts, labels)?;
            let joined = |i: usize, j: usize| {
                apart[i] == apart[j] && labels[i] == labels[j] && kinship.of_one_family(members[i], members[j])
                    || twins.iter().any(|&(a, b)| (a, b) == (i, j) || (a, b) == (j, i))
            };
            let families = components(members.len(), joined);
            count += families.len();
            let mut family_of = vec![None; members.len()];
            for (number, family) in families.iter().enumerate() {
                family.iter().filter(|&&i| !apart[i]).for_each(|&i| family_of[i] = Some(number));
            }
            collector.shared_parts(parts.between(&family_of)?);
            for family in families.into_iter().filter(|f| f.len() > 1) {
                let family: Vec<ModelId> = family.into_iter().map(|i| members[i]).collect();
                let family = family.into_iter().filter(|m| stacks.iter().all(|s| s.child != *m)).collect::<Vec<_>>();
                if family.len() < 2 {
                    continue;
                }
                self.family(geometry, &kinship, &family, &mut collector)?;
            }
        }
        for stack in &stacks {
            collector.stack(stack);
        }
        let mut remarks = vec![Remark::FamiliesExpected { count }];
        if expected.len() > 1 {
            remarks.push(Remark::LayoutGroups { count: expected.len() });
        }
        let tensors = geometry.undecomposed();
        remarks.extend((tensors > 0).then_some(Remark::WithoutRank { tensors }));
        collector.phylogeny(remarks)
    }
}

impl LineageDetector {
    /// Adds one family of kin to `collector`: its copies, then its merges, then each lineage between them.
    fn family(
        &self,
        geometry: &Geometry,
        kinship: &Kinship<'_>,
        members: &[ModelId],
        collector: &mut Collector<'_>,
    ) -> Result<(), Error> {
        collector.kin(members);
        // A copy ties with its source in all that follows, and shows nothing new.
        let separated = copies::separated(geometry, members, &self.weights)?;
        for copy in &separated.copies {
            collector.copy(copy)?;
        }
        if separated.originals.len() >= 2 {
            self.originals(geometry, kinship, &separated.originals, collector)?;
        }
        collector.siblings(&separated.siblings)
    }

    /// Adds the merges and lineages of one family without its copies.
    fn originals(
        &self,
        geometry: &Geometry,
        kinship: &Kinship<'_>,
        originals: &[ModelId],
        collector: &mut Collector<'_>,
    ) -> Result<(), Error> {
        let comparison = geometry.compare_unrounded(originals)?;
        let model = |o: Original| originals[o.index()];
        let related = |a: Original, b: Original| kinship.related(model(a), model(b));
        let rounding = |o: Original| rounding(geometry.dtype(model(o)));
        let (mut merges, lineages) = merges::merges(&comparison, &related, &rounding, &self.weights);
        for merge in &merges {
            collector.merge(&merge.renumbered(model))?;
        }
        let kinship = |a: ModelId, b: ModelId| kinship.independence.kinship(a, b);
        // Lineages that only a merge joins have no common root, so each is solved alone.
        for mut plain in lineages.into_iter().filter(|plain| plain.len() >= 2) {
            // A merge may have children of its own, so it takes part in the tree of its lineage.
            let (mut members, mut parts) = with_merges(&plain, &merges);
            let models_of = |members: &[Original]| -> Vec<ModelId> { members.iter().map(|&o| model(o)).collect() };
            let mut models = models_of(&members);
            let merged = LineageMerges { plain: plain.len(), parts: &parts };
            let mut solved = solve::solve(geometry, &models, merged, &self.weights, &kinship)?;

            // Masked increments are visible only from an ancestor, which is known only now.
            let positions: Vec<_> = plain.iter().map(|o| o.within()).collect();
            let masked = sparse::merges(geometry, &models, &comparison.of(&positions), &solved, &self.weights)?;
            if !masked.is_empty() {
                // While they counted as children, they may have drawn their parents below them. So the tree is grown without them.
                let masked: Vec<Merge<Original>> =
                    masked.iter().map(|m| m.renumbered(|o| members[o.index()])).collect();
                for merge in &masked {
                    collector.merge(&merge.renumbered(model))?;
                }
                plain.retain(|o| masked.iter().all(|m| m.child != *o));
                merges.extend(masked);
                if plain.len() < 2 {
                    continue;
                }
                (members, parts) = with_merges(&plain, &merges);
                models = models_of(&members);
                let merged = LineageMerges { plain: plain.len(), parts: &parts };
                solved = solve::solve(geometry, &models, merged, &self.weights, &kinship)?;
            }
            collector.lineage(&models[..plain.len()], &models, solved)?;
        }
        Ok(())
    }
}

/// What storage in a dtype adds on average to a squared distance, as a share of the squared norm.
///
/// A value rounded to p binary digits is wrong by 2^(e − p + 1) / √12 at the exponent e, and its square is 9/4 · 4^e on average.
fn rounding(dtype: Option<Dtype>) -> f64 {
    let digits = dtype.and_then(Dtype::digits).unwrap_or(24);
    0.25f64.powi(digits as i32 - 1) / 27.0
}

/// The members of a lineage and the parents of its merges.
///
/// The members that are no merges come first. Each merge has its parents with their weights, the heaviest parent first.
///
/// A merge belongs to the lineage of its heaviest parent. That parent may be a merge too, and must then be adopted first:
///
/// ```text
/// a ───┐             b ───┐          lineage of a:  a, then m of a and b, then k of m and c
/// b ──  m = 0.6 a + 0.4 b │          lineage of b:  b
///       └─ k = 0.7 m + 0.3 c         lineage of c:  c
/// ```
///
/// Parents in other lineages are left out: no edge of this lineage comes from them.
fn with_merges(plain: &[Original], merges: &[Merge<Original>]) -> (Vec<Original>, Vec<Vec<(Member, f64)>>) {
    let mut members = plain.to_vec();
    let mut adopted = Vec::new();
    let next = |members: &[Original]| {
        let waits = |m: &&Merge<Original>| !members.contains(&m.child);
        let heaviest = |m: &&Merge<Original>| m.combination.heaviest().is_some_and(|p| members.contains(&p));
        merges.iter().find(|m| waits(m) && heaviest(m))
    };
    while let Some(merge) = next(&members) {
        members.push(merge.child);
        adopted.push(merge);
    }
    let member = |o: Original| members.iter().position(|&other| other == o).map(Member::new);
    let parts = |merge: &&Merge<Original>| {
        let all = merge.combination.heaviest_first().into_iter();
        all.filter_map(|(parent, weight)| Some((member(parent)?, weight))).collect()
    };
    let parts = adopted.iter().map(parts).collect();
    (members, parts)
}

#[cfg(test)]
mod adopted {
    use super::affine::Combination;
    use super::*;

    #[test]
    fn merges_go_with_their_heaviest_parent_however_deep() {
        let o = Original::new;
        let merge = |child, parents: [(usize, f64); 2]| Merge {
            child: o(child),
            combination: Combination {
                parents: parents.map(|(p, _)| o(p)).to_vec(),
                weights: parents.map(|(_, w)| w).to_vec(),
                residual: 0.0,
                by_tensor: std::collections::BTreeMap::new(),
            },
            confidence: 0.95,
        };
        // 4 is a merge of the merge 3, and found before it.
        let merges = [merge(4, [(2, 0.3), (3, 0.7)]), merge(3, [(0, 0.6), (1, 0.4)])];
        let (members, parts) = with_merges(&[o(0)], &merges);
        assert_eq!(members, [o(0), o(3), o(4)]);
        assert_eq!(parts, [vec![(Member::new(0), 0.6)], vec![(Member::new(1), 0.7)]]);
        assert_eq!(with_merges(&[o(1)], &merges), (vec![o(1)], Vec::new()));
    }
}
