//! Sets of models with their truth, reduced to their geometries.

use crate::Failure;
use neural_phylogeny::discover::{Discovered, Discovery};
use neural_phylogeny::evaluate::Truth;
use neural_phylogeny::geometry::{Geometry, GeometrySettings};
use neural_phylogeny::model_set::{ModelSetBuilder, Role};
use neural_phylogeny::phylogeny::Family;
use neural_phylogeny::{ModelId, ModelSet};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// The tensors that stand for a whole network in the paper's configuration, the first that a set has.
///
/// The authors' code takes `fc1.weight` and `conv1.weight` of networks of its own; the first layers of ours are `layers.0` and
/// `convs.0`. What it takes of Llama and Stable Diffusion is not published: here the first matrix of the first block.
const TENSORS: [&str; 4] = [
    "layers.0.weight",
    "convs.0.weight",
    "model.layers.0.self_attn.q_proj.weight",
    "down_blocks.0.resnets.0.conv1.weight",
];

/// Values of that tensor, as in the authors' code.
const VALUES: usize = 1024;

/// What marks the part of a set that no weight decay reached.
pub(crate) const NO_DECAY: &str = ", no decay";

/// A part of fewer children is no set worth a line.
const FEWEST_CHILDREN: usize = 5;

/// Models with known parents.
#[derive(Debug)]
pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) names: Vec<String>,
    pub(crate) truth: Truth,
    /// Over all matrices.
    pub(crate) whole: Geometry,
    /// Over the first values of one tensor, for each seed.
    pub(crate) one_tensor: Vec<View>,
    pub(crate) tensor: &'static str,
}

/// The models in one order.
///
/// Copies are told apart by their order alone, and names sort parents first. In one tensor many models are copies (frozen
/// layers, adapters): each seed shuffles the models, so that no run learns from their names.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) names: Vec<String>,
    pub(crate) geometry: Geometry,
}

impl View {
    fn new(models: ModelSetBuilder) -> Result<Self, Failure> {
        let set = models.build()?;
        let names = set.names().map(str::to_owned).collect();
        Ok(Self { names, geometry: Geometry::compute(&set, &GeometrySettings::new())? })
    }
}

impl Set {
    /// The models of a folder. One without `truth.json` takes that of the folder it is in.
    pub(crate) fn open(folder: &Path, seeds: u64) -> Result<Self, Failure> {
        Self::some(folder, "", &|_| true, seeds)
    }

    /// Of the models of a folder that has `recipes.json`, roots and their children that no weight decay shrank: what the paper's
    /// rule supposes. `None` where there are too few.
    pub(crate) fn open_undecayed(folder: &Path, seeds: u64) -> Result<Option<Self>, Failure> {
        if !root(folder).0.join("recipes.json").exists() {
            return Ok(None);
        }
        let recipes = Recipe::read(folder)?;
        let is_root = |name: &str| recipes.get(name).is_some_and(|r| r.parent.is_none());
        let keep = |name: &str| {
            let Some(recipe) = recipes.get(name) else { return false };
            recipe.parent.as_deref().is_none_or(|parent| is_root(parent) && !recipe.decayed())
        };
        let is_child = |r: &&String| r.starts_with(&root(folder).1) && keep(r) && !is_root(r);
        if recipes.keys().filter(is_child).count() < FEWEST_CHILDREN {
            return Ok(None);
        }
        Self::some(folder, NO_DECAY, &keep, seeds).map(Some)
    }

    fn some(folder: &Path, which: &str, keep: &dyn Fn(&str) -> bool, seeds: u64) -> Result<Self, Failure> {
        let parts: Vec<&str> = folder.iter().filter_map(|p| p.to_str()).collect();
        let name = parts[parts.len().saturating_sub(2)..].join("/");
        let truth = Truth::read(File::open(root(folder).0.join("truth.json"))?)?;
        Self::new(format!("{name}{which}"), truth, seeds, |rng| {
            let mut found = search(folder)?;
            found.models.retain(|m| keep(&m.name));
            found.models.shuffle(rng);
            Ok(ModelSet::builder().with_discovered(found))
        })
    }

