//! One model against a store.

use crate::config::{Config, detect_phylogeny_from_sketches};
use crate::detect::{Families, LineageDetector};
use crate::error::{Error, SourceError, chain};
use crate::model_set::{Inventory, ModelId, OnUnreadable};
use crate::phylogeny::{Edge, Phylogeny, Remark};
use crate::sketch::{Sketch, SketchSet};
use crate::store::{Nearest, SketchStore, StoreProblem};

/// Probability that a model without kin in the whole store is given any.
const FALSE_ALARM: f64 = 1e-3;

/// The answer to a query: what one model was derived from, and what from it, among the nearest models of a store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The lineage of the model and of its nearest kin. It has the model alone where the store has no kin of it.
    pub phylogeny: Phylogeny,
    /// The model in question, by its id in `phylogeny`.
    pub model: ModelId,
    /// The findings of the store's index: distances, identical models, how many models there are.
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

    /// Stored models that have a parent in common with it, sorted. Where its own parent is not stored, they are the other
    /// children of that parent. A model whose parent is [withheld](Phylogeny::is_withheld) has none and is none.
    pub fn siblings(&self) -> Vec<ModelId> {
        let mut siblings: Vec<ModelId> = Vec::new();
        for edge in self.parents() {
            siblings.extend(self.phylogeny.children(edge.parent).map(|e| e.child));
        }
        for link in self.phylogeny.links_to(self.model) {
            let edges = link.parent.model().into_iter().flat_map(|m| self.phylogeny.children(m)).map(|e| e.child);
            siblings.extend(edges.chain(self.phylogeny.links_from(link.parent).filter_map(|l| l.child.model())));
        }
        siblings.retain(|&m| m != self.model);
        siblings.sort_unstable();
        siblings.dedup();
        siblings
    }

    /// The answer for a model that cannot be read. It is one of a model that could not be compared.
    ///
    /// `stored` is the number of models of the store.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPhylogeny`] never occurs, because one model without edges is a phylogeny.
    pub fn of_unreadable(name: &str, stored: usize, error: &SourceError) -> Result<Self, Error> {
        let phylogeny = alone(name.to_owned(), Some(chain(error)), Inventory::default())?;
        Ok(Self { phylogeny, model: ModelId::new(0), nearest: Nearest::nothing(stored) })
    }

    /// Why the model could not be compared with the store, as the end of a sentence. `None` when it was compared, or when it
    /// has kin. "No kin" is a finding only for a model that was compared.
    pub fn not_comparable(&self) -> Option<&str> {
        self.phylogeny.not_comparable(self.model).filter(|_| self.nearest.identical.is_empty())
    }

    /// Whether its family has a stored model.
    pub fn has_kin(&self) -> bool {
        self.phylogeny.family(self.phylogeny.family_of(self.model)).members.len() > 1
    }
}

/// A query to a store of sketches: what is one more model derived from?
///
/// The query opens only the [nearest](SketchStore::nearest) stored models that look like kin.
/// [`detect_phylogeny_from_sketches`] finds the lineage of these and the model. Models of the very same content are listed and
/// take no part: the answer is that of a store without them. The query uses the detector or selector of its
/// [configuration](Self::with_config). Without one it uses [`LineageDetector`], with the false-alarm probability of a
/// comparison with all stored models.
///
/// The result depends neither on names nor on the order in which models were stored. Of several stored models of the same
/// content, one is taken for the source of the others.
///
/// A sketch that cannot be read may be that of the parent. So it is an error, unless the query [goes on without
/// it](Self::with_on_unreadable).
///
/// Defaults: 32 nearest models, as many comparisons as the store has models, [`Config::new`], [`OnUnreadable::Stop`].
///
/// ```
/// use neural_phylogeny::InMemory;
/// use neural_phylogeny::query::Query;
/// use neural_phylogeny::sketch::{Sketch, SketchSettings};
/// use neural_phylogeny::store::SketchStore;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let noise = |seed: u64| {
/// #     let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
/// #     std::iter::repeat_with(move || { x ^= x << 13; x ^= x >> 7; x ^= x << 17; (x >> 40) as f32 / 8388608.0 - 1.0 })
/// # };
/// let store = SketchStore::open_or_create(folder.path().join("sketches"), &SketchSettings::new())?;
/// let sketch = |weights| -> Result<Sketch, Box<dyn std::error::Error>> {
///     let model = InMemory::new().with_parameter("w", [100, 100], weights)?;
///     Ok(Sketch::compute(&model, &store.settings())?)
/// };
/// let base: Vec<f32> = noise(1).take(10_000).collect();
/// let tuned = |seed| -> Vec<f32> { base.iter().zip(noise(seed)).map(|(w, e)| w + 0.1 * e).collect() };
/// let stranger = noise(9).take(10_000).collect();
/// for (name, weights) in [("base", base.clone()), ("chat", tuned(2)), ("code", tuned(3)), ("stranger", stranger)] {
///     store.add(name, &sketch(weights)?)?;
/// }
///
/// let answer = Query::new(&store).run("unknown", &sketch(tuned(4))?)?;
/// let parents: Vec<&str> = answer.parents().iter().map(|e| answer.phylogeny.name(e.parent)).collect();
/// assert_eq!(parents, ["base"]);
/// assert_eq!(answer.siblings().len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Query<'a> {
    store: &'a SketchStore,
    nearest: usize,
    comparisons: Option<usize>,
    config: Config,
    on_unreadable: OnUnreadable,
}

