use super::check::invalid;
use super::evidence::LARGEST_WEIGHT;
use super::{Candidate, Edge, Link, Movement, Node};
use crate::error::Error;
use crate::model_set::ModelId;

/// Models and edges that were checked already. Everything else is checked against them.
pub(super) struct Checker<'a> {
    pub(super) names: &'a [String],
    /// Sorted by child, then parent.
    pub(super) edges: &'a [Edge],
    /// The links of unobserved models, sorted by child, then parent.
    pub(super) links: &'a [Link],
}

impl Checker<'_> {
    /// The name of a model, if there is such a model. `what` is the item that names it, with its article.
    pub(super) fn model(&self, model: ModelId, what: &str) -> Result<&str, Error> {
        match self.names.get(model.index()) {
            Some(name) => Ok(name),
            None => invalid(format!("{what} names model {model} beyond the {} there are", self.names.len())),
        }
    }

    pub(super) fn once(&self, model: ModelId, what: &str, first: bool) -> Result<(), Error> {
        if first { Ok(()) } else { invalid(format!("model `{}` has a {what} twice", self.names[model.index()])) }
    }

    pub(super) fn finite(&self, model: ModelId, what: &str, value: f64) -> Result<(), Error> {
        if value.is_finite() {
            return Ok(());
        }
        invalid(format!("model `{}` has a {what} of {value}, expected a finite one", self.names[model.index()]))
    }

    pub(super) fn edge(&self, parent: ModelId, child: ModelId, what: &str) -> Result<(), Error> {
        let [p, c] = [self.model(parent, what)?, self.model(child, what)?];
        if self.edges.binary_search_by_key(&(child, parent), |e| (e.child, e.parent)).is_err() {
            return invalid(format!("{what} from `{p}` to `{c}`, which no edge joins"));
        }
        Ok(())
    }

    /// Checks the candidates of a model and sorts them: most probable first, of equal ones the higher score first.
    pub(super) fn candidates(&self, model: ModelId, mut candidates: Vec<Candidate>) -> Result<Vec<Candidate>, Error> {
        let name = self.model(model, "a candidate")?;
        for candidate in &candidates {
            if let Some(parent) = candidate.parent {
                self.model(parent, "a candidate")?;
                if parent == model {
                    return invalid(format!("model `{name}` is a candidate for its own parent"));
                }
            }
            if !(0.0..=1.0).contains(&candidate.probability) {
                let found = candidate.probability;
                return invalid(format!("model `{name}` has a candidate of probability {found}, expected 0 to 1"));
            }
            // Evidence::new cuts weights off, but its fields are public; NaN fails this comparison too.
            let in_range = |weight: f64| weight.abs() <= LARGEST_WEIGHT;
            if let Some(e) = candidate.evidence.iter().find(|e| !in_range(e.weight)) {
                return invalid(format!(
                    "model `{name}` has a candidate with evidence `{}` of weight {}, expected -{LARGEST_WEIGHT} to \
                     {LARGEST_WEIGHT}",
                    e.signal, e.weight
                ));
            }
        }
        candidates.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(b.score().total_cmp(&a.score())));
        Ok(candidates)
    }

    pub(super) fn movements(&self, child: ModelId, movements: &[Movement]) -> Result<(), Error> {
        if let Some(m) = movements.iter().find(|m| m.weight.is_some_and(|w| !w.is_finite())) {
            let (name, weight) = (&self.names[child.index()], m.weight.unwrap_or_default());
            return invalid(format!(
                "model `{name}` has a parameter `{}` of weight {weight}, expected a finite one",
                m.parameter
            ));
        }
        if let Some(m) = movements.iter().find(|m| m.removed.is_some_and(|share| !share.is_finite())) {
            let (name, share) = (&self.names[child.index()], m.removed.unwrap_or_default());
            return invalid(format!(
                "model `{name}` has a parameter `{}` of which a share of {share} was removed, expected a finite one",
                m.parameter
            ));
        }
        match movements.iter().find(|m| m.relative.is_nan() || m.relative < 0.0) {
            Some(m) => invalid(format!(
                "model `{}` has a parameter `{}` that moved by {}, expected at least 0",
                self.names[child.index()],
                m.parameter,
                m.relative
            )),
            None => Ok(()),
        }
    }

    pub(super) fn residual(&self, child: ModelId, residual: f64) -> Result<(), Error> {
        let name = self.model(child, "a residual")?;
        let parents = self.parents(child);
        if parents < 2 {
            return invalid(format!("model `{name}` has a residual and {parents} parents, expected 2 or more"));
        }
        if !(0.0..=1.0).contains(&residual) {
            return invalid(format!("model `{name}` has a residual of {residual}, expected 0 to 1"));
        }
        Ok(())
    }

    pub(super) fn method(&self, child: ModelId) -> Result<(), Error> {
        let name = self.model(child, "a method")?;
        match self.parents(child) {
            1 => Ok(()),
            parents => invalid(format!("model `{name}` has a method and {parents} parents, expected 1")),
        }
    }

    pub(super) fn withheld(&self, child: ModelId) -> Result<(), Error> {
        let name = self.model(child, "a withheld parent")?;
        match self.parents(child) {
            0 => Ok(()),
            parents => invalid(format!(
                "model `{name}` has a withheld parent and {parents} named or unobserved, expected none"
            )),
        }
    }

    fn parents(&self, child: ModelId) -> usize {
        let begin = self.edges.partition_point(|e| e.child < child);
        let edges = self.edges[begin..].partition_point(|e| e.child == child);
        edges + self.links.iter().filter(|link| link.child == Node::Model(child)).count()
    }
}
