//! The lossless form of a result.

mod answer;
mod build;
mod document;
mod inventory;
mod reasons;
mod remark;
mod shared_part;

pub use answer::write_answer_json;
pub(crate) use build::Parents;

use super::format::{Content, ContentKind, OutputFormat};
use crate::error::{Error, unwritten};
use crate::model_set::ModelId;
use crate::phylogeny::Phylogeny;
use document::{Document, OneModel, READ};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::io::{Read, Write};

/// The form of [`write_json`], [`write_explanation_json`] and [`write_answer_json`].
#[derive(Clone, Copy, Debug)]
pub struct Json;

impl OutputFormat for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn extension(&self) -> &'static str {
        "json"
    }

    fn description(&self) -> &'static str {
        "The documented, versioned form, with all there is"
    }

    fn kinds(&self) -> &'static [ContentKind] {
        &[ContentKind::Phylogeny, ContentKind::Explanation, ContentKind::Answer]
    }

    fn write(&self, content: &Content<'_>, writer: &mut dyn Write) -> Result<(), Error> {
        match *content {
            Content::Phylogeny(phylogeny) => write_json(phylogeny, writer),
            Content::Explanation(phylogeny, model) => write_explanation_json(phylogeny, model, writer),
            Content::Answer(answer) => write_answer_json(answer, writer),
        }
    }
}

/// Writes a phylogeny as JSON, the stable form of a result.
///
/// ```json
/// {
///   "version": 2,
///   "models": [{
///     "name": "l0_c0", "family": 0, "generation": 1, "score": 12.5,
///     "parents": [{"name": "l0", "weight": 1.0, "relation": "fine-tune", "distance": 3.21, "confidence": 0.98}]
///   }],
///   "families": [{"id": 0, "roots": ["l0"], "members": ["l0", "l0_c0"], "margin": 0.7}],
///   "remarks": ["1 family expected"],
///   "skipped": [{"name": "broken", "reason": "broken.safetensors is truncated: found 8 bytes, expected 4096"}],
///   "structured_remarks": [{"kind": "families-expected", "count": 1, "text": "1 family expected"}]
/// }
/// ```
///
/// - `models` has every model once, in the order of their ids. `family` is an `id` of `families`. `generation` is the number of
///   edges on the longest way up (0 for a root). `score` is the parent selector's; the lowest in a family is its parent's.
/// - `parents` has none for a root and several for a merge, whose weights sum to 1. `relation` is one of [`Relation::ALL`].
///   `distance` is Euclidean over the shared parameters. `distance_error` is its standard error where it comes from sketches.
///   `confidence` is in [0, 1], and left out when the detector states none.
/// - `families` has every family once, isolated models too. Several `roots` and no edge are a tie. `margin` is the second best
///   score less the best.
/// - `candidates` of a model are the 5 most probable, and `more_candidates` the others. Each has `parent` (null for none in the
///   set), `probability` and `evidence`. A row of evidence has `stage`, `signal` and `weight`, the natural logarithm of a
///   likelihood ratio.
/// - `movements` of an edge say how many parameters were `compared` and `untouched`. The 20 that moved most are in `largest`,
///   the rest in `others`.
/// - `method` is how a model was quantized from its parent, as in `Q8_0`, or what was taken out of its parent.
/// - `kinship`, `direction` and `presence` of a parent are the answers to the three questions apart: are the two kin, is this the
///   parent and did it come first, is the parent in the set? `confidence` is their product.
/// - `unobserved` has the models that are not in the set. `id` is their number from 0, and `label` what tables call them. Each has
///   its `probability`, its `parents` and its `children`. `unobserved_parents` of a model are parents among them, by `id`; the
///   other fields are those of a parent.
/// - `shared_parts` are tensors that models of unlike families have in common, while all else in them is independent. Each part has
///   its `models` with the `share` of their values, its `tensors` and its number of `values`.
/// - `residual` is that of a merge. `unobserved_root` is true of a family whose root is not in the set.
/// - `withheld` is true of a model whose parent is not named, because it is less sure than the caller wanted.
/// - `path`, `format`, `layout`, `content`, `parameters`, `dtype`, `quantization`, `left_out` and `not_comparable` of a model,
///   `groups` and `unread` are the [`Inventory`](crate::model_set::Inventory). They are left out where there is none. `path`,
///   `format` and `content` are null where they are not known.
/// - `structured_remarks` are the `remarks` with their `kind`, fields and sentence.
/// - Reasons, `score`, `distance`, `margin`, remarks, `skipped` and `withheld` are left out when there is nothing to say.
///
/// Nothing is lost: [`read_json`] gives an equal phylogeny.
///
/// Floats have the fewest digits that read back to the same bits. The same phylogeny always gives the same bytes. A later minor
/// version may add fields and relations. `version` rises when a reader of today's files would be wrong.
///
/// `W` is taken by value; pass `&mut writer` to keep it.
///
/// # Errors
///
/// [`Error::Write`] when the writer fails.
///
/// ```
/// use neural_phylogeny::{Edge, ModelId, Phylogeny};
/// use neural_phylogeny::write::{read_json, write_json};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let edge = Edge::new(ModelId::new(0), ModelId::new(1)).with_distance(3.21);
/// let phylogeny = Phylogeny::from_edges(2, vec![edge])?.with_names(["base", "tuned"])?;
///
/// let mut file = Vec::new();
/// write_json(&phylogeny, &mut file)?;
/// assert_eq!(read_json(file.as_slice())?, phylogeny);
/// # Ok(())
/// # }
/// ```
///
/// [`Relation::ALL`]: crate::phylogeny::Relation::ALL
pub fn write_json<W: Write>(phylogeny: &Phylogeny, writer: W) -> Result<(), Error> {
    pretty(&Document::from(phylogeny), writer)
}

