//! One lineage solved: root, tree, and how probable each edge is.

use super::affine::fit;
use super::heritage::{Heritage, evidence, total};
use super::inheritance::Inheritance;
use super::norm::Norms;
use super::observed::{Observed, observed};
use super::root::Roots;
use super::spanning::edge_probabilities;
use crate::detect::edmonds::minimum_arborescence;
use crate::error::Error;
use crate::geometry::{Comparison, Geometry};
use crate::model_set::ModelId;
use crate::phylogeny::{Candidate, Evidence, Signal};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Roots less probable than this are left out of the sum over roots.
const LEAST_ROOT: f64 = 0.02;
const MOST_ROOTS: usize = 3;

/// Share of edges below the supposed root that hold although it is a sibling of its children: what all have in common with a
/// sibling looks inherited.
const WITHOUT_ROOT: f64 = 0.5;

/// Of what a child of a merge has of each of its parents, next to the parent's weight in the merge.
const LEAST_SHARE: f64 = 0.5;

/// Candidates listed for each model.
const LISTED: usize = 8;

/// Scores nearer than this are a tie.
const TIE: f64 = 1e-12;

/// What was found of one lineage; members are numbered as they were given.
#[derive(Debug)]
pub(super) struct Solved {
    /// Parent of each member but merges, `None` for roots.
    pub(super) parents: Vec<Option<usize>>,
    /// Confidence of the edge from that parent.
    pub(super) confidences: Vec<f64>,
    pub(super) candidates: Vec<Vec<Candidate>>,
    /// Of the members that are no merges.
    pub(super) scores: Vec<f64>,
    pub(super) margin: f64,
    /// Shared lines or tensors rule out that any member is the root.
    pub(super) contradicted: bool,
    /// The likeliest root, when there is one.
    pub(super) root: Option<usize>,
}

impl Solved {
    /// Whether `model` is `ancestor` or descends from it.
    pub(super) fn descends(&self, model: usize, ancestor: usize) -> bool {
        descends(&self.parents, model, ancestor)
    }

    /// Takes the parent of a member away, and the candidates for it: it is a merge.
    pub(super) fn set_aside(&mut self, member: usize) {
        self.parents[member] = None;
        self.candidates[member].clear();
    }
}

/// Solves a lineage: members `0..plain` are no merges, and those after them are, each with its parents among all and their
/// weights, heaviest first.
pub(super) fn solve(
    geometry: &Geometry,
    models: &[ModelId],
    plain: usize,
    merges: &[Vec<(usize, f64)>],
) -> Result<Solved, Error> {
    let whole = geometry.compare(models)?;
    let comparison = whole.of(&(0..plain).collect::<Vec<_>>());
    let norms = Norms::of(&whole);
    let roots = Roots::of(geometry, models, &comparison, &norms)?;
    let n = models.len();
    let context = Context { geometry, models, whole: &whole, plain, merges, norms: &norms, roots: &roots };
    let tie = matches!(roots.likely[..], [(_, p), (_, q), ..] if (p - q).abs() <= TIE);
    let mut shares = vec![0.0; n * n];
    let mut best: Option<(Tree<'_>, Observed)> = None;
    let mut hypotheses = Vec::new();
    for &(root, probability) in roots.likely.iter().take(MOST_ROOTS).filter(|&&(_, p)| p >= LEAST_ROOT) {
        let (tree, weights, seen) = context.tree(root, &comparison)?;
        hypotheses.push((root, probability, seen.probability, weights));
        best.get_or_insert((tree, seen));
    }
    let over_trees = |(root, _, _, weights): &(usize, f64, f64, Vec<f64>)| edge_probabilities(weights, n, *root);
    let probabilities: Vec<Vec<f64>> = hypotheses.par_iter().map(over_trees).collect::<Result<_, Error>>()?;
    for ((root, probability, seen, _), edges) in hypotheses.iter().zip(&probabilities) {
        for q in 0..n {
            let there = if q == *root { *seen } else { WITHOUT_ROOT + (1.0 - WITHOUT_ROOT) * seen };
            for c in 0..n {
                shares[q * n + c] += probability * there * edges[q * n + c];
            }
        }
    }
    let Some((tree, seen)) = best else {
        return Err(Error::Detection {
            detector: "LineageDetector",
            models: n,
            reason: "no root has any probability".to_owned(),
        });
    };
    let mut parents = tree.parents.clone();
    for p in &mut parents {
        if *p == Some(tree.root) && (seen.contradicted || tie) {
            *p = None;
        }
    }
    let confidences = (0..n).map(|c| parents[c].map_or(0.0, |q| shares[q * n + c].min(1.0))).collect();
    let candidates = (0..plain).into_par_iter().map(|c| context.candidates(&tree, &shares, c)).collect();
    let mut sorted = roots.scores.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let margin = if tie { 0.0 } else { sorted.get(1).map_or(0.0, |second| second - sorted[0]) };
    Ok(Solved {
        parents,
        confidences,
        candidates,
        scores: roots.scores.clone(),
        margin,
        contradicted: seen.contradicted,
        root: (!seen.contradicted && !tie).then_some(tree.root),
    })
}

struct Tree<'a> {
    root: usize,
    parents: Vec<Option<usize>>,
    inheritance: Inheritance,
    heritage: Heritage<'a>,
}

