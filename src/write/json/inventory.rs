//! What models were read from and what was compared, in a form for programs.

use super::document::Model;
use crate::error::Error;
use crate::model_set::{GroupRecord, Inventory, ModelId, ModelRecord, UnreadRecord};
use crate::phylogeny::Phylogeny;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// What one model was read from, as it stands in the fields of the model.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) path: Option<Option<String>>,
    pub(super) format: Option<Option<String>>,
    pub(super) layout: Option<String>,
    pub(super) content: Option<Option<String>>,
    pub(super) parameters: Option<u64>,
    pub(super) dtype: Option<BTreeMap<String, u64>>,
    pub(super) quantization: BTreeMap<String, u64>,
    pub(super) left_out: BTreeMap<String, u64>,
    pub(super) not_comparable: Option<String>,
}

impl From<Option<&ModelRecord>> for Record {
    fn from(record: Option<&ModelRecord>) -> Self {
        let Some(record) = record.cloned() else { return Self::default() };
        Self {
            path: Some(record.path),
            format: Some(record.format),
            layout: record.layout,
            content: Some(record.content),
            parameters: Some(record.parameters),
            dtype: Some(record.dtype),
            quantization: record.quantization,
            left_out: record.left_out,
            not_comparable: record.not_comparable,
        }
    }
}

/// Models that were compared with each other.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct GroupEntry {
    #[serde(default)]
    tensors: u64,
    #[serde(default)]
    values: u64,
    models: Vec<MemberEntry>,
}

/// A model of a group, and the share of its values that others of the group hold.
#[derive(Debug, Serialize, Deserialize)]
struct MemberEntry {
    name: String,
    #[serde(default)]
    share: f64,
}

/// A file or folder that was passed over.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct UnreadEntry {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    #[serde(default)]
    reason: String,
}

pub(super) fn groups(phylogeny: &Phylogeny) -> Vec<GroupEntry> {
    let entry = |group: &GroupRecord| {
        let member = |(&id, &share): (&ModelId, &f64)| MemberEntry { name: phylogeny.name(id).to_owned(), share };
        let models = group.models.iter().zip(&group.shares).map(member).collect();
        GroupEntry { tensors: group.tensors, values: group.values, models }
    };
    phylogeny.inventory().groups.iter().map(entry).collect()
}

pub(super) fn unread(phylogeny: &Phylogeny) -> Vec<UnreadEntry> {
    let entry = |unread: &UnreadRecord| {
        let UnreadRecord { path, format, reason } = unread.clone();
        UnreadEntry { path, format, reason }
    };
    phylogeny.inventory().unread.iter().map(entry).collect()
}

/// Reads the inventory of a file back. A file of the first form has none.
pub(super) fn inventory(
    models: &[Model],
    groups: &[GroupEntry],
    unread: Vec<UnreadEntry>,
    ids: &HashMap<&str, ModelId>,
) -> Result<Inventory, Error> {
    let mut inventory = Inventory::default();
    // Every record states the number of parameters, so that it tells whether there is one.
    if models.iter().any(|model| model.parameters.is_some()) {
        inventory.models = models.iter().map(record).collect();
    }
    for group in groups {
        let mut record = GroupRecord { tensors: group.tensors, values: group.values, ..GroupRecord::default() };
        for member in &group.models {
            let Some(&id) = ids.get(member.name.as_str()) else {
                let reason = format!("a group has member `{}`, which is not among the models", member.name);
                return Err(Error::Format { reason });
            };
            record.models.push(id);
            record.shares.push(member.share);
        }
        inventory.groups.push(record);
    }
    let entry = |UnreadEntry { path, format, reason }| UnreadRecord { path, format, reason };
    inventory.unread = unread.into_iter().map(entry).collect();
    Ok(inventory)
}

fn record(model: &Model) -> ModelRecord {
    ModelRecord {
        path: model.path.clone().flatten(),
        format: model.format.clone().flatten(),
        layout: model.layout.clone(),
        content: model.content.clone().flatten(),
        parameters: model.parameters.unwrap_or_default(),
        dtype: model.dtype.clone().unwrap_or_default(),
        quantization: model.quantization.clone(),
        left_out: model.left_out.clone(),
        not_comparable: model.not_comparable.clone(),
    }
}
