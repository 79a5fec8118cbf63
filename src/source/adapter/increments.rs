//! The increment of a module from its pieces, after checking that they fit the weight.

use super::factor::{Factor, Values};
use super::fit::{Change, Fit};
use super::increment::Increment;
use super::kronecker::{Kronecker, Matrix};
use super::low_rank::LowRank;
use super::magnitude::Magnitude;
use super::module::{Module, Rules};
use super::piece::Piece;
use crate::error::SourceError;

impl Fit<'_> {
    /// Adds to a weight what the pieces of its module say: factors, products of factors, or a whole difference.
    pub(super) fn add(&mut self, module: &Module<'_>, rules: &Rules<'_>) -> Result<(), SourceError> {
        let increment = if module.has(Piece::Hada1A) || module.has(Piece::Hada1B) {
            self.hadamard(module, rules)?
        } else if module.has(Piece::Kron1) || module.has(Piece::Kron1A) {
            self.kronecker(module, rules)?
        } else if let Some(key) = module.take(Piece::Difference) {
            self.difference(&module.weight, key)?
        } else {
            Increment::LowRank(self.low_rank(module, rules)?)
        };
        let magnitude = self.magnitude(module, &increment)?;
        let bias = match (module.take(Piece::OutputBias), module.take(Piece::BiasDifference)) {
            (Some(key), None) => Some((key, (rules.scale)(None)?)),
            (None, Some(key)) => Some((key, 1.0)),
            (None, None) => None,
            (Some(key), Some(_)) => return Err(self.unsupported(format!("two changes of one bias (`{key}`)"))),
        };
        if let Some(key) = module.left() {
            return Err(self.unsupported(format!("a tensor `{key}`")));
        }
        if let Some((key, scale)) = bias {
            let target = module.bias();
            let difference = match self.difference(&target, key)? {
                Increment::Difference { tensor, .. } => Increment::Difference { tensor, scale },
                other => other,
            };
            self.change(&target, Change::Sum { increment: Box::new(difference), magnitude: None }, &[key])?;
        }
        self.change(&module.weight, Change::Sum { increment: Box::new(increment), magnitude }, &module.keys())
    }

    /// Returns the shape of the weight of a module.
    fn weight(&self, module: &Module<'_>) -> &[usize] {
        self.tensors.get(&module.weight).map_or(&[], |tensor| &tensor.shape)
    }

    fn low_rank(&self, module: &Module<'_>, rules: &Rules<'_>) -> Result<LowRank, SourceError> {
        let take = |p| module.take(p);
        let factors = (take(Piece::A), take(Piece::B), take(Piece::EmbeddingA), take(Piece::EmbeddingB));
        let (a, b, embedding) = match factors {
            (Some(a), Some(b), None, None) => (a, b, false),
            (None, None, Some(a), Some(b)) => (a, b, true),
            _ => {
                let expected = "one factor A and one factor B".to_owned();
                return Err(self.mismatch(module.name, module.names(), expected));
            }
        };
        let weight = self.weight(module);
        let (a_shape, b_shape) = (self.shape(a), self.shape(b));
        let misfit = || {
            let found = format!("shape {b_shape:?}, with {a_shape:?} for `{a}`");
            self.mismatch(b, found, format!("factors of a weight of shape {weight:?}"))
        };
        let (&[rank, ref inputs @ ..], &[outputs, inner, ref ones @ ..]) = (a_shape, b_shape) else {
            return Err(misfit());
        };
        // In convolutions, A has the dimensions of the kernel, and B has ones in their place.
        if rank == 0 || inner == 0 || inputs.is_empty() || ones.iter().any(|&n| n != 1) {
            return Err(misfit());
        }
        if let Some(core) = take(Piece::Core) {
            return self.tucker(module, rules, (a, b), core);
        }
        if rank != inner {
            return Err(misfit());
        }
        let scale = (rules.scale)(Some(rank))?;
        let plain = match rules.flattened {
            false => weight.split_first() == Some((&outputs, inputs)),
            true => flat(weight) == Some((outputs, count(inputs))),
        };
        // A square linear weight fits both ways, and only then does the configuration decide.
        let turned = !rules.flattened && weight == [inputs[0], outputs] && inputs.len() == 1;
        let transposed = match (plain, turned) {
            // The weight of an embedding has its inputs, the tokens, as rows.
            (_, true) if embedding => true,
            (true, false) if !embedding => false,
            (false, true) => true,
            (true, true) => rules.transposed,
            _ => return Err(misfit()),
        };
        let inputs = count(inputs);
        let mut factor = Factor::by_rank(a, inputs);
        if let Some(diagonal) = take(Piece::Diagonal) {
            if self.size(diagonal) != rank {
                let found = format!("shape {:?}", self.shape(diagonal));
                return Err(self.mismatch(diagonal, found, format!("{rank} values")));
            }
            factor = factor.with_rank_scales(diagonal);
        }
        Ok(LowRank { a: factor, b: Factor::by_place(b), rank, inputs, outputs, scale, transposed })
    }

    /// Returns the factors of a convolution with a kernel between them (LoCon).
    fn tucker(
        &self,
        module: &Module<'_>,
        rules: &Rules<'_>,
        (a, b): (&String, &String),
        core: &str,
    ) -> Result<LowRank, SourceError> {
        let weight = self.weight(module);
        let (&[outer, inner, ref kernel @ ..], &[middle, channels, ref ones @ ..]) = (self.shape(core), self.shape(a))
        else {
            return Err(self.unfit(core, weight));
        };
        let outputs = self.shape(b)[0];
        let kernel_size: usize = count(kernel);
        let whole = channels.checked_mul(kernel_size);
        let fits = self.shape(b)[1] == outer
            && inner == middle
            && ones.iter().all(|&n| n == 1)
            && kernel_size > 0
            && whole.is_some_and(|inputs| flat(weight) == Some((outputs, inputs)));
        if !fits {
            return Err(self.unfit(core, weight));
        }
        let scale = (rules.scale)(Some(middle))?;
        let inputs = channels * kernel_size;
        let (core, side) = (core.to_owned(), a.clone());
        let values = Values::Tucker { core, side, middle, kernel: kernel_size, places: inputs };
        let (a, b) = (Factor::new(values), Factor::by_place(b));
        Ok(LowRank { a, b, rank: outer, inputs, outputs, scale, transposed: false })
    }

    /// Returns the product of the pieces a and b, with an optional kernel between them, as LyCORIS stores it.
    fn half(&self, [a, b, core]: [Option<&String>; 3], module: &Module<'_>) -> Result<LowRank, SourceError> {
        let (Some(a), Some(b)) = (a, b) else {
            return Err(self.mismatch(module.name, module.names(), "both factors of each product".to_owned()));
        };
        let weight = self.weight(module);
        let (&[a_rows, a_columns], &[rank, columns]) = (self.shape(a), self.shape(b)) else {
            return Err(self.unfit(a, weight));
        };
        let Some(core) = core else {
            if rank == 0 || a_columns != rank {
                return Err(self.unfit(a, weight));
            }
            let (a, b) = (Factor::by_rank(b, columns), Factor::by_place(a));
            return Ok(LowRank { a, b, rank, inputs: columns, outputs: a_rows, scale: 1.0, transposed: false });
        };
        // With a kernel, the factor of the outputs is stored with ranks as rows.
        let &[outer, inner, ref kernel @ ..] = self.shape(core) else { return Err(self.unfit(core, weight)) };
        let kernel: usize = count(kernel);
        if outer == 0 || inner != rank || outer != a_rows || kernel == 0 || columns.checked_mul(kernel).is_none() {
            return Err(self.unfit(core, weight));
        }
        let places = columns * kernel;
        let values = Values::Tucker { core: core.clone(), side: b.clone(), middle: rank, kernel, places };
        let (a, b) = (Factor::new(values), Factor::by_rank(a, a_columns));
        Ok(LowRank { a, b, rank: outer, inputs: places, outputs: a_columns, scale: 1.0, transposed: false })
    }

    fn hadamard(&self, module: &Module<'_>, rules: &Rules<'_>) -> Result<Increment, SourceError> {
        let take = |p| module.take(p);
        let first = self.half([take(Piece::Hada1A), take(Piece::Hada1B), take(Piece::Hada1Core)], module)?;
        let second = self.half([take(Piece::Hada2A), take(Piece::Hada2B), take(Piece::Hada2Core)], module)?;
        let weight = self.weight(module);
        if [&first, &second].iter().any(|half| flat(weight) != Some((half.outputs, half.inputs))) {
            return Err(self.unfit(&module.keys()[0].clone(), weight));
        }
        let scale = (rules.scale)(Some(first.rank))?;
        Ok(Increment::Hadamard { halves: Box::new([first, second]), scale })
    }

    fn kronecker(&self, module: &Module<'_>, rules: &Rules<'_>) -> Result<Increment, SourceError> {
        let take = |p| module.take(p);
        let first = match take(Piece::Kron1) {
            Some(key) => self.whole(key, module)?,
            None => Matrix::Product(Box::new(self.half([take(Piece::Kron1A), take(Piece::Kron1B), None], module)?)),
        };
        let second = match take(Piece::Kron2) {
            Some(key) => self.whole(key, module)?,
            None => {
                let pieces = [take(Piece::Kron2A), take(Piece::Kron2B), take(Piece::Kron2Core)];
                Matrix::Product(Box::new(self.half(pieces, module)?))
            }
        };
        let weight = self.weight(module);
        let product = |a: usize, b: usize| a.checked_mul(b);
        let shape = (product(first.rows(), second.rows()), product(first.columns(), second.columns()));
        if flat(weight).map(|(outputs, inputs)| (Some(outputs), Some(inputs))) != Some(shape) {
            return Err(self.unfit(&module.keys()[0].clone(), weight));
        }
        let rank = [&first, &second].into_iter().find_map(|matrix| match matrix {
            Matrix::Product(product) => Some(match &product.a.values {
                Values::Tucker { middle, .. } => *middle,
                _ => product.rank,
            }),
            Matrix::Stored { .. } => None,
        });
        let scale = (rules.scale)(rank)?;
        Ok(Increment::Kronecker(Kronecker { first, second, scale }))
    }

    /// Returns a stored matrix, with kernel dimensions flattened.
    fn whole(&self, key: &str, module: &Module<'_>) -> Result<Matrix, SourceError> {
        let (rows, columns) = flat(self.shape(key)).ok_or_else(|| self.unfit(key, self.weight(module)))?;
        Ok(Matrix::Stored { tensor: key.to_owned(), rows, columns })
    }

    /// Returns a whole difference of a tensor of the base.
    fn difference(&self, target: &str, key: &str) -> Result<Increment, SourceError> {
        let Some(tensor) = self.tensors.get(target) else {
            let expected = format!("a tensor `{target}` in the base{}", self.near(target));
            return Err(self.mismatch(key, "no such tensor".to_owned(), expected));
        };
        if self.shape(key) != tensor.shape {
            return Err(self.mismatch(key, format!("shape {:?}", self.shape(key)), format!("{:?}", tensor.shape)));
        }
        Ok(Increment::Difference { tensor: key.to_owned(), scale: 1.0 })
    }

    /// Returns the magnitudes of a module's weight, if it has some.
    fn magnitude(&self, module: &Module<'_>, increment: &Increment) -> Result<Option<Magnitude>, SourceError> {
        let shape = self.weight(module);
        let size = count(shape);
        if let Some(key) = module.take(Piece::Magnitude) {
            let transposed = matches!(increment, Increment::LowRank(product) if product.transposed);
            let outputs = if transposed { shape.get(1) } else { shape.first() }.copied().unwrap_or(1);
            let stride = if transposed { 1 } else { count(shape.get(1..).unwrap_or(&[])) };
            let found = self.shape(key);
            let mut long = found.iter().filter(|&&n| n != 1);
            return match (long.next(), long.next(), found.is_empty()) {
                (Some(&n), None, _) if n == outputs => Ok(Some(Magnitude::new(key.clone(), size, outputs, stride))),
                (None, _, false) if outputs == 1 => Ok(Some(Magnitude::new(key.clone(), size, outputs, stride))),
                _ => Err(self.mismatch(key, format!("shape {found:?}"), format!("{outputs} magnitudes"))),
            };
        }
        let Some(key) = module.take(Piece::Norms) else { return Ok(None) };
        let (found, &[outputs, inputs, ref kernel @ ..]) = (self.shape(key), shape) else {
            return Err(self.unfit(key, shape));
        };
        let kernel: usize = count(kernel);
        let ones = |dimensions: &[usize]| dimensions.iter().all(|&n| n == 1);
        let magnitude = match *found {
            [n, ref rest @ ..] if n == outputs && ones(rest) => {
                Magnitude::new(key.clone(), size, outputs, inputs * kernel)
            }
            [1, n, ref rest @ ..] if n == inputs && ones(rest) => Magnitude::new(key.clone(), size, inputs, kernel),
            _ => return Err(self.unfit(key, shape)),
        };
        Ok(Some(magnitude.with_floor(f64::from(f32::EPSILON))))
    }

    pub(super) fn unfit(&self, key: &str, weight: &[usize]) -> SourceError {
        let expected = format!("pieces of a weight of shape {weight:?}");
        self.mismatch(key, format!("shape {:?}", self.shape(key)), expected)
    }
}

/// Returns the number of elements of a shape. Beyond the range of `usize` it saturates: no weight is that large.
pub(super) fn count(shape: &[usize]) -> usize {
    shape.iter().fold(1, |n, &d| n.saturating_mul(d))
}

/// Returns a shape as a matrix with the kernel dimensions flattened. `None` when it has less than two dimensions.
pub(super) fn flat(shape: &[usize]) -> Option<(usize, usize)> {
    match shape {
        [rows, rest @ ..] if !rest.is_empty() => Some((*rows, count(rest))),
        _ => None,
    }
}
