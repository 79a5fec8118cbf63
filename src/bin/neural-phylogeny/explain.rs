use crate::args::{Explain, ExplanationFormat};
use crate::{detect, output};
use neural_phylogeny::{write_explanation, write_explanation_json};
use std::error::Error;
use std::io::Write;

pub(crate) fn run(arguments: &Explain) -> Result<(), Box<dyn Error>> {
    if let Some(file) = &arguments.output {
        output::check(file)?;
    }
    let (config, input) = detect::prepare(&arguments.detection)?;
    // Found before the weights are read, which may take hours.
    let model = input.models().find(&arguments.model)?;
    let phylogeny = detect::detect(config, &input)?;
    output::write(arguments.output.as_deref(), |writer: &mut dyn Write| match arguments.format {
        ExplanationFormat::Table => write_explanation(&phylogeny, model, writer),
        ExplanationFormat::Json => write_explanation_json(&phylogeny, model, writer),
    })
}
