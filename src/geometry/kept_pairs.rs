use super::marginals::{Holder, Marginals, Place};
use super::pairwise::{Pairwise, ParameterGeometry};
use crate::error::Error;
use crate::kernel::{Packed, median};
use rayon::prelude::*;
use std::sync::Arc;

/// The distances of all pairs of a group, kept in memory.
#[derive(Debug)]
pub(super) struct KeptPairs {
    models: usize,
    parameters: Vec<Arc<ParameterGeometry>>,
    /// Squared distances over the parameters that both models hold and that are in the scope. The diagonal is 0.
    total: Packed,
}

impl KeptPairs {
    /// Sums the distances of the parameters for which `counts` is true.
    pub(super) fn new(models: usize, parameters: Vec<ParameterGeometry>, counts: impl Fn(&Marginals) -> bool) -> Self {
        let mut total = Packed::zeros(models);
        for p in parameters.iter().filter(|p| counts(&p.marginals)) {
            for (a, &i) in p.marginals.holders.iter().enumerate() {
                for (b, &j) in p.marginals.holders[..a].iter().enumerate() {
                    total.add(i.0, j.0, p.distances.value(a, b));
                }
            }
        }
        Self { models, parameters: parameters.into_iter().map(Arc::new).collect(), total }
    }
}

impl Pairwise for KeptPairs {
    fn marginals(&self) -> Box<dyn Iterator<Item = &Marginals> + '_> {
        Box::new(self.parameters.iter().map(|p| &p.marginals))
    }

    fn parameters(&self, _: &[Place]) -> Result<Vec<Arc<ParameterGeometry>>, Error> {
        Ok(self.parameters.clone())
    }

    fn z(&self, parameters: &[usize]) -> Result<Packed, Error> {
        let used: Vec<CenteredParameter<'_>> =
            parameters.iter().map(|&p| CenteredParameter::new(&self.parameters[p])).collect();
        let mut z = Packed::constant(self.models, f64::NAN);
        z.rows_mut().into_par_iter().enumerate().for_each(|(i, row)| {
            let mut found = Vec::with_capacity(used.len());
            for (j, z) in row[..i].iter_mut().enumerate() {
                *z = pooled(&used, Holder(i), Holder(j), &mut found).unwrap_or(f64::NAN);
            }
        });
        Ok(z)
    }

    fn kept_squared_distance(&self, i: Place, j: Place) -> Option<f64> {
        Some(if i == j { 0.0 } else { self.total.value(i.0, j.0) })
    }
}

/// One parameter that all models hold, and for each model the squared norm of its values centered to mean 0.
struct CenteredParameter<'g> {
    parameter: &'g ParameterGeometry,
    norms: Vec<f64>,
    root_size: f64,
}

impl<'g> CenteredParameter<'g> {
    fn new(parameter: &'g ParameterGeometry) -> Self {
        let marginals = &parameter.marginals;
        let norms = (0..marginals.holders.len()).map(|i| marginals.centered_norm(Holder(i))).collect();
        Self { parameter, norms, root_size: (marginals.size() as f64).sqrt() }
    }
}

/// Returns the median of `z_t`. `z` is a buffer for one value per parameter.
fn pooled(parameters: &[CenteredParameter<'_>], i: Holder, j: Holder, z: &mut Vec<f64>) -> Option<f64> {
    z.clear();
    for p in parameters {
        let norms = p.norms[i.0] * p.norms[j.0];
        // A parameter that is constant in one of the models has no direction, and no cosine.
        if norms > 0.0 {
            let inner = p.parameter.centered_inner(i, j);
            // Rounding may give nearly equal models a cosine above 1.
            let cosine = (inner / norms.sqrt()).clamp(-1.0, 1.0);
            z.push(cosine * p.root_size);
        }
    }
    median(z)
}
