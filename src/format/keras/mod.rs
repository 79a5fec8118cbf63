//! Keras models and weights: HDF5 files, and the `.keras` archives that hold one.

mod dataset;
mod hdf5;

use super::archive::{self, Member};
use super::elsewhere::{ByteOrder, Elsewhere};
use super::{Format, Library, Tensors, has_extension};
use crate::bytes::ReadAt;
use crate::error::SourceError;
use dataset::{Bare, Content};
use hdf5::{Found, Hdf5, MAGIC};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The group of the weights, in a file that holds a whole model.
const MODEL: &str = "model_weights";

/// How the names of groups begin that hold the state of an optimizer.
const OPTIMIZER: &str = "optimizer";

/// Models and weights of Keras 2 and 3, those that transformers writes for TensorFlow, and other HDF5 files of arrays.
///
/// A tensor has the path of its dataset as its name. In files of the older layout, which are `.h5` files and those of Keras 2, the name
/// of the layer in front is left out where the rest is unique, and `:0` at the end as well. Weights of an optimizer are passed
/// over.
///
/// Values that stand in one piece are read at their place. Chunks, with gzip, shuffle, Fletcher-32 or LZ4, are decoded one by
/// one; the last 32 MiB of them are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Keras;

impl Format for Keras {
    fn name(&self) -> &str {
        "keras"
    }

    fn extensions(&self) -> &[&str] {
        &["h5", "hdf5", "keras"]
    }

    fn recognizes(&self, name: &str, beginning: &[u8]) -> bool {
        if beginning.is_empty() {
            return has_extension(name, self.extensions());
        }
        // An archive of Keras begins with its description; other archives have this name as well, so the ending must fit.
        beginning.starts_with(MAGIC) || (archive::first_name(beginning).is_some() && has_extension(name, &["keras"]))
    }

    /// # Errors
    ///
    /// [`SourceError::Malformed`] when the file is damaged; [`SourceError::NoWeights`] when an archive holds none;
    /// [`SourceError::SizeMismatch`] and [`SourceError::Truncated`] when a dataset does not fit its place;
    /// [`SourceError::UnsupportedContent`] for weights that are not read.
    fn open(&self, bytes: Arc<dyn ReadAt>) -> Result<Tensors, SourceError> {
        super::refuse_pointer(&*bytes)?;
        match crate::bytes::beginning(&*bytes, MAGIC.len())?.as_slice() {
            [b'P', b'K', 3, 4, ..] => {
                let (begin, object) = member(&bytes)?;
                tensors(bytes, begin, Hdf5::open(object)?)
            }
            MAGIC => tensors(Arc::clone(&bytes), 0, Hdf5::open(bytes)?),
            _ => {
                let reason = "it begins neither like an HDF5 file nor like an archive".to_owned();
                Err(SourceError::Malformed { path: bytes.path().to_owned(), format: "keras".to_owned(), reason })
            }
        }
    }

    fn stem(&self, library: Library) -> Option<&str> {
        (library == Library::Transformers).then_some("tf_model")
    }
}

/// Finds the weights in a `.keras` archive: their place, and themselves.
fn member(bytes: &Arc<dyn ReadAt>) -> Result<(u64, Arc<dyn ReadAt>), SourceError> {
    let path = || bytes.path().to_owned();
    let members = archive::members(bytes, "keras")?;
    let refused = |reason: &str| SourceError::UnsupportedContent {
        path: path(),
        format: "keras".to_owned(),
        reason: reason.to_owned(),
    };
    if members.iter().any(|m| m.name.ends_with(".weights.json")) {
        return Err(refused("its weights stand in several files: save the model again, without `max_shard_size`"));
    }
    match members.into_iter().find(|m| m.name == "model.weights.h5") {
        Some(Member { begin: Some(begin), object, .. }) => Ok((begin, object)),
        Some(_) => Err(refused("its `model.weights.h5` is compressed: unpack it, and give that file")),
        None => Err(SourceError::NoWeights { path: path(), expected: "a member `model.weights.h5`".to_owned() }),
    }
}

/// Lists the weights of a file that stands at byte `place` of `bytes`.
fn tensors(bytes: Arc<dyn ReadAt>, place: u64, file: Hdf5) -> Result<Tensors, SourceError> {
    let root = file.root()?;
    let (groups, mut is_old) = file.groups(&root)?;
    let state: Vec<String> = groups.iter().filter(|name| name.starts_with(OPTIMIZER)).cloned().collect();
    let mut found = Tensors::new(bytes);
    for name in &state {
        found = found.with_left_out(name, "it is the state of an optimizer");
    }
    let top = match groups.iter().any(|name| name == MODEL) {
        true => root.group(MODEL).map_err(|e| file.failed(MODEL, &e))?,
        false => root,
    };
    is_old |= file.groups(&top)?.1;
    let bare = if is_old { Bare::Bfloat16 } else { Bare::Unknown };
    let datasets = file.datasets(top, &state, bare)?;
    let names = if is_old { old_names(&datasets) } else { datasets.iter().map(|d| d.path.join("/")).collect() };
    for (Found { shape, content, .. }, name) in datasets.into_iter().zip(names) {
        found = match content {
            Content::LeftOut(reason) => found.with_left_out(name, reason),
            Content::Plain { dtype, order: ByteOrder::Little, begin } => {
                found.with_tensor(name, shape, dtype, place.saturating_add(begin))?
            }
            Content::Plain { dtype, order, begin } => {
                let values = Elsewhere::new(Arc::clone(file.object()), begin, dtype, order);
                found.with_decoded(name, shape, dtype, values)?
            }
            Content::Decoded { dtype, values } => found.with_decoded(name, shape, dtype, values)?,
        };
    }
    Ok(found)
}

/// The names of the older layout: without the layer in front, where they are unique.
fn old_names(datasets: &[Found]) -> Vec<String> {
    // The zero is the number of the output of a TensorFlow operation, and always the same.
    let name = |path: &[String]| {
        let name = path.join("/");
        name.strip_suffix(":0").map(ToOwned::to_owned).unwrap_or(name)
    };
    let short: Vec<String> = datasets.iter().map(|d| name(d.path.get(1..).unwrap_or(&d.path))).collect();
    let is_unique = short.iter().collect::<BTreeSet<_>>().len() == short.len() && !short.iter().any(String::is_empty);
    if is_unique { short } else { datasets.iter().map(|d| name(&d.path)).collect() }
}
