use super::document::{Document, FamilyEntry, Model, Parent, READ, UnobservedParent};
use super::inventory::inventory;
use crate::error::Error;
use crate::model_set::{ModelId, Skipped};
use crate::phylogeny::{Edge, Link, Node, Phylogeny, PhylogenyBuilder, Remark, UnobservedId};
use std::collections::{BTreeMap, HashMap};

/// Whether a file may name parents that it does not list as models. A result may not, a truth may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parents {
    /// Every parent must be a listed model: a result.
    MustBeListed,
    /// Parents that are not listed become models without parents, after the listed ones: a truth.
    MayBeUnlisted,
}

/// A phylogeny, and what only its file says.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) phylogeny: Phylogeny,
    /// Number of models that the file lists. Those after them were only named as parents.
    pub(crate) listed: usize,
    /// Whether the weights of a model's parents were given, and not shared out equally.
    pub(crate) weighted: Vec<bool>,
}

impl Document {
    /// Makes the phylogeny of the file.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] and [`Error::InvalidPhylogeny`], each with the name of the model.
    pub(crate) fn build(self, parents: Parents) -> Result<Built, Error> {
        if !READ.contains(&self.version) {
            return invalid(format!("version is {}, expected {}", self.version, expected_versions()));
        }
        let first = self.version == 1;
        let mut names = Names::default();
        for model in &self.models {
            if names.insert(&model.name).is_none() {
                return invalid(format!("two models are named `{}`", model.name));
            }
        }
        let listed = names.in_order.len();
        // Names that are only parents come after all listed models, so that ids of listed models are their positions in the
        // file.
        for parent in self.models.iter().flat_map(|m| &m.parents) {
            if parents == Parents::MayBeUnlisted {
                let _ = names.insert(&parent.name);
            }
        }
        let mut edges = Vec::new();
        let mut weighted = vec![true; names.in_order.len()];
        for (child, model) in self.models.iter().enumerate() {
            weighted[child] = append_edges(model, ModelId::new(child), &names, &mut edges)?;
        }
        let links = self.links(&names)?;
        let families = stated_families(&self.models, &self.families, &names)?;
        let Names { in_order, ids } = names;
        let mut builder =
            PhylogenyBuilder::new(in_order.len()).with_names(in_order).with_edges(edges).with_links(links);
        for entry in &self.unobserved {
            builder = builder.with_unobserved(entry.probability);
        }
        // Kin holds a family together where no edge does: siblings without a parent, and ties.
        for family in &families {
            builder = builder.with_kin(family.members.iter().copied());
        }
        // A truth says only who descends from whom, so that its reasons are not read.
        if parents == Parents::MayBeUnlisted {
            return Ok(Built { phylogeny: builder.build()?, listed, weighted });
        }
        for (m, model) in self.models.iter().enumerate() {
            builder = with_reasons(builder, ModelId::new(m), model, &ids)?;
        }
        for (family, &member) in families.iter().filter_map(|f| Some((f, f.members.first()?))) {
            builder = family.margin.into_iter().fold(builder, |b, margin| b.with_margin(member, margin));
            // In version 1 the mark is all there is; later it follows from the unobserved models. Where every member had a
            // parent, named or withheld, there is nothing that the mark could say.
            let open = |m: &ModelId| self.models.get(m.index()).is_some_and(|m| m.parents.is_empty() && !m.withheld);
            let marked = first && family.unobserved_root && family.members.iter().any(open);
            builder = if marked { builder.with_unobserved_root(member) } else { builder };
        }
        let find = |name: &str| match ids.get(name) {
            Some(&id) => Ok(id),
            None => invalid(format!("a shared part is of `{name}`, which is not among the models")),
        };
        for entry in self.shared_parts {
            builder = builder.with_shared_part(entry.part(find)?);
        }
        builder = if self.structured_remarks.is_empty() {
            builder.with_remarks(self.remarks.into_iter().map(Remark::Other))
        } else {
            builder.with_remarks(self.structured_remarks.into_iter().map(|r| r.0))
        };
        let skipped = self.skipped.into_iter().map(|s| Skipped::from_reason(s.name, s.reason));
        let inventory = inventory(&self.models, &self.groups, self.unread, &ids)?;
        let phylogeny = builder.with_skipped(skipped).build()?.with_inventory(inventory);
        check_families(&phylogeny, &families)?;
        Ok(Built { phylogeny, listed, weighted })
    }
}

/// The versions that are read, for a message.
pub(super) fn expected_versions() -> String {
    READ.map(|version| version.to_string()).join(" or ")
}

impl Document {
    /// The links of unobserved models.
    fn links(&self, names: &Names<'_>) -> Result<Vec<Link>, Error> {
        if let Some((at, entry)) = self.unobserved.iter().enumerate().find(|(at, entry)| entry.id != *at) {
            return invalid(format!("the unobserved model at place {at} has id {}, expected {at}", entry.id));
        }
        let of_models = self.models.iter().enumerate().map(|(m, model)| {
            (Node::from(ModelId::new(m)), &model.name, &[][..], &model.unobserved_parents[..], model.parents.len())
        });
        let mut links = Vec::new();
        let mut add = |child: Node, name: &str, parents: &[Parent], absent: &[UnobservedParent], others: usize| {
            let share = 1.0 / (parents.len() + absent.len() + others) as f64;
            for parent in parents {
                let Some(&id) = names.ids.get(parent.name.as_str()) else {
                    return invalid(format!("{name} has parent `{}`, which is not among the models", parent.name));
                };
                links.push(parent.edge.link(id.into(), child, share));
            }
            for parent in absent {
                if parent.unobserved >= self.unobserved.len() {
                    return invalid(format!(
                        "{name} has the unobserved parent {}, which is not among the {} unobserved models",
                        parent.unobserved,
                        self.unobserved.len()
                    ));
                }
                links.push(parent.edge.link(UnobservedId::new(parent.unobserved).into(), child, share));
            }
            Ok(())
        };
        for (child, name, parents, absent, others) in of_models {
            add(child, &format!("model `{name}`"), parents, absent, others)?;
        }
        for (at, entry) in self.unobserved.iter().enumerate() {
            let id = UnobservedId::new(at);
            add(id.into(), &format!("unobserved model {id}"), &entry.parents, &entry.unobserved_parents, 0)?;
        }
        Ok(links)
    }
}