/// Writes all that is known of one model as JSON, with every candidate and movement. `model` and `family` have the form of
/// [`write_json`].
///
/// `W` is taken by value; pass `&mut writer` to keep it.
///
/// # Errors
///
/// [`Error::Write`] when the writer fails.
///
/// # Panics
///
/// When `model` is not one of this phylogeny's.
///
/// ```
/// use neural_phylogeny::{Edge, ModelId, Phylogeny};
/// use neural_phylogeny::write::write_explanation_json;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let edge = Edge::new(ModelId::new(0), ModelId::new(1));
/// let phylogeny = Phylogeny::from_edges(2, vec![edge])?.with_names(["base", "tuned"])?;
///
/// let mut text = Vec::new();
/// write_explanation_json(&phylogeny, ModelId::new(1), &mut text)?;
/// let value: serde_json::Value = serde_json::from_slice(&text)?;
/// assert_eq!(value["model"]["parents"][0]["name"], "base");
/// # Ok(())
/// # }
/// ```
pub fn write_explanation_json<W: Write>(phylogeny: &Phylogeny, model: ModelId, writer: W) -> Result<(), Error> {
    pretty(&OneModel::new(phylogeny, model), writer)
}

/// Writes a value with line breaks and indents. Only the writer can fail: keys are strings, and numbers are finite.
pub(super) fn pretty<W: Write>(value: &impl Serialize, mut writer: W) -> Result<(), Error> {
    serde_json::to_writer_pretty(&mut writer, value).map_err(|e| unwritten(e.into()))?;
    writeln!(writer).and_then(|()| writer.flush()).map_err(unwritten)
}

/// Reads a phylogeny that [`write_json`] wrote, or that was written by hand in its form.
///
/// - Reading what was written gives an equal phylogeny. Files of version 1 are read too: `unobserved_root` of a family stands there
///   for one unobserved model above its roots.
/// - A file of the first, shorter form of version 1 has no
///   `more_candidates`, `others` and `structured_remarks`. What it lacks is not there, and its remarks come back as
///   [`Remark::Other`](crate::phylogeny::Remark::Other).
/// - A file needs only `models`, with names and parents. Missing weights are equal shares. A missing confidence is none.
/// - `generation` and `roots` are derived, never read. `families` is read for models that are kin without an edge. Where it is
///   missing, the `family` of the models is read.
/// - Unknown fields are ignored. An unknown relation is [`Relation::Unspecified`](crate::phylogeny::Relation::Unspecified), and
///   an unknown remark is its sentence.
///
/// The whole file is held in memory. [`Truth::read`](crate::evaluate::Truth::read) reads a truth file that names parents of
/// another file.
///
/// # Errors
///
/// - [`Error::Read`] when the reader fails.
/// - [`Error::Format`] when
///   - the text is not JSON of this form, or the version is neither 1 nor 2;
///   - two models have one name, or a parent, a candidate or a family's member is not among the models;
///   - only some of a model's parents have weights, or families and edges disagree;
///   - a member of a group is not among the models.
/// - [`Error::InvalidPhylogeny`] as [`PhylogenyBuilder::build`](crate::phylogeny::PhylogenyBuilder::build).
///
/// ```
/// use neural_phylogeny::write::read_json;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let text = r#"{"version": 1, "models": [{"name": "a"}, {"name": "b", "parents": [{"name": "a"}]}]}"#;
/// let phylogeny = read_json(text.as_bytes())?;
/// assert_eq!(phylogeny.edges().len(), 1);
///
/// let error = read_json(text.replace('1', "7").as_bytes()).unwrap_err();
/// assert_eq!(error.to_string(), "not a phylogeny: version is 7, expected 1 or 2");
/// # Ok(())
/// # }
/// ```
pub fn read_json<R: Read>(reader: R) -> Result<Phylogeny, Error> {
    Ok(parse(reader)?.build(Parents::MustBeListed)?.phylogeny)
}

/// Parses a phylogeny file, and first its version: the rest of a file of another version need not have this form.
pub(crate) fn parse<R: Read>(mut reader: R) -> Result<Document, Error> {
    #[derive(Deserialize)]
    struct Versioned {
        version: Option<serde_json::Value>,
    }
    let mut file = Vec::new();
    reader.read_to_end(&mut file).map_err(|source| Error::Read { source })?;
    // Editors on Windows begin UTF-8 files with a byte order mark.
    let text = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&file);
    let syntax = |e: serde_json::Error| Error::Format { reason: e.to_string() };
    let found = match serde_json::from_slice::<Versioned>(text).map_err(syntax)?.version {
        Some(version) if version.as_u64().is_some_and(|v| READ.contains(&v)) => {
            return serde_json::from_slice(text).map_err(syntax);
        }
        Some(version) => version.to_string(),
        None => "missing".to_owned(),
    };
    Err(Error::Format { reason: format!("version is {found}, expected {}", build::expected_versions()) })
}

/// Written as [`write_json`] writes, without its line breaks.
impl Serialize for Phylogeny {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Document::from(self).serialize(serializer)
    }
}

/// Read as [`read_json`] reads.
impl<'de> Deserialize<'de> for Phylogeny {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let built = Document::deserialize(deserializer)?.build(Parents::MustBeListed);
        Ok(built.map_err(de::Error::custom)?.phylogeny)
    }
}

#[cfg(test)]
mod tests;
