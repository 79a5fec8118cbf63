//! The default detector beside others.

use crate::answers::Answer;
use crate::sets::Set;
use crate::{Failure, ratio, share};
use neural_phylogeny::detect::cluster::{ClusterDetector, ExpectedFamilies};
use neural_phylogeny::detect::{Arborescence, Kurtosis, LineageDetector, NeighborJoining};
use neural_phylogeny::parent::{Precedence, SmallestNorm};
use neural_phylogeny::{ParentSelector, PhylogenyDetector, evaluate};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::io::Write;

type Line = (&'static str, Box<dyn PhylogenyDetector>, Box<dyn ParentSelector>);

fn lines() -> [Line; 6] {
    let families = || Box::new(ClusterDetector::new(ExpectedFamilies));
    let rises = Arborescence::new().with_kurtosis(Kurtosis::Rises);
    [
        ("**lineage** (default)", Box::new(LineageDetector::new()), Box::new(Precedence)),
        ("arborescence, kurtosis falls", Box::new(Arborescence::new()), Box::new(Precedence)),
        ("arborescence, kurtosis rises", Box::new(rises), Box::new(Precedence)),
        ("neighbor joining", Box::new(NeighborJoining::new()), Box::new(Precedence)),
        ("independence, precedence", families(), Box::new(Precedence)),
        ("independence, smallest norm", families(), Box::new(SmallestNorm)),
    ]
}

pub(crate) fn table(out: &mut impl Write, sets: &[Set]) -> Result<(), Failure> {
    writeln!(out, "## Detectors\n")?;
    writeln!(
        out,
        "| Set (models) | Detector | Accuracy | Children right | Grandchildren right | Roots | Families | Merges, precision | Merges, recall | Weight error, mean (largest) |\n\
         |---|---|---|---|---|---|---|---|---|---|"
    )?;
    for set in sets {
        for (name, detector, selector) in &lines() {
            let mut rng = ChaCha8Rng::seed_from_u64(0);
            let found =
                detector.detect(&set.geometry, selector.as_ref(), &mut rng)?.with_names(set.names.iter().cloned())?;
            let e = evaluate(&found, &set.truth)?;
            let later: Vec<Answer<'_>> =
                Answer::all(&found, &set.truth).into_iter().filter(|a| a.grandchild && !a.present.is_empty()).collect();
            let weights = match (e.merge_weights.mean, e.merge_weights.largest) {
                (Some(mean), Some(largest)) if e.merge_weights.edges > 0 => format!("{mean:.4} ({largest:.4})"),
                _ => "–".to_owned(),
            };
            writeln!(
                out,
                "| {} ({}) | {name} | {} | {} | {} | {} | {} | {} | {} | {weights} |",
                set.name,
                set.names.len(),
                share(e.accuracy.right, e.accuracy.of),
                ratio(e.accuracy.right, e.accuracy.of),
                ratio(later.iter().filter(|a| a.is_right()).count(), later.len()),
                ratio(e.root_families.right, e.root_families.of),
                ratio(e.families.exact.right, e.families.exact.of),
                ratio(e.merges.right, e.merges.found),
                ratio(e.merges.right, e.merges.expected),
            )?;
        }
    }
    writeln!(out)?;
    Ok(())
}
