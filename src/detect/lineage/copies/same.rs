//! Models that are the same in everything that both hold, whatever else each of them holds.

use super::Copy;
use crate::detect::lineage::weights::Weights;
use crate::error::Error;
use crate::geometry::{Agreement, Geometry};
use crate::model_set::ModelId;
use crate::phylogeny::Relation;
use rayon::prelude::*;
use std::cmp::Ordering;

/// Models that all differ in something, and copies of them.
pub(super) struct Same {
    /// They keep the order of the members.
    pub(super) originals: Vec<ModelId>,
    pub(super) copies: Vec<Copy>,
    /// Whether some of the originals have the same matrices.
    pub(super) matrices_alone: bool,
}

/// Fewer pairs than this are not worth another thread.
const FEW: usize = 64;

/// Separates models that are the same as another one in everything that both hold.
///
/// The one that is most like the rest of the family in what it holds is the source. So a tensor that all others hold was
/// dropped by the model that lacks it, and a tensor that no other holds was added by the model that has it. Where two are
/// alike in that, the one with fewer rows is the source, or else the one with more tensors. Two models that hold the same differ
/// in nothing that could show an order, and the first by content is called the source.
pub(super) fn same(geometry: &Geometry, members: &[ModelId], weights: &Weights) -> Result<Same, Error> {
    // The models that hold most come first, so that whatever is a part of another one meets the whole.
    let mut ordered: Vec<(usize, ModelId)> = members.iter().map(|&m| (geometry.held(m), m)).collect();
    ordered.sort_by(|(held, m), (other, n)| other.cmp(held).then_with(|| first(geometry, *m, *n)));
    let mut classes: Vec<Vec<ModelId>> = Vec::new();
    let mut matrices_alone = false;
    for (_, m) in ordered {
        let compared = classes.par_iter().with_min_len(FEW).map(|class| geometry.agreement(class[0], m));
        let agreements: Vec<Agreement> = compared.collect::<Result<_, _>>()?;
        matrices_alone |= agreements.contains(&Agreement::InMatrices);
        match agreements.iter().position(|agreement| *agreement == Agreement::Everywhere) {
            Some(at) => classes[at].push(m),
            None => classes.push(vec![m]),
        }
    }
    let mut copies = Vec::new();
    let mut originals = Vec::new();
    for class in classes {
        if let [alone] = class[..] {
            originals.push(alone);
            continue;
        }
        let strangeness: Vec<usize> =
            class.iter().map(|&m| geometry.strangeness(m, members)).collect::<Result<_, _>>()?;
        let rows = |a: ModelId, b: ModelId| {
            if geometry.is_resized(a, b) { geometry.compare_rows(a, b) } else { Ordering::Equal }
        };
        let before = |&x: &usize, &y: &usize| {
            let rows = || rows(class[x], class[y]);
            let order = strangeness[x].cmp(&strangeness[y]).then_with(rows);
            // The class is in the order of what its models hold, then of their content.
            order.then(x.cmp(&y))
        };
        let Some(source) = (0..class.len()).min_by(before) else { continue };
        originals.push(class[source]);
        let (numbers, original) = (&weights.copies, class[source]);
        for (at, &copy) in class.iter().enumerate().filter(|&(at, _)| at != source) {
            let rows = rows(copy, original);
            let direction = if strangeness[at] > strangeness[source] {
                numbers.likely
            } else if rows.is_ne() || geometry.held(copy) != geometry.held(original) {
                numbers.lacking
            } else {
                numbers.even
            };
            let relation = if rows.is_eq() { Relation::Duplicate } else { Relation::VocabularyResized };
            copies.push(Copy { source: original, copy, relation, method: None, direction });
        }
    }
    originals.sort_by_key(|m| members.iter().position(|o| o == m));
    Ok(Same { originals, copies, matrices_alone })
}

/// The order by content, and that in which they were given where nothing else is left.
pub(super) fn first(geometry: &Geometry, a: ModelId, b: ModelId) -> Ordering {
    geometry.by_content(a, b).then(a.cmp(&b))
}
