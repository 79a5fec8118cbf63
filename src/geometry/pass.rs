//! The rows of one group and the waves of jobs over them.

use super::aside::RowAside;
use super::block::{Partial, PassRow, Reading, RowSource};
use super::faults::Faults;
use super::pilot::Pilot;
use super::plan::{Job, Plan};
use super::progress::Counter;
use super::settings::thread_pool;
use super::sums::Sums;
use crate::error::Error;
use crate::model_set::{LayoutGroup, ModelId, ModelSet};
use crate::source::ParameterSource;
use rayon::prelude::*;

/// One group of comparable models, ready to be read.
pub(super) struct Pass<'a> {
    models: &'a ModelSet,
    group: &'a LayoutGroup,
    /// For each parameter, its rows.
    rows: Vec<Vec<PassRow<'a>>>,
    block: usize,
    pool: rayon::ThreadPool,
}

impl<'a> Pass<'a> {
    /// Prepares the rows of every parameter, and starts the threads of the plan. `aside` tells what to set aside of each.
    pub(super) fn new(
        models: &'a ModelSet,
        group: &'a LayoutGroup,
        plan: &Plan,
        pilot: &Pilot,
        initialization: Option<&'a dyn ParameterSource>,
        aside: &impl Fn(usize, ModelId) -> Option<RowAside<'a>>,
    ) -> Result<Self, Error> {
        let pool = thread_pool(plan.threads)?;
        let place_of = pilot.places();
        let rows =
            (0..group.parameters().len()).map(|p| rows(group, p, pilot, &place_of, initialization, aside)).collect();
        Ok(Self { models, group, rows, block: plan.block, pool })
    }

    /// Does the first `jobs` of the jobs that are left, in parallel, and adds their sums in order.
    ///
    /// When a job fails, the jobs before it are still added.
    pub(super) fn wave(&self, sums: &mut Sums, jobs: usize, counter: &Counter, faults: &Faults) -> Result<(), Error> {
        let left = sums.left();
        let wave = left[..jobs.min(left.len())].to_vec();
        let reading = Reading { models: self.models, group: self.group, block: self.block, counter, faults };
        let done: Vec<Result<Partial, Error>> = self.pool.install(|| {
            let rows = &self.rows;
            let run = |(at, job): (usize, &Job)| {
                // Threads take consecutive jobs, so this thread is likely to do the next job too.
                if let Some(next) = left.get(at + 1) {
                    rows[next.parameter].iter().for_each(|row| row.prefetch(self.models, self.group, *next));
                }
                reading.run(*job, &rows[job.parameter])
            };
            wave.par_iter().enumerate().map(run).collect()
        });
        for partial in done {
            sums.add(partial?);
        }
        Ok(())
    }
}

/// Returns the rows of one parameter: the models that hold it, in the order of content, and then the initialization if there is
/// one.
fn rows<'a>(
    group: &'a LayoutGroup,
    p: usize,
    pilot: &Pilot,
    place_of: &[usize],
    initialization: Option<&'a dyn ParameterSource>,
    aside: &impl Fn(usize, ModelId) -> Option<RowAside<'a>>,
) -> Vec<PassRow<'a>> {
    let places = &pilot.order;
    let mut held: Vec<usize> = group.parameters()[p].holders.iter().map(|&at| place_of[at.index()]).collect();
    held.sort_unstable();
    let model = |&place: &usize| PassRow {
        source: RowSource::Model {
            id: group.model(places[place]),
            own_name: group.own_name(places[place], p).unwrap_or_default(),
        },
        aside: aside(p, group.model(places[place])),
    };
    let mut rows: Vec<PassRow<'_>> = held.iter().map(model).collect();
    if let Some(source) = initialization {
        let source = RowSource::Initialization { source, name: group.parameters()[p].name.clone() };
        rows.push(PassRow { source, aside: None });
    }
    rows
}
