//! Ranks: what low-rank increments of siblings say of the presence of their root, exactly.

use crate::detect::lineage::index::Member;
use crate::detect::lineage::tree::Tree;
use crate::error::Error;
use crate::geometry::{Increment, Increments};
use crate::model_set::ModelId;
use crate::phylogeny::Signal;
use std::collections::BTreeMap;

/// The term of ranks that add up from the root, or do not.
pub(in crate::detect::lineage) const RANKS: Signal = Signal::new(
    "ranks",
    "whether ranks of low-rank increments add up from the root, or from a model that is not there",
);

/// Children whose increments are looked at: three pairs of them.
const CHILDREN: usize = 3;

/// The most children that are read in one pass. They are most of the edges of a family, whose values are needed in any case.
const TOGETHER: usize = 256;

/// The share of matrices that must agree.
const AGREED: f64 = 0.8;

/// Adds what ranks say to the presence of the root of a tree.
///
/// Increments i and j of low rank from the root add up: `rank(i − j) = rank(i − r) + rank(j − r)`. Seen from a sibling s, the rank
/// of its own increment is in both terms on the right, and not on the left. Three children are looked at whose increments are
/// of low rank, and the pairs among them.
///
/// # Errors
///
/// [`Error::Source`] for a model that cannot be read any more.
pub(in crate::detect::lineage) fn weigh(tree: &mut Tree<'_>, plain: usize) -> Result<(), Error> {
    let (lineage, root) = (tree.hypothesis.lineage(), tree.hypothesis.root());
    let numbers = lineage.weights().presence;
    let mut children: Vec<Member> = Member::all(plain).filter(|m| tree.parents[m.index()] == Some(root)).collect();
    if children.len() < 2 {
        return Ok(());
    }
    let far = |m: &Member| lineage.comparison().squared_distance(root.within(), m.within());
    children.sort_by(|a, b| far(a).total_cmp(&far(b)));
    let model = |m: Member| lineage.model(m);
    let mut low: Vec<(Member, BTreeMap<String, usize>)> = Vec::new();
    for some in children.chunks(TOGETHER) {
        let pairs: Vec<(ModelId, ModelId)> = some.iter().map(|&child| (model(root), model(child))).collect();
        for (&child, found) in some.iter().zip(lineage.geometry().read_increments(&pairs)?) {
            let Some(found) = found else { return Ok(()) };
            if found.low_rank().is_some() && low.len() < CHILDREN {
                low.push((child, ranks(&found)));
            }
        }
        if low.len() == CHILDREN {
            break;
        }
    }
    let of_low: Vec<Member> = low.iter().map(|(m, _)| *m).collect();
    let among = |i: usize| of_low[..i].iter().map(move |&b| (i, b));
    let pairs: Vec<(ModelId, ModelId)> =
        (0..of_low.len()).flat_map(among).map(|(i, b)| (model(of_low[i]), model(b))).collect();
    let mut pairs = lineage.geometry().read_increments(&pairs)?.into_iter();
    let (mut adding, mut shared, mut all) = (0usize, 0usize, 0usize);
    for (i, (_, of_a)) in low.iter().enumerate() {
        for (_, of_b) in &low[..i] {
            let Some(pair) = pairs.next().flatten() else { return Ok(()) };
            for (name, rank) in ranks(&pair) {
                let (Some(&ra), Some(&rb)) = (of_a.get(&name), of_b.get(&name)) else { continue };
                all += 1;
                adding += usize::from(rank == ra + rb);
                // A rank that is the difference of the two is that of a step from one of them to the other.
                shared += usize::from(rank < ra + rb && rank > ra.abs_diff(rb) && (ra + rb - rank) % 2 == 0);
            }
        }
    }
    let agreed = |count: usize| all > 0 && count as f64 >= AGREED * all as f64;
    let odds = match (agreed(adding), agreed(shared)) {
        (true, _) => numbers.ranks,
        (_, true) => -numbers.ranks,
        _ => return Ok(()),
    };
    tree.presence.add(RANKS, odds);
    Ok(())
}

/// The ranks of the matrices that changed by a low one.
fn ranks(increments: &Increments) -> BTreeMap<String, usize> {
    let low = |m: &Increment| Some((m.name.clone(), m.low_rank().filter(|&rank| rank > 0)?));
    increments.matrices.iter().filter_map(low).collect()
}
