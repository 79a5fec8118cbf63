//! Families, roots, parents of any depth, merges and copies, without a setting.

mod affine;
mod copies;
mod family;
mod gather;
mod heritage;
mod inheritance;
mod merges;
mod norm;
mod observed;
mod relations;
mod root;
mod sheet;
mod spanning;
mod sparse;

use super::families::{Families, components};
use super::{PhylogenyDetector, SelectorUse};
use crate::error::Error;
use crate::geometry::{Geometry, Independence};
use crate::model_set::ModelId;
use crate::parent::ParentSelector;
use crate::phylogeny::{Phylogeny, Remark};
use gather::Gathered;
use rand::RngCore;

/// Families, roots, parents of any depth, merges and copies, with nothing to set but a false-alarm probability: the default.
///
/// In this order, each step on a page of its own in `docs/method.md`:
///
/// 1. **Families** by the [independence test](crate::Independence); a permuted copy joins that of its source.
/// 2. **Copies**: identical, cast, quantized, pruned, scaled and permuted models are children of their source and take no
///    further part.
/// 3. **Merges**: models that are affine combinations of others, whichever they are; after step 5 also those of masked
///    increments (TIES, DARE). Lineages that only a merge joins are solved one by one.
/// 4. **Roots**: distances and angles as in [`Precedence`](crate::Precedence), lines and tensors that training left as they were
///    or decay shrank by one exact factor, step counters, norms.
/// 5. **Parents**: for every member and every possible ancestor, whether the way from the root goes through it; a likelihood
///    ratio from angles, distances and norms, against which training that cannot be undone has a veto. The tree is the arborescence of
///    largest total evidence; the confidence of an edge is its probability over *all* arborescences and the likely roots, times
///    that of the root being in the set at all.
/// 6. **Relations** and movements of each parameter along each edge.
///
/// The parent selector is not asked: this detector has evidence of its own.
///
/// # Differs from
///
/// the paper in all but the question. Inheritance in every parameter, exact lines as characters, and edge probabilities by the
/// matrix-tree theorem are not published elsewhere to our knowledge.
///
/// # Complexity
///
/// From a geometry of n models of one family and T parameters: O(n² T) time, and O(n³) for the edge probabilities under at most
/// three roots, about half of it at 4,000 models; O(n²) memory next to the geometry. Families are solved one by one: where their
/// size is bounded, only the comparison of all pairs, O(n² T), grows faster than n. Values are read again, when they are at hand,
/// four times for lines and once or twice for each edge. Figures: `docs/performance.md`.
///
/// ```
/// use neural_phylogeny::{Config, LineageDetector, ModelSet, detect_phylogeny};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use neural_phylogeny::InMemory;
/// # use neural_phylogeny::rand::{Rng, SeedableRng};
/// # let mut rng = neural_phylogeny::rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// # let mut trained = |from: &[f32], by: f32| -> Vec<f32> { from.iter().map(|w| w + by * rng.gen_range(-1.0..1.0)).collect() };
/// # let base = trained(&[0.0; 4096], 1.0);
/// # let model = |weights| InMemory::new().parameter("fc.weight", &[64, 64], weights);
/// # let child = trained(&base, 0.2);
/// # let (grandchild, others) = (trained(&child, 0.1), [trained(&base, 0.2), trained(&base, 0.2), trained(&base, 0.2)]);
/// # let [b, c, d] = others.map(model);
/// let models = ModelSet::from_models([
///     ("base", model(base)?), ("child", model(child)?), ("grandchild", model(grandchild)?), ("b", b?), ("c", c?), ("d", d?),
/// ])?;
/// let phylogeny = detect_phylogeny(&models, Config::default().with_detector(LineageDetector::new()))?;
/// let grandchild = phylogeny.id("grandchild").ok_or("no such model")?;
/// let lineage: Vec<&str> = phylogeny.lineage(grandchild).into_iter().map(|m| phylogeny.name(m)).collect();
/// assert_eq!(lineage.first(), Some(&"child"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LineageDetector {
    families: Families,
}

