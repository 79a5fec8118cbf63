use super::contents::contents;
use super::{Config, ContentHashes};
use crate::error::Error;
use crate::geometry::{Faults, Geometry};
use crate::model_set::{ModelId, ModelSet};
use crate::phylogeny::{Phylogeny, Remark};
use crate::sketch::SketchSet;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::borrow::Cow;

/// Finds which models were fine-tuned from which.
///
/// Every setting is checked first. Every parameter is then read once, and some are read again for single decisions. The result
/// does not depend on the order or the names of the models, nor on the number of threads.
///
/// # Errors
///
/// - [`Error::OneModel`].
/// - [`Error::InvalidSetting`], [`Error::FamilyCount`], [`Error::UnusedSelector`] and [`Error::MemoryTooSmall`] for settings.
/// - [`Error::NoParameters`] when no model has anything to compare.
/// - [`Error::Source`] for a model that cannot be read, or that holds NaN or infinity. If the set
///   [skips](crate::model_set::OnUnreadable::Skip) such models, they are listed in the result. The pass then begins again
///   without them. It finds all of them before, so that it begins again once.
/// - [`Error::Interrupted`], and the errors of a file of partial sums.
/// - Whatever the detector and the selector return.
///
/// ```
/// use neural_phylogeny::{Config, InMemory, ModelSet, detect_phylogeny};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let noise = |seed: u64| {
/// #     let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
/// #     std::iter::repeat_with(move || { x ^= x << 13; x ^= x >> 7; x ^= x << 17; (x >> 40) as f32 / 8388608.0 - 1.0 })
/// # };
/// let parent: Vec<f32> = noise(1).take(4096).collect();
/// let tuned = |seed| -> Vec<f32> { parent.iter().zip(noise(seed)).map(|(w, e)| w + 0.1 * e).collect() };
/// let stranger: Vec<f32> = noise(9).take(4096).collect();
///
/// let model = |weights| InMemory::new().with_parameter("fc.weight", [64, 64], weights);
/// let models = ModelSet::builder()
///     .with_model("child", model(tuned(2))?)
///     .with_model("parent", model(parent.clone())?)
///     .with_model("sibling", model(tuned(3))?)
///     .with_model("stranger", model(stranger)?)
///     .build()?;
///
/// let phylogeny = detect_phylogeny(&models, Config::default())?;
/// for edge in phylogeny.edges() {
///     assert_eq!(phylogeny.name(edge.parent), "parent");
/// }
/// assert_eq!(phylogeny.families().len(), 2);
/// # Ok(())
/// # }
/// ```
pub fn detect_phylogeny(models: &ModelSet, config: Config) -> Result<Phylogeny, Error> {
    let mut models = Cow::Borrowed(models);
    loop {
        config.check(models.groups().len(), models.len())?;
        let faults = Faults::new(models.on_unreadable());
        if let Some(geometry) = Geometry::compute_noting(&models, &config.geometry, &faults)? {
            let phylogeny = with_remarks_of(&models, detect(&geometry, models.names(), &config)?);
            let mut inventory = models.inventory();
            if config.contents == ContentHashes::Read {
                let hashes = contents(&models, &config.geometry)?;
                inventory.models.iter_mut().zip(hashes).for_each(|(record, hash)| record.content = hash);
            }
            return Ok(phylogeny.with_inventory(inventory));
        }
        // Each round leaves out at least one model, so that this ends.
        models = Cow::Owned(models.without(&faults.noted())?);
    }
}

/// Finds which models were fine-tuned from which, from their sketches alone. No model is read.
///
/// Distances have the standard error of [`Geometry::squared_distance_error`]; norms and moments are exact. Lines are found in
/// the sample that sketches keep. Ranks, casts and grids need values, so that they are left out for models that are not held
/// whole. The result does not depend on the order or the names of the models, nor on the number of threads.
///
/// # Errors
///
/// As [`detect_phylogeny`] and [`Geometry::of_sketches`]. An example is at [`SketchSet`].
pub fn detect_phylogeny_from_sketches(sketches: &SketchSet, config: Config) -> Result<Phylogeny, Error> {
    let models = sketches.models();
    config.check(models.groups().len(), models.len())?;
    let geometry = Geometry::of_sketches(sketches, &config.geometry)?;
    let phylogeny = with_remarks_of(models, detect(&geometry, models.names(), &config)?);
    let mut inventory = models.inventory();
    for (at, record) in inventory.models.iter_mut().enumerate() {
        record.content = Some(sketches.sketch(ModelId::new(at)).content());
    }
    Ok(phylogeny.with_inventory(inventory))
}

