//! The geometry of a group of sketched models: distances among those that are asked for, and no matrix of all pairs.

use super::SketchSet;
use super::runs::{Columns, Ordered, Run};
use crate::error::Error;
use crate::geometry::Moments;
use crate::geometry::fingerprint::{Fingerprint, chain};
use crate::geometry::group::{GroupGeometry, Held, ParameterGeometry, Tensor};
use crate::geometry::packed::Packed;
use crate::geometry::plan::{Matrix, least, units};
use crate::geometry::rank_update::{Rows, STRIP, add_squared_distances};
use crate::geometry::settings::GeometrySettings;
use crate::model_set::ModelId;
use rayon::prelude::*;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// What is known of each model by itself, and where distances come from.
pub(in crate::geometry) struct OnDemand {
    pub(super) models: Ordered,
    /// What is compared of each parameter; nothing of what models cut into unlike segments and do not hold whole.
    pub(super) columns: Vec<Vec<Columns>>,
    /// Parameters of which anything is compared, as numbers of the layout's.
    pub(super) compared: Vec<usize>,
    held: Vec<Held>,
    pub(super) memory: u64,
    latest: Mutex<Option<Among>>,
}

/// All distances among some models: a family, as a rule.
struct Among {
    /// Sorted.
    places: Vec<usize>,
    parameters: Vec<Arc<ParameterGeometry>>,
}

/// A group in an order by content, and the parameters of which something is left out.
pub(in crate::geometry) fn group(
    set: &SketchSet,
    group: usize,
    settings: &GeometrySettings,
) -> Result<(GroupGeometry, Vec<String>), Error> {
    let models = Ordered::new(set, group);
    let layout = models.layout();
    let columns: Vec<Vec<Columns>> = (0..layout.parameters().len()).map(|p| models.columns(p)).collect();
    let compared: Vec<usize> = (0..columns.len()).filter(|&p| !columns[p].is_empty()).collect();
    let in_part = |&p: &usize| columns[p].iter().map(|c| c.size).sum::<usize>() < layout.parameters()[p].size();
    let mut left_out: Vec<String> =
        (0..columns.len()).filter(in_part).map(|p| layout.parameters()[p].name.clone()).collect();
    left_out.sort();
    left_out.dedup();
    let members: Vec<ModelId> = models.order().iter().map(|&at| layout.models()[at]).collect();
    if compared.is_empty() && members.len() > 1 {
        let model = set.models().name(layout.models()[0]).to_owned();
        return Err(Error::NotSketched { model, parameters: left_out });
    }
    let unshared = models.order().iter().map(|&at| layout.unshared_size(at)).collect();
    let held = compared.par_iter().map(|&p| held(&models, p, &columns[p])).collect::<Result<_, Error>>()?;
    let sketches = OnDemand { models, columns, compared, held, memory: settings.memory.0, latest: Mutex::new(None) };
    Ok((GroupGeometry::on_demand(members, sketches, unshared, settings.scope), left_out))
}

/// What is known of a parameter in each holder by itself.
fn held(models: &Ordered, p: usize, columns: &[Columns]) -> Result<Held, Error> {
    let parameter = &models.layout().parameters()[p];
    let holders = models.holders(p);
    let (mut moments, mut fingerprints) = (Vec::with_capacity(holders.len()), Vec::with_capacity(holders.len()));
    for &place in &holders {
        let of_run = |c: &Columns| -> Result<(Moments, u128), Error> {
            let kept = models.kept(place, p);
            match &c.run {
                Run::Segment(s) => Ok((kept[*s].moments, kept[*s].fingerprint)),
                Run::Values(range) if kept.len() == 1 && kept[0].segment == *range => {
                    Ok((kept[0].moments, kept[0].fingerprint))
                }
                Run::Values(_) => {
                    let mut wide = vec![0.0; c.size];
                    models.read(place, p, c, c.count, 0, &mut wide)?;
                    let values: Vec<f32> = wide.into_iter().map(|x| x as f32).collect();
                    let mut fingerprint = Fingerprint::new();
                    fingerprint.update(&values);
                    Ok((Moments::of(&values), fingerprint.value()))
                }
            }
        };
        let runs: Vec<(Moments, u128)> = columns.iter().map(of_run).collect::<Result<_, Error>>()?;
        moments.push(runs.iter().map(|r| r.0).fold(Moments::default(), Moments::merge));
        fingerprints.push(runs.iter().map(|r| r.1).reduce(chain).unwrap_or_default());
    }
    let size = columns.iter().map(|c| c.size).sum();
    let tensor = Tensor { name: parameter.name.clone(), size, moments, fingerprints };
    Ok(Held { kind: parameter.kind, tensors: vec![tensor], holders })
}

