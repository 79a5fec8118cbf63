use crate::args::Sketch;
use crate::printed::{Page, say};
use crate::{models, notes, output, progress, reader_left};
use neural_phylogeny::SourceError;
use neural_phylogeny::discover::DiscoveredModel;
use neural_phylogeny::error::chain;
use neural_phylogeny::sketch::SketchSettings;
use neural_phylogeny::store::{AddOutcome, SketchStore};
use std::error::Error;
use std::fs;
use std::path::Path;

/// The file that makes a folder a store.
const STORE: &str = "sketches.json";

pub(crate) fn run(arguments: &Sketch) -> Result<(), Box<dyn Error>> {
    models::check_selection(&arguments.selection)?;
    let (wanted, mut opened) = store(arguments)?;
    let mut found =
        models::search(&arguments.ahead.places(), &arguments.selection, models::on_unreadable(&arguments.selection))?;
    notes::passed_over(&found.ignored);
    for model in std::mem::take(&mut found.unreadable) {
        unread(arguments, &model.name, model.error)?;
    }
    if opened.is_none() {
        refuse_models_within(&arguments.store, &found.models)?;
    }
    found.models = sketchable(arguments, &wanted, found.models)?;
    if found.models.is_empty() {
        return Err("found no model to sketch".into());
    }
    for model in &found.models {
        let bar = progress::bar();
        let settings = wanted.clone().with_threads(arguments.threads).with_observer(progress::observer(&bar));
        // The model is read even when the store has its name: only all values give the content hash.
        let outcome = neural_phylogeny::sketch::Sketch::compute(&*model.source, &settings);
        bar.finish_and_clear();
        let sketch = match outcome {
            Ok(sketch) => sketch,
            Err(neural_phylogeny::Error::Sketching { source }) => {
                unread(arguments, &model.name, *source)?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        // A store is made with the first sketch, so that settings that make none leave no store that keeps them.
        let store = match opened.take() {
            Some(store) => store,
            None => SketchStore::open_or_create(&arguments.store, &wanted)?,
        };
        let added = match arguments.replace {
            true => store.replace(&model.name, &sketch)?,
            false => store.add(&model.name, &sketch)?,
        };
        opened = Some(store);
        let word = match added {
            AddOutcome::New => "added",
            AddOutcome::Unchanged => "unchanged",
            _ => "replaced",
        };
        // Each model is reported as soon as it is stored, so that a stopped run shows how far it came. Where nobody reads that
        // any more, as in `sketch … | head`, the work goes on all the same.
        let mut page = Page::default();
        page.line(format_args!("{word:<9}  {}", model.name));
        match output::print(page.as_bytes()) {
            Err(error) if !reader_left(error.as_ref()) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Opens the store, if there is one, with its own settings, but for those that the arguments give.
fn store(arguments: &Sketch) -> Result<(SketchSettings, Option<SketchStore>), Box<dyn Error>> {
    let there = SketchStore::open(&arguments.store);
    let mut settings = there.as_ref().map_or_else(|_| SketchSettings::new(), SketchStore::settings);
    if let Some(size) = arguments.size {
        settings = settings.with_size(size.as_u64());
    }
    if let Some(seed) = arguments.seed {
        settings = settings.with_seed(seed);
    }
    match there {
        // Settings other than those of the store are refused with both.
        Ok(_) => {
            let store = SketchStore::open_or_create(&arguments.store, &settings)?;
            Ok((store.settings(), Some(store)))
        }
        Err(error) if arguments.store.join(STORE).exists() => Err(error.into()),
        Err(_) => {
            output::check_folder(&arguments.store)?;
            Ok((settings, None))
        }
    }
}

/// The models that have few enough tensors for a sketch of the size, before any is read.
fn sketchable(
    arguments: &Sketch,
    wanted: &SketchSettings,
    models: Vec<DiscoveredModel>,
) -> Result<Vec<DiscoveredModel>, Box<dyn Error>> {
    let mut sketchable = Vec::with_capacity(models.len());
    for model in models {
        let parameters = match model.source.parameters() {
            Ok(parameters) => parameters,
            Err(error) => {
                unread(arguments, &model.name, error)?;
                continue;
            }
        };
        match wanted.width_for(&parameters) {
            Ok(_) => sketchable.push(model),
            Err(error @ neural_phylogeny::Error::SketchTooSmall { .. }) if arguments.selection.skip_unreadable => {
                say("warning", &format!("skipped `{}`: {error}", model.name));
            }
            Err(error @ neural_phylogeny::Error::SketchTooSmall { .. }) => {
                return Err(format!("model `{}`: {error}", model.name).into());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(sketchable)
}

/// Refuses a new store in a folder that holds models: searches pass over a store whole, and so over these models.
fn refuse_models_within(store: &Path, models: &[DiscoveredModel]) -> Result<(), Box<dyn Error>> {
    let Ok(folder) = fs::canonicalize(store) else { return Ok(()) };
    let within = |model: &&DiscoveredModel| fs::canonicalize(&model.path).is_ok_and(|path| path.starts_with(&folder));
    let Some(model) = models.iter().find(within) else { return Ok(()) };
    let (store, name, path) = (store.display(), &model.name, model.path.display());
    Err(format!(
        "{store} holds the model `{name}` ({path}): a search passes over a store whole, and would not find it any more; \
         expected a folder without models, or a new one"
    )
    .into())
}

/// Ends the run for a model that cannot be read, unless such models may be skipped.
fn unread(arguments: &Sketch, name: &str, source: SourceError) -> Result<(), neural_phylogeny::Error> {
    if !arguments.selection.skip_unreadable {
        return Err(neural_phylogeny::Error::of_model(name, source));
    }
    say("warning", &format!("skipped `{name}`: {}", chain(&source)));
    Ok(())
}
