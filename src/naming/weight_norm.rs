//! Weights that are stored as magnitude and direction.

use super::wrapper::unwrapped;
use crate::source::{Made, Normed, ParameterInfo};
use std::collections::BTreeMap;

/// Returns the weights that a model stores as `weight_g` and `weight_v`, or as the two originals of a parametrization: for
/// each its plain name, and how it is made.
pub(crate) fn normed(list: &[ParameterInfo]) -> BTreeMap<String, Made> {
    let names: Vec<&str> = list.iter().map(|p| p.name.as_str()).collect();
    let spelled = unwrapped(&names);
    let numbers: BTreeMap<&str, usize> = spelled.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let mut made = BTreeMap::new();
    for (name, &v) in &numbers {
        let Some(plain) = name.strip_suffix("_v") else { continue };
        let Some(&g) = numbers.get(format!("{plain}_g").as_str()) else { continue };
        let of = |at: usize| (list[at].name.as_str(), list[at].shape.as_slice());
        // A model that holds the plain weight too keeps it.
        if let Some(normed) = Normed::new(of(g), of(v)).filter(|_| !numbers.contains_key(plain)) {
            made.insert(plain.to_owned(), Made::Normed(normed));
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Dtype;

    #[test]
    fn both_spellings_are_found() {
        let info = |name: &str, shape: &[usize]| ParameterInfo::new(name, shape, Dtype::F32);
        let list = [
            info("a.weight_g", &[4, 1, 1]),
            info("a.weight_v", &[4, 2, 3]),
            info("b.parametrizations.weight.original0", &[1, 1, 3]),
            info("b.parametrizations.weight.original1", &[4, 2, 3]),
            info("c.weight_v", &[4, 2]),
            info("d.weight_g", &[3]),
            info("d.weight_v", &[4, 2]),
        ];
        assert_eq!(normed(&list).into_keys().collect::<Vec<_>>(), ["a.weight", "b.weight"]);
    }
}
