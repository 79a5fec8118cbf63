use crate::error::Error;
use crate::model_set::ModelId;
use crate::phylogeny::{Edge, Phylogeny, PhylogenyBuilder};
use std::collections::HashMap;

/// The known lineage that a result is measured against.
///
/// - Any [`Phylogeny`] can be a truth, so that a result can be measured against another result.
/// - A truth file has the form of a result, of which only names and parents matter (feature `serde`, `Truth::read`).
/// - A truth file may name parents that it does not list, because another file does. They are models without parents until
///   [`merge`](Self::merge) brings theirs.
///
/// ```
/// use neural_phylogeny::{Edge, ModelId, Phylogeny};
/// use neural_phylogeny::evaluate::Truth;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let edge = Edge::new(ModelId::new(0), ModelId::new(1));
/// let truth = Truth::from(Phylogeny::from_edges(2, vec![edge])?.with_names(["base", "tuned"])?);
/// assert!(truth.has_weights(ModelId::new(1)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    phylogeny: Phylogeny,
    listed: Vec<bool>,
    weighted: Vec<bool>,
}

impl From<Phylogeny> for Truth {
    fn from(phylogeny: Phylogeny) -> Self {
        let all = vec![true; phylogeny.len()];
        Self { phylogeny, listed: all.clone(), weighted: all }
    }
}

impl Truth {
    /// Reads a truth file.
    ///
    /// It is read as by [`read_json`](crate::write::read_json), but a parent need not be among the models.
    ///
    /// # Errors
    ///
    /// The errors of [`read_json`](crate::write::read_json).
    ///
    /// ```
    /// use neural_phylogeny::evaluate::Truth;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bases = r#"{"version": 1, "models": [{"name": "base"}, {"name": "a", "parents": [{"name": "base"}]}]}"#;
    /// let merges = r#"{"version": 1, "models": [{"name": "m", "parents": [{"name": "base"}, {"name": "a"}]}]}"#;
    /// let truth = Truth::read(bases.as_bytes())?.merge(Truth::read(merges.as_bytes())?)?;
    /// assert_eq!(truth.phylogeny().len(), 3);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "serde")]
    pub fn read<R: std::io::Read>(reader: R) -> Result<Self, Error> {
        use crate::write::{Parents, parse};
        let built = parse(reader)?.build(Parents::MayBeUnlisted)?;
        let listed = (0..built.phylogeny.len()).map(|m| m < built.listed).collect();
        Ok(Self { phylogeny: built.phylogeny, listed, weighted: built.weighted })
    }

    /// The lineage itself.
    pub fn phylogeny(&self) -> &Phylogeny {
        &self.phylogeny
    }

    /// Whether the weights of a model's parents are known. Where they are not, the [`phylogeny`](Self::phylogeny) has equal
    /// shares, which are not scored.
    ///
    /// # Panics
    ///
    /// When `model` is not one of this truth's.
    pub fn has_weights(&self, model: ModelId) -> bool {
        self.weighted[model.index()]
    }

    /// Joins two truths. Models of one name are the same model.
    ///
    /// Models of `self` come first, in their order. Those that only `other` has follow.
    ///
    /// # Errors
    ///
    /// [`Error::Evaluation`] when both list a model with different parents or weights. [`Error::InvalidPhylogeny`] when their
    /// edges together form a cycle.
    pub fn merge(self, other: Self) -> Result<Self, Error> {
        let mut names: Vec<String> = Vec::new();
        let mut ids: HashMap<String, usize> = HashMap::new();
        let mut sources: Vec<Vec<(&Self, ModelId)>> = Vec::new();
        // Every truth that has a model is collected under its name: either may list its parents.
        for truth in [&self, &other] {
            for model in truth.phylogeny.models() {
                let name = truth.phylogeny.name(model);
                let id = *ids.entry(name.to_owned()).or_insert_with(|| {
                    names.push(name.to_owned());
                    sources.push(Vec::new());
                    names.len() - 1
                });
                sources[id].push((truth, model));
            }
        }
        let translate = |truth: &Self, m: ModelId| ModelId::new(ids[truth.phylogeny.name(m)]);
        let (mut edges, mut listed, mut weighted) = (Vec::new(), Vec::new(), Vec::new());
        for (child, sources) in sources.iter().enumerate() {
            let mut chosen: Option<(Vec<Edge>, bool)> = None;
            // A truth that names a model only as a parent does not know its parents.
            for &(truth, model) in sources.iter().filter(|(truth, model)| truth.listed[model.index()]) {
                let translated =
                    |e: &Edge| Edge { parent: translate(truth, e.parent), child: ModelId::new(child), ..*e };
                let mut parents: Vec<Edge> = truth.phylogeny.parents(model).iter().map(translated).collect();
                parents.sort_by_key(|e| e.parent);
                let given = truth.has_weights(model);
                match &chosen {
                    Some((first, first_given)) if !agree(first, &parents, *first_given && given) => {
                        let reason = format!("two truths give model `{}` different parents or weights", names[child]);
                        return Err(Error::Evaluation { reason });
                    }
                    // The first truth stays, unless it has no weights and this one may have.
                    Some((_, true)) => {}
                    _ => chosen = Some((parents, given)),
                }
            }
            listed.push(chosen.is_some());
            let (parents, given) = chosen.unwrap_or((Vec::new(), true));
            weighted.push(given);
            edges.extend(parents);
        }
        // Families that were stated stay families, although no edge may hold them together.
        let kin: Vec<Vec<ModelId>> = [&self, &other]
            .into_iter()
            .flat_map(|t| {
                t.phylogeny.families().iter().map(move |f| f.members.iter().map(|&m| translate(t, m)).collect())
            })
            .collect();
        let builder = PhylogenyBuilder::new(names.len()).with_names(names).with_edges(edges);
        let builder = kin.into_iter().fold(builder, PhylogenyBuilder::with_kin);
        Ok(Self { phylogeny: builder.build()?, listed, weighted })
    }
}

