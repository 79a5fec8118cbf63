//! Models far nearer to another one than to anything else: rounded, quantized, or with noise added.

use super::link::{Link, Origin};
use super::search::{Distinct, Search};
use crate::error::Error;
use crate::geometry::{PairEvidence, ParameterView};
use crate::phylogeny::Relation;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The values of two models, compared; `None` where they cannot be read.
pub(super) type Pair = Option<Arc<PairEvidence>>;

/// A link of two models that lie near each other.
enum Near {
    /// Values prove it.
    Proved(Link),
    /// They differ by noise, which proves it only where everything else is far.
    Noise(Link),
}

impl Search<'_> {
    /// Links every model with the nearest one, where values tell that one was made from the other.
    pub(super) fn link_near(&mut self) -> Result<(), Error> {
        let mut looked_at = BTreeSet::new();
        let mut noisy = Vec::new();
        for copy in self.all() {
            let quantized = |a: Distinct| self.geometry.is_quantized(self.model(a));
            // A model in known steps is made from one in all bits. Two of them may be nearer to each other.
            let own = quantized(copy);
            let nearest = self
                .all()
                .filter(|&a| a != copy && !(own && quantized(a)))
                .min_by(|&a, &b| self.squared(copy, a).total_cmp(&self.squared(copy, b)));
            let Some(nearest) = nearest.filter(|&nearest| !self.is_linked(copy, nearest)) else { continue };
            if own {
                self.links.extend(self.in_known_steps(nearest, copy)?);
            } else if !quantized(nearest) && looked_at.insert([copy.min(nearest), copy.max(nearest)]) {
                match self.near([copy, nearest])? {
                    Some(Near::Proved(link)) => self.links.push(link),
                    Some(Near::Noise(link)) => noisy.push(link),
                    None => {}
                }
            }
        }
        self.link_with_originals()?;
        self.link_noisy(noisy)
    }

    /// Links copies of copies with the original, where values prove that as well.
    ///
    /// The nearest model of a copy in few bits may be another copy: what a fine rounding moves is lost in a coarse one.
    fn link_with_originals(&mut self) -> Result<(), Error> {
        for at in 0..self.links.len() {
            let [source, copy] = self.links[at].models;
            let above = |m: Distinct| self.links.iter().find(|link| link.derives(m)).map(|link| link.models[0]);
            let original = std::iter::successors(above(source), |&m| above(m)).take(self.models.len()).last();
            let Some(original) = original.filter(|&m| self.links[at].derives(copy) && m != copy) else { continue };
            let link = if self.geometry.is_quantized(self.model(copy)) {
                self.in_known_steps(original, copy)?
            } else {
                match self.near([original, copy])? {
                    Some(Near::Proved(link)) => Some(link),
                    _ => None,
                }
            };
            if let Some(link) = link.filter(|link| link.derives(copy)) {
                self.links[at] = link;
            }
        }
        Ok(())
    }

    /// The link of a model whose files hold codes and scales with the model that it was made from.
    fn in_known_steps(&self, source: Distinct, copy: Distinct) -> Result<Option<Link>, Error> {
        let Some(pair) = self.geometry.read_pair(self.model(source), self.model(copy))? else { return Ok(None) };
        let explained = self.weights.copies.explained;
        let fits = pair.rounding_ratio().is_some_and(|ratio| (1.0 / explained..=explained).contains(&ratio));
        let method = self.geometry.quantization(self.model(copy));
        Ok(fits.then(|| Link::proved(source, copy, Relation::Quantized).with_method(method)))
    }

    /// The link of two models whose values tell that one was made from the other.
    fn near(&self, [a, b]: [Distinct; 2]) -> Result<Option<Near>, Error> {
        let numbers = &self.weights.copies;
        let apart = (self.squared(a, b) / self.squared_norm(a).min(self.squared_norm(b))).sqrt();
        // Reading values is expensive. It happens only where the distances allow it.
        // A NaN is that of models that are zero throughout.
        if apart.is_nan() || apart > numbers.rounded {
            return Ok(None);
        }
        let Some(seen) = self.geometry.nearness(self.model(a), self.model(b))? else { return Ok(None) };
        if let Some(link) = self.rounded(a, b, &seen)? {
            return Ok(Some(Near::Proved(link)));
        }
        for (source, copy, steps) in [(a, b, seen.steps[0]), (b, a, seen.steps[1])] {
            if let Some(steps) = steps {
                let link = Link::proved(source, copy, Relation::Quantized);
                return Ok(Some(Near::Proved(link.with_method(Some(steps.method().to_owned())))));
            }
        }
        // What storage rounds off depends on the values. A grid and noise are much the same everywhere, and no training.
        let structured = seen.structure.is_some_and(|structure| structure > numbers.structure);
        if structured || !alike(&self.parameters, a, b, numbers.alike) {
            return Ok(None);
        }
        if let Some(link) = self.on_grid(a, b)? {
            return Ok(Some(Near::Proved(link)));
        }
        let noise = apart <= numbers.perturbed
            && 1.0 - seen.equal >= numbers.altered
            && seen.moved >= numbers.altered
            && seen.structure.is_some();
        Ok(noise.then(|| Near::Noise(Link::noise(a, b))))
    }

    /// Two models compared in both orders, each as the source of the other. Their values are read once for both.
    pub(super) fn both_ways(&self, a: Distinct, b: Distinct) -> Result<Vec<(Distinct, Distinct, Pair)>, Error> {
        let orders = [(a, b), (b, a)];
        let pairs = self.geometry.read_pairs(&orders.map(|(source, copy)| (self.model(source), self.model(copy))))?;
        Ok(orders.into_iter().zip(pairs).map(|((source, copy), pair)| (source, copy, pair)).collect())
    }

    /// The link of two models of which one lies on a grid over rows or whole tensors. All values are read where a look allows it.
    fn on_grid(&self, a: Distinct, b: Distinct) -> Result<Option<Link>, Error> {
        let may_be = |source, copy| self.geometry.may_lie_on_grid(self.model(source), self.model(copy));
        if !may_be(a, b)? && !may_be(b, a)? {
            return Ok(None);
        }
        for (source, copy, pair) in self.both_ways(a, b)? {
            if let Some(bits) = pair.and_then(|pair| pair.quantized_bits()) {
                let method = Some(format!("{bits} bits"));
                return Ok(Some(Link::proved(source, copy, Relation::Quantized).with_method(method)));
            }
        }
        Ok(None)
    }

    /// Adds links of models that differ by noise, where they are far nearer to each other than to all others, or where others
    /// do not differ by noise.
    ///
    /// Several copies of one model are near to one another, so that links are judged component by component.
    fn link_noisy(&mut self, noisy: Vec<Link>) -> Result<(), Error> {
        let before = self.links.len();
        self.links.extend(noisy);
        let far = self.weights.copies.far_nearer.powi(2);
        let mut kept = vec![true; self.links.len()];
        let mut origins: Vec<Origin> = self.links.iter().map(|link| link.origin).collect();
        for component in self.components() {
            let outside: Vec<Distinct> = self.all().filter(|x| !component.contains(x)).collect();
            for (at, link) in
                self.links.iter().enumerate().skip(before).filter(|(_, l)| component.contains(&l.models[0]))
            {
                let [a, b] = link.models;
                let to = |x: &Distinct| self.squared(*x, a).min(self.squared(*x, b));
                kept[at] =
                    outside.iter().all(|x| far * self.squared(a, b) <= to(x)) || self.stands_out([a, b], &outside)?;
                if self.shared_in_part(a, b, &outside) {
                    origins[at] = Origin::Neither;
                }
            }
        }
        self.links.iter_mut().zip(origins).for_each(|(link, origin)| link.origin = origin);
        let mut kept = kept.into_iter();
        self.links.retain(|_| kept.next().unwrap_or(true));
        Ok(())
    }

    /// Whether the rest of the family moved as training does, so that noise stands out however near the rest is.
    fn stands_out(&self, pair: [Distinct; 2], others: &[Distinct]) -> Result<bool, Error> {
        let apart = others.iter().flat_map(|&x| pair.map(|m| (self.squared(x, m), x, m)));
        let Some((_, x, m)) = apart.min_by(|a, b| a.0.total_cmp(&b.0)) else { return Ok(false) };
        let seen = self.geometry.nearness(self.model(m), self.model(x))?;
        let structure = seen.and_then(|seen| seen.structure);
        Ok(structure.is_some_and(|structure| structure > self.weights.copies.structure))
    }

    /// Whether a part of what two models differ by is in all others: then both are copies of an absent model.
    ///
    /// Others share nothing of the noise where the source is there, and all of it where the two change places.
    fn shared_in_part(&self, a: Distinct, b: Distinct, others: &[Distinct]) -> bool {
        let values: usize = self.parameters.iter().map(|p| p.size()).sum();
        let apart = self.squared(a, b);
        let (mut sum, mut weights) = (0.0, 0.0);
        for &x in others {
            let (to_a, to_b) = (self.squared(x, a), self.squared(x, b));
            // The inverse of the variance of the share over so many values.
            let weight = apart * values as f64 / to_a.min(to_b);
            sum += weight * (to_a + apart - to_b) / (2.0 * apart);
            weights += weight;
        }
        let between = self.weights.copies.between;
        let (share, error) = (sum / weights, 1.0 / weights.sqrt());
        SURE * error < between && (between..=1.0 - between).contains(&share)
    }
}

/// How many standard errors a share must be from its bounds.
const SURE: f64 = 3.0;

/// Whether two models moved apart by about the same share in all parameters that moved.
///
/// Parameters that did not move are ignored: many conversions leave embeddings as they are.
fn alike(parameters: &[&ParameterView], a: Distinct, b: Distinct, most: f64) -> bool {
    let relative = parameters.iter().map(|p| (p.squared_distance(a, b) / p.squared_norm(a)).sqrt());
    let (mut least, mut largest) = (f64::INFINITY, 0.0f64);
    for r in relative.filter(|r| r.is_finite() && *r > 0.0) {
        least = least.min(r);
        largest = largest.max(r);
    }
    largest <= most * least
}