impl OnDemand {
    /// Parameters sorted by name, each with what is known of its holders by themselves.
    pub(in crate::geometry) fn held(&self) -> &[Held] {
        &self.held
    }

    /// Every parameter that any of these models hold, with all distances among them.
    ///
    /// Distances of the set last asked for are kept, and serve every part of it. Pairs are computed and not kept, so that
    /// asking for one that is not among the latest costs the latest nothing.
    pub(in crate::geometry) fn among(&self, places: &[usize]) -> Result<Vec<Arc<ParameterGeometry>>, Error> {
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
        // Before there are others: whoever still needs what was kept has a clone.
        keep(None);
        let parameters = self.compute(&places)?;
        keep(Some(Among { places, parameters: parameters.clone() }));
        Ok(parameters)
    }

    fn compute(&self, places: &[usize]) -> Result<Vec<Arc<ParameterGeometry>>, Error> {
        let holds = |h: &Held| -> Vec<usize> {
            places.iter().copied().filter(|place| h.holders.binary_search(place).is_ok()).collect()
        };
        let holders: Vec<Vec<usize>> = self.held.iter().map(holds).collect();
        let shared: Vec<usize> = (0..self.held.len()).filter(|&h| !holders[h].is_empty()).collect();
        let matrix = |&h: &usize| Matrix { kind: self.held[h].kind, holders: &holders[h], size: self.held[h].size() };
        let matrices: Vec<Matrix<'_>> = shared.iter().map(matrix).collect();
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
        // Half of what is left is for sums, half for numbers read.
        let (threads, numbers) = (rayon::current_num_threads() as u64, (self.memory / 4 / 8) as usize);
        if 8 * (places.len() as u64).pow(2) * threads > self.memory / 4 {
            return units.iter().map(|u| unit(u, numbers)).collect();
        }
        units.par_iter().map(|u| unit(u, numbers / threads as usize)).collect()
    }

    /// One matrix; `numbers` are what may be held at once of all models together.
    fn unit(&self, unit: &[usize], holders: &[usize], numbers: usize) -> Result<ParameterGeometry, Error> {
        let n = holders.len();
        let mut geometry = ParameterGeometry {
            held: Held { kind: self.held[unit[0]].kind, tensors: Vec::new(), holders: holders.to_vec() },
            distances: Packed::zeros(n),
            to_initialization: None,
            width: None,
        };
        let most = (numbers / n.max(1) / STRIP).max(1) * STRIP;
        let mut rows = Vec::new();
        let mut squared = vec![0.0; n * n];
        for &h in unit {
            let tensor = self.tensor(h, holders);
            let p = self.compared[h];
            squared.fill(0.0);
            for columns in &self.columns[p] {
                for first in (0..columns.count).step_by(most) {
                    let length = most.min(columns.count - first);
                    rows.resize(n * length, 0.0);
                    for (row, &place) in rows.chunks_exact_mut(length).zip(holders) {
                        self.models.read(place, p, columns, columns.count, first, row)?;
                    }
                    add_squared_distances(&mut squared, Rows { values: &rows, stride: length, length }, n);
                }
                if columns.are_sketched() {
                    geometry.width = geometry.width.max(Some(columns.count));
                }
            }
            for i in 0..n {
                geometry.distances.add(i, i, tensor.moments[i].squared_norm());
                for j in (0..i).filter(|&j| tensor.fingerprints[i] != tensor.fingerprints[j]) {
                    geometry.distances.add(i, j, squared[i + j * n]);
                }
            }
            geometry.held.tensors.push(tensor);
        }
        Ok(geometry)
    }

    /// A tensor in some of its holders.
    fn tensor(&self, h: usize, holders: &[usize]) -> Tensor {
        let held = &self.held[h];
        let all = &held.tensors[0];
        let at: Vec<usize> = holders.iter().filter_map(|place| held.holders.binary_search(place).ok()).collect();
        Tensor {
            name: all.name.clone(),
            size: all.size,
            moments: at.iter().map(|&a| all.moments[a]).collect(),
            fingerprints: at.iter().map(|&a| all.fingerprints[a]).collect(),
        }
    }
}

impl fmt::Debug for OnDemand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnDemand").field("held", &self.held).finish_non_exhaustive()
    }
}
