use super::document::{Document, Parents, VERSION};
use crate::error::Error;
use crate::phylogeny::Phylogeny;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::io::{Read, Write};

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
///   "remarks": ["1 families expected"],
///   "skipped": [{"name": "broken", "reason": "broken.safetensors is truncated: found 8 bytes, expected 4096"}]
/// }
/// ```
///
/// - `models`: every model once, in the order of their ids. `family` is an `id` of `families`, `generation` the number of
///   edges on the longest way up (0 for a root), `score` the parent selector's, lowest = parent.
/// - `parents`: none for a root, several for a merge, whose weights sum to 1. `relation` is one of [`Relation::ALL`].
///   `distance` is Euclidean over the shared parameters, `confidence` in [0, 1].
/// - `families`: every family once, isolated models too; several `roots` and no edge is a tie. `margin` is that between the
///   best and second best score.
/// - `score`, `distance`, `margin`, `remarks` and `skipped` are left out when there is nothing to say.
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
/// use neural_phylogeny::{Edge, ModelId, Phylogeny, read_json, write_json};
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
pub fn write_json<W: Write>(phylogeny: &Phylogeny, mut writer: W) -> Result<(), Error> {
    // The one way this can fail is the writer: keys are strings, numbers finite.
    serde_json::to_writer_pretty(&mut writer, &Document::from(phylogeny)).map_err(|e| Error::Write(e.into()))?;
    writeln!(writer)?;
    writer.flush()?;
    Ok(())
}

/// Reads a phylogeny that [`write_json`] wrote, or that was written by hand in its form.
///
/// - Reading what was written gives an equal phylogeny, except that every remark comes back as
///   [`Remark::Other`](crate::phylogeny::Remark::Other).
/// - `models`, with names and parents, is all that is needed. Missing weights are equal shares, a missing confidence is 1.
///   `generation` and `roots` are derived, never read. `families` is read for models that are kin without an edge; where it is
///   missing, the `family` of the models is.
/// - Fields that are not known are ignored; a relation that is not known is
///   [`Relation::Unspecified`](crate::phylogeny::Relation::Unspecified).
///
/// The whole file is held in memory. A truth file that names parents of another file is read by
/// [`Truth::read`](crate::evaluate::Truth::read).
///
/// # Errors
///
/// - [`Error::Read`] when the reader fails.
/// - [`Error::Format`] when the text is not JSON of this form, the version is not 1, two models have one name, a parent or a
///   family's member is not among the models, only some of a model's parents have weights, or families and edges disagree.
/// - [`Error::InvalidPhylogeny`] as [`Phylogeny::from_edges`].
///
/// ```
/// use neural_phylogeny::read_json;
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
mod tests {
    use super::*;
    use crate::model_set::ModelId;
    use crate::phylogeny::arbitrary::any_phylogeny;
    use crate::phylogeny::{Relation, Remark};
    use proptest::prelude::*;

    fn written(phylogeny: &Phylogeny) -> Vec<u8> {
        let mut file = Vec::new();
        write_json(phylogeny, &mut file).unwrap();
        file
    }

