//! The search for the models of a store that are near to a given one.

use super::index::{self, Damage, EarlierIndex, Excerpt};
use super::{SketchStore, StoreProblem};
use crate::error::{Error, SourceError};
use crate::kernel::hex;
use crate::sketch::Sketch;
use std::sync::Arc;

/// A stored model that looks like kin of another model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Neighbor {
    /// The model's name.
    pub name: String,
    /// The hash of the model, as [`Sketch::content`] gives it.
    pub content: String,
    /// The Euclidean distance over the matrices that the index holds of both, as a share of the geometric mean of their norms.
    ///
    /// It is 0 for the same weights, and about √2 for unrelated models of one norm.
    pub relative_distance: f64,
    /// A z-score: how unlikely it is that models trained apart have so much in common. See
    /// [`Independence`](crate::geometry::Independence).
    pub z: f64,
}

/// The result of a search, found without opening the sketches.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Nearest {
    /// The nearest models of other content that look like kin, nearest first, at most as many as wanted.
    pub kin: Vec<Neighbor>,
    /// Number of stored models that look like kin, those in `kin` included.
    pub related: usize,
    /// Names of the stored models with exactly the same content, sorted. The model itself is among them when it is stored.
    pub identical: Vec<String>,
    /// Number of models in the store.
    pub stored: usize,
    /// Number of stored models that have a matrix of the same name and shape, so that the index can compare them.
    pub comparable: usize,
    /// Number of sketches opened, because the index had nothing of them as they are now.
    pub read: usize,
    /// Sketches that cannot be read, sorted by path. Their models are not known.
    pub unreadable: Vec<StoreProblem>,
    /// Why the index could not be written for the next time; `None` where it was written or had nothing new.
    pub unwritten: Option<Arc<std::io::Error>>,
}

impl Nearest {
    /// The result for a model that could not be compared with any of a store.
    pub(crate) fn nothing(stored: usize) -> Self {
        Self {
            kin: Vec::new(),
            related: 0,
            identical: Vec::new(),
            stored,
            comparable: 0,
            read: 0,
            unreadable: Vec::new(),
            unwritten: None,
        }
    }
}

impl SketchStore {
    /// The stored models nearest to a given one, among those that can be its kin.
    ///
    /// The comparison uses the index of the store, `index.safetensors` in its folder. The index holds some 8 KiB for each
    /// model. These are the exact norms and 256 sketched values of up to eight of its matrices, chosen by its layout.
    ///
    /// An index may be missing, damaged, or older than the sketches in the folder. It is then brought up to date by opening
    /// only the sketches concerned. Where it cannot be written, it is kept in memory for this call.
    ///
    /// Models look like kin when their matrices correlate strongly. The bound is set so that, among as many stored models
    /// trained apart, any would pass it one time in ten. Whole sketches decide ([`query`](crate::query::Query)). Matrices
    /// correspond by name and shape, also where one side has a wrapper in front of all names.
    ///
    /// # Fails when
    ///
    /// Permuted copies and models of another shape are not found. Nor are models that moved so far that 256 values of each
    /// matrix do not show what is left.
    ///
    /// # Errors
    ///
    /// - [`Error::Store`] when the folder cannot be listed, or when the sketch is in a file that cannot be read.
    /// - [`Error::SketchSeed`] when the seed of the sketch is not that of the store.
    ///
    /// # Complexity
    ///
    /// For n stored models, it takes n file sizes and times. It also takes a read of 8 KiB for each model that has a matrix
    /// of the same name and shape.
    ///
    /// ```
    /// use neural_phylogeny::InMemory;
    /// use neural_phylogeny::sketch::{Sketch, SketchSettings};
    /// use neural_phylogeny::store::SketchStore;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let noise = |seed: u64| {
    /// #     let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    /// #     std::iter::repeat_with(move || { x ^= x << 13; x ^= x >> 7; x ^= x << 17; (x >> 40) as f32 / 8388608.0 - 1.0 })
    /// # };
    /// let store = SketchStore::open_or_create(folder.path().join("sketches"), &SketchSettings::new().with_size(16 << 10))?;
    /// let sketch = |weights| -> Result<Sketch, Box<dyn std::error::Error>> {
    ///     let model = InMemory::new().with_parameter("w", [100, 100], weights)?;
    ///     Ok(Sketch::compute(&model, &store.settings())?)
    /// };
    /// let parent: Vec<f32> = noise(1).take(10_000).collect();
    /// let child = parent.iter().zip(noise(2)).map(|(w, e)| w + 0.1 * e).collect();
    /// store.add("parent", &sketch(parent)?)?;
    /// store.add("stranger", &sketch(noise(3).take(10_000).collect())?)?;
    ///
    /// let nearest = store.nearest(&sketch(child)?, 32)?;
    /// assert_eq!((nearest.stored, nearest.kin.len()), (2, 1));
    /// assert_eq!(nearest.kin[0].name, "parent");
    /// # Ok(())
    /// # }
    /// ```
    pub fn nearest(&self, sketch: &Sketch, count: usize) -> Result<Nearest, Error> {
        // Another seed means another random map, and distances between two maps mean nothing.
        if sketch.seed() != self.seed() {
            let (found, expected) = (sketch.seed(), self.seed());
            return Err(Error::SketchSeed { name: None, found, expected });
        }
        let asked = Excerpt::new(sketch).map_err(|source| Error::Store { source: source.into() })?;
        // The content, and not the name, shows whether a stored model is the given one.
        let content = sketch.content_hash();
        let mut index = index::current(self, EarlierIndex::Taken)?;
        let kin = match index::search(&index, &asked, content) {
            Ok(kin) => kin,
            // The index was damaged after it was opened. It is made anew once; a second failure is reported.
            Err(Damage) => {
                index = index::current(self, EarlierIndex::Ignored)?;
                let changed = |Damage| SourceError::SketchDamaged {
                    path: self.path().to_owned(),
                    what: "index",
                    found: "not what it was".to_owned(),
                    expected: "one just made".to_owned(),
                };
                index::search(&index, &asked, content).map_err(|e| Error::Store { source: changed(e).into() })?
            }
        };
        let related = kin.found.len();
        let neighbor = |found: index::Match| Neighbor {
            name: found.name,
            content: hex(found.content),
            relative_distance: found.squared.sqrt(),
            z: found.z,
        };
        Ok(Nearest {
            kin: kin.found.into_iter().take(count).map(neighbor).collect(),
            related,
            identical: kin.identical,
            stored: kin.stored,
            comparable: kin.comparable,
            read: index.read,
            unreadable: index.unreadable,
            unwritten: index.unwritten.map(Arc::new),
        })
    }
}
