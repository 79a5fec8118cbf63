//! Reads parameters a second time, for the few models that need it.

use super::facts::facts_of;
use super::increments::{KnownIncrements, increments};
use super::kept::KeptSamples;
use super::nearness;
use super::noted;
use super::pair;
use super::prints::prints;
use super::projection::{KnownProjections, projection};
use super::sample::sample;
use super::shared::{SharedTensor, SharedTensors};
use super::sweep;
use super::together::together;
use crate::error::Error;
use crate::geometry::{
    Apart, Aside, Counter, Evidence, GeometrySettings, Increment, Increments, LineRequest, MatrixSample, ModelFacts,
    Nearness, Notes, PairEvidence, Projection, ReadingStage, Spacing, TakeLineSums, TensorPrint, Zeros, read_finite,
};
use crate::model_set::{LayoutGroup, ModelId, ModelSet, Position};
use crate::source::Dtype;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Memory that the second thread and each further one need, in bytes.
///
/// It covers two runs, the results that wait to be summed, and what allocators keep of these and of the first pass. 8 MiB are
/// held; up to 15 MiB were seen resident.
const PER_THREAD: u64 = 32 << 20;

/// The share of the memory setting that pairs take which are compared side by side.
const COMPARED: u64 = 8;

/// The most pairs whose evidence is cached. Each takes some hundred bytes for each parameter.
const REMEMBERED: usize = 4096;

/// The cache of pairs.
type Pairs = HashMap<(ModelId, ModelId), Arc<PairEvidence>>;

/// Access to the values of every model.
pub(super) struct Values {
    shared: SharedTensors,
    facts: Arc<[ModelFacts]>,
    settings: GeometrySettings,
    /// The memory setting in bytes.
    memory: u64,
    pairs: Mutex<Pairs>,
    increments: KnownIncrements,
    projections: KnownProjections,
    /// The noise of rounding of each model that was sampled.
    noise: Mutex<HashMap<ModelId, f64>>,
    /// What the pass noted of each model.
    notes: Notes,
    /// Values of samples that were read.
    samples: KeptSamples,
    /// Number of values read, those read when the geometry was computed included.
    counter: Counter,
}

/// Evidence from the values of `models`, none of which were read before.
pub(crate) fn values_of(models: &ModelSet, settings: &GeometrySettings, facts: Arc<[ModelFacts]>) -> Arc<dyn Evidence> {
    Arc::new(Values::new(models, settings, 0, facts))
}

impl Values {
    /// Access to the values of `models`, of which `read` values were read when the geometry was computed.
    pub(super) fn new(models: &ModelSet, settings: &GeometrySettings, read: u64, facts: Arc<[ModelFacts]>) -> Self {
        // Reading again does not need the caller's initialization, so it is left out of these settings.
        let fitting = (settings.memory.0 / PER_THREAD).max(1) as usize;
        let own = GeometrySettings::new().with_threads(settings.wanted_threads().min(fitting));
        // Values that are read again are as many as before at most, where memory suffices.
        let counter = Counter::new(settings.observer.clone(), ReadingStage::Again, read, 2 * read);
        Self {
            shared: SharedTensors::new(models),
            facts,
            settings: own,
            memory: settings.memory.0,
            pairs: Mutex::default(),
            increments: KnownIncrements::default(),
            projections: KnownProjections::new(settings.memory.0),
            noise: Mutex::default(),
            notes: Notes::default(),
            samples: KeptSamples::new(settings.memory.0),
            counter,
        }
    }

    /// Adds what the pass noted of each model.
    pub(super) fn with_notes(self, notes: Notes) -> Self {
        Self { notes, ..self }
    }

    /// Adds the values of samples that the pass set aside.
    pub(super) fn with_samples(self, aside: Aside) -> Self {
        for ((model, group, parameter, begin), values) in aside.runs() {
            let own_name = self.place(model).and_then(|(_, at)| self.models().groups()[group].own_name(at, parameter));
            if let Some(own_name) = own_name {
                self.samples.keep(model, own_name, begin, values);
            }
        }
        self
    }

    /// What the pass noted of each model.
    pub(super) fn notes(&self) -> &Notes {
        &self.notes
    }

