//! What fine-tuning does to weights, measured: the numbers that the generated sets are made from.

use crate::Failure;
use crate::sets::{Recipe, Set};
use neural_phylogeny::ModelId;
use neural_phylogeny::model_set::Position;
use std::collections::BTreeMap;
use std::path::Path;

/// Prints the statistics of a folder that has a `recipes.json` beside its `truth.json`, children as lines of `generated.rs`.
///
/// A child is `θ_c = s θ_p + r` with `r ⊥ θ_p` over all matrices: s tells decay, `ρ = ‖r‖ / ‖θ_p‖` movement.
pub(crate) fn print(folder: &Path) -> Result<(), Failure> {
    let set = Set::open(folder, 0)?;
    let recipes = Recipe::read(folder)?;
    println!("// {}", set.name);
    let mut spread = Vec::new();
    let mut siblings: BTreeMap<ModelId, Vec<ModelId>> = BTreeMap::new();
    for child in (0..set.names.len()).map(ModelId::new) {
        let Some(parent) = set.parent(child) else { continue };
        let recipe = recipes.get(&set.names[child.index()]).ok_or("a model without recipe")?;
        let (kept, moved) = movement(&set, parent, child)?;
        let pair = set.whole.compare(&[parent, child])?;
        let all = pair.scoped().count();
        let each: Vec<f64> = pair
            .scoped()
            .filter(|p| p.squared_distance(Position::FIRST, Position::SECOND) > 0.0)
            .map(|p| (p.squared_distance(Position::FIRST, Position::SECOND) / p.squared_norm(Position::FIRST)).sqrt())
            .collect();
        let logs: Vec<f64> = each.iter().map(|m| m.ln()).collect();
        let mean = logs.iter().sum::<f64>() / logs.len() as f64;
        let deviation = (logs.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / logs.len() as f64).sqrt();
        let (rank, decayed, differ) = (recipe.rank, recipe.decayed(), each.len());
        println!("    measured({kept:.5}, {moved:.4}, {rank}, {differ}, {all}, {decayed}),");
        if rank == 0 {
            siblings.entry(parent).or_default().push(child);
            spread.push(deviation);
        }
    }
    println!("// deviation of ln movement over the matrices of a full fine-tune, median {:.2}", median(spread));
    let mut cosines = Vec::new();
    for (&parent, children) in &siblings {
        for (i, &a) in children.iter().enumerate() {
            for &b in &children[..i] {
                cosines.push(cosine(&set, parent, a, b)?);
            }
        }
    }
    println!("// cosine of what siblings moved orthogonally to their parent, median {:.3}", median(cosines));
    let norms: Vec<f64> = siblings.keys().filter(|&&p| set.parent(p).is_none()).map(|&p| set.whole.norm(p)).collect();
    println!("// norms of roots {norms:.2?}");
    Ok(())
}

fn inner(set: &Set, a: ModelId, b: ModelId) -> Result<f64, Failure> {
    Ok(set.whole.compare(&[a, b])?.scoped().map(|p| p.inner(Position::FIRST, Position::SECOND)).sum())
}

/// s and ρ.
fn movement(set: &Set, parent: ModelId, child: ModelId) -> Result<(f64, f64), Failure> {
    let pair = set.whole.compare(&[parent, child])?;
    let (parent, child, both) =
        (pair.squared_norm(Position::FIRST), pair.squared_norm(Position::SECOND), inner(set, parent, child)?);
    let kept = both / parent;
    Ok((kept, (child / parent - kept * kept).max(0.0).sqrt()))
}

fn cosine(set: &Set, parent: ModelId, a: ModelId, b: ModelId) -> Result<f64, Failure> {
    let three = set.whole.compare(&[parent, a, b])?;
    let product = |i, j| three.scoped().map(|p| p.inner(i, j)).sum::<f64>();
    let [p, a, b] = [0, 1, 2].map(Position::new);
    let left = |i, j| product(i, j) - product(p, i) * product(p, j) / product(p, p);
    Ok(left(a, b) / (left(a, a) * left(b, b)).sqrt())
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or(f64::NAN)
}
