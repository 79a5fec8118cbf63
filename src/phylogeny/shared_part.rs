//! Parts that models of unlike families have in common.

use super::Phylogeny;
use super::check::invalid;
use crate::error::Error;
use crate::model_set::ModelId;

/// Tensors that models of unlike families hold alike, while all else in them is independent: the models are kin *in part*.
///
/// Two language models that were trained apart and have one frozen vision tower are such models. Neither descends from the other,
/// and the part makes them no family.
///
/// ```
/// use neural_phylogeny::ModelId;
/// use neural_phylogeny::phylogeny::{PhylogenyBuilder, SharedPart};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let [a, b] = [0, 1].map(ModelId::new);
/// let part = SharedPart::new([(a, 0.25), (b, 0.2)], ["vision.0.weight", "vision.1.weight"], 8192);
/// let phylogeny = PhylogenyBuilder::new(2).with_shared_part(part.clone()).build()?;
/// assert_eq!(phylogeny.shared_parts_of(b).collect::<Vec<_>>(), [&part]);
/// assert_eq!(phylogeny.families().len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SharedPart {
    /// The models, sorted, each with the share of its values that are in the part, in [0, 1].
    pub models: Vec<(ModelId, f64)>,
    /// The names of the tensors, sorted, without wrappers that only some models have.
    pub tensors: Vec<String>,
    /// Number of values in these tensors.
    pub values: usize,
}

impl SharedPart {
    /// A part of some models, each with the share of its values. Models and names may be in any order.
    pub fn new<S: Into<String>>(
        models: impl IntoIterator<Item = (ModelId, f64)>,
        tensors: impl IntoIterator<Item = S>,
        values: usize,
    ) -> Self {
        let mut models: Vec<(ModelId, f64)> = models.into_iter().collect();
        models.sort_by_key(|(model, _)| *model);
        let mut tensors: Vec<String> = tensors.into_iter().map(Into::into).collect();
        tensors.sort_unstable();
        Self { models, tensors, values }
    }

    /// Whether a model holds the part.
    pub fn is_of(&self, model: ModelId) -> bool {
        self.models.iter().any(|(m, _)| *m == model)
    }
}

impl Phylogeny {
    /// The parts that models of unlike families have in common, sorted by models, then tensors. Most results have none.
    pub fn shared_parts(&self) -> &[SharedPart] {
        &self.shared_parts
    }

    /// The parts that a model has in common with models of other families.
    ///
    /// # Panics
    ///
    /// When `model` is not one of this phylogeny's.
    pub fn shared_parts_of(&self, model: ModelId) -> impl Iterator<Item = &SharedPart> {
        let model = self.own(model);
        self.shared_parts.iter().filter(move |part| part.is_of(model))
    }
}

/// Checks parts against the models there are, and sorts them.
pub(super) fn checked(names: &[String], parts: Vec<SharedPart>) -> Result<Vec<SharedPart>, Error> {
    // The fields are public, so that the order may be any.
    let mut parts: Vec<SharedPart> =
        parts.into_iter().map(|p| SharedPart::new(p.models, p.tensors, p.values)).collect();
    for part in &parts {
        if let Some((model, _)) = part.models.iter().find(|(model, _)| model.index() >= names.len()) {
            return invalid(format!("a shared part names model {model} beyond the {} there are", names.len()));
        }
        if part.models.len() < 2 || part.models.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            let found: Vec<&str> = part.models.iter().map(|(model, _)| names[model.index()].as_str()).collect();
            return invalid(format!("a shared part is of {found:?}, expected two models or more, each once"));
        }
        if let Some((model, share)) = part.models.iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
            let name = &names[model.index()];
            return invalid(format!("model `{name}` has a shared part of {share} of its values, expected 0 to 1"));
        }
    }
    let ids = |part: &SharedPart| part.models.iter().map(|(model, _)| *model).collect::<Vec<_>>();
    parts.sort_by(|a, b| ids(a).cmp(&ids(b)).then_with(|| a.tensors.cmp(&b.tensors)));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phylogeny::PhylogenyBuilder;

    fn part(models: &[(usize, f64)], tensors: &[&str]) -> SharedPart {
        SharedPart::new(models.iter().map(|&(m, share)| (ModelId::new(m), share)), tensors.iter().copied(), 4)
    }

    #[test]
    fn parts_are_sorted_whatever_their_order() {
        let parts = [part(&[(2, 0.5), (1, 0.5)], &["b", "a"]), part(&[(0, 0.1), (2, 0.2)], &["c"])];
        let build = |parts: Vec<SharedPart>| {
            parts.into_iter().fold(PhylogenyBuilder::new(3), PhylogenyBuilder::with_shared_part).build().unwrap()
        };
        let phylogeny = build(parts.to_vec());
        assert_eq!(phylogeny, build(parts.iter().rev().cloned().collect()));
        assert_eq!(phylogeny.shared_parts()[0].tensors, ["c"]);
        assert_eq!(phylogeny.shared_parts_of(ModelId::new(1)).next().unwrap().tensors, ["a", "b"]);
    }

    #[test]
    fn a_part_of_one_model_of_none_or_beyond_its_range_is_refused() {
        for (models, expected) in [
            (&[(0, 0.5)][..], "a shared part is of [\"0\"], expected two models or more, each once"),
            (&[(0, 0.5), (0, 0.5)], "a shared part is of [\"0\", \"0\"], expected two models or more, each once"),
            (&[(0, 0.5), (7, 0.5)], "a shared part names model 7 beyond the 3 there are"),
            (&[(0, 0.5), (1, 1.5)], "model `1` has a shared part of 1.5 of its values, expected 0 to 1"),
            (&[(0, f64::NAN), (1, 0.5)], "model `0` has a shared part of NaN of its values, expected 0 to 1"),
        ] {
            let error = PhylogenyBuilder::new(3).with_shared_part(part(models, &["w"])).build().unwrap_err();
            assert_eq!(error.to_string(), format!("invalid phylogeny: {expected}"));
        }
    }
}
