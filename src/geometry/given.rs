//! Geometries made from distances that were measured elsewhere.

use super::group::GroupGeometry;
use super::marginals::{Marginals, Place, TensorMarginals};
use super::pairwise::ParameterGeometry;
use super::settings::Scope;
use super::{Geometry, Quantity};
use crate::error::Error;
use crate::kernel::{Moments, Packed};
use crate::model_set::{Kind, ModelId};
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// Squared distances of n models in one parameter, measured elsewhere. [`Geometry::of_distances`] takes a list of these.
///
/// A *parameter* is anything in which models are compared: a tensor, the activations of a layer, or the answers to a set of
/// prompts. Its kind is [`Matrix`](Kind::Matrix) unless set. Norms and size are unknown unless set.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterDistances {
    name: String,
    kind: Kind,
    models: usize,
    /// Row-major.
    squared: Vec<f64>,
    squared_norms: Option<Vec<f64>>,
    size: usize,
}

impl ParameterDistances {
    /// Takes a row-major matrix of shape (models, models): entry `a · models + b` is `d²(a, b)`.
    pub fn new(name: impl Into<String>, models: usize, squared: impl Into<Vec<f64>>) -> Self {
        let (name, squared) = (name.into(), squared.into());
        Self { name, kind: Kind::Matrix, models, squared, squared_norms: None, size: 0 }
    }

    /// Takes a function: `squared(a, b)` is `d²(a, b)`. It is called for every ordered pair, also for `a = b`.
    pub fn from_fn(name: impl Into<String>, models: usize, mut squared: impl FnMut(usize, usize) -> f64) -> Self {
        let mut all = Vec::with_capacity(models * models);
        for a in 0..models {
            all.extend((0..models).map(|b| squared(a, b)));
        }
        Self::new(name, models, all)
    }

    /// Computes distances, norms and size from points, one for each model. The size is the largest number of coordinates.
    ///
    /// Coordinates that a point lacks count as 0.
    pub fn from_points(name: impl Into<String>, points: &[impl AsRef<[f64]>]) -> Self {
        let size = points.iter().map(|p| p.as_ref().len()).max().unwrap_or(0);
        let at = |p: &[f64], c: usize| p.get(c).copied().unwrap_or(0.0);
        let squared = |a: &[f64], b: &[f64]| (0..size).map(|c| (at(a, c) - at(b, c)).powi(2)).sum::<f64>();
        let norms: Vec<f64> = points.iter().map(|p| squared(p.as_ref(), &[])).collect();
        Self::from_fn(name, points.len(), |a, b| squared(points[a].as_ref(), points[b].as_ref()))
            .with_squared_norms(norms)
            .with_size(size)
    }

    /// Sets the kind. Default: matrix. If there are matrices, distances cover only these.
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Sets `‖θ_a‖²` of each model. Default: unknown.
    ///
    /// [`SmallestNorm`](crate::parent::SmallestNorm) and [`LineageDetector`](crate::detect::LineageDetector) need the norms.
    pub fn with_squared_norms(mut self, squared_norms: impl Into<Vec<f64>>) -> Self {
        self.squared_norms = Some(squared_norms.into());
        self
    }

    /// Sets the number of values D. Default: 0, unknown.
    ///
    /// With size and norms, [`Independence`](crate::geometry::Independence) can be computed. It assumes values of mean 0.
    pub fn with_size(mut self, size: usize) -> Self {
        self.size = size;
        self
    }

    fn at(&self, a: usize, b: usize) -> f64 {
        self.squared[a * self.models + b]
    }

    fn squared_norm(&self, a: usize) -> f64 {
        self.squared_norms.as_ref().map_or(f64::NAN, |norms| norms[a])
    }

    fn refuse<T>(&self, found: String, expected: &'static str) -> Result<T, Error> {
        Err(Error::InvalidDistances { parameter: self.name.clone(), found, expected })
    }

