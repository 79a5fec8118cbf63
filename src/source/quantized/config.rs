//! What the JSON files beside a model say about its quantization.
//!
//! Names, dtypes and shapes of tensors tell nearly everything. A configuration decides the rest: sizes of groups that several
//! numbers fit, the format of zero points, and the names of methods that are not read.

use crate::bytes::Folder;
use crate::bytes::json;
use serde_json::Value;
use std::path::Path;

/// The files that libraries write, and the names under which they describe the quantization. Empty: the whole file.
const FILES: [(&str, &[&[&str]]); 4] = [
    ("config.json", &[&["quantization_config"], &["quantization"], &["text_config", "quantization_config"]]),
    ("quantize_config.json", &[&[]]),
    ("quant_config.json", &[&[]]),
    ("hf_quant_config.json", &[&["quantization"]]),
];

/// What is said about a model's quantization. Empty when nothing is.
#[derive(Clone, Debug, Default)]
pub(crate) struct QuantizationConfig {
    /// The descriptions that were found, the most telling first.
    said: Vec<Value>,
}

impl QuantizationConfig {
    /// Reads what stands in a model's folder. A file that is missing or no JSON says nothing.
    pub(crate) fn read(tree: &dyn Folder, folder: &Path) -> Self {
        let mut said = Vec::new();
        for (file, places) in FILES {
            let Ok(file) = tree.open(&folder.join(file)) else { continue };
            let Ok(whole) = json::read::<Value>(&*file, json::CONFIGURATION) else { continue };
            let inner = |place: &&[&str]| place.iter().try_fold(&whole, |value, name| value.get(name)).cloned();
            said.extend(places.iter().filter_map(inner).filter(Value::is_object));
        }
        Self { said }
    }

    /// Returns the name of the method.
    pub(super) fn method(&self) -> Option<&str> {
        self.text("quant_method").or_else(|| self.text("quant_algo"))
    }

    /// Returns a text.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.said.iter().find_map(|value| value.get(key)?.as_str())
    }

    /// Returns a number of at least 1.
    pub(super) fn number(&self, key: &str) -> Option<usize> {
        self.said.iter().find_map(|value| positive(value.get(key)))
    }

    /// Returns the rows and columns of a block.
    pub(super) fn block(&self) -> Option<[usize; 2]> {
        self.said.iter().find_map(|value| match &value.get("weight_block_size")?.as_array()?[..] {
            [rows, columns] => Some([positive(Some(rows))?, positive(Some(columns))?]),
            _ => None,
        })
    }

    /// Returns the bits of a weight in each group of layers of compressed-tensors.
    pub(super) fn group_bits(&self) -> Vec<usize> {
        let groups = self.said.iter().filter_map(|value| value.get("config_groups")?.as_object());
        let bits = |group: &Value| positive(group.get("weights")?.get("num_bits"));
        groups.flat_map(|groups| groups.values().filter_map(bits)).collect()
    }

    /// Returns bits and group size of a module of MLX: those of the module, else those of the model.
    pub(super) fn of_module(&self, module: &str) -> Option<(usize, usize)> {
        let packing = |value: &Value| Some((positive(value.get("bits"))?, positive(value.get("group_size"))?));
        let own = self.said.iter().find_map(|value| packing(value.get(module)?));
        own.or_else(|| self.said.iter().find_map(packing))
    }
}

fn positive(value: Option<&Value>) -> Option<usize> {
    value?.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0)
}
