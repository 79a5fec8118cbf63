use super::document::{Parent, VERSION};
use super::pretty;
use crate::error::Error;
use crate::phylogeny::Edge;
use crate::query::Answer;
use crate::store::Neighbor;
use serde::Serialize;
use std::io::Write;

#[derive(Serialize)]
struct Document {
    version: u64,
    model: String,
    stored: usize,
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

/// Writes what a store tells of one model as JSON.
///
/// - `model`, and `stored`, `related`: how many models the store has, and how many of them look like kin; `identical`: names of those
///   of the very same content.
/// - `parents` and `children`: each as a parent in the form of [`write_json`](crate::write::write_json); `siblings` by name;
///   `unobserved_root` when the parent of all is not among those compared.
/// - `nearest`: those compared, nearest first, as the index of the store tells them.
/// - `unreadable`: sketches that were left out, and why; `remarks`.
///
/// `W` is taken by value; pass `&mut writer` to keep it.
///
/// # Errors
///
/// [`Error::Write`] when the writer fails.
///
/// An example is at [`query`](crate::query::query).
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
        stored: nearest.stored,
        related: nearest.related,
        identical: nearest.identical.clone(),
        parents: answer.parents().iter().map(|e| parent(phylogeny.name(e.parent), e)).collect(),
        children: answer.children().map(|e| parent(phylogeny.name(e.child), e)).collect(),
        siblings: answer.siblings().into_iter().map(|m| phylogeny.name(m).to_owned()).collect(),
        unobserved_root: phylogeny.unobserved_root(phylogeny.family_of(answer.model)),
        nearest: nearest.kin.iter().map(near).collect(),
        unreadable: nearest.unreadable.iter().map(|u| u.problem.to_string()).collect(),
        remarks: phylogeny.remarks().iter().map(ToString::to_string).collect(),
    };
    pretty(&document, writer)
}