    fn check(&self, models: usize) -> Result<(), Error> {
        let n = self.models;
        if n != models {
            return self.refuse(format!("{n} models"), "as many models as the first parameter has");
        }
        if n < 2 {
            return self.refuse(format!("{n} models"), "at least two models");
        }
        if n.checked_mul(n) != Some(self.squared.len()) {
            return self.refuse(format!("{} entries for {n} models", self.squared.len()), "one for each ordered pair");
        }
        // The exact pass gives an exact 0 and a symmetric matrix, and all that follows relies on both.
        for a in 0..n {
            if self.at(a, a) != 0.0 {
                return self.refuse(format!("{} at ({a}, {a})", self.at(a, a)), "0 on the diagonal");
            }
            for b in 0..a {
                let (lower, upper) = (self.at(a, b), self.at(b, a));
                for (x, place) in [(lower, (a, b)), (upper, (b, a))] {
                    if !(x.is_finite() && x >= 0.0) {
                        return self.refuse(format!("{x} at {place:?}"), "a finite squared distance, at least 0");
                    }
                }
                if lower != upper {
                    let found = format!("{lower} at ({a}, {b}) and {upper} at ({b}, {a})");
                    return self
                        .refuse(found, "a symmetric matrix: where only rounding differs, take the mean of both");
                }
            }
        }
        // Norms may be missing: detectors that need them say so by themselves.
        let Some(norms) = &self.squared_norms else { return Ok(()) };
        if norms.len() != n {
            return self.refuse(format!("{} squared norms for {n} models", norms.len()), "one for each model");
        }
        match norms.iter().position(|x| !(x.is_finite() && *x >= 0.0)) {
            Some(a) => self.refuse(format!("squared norm {} of model {a}", norms[a]), "a finite number, at least 0"),
            None => Ok(()),
        }
    }

    /// Converts the parameter, with the models reordered. A value that is not known is NaN.
    fn geometry(&self, order: &[usize]) -> ParameterGeometry {
        let n = self.models;
        let mut distances = Packed::zeros(n);
        let mut fingerprints = Vec::with_capacity(n);
        let mut moments = Vec::with_capacity(n);
        for (i, &a) in order.iter().enumerate() {
            for (j, &b) in order[..i].iter().enumerate() {
                distances.set(i, j, self.at(a, b));
            }
            distances.set(i, i, self.squared_norm(a));
            // Models at distance 0 share a fingerprint: the place of the first of them.
            let first = order[..i].iter().position(|&b| self.at(a, b) == 0.0).unwrap_or(i);
            fingerprints.push(first as u128);
            moments.push(Moments {
                count: self.size as f64,
                mean: 0.0,
                m2: self.squared_norm(a),
                m3: f64::NAN,
                m4: f64::NAN,
            });
        }
        let tensor = TensorMarginals { name: self.name.clone(), size: self.size, moments, fingerprints };
        let holders = (0..n).map(Place).collect();
        let marginals = Marginals { kind: self.kind, tensors: vec![tensor], holders };
        ParameterGeometry { marginals, distances, to_initialization: None, width: None }
    }
}

