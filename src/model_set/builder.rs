use super::layout::{Layout, Tensor, align};
use super::plain_weights::plain_weights;
use super::selection::Selection;
use super::spelling::{Matching, Models, derived, join};
use super::{LayoutGroup, Model, ModelId, ModelSet, Origin, Role, Skipped, group};
use crate::discover::{Discovered, Discovery, Ignored};
use crate::error::{Error, SourceError};
use crate::source::{ParameterInfo, ParameterSource};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// What to do with a model that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnUnreadable {
    /// Stop, and return the error.
    #[default]
    Stop,
    /// Continue without the model, and list it in the result.
    Skip,
}

impl fmt::Display for OnUnreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stop => "stop",
            Self::Skip => "skip",
        })
    }
}

impl FromStr for OnUnreadable {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "stop" => Ok(Self::Stop),
            "skip" => Ok(Self::Skip),
            _ => Err(Error::unknown_word("on_unreadable", text, "`stop` or `skip`")),
        }
    }
}

/// A model before its parameters are listed: its name, where its values come from, and where it was found.
type NamedSource = (String, Arc<dyn ParameterSource>, Option<Arc<Origin>>);

/// A builder that gathers the models and settings of a [`ModelSet`].
///
/// ```
/// use neural_phylogeny::{InMemory, ModelSet};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = |w: f32| InMemory::new().with_parameter("w", [2], vec![w, 1.0]);
/// let models = ModelSet::builder().with_model("a", model(0.0)?).with_model("b", model(1.0)?).build()?;
/// assert_eq!(models.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ModelSetBuilder {
    models: Vec<NamedSource>,
    unreadable: Vec<(String, SourceError)>,
    unread: Vec<Ignored>,
    searched: Vec<PathBuf>,
    selection: Selection,
    on_unreadable: OnUnreadable,
    minimum_shared: f64,
    matching: Matching,
}

impl Default for ModelSetBuilder {
    fn default() -> Self {
        Self {
            models: Vec::new(),
            unreadable: Vec::new(),
            unread: Vec::new(),
            searched: Vec::new(),
            selection: Selection::default(),
            on_unreadable: OnUnreadable::Stop,
            minimum_shared: 0.5,
            matching: Matching::ByValues,
        }
    }
}

impl ModelSetBuilder {
    /// Adds a model. Names must be unique. The order of the models decides their [`ModelId`](super::ModelId)s and nothing else.
    pub fn with_model(mut self, name: impl Into<String>, source: impl ParameterSource + 'static) -> Self {
        self.models.push((name.into(), Arc::new(source), None));
        self
    }

    /// Adds every model that a search found, and the list of what it passed over.
    /// [`with_on_unreadable`](Self::with_on_unreadable) decides about models that cannot be read.
    pub fn with_discovered(mut self, found: Discovered) -> Self {
        for model in found.models {
            let origin = Origin { path: model.path, layout: model.layout, format: model.format };
            self.models.push((model.name, model.source, Some(Arc::new(origin))));
        }
        self.unreadable.extend(found.unreadable.into_iter().map(|u| (u.name, u.error)));
        self.unread.extend(found.ignored);
        self.searched.extend(found.searched);
        self
    }

    /// Adds a model that cannot be read, and why. [`with_on_unreadable`](Self::with_on_unreadable) decides about it.
    pub fn with_unreadable(mut self, name: impl Into<String>, error: SourceError) -> Self {
        self.unreadable.push((name.into(), error));
        self
    }

    /// Adds every model below a file or folder, as [`Discovery`] without options finds them.
    ///
    /// # Errors
    ///
    /// [`Error::Discovery`] when the path cannot be searched.
    pub fn with_path(self, path: impl AsRef<Path>) -> Result<Self, Error> {
        let found = Discovery::new().search([path]).map_err(|source| Error::Discovery { source: source.into() })?;
        Ok(self.with_discovered(found))
    }

    /// Compares only parameters whose name matches this or another include pattern. Default: all parameters.
    ///
    /// A pattern may contain `*`, `?` and `[…]`. `*` also matches dots.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`] when the text is not a pattern.
    pub fn with_include(mut self, pattern: &str) -> Result<Self, Error> {
        self.selection.include(pattern)?;
        Ok(self)
    }

    /// Leaves out parameters whose name matches the pattern, even if they match an include pattern. Default: none.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`] when the text is not a pattern.
    pub fn with_exclude(mut self, pattern: &str) -> Result<Self, Error> {
        self.selection.exclude(pattern)?;
        Ok(self)
    }

