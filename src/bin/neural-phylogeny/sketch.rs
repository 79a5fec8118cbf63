use crate::args::Sketch;
use crate::{models, notes, progress};
use neural_phylogeny::SourceError;
use neural_phylogeny::error::chain;
use neural_phylogeny::sketch::SketchSettings;
use neural_phylogeny::store::{AddOutcome, SketchStore};
use std::error::Error;
use std::io::{self, Write};

pub(crate) fn run(arguments: &Sketch) -> Result<(), Box<dyn Error>> {
    let found =
        models::search(&arguments.ahead.places(), &arguments.selection, models::on_unreadable(&arguments.selection))?;
    notes::passed_over(&found.ignored);
    for model in found.unreadable {
        unread(arguments, &model.name, model.error)?;
    }
    if found.models.is_empty() {
        return Err("found no model to sketch".into());
    }
    let store = store(arguments)?;
    for model in &found.models {
        let bar = progress::bar();
        let settings = store.settings().with_threads(arguments.threads).with_observer(progress::observer(&bar));
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
        let added = match arguments.replace {
            true => store.replace(&model.name, &sketch)?,
            false => store.add(&model.name, &sketch)?,
        };
        let word = match added {
            AddOutcome::New => "added",
            AddOutcome::Unchanged => "unchanged",
            _ => "replaced",
        };
        let mut out = io::stdout().lock();
        // Each model is reported as soon as it is stored, so that a stopped run shows how far it came.
        writeln!(out, "{word:<9}  {}", model.name)?;
        out.flush()?;
    }
    Ok(())
}

/// Opens the store with its own settings, but for those that the arguments give.
fn store(arguments: &Sketch) -> Result<SketchStore, neural_phylogeny::Error> {
    let mut settings = SketchStore::open(&arguments.store).map_or_else(|_| SketchSettings::new(), |s| s.settings());
    if let Some(size) = arguments.size {
        settings = settings.with_size(size.as_u64());
    }
    if let Some(seed) = arguments.seed {
        settings = settings.with_seed(seed);
    }
    SketchStore::open_or_create(&arguments.store, &settings)
}

/// Ends the run for a model that cannot be read, unless such models may be skipped.
fn unread(arguments: &Sketch, name: &str, source: SourceError) -> Result<(), neural_phylogeny::Error> {
    if !arguments.selection.skip_unreadable {
        return Err(neural_phylogeny::Error::of_model(name, source));
    }
    eprintln!("warning: skipped `{name}`: {}", chain(&source));
    Ok(())
}
