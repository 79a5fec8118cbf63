use crate::addresses::Places;
use crate::args::{Detect, Detection, Selector};
use crate::printed::{Form, say};
use crate::{models, notes, output, progress, resume};
use neural_phylogeny::config::{ContentHashes, detect_phylogeny_from_sketches};
use neural_phylogeny::parent::{LogDistanceMedoid, Medoid, NearestToInitialization, Precedence, SmallestNorm};
use neural_phylogeny::sketch::SketchSet;
use neural_phylogeny::write::Content;
use neural_phylogeny::{Config, ModelSet, Phylogeny, detect_phylogeny};
use std::error::Error;
use std::io::Write;

pub(crate) fn run(arguments: &Detect) -> Result<(), Box<dyn Error>> {
    if let Some(file) = &arguments.output {
        output::check(file)?;
    }
    let (config, input) = prepare(&arguments.detection)?;
    let phylogeny = detect(config, &input)?;
    let content = Content::Phylogeny(&phylogeny);
    output::write(arguments.output.as_deref(), Form::named(arguments.format.name()), |writer: &mut dyn Write| {
        arguments.format.write(&content, writer)
    })
}

/// The models in which the command detects.
#[derive(Debug)]
pub(crate) enum Input {
    Models(ModelSet),
    Sketches(SketchSet),
}

impl Input {
    pub(crate) fn models(&self) -> &ModelSet {
        match self {
            Self::Models(models) => models,
            Self::Sketches(set) => set.models(),
        }
    }
}

/// Makes settings and finds models before any value of a parameter is read. It notes what is left out.
pub(crate) fn prepare(arguments: &Detection) -> Result<(Config, Input), Box<dyn Error>> {
    // A bad place for the file is reported before hours of reading.
    resume::check(arguments)?;
    let memory = arguments.geometry.memory.as_u64();
    let places = Places::within(memory);
    let config = config(arguments, &places)?;
    // Settings that no models could have come before the search, which may take long.
    config.check_settings()?;
    models::check(&arguments.models)?;
    if let Some(store) = &arguments.store {
        let sketches = models::sketches(&arguments.models, store)?;
        told(sketches.models());
        return Ok((config, Input::Sketches(sketches)));
    }
    let on_unreadable = models::on_unreadable(&arguments.models.selection);
    let found = models::search(&places, &arguments.models.selection, on_unreadable)?;
    notes::passed_over(&found.ignored);
    let models = models::build(&arguments.models, found, on_unreadable)?;
    told(&models);
    Ok((config.with_memory(places.rest(memory)), Input::Models(models)))
}

/// Tells which models are left out, and why.
fn told(models: &ModelSet) {
    for skipped in models.skipped() {
        say("warning", &format!("skipped `{}`: {}", skipped.name, skipped.reason));
    }
}

/// Detects, with a bar while parameters are read.
pub(crate) fn detect(config: Config, input: &Input) -> Result<Phylogeny, neural_phylogeny::Error> {
    let bar = progress::bar();
    let config = config.with_observer(progress::observer(&bar));
    let outcome = match input {
        Input::Models(models) => detect_phylogeny(models, config),
        Input::Sketches(sketches) => detect_phylogeny_from_sketches(sketches, config),
    };
    bar.finish_and_clear();
    if let Ok(phylogeny) = &outcome {
        // Those that could not be opened were told before the reading began.
        for skipped in phylogeny.skipped().iter().skip(input.models().skipped().len()) {
            let (name, reason) = (&skipped.name, &skipped.reason);
            say("warning", &format!("skipped `{name}`: {reason}; the others were read again"));
        }
    }
    outcome
}

fn config(arguments: &Detection, places: &Places) -> Result<Config, Box<dyn Error>> {
    let config = Config::new()
        .with_detector(arguments.clustering.detector(arguments.selector.is_some())?)
        .with_seed(arguments.seed)
        .with_geometry(arguments.geometry.settings(arguments.seed, places)?)
        .with_content_hashes(if arguments.content { ContentHashes::Read } else { ContentHashes::AtHand });
    let minimum = if arguments.all_edges { Some(0.0) } else { arguments.minimum_confidence };
    let config = minimum.into_iter().fold(config, Config::with_minimum_confidence);
    let Some(selector) = arguments.selector else { return Ok(config) };
    Ok(match selector {
        Selector::Precedence => config.with_selector(Precedence),
        Selector::LogDistanceMedoid => config.with_selector(LogDistanceMedoid),
        Selector::Medoid => config.with_selector(Medoid),
        Selector::SmallestNorm => config.with_selector(SmallestNorm),
        Selector::NearestToInitialization => config.with_selector(NearestToInitialization),
    })
}
