//! The hash of each whole model, for those who want to know later which files a result speaks of.

use crate::error::Error;
use crate::geometry::GeometrySettings;
use crate::kernel::format::BASE;
use crate::model_set::{ModelSet, OnUnreadable};
use crate::sketch::{Sketch, SketchSettings};

/// Whether a run gives the hash of each whole model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContentHashes {
    /// Hashes that are at hand: those of sketches. Distances do not need every tensor, so that files have none.
    #[default]
    AtHand,
    /// Hashes of all models. After detection every model is read once more, from its first byte to its last.
    Read,
}

/// Returns the hash of each model of a set. It is `None` for a model that cannot be read, where the set skips such models.
///
/// # Errors
///
/// [`Error::Source`] for a model that cannot be read, where the set does not skip such models. [`Error::Interrupted`].
pub(super) fn contents(models: &ModelSet, geometry: &GeometrySettings) -> Result<Vec<Option<String>>, Error> {
    let (threads, observer) = (geometry.threads, geometry.observer.clone());
    let settings = SketchSettings { threads, observer, ..SketchSettings::new() };
    let content = |id| {
        let named = |error| match error {
            Error::Sketching { source } => Error::Source { model: models.name(id).to_owned(), source },
            other => other,
        };
        let source = models.source(id);
        let sketch = match Sketch::compute(source, &settings) {
            // A model of very many tensors has no sketch of the default size.
            Err(Error::SketchTooSmall { .. }) => Sketch::compute(source, &settings.clone().with_width(BASE)),
            other => other,
        };
        match sketch.map_err(named) {
            Ok(sketch) => Ok(Some(sketch.content())),
            Err(Error::Source { .. }) if models.on_unreadable() == OnUnreadable::Skip => Ok(None),
            Err(error) => Err(error),
        }
    };
    models.ids().map(content).collect()
}
