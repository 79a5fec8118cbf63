//! Matching of the module names in an adapter file with the tensors of a base.

use super::keys::Renaming;
use std::collections::BTreeMap;

/// Finds, for each module of one part of a pipeline, the tensor of the base that is its weight.
///
/// All modules are found under the one prefix that the base has in front of their names, or none is.
///
/// # Errors
///
/// The modules that are not found under the prefix that fits best.
pub(super) fn weights<V>(
    modules: &[&str],
    underscored: bool,
    base: &BTreeMap<String, V>,
) -> Result<Vec<String>, Vec<String>> {
    let targets = || modules.iter().map(|module| format!("{module}.weight"));
    if !underscored {
        let targets: Vec<String> = targets().collect();
        return match Renaming::find(&targets, base) {
            Some(renaming) => Ok(targets.iter().filter_map(|target| renaming.apply(target, base)).collect()),
            None => {
                let missing = |t: &&String| !base.contains_key(*t) && !base.keys().any(|name| is_end(name, t));
                let found: Vec<String> = targets.iter().filter(missing).cloned().collect();
                Err(if found.is_empty() { targets } else { found })
            }
        };
    }
    // A name with underscores may stand for several names with dots. Then it stands for none.
    let mut spelled: BTreeMap<String, Option<&String>> = BTreeMap::new();
    for name in base.keys() {
        let Some(module) = name.strip_suffix(".weight") else { continue };
        let at = spelled.entry(module.replace('.', "_"));
        at.and_modify(|other| *other = None).or_insert(Some(name));
    }
    let found = |prefix: &str, module: &str| spelled.get(&format!("{prefix}{module}")).copied().flatten();
    let prefixes = modules.first().map(|first| prefixes(first, &spelled)).unwrap_or_default();
    let missing = |prefix: &String| -> Vec<String> {
        modules.iter().filter(|module| found(prefix, module).is_none()).map(|m| (*m).to_owned()).collect()
    };
    let mut working = prefixes.iter().filter(|prefix| missing(prefix).is_empty());
    match (working.next(), working.next()) {
        // The names as they are come first. Among longer ones, there must be only one.
        (Some(prefix), other) if other.is_none() || prefix.is_empty() => {
            Ok(modules.iter().filter_map(|module| found(prefix, module).cloned()).collect())
        }
        (None, _) => {
            let least = prefixes.iter().map(missing).min_by_key(Vec::len);
            Err(least.unwrap_or_else(|| modules.iter().map(|m| (*m).to_owned()).collect()))
        }
        _ => Err(modules.iter().map(|m| (*m).to_owned()).collect()),
    }
}

/// Returns what may stand in front of a module's name in the base, the shortest first.
fn prefixes<V>(module: &str, spelled: &BTreeMap<String, V>) -> Vec<String> {
    let mut prefixes: Vec<String> = spelled
        .keys()
        .filter_map(|name| name.strip_suffix(module))
        .filter(|prefix| prefix.is_empty() || prefix.ends_with('_'))
        .map(ToOwned::to_owned)
        .collect();
    prefixes.sort_by_key(String::len);
    // The first module may be the one that is missing, so the usual places are tried too.
    prefixes.extend(["", "model_diffusion_model_", "cond_stage_model_transformer_"].map(ToOwned::to_owned));
    let mut seen = std::collections::BTreeSet::new();
    prefixes.retain(|prefix| seen.insert(prefix.clone()));
    prefixes
}

/// Whether a name is another one, or ends in it after a dot.
fn is_end(name: &str, end: &str) -> bool {
    name.strip_suffix(end).is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(names: &[&str]) -> BTreeMap<String, ()> {
        names.iter().map(|name| ((*name).to_owned(), ())).collect()
    }

    #[test]
    fn underscores_stand_for_dots_under_one_prefix() {
        let base = base(&["model.diffusion_model.a.0.to_q.weight", "model.diffusion_model.b.weight", "te.b.weight"]);
        let found = weights(&["a_0_to_q", "b"], true, &base);
        assert_eq!(
            found,
            Ok(vec!["model.diffusion_model.a.0.to_q.weight".into(), "model.diffusion_model.b.weight".into()])
        );
        // Two parts of the base have a module of this name.
        assert_eq!(weights(&["b"], true, &base), Err(vec!["b".into()]));
        assert_eq!(weights(&["a_0_to_q", "c"], true, &base), Err(vec!["c".into()]));
    }

    #[test]
    fn a_name_that_may_be_two_tensors_is_none() {
        assert_eq!(weights(&["a_b"], true, &base(&["a.b.weight", "a_b.weight"])), Err(vec!["a_b".into()]));
    }

    #[test]
    fn dotted_names_may_have_a_prefix_in_the_base() {
        let base = base(&["model.x.a.weight", "model.x.b.weight"]);
        assert_eq!(weights(&["a", "b"], false, &base), Ok(vec!["model.x.a.weight".into(), "model.x.b.weight".into()]));
        assert_eq!(weights(&["a", "c"], false, &base), Err(vec!["c.weight".into()]));
    }
}