/// Finds which models were fine-tuned from which, in a geometry that exists already. Several detectors can share one pass over
/// the weights.
///
/// `names` are those of the models, in the order of ids: [`ModelSet::names`], or any where the geometry was given by distances.
/// The geometry was computed before, so that the settings of reading and memory in `config` have no effect. The number of
/// threads has.
///
/// # Errors
///
/// - [`Error::InvalidSetting`], [`Error::FamilyCount`] and [`Error::UnusedSelector`] for settings.
/// - [`Error::InvalidPhylogeny`] or [`Error::DuplicateName`] when there is not one name for each model.
/// - Whatever the detector and the selector return.
///
/// ```
/// use neural_phylogeny::{Config, InMemory, ModelSet};
/// use neural_phylogeny::config::detect_phylogeny_in;
/// use neural_phylogeny::geometry::{Geometry, GeometrySettings};
/// use neural_phylogeny::parent::{Medoid, SmallestNorm};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let noise = |seed: u64| {
/// #     let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
/// #     std::iter::repeat_with(move || { x ^= x << 13; x ^= x >> 7; x ^= x << 17; (x >> 40) as f32 / 8388608.0 - 1.0 })
/// # };
/// # let base: Vec<f32> = noise(1).take(4096).collect();
/// # let tuned = |seed| -> Vec<f32> { base.iter().zip(noise(seed)).map(|(w, e)| w + 0.1 * e).collect() };
/// # let model = |weights| InMemory::new().with_parameter("fc.weight", [64, 64], weights);
/// # let models = ModelSet::builder().with_model("a", model(base.clone())?).with_model("b", model(tuned(2))?)
/// #     .with_model("c", model(tuned(3))?).build()?;
/// let geometry = Geometry::compute(&models, &GeometrySettings::new())?;
/// for config in [Config::new().with_selector(SmallestNorm), Config::new().with_selector(Medoid), Config::new()] {
///     let phylogeny = detect_phylogeny_in(&geometry, models.names(), config)?;
///     assert_eq!(phylogeny.families().len(), 1);
/// }
/// # Ok(())
/// # }
/// ```
pub fn detect_phylogeny_in<N: Into<String>>(
    geometry: &Geometry,
    names: impl IntoIterator<Item = N>,
    config: Config,
) -> Result<Phylogeny, Error> {
    config.check(geometry.groups().len(), geometry.len())?;
    detect(geometry, names, &config)
}

/// Adds what is known of the set of models, and not of their geometry.
fn with_remarks_of(models: &ModelSet, phylogeny: Phylogeny) -> Phylogeny {
    let count = models.groups().iter().filter(|group| !group.resembling().is_empty()).count();
    let other_names = (count > 0).then_some(Remark::OtherNames { count });
    let count = models.parts_for_pipelines();
    let one_part = (count > 0).then_some(Remark::OnePart { count });
    let remarks = other_names.into_iter().chain(one_part);
    remarks.fold(phylogeny, Phylogeny::with_remark).with_skipped(models.skipped().to_vec())
}

fn detect<N: Into<String>>(
    geometry: &Geometry,
    names: impl IntoIterator<Item = N>,
    config: &Config,
) -> Result<Phylogeny, Error> {
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    let (detector, selector) = (config.detector(), config.selector());
    // A pool of our own keeps detectors to the number of threads that was set.
    let pool = config.geometry.thread_pool()?;
    let phylogeny = pool.install(|| detector.detect(geometry, &selector, &mut rng))?;
    let left_out = geometry.left_out().map(<[String]>::to_vec);
    let remark = left_out.map(|left_out| Remark::Sketched { left_out });
    let unkept = geometry.unkept().map(|reason| Remark::Unkept { reason: reason.to_owned() });
    let phylogeny = remark.into_iter().chain(unkept).fold(phylogeny, Phylogeny::with_remark).with_names(names)?;
    let told_apart = phylogeny.edges().iter().any(|edge| edge.presence.is_some());
    let default = if told_apart { EVEN_ODDS } else { 0.0 };
    Ok(phylogeny.with_minimum_confidence(config.minimum_confidence.unwrap_or(default)))
}

/// Edges below even odds are not named by default: they are more probably wrong than right.
const EVEN_ODDS: f64 = 0.5;
