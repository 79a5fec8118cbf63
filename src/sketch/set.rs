use super::Sketch;
use super::line_sample::{LineSample, LineSketch};
use crate::error::{Error, SourceError};
use crate::model_set::{LayoutGroup, Matching, ModelId, ModelSet, ModelSetBuilder, Role};
use std::sync::Arc;

/// Named sketches to be compared: a [`ModelSet`] whose models need not be at hand.
///
/// ```
/// use neural_phylogeny::{Config, InMemory};
/// use neural_phylogeny::config::detect_phylogeny_from_sketches;
/// use neural_phylogeny::sketch::{Sketch, SketchSet, SketchSettings};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let noise = |seed: u64| {
/// #     let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
/// #     std::iter::repeat_with(move || { x ^= x << 13; x ^= x >> 7; x ^= x << 17; (x >> 40) as f32 / 8388608.0 - 1.0 })
/// # };
/// let parent: Vec<f32> = noise(1).take(65_536).collect();
/// let tuned = |seed| -> Vec<f32> { parent.iter().zip(noise(seed)).map(|(w, e)| w + 0.1 * e).collect() };
/// let settings = SketchSettings::new().with_size(16 << 10);
/// let model = |weights| InMemory::new().with_parameter("fc.weight", [256, 256], weights);
///
/// let mut sketches = Vec::new();
/// for (name, weights) in [("child", tuned(2)), ("parent", parent.clone()), ("sibling", tuned(3))] {
///     sketches.push((name, Sketch::compute(&model(weights)?, &settings)?));
/// }
/// let phylogeny = detect_phylogeny_from_sketches(&SketchSet::new(sketches)?, Config::default())?;
/// assert_eq!(phylogeny.roots().map(|m| phylogeny.name(m)).collect::<Vec<_>>(), ["parent"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SketchSet {
    models: ModelSet,
    sketches: Vec<Arc<Sketch>>,
}

impl SketchSet {
    /// A set of sketches with unique names. Their order gives the [`ModelId`]s and has no other effect.
    ///
    /// # Errors
    ///
    /// Those of [`with_selection`](Self::with_selection).
    pub fn new<N: Into<String>>(sketches: impl IntoIterator<Item = (N, Sketch)>) -> Result<Self, Error> {
        Self::with_selection(ModelSet::builder(), sketches)
    }

    /// A set of sketches that compares what the settings of a builder select.
    ///
    /// # Errors
    ///
    /// - Those of [`ModelSetBuilder::build`].
    /// - [`Error::Source`] with [`SourceError::SketchMismatch`] when seeds differ.
    /// - [`Error::InvalidSetting`] when the builder has models of its own.
    pub fn with_selection<N: Into<String>>(
        mut selection: ModelSetBuilder,
        sketches: impl IntoIterator<Item = (N, Sketch)>,
    ) -> Result<Self, Error> {
        let mut all: Vec<Arc<Sketch>> = Vec::new();
        for (name, sketch) in sketches {
            let (name, sketch) = (name.into(), Arc::new(sketch));
            if let Some(first) = all.first().filter(|first| first.seed != sketch.seed) {
                let (found, expected) = (format!("seed {}", sketch.seed), format!("seed {}", first.seed));
                return Err(Error::of_model(name, SourceError::SketchMismatch { found, expected }));
            }
            selection = selection.with_model(name, Arc::clone(&sketch));
            all.push(sketch);
        }
        // A sketch of a tensor is no sample of its values.
        let models = selection.with_matching(Matching::ByNames).build()?;
        // A model that the builder had before has no sketch.
        if models.len() != all.len() {
            let found = format!("{} models, {} of them sketches", models.len(), all.len());
            return Err(Error::InvalidSetting { setting: "selection", found, expected: "settings without models" });
        }
        Ok(Self { models, sketches: all })
    }

    /// The set of models: names, layouts and groups. Values can be read only from tensors that sketches hold whole.
    pub fn models(&self) -> &ModelSet {
        &self.models
    }

    /// The sketch of a model.
    ///
    /// # Panics
    ///
    /// Panics when `model` is not of this set.
    pub fn sketch(&self, model: ModelId) -> &Sketch {
        &self.sketches[model.index()]
    }

    /// Whether every compared tensor of every model is held whole. Then all results are those of the models themselves.
    pub fn is_whole(&self) -> bool {
        self.models.ids().all(|id| self.holds_whole(id))
    }

    /// Whether every compared tensor of one model is held whole.
    pub fn holds_whole(&self, model: ModelId) -> bool {
        let mut compared = self.models.parameters(model).filter(|(_, role)| *role == Role::Parameter);
        compared.all(|(info, _)| self.sketch(model).is_whole(&info.name))
    }

    /// The sample of a matrix's lines that a model's sketch keeps.
    pub(super) fn sample(&self, model: ModelId, own_name: &str) -> Option<LineSample> {
        self.sketch(model).sample(own_name)
    }

    /// The lines of a matrix that a model's sketch keeps.
    pub(super) fn lines(&self, model: ModelId, own_name: &str) -> Result<Option<LineSketch>, Error> {
        let named = |source| Error::of_model(self.models.name(model), source);
        self.sketch(model).lines(own_name).map_err(named)
    }

    /// Number of values kept of each larger tensor in a group: the fewest that any of its models keeps.
    pub(super) fn width(&self, group: &LayoutGroup) -> usize {
        group.models().iter().map(|&m| self.sketch(m).width).min().unwrap_or(usize::MAX)
    }
}