    /// The set that `models` gives, as often as it is called, in a random order.
    pub(crate) fn new(
        name: String,
        truth: Truth,
        seeds: u64,
        models: impl Fn(&mut ChaCha8Rng) -> Result<ModelSetBuilder, Failure>,
    ) -> Result<Self, Failure> {
        let models = |seed| models(&mut ChaCha8Rng::seed_from_u64(seed));
        let set = models(0)?.build()?;
        let has = |tensor: &str, id| set.parameters(id).any(|(p, role)| role == Role::Parameter && p.name == tensor);
        let first = TENSORS.into_iter().find(|tensor| set.ids().all(|id| has(tensor, id)));
        let tensor = first.ok_or_else(|| format!("no model set `{name}` with a tensor known to stand for it"))?;
        let cut = |seed| View::new(models(seed)?.with_include(tensor)?.with_first_values(VALUES));
        Ok(Self {
            names: set.names().map(str::to_owned).collect(),
            whole: Geometry::compute(&set, &GeometrySettings::new())?,
            one_tensor: (0..seeds).map(cut).collect::<Result<_, _>>()?,
            name,
            truth,
            tensor,
        })
    }

    /// The true families, as models of this set.
    pub(crate) fn families(&self) -> Vec<Vec<ModelId>> {
        let truth = self.truth.phylogeny();
        let here = |f: &Family| f.members.iter().filter_map(|&m| self.id(truth.name(m))).collect::<Vec<_>>();
        truth.families().iter().map(here).filter(|members| !members.is_empty()).collect()
    }

    /// The true parent of a model, if it is in the set.
    pub(crate) fn parent(&self, model: ModelId) -> Option<ModelId> {
        let truth = self.truth.phylogeny();
        let edge = truth.parents(truth.id(&self.names[model.index()])?).first()?;
        self.id(truth.name(edge.parent))
    }

    fn id(&self, name: &str) -> Option<ModelId> {
        self.names.iter().position(|n| n == name).map(ModelId::new)
    }
}

/// How a model was trained, as `recipes.json` tells it.
#[derive(Debug)]
pub(crate) struct Recipe {
    pub(crate) parent: Option<String>,
    pub(crate) method: String,
    pub(crate) rank: u64,
    weight_decay: f64,
}

impl Recipe {
    /// All recipes of a folder, by the names of models.
    pub(crate) fn read(folder: &Path) -> Result<BTreeMap<String, Self>, Failure> {
        let file: Value = serde_json::from_reader(File::open(root(folder).0.join("recipes.json"))?)?;
        let text = |r: &Value, key: &str| r[key].as_str().map(str::to_owned);
        let recipe = |r: &Value| {
            let recipe = Self {
                parent: text(r, "parent"),
                method: text(r, "method")?,
                rank: r["rank"].as_u64().unwrap_or(0),
                weight_decay: r["weight_decay"].as_f64()?,
            };
            Some((text(r, "name")?, recipe))
        };
        let all: Option<_> = file["models"].as_array().and_then(|models| models.iter().map(recipe).collect());
        all.ok_or_else(|| format!("{} has a recipe without name, method or decay", folder.display()).into())
    }

    /// Whether weight decay reached the weights; that of LoRA's factors does not reach the base.
    pub(crate) fn decayed(&self) -> bool {
        self.weight_decay > 0.0 && !self.method.contains("lora")
    }
}

/// Where the truth about a folder is, and what it puts before the names of the folder's models.
pub(crate) fn root(folder: &Path) -> (&Path, String) {
    match (folder.parent(), folder.file_name()) {
        (Some(above), Some(name)) if !folder.join("truth.json").exists() => {
            (above, format!("{}/", name.to_string_lossy()))
        }
        _ => (folder, String::new()),
    }
}

fn search(folder: &Path) -> Result<Discovered, Failure> {
    let (root, prefix) = root(folder);
    let mut found = Discovery::new().search([root])?;
    found.models.retain(|m| m.name.starts_with(&prefix));
    found.unreadable.retain(|m| m.name.starts_with(&prefix));
    Ok(found)
}