    /// The group of a model, and its position in it.
    pub(super) fn place(&self, model: ModelId) -> Option<(usize, Position<LayoutGroup>)> {
        self.shared.place(model)
    }

    /// Announces to the observer that `values` more values are going to be read.
    pub(super) fn announce(&self, values: usize) {
        self.counter.announce(values as u64);
    }

    /// A thread pool no larger than the memory allows.
    pub(super) fn thread_pool(&self) -> Result<rayon::ThreadPool, Error> {
        self.settings.thread_pool()
    }

    /// The number of values that may be held side by side.
    pub(super) fn held(&self) -> usize {
        sweep::held(self.memory)
    }

    /// The memory setting, in bytes.
    pub(super) fn memory(&self) -> u64 {
        self.memory
    }

    /// The tensors that all given models hold, sorted by name, then by their values.
    pub(super) fn shared(&self, models: &[ModelId]) -> Result<Vec<SharedTensor<'_>>, Error> {
        self.shared.among(models)
    }

    /// The set of models.
    pub(super) fn models(&self) -> &ModelSet {
        self.shared.models()
    }

    /// The dtype in which a model stores one of its tensors.
    pub(super) fn dtype(&self, model: ModelId, own_name: &str) -> Option<Dtype> {
        self.shared.models().dtype(model, own_name)
    }

    /// The root mean square of what quantization changed in a model's tensor, where it is known.
    pub(super) fn rounding(&self, model: ModelId, own_name: &str) -> Result<Option<f64>, Error> {
        let models = self.shared.models();
        models.source(model).rounding(own_name).map_err(|source| Error::of_model(models.name(model), source))
    }

    /// Reads one run of a tensor into `out`, which gets the length of the run.
    ///
    /// # Errors
    ///
    /// [`Error::Source`] for a tensor that cannot be read or holds NaN or infinity, [`Error::Interrupted`].
    pub(super) fn read(
        &self,
        model: ModelId,
        own_name: &str,
        run: &Range<usize>,
        out: &mut Vec<f32>,
    ) -> Result<(), Error> {
        // A shorter run leaves no values of a longer one behind: everything in `out` is overwritten.
        out.resize(run.len(), 0.0);
        read_finite(self.shared.models(), model, own_name, run.start, out)?;
        self.counter.advance(run.len() as u64)
    }

    /// Reads one run of a sample and appends it to `out`. It is kept, so that the next sample of the model need not read it again.
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read).
    pub(super) fn read_sample(
        &self,
        model: ModelId,
        own_name: &str,
        run: &Range<usize>,
        out: &mut Vec<f32>,
    ) -> Result<(), Error> {
        if self.samples.append(model, own_name, run, out) {
            return Ok(());
        }
        self.announce(run.len());
        let mut read = Vec::new();
        self.read(model, own_name, run, &mut read)?;
        out.extend_from_slice(&read);
        self.samples.keep(model, own_name, run.start, read);
        Ok(())
    }

    /// Announces that one run of a tensor will be read soon.
    pub(super) fn prefetch(&self, model: ModelId, own_name: &str, run: &Range<usize>) {
        self.shared.models().source(model).prefetch(own_name, run.start, run.len());
    }

    /// Reads one run of a tensor into `out` as it is, infinities included. Returns whether it could be read.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`].
    pub(super) fn peek(
        &self,
        model: ModelId,
        own_name: &str,
        run: &Range<usize>,
        out: &mut Vec<f32>,
    ) -> Result<bool, Error> {
        out.resize(run.len(), 0.0);
        let read = self.shared.models().source(model).read(own_name, run.start, out).is_ok();
        self.counter.advance(run.len() as u64)?;
        Ok(read)
    }
}

impl Evidence for Values {
    fn facts(&self, model: ModelId) -> &ModelFacts {
        &self.facts[model.index()]
    }

