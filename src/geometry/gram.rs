//! One streamed pass over all parameters, with symmetric rank-k updates and sums in a fixed order.
//!
//! A raw Gram matrix loses small distances. At a relative movement of 1e-6, the squared distance is only 1e-12 of the products
//! whose difference it is. So each job reads models as [steps](super::steps) along a [tree](super::step_tree), and sums the products
//! of these.

use super::aside::Aside;
use super::faults::Faults;
use super::group::GroupGeometry;
use super::marginals::Place;
use super::notes::{Note, Notes};
use super::pass::Pass;
use super::pilot::{Pilot, pilot};
use super::plan::{self, Plan};
use super::progress::{Counter, ReadingStage};
use super::resume::{Binding, ResumeFile};
use super::settings::{GeometrySettings, Initialization};
use super::size;
use super::sums::Sums;
use crate::error::Error;
use crate::model_set::{LayoutGroup, ModelId, ModelSet};
use crate::source::{ParameterSource, RandomSource};
use std::collections::BTreeMap;

/// The geometry of all groups, what was noted of each model, and the file of partial sums, if there is one.
pub(super) type PassOutcome = (Vec<GroupGeometry>, Notes, Option<ResumeFile>);

/// Streams every group of comparable models.
///
/// `None` when faulty models were noted.
pub(super) fn stream(
    models: &ModelSet,
    settings: &GeometrySettings,
    faults: &Faults,
    aside: &Aside,
) -> Result<Option<PassOutcome>, Error> {
    let wanted: u64 = models.groups().iter().map(plan::wanted).sum();
    let with_initialization = !matches!(settings.initialization, Initialization::Zero);
    let mut plans: Vec<Plan> = Vec::with_capacity(models.groups().len());
    let mut pilots: Vec<Pilot> = Vec::with_capacity(models.groups().len());
    let mut sums: Vec<Sums> = Vec::with_capacity(models.groups().len());
    for group in models.groups() {
        let plan = plan::plan(group, plan::wanted(group) as f64 / wanted.max(1) as f64, settings)?;
        // The pilot reads only a few values, so a memory setting that is too small is reported before the pass begins.
        let pilot = pilot(models, group, faults)?;
        sums.push(Sums::new(group, &plan, &pilot, with_initialization));
        plans.push(plan);
        pilots.push(pilot);
    }
    if faults.any() {
        // The pilots are quick, so that a faulty model which they find costs no pass.
        return Ok(None);
    }
    let mut resume = match &settings.resume_file {
        Some(path) => {
            let binding = Binding::new(models, &pilots, settings)?;
            Some(ResumeFile::open(path, settings.save_every.0, binding, &mut sums)?)
        }
        None => None,
    };

    // A resumed pass starts with the sums of the file, so the counter starts with the values that these cover.
    let read = sums.iter().map(Sums::read).sum();
    let counter = Counter::new(settings.observer.clone(), ReadingStage::Whole, read, size(models));
    for (g, (group, plan)) in models.groups().iter().zip(&plans).enumerate() {
        if sums[g].left().is_empty() {
            // The resume file already has all jobs of this group.
            continue;
        }
        let random;
        let initialization: Option<&dyn ParameterSource> = match &settings.initialization {
            Initialization::Zero => None,
            Initialization::Model(source) => Some(source.as_ref()),
            Initialization::Random { entries, seed } => {
                random = RandomSource::new(shapes(group), *entries, *seed);
                Some(&random)
            }
        };
        let aside = |p: usize, model: ModelId| aside.of(g, p, model);
        let pass = Pass::new(models, group, plan, &pilots[g], initialization, &aside)?;
        while !sums[g].left().is_empty() {
            // Partial sums are saved between waves, and also after a wave that failed.
            let jobs = resume.as_ref().map_or(plan.wave, |c| c.jobs(plan));
            let outcome = pass.wave(&mut sums[g], jobs, &counter, faults);
            match &mut resume {
                // Sums after a fault are of no use, and must not be kept.
                Some(resume) if !faults.any() => resume.after(outcome, &mut sums)?,
                _ => outcome?,
            }
        }
    }
    if faults.any() {
        // The kept sums are those of a set with the faulty models. The next pass is over a set without them.
        if let Some(resume) = resume {
            resume.delete();
        }
        return Ok(None);
    }
    let mut notes = Notes::default();
    for ((group, pilot), sums) in models.groups().iter().zip(&pilots).zip(&sums) {
        let model = |(place, note): (Place, Note)| (group.model(pilot.order[place.0]), note);
        notes.push(sums.notes().map(|notes| notes.into_iter().map(model).collect()).collect());
    }
    let whole = models.groups().iter().zip(pilots).zip(sums).map(|((group, pilot), sums)| {
        let members = pilot.order.iter().map(|&at| group.model(at)).collect();
        let unshared = pilot.order.iter().map(|&at| group.unshared_size(at)).collect();
        GroupGeometry::new(members, sums.units, unshared, settings.scope)
    });
    Ok(Some((whole.collect(), notes, resume)))
}

/// Returns the shapes of a flat network that has every value that any model of the group shares.
fn shapes(group: &LayoutGroup) -> impl IntoIterator<Item = (String, Vec<usize>)> {
    let mut shapes: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for p in group.parameters() {
        let shape = shapes.entry(p.name.clone()).or_insert_with(|| vec![0]);
        shape[0] = shape[0].max(p.values.end);
    }
    shapes
}
