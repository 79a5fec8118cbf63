//! The sums of the pass over one group so far.

use super::block::Partial;
use super::marginals::{Marginals, Place, TensorMarginals};
use super::notes::Note;
use super::pairwise::ParameterGeometry;
use super::pilot::Pilot;
use super::plan::{Job, Plan, jobs};
use crate::kernel::{Moments, Packed};
use crate::model_set::LayoutGroup;

/// The matrices of all units of the plan, and the number of jobs in them.
///
/// Jobs are added in order. The sums therefore depend on the number of jobs alone, and not on threads or on how often the pass
/// was stopped.
pub(super) struct Sums {
    pub(super) units: Vec<ParameterGeometry>,
    /// The sum over the finished jobs of the parameter that is not finished yet.
    pub(super) open: Option<Partial>,
    jobs: Vec<Job>,
    done: usize,
    unit_of: Vec<usize>,
    /// For each parameter and each model that holds it, what was seen of its values.
    notes: Vec<Vec<Note>>,
    names: Vec<(String, usize)>,
    /// Number of rows beside those of the models: 1 with an initialization, else 0.
    more_rows: usize,
}

impl Sums {
    /// Creates sums without any job.
    pub(super) fn new(group: &LayoutGroup, plan: &Plan, pilot: &Pilot, initialization: bool) -> Self {
        let place_of = pilot.places();
        let mut unit_of = vec![0; group.parameters().len()];
        let mut units = Vec::with_capacity(plan.units.len());
        for (u, unit) in plan.units.iter().enumerate() {
            unit.iter().for_each(|&p| unit_of[p] = u);
            let parameter = &group.parameters()[unit[0]];
            let mut holders: Vec<Place> = parameter.holders.iter().map(|&at| Place(place_of[at.index()])).collect();
            holders.sort_unstable();
            units.push(ParameterGeometry {
                distances: Packed::zeros(holders.len()),
                marginals: Marginals { kind: parameter.kind, tensors: Vec::with_capacity(unit.len()), holders },
                to_initialization: None,
                width: None,
            });
        }
        let jobs = plan.units.iter().flatten().flat_map(|&p| jobs(p, group.parameters()[p].size())).collect();
        let names = group.parameters().iter().map(|p| (p.name.clone(), p.size())).collect();
        let notes = vec![Vec::new(); group.parameters().len()];
        Self { units, open: None, jobs, done: 0, unit_of, notes, names, more_rows: usize::from(initialization) }
    }

    /// Returns the jobs that are not done yet, in order.
    pub(super) fn left(&self) -> &[Job] {
        &self.jobs[self.done..]
    }

    /// Returns how many jobs are done.
    pub(super) fn done(&self) -> usize {
        self.done
    }

    /// Returns how many values were read for the finished jobs, over all rows.
    pub(super) fn read(&self) -> u64 {
        self.jobs[..self.done].iter().map(|job| (job.length * self.rows(job.parameter)) as u64).sum()
    }

    fn rows(&self, parameter: usize) -> usize {
        self.units[self.unit_of[parameter]].marginals.holders.len() + self.more_rows
    }

    /// Whether the next job belongs to the same parameter.
    fn goes_on(&self, job: usize) -> bool {
        self.jobs.get(job + 1).is_some_and(|next| next.parameter == self.jobs[job].parameter)
    }

    /// Adds the first job that is left.
    pub(super) fn add(&mut self, partial: Partial) {
        let sum = match self.open.take() {
            Some(sum) => sum.plus(&partial),
            None => partial,
        };
        // Fingerprints are complete only after the last job of the parameter.
        if self.goes_on(self.done) {
            self.open = Some(sum);
        } else {
            self.take(self.jobs[self.done].parameter, &sum);
        }
        self.done += 1;
    }

    /// Adds the squared distances and norms of one parameter's rows to its unit.
    fn take(&mut self, p: usize, sum: &Partial) {
        let unit = &mut self.units[self.unit_of[p]];
        let models = unit.marginals.holders.len();
        for i in 0..models {
            unit.distances.add(i, i, sum.moments[i].squared_norm());
            (0..i).for_each(|j| unit.distances.add(i, j, sum.squared.value(i, j)));
        }
        // The row of the initialization comes after those of the models.
        if sum.moments.len() > models {
            let squared = unit.to_initialization.get_or_insert_with(|| vec![0.0; models]);
            (0..models).for_each(|i| squared[i] += sum.squared.value(i, models));
        }
        let (name, size) = self.names[p].clone();
        let moments = sum.moments[..models].to_vec();
        self.notes[p] = sum.notes[..models].to_vec();
        unit.marginals.tensors.push(TensorMarginals {
            name,
            size,
            moments,
            fingerprints: sum.fingerprints[..models].to_vec(),
        });
    }

    /// Gives the sums the form that they have after `done` jobs, with all values zero. A resume file is then read into it.
    ///
    /// `None` when there are fewer jobs.
    pub(super) fn form_after(&mut self, done: usize) -> Option<()> {
        let last = self.jobs.get(..done)?.last().map(|job| job.parameter);
        for at in 0..done {
            let p = self.jobs[at].parameter;
            if self.goes_on(at) {
                continue;
            }
            let unit = &mut self.units[self.unit_of[p]];
            let models = unit.marginals.holders.len();
            if self.more_rows > 0 {
                unit.to_initialization.get_or_insert_with(|| vec![0.0; models]);
            }
            let (name, size) = self.names[p].clone();
            let (moments, fingerprints) = (vec![Moments::default(); models], vec![0; models]);
            unit.marginals.tensors.push(TensorMarginals { name, size, moments, fingerprints });
        }
        self.open = last.filter(|_| self.goes_on(done - 1)).map(|p| Partial::none(self.rows(p)));
        self.done = done;
        Some(())
    }

    /// Returns, for each parameter, the notes of the places that were seen whole. A resume file keeps no notes.
    pub(super) fn notes(&self) -> impl Iterator<Item = Vec<(Place, Note)>> {
        self.notes.iter().enumerate().map(|(p, notes)| {
            let holders = &self.units[self.unit_of[p]].marginals.holders;
            let size = self.names[p].1;
            holders
                .iter()
                .zip(notes)
                .filter(|(_, note)| note.count == size)
                .map(|(&place, &note)| (place, note))
                .collect()
        })
    }

    /// Returns an upper bound of the number of this group's tensors in a resume file: 4 for each unit, and 3 for an open
    /// parameter.
    pub(super) fn most_tensors(&self) -> u64 {
        4 * self.units.len() as u64 + 3
    }

    /// Whether all sums are finite, and those that cannot be negative are not.
    pub(super) fn are_sound(&self) -> bool {
        let square = |x: &f64| x.is_finite() && *x >= 0.0;
        let moments = |m: &Moments| square(&m.count) && square(&m.m2) && square(&m.m4) && (m.mean + m.m3).is_finite();
        let unit = |u: &ParameterGeometry| {
            (0..u.marginals.holders.len()).all(|i| u.distances.row(i).iter().all(square))
                && u.to_initialization.iter().flatten().all(square)
                && u.marginals.tensors.iter().flat_map(|t| &t.moments).all(moments)
        };
        let open = |o: &Partial| o.squared.values().iter().all(square) && o.moments.iter().all(moments);
        self.units.iter().all(unit) && self.open.iter().all(open)
    }
}