/// Whether two lists, sorted by parent, have the same parents, and the same weights where both are given.
fn agree(a: &[Edge], b: &[Edge], weights: bool) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.parent == b.parent && (!weights || a.weight == b.weight))
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use super::*;

    fn truth(models: &str) -> Truth {
        Truth::read(format!(r#"{{"version": 1, "models": [{models}]}}"#).as_bytes()).unwrap()
    }

    fn lineage(truth: &Truth, name: &str) -> Vec<String> {
        let p = truth.phylogeny();
        p.ancestors(p.id(name).unwrap()).into_iter().map(|m| p.name(m).to_owned()).collect()
    }

    #[test]
    fn unlisted_parents_are_models_without_parents() {
        let t = truth(r#"{"name": "m", "parents": [{"name": "a"}]}"#);
        assert_eq!(t.phylogeny().len(), 2);
        assert_eq!(lineage(&t, "m"), ["a"]);
    }

    #[test]
    fn merging_joins_lineages_in_either_order() {
        let upper = truth(r#"{"name": "r"}, {"name": "a", "parents": [{"name": "r"}]}"#);
        let lower = truth(r#"{"name": "m", "parents": [{"name": "a"}]}"#);
        for merged in [upper.clone().merge(lower.clone()).unwrap(), lower.merge(upper).unwrap()] {
            assert_eq!(lineage(&merged, "m"), ["a", "r"]);
            assert!(merged.listed.iter().all(|&l| l));
        }
    }

    #[test]
    fn weights_that_one_truth_gives_are_kept() {
        let without = truth(r#"{"name": "m", "parents": [{"name": "a"}, {"name": "b"}]}"#);
        let with = truth(r#"{"name": "m", "parents": [{"name": "b", "weight": 0.25}, {"name": "a", "weight": 0.75}]}"#);
        for merged in [without.clone().merge(with.clone()).unwrap(), with.merge(without).unwrap()] {
            let m = merged.phylogeny().id("m").unwrap();
            assert!(merged.has_weights(m));
            let b = merged.phylogeny().id("b").unwrap();
            assert!(merged.phylogeny().parents(m).iter().any(|e| e.parent == b && e.weight == 0.25));
        }
    }

    #[test]
    fn truths_that_differ_are_refused_by_name() {
        let a = truth(r#"{"name": "m", "parents": [{"name": "a"}]}"#);
        let b = truth(r#"{"name": "m", "parents": [{"name": "b"}]}"#);
        let error = a.clone().merge(b).unwrap_err().to_string();
        assert_eq!(error, "cannot evaluate: two truths give model `m` different parents or weights");

        let back = truth(r#"{"name": "a", "parents": [{"name": "m"}]}"#);
        let error = a.merge(back).unwrap_err().to_string();
        assert_eq!(error, "invalid phylogeny: model `m` is its own ancestor or descends from a cycle");
    }

    #[test]
    fn merging_with_itself_changes_nothing() {
        let t = truth(r#"{"name": "a"}, {"name": "m", "parents": [{"name": "a"}, {"name": "b"}]}"#);
        assert_eq!(t.clone().merge(t.clone()).unwrap(), t);
    }
}
