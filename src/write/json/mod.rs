//! JSON, the lossless form.

mod answer;
mod build;
mod document;
mod reasons;
mod remark;

pub use answer::write_answer_json;
pub(crate) use build::Parents;

use super::format::{Content, ContentKind, OutputFormat};
use crate::error::{Error, unwritten};
use crate::model_set::ModelId;
use crate::phylogeny::Phylogeny;
use document::{Document, OneModel, VERSION};
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
///   "version": 1,
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
/// - `models`: every model once, in the order of their ids. `family` is an `id` of `families`, `generation` the number of
///   edges on the longest way up (0 for a root), `score` the parent selector's, lowest = parent.
/// - `parents`: none for a root, several for a merge, whose weights sum to 1. `relation` is one of [`Relation::ALL`].
///   `distance` is Euclidean over the shared parameters, `distance_error` its standard error where it was taken from sketches,
///   `confidence` in [0, 1], left out when the detector states none.
/// - `families`: every family once, isolated models too; several `roots` and no edge is a tie. `margin` is that between the
///   best and second best score.
/// - What a detector tells of its reasons: `candidates` of a model (the 5 most probable, the others in `more_candidates`:
///   `parent`, null for none in the set, `probability`, and `evidence`, each a `signal` and a `weight`, natural logarithm of a
///   likelihood ratio), `movements` of an edge (how many parameters were `compared` and `untouched`, the 20 that moved most as
///   `largest`, and the `others`), the `residual` of a merge, and `unobserved_root` of a family.
/// - `withheld` is true of a model whose parent is not named, as less sure than was asked for.
/// - `structured_remarks` are the `remarks` with their `kind` and fields.
/// - Reasons, `score`, `distance`, `margin`, remarks, `skipped` and `withheld` are left out when there is nothing to say.
///
/// Nothing is lost: [`read_json`] gives an equal phylogeny.
///
/// Floats have the fewest digits that read back to the same bits; the same phylogeny is always the same bytes. A later minor
/// version may add fields and relations; `version` rises when a reader of today's files would be wrong.
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

/// Writes all that is known of one model as JSON: `model` and `family` as in the form of [`write_json`], with every candidate and
/// movement.
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

/// The one way this can fail is the writer: keys are strings, numbers finite.
pub(super) fn pretty<W: Write>(value: &impl Serialize, mut writer: W) -> Result<(), Error> {
    serde_json::to_writer_pretty(&mut writer, value).map_err(|e| unwritten(e.into()))?;
    writeln!(writer).and_then(|()| writer.flush()).map_err(unwritten)
}

/// Reads a phylogeny that [`write_json`] wrote, or that was written by hand in its form.
///
/// - Reading what was written gives an equal phylogeny. A file of the first, shorter form has no `more_candidates`, `others` and
///   `structured_remarks`: what it lacks is not there, and its remarks come back as
///   [`Remark::Other`](crate::phylogeny::Remark::Other).
/// - `models`, with names and parents, is all that is needed. Missing weights are equal shares, a missing confidence is none.
///   `generation` and `roots` are derived, never read. `families` is read for models that are kin without an edge; where it is
///   missing, the `family` of the models is.
/// - Fields that are not known are ignored. A relation that is not known is
///   [`Relation::Unspecified`](crate::phylogeny::Relation::Unspecified), a remark that is not known is its sentence.
///
/// The whole file is held in memory. A truth file that names parents of another file is read by
/// [`Truth::read`](crate::evaluate::Truth::read).
///
/// # Errors
///
/// - [`Error::Read`] when the reader fails.
/// - [`Error::Format`] when the text is not JSON of this form, the version is not 1, two models have one name, a parent, a
///   candidate or a family's member is not among the models, only some of a model's parents have weights, or families and edges
///   disagree.
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
/// assert_eq!(error.to_string(), "not a phylogeny: version is 7, expected 1");
/// # Ok(())
/// # }
/// ```
pub fn read_json<R: Read>(reader: R) -> Result<Phylogeny, Error> {
    Ok(parse(reader)?.build(Parents::MustBeListed)?.phylogeny)
}

/// Parses a phylogeny file, version first: the rest of another version need not have this form.
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
        Some(version) if version.as_u64() == Some(VERSION) => return serde_json::from_slice(text).map_err(syntax),
        Some(version) => version.to_string(),
        None => "missing".to_owned(),
    };
    Err(Error::Format { reason: format!("version is {found}, expected {VERSION}") })
}

/// As [`write_json`], without its layout.
impl Serialize for Phylogeny {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Document::from(self).serialize(serializer)
    }
}

/// As [`read_json`].
impl<'de> Deserialize<'de> for Phylogeny {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let built = Document::deserialize(deserializer)?.build(Parents::MustBeListed);
        Ok(built.map_err(de::Error::custom)?.phylogeny)
    }
}

#[cfg(test)]
mod tests;
