use crate::args::Explain;
use crate::printed::Form;
use crate::{detect, output};
use neural_phylogeny::write::Content;
use std::error::Error;
use std::io::Write;

pub(crate) fn run(arguments: &Explain) -> Result<(), Box<dyn Error>> {
    if let Some(file) = &arguments.output {
        output::check(file)?;
    }
    let (config, input) = detect::prepare(&arguments.detection)?;
    // The name is checked before the weights are read, which may take hours.
    input.models().find(&arguments.model)?;
    let phylogeny = detect::detect(config, &input)?;
    if let Some(skipped) = phylogeny.skipped().iter().find(|s| s.name == arguments.model) {
        return Err(format!("model `{}` was skipped: {}", skipped.name, skipped.reason).into());
    }
    // Models that were skipped while they were read have changed the numbers of the others.
    let model = phylogeny.find(&arguments.model)?;
    let content = Content::Explanation(&phylogeny, model);
    output::write(arguments.output.as_deref(), Form::named(arguments.format.name()), |writer: &mut dyn Write| {
        arguments.format.write(&content, writer)
    })
}