impl<'a> Query<'a> {
    /// A query to a store, with the defaults.
    pub fn new(store: &'a SketchStore) -> Self {
        Self { store, nearest: 32, comparisons: None, config: Config::new(), on_unreadable: OnUnreadable::Stop }
    }

    /// Sets how many stored models are opened at most, at least 1. Default: 32. More of them show more of the family, and take longer.
    pub fn with_nearest(mut self, models: usize) -> Self {
        self.nearest = models;
        self
    }

    /// Sets how many models the one was really compared with, where the store is only a part of them. Every comparison gives
    /// chance another occasion, so that the false-alarm probability is divided among them. Default: the models of the store.
    pub fn with_comparisons(mut self, models: usize) -> Self {
        self.comparisons = Some(models);
        self
    }

    /// Sets how the lineage among the nearest is detected.
    pub fn with_config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets what a sketch does that cannot be read: it is an error, or it is left out and listed in
    /// [`Nearest::unreadable`]. Default: [`OnUnreadable::Stop`].
    pub fn with_on_unreadable(mut self, on_unreadable: OnUnreadable) -> Self {
        self.on_unreadable = on_unreadable;
        self
    }

    /// Answers for one model.
    ///
    /// The model has `name` in the answer. A number is added when a stored model of other content has that name.
    ///
    /// # Errors
    ///
    /// - [`Error::Store`] when a sketch cannot be read and none may be left out.
    /// - [`Error::InvalidSetting`] when no stored model may be opened.
    /// - Those of [`SketchStore::nearest`] and of [`detect_phylogeny_from_sketches`].
    ///
    /// # Complexity
    ///
    /// Those of [`SketchStore::nearest`], and of a detection among the opened models and the one.
    pub fn run(&self, name: &str, sketch: &Sketch) -> Result<Answer, Error> {
        if self.nearest == 0 {
            let (found, expected) = ("0".to_owned(), "1 or more");
            return Err(Error::InvalidSetting { setting: "nearest", found, expected });
        }
        let (nearest, mut models) = self.opened(sketch)?;
        // The model comes last. Of two with the same weights, the stored one is then taken for the source.
        let model = ModelId::new(models.len());
        let taken = |name: &String| models.iter().any(|(other, _)| other == name);
        let numbered = (2..).map(|number| format!("{name} ({number})"));
        let name = std::iter::once(name.to_owned()).chain(numbered).find(|n| !taken(n)).unwrap_or_default();
        if models.is_empty() {
            let set = SketchSet::new([(name.clone(), sketch.clone())])?;
            let own = set.models().uncompared_by_itself(model);
            let none =
                || format!("none of the {} stored models has a matrix of the same name and shape", nearest.stored);
            // Where some were compared, the model is uncompared only if most of it cannot be compared at all.
            let reason = own.or_else(|| (nearest.comparable == 0 && nearest.stored > 0).then(none));
            let mut inventory = set.models().inventory();
            inventory.models.iter_mut().for_each(|record| record.content = Some(sketch.content()));
            return Ok(Answer { phylogeny: alone(name, reason, inventory)?, model, nearest });
        }
        models.push((name, sketch.clone()));

        let pairs = models.len() * (models.len() - 1) / 2;
        let compared = self.comparisons.unwrap_or(nearest.stored);
        // The independence test divides its probability among the pairs that it sees. With this factor each pair gets
        // FALSE_ALARM / compared, as if all comparisons of the search were among these pairs.
        let false_alarm = FALSE_ALARM * pairs as f64 / pairs.max(compared) as f64;
        let detector = LineageDetector::new().with_families(Families::Auto { false_alarm });
        let phylogeny =
            detect_phylogeny_from_sketches(&SketchSet::new(models)?, self.config.clone().or_detector(detector))?;
        let left = nearest.related - nearest.kin.len();
        let remark =
            (left > 0).then(|| Remark::Other(format!("{left} more stored models look like kin and were not opened")));
        let phylogeny = remark.into_iter().fold(phylogeny, Phylogeny::with_remark);
        Ok(Answer { phylogeny, model, nearest })
    }
}

