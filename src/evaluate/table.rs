use super::{Evaluation, Ratio, Reliability, Retrieval};
use std::fmt;

/// Width of the widest label, in characters.
const LABEL: usize = 34;

fn share(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |v| format!("{v:.3}"))
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} models evaluated, {} not in the truth, {} not in the result",
            self.models,
            self.not_in_truth.len(),
            self.not_in_result.len()
        )?;
        writeln!(f, "\n{:LABEL$}{:>7}{:>7}{:>11}", "", "right", "of", "share")?;
        // These have one denominator each; those below have what was found and what is true apart.
        let ratios: [(&str, Ratio); 6] = [
            ("accuracy, children", self.accuracy),
            ("accuracy, children and roots", self.accuracy_with_roots),
            ("direction of pairs found", self.direction),
            ("families with exactly their roots", self.root_families),
            ("families exactly right", self.families.exact),
            ("orphans given no invented parent", self.orphans),
        ];
        for (label, ratio) in ratios {
            writeln!(f, "{label:LABEL$}{:>7}{:>7}{:>11}", ratio.right, ratio.of, share(ratio.share()))?;
        }
        writeln!(
            f,
            "\n{:LABEL$}{:>7}{:>7}{:>7}{:>11}{:>8}{:>8}",
            "", "right", "found", "true", "precision", "recall", "F1"
        )?;
        let retrievals: [(&str, Retrieval); 6] = [
            ("edges", self.edges),
            ("pairs without direction", self.pairs),
            ("ancestor pairs", self.ancestors),
            ("roots", self.roots),
            ("parents not in the set", self.absent_parents),
            ("merges", self.merges),
        ];
        for (label, r) in retrievals {
            writeln!(
                f,
                "{label:LABEL$}{:>7}{:>7}{:>7}{:>11}{:>8}{:>8}",
                r.right,
                r.found,
                r.expected,
                share(r.precision()),
                share(r.recall()),
                share(r.f1())
            )?;
        }
        // Without a stated confidence there is nothing to say of them.
        if self.reliability.calibration_error.is_some() {
            write!(f, "\n{}", self.reliability)?;
        }
        writeln!(
            f,
            "\nadjusted Rand index of families {}: {} found, {} true",
            share(self.families.adjusted_rand),
            self.families.found,
            self.families.exact.of
        )?;
        let weights = self.merge_weights;
        write!(
            f,
            "error of merge weights {}, largest {}, over {} edges",
            share(weights.mean),
            share(weights.largest),
            weights.edges
        )?;
        for (title, names) in [("not in the truth", &self.not_in_truth), ("not in the result", &self.not_in_result)] {
            if !names.is_empty() {
                write!(f, "\n{title}: {}", names.join(", "))?;
            }
        }
        Ok(())
    }
}

/// Bins without edges are left out.
impl fmt::Display for Reliability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:LABEL$}{:>7}{:>7}{:>11}{:>11}", "edges by confidence", "right", "of", "share", "said")?;
        for bin in self.bins.iter().filter(|b| b.edges.of > 0) {
            let label = format!("{:.1} to {:.1}", bin.from, bin.to);
            let Ratio { right, of } = bin.edges;
            let (right_share, said) = (share(bin.edges.share()), share(bin.confidence));
            writeln!(f, "{label:LABEL$}{right:>7}{of:>7}{right_share:>11}{said:>11}")?;
        }
        writeln!(f, "expected calibration error {}", share(self.calibration_error))?;
        writeln!(
            f,
            "\n{:LABEL$}{:>7}{:>7}{:>11}{:>11}{:>8}{:>8}",
            "edges at least this sure", "right", "kept", "share", "answered", "of", "share"
        )?;
        for at in &self.coverage {
            let (edges, answered) = (at.edges, at.answered);
            writeln!(
                f,
                "{:<LABEL$.2}{:>7}{:>7}{:>11}{:>11}{:>8}{:>8}",
                at.threshold,
                edges.right,
                edges.of,
                share(edges.share()),
                answered.right,
                answered.of,
                share(answered.share())
            )?;
        }
        Ok(())
    }
}
