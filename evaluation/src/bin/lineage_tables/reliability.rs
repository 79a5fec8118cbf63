//! Whether confidences are what they say, and what is left when unsure edges are withheld.

use crate::answers::Answer;
use crate::sets::Set;
use crate::{Failure, ratio, share};
use neural_phylogeny::Phylogeny;
use std::io::Write;

const BINS: [(f64, f64); 6] = [(0.0, 0.5), (0.5, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 0.95), (0.95, f64::INFINITY)];

const THRESHOLDS: [f64; 7] = [0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99];

/// What is left at one threshold.
#[derive(Clone, Copy, Debug, Default)]
struct Left {
    right: usize,
    edges: usize,
    answered: usize,
    children: usize,
}

fn said(set: &Set, found: &Phylogeny) -> Vec<(f64, bool)> {
    let answers = Answer::all(found, &set.truth);
    let own = answers.iter().filter(|a| set.counts(a.child));
    own.flat_map(|a| a.edges.iter().filter_map(|e| Some((e.confidence?, a.truth.contains(found.name(e.parent))))))
        .collect()
}

fn left(set: &Set, found: &Phylogeny, threshold: f64) -> Left {
    let found = found.clone().with_minimum_confidence(threshold);
    let mut left = Left::default();
    for a in Answer::all(&found, &set.truth).iter().filter(|a| set.counts(a.child)) {
        left.edges += a.edges.len();
        left.right += a.edges.iter().filter(|e| a.truth.contains(found.name(e.parent))).count();
        left.children += usize::from(!a.present.is_empty());
        left.answered += usize::from(!a.present.is_empty() && !a.edges.is_empty());
    }
    left
}

fn cells(said: &[(f64, bool)]) -> String {
    let cell = |&(from, to): &(f64, f64)| {
        let bin: Vec<_> = said.iter().filter(|(c, _)| (from..to).contains(c)).collect();
        let (right, mean) = (bin.iter().filter(|s| s.1).count(), bin.iter().map(|s| s.0).sum::<f64>());
        if bin.is_empty() {
            return "–".to_owned();
        }
        format!("{}: {:.2} → {}", bin.len(), mean / bin.len() as f64, share(right, bin.len()))
    };
    BINS.iter().map(cell).collect::<Vec<_>>().join(" | ")
}

/// Both tables, for each set and for all together.
pub(crate) fn tables<'a>(
    out: &mut impl Write,
    what: &str,
    found: impl Iterator<Item = (&'a Set, &'a Phylogeny)>,
) -> Result<(), Failure> {
    let found: Vec<_> = found.collect();
    let bins = BINS.map(|(from, to)| if to > 1.0 { format!("{from}–1") } else { format!("{from}–{to}") });
    writeln!(out, "## Reliability, sets {what}\n")?;
    writeln!(out, "In each bin of confidence: edges: mean confidence → share right.\n")?;
    writeln!(out, "| Set | {} |\n|---|{}", bins.join(" | "), "---|".repeat(BINS.len()))?;
    let mut all = Vec::new();
    for &(set, found) in &found {
        let said = said(set, found);
        writeln!(out, "| {} | {} |", set.name, cells(&said))?;
        all.extend(said);
    }
    writeln!(out, "| **all** | {} |\n", cells(&all))?;

    let columns = THRESHOLDS.map(|t| format!("≥ {t}"));
    writeln!(
        out,
        "Edges right of those kept; in brackets, children that keep a parent of those whose parent is there.\n"
    )?;
    writeln!(out, "| Set | {} |\n|---|{}", columns.join(" | "), "---|".repeat(THRESHOLDS.len()))?;
    let mut sums = [Left::default(); THRESHOLDS.len()];
    let cell = |l: &Left| format!("{} ({})", ratio(l.right, l.edges), ratio(l.answered, l.children));
    for &(set, found) in &found {
        let each = THRESHOLDS.map(|t| left(set, found, t));
        for (sum, l) in sums.iter_mut().zip(&each) {
            *sum = Left {
                right: sum.right + l.right,
                edges: sum.edges + l.edges,
                answered: sum.answered + l.answered,
                children: sum.children + l.children,
            };
        }
        writeln!(out, "| {} | {} |", set.name, each.each_ref().map(cell).join(" | "))?;
    }
    writeln!(out, "| **all** | {} |\n", sums.each_ref().map(cell).join(" | "))?;
    Ok(())
}
