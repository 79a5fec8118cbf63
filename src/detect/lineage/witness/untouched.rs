//! Witness: tensors and lines that a model left as it found them.
//!
//! A child may have something exactly as the root has it. Then the child cannot have it from a candidate that changed it.
//! A child may also share something with a candidate that the root lacks. Then one of the two has it from the other.

use super::lines::distinct;
use super::{Hypothesis, Lineage, Member, Witness};
use crate::detect::families::components;
use crate::detect::lineage::sheet::Sheet;
use crate::evidence::LineState;
use crate::parent::numbers;
use crate::phylogeny::Signal;

numbers! {
    /// The numbers of [`Untouched`].
    pub struct UntouchedWeights {
        /// What lines say that the candidate changed and the child has from it.
        derived: f64 = 10.0, "nats", 0.0..=1e3,
            "One of the two descends from the other; siblings of one parent share such lines by its absence alone.";
        /// The least share of the child's untouched lines that a candidate must have changed to be ruled out.
        returned: f64 = 0.02, "share of lines", 0.0..=1.0,
            "With weights of 16 bits a few lines come back to what they were by chance.";
        /// Fewer lines than this are chance.
        least_lines: usize = 2, "lines", 1.0..=1e9,
            "One line may come back to what it was.";
    }
}

/// Tensors and lines that the child has from the root, or from the candidate. Used for presence (tensors alone) and parents.
#[derive(Clone, Copy, Debug)]
pub struct Untouched;

impl Witness for Untouched {
    fn signal(&self) -> Signal {
        Signal::new("untouched", "tensors, rows and columns shared bit for bit, or left as they were")
    }

    /// For each member, the largest number of branches that share one tensor which the member lacks.
    fn contradicts(&self, lineage: &Lineage<'_>, branches: &[Member]) -> Vec<usize> {
        let (comparison, n) = (lineage.plain_comparison(), branches.len());
        let mut most = vec![0; n];
        for parameter in comparison.scoped() {
            let Some(sheet) = Sheet::of(parameter, n) else { continue };
            // Members at distance 0 share the tensor bit for bit.
            let classes = components(n, |a, b| sheet.squared(Member::new(a), Member::new(b)) == 0.0);
            for class in classes.into_iter().filter(|class| class.len() > 1) {
                let sharing = distinct(class.iter().map(|&m| branches[m]));
                for m in (0..n).filter(|m| !class.contains(m)) {
                    most[m] = most[m].max(sharing);
                }
            }
        }
        most
    }

    /// Excludes a candidate that changed a tensor which the child has exactly as the root has it.
    fn inherits(&self, hypothesis: &Hypothesis<'_>, parent: Member, child: Member) -> f64 {
        let reverted = hypothesis.inheritance().cell(parent, child).reverted > 0;
        if reverted { hypothesis.lineage().weights().parents.excluded } else { 0.0 }
    }

    /// Excludes a candidate in the same way by lines, and credits lines that the child has from the candidate.
    fn forbids(&self, hypothesis: &Hypothesis<'_>, parent: Member, child: Member) -> f64 {
        let weights = hypothesis.lineage().weights();
        let numbers = &weights.witnesses.untouched;
        let Some(lines) = hypothesis.lines() else { return 0.0 };
        let mut sum = 0.0;
        if hypothesis.derived(parent, child).is_some_and(|shared| shared >= numbers.least_lines) {
            sum += numbers.derived;
        }
        // With weights of 16 bits, a few lines return to the root's values by chance. A small share of lines excludes nobody.
        let kept = lines.kept_in_b_changed_in_a(parent.within(), child.within());
        let exact = lines.count(child.within(), LineState::Exact);
        if kept >= numbers.least_lines && kept as f64 >= numbers.returned * exact as f64 {
            sum += weights.parents.excluded;
        }
        sum
    }
}