    /// Compares only the first `count` values of each parameter, in row-major order. Later values are never read. `count` is at
    /// least 1. Default: all values.
    ///
    /// With one tensor included, this is the configuration of the paper's code (Yu & Wang, *Neural Phylogeny*, ICLR 2025,
    /// <https://openreview.net/forum?id=jv2zHOalpL>). That code describes a network by the first 1,024 values of one tensor:
    /// `fc1.weight` (fully connected), `conv1.weight` (convolutional), `layer1.0.conv1.weight` (ResNet-18) or
    /// `blocks.2.mlp.fc2.weight` (ViT).
    ///
    /// ```
    /// use neural_phylogeny::{InMemory, ModelSet};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let model = || InMemory::new().with_parameter("fc1.weight", [40, 60], vec![0.5; 2400]);
    /// let builder = ModelSet::builder().with_model("a", model()?).with_model("b", model()?);
    ///
    /// let models = builder.with_include("fc1.weight")?.with_first_values(1024).build()?;
    /// assert_eq!(models.groups()[0].common_size(), 1024);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_first_values(mut self, count: usize) -> Self {
        self.selection.first_values(count);
        self
    }

    /// Sets what to do with a model that cannot be read. Default: stop.
    pub fn with_on_unreadable(mut self, unreadable: OnUnreadable) -> Self {
        self.on_unreadable = unreadable;
        self
    }

    /// Sets the share of its elements, in (0, 1], that a model must have in common with all others of its group. Default: 0.5.
    ///
    /// Near 0, one or two common tensors make models comparable. At 1, only equal layouts are comparable.
    pub fn with_minimum_shared(mut self, share: f64) -> Self {
        self.minimum_shared = share;
        self
    }

    /// Sets how tensors are matched whose names differ. Default: [`Matching::ByValues`].
    pub fn with_matching(mut self, matching: Matching) -> Self {
        self.matching = matching;
        self
    }

    /// Refuses settings out of their range, before there are any models. [`build`](Self::build) checks them too.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`].
    pub fn check_settings(&self) -> Result<(), Error> {
        if !(self.minimum_shared > 0.0 && self.minimum_shared <= 1.0) {
            let found = self.minimum_shared.to_string();
            return Err(Error::InvalidSetting { setting: "minimum_shared", found, expected: "a share in (0, 1]" });
        }
        self.selection.check()
    }

    /// Lists the parameters of every model and divides the models into comparable groups.
    ///
    /// No value is read where names tell which tensors correspond, or shapes tell that none do. Else some thousand values of
    /// each matrix are read, of at most 32 models of each group ([`Matching`]).
    ///
    /// A model with nothing to compare is a group of its own. [`ModelSet::inventory`] says why.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidSetting`] when a setting is out of its range.
    /// - [`Error::NoModels`] when there is no model, or all are skipped.
    /// - [`Error::DuplicateName`] when two models have the same name.
    /// - [`Error::Source`] when a model cannot be read, unless such models are skipped.
    pub fn build(self) -> Result<ModelSet, Error> {
        // Checks of settings come before any model is read.
        self.check_settings()?;
        let mut skipped = Vec::new();
        let mut skip = |name: String, source: SourceError| match self.on_unreadable {
            OnUnreadable::Skip => {
                skipped.push(Skipped::new(name, &source));
                Ok(())
            }
            OnUnreadable::Stop => Err(Error::of_model(name, source)),
        };
        for (name, source) in self.unreadable {
            skip(name, source)?;
        }

        // Thousands of models of one layout have equal lists, so equal lists are stored once.
        let mut lists: HashMap<Vec<ParameterInfo>, Arc<[ParameterInfo]>> = HashMap::new();
        let mut models: Vec<Model> = Vec::with_capacity(self.models.len());
        for (name, source, origin) in self.models {
            match listed(source.as_ref()) {
                Ok(list) => {
                    let parameters = lists.entry(list).or_insert_with_key(|l| l.clone().into()).clone();
                    models.push(Model { name, source, parameters, origin });
                }
                Err(error) => skip(name, error)?,
            }
        }
        check_names(&models)?;
        if models.is_empty() {
            return Err(Error::NoModels { searched: self.searched });
        }
        if self.matching == Matching::ByValues {
            plain_weights(&mut models)?;
        }
        let set = ModelSet {
            models,
            groups: Arc::from([]),
            skipped,
            unread: self.unread,
            selection: self.selection,
            minimum_shared: self.minimum_shared,
            matching: self.matching,
            on_unreadable: self.on_unreadable,
        };
        set.grouped()
    }
}

/// The number of a model that has no layout, because it has nothing to compare. No layout has this number.
const NOTHING: usize = usize::MAX;

