//! Sets of models with their truth.

use crate::Failure;
use crate::recipes::{self, Kind};
use neural_phylogeny::detect::LineageDetector;
use neural_phylogeny::discover::{DiscoveredModel, Discovery, FileLayout};
use neural_phylogeny::evaluate::Truth;
use neural_phylogeny::format::ParameterInfo;
use neural_phylogeny::geometry::{Geometry, GeometrySettings};
use neural_phylogeny::{Config, ModelId, ModelSet, ParameterSource, Phylogeny, SourceError, detect_phylogeny};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// A source that many sets of models read from.
#[derive(Clone, Debug)]
struct Shared(Arc<dyn ParameterSource>);

impl ParameterSource for Shared {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        self.0.parameters()
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        self.0.read(name, offset, out)
    }
}

/// Models with known parents.
#[derive(Debug)]
pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) truth: Truth,
    pub(crate) geometry: Geometry,
    pub(crate) names: Vec<String>,
    pub(crate) kinds: BTreeMap<String, Kind>,
    /// Models that need another one's files.
    pub(crate) adapters: BTreeSet<String>,
    /// Models of folders that no other set of the run shows alone.
    own: BTreeSet<String>,
    sources: Vec<(String, Shared)>,
    parts: usize,
}

impl Set {
    /// `folder` may be several, joined by `+`; `all` are those of the run.
    pub(crate) fn open(folder: &str, all: &[String]) -> Result<Self, Failure> {
        let parts: Vec<&str> = folder.split('+').collect();
        let mut truth: Option<Truth> = None;
        let (mut sources, mut kinds, mut adapters) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        let mut own = BTreeSet::new();
        for part in &parts {
            let next = Truth::read(File::open(Path::new(part).join("truth.json"))?)?;
            truth = Some(match truth {
                Some(truth) => truth.merge(next)?,
                None => next,
            });
            kinds.extend(recipes::kinds(Path::new(part))?);
            for DiscoveredModel { name, layout, source, .. } in Discovery::new().search([part])?.models {
                if matches!(layout, FileLayout::Adapter { .. }) {
                    adapters.insert(name.clone());
                }
                if parts.len() == 1 || !all.iter().any(|f| f == part) {
                    own.insert(name.clone());
                }
                sources.push((name, Shared(source)));
            }
        }
        let last = |part: &&str| Path::new(part).file_name().map(|n| n.to_string_lossy().into_owned());
        let models = build(&sources, &|_| true)?;
        Ok(Self {
            name: parts.iter().filter_map(last).collect::<Vec<_>>().join(" + "),
            truth: truth.ok_or("no folder")?,
            geometry: Geometry::compute(&models, &GeometrySettings::new())?,
            names: models.names().map(str::to_owned).collect(),
            kinds,
            adapters,
            own,
            sources,
            parts: parts.len(),
        })
    }

    /// Whether this is one folder: joined ones are there for their merges and copies.
    pub(crate) fn is_plain(&self) -> bool {
        self.parts == 1
    }

    /// Whether a model counts in sums over the sets of a run, in which none counts twice.
    pub(crate) fn counts(&self, name: &str) -> bool {
        self.own.contains(name)
    }

    /// The default detector's result on all models.
    pub(crate) fn detect(&self) -> Result<Phylogeny, Failure> {
        self.detect_among(&|_| true)
    }

    /// The same on some of them, by name.
    pub(crate) fn detect_among(&self, keep: &dyn Fn(&str) -> bool) -> Result<Phylogeny, Failure> {
        let models = build(&self.sources, keep)?;
        Ok(detect_phylogeny(&models, Config::default().with_detector(LineageDetector::new()))?)
    }

    pub(crate) fn id(&self, name: &str) -> Option<ModelId> {
        self.names.iter().position(|n| n == name).map(ModelId::new)
    }

    pub(crate) fn kind(&self, name: &str) -> Kind {
        self.kinds.get(name).copied().unwrap_or(Kind::All)
    }

    /// The models of each true family that are in the set, root first.
    pub(crate) fn families(&self) -> Vec<Vec<String>> {
        let truth = self.truth.phylogeny();
        let family = |f: &neural_phylogeny::phylogeny::Family| {
            let mut members = f.members.clone();
            members.sort_by_key(|&m| truth.generation(m));
            members.into_iter().map(|m| truth.name(m).to_owned()).filter(|n| self.names.contains(n)).collect()
        };
        truth.families().iter().map(family).filter(|members: &Vec<String>| !members.is_empty()).collect()
    }
}

fn build(sources: &[(String, Shared)], keep: &dyn Fn(&str) -> bool) -> Result<ModelSet, Failure> {
    let kept = sources.iter().filter(|(name, _)| keep(name));
    Ok(kept.fold(ModelSet::builder(), |b, (name, source)| b.with_model(name, source.clone())).build()?)
}