struct Context<'a> {
    geometry: &'a Geometry,
    models: &'a [ModelId],
    whole: &'a Comparison,
    plain: usize,
    merges: &'a [Vec<(usize, f64)>],
    norms: &'a Norms,
    roots: &'a Roots,
}

impl Context<'_> {
    /// The likeliest tree under a root, the weights that led to it, and whether the root is there: if it may be, lines are asked
    /// who has them from whom.
    fn tree(&self, root: usize, plain: &Comparison) -> Result<(Tree<'_>, Vec<f64>, Observed), Error> {
        let inheritance = Inheritance::of(self.whole, self.norms, root);
        let mut heritage = Heritage {
            geometry: self.geometry,
            models: self.models,
            lines: self.roots.lines.get(&root),
            derived: BTreeMap::new(),
        };
        let see = |parents: &[Option<usize>]| {
            // A child of a merge is one of the branch of the merge's heaviest parent.
            let above = |c: usize| std::iter::successors(parents[c], |&p| parents[p]).find(|&p| p < self.plain);
            let plain_parents: Vec<Option<usize>> = (0..self.plain).map(above).collect();
            observed(plain, self.roots, &inheritance, &plain_parents)
        };
        let (mut parents, mut weights) = self.parents(&inheritance, &heritage);
        let mut seen = see(&parents);
        if !seen.contradicted && heritage.lines.is_some() {
            heritage.derive(&inheritance)?;
            (parents, weights) = self.parents(&inheritance, &heritage);
            seen = see(&parents);
        }
        Ok((Tree { root, parents, inheritance, heritage }, weights, seen))
    }

    /// First without merges as parents, then with those that do not come after a child; and the weights that led to it.
    fn parents(&self, inheritance: &Inheritance, heritage: &Heritage<'_>) -> (Vec<Option<usize>>, Vec<f64>) {
        let (n, root) = (self.models.len(), inheritance.root);
        let mut weights = vec![f64::NEG_INFINITY; n * n];
        weights.par_chunks_mut(n).enumerate().for_each(|(q, row)| {
            for (c, weight) in row.iter_mut().enumerate().filter(|&(c, _)| c != root && c != q) {
                *weight = self.weight(inheritance, heritage, q, c);
            }
        });
        let mut allowed = weights.clone();
        for m in self.plain..n {
            // A merge whose heaviest parent is a merge has no other.
            (0..self.plain).for_each(|c| allowed[m * n + c] = f64::NEG_INFINITY);
        }
        let first = arborescence(&allowed, n, root);
        if self.plain < n {
            for (merge, m) in self.merges.iter().zip(self.plain..) {
                for c in 0..self.plain {
                    if merge.iter().any(|&(p, _)| descends(&first, p, c)) || !self.inherits(root, merge, c) {
                        weights[m * n + c] = f64::NEG_INFINITY;
                    }
                }
            }
        }
        let second = arborescence(&weights, n, root);
        let consistent =
            self.merges.iter().zip(self.plain..).all(|(merge, m)| merge.iter().all(|&(p, _)| !descends(&second, p, m)));
        if consistent { (second, weights) } else { (first, allowed) }
    }

    /// Whether c has, on top of what the root has, a share of every parent that a child of their merge would have; the merge
    /// lies between its parents, and what drifted with one of them is near to it too.
    fn inherits(&self, root: usize, merge: &[(usize, f64)], c: usize) -> bool {
        let parents: Vec<usize> =
            std::iter::once(root).chain(merge.iter().map(|p| p.0).filter(|&p| p != root)).collect();
        let squared = |a: usize, b: usize| self.whole.squared_distance(a, b);
        let Some(fitted) = fit(&squared, c, &parents) else { return false };
        merge.iter().filter(|(p, _)| *p != root).all(|(p, weight)| {
            let share = parents.iter().position(|other| other == p).map_or(0.0, |i| fitted.weights[i]);
            share / weight >= LEAST_SHARE
        })
    }

    /// Natural logarithm of the likelihood ratio of `q → c` against any one member being the parent by chance: the root is as
    /// likely as all others together before anything is measured.
    fn weight(&self, inheritance: &Inheritance, heritage: &Heritage<'_>, q: usize, c: usize) -> f64 {
        if let Some(merge) = c.checked_sub(self.plain).map(|m| &self.merges[m]) {
            return if merge.first().is_some_and(|&(heaviest, _)| heaviest == q) { 0.0 } else { f64::NEG_INFINITY };
        }
        let total = total(inheritance, heritage, q, c);
        if q == inheritance.root { total + self.prior() } else { total }
    }

    fn prior(&self) -> f64 {
        ((self.models.len() - 1).max(1) as f64).ln()
    }

    /// The likeliest parents of a member, and what speaks for each.
    fn candidates(&self, tree: &Tree<'_>, shares: &[f64], c: usize) -> Vec<Candidate> {
        let n = self.models.len();
        let mut order: Vec<usize> = (0..n).filter(|&q| q != c && shares[q * n + c] > 0.0).collect();
        order.sort_by(|&a, &b| shares[b * n + c].total_cmp(&shares[a * n + c]));
        let all: f64 = order.iter().map(|&q| shares[q * n + c]).sum();
        order.truncate(LISTED);
        let mut candidates: Vec<Candidate> = order
            .into_iter()
            .map(|q| {
                let mut found =
                    if c == tree.root { Vec::new() } else { evidence(&tree.inheritance, &tree.heritage, q, c) };
                if q == tree.root {
                    found.push(Evidence::new(Signal::Root, self.prior()));
                }
                Candidate::new(Some(self.models[q]), shares[q * n + c].clamp(0.0, 1.0), found)
            })
            .collect();
        let score = self.roots.scores[c];
        let of_root = (c == tree.root).then(|| Evidence::new(Signal::Root, -score));
        candidates.push(Candidate::new(None, (1.0 - all).clamp(0.0, 1.0), of_root.into_iter().collect()));
        candidates
    }
}

/// Parents in the tree of largest total weight.
///
/// Every child may be hung below the root instead, which never closes a cycle: no edge weaker than the root's is part of it.
fn arborescence(weights: &[f64], n: usize, root: usize) -> Vec<Option<usize>> {
    let cells = (0..n).flat_map(|q| (0..n).map(move |c| (q, c)));
    let edges: Vec<(usize, usize, f64)> = cells
        .filter(|&(q, c)| q != c && c != root && weights[q * n + c].is_finite())
        .filter(|&(q, c)| weights[q * n + c] >= weights[root * n + c])
        .map(|(q, c)| (q, c, -weights[q * n + c]))
        .collect();
    minimum_arborescence(n, root, &edges).unwrap_or_else(|| vec![None; n])
}

/// Whether `model` is `ancestor` or descends from it.
fn descends(parents: &[Option<usize>], model: usize, ancestor: usize) -> bool {
    let mut at = Some(model);
    let mut steps = 0;
    while let Some(m) = at.filter(|_| steps <= parents.len()) {
        if m == ancestor {
            return true;
        }
        at = parents[m];
        steps += 1;
    }
    false
}
