//! What a set of models was made of: files, formats and dtypes, and which values could be compared with which.

use super::role::is_packed;
use super::{LayoutGroup, Model, ModelId, ModelSet, Role};
use crate::discover::{FileLayout, Ignored, IgnoredKind};
use crate::source::Dtype;
use std::collections::{BTreeMap, BTreeSet};

/// Share of the values of a model that must be compared before it counts as compared.
const MOST: f64 = 0.5;

/// What the models of a result were read from, and what was compared with what.
///
/// [`ModelSet::inventory`] makes it. A result carries it, so that a caller need not look at the models again.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Inventory {
    /// One record for each model, in the order of ids. It is empty where a result was not made from a set of models.
    pub models: Vec<ModelRecord>,
    /// The groups of models that were compared with each other, sorted by their first model.
    pub groups: Vec<GroupRecord>,
    /// Files and folders that were passed over, sorted by path.
    pub unread: Vec<UnreadRecord>,
}

/// What one model was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelRecord {
    /// Its folder, file or index. `None` for a model that was not read from files.
    pub path: Option<String>,
    /// The name of the format of its weights, such as `safetensors`.
    pub format: Option<String>,
    /// How its files are laid out, in words, such as `transformers folder`.
    pub layout: Option<String>,
    /// The hash of the whole model, as [`Sketch::content`](crate::sketch::Sketch::content) gives it. `None` where it is not at
    /// hand and was not [read](crate::config::ContentHashes): distances do not need every tensor of a model.
    pub content: Option<String>,
    /// Number of values in its trained parameters.
    pub parameters: u64,
    /// For each dtype, the number of values in trained parameters.
    pub dtype: BTreeMap<String, u64>,
    /// For each method of quantization, the number of values that it holds.
    pub quantization: BTreeMap<String, u64>,
    /// Why tensors of its files were passed over, and how many for each reason.
    pub left_out: BTreeMap<String, u64>,
    /// Why a model without kin could not be compared. `None` when it could, or when it has kin.
    pub not_comparable: Option<String>,
}

/// Models that were compared with each other.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct GroupRecord {
    /// The models, sorted by id.
    pub models: Vec<ModelId>,
    /// For each of them, the share of its values that some other model of the group holds too, in [0, 1].
    pub shares: Vec<f64>,
    /// Number of tensors that all of them hold.
    pub tensors: u64,
    /// Number of values that all of them hold.
    pub values: u64,
}

/// A file or folder that was passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreadRecord {
    /// The file or folder.
    pub path: String,
    /// What it is, such as `a GGUF file`. `None` where no weights were missed.
    pub format: Option<String>,
    /// Why it is not a model of the set.
    pub reason: String,
}

impl From<&Ignored> for UnreadRecord {
    fn from(ignored: &Ignored) -> Self {
        let format = match &ignored.kind {
            IgnoredKind::Unread { format } => Some(format.clone()),
            _ => None,
        };
        Self { path: ignored.path.display().to_string(), format, reason: ignored.reason.clone() }
    }
}

/// The values of a model by what they are to a comparison.
#[derive(Clone, Copy, Debug, Default)]
struct Values {
    tensors: usize,
    empty: usize,
    /// Values of trained parameters, compared or not.
    parameters: u64,
    /// Least number of values in packed integers. A value has eight bits at most, so that there is one in each byte.
    packed: u64,
    /// Whether all packed integers have eight bits and a sign, so that each of them is one value.
    is_exact: bool,
    excluded: u64,
}

