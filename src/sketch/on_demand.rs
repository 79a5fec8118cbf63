//! The geometry of a group of sketched models. Distances are computed when needed, without a matrix of all pairs.

use super::SketchSet;
use super::runs::{CommonRun, GroupSketches, RunSource};
use crate::error::Error;
use crate::geometry::{
    GeometrySettings, GroupGeometry, Marginals, Matrix, Pairwise, ParameterGeometry, Place, TensorMarginals, least,
    units,
};
use crate::kernel::{Fingerprint, Moments, Packed, Rows, STRIP, add_squared_distances, chain};
use crate::model_set::ModelId;
use rayon::prelude::*;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// What is known of each model alone, and how to compute distances between models.
pub(super) struct SketchedPairs {
    pub(super) models: GroupSketches,
    /// The runs of each parameter that are compared; empty where models cut it into unlike segments and do not hold it whole.
    pub(super) runs: Vec<Vec<CommonRun>>,
    /// The parameters with anything to compare, by their numbers in the layout.
    pub(super) compared: Vec<usize>,
    pub(super) marginals: Vec<Marginals>,
    pub(super) memory: u64,
    latest: Mutex<Option<FamilyDistances>>,
}

/// All distances among some models, usually a family.
struct FamilyDistances {
    /// The models, sorted.
    places: Vec<Place>,
    parameters: Vec<Arc<ParameterGeometry>>,
}

/// The geometry of a group, ordered by content, and the parameters of which something is left out.
pub(super) fn group(
    set: &SketchSet,
    group: usize,
    settings: &GeometrySettings,
) -> Result<(GroupGeometry, Vec<String>), Error> {
    let models = GroupSketches::new(set, group);
    let layout = models.layout();
    let runs: Vec<Vec<CommonRun>> = (0..layout.parameters().len()).map(|p| models.runs(p)).collect();
    let compared: Vec<usize> = (0..runs.len()).filter(|&p| !runs[p].is_empty()).collect();
    let in_part = |&p: &usize| runs[p].iter().map(|run| run.size).sum::<usize>() < layout.parameters()[p].size();
    let mut left_out: Vec<String> =
        (0..runs.len()).filter(in_part).map(|p| layout.parameters()[p].name.clone()).collect();
    left_out.sort();
    // A tensor may be cut into several parameters, and its name is reported once.
    left_out.dedup();
    let members: Vec<ModelId> = models.order().iter().map(|&at| layout.model(at)).collect();
    // With nothing to compare, all distances would be 0, and all models would look like copies.
    if compared.is_empty() && members.len() > 1 {
        let model = set.models().name(layout.models()[0]).to_owned();
        return Err(Error::NotSketched { model, parameters: left_out });
    }
    let unshared = models.order().iter().map(|&at| layout.unshared_size(at)).collect();
    let marginals = compared.par_iter().map(|&p| marginals(&models, p, &runs[p])).collect::<Result<_, Error>>()?;
    let (memory, latest) = (settings.memory.0, Mutex::new(None));
    let pairs = Arc::new(SketchedPairs { models, runs, compared, marginals, memory, latest });
    Ok((GroupGeometry::with_pairs(members, pairs, unshared, settings.scope), left_out))
}

/// What is known of a parameter in each of its holders alone.
fn marginals(models: &GroupSketches, p: usize, runs: &[CommonRun]) -> Result<Marginals, Error> {
    let parameter = &models.layout().parameters()[p];
    let holders = models.holders(p);
    let (mut moments, mut fingerprints) = (Vec::with_capacity(holders.len()), Vec::with_capacity(holders.len()));
    for &place in &holders {
        let of_run = |run: &CommonRun| -> Result<(Moments, u128), Error> {
            let kept = models.kept(place, p);
            match &run.source {
                RunSource::Segment(s) => Ok((kept[*s].moments, kept[*s].fingerprint)),
                RunSource::Values(range) if kept.len() == 1 && kept[0].segment == *range => {
                    Ok((kept[0].moments, kept[0].fingerprint))
                }
                RunSource::Values(_) => {
                    // No single segment is this run, so its moments are computed from the values.
                    let mut wide = vec![0.0; run.size];
                    models.read(place, p, run, run.count, 0, &mut wide)?;
                    let values: Vec<f32> = wide.into_iter().map(|x| x as f32).collect();
                    let mut fingerprint = Fingerprint::new();
                    fingerprint.update(&values);
                    Ok((Moments::new(&values), fingerprint.value()))
                }
            }
        };
        let of_runs: Vec<(Moments, u128)> = runs.iter().map(of_run).collect::<Result<_, Error>>()?;
        moments.push(of_runs.iter().map(|r| r.0).fold(Moments::default(), Moments::merge));
        // Runs are chained in order, so equal fingerprints mean equal values in all of them.
        fingerprints.push(of_runs.iter().map(|r| r.1).reduce(chain).unwrap_or_default());
    }
    let size = runs.iter().map(|run| run.size).sum();
    let tensor = TensorMarginals { name: parameter.name.clone(), size, moments, fingerprints };
    Ok(Marginals { kind: parameter.kind, tensors: vec![tensor], holders })
}