impl ModelSet {
    /// Divides the models into comparable groups. Models of other names get views in which their tensors have common names.
    fn grouped(mut self) -> Result<Self, Error> {
        let (layouts, layout_of) = layouts(&self.models, &self.selection);
        let alignments = align(&layouts, self.minimum_shared);
        let read = Models { layout_of: &layout_of, sources: self.models.iter().map(|m| &m.source).collect() };
        let spelled = join(alignments, &read, &self.selection, self.minimum_shared, self.matching);
        let mut lists: HashMap<Vec<ParameterInfo>, Arc<[ParameterInfo]>> = HashMap::new();
        for (model, layout) in self.models.iter_mut().zip(&layout_of) {
            let Some(made) = spelled.made.get(layout) else { continue };
            let failed = |source| Error::of_model(model.name.clone(), source);
            let view = derived(&model.source, made).map_err(failed)?;
            let list = listed(&view).map_err(failed)?;
            model.parameters = lists.entry(list).or_insert_with_key(|l| l.clone().into()).clone();
            model.source = view;
        }
        let mut groups = group::groups(&spelled.alignments, &layout_of, &spelled.resembling);
        let nothing = layout_of.iter().enumerate().filter(|(_, layout)| **layout == NOTHING);
        groups.extend(nothing.map(|(at, _)| LayoutGroup::of_nothing(ModelId::new(at))));
        groups.sort_by_key(|group| group.models()[0]);
        self.groups = groups.into();
        Ok(self)
    }

    /// Refuses a set in which no model has anything to compare.
    ///
    /// # Errors
    ///
    /// [`Error::NoParameters`], with the first model.
    pub(crate) fn check_parameters(&self) -> Result<(), Error> {
        let nothing = |id: ModelId| self.parameters(id).all(|(_, role)| role != Role::Parameter);
        match self.models.first() {
            Some(first) if self.ids().all(nothing) => {
                Err(Error::NoParameters { model: first.name.clone(), found: first.parameters.len() })
            }
            _ => Ok(()),
        }
    }

    /// Returns the set without some models, which are skipped for these reasons.
    ///
    /// # Errors
    ///
    /// [`Error::NoModels`] when none is left.
    pub(crate) fn without(&self, faulty: &BTreeMap<ModelId, Skipped>) -> Result<Self, Error> {
        let mut set = self.clone();
        set.models = Vec::with_capacity(self.models.len());
        for (at, model) in self.models.iter().enumerate() {
            match faulty.get(&ModelId::new(at)) {
                Some(skipped) => set.skipped.push(skipped.clone()),
                None => set.models.push(model.clone()),
            }
        }
        if set.models.is_empty() {
            return Err(Error::NoModels { searched: Vec::new() });
        }
        set.grouped()
    }
}

/// Returns the distinct layouts, and the number of each model's: [`NOTHING`] for a model with nothing to compare.
fn layouts(models: &[Model], selection: &Selection) -> (Vec<Layout>, Vec<usize>) {
    // Layouts are compared with each other instead of models, because there are far fewer of them.
    let mut layouts: Vec<Layout> = Vec::new();
    let mut numbers: HashMap<Layout, usize> = HashMap::new();
    let mut layout_of = Vec::with_capacity(models.len());
    for model in models {
        let compared = model.parameters.iter().filter(|p| selection.role(p) == Role::Parameter);
        let tensor = |p: &ParameterInfo| {
            let values = selection.values(p);
            Tensor { name: p.name.clone(), shape: p.shape.clone(), values }
        };
        let layout: Layout = compared.map(tensor).collect();
        if layout.is_empty() {
            layout_of.push(NOTHING);
            continue;
        }
        let next = layouts.len();
        layout_of.push(*numbers.entry(layout).or_insert_with_key(|l| {
            layouts.push(l.clone());
            next
        }));
    }
    (layouts, layout_of)
}

/// Lists the parameters of a model, sorted by name. A name that comes twice is an error.
fn listed(source: &dyn ParameterSource) -> Result<Vec<ParameterInfo>, SourceError> {
    let mut list = source.parameters()?;
    list.sort();
    match list.windows(2).find(|pair| pair[0].name == pair[1].name) {
        Some(pair) => Err(SourceError::DuplicateParameter { parameter: pair[0].name.clone() }),
        None => Ok(list),
    }
}

fn check_names(models: &[Model]) -> Result<(), Error> {
    let mut names: Vec<&str> = models.iter().map(|m| m.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Error::DuplicateName { name: pair[0].to_owned() }),
        None => Ok(()),
    }
}
