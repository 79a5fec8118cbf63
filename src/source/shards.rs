use super::{ParameterInfo, ParameterSource};
use crate::bytes::json::{self, Entries};
use crate::bytes::{Folder, Listing, LocalFolder};
use crate::error::{ShardError, SourceError};
use crate::format::{FilePart, Formats, ModelUnit, Tensors, shard_name};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// A model in several files of one format. An index lists them, they are numbered, or they are all files of a folder.
///
/// ```no_run
/// use neural_phylogeny::ParameterSource;
/// use neural_phylogeny::source::Shards;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = Shards::open("llama/model.safetensors.index.json")?;
/// let model = Shards::open("llama/model-00001-of-00003.safetensors")?;
/// println!("{} tensors", model.parameters()?.len());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Shards {
    files: Vec<Tensors>,
    /// Which file holds each tensor.
    place: BTreeMap<String, usize>,
}

impl Shards {
    /// Opens every shard of a model, given the path of the index or of any shard numbered as in `name-00001-of-00003`.
    ///
    /// # Errors
    ///
    /// - [`ShardError::Missing`] when a shard does not exist.
    /// - [`ShardError::InTwo`] when two shards hold the same tensor.
    /// - With an index, [`ShardError::Mismatch`] and [`ShardError::NotIndexed`] when index and shards disagree,
    ///   and [`ShardError::Outside`] when the index names a file outside its folder.
    /// - Any error that the format finds in a shard.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        Self::open_in(&LocalFolder, &Formats::default(), path.as_ref())
    }

    /// Opens every shard of a model in a tree.
    pub(crate) fn open_in(tree: &dyn Folder, formats: &Formats, path: &Path) -> Result<Self, SourceError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let folder = path.parent().unwrap_or(Path::new(""));
        let named = formats.parse(&name);
        match named.as_ref().map(|n| (n, n.part)) {
            Some((named, FilePart::Shard { count })) => {
                let name = |number| shard_name(&named.stem, named.extension, number, count);
                let open = |number| open_shard(tree, formats, folder, &folder.join(name(number)));
                Self::placed((1..=count).map(open).collect::<Result<_, _>>()?)
            }
            _ => Self::indexed(tree, formats, path, folder),
        }
    }

    /// Opens the files of a folder that are one model together.
    pub(crate) fn gathered(tree: &dyn Folder, formats: &Formats, folder: &Path) -> Result<Self, SourceError> {
        let listing = Listing::read(tree, folder)?;
        let is_part = |name: &str| formats.parse(name).is_some_and(|file| file.format.unit() == ModelUnit::Folder);
        let files = listing.files.iter().filter(|file| is_part(&file.name));
        Self::placed(files.map(|file| formats.open(tree, &file.path)).collect::<Result<_, _>>()?)
    }

    fn indexed(tree: &dyn Folder, formats: &Formats, index: &Path, folder: &Path) -> Result<Self, SourceError> {
        let listed = weight_map(tree, index)?;
        let name = index.file_name().unwrap_or_default().to_string_lossy();
        let listed: BTreeMap<String, String> = match formats.parse(&name) {
            Some(named) => listed.into_iter().map(|(name, shard)| (named.format.listed_name(&name), shard)).collect(),
            None => listed,
        };
        let mut shards: Vec<&str> = listed.values().map(String::as_str).collect();
        // Many tensors name the same shard, and each shard is opened once.
        shards.sort_unstable();
        shards.dedup();
        let files = shards
            .iter()
            .map(|shard| open_shard(tree, formats, index, &folder.join(inside(index, shard)?)))
            .collect::<Result<Vec<_>, _>>()?;

        let placed = Self::placed(files)?;
        // Index and shards are compared in both directions, because an old index may miss tensors as well as misplace them.
        for (tensor, shard) in &listed {
            let found = placed.place.get(tensor).map(|&at| shards[at]);
            if found != Some(shard) {
                return Err(SourceError::Shards(ShardError::Mismatch {
                    index: index.to_owned(),
                    tensor: tensor.clone(),
                    expected: shard.clone(),
                    found: found.unwrap_or("nowhere").to_owned(),
                }));
            }
        }
        if let Some((tensor, &at)) = placed.place.iter().find(|(tensor, _)| !listed.contains_key(*tensor)) {
            return Err(SourceError::Shards(ShardError::NotIndexed {
                index: index.to_owned(),
                shard: placed.files[at].path().to_owned(),
                tensor: tensor.clone(),
            }));
        }
        Ok(placed)
    }

    fn placed(files: Vec<Tensors>) -> Result<Self, SourceError> {
        let mut place = BTreeMap::new();
        for (at, file) in files.iter().enumerate() {
            for tensor in file.names() {
                if let Some(first) = place.insert(tensor.to_owned(), at) {
                    return Err(SourceError::Shards(ShardError::InTwo {
                        tensor: tensor.to_owned(),
                        first: files[first].path().to_owned(),
                        second: file.path().to_owned(),
                    }));
                }
            }
        }
        Ok(Self { files, place })
    }

    fn holder(&self, name: &str) -> Result<&Tensors, SourceError> {
        let at = self.place.get(name).ok_or_else(|| SourceError::UnknownParameter { parameter: name.to_owned() })?;
        Ok(&self.files[*at])
    }
}

impl ParameterSource for Shards {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        Ok(self.place.iter().filter_map(|(name, &at)| self.files[at].info(name)).collect())
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        self.holder(name)?.read(name, offset, out)
    }

    fn read_bytes(&self, name: &str, offset: usize, out: &mut [u8]) -> Result<(), SourceError> {
        self.holder(name)?.read_bytes(name, offset, out)
    }

    fn rounding(&self, name: &str) -> Result<Option<f64>, SourceError> {
        self.holder(name)?.rounding(name)
    }

    fn left_out(&self) -> Vec<(String, String)> {
        self.files.iter().flat_map(ParameterSource::left_out).collect()
    }

    fn prefetch(&self, name: &str, offset: usize, length: usize) {
        if let Ok(file) = self.holder(name) {
            file.prefetch(name, offset, length);
        }
    }
}

/// Reads an index: for each tensor, the name of its shard.
pub(crate) fn weight_map(tree: &dyn Folder, index: &Path) -> Result<BTreeMap<String, String>, SourceError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: Entries<String>,
    }

    let Entries(entries) = json::read::<Index>(&*tree.open(index)?, json::INDEX)?.weight_map;
    let mut listed = BTreeMap::new();
    for (tensor, shard) in entries {
        if listed.insert(tensor.clone(), shard).is_some() {
            return Err(SourceError::DuplicateTensor { path: index.to_owned(), tensor });
        }
    }
    Ok(listed)
}

fn inside(index: &Path, shard: &str) -> Result<PathBuf, SourceError> {
    let path = Path::new(shard);
    // A hostile index must not lead to files outside its folder: no root, no `..`, no drive.
    let plain = path.components().all(|c| matches!(c, Component::Normal(_)));
    if shard.is_empty() || !plain {
        return Err(SourceError::Shards(ShardError::Outside { index: index.to_owned(), shard: shard.to_owned() }));
    }
    Ok(path.to_owned())
}

fn open_shard(tree: &dyn Folder, formats: &Formats, index: &Path, path: &Path) -> Result<Tensors, SourceError> {
    formats.open(tree, path).map_err(|e| match e {
        SourceError::NotFound { path } => {
            SourceError::Shards(ShardError::Missing { index: index.to_owned(), shard: path })
        }
        other => other,
    })
}
