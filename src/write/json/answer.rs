use super::document::Parent;
use super::pretty;
use crate::error::{Error, chain};
use crate::phylogeny::Edge;
use crate::query::Answer;
use crate::store::Neighbor;
use serde::Serialize;
use std::io::Write;

/// The version of an answer's form. Unobserved models of a phylogeny did not change it.
const VERSION: u64 = 1;

#[derive(Serialize)]
struct Document {
    version: u64,
    model: String,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_comparable: Option<String>,
    stored: usize,
    comparable: usize,
    related: usize,
    identical: Vec<String>,
    parents: Vec<Parent>,
    children: Vec<Parent>,
    siblings: Vec<String>,
    unobserved_root: bool,
    nearest: Vec<Near>,
    unreadable: Vec<String>,
    remarks: Vec<String>,
}

#[derive(Serialize)]
struct Near {
    name: String,
    content: String,
    relative_distance: f64,
    z: f64,
}

/// Writes what one model is derived from among those of a store, as JSON.
///
/// - `verdict` is `kin`, `identical` (to stored models, and no other kin), `no-kin` or `not-comparable`. Only a model that was
///   compared has `no-kin`; any other has the reason in `not_comparable`. `comparable` counts the stored models that have a
///   matrix of the same name and shape.
/// - `model` is the name. `stored` and `related` count the models of the store and those of them that look like kin.
///   `identical` has the names of stored models of the very same content.
/// - `parents` and `children` have the form of a parent in [`write_json`](crate::write::write_json), and `siblings` are names.
///   `unobserved_root` is true when the parent of all is not among the compared models.
/// - `nearest` lists the compared models, nearest first, with the figures of the store's index.
/// - `unreadable` lists sketches that were left out, and why. `remarks` are sentences.
///
/// `W` is taken by value; pass `&mut writer` to keep it.
///
/// # Errors
///
/// [`Error::Write`] when the writer fails.
///
/// An example is at [`Query`](crate::query::Query).
pub fn write_answer_json<W: Write>(answer: &Answer, writer: W) -> Result<(), Error> {
    let (phylogeny, nearest) = (&answer.phylogeny, &answer.nearest);
    let parent = |name: &str, e: &Edge| Parent { name: name.to_owned(), edge: e.into(), movements: None };
    let near = |n: &Neighbor| Near {
        name: n.name.clone(),
        content: n.content.clone(),
        relative_distance: n.relative_distance,
        z: n.z,
    };
    let document = Document {
        version: VERSION,
        model: phylogeny.name(answer.model).to_owned(),
        verdict: match (answer.has_kin(), answer.not_comparable()) {
            (true, _) => "kin",
            (false, Some(_)) => "not-comparable",
            (false, None) if !nearest.identical.is_empty() => "identical",
            (false, None) => "no-kin",
        },
        not_comparable: answer.not_comparable().filter(|_| !answer.has_kin()).map(str::to_owned),
        stored: nearest.stored,
        comparable: nearest.comparable,
        related: nearest.related,
        identical: nearest.identical.clone(),
        parents: answer.parents().iter().map(|e| parent(phylogeny.name(e.parent), e)).collect(),
        children: answer.children().map(|e| parent(phylogeny.name(e.child), e)).collect(),
        siblings: answer.siblings().into_iter().map(|m| phylogeny.name(m).to_owned()).collect(),
        unobserved_root: phylogeny.unobserved_root(phylogeny.family_of(answer.model)),
        nearest: nearest.kin.iter().map(near).collect(),
        unreadable: nearest.unreadable.iter().map(|u| chain(&u.problem)).collect(),
        remarks: phylogeny.remarks().iter().map(ToString::to_string).collect(),
    };
    pretty(&document, writer)
}
