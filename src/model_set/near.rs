use super::{ModelId, ModelSet};
use crate::error::Error;
use std::path::MAIN_SEPARATOR;

/// Most names that an error suggests.
const SUGGESTED: usize = 5;

impl ModelSet {
    /// Returns the model of a name. Takes O(n_models) time.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownModel`] when no model has the name, with at most five names that look like it.
    pub fn find(&self, name: &str) -> Result<ModelId, Error> {
        self.id(name).ok_or_else(|| unknown_model(name, self.names()))
    }
}

/// Creates the error for a name that no model has.
pub(crate) fn unknown_model<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Error {
    let wanted = name.to_lowercase();
    let mut near: Vec<(usize, &str)> =
        names.filter_map(|n| Some((unlikeness(&wanted, &n.to_lowercase())?, n))).collect();
    near.sort_unstable();
    near.truncate(SUGGESTED);
    Error::UnknownModel { name: name.to_owned(), near: near.into_iter().map(|(_, n)| n.to_owned()).collect() }
}

/// Measures how little a name looks like the wanted one.
///
/// It is 0 when the name contains the wanted text. Otherwise it is the number of edits to the whole name or to its last part,
/// whichever is less. `None` for more edits than one plus a third of the wanted text's length.
fn unlikeness(wanted: &str, name: &str) -> Option<usize> {
    if !wanted.is_empty() && name.contains(wanted) {
        return Some(0);
    }
    // The last part of a path is often all that a user types.
    let last = name.rsplit(['/', MAIN_SEPARATOR]).next().unwrap_or(name);
    let edits = edits(wanted, name).min(edits(wanted, last));
    (edits <= 1 + wanted.chars().count() / 3).then_some(edits)
}

/// Returns the Levenshtein distance in characters.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_parts_and_slips() {
        let names = ["llama/l0", "llama/l0_c0", "mlp/m0", "Base"];
        let said = |name: &str| unknown_model(name, names.into_iter()).to_string();
        assert_eq!(said("l0_c0"), "no model is named `l0_c0`, nearest: `llama/l0_c0`");
        assert_eq!(said("base"), "no model is named `base`, nearest: `Base`");
        assert_eq!(said("llama/l1_c0"), "no model is named `llama/l1_c0`, nearest: `llama/l0_c0`, `llama/l0`");
        assert_eq!(said("something else"), "no model is named `something else`");
        assert_eq!(unknown_model("", ["", "a"].into_iter()).to_string(), "no model is named ``, nearest: ``, `a`");
    }

    #[test]
    fn edits_are_counted() {
        assert_eq!([("", ""), ("abc", ""), ("kitten", "sitting"), ("é", "e")].map(|(a, b)| edits(a, b)), [0, 3, 3, 1]);
    }
}
