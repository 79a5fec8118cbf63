use super::inventory::{self, GroupEntry, Record, UnreadEntry};
use super::reasons::{self, CandidateEntry, Extent, MovementsEntry};
use super::remark::RemarkEntry;
use super::shared_part::SharedPartEntry;
use crate::model_set::{ModelId, Skipped};
use crate::phylogeny::{Edge, FamilyId, Link, Node, Phylogeny, UnobservedId};
use crate::write::edge::EdgeEntry;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the form that is written.
pub(super) const VERSION: u64 = 2;

/// The versions that are read. In version 1 an unobserved root is a mark of its family, and there are no other unobserved models.
pub(super) const READ: [u64; 2] = [1, VERSION];

/// A phylogeny file as it stands in JSON. Fields that follow from others are written and not read.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Document {
    pub(super) version: u64,
    pub(super) models: Vec<Model>,
    #[serde(default)]
    pub(super) families: Vec<FamilyEntry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) unobserved: Vec<UnobservedEntry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) shared_parts: Vec<SharedPartEntry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) remarks: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) skipped: Vec<SkippedEntry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) unread: Vec<UnreadEntry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) groups: Vec<GroupEntry>,
    /// The remarks again, for programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) structured_remarks: Vec<RemarkEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Model {
    pub(super) name: String,
    pub(super) family: Option<usize>,
    #[serde(skip_deserializing)]
    pub(super) generation: usize,
    #[serde(default)]
    pub(super) parents: Vec<Parent>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) unobserved_parents: Vec<UnobservedParent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) residual: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) method: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) candidates: Vec<CandidateEntry>,
    /// The candidates that `candidates` has no place for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) more_candidates: Vec<CandidateEntry>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) withheld: bool,
    // A field that is not known is null. Where nothing is known of the model, the field is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) layout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parameters: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dtype: Option<BTreeMap<String, u64>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) quantization: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) left_out: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) not_comparable: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Parent {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) edge: EdgeEntry,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) movements: Option<MovementsEntry>,
}

/// An unobserved model.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct UnobservedEntry {
    pub(super) id: usize,
    /// What tables and drawings call it.
    #[serde(skip_deserializing)]
    label: String,
    #[serde(skip_deserializing)]
    family: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) probability: Option<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) parents: Vec<Parent>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) unobserved_parents: Vec<UnobservedParent>,
    /// Its children in the set; they follow from `unobserved_parents` of the models.
    #[serde(skip_deserializing)]
    children: Vec<String>,
}

/// A parent that is not in the set.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct UnobservedParent {
    /// `id` of an unobserved model.
    pub(super) unobserved: usize,
    #[serde(flatten)]
    pub(super) edge: EdgeEntry,
}

/// The parents of a node that are not in the set.
fn unobserved_parents(phylogeny: &Phylogeny, node: Node) -> Vec<UnobservedParent> {
    let entry =
        |link: &Link| Some(UnobservedParent { unobserved: link.parent.unobserved()?.index(), edge: link.into() });
    phylogeny.links_to(node).iter().filter_map(entry).collect()
}

impl UnobservedEntry {
    fn new(phylogeny: &Phylogeny, id: UnobservedId) -> Self {
        let name = |node: Node| node.model().map(|model| phylogeny.name(model).to_owned());
        let parent = |link: &Link| Some(Parent { name: name(link.parent)?, edge: link.into(), movements: None });
        Self {
            id: id.index(),
            label: id.to_string(),
            family: phylogeny.family_of_node(id).index(),
            probability: phylogeny.unobserved_probability(id),
            parents: phylogeny.links_to(id).iter().filter_map(parent).collect(),
            unobserved_parents: unobserved_parents(phylogeny, id.into()),
            children: phylogeny.links_from(id).filter_map(|link| name(link.child)).collect(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FamilyEntry {
    #[serde(default)]
    pub(super) id: usize,
    #[serde(skip_deserializing)]
    pub(super) roots: Vec<String>,
    pub(super) members: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) margin: Option<f64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) unobserved_root: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SkippedEntry {
    pub(super) name: String,
    pub(super) reason: String,
}

/// All that is known of one model and its family, in the form of a phylogeny file.
#[derive(Debug, Serialize)]
pub(super) struct OneModel {
    version: u64,
    model: Model,
    family: FamilyEntry,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shared_parts: Vec<SharedPartEntry>,
}

impl OneModel {
    pub(super) fn new(phylogeny: &Phylogeny, model: ModelId) -> Self {
        let family = FamilyEntry::new(phylogeny, phylogeny.family_of(model));
        let shared_parts = phylogeny.shared_parts_of(model).map(|p| SharedPartEntry::new(phylogeny, p)).collect();
        Self { version: VERSION, model: Model::new(phylogeny, model, Extent::Everything), family, shared_parts }
    }
}

impl Model {
    fn new(phylogeny: &Phylogeny, m: ModelId, extent: Extent) -> Self {
        let parent = |e: &Edge| Parent {
            name: phylogeny.name(e.parent).to_owned(),
            edge: e.into(),
            movements: reasons::movements(phylogeny, e.parent, m, extent),
        };
        let record = Record::from(phylogeny.inventory().models.get(m.index()));
        Self {
            name: phylogeny.name(m).to_owned(),
            family: Some(phylogeny.family_of(m).index()),
            generation: phylogeny.generation(m),
            parents: phylogeny.parents(m).iter().map(parent).collect(),
            unobserved_parents: unobserved_parents(phylogeny, m.into()),
            score: phylogeny.score(m),
            residual: phylogeny.residual(m),
            method: phylogeny.method(m).map(str::to_owned),
            candidates: reasons::candidates(phylogeny, m, extent),
            more_candidates: reasons::more_candidates(phylogeny, m, extent),
            withheld: phylogeny.is_withheld(m),
            path: record.path,
            format: record.format,
            layout: record.layout,
            content: record.content,
            parameters: record.parameters,
            dtype: record.dtype,
            quantization: record.quantization,
            left_out: record.left_out,
            not_comparable: record.not_comparable,
        }
    }
}

impl FamilyEntry {
    fn new(phylogeny: &Phylogeny, id: FamilyId) -> Self {
        let names = |models: &[ModelId]| models.iter().map(|&m| phylogeny.name(m).to_owned()).collect();
        let family = phylogeny.family(id);
        Self {
            id: id.index(),
            roots: names(&family.roots),
            members: names(&family.members),
            margin: phylogeny.margin(id),
            unobserved_root: phylogeny.unobserved_root(id),
        }
    }
}

impl From<&Phylogeny> for Document {
    fn from(phylogeny: &Phylogeny) -> Self {
        let skipped = |s: &Skipped| SkippedEntry { name: s.name.clone(), reason: s.reason.clone() };
        let families = 0..phylogeny.families().len();
        Self {
            version: VERSION,
            models: phylogeny.models().map(|m| Model::new(phylogeny, m, Extent::Foremost)).collect(),
            families: families.map(|id| FamilyEntry::new(phylogeny, FamilyId::new(id))).collect(),
            unobserved: phylogeny.unobserved().map(|id| UnobservedEntry::new(phylogeny, id)).collect(),
            shared_parts: phylogeny.shared_parts().iter().map(|p| SharedPartEntry::new(phylogeny, p)).collect(),
            remarks: phylogeny.remarks().iter().map(ToString::to_string).collect(),
            skipped: phylogeny.skipped().iter().map(skipped).collect(),
            unread: inventory::unread(phylogeny),
            groups: inventory::groups(phylogeny),
            structured_remarks: phylogeny.remarks().iter().cloned().map(RemarkEntry).collect(),
        }
    }
}
