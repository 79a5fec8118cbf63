//! The parts of a weights file's name: the model, and whether the file is the whole model, a shard or an index of shards.
//!
//! The libraries of the ecosystem use the same names in every format. Shards are `model-00001-of-00003.EXT`, and their index is
//! `model.EXT.index.json`. A variant has the names `model.fp16.EXT` and `model.EXT.index.fp16.json`.

use super::{Format, without_extension};
use std::sync::Arc;

/// The parts of the name of a weights file.
#[derive(Clone, Debug)]
pub(crate) struct FileName<'a> {
    pub(crate) format: &'a Arc<dyn Format>,
    /// The ending without the dot, as the format spells it.
    pub(crate) extension: &'a str,
    /// The name of the model, such as `model`, or `model.fp16` for a variant.
    pub(crate) stem: String,
    pub(crate) part: FilePart,
}

/// Which part of a model a weights file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FilePart {
    Whole,
    /// An index: the list of the shards and of the tensors in each.
    Index,
    /// One of `count` shards, numbered from 1.
    Shard {
        count: u32,
    },
    /// One of several files that hold a part of each tensor, numbered from 0. The name does not tell how many there are.
    Slice {
        number: u32,
    },
}

/// How the names of slices begin and end around their number, and the name of their model.
const SLICES: [(&str, &str, &str); 2] =
    [("consolidated.", "", "consolidated"), ("mp_rank_", "_model_states", "model_states")];

impl<'a> FileName<'a> {
    /// Parses a file name of this format. `None` when the name is not one of the format's weights files.
    pub(super) fn parse(name: &str, format: &'a Arc<dyn Format>) -> Option<Self> {
        format.extensions().iter().find_map(|extension| {
            let found = |stem: &str, part| Self { format, extension, stem: stem.to_owned(), part };
            if let Some(stem) = index_stem(name, extension) {
                return Some(found(&stem, FilePart::Index));
            }
            if let Some((stem, count)) = shard(name, extension) {
                return Some(found(stem, FilePart::Shard { count }));
            }
            // A format may refuse a name although it has the right ending.
            let stem = without_extension(name, extension).filter(|_| format.recognizes(name, &[]))?;
            Some(match slice(stem) {
                Some((stem, number)) => found(stem, FilePart::Slice { number }),
                None => found(stem, FilePart::Whole),
            })
        })
    }
}

/// Returns the file name of a whole model.
pub(crate) fn whole_name(stem: &str, extension: &str) -> String {
    format!("{stem}.{extension}")
}

/// Returns the file name of the index of a model's shards.
pub(crate) fn index_name(stem: &str, extension: &str) -> String {
    format!("{stem}.{extension}.index.json")
}

/// Returns the file name of the index of a variant's shards.
pub(crate) fn variant_index_name(stem: &str, extension: &str, variant: &str) -> String {
    format!("{stem}.{extension}.index.{variant}.json")
}

/// Returns the file name of one of `count` shards, numbered from 1.
pub(crate) fn shard_name(stem: &str, extension: &str, number: u32, count: u32) -> String {
    format!("{stem}-{number:05}-of-{count:05}.{extension}")
}

/// Returns the file name of a slice. `stem` is the model's name in such files.
pub(crate) fn slice_name(stem: &str, extension: &str, number: u32) -> String {
    let (begin, end) =
        SLICES.iter().find(|(.., name)| *name == stem).map_or((stem, ""), |(begin, end, _)| (begin, end));
    format!("{begin}{number:02}{end}.{extension}")
}

/// Returns the model's name and the number of a slice. `None` for any other name.
fn slice(stem: &str) -> Option<(&'static str, u32)> {
    SLICES.iter().find_map(|(begin, end, model)| {
        let number = stem.strip_prefix(begin)?.strip_suffix(end)?;
        let digits = number.len() == 2 && number.bytes().all(|b| b.is_ascii_digit());
        Some((*model, number.parse().ok().filter(|_| digits)?))
    })
}

/// Returns the stem of the shards that an index of this name lists. `None` when it is not the name of an index.
fn index_stem(name: &str, extension: &str) -> Option<String> {
    let (stem, rest) = name.strip_suffix(".json")?.rsplit_once(&format!(".{extension}.index"))?;
    match rest.strip_prefix('.') {
        _ if stem.is_empty() => None,
        None => rest.is_empty().then(|| stem.to_owned()),
        Some(variant) => Some(format!("{stem}.{variant}")),
    }
}

/// Returns the stem and the count of a shard. `None` for any other name.
fn shard<'a>(name: &'a str, extension: &str) -> Option<(&'a str, u32)> {
    // The libraries write exactly five digits. Other names are whole models.
    let digits = |s: &str| -> Option<u32> {
        (s.len() == 5 && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse().ok()).flatten()
    };
    let (rest, count) = name.strip_suffix(extension)?.strip_suffix('.')?.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let (number, count) = (digits(number)?, digits(count)?);
    (!stem.is_empty() && (1..=count).contains(&number)).then_some((stem, count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Formats;

    #[test]
    fn names_are_taken_apart_and_put_together_again() {
        let formats = Formats::default();
        let extension = formats.iter().next().unwrap().extensions()[0];
        let cases = [
            (whole_name("a.b", extension), "a.b", FilePart::Whole),
            (whole_name("a", "SafeTensors"), "a", FilePart::Whole),
            (index_name("a.b", extension), "a.b", FilePart::Index),
            (variant_index_name("a", extension, "fp16"), "a.fp16", FilePart::Index),
            (shard_name("a", extension, 2, 3), "a", FilePart::Shard { count: 3 }),
            (shard_name("a", extension, 4, 3), "a-00004-of-00003", FilePart::Whole),
            (shard_name("", extension, 1, 3), "-00001-of-00003", FilePart::Whole),
            (slice_name("consolidated", extension, 7), "consolidated", FilePart::Slice { number: 7 }),
            (slice_name("model_states", extension, 12), "model_states", FilePart::Slice { number: 12 }),
            (whole_name("consolidated", extension), "consolidated", FilePart::Whole),
            (whole_name("consolidated.x1", extension), "consolidated.x1", FilePart::Whole),
        ];
        for (name, stem, part) in cases {
            let found = formats.parse(&name).unwrap();
            assert_eq!((found.stem.as_str(), found.part, found.extension), (stem, part, extension), "{name}");
        }
        for name in ["model.json", "model.md", extension, &index_name("", extension), "a.b.indexes.json"] {
            assert!(formats.parse(name).is_none(), "{name}");
        }
    }
}
