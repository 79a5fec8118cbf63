//! Kin in part: models that were trained apart and hold some tensors in common, as two language models with one frozen vision tower.
//!
//! The median over matrices takes them for one family as soon as the part has more than half of all matrices. So all matrices
//! beside the part are tested by themselves. Where these are independent, the two are not of one family by that part.

use super::rounding;
use super::weights::Weights;
use crate::detect::families::components;
use crate::error::Error;
use crate::geometry::{Geometry, Independence, MatrixPrints, MatrixScore};
use crate::kernel::median;
use crate::model_set::ModelId;
use crate::phylogeny::SharedPart;
use crate::source::Dtype;
use petgraph::unionfind::UnionFind;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The models of one group, with what their matrices have in common. Models are numbered as the group lists them.
pub(super) struct PartSearch<'g> {
    geometry: &'g Geometry,
    independence: &'g Independence,
    weights: &'g Weights,
    /// The probability that a set without kin shows any.
    false_alarm: f64,
    members: &'g [ModelId],
    found: MatrixPrints,
    /// For each model, the number of its matrices and of its values.
    wholes: Vec<(usize, usize)>,
    /// For each model, the number of matrices that some other model has with the same values.
    repeated: Vec<usize>,
}

/// A part: the numbers of its matrices, sorted.
type Part = Vec<usize>;

impl<'g> PartSearch<'g> {
    pub(super) fn new(
        geometry: &'g Geometry,
        independence: &'g Independence,
        false_alarm: f64,
        members: &'g [ModelId],
        weights: &'g Weights,
    ) -> Self {
        let found = geometry.matrix_prints(members);
        let wholes = members.iter().map(|&m| (geometry.count_matrices(m), geometry.held(m))).collect();
        let mut holders: HashMap<(usize, u32), usize> = HashMap::new();
        let held = |prints: &Vec<u32>| -> Vec<(usize, u32)> {
            prints.iter().copied().enumerate().filter(|(_, print)| *print != 0).collect()
        };
        for print in found.prints.iter().flat_map(held) {
            *holders.entry(print).or_default() += 1;
        }
        let repeated = |prints| held(prints).iter().filter(|print| holders[print] > 1).count();
        let repeated = found.prints.iter().map(repeated).collect();
        Self { geometry, independence, weights, false_alarm, members, found, wholes, repeated }
    }

