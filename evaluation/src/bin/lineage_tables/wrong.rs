//! Every model whose parents are wrong.

use crate::answers::Answer;
use crate::sets::Set;
use crate::{Failure, ratio};
use neural_phylogeny::Phylogeny;
use std::collections::BTreeSet;
use std::io::Write;

pub(crate) fn table(out: &mut impl Write, sets: &[Set], found: &[Phylogeny]) -> Result<(), Failure> {
    writeln!(out, "## Every wrong answer\n")?;
    writeln!(
        out,
        "The last column is the probability that the result gives the true parent. A joined set lists its own alone.\n"
    )?;
    writeln!(
        out,
        "| Set | Model | Training | True parents | Parents given | Confidence | Relation | True parent's |\n\
         |---|---|---|---|---|---|---|---|"
    )?;
    let (mut wrong, mut all) = (0, 0);
    for (set, found) in sets.iter().zip(found) {
        for a in Answer::all(found, &set.truth).iter().filter(|a| set.counts(a.child)) {
            all += 1;
            if a.is_right() {
                continue;
            }
            wrong += 1;
            let list = |names: &BTreeSet<&str>| match names.is_empty() {
                true => "none".to_owned(),
                false => names.iter().copied().collect::<Vec<_>>().join(", "),
            };
            let confidence = a.edges.iter().filter_map(|e| e.confidence).reduce(f64::min);
            let training = if a.truth.is_empty() { "root" } else { set.kind(a.child).name() };
            writeln!(
                out,
                "| {} | {} | {training} | {} | {} | {} | {} | {} |",
                set.name,
                a.child,
                list(&a.truth),
                list(&a.given),
                confidence.map_or("–".to_owned(), |c| format!("{c:.2}")),
                a.edges.first().map_or("–", |e| e.relation.as_str()),
                a.probability.map_or("–".to_owned(), |p| format!("{p:.2}")),
            )?;
        }
    }
    writeln!(out, "\n{} of all models wrong.\n", ratio(wrong, all))?;
    Ok(())
}
