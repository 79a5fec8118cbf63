use crate::args::Rebuild;
use crate::detect::{self, Input};
use crate::output;
use crate::printed::Page;
use neural_phylogeny::phylogeny::{FamilyId, UnobservedId};
use neural_phylogeny::rebuild::{Rebuilt, TensorOrigin, file_name, rebuild};
use neural_phylogeny::{ModelId, ModelSet, Phylogeny};
use std::error::Error;
use std::fs;

/// Finds the siblings, rebuilds their absent parent, and says how well it explains each of them.
pub(crate) fn run(arguments: &Rebuild) -> Result<(), Box<dyn Error>> {
    let file = arguments.output.join(file_name());
    if fs::symlink_metadata(&file).is_ok() {
        return Err(format!("{} exists, expected a folder without it", file.display()).into());
    }
    if arguments.detection.store.is_some() {
        return Err("sketches have no values, expected paths of models".into());
    }
    output::check_folder(&arguments.output)?;
    let (config, input) = detect::prepare(&arguments.detection)?;
    // A name that is none is found before the weights are read. Families and unobserved models are known after it.
    let family = &arguments.family;
    if family.parse::<usize>().is_err() && !family.starts_with('?') && !family.contains(',') {
        input.models().find(family)?;
    }
    let children = match named(input.models(), &arguments.family) {
        Some(children) => children,
        None => siblings(&detect::detect(config, &input)?, &arguments.family)?,
    };
    let Input::Models(models) = &input else { return Err("expected paths of models".into()) };
    fs::create_dir_all(&arguments.output).map_err(|e| format!("cannot make {}: {e}", arguments.output.display()))?;
    let rebuilt = rebuild(models, &children, &file)?;
    let mut page = summary(models, &rebuilt);
    page.line(format_args!("written to {}", file.display()));
    output::print(page.as_bytes())
}

/// The models that are named one by one, separated by commas.
fn named(models: &ModelSet, family: &str) -> Option<Vec<ModelId>> {
    let children: Vec<ModelId> = family.split(',').map(|name| models.id(name.trim())).collect::<Option<_>>()?;
    (children.len() > 1).then_some(children)
}

/// The children of the unobserved model that is meant.
fn siblings(phylogeny: &Phylogeny, family: &str) -> Result<Vec<ModelId>, Box<dyn Error>> {
    let unobserved: Vec<UnobservedId> = match (family.parse::<usize>(), phylogeny.id(family)) {
        (_, Some(model)) => phylogeny.unobserved_in(phylogeny.family_of(model)).collect(),
        (Ok(number), None) if number < phylogeny.families().len() => {
            phylogeny.unobserved_in(FamilyId::new(number)).collect()
        }
        (Ok(number), None) => {
            return Err(format!("there is no family {number} of {}", phylogeny.families().len()).into());
        }
        (Err(_), None) => match phylogeny.unobserved().find(|id| id.to_string() == family) {
            Some(id) => vec![id],
            // The error names the models that are spelled alike.
            None => return Err(phylogeny.find(family).err().map_or_else(|| "no such model".into(), Into::into)),
        },
    };
    let Some(&id) = unobserved.first() else {
        return Err(format!(
            "nothing shows that a model of family `{family}` is not in the set; name its siblings, separated by commas, to \
             rebuild their parent all the same"
        )
        .into());
    };
    if unobserved.len() > 1 {
        let all: Vec<String> = unobserved.iter().map(ToString::to_string).collect();
        return Err(format!(
            "family `{family}` has {} models that are not in the set, expected one of {}",
            all.len(),
            all.join(", ")
        )
        .into());
    }
    Ok(phylogeny.links_from(id).filter_map(|link| link.child.model()).collect())
}

fn summary(models: &ModelSet, rebuilt: &Rebuilt) -> Page {
    let count = |of: fn(TensorOrigin) -> bool| rebuilt.tensors.iter().filter(|t| of(t.origin)).count();
    let mut lines = vec![format!(
        "{} tensors: {} shared by children, {} in closed form, {} by iteration",
        rebuilt.tensors.len(),
        count(|o| matches!(o, TensorOrigin::Shared { .. })),
        count(|o| matches!(o, TensorOrigin::ClosedForm)),
        count(|o| matches!(o, TensorOrigin::Iterated { .. })),
    )];
    let worst = rebuilt.tensors.iter().max_by(|a, b| a.error.total_cmp(&b.error));
    lines.extend(worst.map(|t| format!("largest disagreement of the children: {:.1e} of `{}`", t.error, t.name)));
    lines.push("residual of each child, as a share of the norm".to_owned());
    let residual = |(child, residual): (&ModelId, &f64)| format!("  {}  {residual:.1e}", models.name(*child));
    lines.extend(rebuilt.children.iter().zip(&rebuilt.residuals).map(residual));
    let mut page = Page::default();
    lines.iter().for_each(|line| page.line(format_args!("{line}")));
    page
}
