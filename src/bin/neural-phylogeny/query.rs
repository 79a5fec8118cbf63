use crate::args::Ahead;
use crate::models::{self, Outside};
use crate::printed::{Form, say};
use crate::{NOT_COMPARED, form, output, progress};
use clap::Args;
use neural_phylogeny::Config;
use neural_phylogeny::error::{SourceError, chain};
use neural_phylogeny::model_set::OnUnreadable;
use neural_phylogeny::query::Answer;
use neural_phylogeny::sketch::Sketch;
use neural_phylogeny::store::SketchStore;
use neural_phylogeny::write::{Content, ContentKind, OutputFormat};
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[derive(Args, Debug)]
pub(crate) struct Query {
    /// The model: a safetensors file or index, or a folder of transformers, diffusers or peft.
    #[arg(value_name = "MODEL", required_unless_present = "name", conflicts_with = "name")]
    model: Option<PathBuf>,

    /// Name of a model of the store, as `store list` shows it; it is compared with the others.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["base", "part"])]
    name: Option<String>,

    /// Folder of the store.
    #[arg(long, value_name = "DIR")]
    store: PathBuf,

    /// Number of nearest models that are compared in full.
    #[arg(long, value_name = "N", default_value_t = 32)]
    count: usize,

    /// Part of a diffusers pipeline to take [default: unet, else transformer, else the first that has weights].
    #[arg(long, value_name = "NAME")]
    part: Option<String>,

    /// Base model of an adapter, or of one it is laid over: ID is the base that an adapter records, or its name; without ID,
    /// the base of those that record none or whose recorded one is not found. May be repeated.
    #[arg(long, value_name = "[ID=]PATH")]
    base: Vec<String>,

    /// Go on without sketches that are damaged, and list them. Answer that the model could not be compared, if it cannot be read or
    /// holds NaN. Without it, each of these is an error.
    #[arg(long)]
    skip_unreadable: bool,

    /// Read what lies outside the model's folder too, where a link or the recorded path of a base or a shard leads there.
    #[arg(long)]
    allow_outside: bool,

    /// Threads; 0 means one for each processor. The result does not depend on it.
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,

    #[command(flatten)]
    ahead: Ahead,

    /// Leave out parents less sure than this, from 0 to 1 [default: 0.5, even odds].
    #[arg(long, value_name = "P")]
    minimum_confidence: Option<f64>,

    /// Show parents below even odds too: the likeliest one of every model, however unsure.
    #[arg(long, conflicts_with = "minimum_confidence")]
    all_edges: bool,

    /// Form of the answer.
    #[arg(long, value_parser = form::of(ContentKind::Answer), default_value = form::DEFAULT)]
    format: &'static dyn OutputFormat,

    /// Write to a file, whole or not at all, instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Query) -> Result<ExitCode, Box<dyn Error>> {
    if let Some(file) = &arguments.output {
        // Sketching may take minutes, so that a file that cannot be written is reported before.
        output::check(file)?;
    }
    let config = Config::new().with_threads(arguments.threads);
    let minimum = if arguments.all_edges { Some(0.0) } else { arguments.minimum_confidence };
    let config = minimum.into_iter().fold(config, Config::with_minimum_confidence);
    config.check_settings()?;
    models::check_bases(&arguments.base)?;
    if arguments.count == 0 {
        let (found, expected) = ("0".to_owned(), "1 or more");
        return Err(neural_phylogeny::Error::InvalidSetting { setting: "count", found, expected }.into());
    }
    let store = SketchStore::open(&arguments.store)?;
    let (name, sketch, sketching) = match sketched(arguments, &store) {
        Err(neural_phylogeny::Error::Source { model, source }) if arguments.skip_unreadable => {
            say("warning", &format!("skipped `{model}`: {}", chain(source.as_ref())));
            let (readable, _) = store.readable_entries()?;
            return answered(arguments, &Answer::of_unreadable(&model, readable.len(), &source)?);
        }
        sketched => sketched?,
    };
    let started = Instant::now();
    let mut answer = neural_phylogeny::query::Query::new(&store)
        .with_nearest(arguments.count)
        .with_config(config)
        .with_on_unreadable(if arguments.skip_unreadable { OnUnreadable::Skip } else { OnUnreadable::Stop })
        .run(&name, &sketch)?;
    let asking = started.elapsed();
    if arguments.name.is_some() {
        // A stored model is identical to itself, which is no news.
        answer.nearest.identical.retain(|other| *other != name);
    }
    for left_out in &answer.nearest.unreadable {
        say("warning", &format!("left out {}", chain(&left_out.problem)));
    }
    if let Some(error) = &answer.nearest.unwritten {
        say("note", &format!("the index is not kept for the next time: {error}"));
    }
    let code = answered(arguments, &answer)?;
    let sketching = sketching.map_or_else(String::new, |took| format!("sketched in {}, ", told(took)));
    let opened = match answer.nearest.read {
        0 => String::new(),
        n => format!(", index brought up to date by {n} of {} sketches", answer.nearest.stored),
    };
    say("note", &format!("{sketching}answered in {}{opened}", told(asking)));
    Ok(code)
}

/// Writes the answer. The exit code says whether the model could be compared.
fn answered(arguments: &Query, answer: &Answer) -> Result<ExitCode, Box<dyn Error>> {
    let content = Content::Answer(answer);
    output::write(arguments.output.as_deref(), Form::named(arguments.format.name()), |writer: &mut dyn Write| {
        arguments.format.write(&content, writer)
    })?;
    let uncompared = !answer.has_kin() && answer.not_comparable().is_some();
    Ok(if uncompared { ExitCode::from(NOT_COMPARED) } else { ExitCode::SUCCESS })
}

/// The model's name and sketch, and how long the sketch took. A model of the store has its sketch already.
fn sketched(
    arguments: &Query,
    store: &SketchStore,
) -> Result<(String, Sketch, Option<Duration>), neural_phylogeny::Error> {
    let Some(path) = &arguments.model else {
        let name = arguments.name.clone().unwrap_or_default();
        let sketch = store.get(&name).map_err(|error| match error {
            // The model in question is one that cannot be read, as it would be by its path.
            neural_phylogeny::Error::Store { source } if arguments.skip_unreadable => {
                neural_phylogeny::Error::of_model(&name, *source)
            }
            other => other,
        })?;
        return Ok((name, sketch, None));
    };
    let discovery = models::discovery(
        &arguments.ahead.places(),
        arguments.part.as_deref(),
        &arguments.base,
        Outside::of(arguments.allow_outside),
    )?;
    let started = Instant::now();
    let model = discovery.open(path).map_err(|source| match source {
        // A path that leads nowhere is a slip of the hand, and no model.
        SourceError::NotFound { .. } => neural_phylogeny::Error::Discovery { source: source.into() },
        _ if arguments.skip_unreadable => neural_phylogeny::Error::of_model(path.display().to_string(), source),
        _ => neural_phylogeny::Error::Discovery { source: source.into() },
    })?;
    let bar = progress::bar();
    let settings = store.settings().with_threads(arguments.threads).with_observer(progress::observer(&bar));
    let outcome = Sketch::compute(&*model.source, &settings);
    bar.finish_and_clear();
    let sketch = outcome.map_err(|error| match error {
        neural_phylogeny::Error::Sketching { source } => neural_phylogeny::Error::of_model(&model.name, *source),
        other => other,
    })?;
    Ok((model.name, sketch, Some(started.elapsed())))
}

fn told(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 1.0 => format!("{:.1} ms", 1e3 * seconds),
        seconds => format!("{seconds:.1} s"),
    }
}
