//! One streamed pass over all parameters: blocks in f64, one symmetric rank-k update each, sums in a fixed order.
//!
//! A raw Gram matrix loses small distances: at a relative movement of 1e-6 the squared distance is 1e-12 of what it is the
//! difference of. Models that are near to one another (by the [pilot](super::pilot)) are therefore read as differences from
//! one of them, `Δ_i = θ_i − θ_r`, exact in f64; the rows multiplied are `θ_r` and the `Δ_i`, as many as there are models. All
//! inner products follow by expanding `θ_i = θ_r + Δ_i`, and distances between near models from the small `Δ` alone.

use super::block::{Counter, From, Partial, Row, run};
use super::packed::Packed;
use super::plan::{Job, Plan, jobs};
use super::products::Products;
use super::{GroupGeometry, ParameterGeometry, Tensor};
use crate::error::Error;
use crate::model_set::{LayoutGroup, ModelSet};
use crate::source::ParameterSource;
use rayon::prelude::*;

/// Streams one group of comparable models.
pub(super) fn stream(
    models: &ModelSet,
    group: &LayoutGroup,
    places: &[usize],
    class: &[usize],
    plan: &Plan,
    initialization: Option<&dyn ParameterSource>,
    counter: &Counter<'_>,
) -> Result<GroupGeometry, Error> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(plan.threads)
        .build()
        .map_err(|e| Error::Threads { source: Box::new(e) })?;
    let mut place_of = vec![0; places.len()];
    for (place, &at) in places.iter().enumerate() {
        place_of[at] = place;
    }
    let rows: Vec<Vec<Row<'_>>> =
        (0..group.parameters().len()).map(|p| rows(group, p, places, &place_of, class, initialization)).collect();
    let all_jobs: Vec<Job> = plan.units.iter().flatten().flat_map(|&p| jobs(p, group.parameters()[p].size())).collect();

    let mut sums = Sums::new(group, plan, &place_of);
    let mut open: Option<(usize, Partial)> = None;
    for wave in all_jobs.chunks(plan.wave) {
        let done: Vec<Result<Partial, Error>> = pool.install(|| {
            let run = |job: &Job| run(models, group, *job, &rows[job.parameter], plan.block, counter);
            wave.par_iter().map(run).collect()
        });
        for (job, partial) in wave.iter().zip(done) {
            let partial = partial?;
            open = Some(match open.take() {
                Some((p, sum)) if p == job.parameter => (p, sum.plus(&partial)),
                Some((p, sum)) => {
                    sums.take(p, &rows[p], &sum);
                    (job.parameter, partial)
                }
                None => (job.parameter, partial),
            });
        }
    }
    if let Some((p, sum)) = open {
        sums.take(p, &rows[p], &sum);
    }
    let members = places.iter().map(|&at| group.models()[at]).collect();
    let unshared = places.iter().map(|&at| group.unshared_size(at)).collect();
    Ok(GroupGeometry::new(members, sums.units, unshared))
}

fn rows<'a>(
    group: &'a LayoutGroup,
    p: usize,
    places: &[usize],
    place_of: &[usize],
    class: &[usize],
    initialization: Option<&'a dyn ParameterSource>,
) -> Vec<Row<'a>> {
    let mut held: Vec<usize> = group.parameters()[p].holders.iter().map(|&at| place_of[at]).collect();
    held.sort_unstable();
    let first_of_class = |place: usize| held.iter().position(|&other| class[other] == class[place]).unwrap_or_default();
    let model = |&place: &usize| Row {
        from: From::Model {
            id: group.models()[places[place]],
            own_name: group.own_name(places[place], p).unwrap_or_default(),
        },
        reference: first_of_class(place),
    };
    let mut rows: Vec<Row<'_>> = held.iter().map(model).collect();
    if let Some(source) = initialization {
        let from = From::Initialization { source, name: group.parameters()[p].name.clone() };
        rows.push(Row { from, reference: rows.len() });
    }
    rows
}

/// The matrices kept, one for each unit of the plan.
struct Sums {
    units: Vec<ParameterGeometry>,
    unit_of: Vec<usize>,
    names: Vec<(String, usize)>,
}

impl Sums {
    fn new(group: &LayoutGroup, plan: &Plan, place_of: &[usize]) -> Self {
        let mut unit_of = vec![0; group.parameters().len()];
        let mut units = Vec::with_capacity(plan.units.len());
        for (u, unit) in plan.units.iter().enumerate() {
            unit.iter().for_each(|&p| unit_of[p] = u);
            let parameter = &group.parameters()[unit[0]];
            let mut holders: Vec<usize> = parameter.holders.iter().map(|&at| place_of[at]).collect();
            holders.sort_unstable();
            units.push(ParameterGeometry {
                kind: parameter.kind,
                tensors: Vec::with_capacity(unit.len()),
                distances: Packed::zeros(holders.len()),
                holders,
                to_initialization: None,
            });
        }
        let names = group.parameters().iter().map(|p| (p.name.clone(), p.size())).collect();
        Self { units, unit_of, names }
    }

    /// Turns the inner products of one parameter's rows into squared distances and norms, and adds them to its unit.
    fn take(&mut self, p: usize, rows: &[Row<'_>], sum: &Partial) {
        let unit = &mut self.units[self.unit_of[p]];
        let models = unit.holders.len();
        let products = Products { rows, sum };
        for i in 0..models {
            unit.distances.add(i, i, products.inner(i, i));
            for j in 0..i {
                unit.distances.add(i, j, products.squared_distance(i, j));
            }
        }
        // The initialization is the row after those of the models.
        if rows.len() > models {
            let squared = unit.to_initialization.get_or_insert_with(|| vec![0.0; models]);
            (0..models).for_each(|i| squared[i] += products.squared_distance(i, models));
        }
        let (name, size) = self.names[p].clone();
        let moments = sum.moments[..models].to_vec();
        unit.tensors.push(Tensor { name, size, moments, fingerprints: sum.fingerprints[..models].to_vec() });
    }
}
