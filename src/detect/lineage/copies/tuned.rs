//! Models whose matrices are the same and whose vectors are not: norm tuning, or biases alone.
//!
//! Such a model is a fine-tune and no copy. Its distance by matrices is 0, so that no tree by distances has a place for it. So it
//! hangs on the model with the same matrices, and the tree is grown without it.

use super::Copy;
use super::same::first;
use crate::detect::lineage::weights::Weights;
use crate::error::Error;
use crate::geometry::{Agreement, Comparison, Geometry};
use crate::model_set::{Kind, ModelId, Position};
use crate::phylogeny::Relation;
use std::cmp::Ordering;

/// Separates models with the matrices of another one and with vectors of their own. Both lists keep the order of `members`.
///
/// The one whose vectors are nearest to those of the rest of the family is the source. Without a rest, the one with more
/// vectors of one value is the source, as gains of 1 and biases of 0 before training; else the first by content.
pub(super) fn tuned(
    geometry: &Geometry,
    members: &[ModelId],
    weights: &Weights,
) -> Result<(Vec<ModelId>, Vec<Copy>), Error> {
    let mut classes: Vec<Vec<usize>> = Vec::new();
    for (at, &m) in members.iter().enumerate() {
        let mut found = None;
        for (c, class) in classes.iter().enumerate() {
            if geometry.agreement(members[class[0]], m)? != Agreement::Nowhere {
                found = Some(c);
                break;
            }
        }
        match found {
            Some(c) => classes[c].push(at),
            None => classes.push(vec![at]),
        }
    }
    if classes.len() == members.len() {
        return Ok((members.to_vec(), Vec::new()));
    }
    let comparison = geometry.compare(members)?;
    let mut originals = Vec::new();
    let mut copies = Vec::new();
    for class in classes {
        let rest: Vec<usize> = (0..members.len()).filter(|at| !class.contains(at)).collect();
        let apart = |&m: &usize| log_distances(&comparison, m, &rest);
        let plain = |&m: &usize| constants(&comparison, m);
        let earlier = |m: &usize, other: &usize| {
            let order = apart(m).total_cmp(&apart(other)).then(plain(other).cmp(&plain(m)));
            order.then_with(|| first(geometry, members[*m], members[*other]))
        };
        let Some(&source) = class.iter().min_by(|m, other| earlier(m, other)) else { continue };
        originals.push(source);
        for &copy in class.iter().filter(|&&copy| copy != source) {
            let told = apart(&copy).total_cmp(&apart(&source)) != Ordering::Equal || plain(&copy) != plain(&source);
            let direction = if told { weights.copies.likely } else { weights.copies.even };
            let (source, copy) = (members[source], members[copy]);
            copies.push(Copy { source, copy, relation: Relation::FineTune, method: None, direction });
        }
    }
    originals.sort_unstable();
    Ok((originals.into_iter().map(|at| members[at]).collect(), copies))
}

/// Sum of the logarithms of squared distances to other models, over vectors alone.
fn log_distances(comparison: &Comparison, model: usize, others: &[usize]) -> f64 {
    let squared = |&other: &usize| -> f64 {
        let vectors = comparison.parameters().iter().filter(|p| p.kind() == Kind::Vector);
        vectors.map(|p| p.squared_distance(Position::new(model), Position::new(other))).sum()
    };
    others.iter().map(squared).filter(|squared| *squared > 0.0).map(f64::ln).sum()
}

/// The number of vectors whose values are all the same.
fn constants(comparison: &Comparison, model: usize) -> usize {
    let vectors = comparison.parameters().iter().filter(|p| p.kind() == Kind::Vector && p.size() > 1);
    vectors.filter(|p| p.moments(Position::new(model)).m2 == 0.0).count()
}