fn invalid<T>(reason: String) -> Result<T, Error> {
    Err(Error::Format { reason })
}

#[derive(Default)]
struct Names<'a> {
    in_order: Vec<&'a str>,
    ids: HashMap<&'a str, ModelId>,
}

impl<'a> Names<'a> {
    /// Adds a name and gives the new model's id; `None` when there is a model of that name.
    fn insert(&mut self, name: &'a str) -> Option<ModelId> {
        let id = ModelId::new(self.in_order.len());
        if self.ids.contains_key(name) {
            return None;
        }
        self.ids.insert(name, id);
        self.in_order.push(name);
        Some(id)
    }
}

/// Appends the edges to one model. Gives whether their weights were stated.
fn append_edges(model: &Model, child: ModelId, names: &Names<'_>, edges: &mut Vec<Edge>) -> Result<bool, Error> {
    let count = model.parents.len() + model.unobserved_parents.len();
    let weights = model.parents.iter().map(|p| p.edge.weight);
    let given = weights.chain(model.unobserved_parents.iter().map(|p| p.edge.weight)).flatten().count();
    if given != 0 && given != count {
        let reason =
            format!("model `{}` has weights for {given} of its {count} parents, expected all or none", model.name);
        return invalid(reason);
    }
    for parent in &model.parents {
        let Some(&id) = names.ids.get(parent.name.as_str()) else {
            return invalid(format!(
                "model `{}` has parent `{}`, which is not among the models",
                model.name, parent.name
            ));
        };
        edges.push(parent.edge.edge(id, child, 1.0 / count as f64));
    }
    Ok(given == count || count == 1)
}

/// Adds the reasons that a model's entry states for its parents.
fn with_reasons(
    mut builder: PhylogenyBuilder,
    model: ModelId,
    entry: &Model,
    ids: &HashMap<&str, ModelId>,
) -> Result<PhylogenyBuilder, Error> {
    builder = entry.score.into_iter().fold(builder, |b, score| b.with_score(model, score));
    builder = entry.residual.into_iter().fold(builder, |b, residual| b.with_residual(model, residual));
    builder = entry.method.iter().fold(builder, |b, method| b.with_method(model, method));
    for parent in &entry.parents {
        if let (Some(movements), Some(&id)) = (&parent.movements, ids.get(parent.name.as_str())) {
            builder = movements.add(builder, id, model);
        }
    }
    let find = |name: &str| match ids.get(name) {
        Some(&id) => Ok(id),
        None => invalid(format!("model `{}` has a candidate `{name}`, which is not among the models", entry.name)),
    };
    let candidates = entry.candidates.iter().chain(&entry.more_candidates).map(|c| c.candidate(find));
    builder = builder.with_candidates(model, candidates.collect::<Result<_, _>>()?);
    Ok(if entry.withheld { builder.with_withheld_parent(model) } else { builder })
}

struct StatedFamily {
    id: usize,
    members: Vec<ModelId>,
    margin: Option<f64>,
    unobserved_root: bool,
}

/// The list of families. Where the file has none, the models' own family numbers make it.
fn stated_families(models: &[Model], families: &[FamilyEntry], names: &Names<'_>) -> Result<Vec<StatedFamily>, Error> {
    if families.is_empty() {
        let mut by_id: BTreeMap<usize, Vec<ModelId>> = BTreeMap::new();
        for (m, id) in models.iter().enumerate().filter_map(|(m, model)| Some((m, model.family?))) {
            by_id.entry(id).or_default().push(ModelId::new(m));
        }
        return Ok(by_id
            .into_iter()
            .map(|(id, members)| StatedFamily { id, members, margin: None, unobserved_root: false })
            .collect());
    }
    let find = |id: usize, name: &String| match names.ids.get(name.as_str()) {
        Some(&member) => Ok(member),
        None => invalid(format!("family {id} has member `{name}`, which is not among the models")),
    };
    let stated = |family: &FamilyEntry| {
        let mut members: Vec<ModelId> =
            family.members.iter().map(|name| find(family.id, name)).collect::<Result<_, _>>()?;
        members.sort_unstable();
        members.dedup();
        Ok(StatedFamily { id: family.id, members, margin: family.margin, unobserved_root: family.unobserved_root })
    };
    families.iter().map(stated).collect()
}

/// Refuses a family list that its own edges contradict.
fn check_families(phylogeny: &Phylogeny, families: &[StatedFamily]) -> Result<(), Error> {
    for stated in families {
        let Some(&first) = stated.members.first() else { continue };
        let joined = &phylogeny.family(phylogeny.family_of(first)).members;
        if let Some(&outside) = joined.iter().find(|m| stated.members.binary_search(m).is_err()) {
            return invalid(format!(
                "family {} does not list `{}`, which edges or another family join to its member `{}`",
                stated.id,
                phylogeny.name(outside),
                phylogeny.name(first)
            ));
        }
    }
    Ok(())
}
