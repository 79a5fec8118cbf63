//! The increments between pairs of models, matrix by matrix: which matrices moved, and by what rank.
//!
//! A full comparison of two models tells much more, and takes several times as long.

mod change;
mod known;
mod matrix;
mod rank;
mod work;

pub(super) use known::{KnownIncrements, increments};
pub(super) use matrix::{TensorPair, either, projections};
pub(super) use rank::Gram;
pub(super) use work::{At, PAIR, RunChange, Sampled, SharedMatrices};

use super::sweep::Sweep;
use super::values::Values;
use crate::error::Error;
use crate::geometry::{Geometry, Increments};
use crate::model_set::ModelId;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Geometry {
    /// Reads the matrices of some pairs of models (a, b) once more, and tells by what rank each moved.
    ///
    /// The result is cached. It is `None` for pairs whose values are not at hand.
    ///
    /// # Errors
    ///
    /// - [`Error::NotComparable`] when the models of a pair are not of one group.
    /// - [`Error::Source`] for a model that cannot be read any more.
    ///
    /// # Complexity
    ///
    /// Each model is read once for as many pairs as memory allows. A sample of rows of each matrix is projected. Where it does not
    /// show that the rank is full, all rows are, which takes a second reading of such matrices unless an earlier one told.
    pub(crate) fn read_increments(&self, pairs: &[(ModelId, ModelId)]) -> Result<Vec<Option<Arc<Increments>>>, Error> {
        self.evidence().map_or_else(|| Ok(vec![None; pairs.len()]), |evidence| evidence.increments(pairs))
    }

    /// Reads the matrices of two models once more, as [`read_increments`](Self::read_increments) does.
    ///
    /// # Errors
    ///
    /// Those of [`read_increments`](Self::read_increments).
    pub(crate) fn read_increment(&self, a: ModelId, b: ModelId) -> Result<Option<Arc<Increments>>, Error> {
        Ok(self.read_increments(&[(a, b)])?.pop().flatten())
    }
}

