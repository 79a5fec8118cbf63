//! One model against a store.

use crate::detect::{Families, LineageDetector};
use crate::error::Error;
use crate::geometry::{Nearest, Sketch, SketchSet, SketchStore};
use crate::model_set::ModelId;
use crate::phylogeny::{Edge, Phylogeny, Remark};
use crate::pipeline::{Config, detect_phylogeny_from_sketches};

/// Of a whole store, the probability that a model without kin in it is given any.
const FALSE_ALARM: f64 = 1e-3;

/// What one model was derived from, and what from it, among the nearest models of a store.
#[derive(Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The lineage of the model and of its nearest kin; of the model alone where the store has none.
    pub phylogeny: Phylogeny,
    /// The model asked about.
    pub model: ModelId,
    /// What the index of the store tells: distances, identical models, how many there are.
    pub nearest: Nearest,
}

impl Answer {
    /// Edges from its parents: none for a root or a stranger, several for a merge.
    pub fn parents(&self) -> &[Edge] {
        self.phylogeny.parents(self.model)
    }

    /// Edges to stored models that came from it.
    pub fn children(&self) -> impl Iterator<Item = &Edge> {
        self.phylogeny.children(self.model)
    }

    /// Stored models that have a parent in common with it, or as it does a parent that is not stored; sorted.
    pub fn siblings(&self) -> Vec<ModelId> {
        let mut siblings: Vec<ModelId> = Vec::new();
        for edge in self.parents() {
            siblings.extend(self.phylogeny.children(edge.parent).map(|e| e.child));
        }
        let family = self.phylogeny.family_of(self.model);
        if self.parents().is_empty() && self.phylogeny.unobserved_root(family) {
            siblings.extend(&self.phylogeny.families()[family].roots);
        }
        siblings.retain(|&m| m != self.model);
        siblings.sort_unstable();
        siblings.dedup();
        siblings
    }

    /// Whether a stored model is of its family.
    pub fn has_kin(&self) -> bool {
        self.phylogeny.families()[self.phylogeny.family_of(self.model)].members.len() > 1
    }
}

/// What one model is derived from, from its sketch and a store of others.
///
/// The [nearest](SketchStore::nearest) `count` stored models that look like kin are the only ones opened; of them and the model
/// [`detect_phylogeny_from_sketches`] finds the lineage. Models whose content is the very same are told and take no part: the answer
/// is that of a store without them. With a detector or a selector in `config` that one is used, else [`LineageDetector`] with the
/// false-alarm probability of a comparison with all stored models.
///
/// `name` is what the model is called in the answer; it is numbered when a stored one of another content has it. Names and the order
/// in which models were stored have no part in the result, but that of several stored models of the same content one is taken for
/// the source of the others.
///
/// # Errors
///
/// Those of [`SketchStore::nearest`], of [`SketchStore::get`] for one of the nearest, and of [`detect_phylogeny_from_sketches`].
///
/// # Complexity
///
/// As [`SketchStore::nearest`] and a detection of `count + 1` models.
///
/// ```
/// use neural_phylogeny::{Config, InMemory, Sketch, SketchSettings, SketchStore, query};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let noise = |seed: u64| {
/// #     let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
/// #     std::iter::repeat_with(move || { x ^= x << 13; x ^= x >> 7; x ^= x << 17; (x >> 40) as f32 / 8388608.0 - 1.0 })
/// # };
/// let store = SketchStore::open_or_create(folder.path().join("sketches"), &SketchSettings::new())?;
/// let sketch = |weights| -> Result<Sketch, Box<dyn std::error::Error>> {
///     let model = InMemory::new().with_parameter("w", [100, 100], weights)?;
///     Ok(Sketch::of(&model, &store.settings())?)
/// };
/// let base: Vec<f32> = noise(1).take(10_000).collect();
/// let tuned = |seed| -> Vec<f32> { base.iter().zip(noise(seed)).map(|(w, e)| w + 0.1 * e).collect() };
/// let stranger = noise(9).take(10_000).collect();
/// for (name, weights) in [("base", base.clone()), ("chat", tuned(2)), ("code", tuned(3)), ("stranger", stranger)] {
///     store.add(name, &sketch(weights)?)?;
/// }
///
/// let answer = query(&store, "unknown", &sketch(tuned(4))?, 32, Config::default())?;
/// let parents: Vec<&str> = answer.parents().iter().map(|e| answer.phylogeny.name(e.parent)).collect();
/// assert_eq!(parents, ["base"]);
/// assert_eq!(answer.siblings().len(), 2);
/// # Ok(())
/// # }
/// ```
pub fn query(store: &SketchStore, name: &str, sketch: &Sketch, count: usize, config: Config) -> Result<Answer, Error> {
    let nearest = store.nearest(sketch, count)?;
    let mut models: Vec<(String, Sketch)> = Vec::with_capacity(nearest.kin.len() + 1);
    for kin in &nearest.kin {
        match store.get(&kin.name) {
            Ok(sketch) => models.push((kin.name.clone(), sketch)),
            // Removed since the folder was listed.
            Err(Error::UnknownModel { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    // The last: of two with the same weights, the stored one is then taken for the source.
    let model = ModelId::new(models.len());
    let taken = |name: &String| models.iter().any(|(other, _)| other == name);
    let numbered = (2..).map(|number| format!("{name} ({number})"));
    let name = std::iter::once(name.to_owned()).chain(numbered).find(|n| !taken(n)).unwrap_or_default();
    if models.is_empty() {
        let phylogeny = Phylogeny::from_edges(1, Vec::new())?.with_names([name])?;
        return Ok(Answer { phylogeny, model, nearest });
    }
    models.push((name, sketch.clone()));

    let pairs = models.len() * (models.len() - 1) / 2;
    let false_alarm = FALSE_ALARM * pairs as f64 / pairs.max(nearest.stored) as f64;
    let detector = LineageDetector::new().with_families(Families::Auto { false_alarm });
    let phylogeny = detect_phylogeny_from_sketches(&SketchSet::new(models)?, config.or_detector(detector))?;
    let left = nearest.related - nearest.kin.len();
    let remark =
        (left > 0).then(|| Remark::Other(format!("{left} more stored models look like kin and were not opened")));
    let phylogeny = remark.into_iter().fold(phylogeny, Phylogeny::with_remark);
    Ok(Answer { phylogeny, model, nearest })
}
