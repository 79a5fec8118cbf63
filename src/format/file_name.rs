//! What the name of a weights file says: its model, and whether it is all of it, a shard, or an index of shards.
//!
//! The libraries of the ecosystem name shards alike in every format: `model-00001-of-00003.EXT`, listed by
//! `model.EXT.index.json`; a variant stands in `model.fp16.EXT` and `model.EXT.index.fp16.json`.

use super::{Format, without_extension};
use std::sync::Arc;

/// The name of a weights file, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct FileName<'a> {
    pub(crate) format: &'a Arc<dyn Format>,
    /// What it ends in, without the dot, spelled as the format does.
    pub(crate) extension: &'a str,
    /// The name of the model, `model.fp16` for a variant.
    pub(crate) stem: String,
    pub(crate) part: FilePart,
}

/// How much of a model a weights file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FilePart {
    Whole,
    /// A list of shards and of what each holds.
    Index,
    /// One of `count` shards, numbered from 1.
    Shard {
        count: u32,
    },
}

impl<'a> FileName<'a> {
    /// The name as this format has it, `None` when it is no weights file of the format.
    pub(super) fn parse(name: &str, format: &'a Arc<dyn Format>) -> Option<Self> {
        format.extensions().iter().find_map(|extension| {
            let found = |stem: &str, part| Self { format, extension, stem: stem.to_owned(), part };
            if let Some(stem) = index_stem(name, extension) {
                return Some(found(&stem, FilePart::Index));
            }
            if let Some((stem, count)) = shard(name, extension) {
                return Some(found(stem, FilePart::Shard { count }));
            }
            let stem = without_extension(name, extension).filter(|_| format.recognizes(name, &[]))?;
            Some(found(stem, FilePart::Whole))
        })
    }
}

/// The file of a whole model.
pub(crate) fn whole_name(stem: &str, extension: &str) -> String {
    format!("{stem}.{extension}")
}

/// The index of a model's shards.
pub(crate) fn index_name(stem: &str, extension: &str) -> String {
    format!("{stem}.{extension}.index.json")
}

/// The index of the shards of a variant.
pub(crate) fn variant_index_name(stem: &str, extension: &str, variant: &str) -> String {
    format!("{stem}.{extension}.index.{variant}.json")
}

/// One of `count` shards.
pub(crate) fn shard_name(stem: &str, extension: &str, number: u32, count: u32) -> String {
    format!("{stem}-{number:05}-of-{count:05}.{extension}")
}

/// The stem of the shards that an index of this name lists, `None` when it is no index's name.
fn index_stem(name: &str, extension: &str) -> Option<String> {
    let (stem, rest) = name.strip_suffix(".json")?.rsplit_once(&format!(".{extension}.index"))?;
    match rest.strip_prefix('.') {
        _ if stem.is_empty() => None,
        None => rest.is_empty().then(|| stem.to_owned()),
        Some(variant) => Some(format!("{stem}.{variant}")),
    }
}

/// The stem and count of a shard; `None` for any other name.
fn shard<'a>(name: &'a str, extension: &str) -> Option<(&'a str, u32)> {
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
        ];
        for (name, stem, part) in cases {
            let found = formats.parse(&name).unwrap();
            assert_eq!((found.stem.as_str(), found.part, found.extension), (stem, part, extension), "{name}");
        }
        for name in ["model.json", "model.bin", extension, &index_name("", extension), "a.b.indexes.json"] {
            assert!(formats.parse(name).is_none(), "{name}");
        }
    }
}
