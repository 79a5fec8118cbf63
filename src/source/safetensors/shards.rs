use super::SafetensorsFile;
use crate::error::SourceError;
use crate::source::json::{self, Entries};
use crate::source::{ParameterInfo, ParameterSource};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// A model in several `.safetensors` files, with an index or numbered.
///
/// ```no_run
/// use neural_phylogeny::{ParameterSource, SafetensorsShards};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = SafetensorsShards::open("llama/model.safetensors.index.json")?;
/// let model = SafetensorsShards::open("llama/model-00001-of-00003.safetensors")?;
/// println!("{} tensors", model.parameters()?.len());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SafetensorsShards {
    files: Vec<SafetensorsFile>,
    /// Which file holds each tensor.
    place: BTreeMap<String, usize>,
}

impl SafetensorsShards {
    /// Opens every shard, from the path of their index or of any one of shards numbered `name-00001-of-00003`.
    ///
    /// # Errors
    ///
    /// What [`SafetensorsFile::open`] finds wrong with one of them; [`SourceError::ShardMissing`];
    /// [`SourceError::TensorInTwoShards`]; and, with an index, [`SourceError::ShardMismatch`] and
    /// [`SourceError::TensorNotIndexed`] where it and its shards disagree, and [`SourceError::ShardOutside`] where it
    /// leads out of its folder.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        let path = path.as_ref();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        match shard_number(name) {
            Some(shard) => Self::numbered(path.parent().unwrap_or(Path::new("")), &shard),
            None => Self::indexed(path),
        }
    }

    fn numbered(folder: &Path, shard: &ShardNumber<'_>) -> Result<Self, SourceError> {
        let mut files = Vec::new();
        for number in 1..=shard.count {
            let path = folder.join(format!("{}-{number:05}-of-{:05}.safetensors", shard.stem, shard.count));
            files.push(open_shard(folder, &path)?);
        }
        Self::placed(files)
    }

    fn indexed(index: &Path) -> Result<Self, SourceError> {
        let listed = weight_map(index)?;
        let folder = index.parent().unwrap_or(Path::new(""));
        let mut shards: Vec<&str> = listed.values().map(String::as_str).collect();
        shards.sort_unstable();
        shards.dedup();
        let files = shards
            .iter()
            .map(|shard| open_shard(index, &folder.join(inside(index, shard)?)))
            .collect::<Result<Vec<_>, _>>()?;

        let placed = Self::placed(files)?;
        for (tensor, shard) in &listed {
            let found = placed.place.get(tensor).map(|&at| shards[at]);
            if found != Some(shard) {
                return Err(SourceError::ShardMismatch {
                    index: index.to_owned(),
                    tensor: tensor.clone(),
                    expected: shard.clone(),
                    found: found.unwrap_or("nowhere").to_owned(),
                });
            }
        }
        if let Some((tensor, &at)) = placed.place.iter().find(|(tensor, _)| !listed.contains_key(*tensor)) {
            return Err(SourceError::TensorNotIndexed {
                index: index.to_owned(),
                shard: placed.files[at].path().to_owned(),
                tensor: tensor.clone(),
            });
        }
        Ok(placed)
    }

    fn placed(files: Vec<SafetensorsFile>) -> Result<Self, SourceError> {
        let mut place = BTreeMap::new();
        for (at, file) in files.iter().enumerate() {
            for tensor in file.names() {
                if let Some(first) = place.insert(tensor.to_owned(), at) {
                    return Err(SourceError::TensorInTwoShards {
                        tensor: tensor.to_owned(),
                        first: files[first].path().to_owned(),
                        second: file.path().to_owned(),
                    });
                }
            }
        }
        Ok(Self { files, place })
    }
}

impl ParameterSource for SafetensorsShards {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        let info = |(name, &at): (&String, &usize)| {
            let (shape, dtype) = self.files[at].tensor(name)?;
            Some(ParameterInfo { name: name.clone(), shape: shape.to_vec(), dtype })
        };
        Ok(self.place.iter().filter_map(info).collect())
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let at = self.place.get(name).ok_or_else(|| SourceError::UnknownParameter { parameter: name.to_owned() })?;
        self.files[*at].read(name, offset, out)
    }

    fn prefetch(&self, name: &str, offset: usize, length: usize) {
        if let Some(&at) = self.place.get(name) {
            self.files[at].prefetch(name, offset, length);
        }
    }
}

/// The stem and count of a shard's file name.
pub(in crate::source) struct ShardNumber<'a> {
    pub(in crate::source) stem: &'a str,
    pub(in crate::source) count: u32,
}

/// Takes `model-00001-of-00003.safetensors` apart; `None` for any other name.
pub(in crate::source) fn shard_number(name: &str) -> Option<ShardNumber<'_>> {
    let digits = |s: &str| -> Option<u32> {
        (s.len() == 5 && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse().ok()).flatten()
    };
    let (rest, count) = name.strip_suffix(".safetensors")?.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let (number, count) = (digits(number)?, digits(count)?);
    (!stem.is_empty() && (1..=count).contains(&number)).then_some(ShardNumber { stem, count })
}

/// The stem of the shards that an index of this name lists, `None` when it is no index's name.
///
/// `model.fp16` for the variant `model.safetensors.index.fp16.json`.
pub(in crate::source) fn index_stem(name: &str) -> Option<String> {
    let (stem, rest) = name.strip_suffix(".json")?.rsplit_once(".safetensors.index")?;
    match rest.strip_prefix('.') {
        _ if stem.is_empty() => None,
        None => rest.is_empty().then(|| stem.to_owned()),
        Some(variant) => Some(format!("{stem}.{variant}")),
    }
}

/// Which shard an index names for each tensor.
pub(in crate::source) fn weight_map(index: &Path) -> Result<BTreeMap<String, String>, SourceError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: Entries<String>,
    }

    let Entries(entries) = json::read::<Index>(index)?.weight_map;
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
    let plain = path.components().all(|c| matches!(c, Component::Normal(_)));
    if shard.is_empty() || !plain {
        return Err(SourceError::ShardOutside { index: index.to_owned(), shard: shard.to_owned() });
    }
    Ok(path.to_owned())
}

fn open_shard(index: &Path, path: &Path) -> Result<SafetensorsFile, SourceError> {
    SafetensorsFile::open(path).map_err(|e| match e {
        SourceError::NotFound { path } => SourceError::ShardMissing { index: index.to_owned(), shard: path },
        other => other,
    })
}
