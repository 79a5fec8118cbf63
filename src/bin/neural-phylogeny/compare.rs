use crate::addresses::Places;
use crate::args::{Compare, PlainFormat};
use crate::models::{self, Outside};
use crate::{notes, output, progress};
use neural_phylogeny::detect::{Direction, Weights, direction};
use neural_phylogeny::geometry::{Geometry, GeometrySettings};
use neural_phylogeny::write::write_direction;
use neural_phylogeny::{Config, Error as Failure, ModelId, ModelSet};
use std::error::Error;
use std::io::Write;

pub(crate) fn run(arguments: &Compare) -> Result<(), Box<dyn Error>> {
    if let Some(file) = &arguments.output {
        output::check(file)?;
    }
    let paths = [&arguments.a, &arguments.b];
    // Two checkpoints of one file name are told apart by their paths.
    let names = paths.map(|path| path.display().to_string());
    if names[0] == names[1] {
        return Err(format!("{} is given twice, expected two models", names[0]).into());
    }
    let memory = arguments.memory.as_u64();
    Config::new().with_memory(memory).check_settings()?;
    models::check_bases(&arguments.base)?;
    let places = Places::within(memory);
    let models = opened(arguments, &places, &names)?;
    let found = found(arguments, places.rest(memory), &models, &names)?;
    output::write(
        arguments.output.as_deref(),
        arguments.format.form(),
        |writer: &mut dyn Write| -> Result<(), Box<dyn Error>> {
            match arguments.format {
                PlainFormat::Table => write_direction(&found, &names[0], &names[1], writer)?,
                PlainFormat::Json => {
                    let whole = serde_json::json!({ "a": names[0], "b": names[1], "direction": found });
                    serde_json::to_writer_pretty(&mut *writer, &whole)?;
                    writeln!(writer)?;
                }
            }
            Ok(())
        },
    )
}

/// The two models, by the names of their paths.
fn opened(arguments: &Compare, places: &Places, names: &[String; 2]) -> Result<ModelSet, Box<dyn Error>> {
    let paths = [&arguments.a, &arguments.b];
    let discovery =
        models::discovery(places, arguments.part.as_deref(), &arguments.base, Outside::of(arguments.allow_outside))?;
    let discovery = paths.iter().zip(names).fold(discovery, |d, (path, name)| d.with_name(path, name));
    let found = discovery.search(paths).map_err(|source| Failure::Discovery { source: source.into() })?;
    if let Some(unreadable) = found.unreadable.first() {
        return Err(format!("{} cannot be read: {}", unreadable.name, unreadable.error).into());
    }
    let given: Vec<&str> = found.models.iter().map(|m| m.name.as_str()).collect();
    if given.len() != 2 || names.iter().any(|name| !given.contains(&name.as_str())) {
        let listed = if given.is_empty() { "none".to_owned() } else { given.join(", ") };
        return Err(format!(
            "found {listed}, expected one model at each path; name its file or folder, or its `--part`"
        )
        .into());
    }
    notes::passed_over(&found.ignored);
    Ok(ModelSet::builder().with_discovered(found).build()?)
}

/// Compares the two, with a bar while they are read.
fn found(
    arguments: &Compare,
    memory: u64,
    models: &ModelSet,
    names: &[String; 2],
) -> Result<Direction, Box<dyn Error>> {
    let ids = names.each_ref().map(|name| models.names().position(|n| n == name).map(ModelId::new));
    let [Some(a), Some(b)] = ids else { return Err("the two models have no names of their own".into()) };
    let bar = progress::bar();
    let settings = GeometrySettings::new()
        .with_threads(arguments.threads)
        .with_memory(memory)
        .with_observer(progress::observer(&bar));
    let found = Geometry::compute(models, &settings).and_then(|g| direction(&g, a, b, &Weights::default()));
    bar.finish_and_clear();
    Ok(found?)
}