impl LineageDetector {
    /// The detector, with families by the independence test at a false-alarm probability of 1e-3.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many families to expect, or at which false-alarm probability they are told apart.
    pub fn with_families(mut self, families: Families) -> Self {
        self.families = families;
        self
    }
}

impl PhylogenyDetector for LineageDetector {
    fn selector_use(&self) -> SelectorUse {
        SelectorUse::Unused
    }

    fn check(&self, groups: usize, models: usize) -> Result<(), Error> {
        self.families.check(groups, models)
    }

    fn detect(&self, geometry: &Geometry, _: &dyn ParentSelector, _: &mut dyn RngCore) -> Result<Phylogeny, Error> {
        let independence = geometry.independence();
        let expected = self.families.expected_from(geometry, &independence)?;
        let mut gathered = Gathered::new(geometry, &independence);
        let mut count = 0;
        for (members, labels) in geometry.groups().zip(&expected) {
            let permuted = copies::permuted(geometry, members);
            let place = |m: ModelId| members.iter().position(|&o| o == m);
            let twins: Vec<(usize, usize)> =
                permuted.iter().filter_map(|&(a, b)| Some((place(a)?, place(b)?))).collect();
            let joined = |i: usize, j: usize| {
                labels[i] == labels[j] || twins.iter().any(|&(a, b)| (a, b) == (i, j) || (a, b) == (j, i))
            };
            let families = components(members.len(), joined);
            count += families.len();
            for family in families.into_iter().filter(|f| f.len() > 1) {
                let family: Vec<ModelId> = family.into_iter().map(|i| members[i]).collect();
                self.family(geometry, &independence, &family, &mut gathered)?;
            }
        }
        let mut remarks = vec![Remark::FamiliesExpected { count }];
        if expected.len() > 1 {
            remarks.push(Remark::LayoutGroups { count: expected.len() });
        }
        gathered.phylogeny(remarks)
    }
}

impl LineageDetector {
    fn family(
        &self,
        geometry: &Geometry,
        independence: &Independence,
        members: &[ModelId],
        gathered: &mut Gathered<'_>,
    ) -> Result<(), Error> {
        gathered.kin(members);
        let (originals, copies) = copies::copies(geometry, members)?;
        for copy in &copies {
            gathered.copy(copy)?;
        }
        if originals.len() < 2 {
            return Ok(());
        }
        let comparison = geometry.compare(&originals)?;
        let related = |i: usize, j: usize| self.families.related(independence, originals[i], originals[j]);
        let (merges, lineages) = merges::merges(&comparison, &related);
        for merge in &merges {
            gathered.merge(&originals, merge)?;
        }
        for plain in lineages {
            let mut local = plain.clone();
            // A merge belongs to the lineage of its heaviest parent, which may be a merge too.
            while let Some(next) = merges.iter().find(|m| !local.contains(&m.child) && local.contains(&m.heaviest())) {
                local.push(next.child);
            }
            if plain.len() < 2 {
                continue;
            }
            let place = |m: usize| local.iter().position(|&o| o == m);
            let parents: Vec<Vec<(usize, f64)>> = local[plain.len()..]
                .iter()
                .filter_map(|child| merges.iter().find(|m| m.child == *child))
                .map(|m| m.heaviest_first().filter_map(|(p, weight)| Some((place(p)?, weight))).collect())
                .collect();
            let models: Vec<ModelId> = local.iter().map(|&i| originals[i]).collect();
            let mut solved = family::solve(geometry, &models, plain.len(), &parents)?;
            for merge in sparse::merges(geometry, &models, &comparison.of(&plain), &solved)? {
                solved.set_aside(merge.child);
                gathered.merge(&models, &merge)?;
            }
            gathered.lineage(&models[..plain.len()], &models, solved)?;
        }
        Ok(())
    }
}
