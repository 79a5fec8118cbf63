//! Remarks in a form for programs.

use crate::phylogeny::Remark;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Kind and fields of a remark, with its sentence for readers that do not know the kind.
#[derive(Debug)]
pub(super) struct RemarkEntry(pub(super) Remark);

impl Serialize for RemarkEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Worded<'a> {
            #[serde(flatten)]
            remark: &'a Remark,
            text: String,
        }
        match &self.0 {
            // The one field of this kind is the sentence.
            other @ Remark::Other(_) => other.serialize(serializer),
            remark => Worded { remark, text: remark.to_string() }.serialize(serializer),
        }
    }
}

/// A remark of a later version is read as its sentence.
impl<'de> Deserialize<'de> for RemarkEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let known = Remark::deserialize(&value);
        Ok(Self(known.unwrap_or_else(|_| match value.get("text").and_then(|text| text.as_str()) {
            Some(text) => Remark::Other(text.to_owned()),
            None => Remark::Other(value.to_string()),
        })))
    }
}
