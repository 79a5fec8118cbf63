//! Sets whose families lack their roots: the children of a root are then orphans, and no parent should be found for them.

use crate::answers::Answer;
use crate::sets::Set;
use crate::{Failure, ratio};
use neural_phylogeny::Phylogeny;
use std::collections::BTreeSet;
use std::io::Write;

/// A parent invented with more than this confidence is held against the detector.
pub(crate) const INVENTED: f64 = 0.5;

#[derive(Debug)]
pub(crate) struct Rootless<'a> {
    pub(crate) set: &'a Set,
    pub(crate) found: Phylogeny,
}

impl<'a> Rootless<'a> {
    pub(crate) fn of(set: &'a Set) -> Result<Self, Failure> {
        let truth = set.truth.phylogeny();
        let roots: BTreeSet<&str> = truth.roots().map(|m| truth.name(m)).collect();
        let found = set.detect_among(&|name| !roots.contains(name) && !set.adapters.contains(name))?;
        Ok(Self { set, found })
    }
}

/// Who is taken for a root: names, unless they are many.
fn parentless(of: &[&Answer<'_>]) -> String {
    let none: Vec<&str> = of.iter().filter(|a| a.given.is_empty()).map(|a| a.child).collect();
    if none.len() > 2 { format!("{} models", none.len()) } else { none.join(", ") }
}

pub(crate) fn table(out: &mut impl Write, rootless: &[Rootless<'_>]) -> Result<(), Failure> {
    writeln!(out, "## Orphans: the root of each family taken away\n")?;
    let left_out: Vec<&str> = rootless.iter().flat_map(|r| r.set.adapters.iter().map(String::as_str)).collect();
    if !left_out.is_empty() {
        writeln!(out, "Adapters need their base's files and are left out: {}.\n", left_out.join(", "))?;
    }
    writeln!(
        out,
        "| Set | Family | Orphans | given a parent | above {INVENTED} | above 0.9 | Root said to be missing | Given no parent | Other children right |\n\
         |---|---|---|---|---|---|---|---|---|"
    )?;
    let mut sums = [0; 7];
    for r in rootless {
        let answers = Answer::all(&r.found, &r.set.truth);
        for family in r.set.families() {
            let of: Vec<&Answer<'_>> = answers.iter().filter(|a| family.iter().any(|n| n == a.child)).collect();
            let orphans: Vec<&&Answer<'_>> = of.iter().filter(|a| a.is_orphan()).collect();
            let above = |least: f64| orphans.iter().filter(|a| a.invented(&r.found).is_some_and(|c| c > least)).count();
            let others = of.iter().filter(|a| !a.is_orphan());
            let said = orphans
                .iter()
                .filter_map(|a| r.found.id(a.child))
                .any(|m| r.found.unobserved_root(r.found.family_of(m)));
            let right = others.clone().filter(|a| a.is_right()).count();
            let counts =
                [orphans.len(), above(0.0), above(INVENTED), above(0.9), usize::from(said), right, others.count()];
            sums.iter_mut().zip(counts).for_each(|(sum, c)| *sum += c);
            let [n, any, half, most, _, right, others] = counts;
            writeln!(
                out,
                "| {} | {} | {n} | {any} | {half} | {most} | {} | {} | {} |",
                r.set.name,
                family[0],
                if said { "yes" } else { "no" },
                parentless(&of),
                ratio(right, others)
            )?;
        }
    }
    let [n, any, half, most, said, right, others] = sums;
    writeln!(out, "| **all** | | {n} | {any} | {half} | {most} | {said} | | {} |\n", ratio(right, others))?;
    Ok(())
}