impl Pairwise for SketchedPairs {
    fn marginals(&self) -> Box<dyn Iterator<Item = &Marginals> + '_> {
        Box::new(self.marginals.iter())
    }

    /// Distances of the latest models are cached, and serve every part of them.
    ///
    /// A pair is computed but not cached, so that it does not replace the distances of a whole family.
    fn parameters(&self, places: &[Place]) -> Result<Vec<Arc<ParameterGeometry>>, Error> {
        let mut places = places.to_vec();
        places.sort_unstable();
        places.dedup();
        if let Some(latest) = &*self.latest.lock().unwrap_or_else(PoisonError::into_inner)
            && places.iter().all(|place| latest.places.binary_search(place).is_ok())
        {
            return Ok(latest.parameters.clone());
        }
        if places.len() <= 2 {
            return self.compute(&places);
        }
        let keep = |latest| *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = latest;
        // The old distances are released before the new ones exist. Whoever still needs the old ones has a clone.
        keep(None);
        let parameters = self.compute(&places)?;
        keep(Some(FamilyDistances { places, parameters: parameters.clone() }));
        Ok(parameters)
    }

    fn z(&self, parameters: &[usize]) -> Result<Packed, Error> {
        self.z_scores(parameters)
    }

    fn kept_squared_distance(&self, _: Place, _: Place) -> Option<f64> {
        None
    }
}

impl SketchedPairs {
    /// Computes all distances among some models, within half of the memory.
    fn compute(&self, places: &[Place]) -> Result<Vec<Arc<ParameterGeometry>>, Error> {
        let holds = |m: &Marginals| -> Vec<Place> {
            places.iter().copied().filter(|&place| m.holder(place).is_some()).collect()
        };
        let holders: Vec<Vec<Place>> = self.marginals.iter().map(holds).collect();
        let shared: Vec<usize> = (0..self.marginals.len()).filter(|&h| !holders[h].is_empty()).collect();
        let matrix =
            |&h: &usize| Matrix { kind: self.marginals[h].kind, holders: &holders[h], size: self.marginals[h].size() };
        let matrices: Vec<Matrix<'_, Place>> = shared.iter().map(matrix).collect();
        // Half of the memory is for the result, which callers keep.
        let kept = self.memory / 2;
        let units = units(&matrices, kept).ok_or_else(|| Error::MemoryTooSmall {
            found: self.memory,
            expected: 2 * least(&matrices),
            models: places.len(),
        })?;
        let unit = |unit: &Vec<usize>, numbers: usize| {
            let unit: Vec<usize> = unit.iter().map(|&u| shared[u]).collect();
            self.unit(&unit, &holders[unit[0]], numbers).map(Arc::new)
        };
        // Half of the rest of the memory is for sums, half for numbers read.
        let (threads, numbers) = (rayon::current_num_threads() as u64, (self.memory / 4 / 8) as usize);
        // Each thread needs sums of its own. Where these do not fit, one unit is computed after another.
        if 8 * (places.len() as u64).pow(2) * threads > self.memory / 4 {
            return units.iter().map(|u| unit(u, numbers)).collect();
        }
        units.par_iter().map(|u| unit(u, numbers / threads as usize)).collect()
    }

    /// The geometry of one matrix. `numbers` is how many numbers may be held at once for all models together.
    fn unit(&self, unit: &[usize], holders: &[Place], numbers: usize) -> Result<ParameterGeometry, Error> {
        let n = holders.len();
        let mut geometry = ParameterGeometry {
            marginals: Marginals { kind: self.marginals[unit[0]].kind, tensors: Vec::new(), holders: holders.to_vec() },
            distances: Packed::zeros(n),
            to_initialization: None,
            width: None,
        };
        // Numbers are read in whole strips, as many as fit into memory for all models at once.
        let most = (numbers / n.max(1) / STRIP).max(1) * STRIP;
        let mut rows = Vec::new();
        let mut squared = vec![0.0; n * n];
        for &h in unit {
            let tensor = self.tensor(h, holders);
            let p = self.compared[h];
            squared.fill(0.0);
            for run in &self.runs[p] {
                for first in (0..run.count).step_by(most) {
                    let length = most.min(run.count - first);
                    rows.resize(n * length, 0.0);
                    for (row, &place) in rows.chunks_exact_mut(length).zip(holders) {
                        self.models.read(place, p, run, run.count, first, row)?;
                    }
                    add_squared_distances(&mut squared, Rows { values: &rows, stride: length, length }, n);
                }
                if run.is_sketched() {
                    geometry.width = geometry.width.max(Some(run.count));
                }
            }
            for i in 0..n {
                // The diagonal of squared distances would be 0, so it holds squared norms.
                geometry.distances.add(i, i, tensor.moments[i].squared_norm());
                // Equal fingerprints mean equal values. The distance stays 0 then, although sums could leave rounding.
                for j in (0..i).filter(|&j| tensor.fingerprints[i] != tensor.fingerprints[j]) {
                    geometry.distances.add(i, j, squared[i + j * n]);
                }
            }
            geometry.marginals.tensors.push(tensor);
        }
        Ok(geometry)
    }

    /// A tensor in some of its holders.
    fn tensor(&self, h: usize, holders: &[Place]) -> TensorMarginals {
        let marginals = &self.marginals[h];
        let all = &marginals.tensors[0];
        let at: Vec<usize> = holders.iter().filter_map(|&place| marginals.holder(place)).map(|at| at.0).collect();
        TensorMarginals {
            name: all.name.clone(),
            size: all.size,
            moments: at.iter().map(|&a| all.moments[a]).collect(),
            fingerprints: at.iter().map(|&a| all.fingerprints[a]).collect(),
        }
    }
}

impl fmt::Debug for SketchedPairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SketchedPairs").field("marginals", &self.marginals).finish_non_exhaustive()
    }
}
