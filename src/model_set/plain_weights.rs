//! Weights that some models store as magnitude and direction, and others plainly.

use super::Model;
use super::spelling::derived;
use crate::error::Error;
use crate::naming::{normed, unwrapped};
use crate::source::ParameterInfo;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// Gives the plain weights of models that store them in two tensors, where another model of the set stores them plainly.
///
/// Models that all store two tensors are compared in these, as they are.
pub(super) fn plain_weights(models: &mut [Model]) -> Result<(), Error> {
    let lists: HashSet<Arc<[ParameterInfo]>> = models.iter().map(|m| Arc::clone(&m.parameters)).collect();
    let mut made: BTreeMap<Arc<[ParameterInfo]>, _> = BTreeMap::new();
    for list in &lists {
        let normed = normed(list);
        if !normed.is_empty() {
            made.insert(Arc::clone(list), normed);
        }
    }
    if made.is_empty() {
        return Ok(());
    }
    let mut plain: BTreeSet<String> = BTreeSet::new();
    for list in lists.iter().filter(|list| !made.contains_key(*list)) {
        plain.extend(unwrapped(&list.iter().map(|p| p.name.as_str()).collect::<Vec<_>>()));
    }
    for model in models {
        let Some(made) = made.get(&model.parameters) else { continue };
        let wanted: BTreeMap<_, _> = made
            .iter()
            .filter(|(name, _)| plain.contains(*name))
            .map(|(name, made)| (name.clone(), made.clone()))
            .collect();
        if wanted.is_empty() {
            continue;
        }
        let failed = |source| Error::of_model(model.name.clone(), source);
        let view = derived(&model.source, &wanted).map_err(failed)?;
        model.parameters = view.parameters().map_err(failed)?.into();
        model.source = view;
    }
    Ok(())
}