impl Geometry {
    /// Creates the geometry of models of which only distances are known, for example distances of their behavior.
    ///
    /// Model a of the result is row a of every matrix. All parameters must hold the same models. Such a geometry does not have:
    ///
    /// - values: [`read_pair`](Self::read_pair) and [`read_lines`](Self::read_lines) return `None`;
    /// - dtypes, counters and shapes: [`dtype`](Self::dtype) is `None`, [`counters`](Self::counters) is empty;
    /// - norms, unless given: [`norm`](Self::norm) is NaN;
    /// - [independence](Self::independence), unless norms and size are given;
    /// - moments beyond the second.
    ///
    /// A detector or selector that needs one of these fails with [`Error::NotMeasured`]. [`require`](Self::require) makes this
    /// check. Without independence, families must be given: [`Families::Count(1)`](crate::detect::Families::Count). Models at
    /// distance 0 in a parameter count as equal in it.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidSetting`] when there is no parameter.
    /// - [`Error::InvalidDistances`] for an entry that is negative or not finite, for a diagonal other than 0, and for a matrix
    ///   that is not symmetric.
    /// - [`Error::InvalidDistances`] also for different numbers of models, for fewer than two models, for squared norms that
    ///   are negative, not finite or not one per model, and for a name that comes twice.
    ///
    /// # Complexity
    ///
    /// O(n² (T + log n)) time for n models and T parameters, and as much memory as was given.
    ///
    /// ```
    /// use neural_phylogeny::ModelId;
    /// use neural_phylogeny::geometry::{Geometry, ParameterDistances};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // Squared distances of answers: models 1 and 2 each moved away from model 0.
    /// let answers = ParameterDistances::new("answers", 3, [0.0, 1.0, 4.0, 1.0, 0.0, 5.0, 4.0, 5.0, 0.0]);
    /// let geometry = Geometry::of_distances([answers])?;
    /// assert_eq!(geometry.distance(ModelId::new(0), ModelId::new(2)), Some(2.0));
    ///
    /// let wrong = ParameterDistances::new("answers", 2, [0.0, -1.0, -1.0, 0.0]);
    /// let error = Geometry::of_distances([wrong]).unwrap_err();
    /// assert!(error.to_string().contains("-1 at (1, 0)"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn of_distances(parameters: impl IntoIterator<Item = ParameterDistances>) -> Result<Self, Error> {
        let mut parameters: Vec<ParameterDistances> = parameters.into_iter().collect();
        let Some(models) = parameters.first().map(|p| p.models) else {
            let found = "empty".to_owned();
            return Err(Error::InvalidSetting { setting: "distances", found, expected: "at least one parameter" });
        };
        let mut names = BTreeSet::new();
        for parameter in &parameters {
            parameter.check(models)?;
            if !names.insert(parameter.name.as_str()) {
                return parameter.refuse("the name twice".to_owned(), "a name of its own for each parameter");
            }
        }
        // Neither the order of the parameters nor that of the models may change the result.
        parameters.sort_by(|a, b| a.name.cmp(&b.name));
        let order = by_content(&parameters, models);
        let lacking = lacking(&parameters);
        let known = parameters.iter().map(|p| p.geometry(&order)).collect();
        let members = order.into_iter().map(ModelId::new).collect();
        let group = GroupGeometry::new(members, known, vec![0; models], Scope::default());
        Ok(Self { lacking, ..Self::from_groups(models, vec![group]) })
    }
}

/// Returns the quantities that the parameters in the scope do not give.
fn lacking(parameters: &[ParameterDistances]) -> Vec<Quantity> {
    let matrices = parameters.iter().any(|p| p.kind == Kind::Matrix);
    let counted = || parameters.iter().filter(move |p| !matrices || p.kind == Kind::Matrix);
    let mut lacking = vec![Quantity::Moments];
    let mut note = |quantity, known: bool| lacking.extend((!known).then_some(quantity));
    note(Quantity::Norms, counted().all(|p| p.squared_norms.is_some()));
    note(Quantity::Sizes, counted().all(|p| p.size > 0));
    note(Quantity::Independence, counted().any(|p| p.squared_norms.is_some() && p.size > 0));
    lacking
}