    /// The models, in the order of their numbers.
    pub(super) fn members(&self) -> &'g [ModelId] {
        self.members
    }

    /// The pairs of one family that are kin by parts alone. Most families have none.
    ///
    /// A part is known from two models that share it, each with a rest of its own. Then every other pair is tested without it: a
    /// model whose tower was trained on is kin to none of the others either.
    ///
    /// # Errors
    ///
    /// Those of [`Geometry::compare`].
    pub(super) fn kin_by_parts(&self, family: &[usize]) -> Result<BTreeSet<(usize, usize)>, Error> {
        let pairs = self.doubtful(family)?;
        let mut sharing: BTreeMap<(usize, usize), Part> = BTreeMap::new();
        for &(i, j) in &pairs {
            if let Some(part) = self.shared_alone(i, j)? {
                sharing.insert((i, j), part);
            }
        }
        // What is put together from tensors of several others has nothing of its own. It is a merge.
        let mut given: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (&(i, j), part) in &sharing {
            for m in [i, j] {
                given.entry(m).or_default().extend(part);
            }
        }
        for (&m, part) in &mut given {
            for other in (0..self.members.len()).filter(|other| !family.contains(other)) {
                part.extend(self.shared(m, other)?.into_iter().flatten());
            }
        }
        let whole: BTreeSet<usize> =
            given.into_iter().filter(|(m, part)| !self.has_rest(*m, part.iter().copied())).map(|(m, _)| m).collect();
        sharing.retain(|(i, j), _| !whole.contains(i) && !whole.contains(j));
        let parts: BTreeSet<Part> = sharing.into_values().collect();
        let mut found = BTreeSet::new();
        for &(i, j) in pairs.iter().filter(|(i, j)| !whole.contains(i) && !whole.contains(j)) {
            for part in &parts {
                if self.is_all(i, j, part, Rests::OfOne)? {
                    found.insert((i, j));
                    break;
                }
            }
        }
        Ok(found)
    }

    /// The pairs of a family that may be kin by parts, each in the order of the family.
    ///
    /// Two models of which nearly all matrices are related are kin as a whole, and so are models joined by such pairs. Most families
    /// are one after as many tests as they have members.
    fn doubtful(&self, family: &[usize]) -> Result<Vec<(usize, usize)>, Error> {
        if !self.may_share(family) {
            return Ok(Vec::new());
        }
        // Distances of the whole family serve all its pairs.
        let models: Vec<ModelId> = family.iter().map(|&i| self.members[i]).collect();
        self.geometry.compare(&models)?;
        let mut wholes = UnionFind::<usize>::new(family.len());
        for (x, &i) in family.iter().enumerate() {
            for (y, &j) in family[..x].iter().enumerate() {
                if !wholes.equiv(x, y) && self.is_kin_as_a_whole(i, j)? {
                    wholes.union(x, y);
                }
            }
        }
        let pairs = (0..family.len()).flat_map(|x| (0..x).map(move |y| (y, x)));
        Ok(pairs.filter(|&(y, x)| !wholes.equiv(x, y)).map(|(y, x)| (family[y], family[x])).collect())
    }

    /// Whether some models of a family may share a part: they have equal matrices, or unlike dtypes.
    fn may_share(&self, family: &[usize]) -> bool {
        let repeats = family.iter().filter(|&&i| self.repeated[i] >= self.weights.in_part.least).count();
        repeats > 1 || family.iter().any(|&i| self.are_rounded_apart(i, family[0]))
    }

    /// Whether two models are stored with unlike numbers of digits, and their distances are at hand to compare what rounding left.
    fn are_rounded_apart(&self, i: usize, j: usize) -> bool {
        let [a, b] = [i, j].map(|m| self.geometry.dtype(self.members[m]).and_then(Dtype::digits));
        self.found.distances_kept && a != b
    }

    /// Whether so many matrices of two models are related that no rest of either can be independent.
    fn is_kin_as_a_whole(&self, i: usize, j: usize) -> Result<bool, Error> {
        let numbers = &self.weights.in_part;
        let scores = self.geometry.matrix_scores(self.members[i], self.members[j])?;
        let related = scores.iter().filter(|s| self.is_related(s.z));
        let related: usize = related.map(|s| self.found.sizes[s.matrix].0).sum();
        let all = self.wholes[i].0.max(self.wholes[j].0);
        Ok(related as f64 > (1.0 - numbers.rest * (1.0 - numbers.related)) * all as f64)
    }

    fn is_related(&self, z: f64) -> bool {
        self.independence.false_alarms(z) <= self.false_alarm
    }

    /// The parts that models of unlike families share, given the family of each model; `None` for a model that takes no part.
    ///
    /// # Errors
    ///
    /// Those of [`Geometry::compare`].
    pub(super) fn between(&self, family: &[Option<usize>]) -> Result<Vec<SharedPart>, Error> {
        let mut by_part: BTreeMap<Part, BTreeSet<(usize, usize)>> = BTreeMap::new();
        for i in (0..self.members.len()).filter(|&i| family[i].is_some()) {
            for j in (0..i).filter(|&j| family[j].is_some_and(|f| family[i] != Some(f))) {
                if let Some(part) = self.shared(i, j)?
                    && [i, j].iter().any(|&m| self.has_rest(m, part.iter().copied()))
                {
                    by_part.entry(part).or_default().insert((j, i));
                }
            }
        }
        let mut parts = Vec::new();
        for (part, pairs) in by_part {
            let models: BTreeSet<usize> = pairs.iter().flat_map(|&(i, j)| [i, j]).collect();
            let models: Vec<usize> = models.into_iter().collect();
            // Two towers of one layout are two parts.
            let joined = |x: usize, y: usize| pairs.contains(&(models[y], models[x]));
            for component in components(models.len(), joined) {
                let sharing: Vec<ModelId> = component.into_iter().map(|x| self.members[models[x]]).collect();
                parts.push(self.part(&sharing, &part));
            }
        }
        Ok(parts)
    }

    /// The part by which two models alone are kin, if they are so by it alone.
    ///
    /// # Errors
    ///
    /// Those of [`Geometry::compare`].
    pub(super) fn of_pair(&self) -> Result<Option<(SharedPart, Option<f64>)>, Error> {
        let Some(part) = self.shared_alone(0, 1)? else { return Ok(None) };
        let scores = self.geometry.matrix_scores(self.members[0], self.members[1])?;
        let rest = scores.iter().filter(|s| part.binary_search(&s.matrix).is_err());
        let z = median(&mut rest.map(|s| s.z).collect::<Vec<f64>>());
        Ok(Some((self.part(self.members, &part), z)))
    }

    fn part(&self, models: &[ModelId], matrices: &[usize]) -> SharedPart {
        let common = self.geometry.common_tensors(models, matrices);
        let share = |&m: &ModelId| (m, common.values as f64 / self.geometry.held(m).max(1) as f64);
        SharedPart::new(models.iter().map(share), common.names, common.values)
    }

    /// What two models share, if it is a part and the rest of each is independent of the other.
    fn shared_alone(&self, i: usize, j: usize) -> Result<Option<Part>, Error> {
        let Some(part) = self.shared(i, j)? else { return Ok(None) };
        Ok(if self.is_all(i, j, &part, Rests::OfBoth)? { Some(part) } else { None })
    }

    /// The matrices that two models share: of equal values, or equal beside the rounding of unlike dtypes. `None` where they are too
    /// few for a part.
    fn shared(&self, i: usize, j: usize) -> Result<Option<Part>, Error> {
        let least = self.weights.in_part.least;
        let rounded = self.are_rounded_apart(i, j);
        if !rounded && self.repeated[i].min(self.repeated[j]) < least {
            return Ok(None);
        }
        let (a, b) = (&self.found.prints[i], &self.found.prints[j]);
        let equal = |&t: &usize| a[t] != 0 && a[t] == b[t];
        let mut part: Part = (0..a.len()).filter(equal).collect();
        if rounded {
            // Norms leave few pairs whose distances are needed.
            let of = |m: usize| rounding(self.geometry.dtype(self.members[m]));
            let bound = self.weights.by_tensor.tensor_rounding * (of(i) + of(j));
            let near = |t: &usize| {
                let [x, y] = [i, j].map(|m| self.found.squared_norms[m][*t]);
                a[*t] != 0 && b[*t] != 0 && (x.sqrt() - y.sqrt()).powi(2) <= bound * x.max(y)
            };
            let likely: Part = (0..a.len()).filter(near).collect();
            if likely.len() >= least && likely.len() > part.len() {
                let scores = self.geometry.matrix_scores(self.members[i], self.members[j])?;
                part.extend(scores.iter().filter(|s| s.apart <= bound).map(|s| s.matrix));
                part.sort_unstable();
                part.dedup();
            }
        }
        // A mask that every layer repeats is one table.
        let unlike = part.iter().map(|&t| a[t]).collect::<BTreeSet<u32>>().len();
        Ok((unlike >= least).then_some(part))
    }

    /// Whether a part is all that makes two models look like kin: all other matrices that both hold are independent.
    fn is_all(&self, i: usize, j: usize, part: &[usize], rests: Rests) -> Result<bool, Error> {
        let rest = [i, j].map(|m| self.has_rest(m, part.iter().copied()));
        // A head is new in many fine-tunes, so that a small rest tells nothing.
        if !(rest[0] || rest[1]) || (rests == Rests::OfBoth && !(rest[0] && rest[1])) {
            return Ok(false);
        }
        let scores = self.geometry.matrix_scores(self.members[i], self.members[j])?;
        let (inside, outside): (Vec<&MatrixScore>, Vec<&MatrixScore>) =
            scores.iter().partition(|s| part.binary_search(&s.matrix).is_ok());
        if inside.is_empty() {
            return Ok(false);
        }
        // A tower by itself has nothing else to compare.
        Ok(outside.is_empty() || rest[0] && rest[1] && self.are_independent(outside.iter().map(|s| s.z).collect()))
    }

    fn are_independent(&self, mut z: Vec<f64>) -> bool {
        let each = z.iter().filter(|&&z| self.is_related(z)).count();
        let most = self.weights.in_part.related * z.len() as f64;
        each as f64 <= most && !median(&mut z).is_some_and(|z| self.is_related(z))
    }

    /// Whether a model has enough besides some matrices to be more than a head.
    fn has_rest(&self, model: usize, part: impl Iterator<Item = usize>) -> bool {
        let numbers = &self.weights.in_part;
        let held = part.filter(|&t| self.found.prints[model][t] != 0).map(|t| self.found.sizes[t]);
        let (tensors, values) = held.fold((0, 0), |(n, size), (tensors, values)| (n + tensors, size + values));
        let (all_matrices, all_values) = self.wholes[model];
        let matrices = all_matrices.saturating_sub(tensors);
        let enough = |rest: usize, all: usize| rest as f64 >= numbers.rest * all as f64;
        matrices > numbers.head
            && enough(matrices, all_matrices)
            && enough(all_values.saturating_sub(values), all_values)
    }
}

/// Which of two models must have a rest beside the part.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rests {
    /// Both, where the part is to be found.
    OfBoth,
    /// One at least, where the part is known. The other may be the tower by itself.
    OfOne,
}

#[cfg(test)]
mod tests;