impl ModelSet {
    /// Returns what the set was made of, and what can be compared with what. No values are read.
    ///
    /// # Complexity
    ///
    /// O(t), with t the number of tensors of all models.
    ///
    /// ```
    /// use neural_phylogeny::{InMemory, ModelSet};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let model = |name: &str| InMemory::new().with_parameter(name, [2], vec![0.5, 1.0]);
    /// let models = ModelSet::from_models([("a", model("w")?), ("b", model("w")?), ("c", model("v")?)])?;
    /// let inventory = models.inventory();
    /// assert_eq!(inventory.groups.len(), 2);
    /// assert_eq!(inventory.groups[0].shares, [1.0, 1.0]);
    /// assert!(inventory.models[2].not_comparable.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn inventory(&self) -> Inventory {
        let values: Vec<Values> = self.ids().map(|id| self.values(id)).collect();
        let mut models: Vec<ModelRecord> = self.ids().map(|id| self.record(id, &values[id.index()])).collect();
        let mut groups = Vec::with_capacity(self.groups().len());
        for group in self.groups() {
            let shares = shares(group, &values);
            for &id in group.models() {
                let reason = self.uncompared(&values[id.index()], group.models().len() == 1);
                models[id.index()].not_comparable = reason;
            }
            let common = group.parameters().iter().filter(|p| p.holders.len() == group.models().len());
            groups.push(GroupRecord {
                models: group.models().to_vec(),
                shares,
                tensors: common.map(|p| p.name.as_str()).collect::<BTreeSet<_>>().len() as u64,
                values: group.common_size() as u64,
            });
        }
        Inventory { models, groups, unread: self.unread.iter().map(UnreadRecord::from).collect() }
    }

    /// Counts the models that have the name of a pipeline of which other parts are models too.
    pub(crate) fn parts_for_pipelines(&self) -> usize {
        let is_part = |model: &&Model| {
            model.origin.as_ref().is_some_and(|origin| matches!(origin.layout, FileLayout::Diffusers { .. }))
        };
        let parts: Vec<&str> = self.models.iter().filter(is_part).map(|model| model.name.as_str()).collect();
        let folders: BTreeSet<&str> = parts.iter().filter_map(|name| Some(name.rsplit_once('/')?.0)).collect();
        parts.iter().filter(|name| folders.contains(*name)).count()
    }

    /// Says why most values of a model cannot be compared with any other model. `None` when they can.
    pub(crate) fn uncompared_by_itself(&self, id: ModelId) -> Option<String> {
        self.uncompared(&self.values(id), false)
    }

    fn record(&self, id: ModelId, values: &Values) -> ModelRecord {
        let model = &self.models[id.index()];
        let mut record = ModelRecord { parameters: values.parameters, ..ModelRecord::default() };
        if let Some(origin) = &model.origin {
            record.path = Some(origin.path.display().to_string());
            record.format.clone_from(&origin.format);
            record.layout = Some(origin.layout.to_string());
        }
        for (info, _) in self.parameters(id).filter(|(_, role)| matches!(role, Role::Parameter | Role::Excluded)) {
            *record.dtype.entry(info.dtype.to_string()).or_default() += info.size() as u64;
            if let Some(quantization) = &info.quantization {
                *record.quantization.entry(quantization.method().to_owned()).or_default() += info.size() as u64;
            }
        }
        for (_, reason) in model.source.left_out() {
            *record.left_out.entry(reason).or_default() += 1;
        }
        record
    }

    fn values(&self, id: ModelId) -> Values {
        let mut values = Values { is_exact: true, ..Values::default() };
        for (info, role) in self.parameters(id) {
            let size = info.size() as u64;
            let bytes = size.saturating_mul(info.dtype.size() as u64);
            values.tensors += 1;
            match role {
                _ if size == 0 => values.empty += 1,
                Role::Parameter | Role::Excluded => {
                    values.parameters = values.parameters.saturating_add(size);
                    if role == Role::Excluded {
                        values.excluded = values.excluded.saturating_add(size);
                    }
                }
                _ if is_packed(info) => {
                    values.packed = values.packed.saturating_add(bytes);
                    values.is_exact &= info.dtype == Dtype::I8;
                }
                _ => {}
            }
        }
        values
    }

    /// Says why most values of a model cannot be compared. `None` when they can.
    fn uncompared(&self, values: &Values, is_alone: bool) -> Option<String> {
        let Values { tensors, empty, parameters, packed, excluded, .. } = *values;
        if let Some(reason) = values.packed_share() {
            return Some(reason);
        }
        if parameters == 0 {
            return Some(match tensors {
                0 => "it holds no tensors".to_owned(),
                _ if empty == tensors => {
                    format!(
                        "each of its {tensors} tensors is empty, as ZeRO-3 leaves them where weights are not gathered"
                    )
                }
                _ => format!("none of its {tensors} tensors is a trained parameter"),
            });
        }
        if packed == 0 && excluded == parameters {
            return Some("the patterns leave out each of its parameters".to_owned());
        }
        let least = 100.0 * self.minimum_shared;
        is_alone.then(|| format!("no other model has {least:.0} % of its values in tensors of the same name and shape"))
    }
}