    fn models(models: &str) -> Result<Phylogeny, Error> {
        read_json(format!(r#"{{"version": 1, "models": [{models}]}}"#).as_bytes())
    }

    #[track_caller]
    fn refused(file: &str, expected: &str) {
        assert_eq!(read_json(file.as_bytes()).unwrap_err().to_string(), expected);
    }

    #[track_caller]
    fn models_refused(text: &str, expected: &str) {
        assert_eq!(models(text).unwrap_err().to_string(), expected);
    }

    #[test]
    fn other_versions_are_refused_whatever_else_they_hold() {
        refused(r#"{"version": 2, "trees": {}}"#, "not a phylogeny: version is 2, expected 1");
        refused(r#"{"version": "1"}"#, "not a phylogeny: version is \"1\", expected 1");
        refused(r#"{"models": []}"#, "not a phylogeny: version is missing, expected 1");
    }

    #[test]
    fn text_that_is_not_of_the_form_is_refused_with_its_place() {
        refused("", "not a phylogeny: EOF while parsing a value at line 1 column 0");
        refused(r#"{"version": 1}"#, "not a phylogeny: missing field `models` at line 1 column 14");
        refused(
            r#"{"version": 1, "models": [{"parents": []}]}"#,
            "not a phylogeny: missing field `name` at line 1 column 41",
        );
        assert!(matches!(read_json([0xff, 0xfe].as_slice()), Err(Error::Format { .. })));
    }

    #[test]
    fn every_contradiction_names_its_model() {
        models_refused(r#"{"name": "a"}, {"name": "a"}"#, "not a phylogeny: two models are named `a`");
        models_refused(
            r#"{"name": "b", "parents": [{"name": "a"}]}"#,
            "not a phylogeny: model `b` has parent `a`, which is not among the models",
        );
        models_refused(
            r#"{"name": "a"}, {"name": "b", "parents": [{"name": "a", "weight": 0.5}]}"#,
            "invalid phylogeny: weights of the parents of model `b` sum to 0.5, expected 1",
        );
        models_refused(
            r#"{"name": "a"}, {"name": "b"}, {"name": "c", "parents": [{"name": "a", "weight": 1}, {"name": "b"}]}"#,
            "not a phylogeny: model `c` has weights for 1 of its 2 parents, expected all or none",
        );
        models_refused(
            r#"{"name": "a", "parents": [{"name": "a"}]}"#,
            "invalid phylogeny: model `a` is its own parent",
        );
        models_refused(
            r#"{"name": "a", "parents": [{"name": "b"}]}, {"name": "b", "parents": [{"name": "a"}]}"#,
            "invalid phylogeny: model `a` is its own ancestor or descends from a cycle",
        );
        models_refused(
            r#"{"name": "a"}, {"name": "b", "parents": [{"name": "a"}, {"name": "a"}]}"#,
            "invalid phylogeny: edge `a` -> `b` is given twice",
        );
        models_refused(
            r#"{"name": "a"}, {"name": "b", "parents": [{"name": "a", "confidence": 2}]}"#,
            "invalid phylogeny: edge `a` -> `b` has confidence 2, expected 0 to 1",
        );
    }

    #[test]
    fn families_that_contradict_edges_are_refused() {
        let models = r#""models": [{"name": "a"}, {"name": "b", "parents": [{"name": "a"}]}]"#;
        refused(
            &format!(
                r#"{{"version": 1, {models}, "families": [{{"id": 4, "members": ["a"]}}, {{"members": ["b"]}}]}}"#
            ),
            "not a phylogeny: family 4 does not list `b`, which edges or another family join to its member `a`",
        );
        refused(
            &format!(r#"{{"version": 1, {models}, "families": [{{"id": 4, "members": ["a", "x"]}}]}}"#),
            "not a phylogeny: family 4 has member `x`, which is not among the models",
        );
    }

    #[test]
    fn unknown_fields_and_relations_are_accepted() {
        let phylogeny = models(
            r#"{"name": "a"}, {"name": "b", "why": [1], "parents": [{"name": "a", "relation": "distilled", "rank": 8}]}"#,
        )
        .unwrap();
        assert_eq!(phylogeny.edges()[0].relation, Relation::Unspecified);
    }

    #[test]
    fn missing_weights_are_equal_shares() {
        let phylogeny =
            models(r#"{"name": "a"}, {"name": "b"}, {"name": "c", "parents": [{"name": "a"}, {"name": "b"}]}"#)
                .unwrap();
        assert!(phylogeny.edges().iter().all(|e| e.weight == 0.5));
    }

    #[test]
    fn family_numbers_of_models_stand_in_for_missing_families() {
        let phylogeny = models(r#"{"name": "a", "family": 3}, {"name": "b", "family": 3}, {"name": "c"}"#).unwrap();
        assert_eq!(phylogeny.families().len(), 2);
        assert_eq!(phylogeny.families()[0].roots, [ModelId::new(0), ModelId::new(1)]);
    }

    #[test]
    fn a_byte_order_mark_is_ignored() {
        assert!(read_json("\u{feff}{\"version\": 1, \"models\": []}".as_bytes()).unwrap().is_empty());
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = "[".repeat(100_000);
        assert!(read_json(format!(r#"{{"version": {deep}"#).as_bytes()).is_err());
        assert!(read_json(format!(r#"{{"version": 1, "models": {deep}"#).as_bytes()).is_err());
        assert!(read_json(format!(r#"{{"x": {deep}"#).as_bytes()).is_err());
    }

    #[test]
    fn remarks_come_back_as_their_sentences() {
        let remark = Remark::FamiliesExpected { count: 3 };
        let phylogeny = Phylogeny::from_edges(1, Vec::new()).unwrap().with_remark(remark.clone());
        let read = read_json(written(&phylogeny).as_slice()).unwrap();
        assert_eq!(read.remarks(), [Remark::Other(remark.to_string())]);
    }

    proptest! {
        #[test]
        fn round_trip_is_exact(phylogeny in any_phylogeny()) {
            let file = written(&phylogeny);
            let read = read_json(file.as_slice()).unwrap();
            prop_assert_eq!(&read, &phylogeny);
            prop_assert_eq!(written(&read), file);
            let compact = serde_json::to_string(&phylogeny).unwrap();
            prop_assert_eq!(serde_json::from_str::<Phylogeny>(&compact).unwrap(), phylogeny);
        }

        #[test]
        fn damaged_files_never_panic(phylogeny in any_phylogeny(), at in any::<prop::sample::Index>(), byte: u8) {
            let mut file = written(&phylogeny);
            let at = at.index(file.len());
            file[at] = byte;
            let _ = read_json(file.as_slice());
            let _ = read_json(&file[..at]);
        }
    }
}