impl Query<'_> {
    /// Finds the nearest models and opens their sketches. Where one cannot be opened, the next takes its place.
    fn opened(&self, sketch: &Sketch) -> Result<(Nearest, Vec<(String, Sketch)>), Error> {
        let mut nearest = self.store.nearest(sketch, usize::MAX)?;
        let (mut kin, mut models) = (Vec::new(), Vec::new());
        for near in std::mem::take(&mut nearest.kin) {
            if kin.len() == self.nearest {
                break;
            }
            match self.store.get(&near.name) {
                Ok(sketch) => {
                    models.push((near.name.clone(), sketch));
                    kin.push(near);
                }
                // It was removed after the folder was listed.
                Err(Error::UnknownModel { .. }) => nearest.related -= 1,
                // The index tells what it was, and its file is damaged since.
                Err(Error::Store { source }) => {
                    let path = self.store.path_of(&near.name);
                    nearest.unreadable.push(StoreProblem { path, problem: (*source).into() });
                    nearest.related -= 1;
                }
                Err(error) => return Err(error),
            }
        }
        nearest.kin = kin;
        match self.on_unreadable {
            OnUnreadable::Skip => Ok((nearest, models)),
            OnUnreadable::Stop => match nearest.unreadable.into_iter().next() {
                Some(problem) => Err(problem.into_error()),
                None => Ok((Nearest { unreadable: Vec::new(), ..nearest }, models)),
            },
        }
    }
}

/// Makes the phylogeny of a model without kin.
fn alone(name: String, not_comparable: Option<String>, mut inventory: Inventory) -> Result<Phylogeny, Error> {
    inventory.models.resize_with(1, Default::default);
    inventory.models.iter_mut().for_each(|record| record.not_comparable.clone_from(&not_comparable));
    Ok(Phylogeny::from_edges(1, Vec::new())?.with_names([name])?.with_inventory(inventory))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phylogeny::PhylogenyBuilder;

    #[test]
    fn a_model_whose_parent_is_withheld_is_no_sibling_of_those_without_one() {
        let [a, b, child, unsure] = [0, 1, 2, 3].map(ModelId::new);
        let edges = [Edge::new(a, child).with_confidence(1.0), Edge::new(b, unsure).with_confidence(0.25)];
        // The common parent of a and b is not stored.
        let builder = PhylogenyBuilder::new(4).with_edges(edges).with_kin([a, b]).with_unobserved_root(a);
        let phylogeny = builder.build().unwrap().with_minimum_confidence(0.5);
        let siblings = |model| {
            let (kin, identical, unreadable) = (Vec::new(), Vec::new(), Vec::new());
            let nearest =
                Nearest { kin, related: 0, identical, stored: 0, comparable: 0, read: 0, unreadable, unwritten: None };
            Answer { phylogeny: phylogeny.clone(), model, nearest }.siblings()
        };
        assert_eq!([a, b, child, unsure].map(siblings), [vec![b], vec![a], Vec::new(), Vec::new()]);
    }
}