impl Values {
    /// Says how much of a model is packed integers, when it is at least half.
    fn packed_share(&self) -> Option<String> {
        let share = self.packed as f64 / self.packed.saturating_add(self.parameters).max(1) as f64;
        let least = if self.is_exact { "" } else { "at least " };
        let percent = 100.0 * share;
        (share >= MOST)
            .then(|| format!("{least}{percent:.0} % of its values are packed integers, as in quantized weights"))
    }
}

/// Returns the share of each model's values that some other model of its group holds.
fn shares(group: &LayoutGroup, values: &[Values]) -> Vec<f64> {
    let mut shared = vec![0u64; group.models().len()];
    for parameter in group.parameters() {
        for &at in &parameter.holders {
            let shared = &mut shared[at.index()];
            *shared = shared.saturating_add(parameter.size() as u64);
        }
    }
    let all = |id: &ModelId| values[id.index()].parameters.saturating_add(values[id.index()].packed).max(1);
    let shares = group.models().iter().zip(shared).map(|(id, shared)| shared as f64 / all(id) as f64);
    shares.map(|share| share.min(1.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{InMemory, ParameterInfo, ParameterSource};

    /// Lists tensors and has no values.
    #[derive(Debug)]
    struct Listed(Vec<ParameterInfo>);

    impl ParameterSource for Listed {
        fn parameters(&self) -> Result<Vec<ParameterInfo>, crate::error::SourceError> {
            Ok(self.0.clone())
        }

        fn read(&self, name: &str, _: usize, _: &mut [f32]) -> Result<(), crate::error::SourceError> {
            Err(crate::error::SourceError::UnknownParameter { parameter: name.to_owned() })
        }

        fn left_out(&self) -> Vec<(String, String)> {
            vec![("w_scale".to_owned(), "a scale without its tensor".to_owned())]
        }
    }

    fn reason(tensors: &[(&str, &[usize], Dtype)]) -> Option<String> {
        let list = tensors.iter().map(|(name, shape, dtype)| ParameterInfo::new(*name, *shape, *dtype)).collect();
        let plain = InMemory::new().with_parameter("w", [4], vec![0.5; 4]).unwrap();
        let models =
            ModelSet::builder().with_model("it", Listed(list)).with_model("plain", plain).build().unwrap().inventory();
        models.models[0].not_comparable.clone()
    }

    #[test]
    fn a_model_that_cannot_be_compared_has_its_reason() {
        let packed =
            |share: &str| Some(format!("{share} % of its values are packed integers, as in quantized weights"));
        assert_eq!(reason(&[("q", &[64, 64], Dtype::I8), ("e", &[32, 32], Dtype::F32)]), packed("80"));
        assert_eq!(reason(&[("q", &[64, 64], Dtype::I32), ("e", &[64, 64], Dtype::F16)]), packed("at least 80"));
        assert_eq!(reason(&[("input_ids", &[4096], Dtype::I64)]), packed("at least 100"));
        assert_eq!(reason(&[]).unwrap(), "it holds no tensors");
        assert!(reason(&[("w", &[0], Dtype::F16)]).unwrap().contains("ZeRO-3"));
        assert_eq!(reason(&[("ids", &[8], Dtype::I64)]).unwrap(), "none of its 1 tensors is a trained parameter");
        let other = "no other model has 50 % of its values in tensors of the same name and shape";
        assert_eq!(reason(&[("other", &[8], Dtype::F32)]).unwrap(), other);
        assert_eq!(reason(&[("w", &[4], Dtype::F32), ("n", &[], Dtype::I64)]), None);
    }

    #[test]
    fn records_count_values_by_dtype_and_reasons() {
        let list = [("a", Dtype::F16), ("b", Dtype::F32), ("c", Dtype::F16)];
        let list = list.map(|(name, dtype)| ParameterInfo::new(name, [2, 3], dtype)).to_vec();
        let models = ModelSet::builder().with_model("a", Listed(list)).build().unwrap().inventory();
        let [record] = &models.models[..] else { panic!("{models:?}") };
        assert_eq!(record.parameters, 18);
        assert_eq!(record.dtype, BTreeMap::from([("F16".to_owned(), 12), ("F32".to_owned(), 6)]));
        assert_eq!(record.left_out, BTreeMap::from([("a scale without its tensor".to_owned(), 1)]));
        assert_eq!((record.path.as_ref(), record.content.as_ref()), (None, None));
    }
}