/// Reads the matrices whose rank a sample of rows left open, and projects all their rows.
///
/// A matrix that cannot be decomposed has no rank.
pub(super) fn settle(values: &Values, open: &mut [((ModelId, ModelId), Sampled)]) -> Result<(), Error> {
    let pairs: Vec<(ModelId, ModelId)> = open.iter().map(|(pair, _)| *pair).collect();
    let matrices = SharedMatrices::new(values, &pairs)?;
    let work = matrices.work(values, &(0..pairs.len()).collect::<Vec<_>>());
    let mut sweep = Sweep::new();
    let mut tensors: BTreeMap<At, (&TensorPair<'_>, usize)> = BTreeMap::new();
    for (at, of) in work.all().filter(|((p, t), _)| open[*p].1.unsettled.contains(t)) {
        sweep.add(&of.tensor, of.named(), &at);
        tensors.insert(at, (of, of.tensor.runs().count()));
    }
    let mut sums: BTreeMap<At, Option<Gram<'_>>> = BTreeMap::new();
    let part = |at: &At, run: &_, both: [&[f32]; 2]| tensors.get(at).and_then(|(of, _)| of.gram(run, both, 1));
    let mut left: BTreeMap<At, usize> = tensors.iter().map(|(at, (_, runs))| (*at, *runs)).collect();
    sweep.read(values, part, |&at, gram| {
        let sum = either(sums.remove(&at).flatten(), gram);
        let left = left.entry(at).or_default();
        *left = left.saturating_sub(1);
        if *left > 0 {
            sums.insert(at, sum);
        } else if let (Some(sum), Some((of, _))) = (sum, tensors.get(&at)) {
            let increment = &mut open[at.0].1.increments.matrices[at.1];
            increment.set_rank(of.rank(&sum, increment.squared_norms[1]));
        }
        Ok(())
    })?;
    open.iter_mut().for_each(|(_, sampled)| sampled.unsettled.clear());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{GeometrySettings, LineRequest, Progress};
    use crate::model_set::ModelSet;
    use crate::source::InMemory;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use std::ops::ControlFlow;
    use std::sync::atomic::{AtomicU64, Ordering};

    const SHAPES: [[usize; 2]; 4] = [[400, 40], [400, 40], [12, 30], [400, 40]];

    /// A model with some matrices and a vector.
    type Model = Vec<Vec<f32>>;

    fn set(models: &[Model]) -> ModelSet {
        let of = |model: &Model| {
            let matrices = SHAPES.iter().zip(model).enumerate();
            let add = |m: InMemory, (i, (shape, values)): (usize, (&[usize; 2], &Vec<f32>))| {
                m.with_parameter(format!("w{i}"), *shape, values.clone()).unwrap()
            };
            matrices.fold(InMemory::new(), add).with_parameter("bias", [8], model[4].clone()).unwrap()
        };
        ModelSet::from_models(models.iter().enumerate().map(|(i, m)| (i.to_string(), of(m)))).unwrap()
    }

    /// A parent, a child trained in full but for one matrix, and one trained by an increment of rank 2.
    fn models() -> Vec<Model> {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.gen_range(-1.0..1.0)).collect() };
        let parent: Model = SHAPES.iter().map(|[r, c]| r * c).chain([8]).map(&mut draw).collect();
        let add = |w: &[f32], by: &[f32]| w.iter().zip(by).map(|(w, by)| w + 0.1 * by).collect::<Vec<f32>>();
        let mut full: Model = parent.iter().map(|w| add(w, &draw(w.len()))).collect();
        full[1].clone_from(&parent[1]);
        let mut low = parent.clone();
        for (w, [rows, columns]) in low.iter_mut().zip(SHAPES) {
            let (left, right) = (draw(2 * rows), draw(2 * columns));
            let at = |i: usize| (0..2).map(|k| left[i / columns * 2 + k] * right[k * columns + i % columns]).sum();
            *w = add(w, &(0..rows * columns).map(at).collect::<Vec<f32>>());
        }
        vec![parent, full, low]
    }

    #[test]
    fn increments_are_those_of_a_full_comparison() {
        let geometry = |set: &ModelSet| Geometry::compute(set, &GeometrySettings::default()).unwrap();
        let set = set(&models());
        let [parent, full, low] = [0, 1, 2].map(ModelId::new);
        let pairs = [(parent, full), (parent, low), (low, parent), (full, low)];
        // Asked for alone, or after they were read beside lines.
        let (alone, beside) = (geometry(&set), geometry(&set));
        let request = LineRequest { reference: parent, members: &[full, low] };
        beside.read_lines_beside(&[request], &pairs).unwrap();
        let found = [alone.read_increments(&pairs).unwrap(), beside.read_increments(&pairs).unwrap()];
        assert_eq!(found[0], found[1]);
        for (&(a, b), found) in pairs.iter().zip(&found[0]) {
            let (found, compared) = (found.as_ref().unwrap(), geometry(&set).read_pair(a, b).unwrap().unwrap());
            let told = |i: &Increments| -> Vec<(String, [usize; 2], usize, Option<usize>)> {
                i.matrices.iter().map(|m| (m.name.clone(), m.shape, m.equal, m.rank)).collect()
            };
            assert_eq!(told(found), told(&Increments::from(compared.as_ref())), "{a:?} {b:?}");
        }
        let rank = |pair: usize| found[0][pair].as_ref().unwrap().low_rank();
        assert_eq!([rank(0), rank(1), rank(2), rank(3)], [None, Some(2), Some(2), None]);
    }

    #[test]
    fn of_models_that_differ_by_a_low_rank_the_first_matrix_is_read_twice_and_others_once() {
        let set = set(&models());
        let read = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&read);
        let observer = move |p: Progress| {
            seen.store(p.read, Ordering::Relaxed);
            ControlFlow::Continue(())
        };
        // With one thread, few runs are compared side by side.
        let settings = GeometrySettings::new().with_threads(1).with_observer(observer);
        let geometry = Geometry::compute(&set, &settings).unwrap();
        let [parent, full, low] = [0, 1, 2].map(ModelId::new);
        let times = |a: ModelId, b: ModelId| {
            let before = read.load(Ordering::Relaxed);
            geometry.read_increment(a, b).unwrap();
            let matrices: usize = SHAPES.iter().map(|[r, c]| r * c).sum();
            (read.load(Ordering::Relaxed) - before) as f64 / (2 * matrices) as f64
        };
        assert_eq!(times(parent, full), 1.0);
        assert_eq!(times(parent, full), 0.0);
        let low = times(parent, low);
        assert!(low > 1.0 && low < 2.0, "{low}");
    }
}