    fn line_sums(
        &self,
        requests: &[LineRequest<'_>],
        beside: &[(ModelId, ModelId)],
        take: &mut TakeLineSums<'_>,
    ) -> Result<(), Error> {
        if !beside.is_empty() {
            self.increments.forget_unasked();
        }
        let beside = self.increments.unknown(beside);
        together(self, requests, &beside, take, &mut |at, sampled| self.increments.keep_sampled(beside[at], sampled))
    }

    fn increments(&self, pairs: &[(ModelId, ModelId)]) -> Result<Vec<Option<Arc<Increments>>>, Error> {
        increments(self, &self.increments, pairs)
    }

    fn pairs(&self, pairs: &[(ModelId, ModelId)]) -> Result<Vec<Option<Arc<PairEvidence>>>, Error> {
        // A panic in another thread leaves the map whole, so a poisoned lock can still be used.
        let remembered = || self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: BTreeMap<(ModelId, ModelId), Arc<PairEvidence>> = BTreeMap::new();
        {
            let remembered = remembered();
            found.extend(pairs.iter().filter_map(|pair| Some((*pair, Arc::clone(remembered.get(pair)?)))));
        }
        let mut unknown: Vec<(ModelId, ModelId)> = pairs.iter().copied().filter(|p| !found.contains_key(p)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        let room = self.memory / COMPARED;
        for batch in sweep::batches(&unknown, self.held(), room, |_| pair::PAIR, |&(a, b)| vec![a, b]) {
            for (&pair, parameters) in batch.iter().zip(pair::compare(self, batch)?) {
                let evidence = Arc::new(PairEvidence { parameters });
                self.increments.keep_whole(pair, Increments::from(evidence.as_ref()));
                let mut remembered = remembered();
                // Entries are never dropped. Beyond the bound, a pair is read again each time.
                if remembered.len() < REMEMBERED {
                    remembered.insert(pair, Arc::clone(&evidence));
                }
                found.insert(pair, evidence);
            }
        }
        Ok(pairs.iter().map(|pair| found.get(pair).cloned()).collect())
    }

    fn projection(&self, a: ModelId, b: ModelId, compared: &Increment) -> Result<Option<Projection>, Error> {
        self.projections.of([a, b], &compared.name, || projection(self, [a, b], compared))
    }

    fn undecomposed(&self) -> usize {
        self.increments.undecomposed()
    }

    fn nearness(&self, a: ModelId, b: ModelId) -> Result<Option<Nearness>, Error> {
        nearness::nearness(self, a, b)
    }

    fn apart(&self, a: ModelId, b: ModelId, spacing: [Spacing; 2]) -> Result<Option<Apart>, Error> {
        nearness::apart(self, a, b, spacing).map(Some)
    }

    fn roundings(&self, model: ModelId) -> Result<BTreeMap<String, f64>, Error> {
        let mut roundings = BTreeMap::new();
        for tensor in self.shared(&[model])? {
            if let Some(rounding) = self.rounding(model, tensor.own_names[0])? {
                roundings.insert(tensor.name.to_owned(), rounding);
            }
        }
        Ok(roundings)
    }

    fn sample(&self, models: &[ModelId]) -> Result<Option<Vec<MatrixSample>>, Error> {
        sample(self, models).map(Some)
    }

    fn prints(&self, models: &[ModelId]) -> Result<Option<Vec<Vec<TensorPrint>>>, Error> {
        prints(self, models).map(Some)
    }

    fn memory(&self) -> u64 {
        self.memory
    }

    fn has_values(&self, _: &[ModelId]) -> bool {
        true
    }

    fn zeros(&self, a: ModelId, b: ModelId) -> Option<Zeros> {
        noted::zeros(self, a, b)
    }

    fn may_lie_on_grid(&self, a: ModelId, b: ModelId) -> Result<bool, Error> {
        pair::may_lie_on_grid(self, a, b)
    }

    fn own_noise(&self, model: ModelId) -> Result<f64, Error> {
        let noise = || self.noise.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&known) = noise().get(&model) {
            return Ok(known);
        }
        let found = nearness::own_noise(self, model)?;
        noise().insert(model, found);
        Ok(found)
    }

    fn without_values(&self) -> Arc<dyn Evidence> {
        facts_of(Arc::clone(&self.facts))
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").field("models", self.shared.models()).finish_non_exhaustive()
    }
}