/// Returns an order of the models by their norms and sorted distances, parameter by parameter. Models that agree in all of
/// these keep their order.
fn by_content(parameters: &[ParameterDistances], models: usize) -> Vec<usize> {
    let of = |a: usize| -> Vec<f64> {
        let mut all = Vec::with_capacity(parameters.len() * (models + 1));
        for p in parameters {
            all.push(p.squared_norm(a));
            let begin = all.len();
            all.extend((0..models).map(|b| p.at(a, b)));
            all[begin..].sort_unstable_by(f64::total_cmp);
        }
        all
    };
    let known: Vec<Vec<f64>> = (0..models).map(of).collect();
    let mut order: Vec<usize> = (0..models).collect();
    order.sort_by(|&a, &b| {
        let differences = known[a].iter().zip(&known[b]).map(|(x, y)| x.total_cmp(y));
        differences.into_iter().find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    });
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_set::Position;

    fn id(index: usize) -> ModelId {
        ModelId::new(index)
    }

    #[test]
    fn distances_and_norms_are_those_given_whatever_the_order() -> Result<(), Error> {
        let points = [vec![3.0, 0.0], vec![1.0, 1.0], vec![0.0, 2.0], vec![1.0, 1.0]];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
            let shuffled: Vec<&[f64]> = order.iter().map(|&o| points[o].as_slice()).collect();
            let geometry = Geometry::of_distances([ParameterDistances::from_points("w", &shuffled)])?;
            let comparison = geometry.compare(&[id(0), id(1), id(2), id(3)])?;
            for (a, p) in shuffled.iter().enumerate() {
                assert!((geometry.norm(id(a)) - p[0].hypot(p[1])).abs() < 1e-15);
                for (b, q) in shuffled.iter().enumerate() {
                    let expected = (p[0] - q[0]).powi(2) + (p[1] - q[1]).powi(2);
                    assert_eq!(comparison.squared_distance(Position::new(a), Position::new(b)), expected);
                    assert_eq!(geometry.identical(id(a), id(b)), expected == 0.0);
                }
            }
            // The two of the same values are neighbors; all others stand where their values say.
            let norms: Vec<f64> = geometry.models().iter().map(|&m| geometry.norm(m)).collect();
            assert!(norms.is_sorted(), "{norms:?}");
            assert!(geometry.read_pair(id(0), id(1))?.is_none());
        }
        Ok(())
    }

    #[test]
    fn independence_needs_norms_and_sizes() -> Result<(), Error> {
        let squared = |a: usize, b: usize| if a == b { 0.0 } else { 2.0 };
        let bare = ParameterDistances::from_fn("w", 3, squared);
        let geometry = Geometry::of_distances([bare.clone()])?;
        assert!(geometry.norm(id(0)).is_nan());
        assert_eq!(geometry.independence().z(id(0), id(1)), None);
        for quantity in [Quantity::Norms, Quantity::Independence, Quantity::Moments, Quantity::Sizes] {
            assert!(matches!(geometry.require(quantity), Err(Error::NotMeasured { .. })), "{quantity}");
        }
        let known = bare.with_squared_norms([1.0, 1.0, 1.0]).with_size(100);
        let geometry = Geometry::of_distances([known])?;
        // ⟨a, b⟩ = (1 + 1 − 2) / 2 = 0.
        assert_eq!(geometry.independence().z(id(0), id(1)), Some(0.0));
        geometry.require(Quantity::Norms)?;
        geometry.require(Quantity::Independence)
    }

    #[test]
    fn what_is_no_matrix_of_squared_distances_is_refused_with_its_place() {
        let cases: [(&str, Vec<f64>); 6] = [
            ("3 entries for 2 models", vec![0.0, 1.0, 1.0]),
            ("0.5 at (1, 1)", vec![0.0, 1.0, 1.0, 0.5]),
            ("NaN at (0, 1)", vec![0.0, f64::NAN, 1.0, 0.0]),
            ("inf at (1, 0)", vec![0.0, 1.0, f64::INFINITY, 0.0]),
            ("-2 at (1, 0)", vec![0.0, -2.0, -2.0, 0.0]),
            ("3 at (1, 0) and 2 at (0, 1)", vec![0.0, 2.0, 3.0, 0.0]),
        ];
        for (found, squared) in cases {
            let error = Geometry::of_distances([ParameterDistances::new("w", 2, squared)]).unwrap_err().to_string();
            assert!(error.contains(found) && error.contains("`w`"), "{error}");
        }
        let fine = ParameterDistances::new("w", 2, [0.0, 1.0, 1.0, 0.0]);
        for norms in [vec![1.0], vec![1.0, -1.0], vec![f64::NAN, 1.0]] {
            assert!(Geometry::of_distances([fine.clone().with_squared_norms(norms)]).is_err());
        }
        assert!(Geometry::of_distances([fine.clone(), fine.clone()]).is_err());
        assert!(Geometry::of_distances([ParameterDistances::new("v", 3, [0.0; 9]), fine]).is_err());
        assert!(Geometry::of_distances([]).is_err());
        assert!(Geometry::of_distances([ParameterDistances::new("w", 1, [0.0])]).is_err());
    }
}
