//! Passes over one matrix of two models: products with a panel, on either side.

use super::subspace::Panel;
use crate::error::Error;
use crate::evidence::shared::{SharedTensor, rows_of};
use crate::evidence::sweep::Sweep;
use crate::evidence::values::Values;
use crate::model_set::ModelId;
use std::ops::Range;

/// One matrix A of a model a, and the same matrix B of a model b.
pub(super) struct Passes<'t, 'v> {
    values: &'v Values,
    models: [ModelId; 2],
    tensor: &'t SharedTensor<'v>,
}

/// The product with A, and that with `B − A`.
type Products = (Panel, Panel);

impl<'t, 'v> Passes<'t, 'v> {
    pub(super) fn new(values: &'v Values, models: [ModelId; 2], tensor: &'t SharedTensor<'v>) -> Self {
        Self { values, models, tensor }
    }

    /// The products `A X` and `(B − A) X`, for a panel X with a row for each column.
    pub(super) fn along_columns(&self, panel: &Panel) -> Result<Products, Error> {
        let (rows, width) = (self.tensor.rows(), panel.width);
        let (mut of_a, mut change) = (Panel::zeros(rows, width), Panel::zeros(rows, width));
        self.over_runs(
            |run, values| self.rows_times(run, values, panel),
            |run, (a, d)| {
                let begin = self.first(run) * width;
                // The first and the last row of a run may be pieces of one, so that products are added.
                for (all, part) in [(&mut of_a, a), (&mut change, d)] {
                    all.values[begin..].iter_mut().zip(&part.values).for_each(|(sum, x)| *sum += x);
                }
            },
        )?;
        Ok((of_a, change))
    }

    /// The products `Aᵀ X` and `(B − A)ᵀ X`, for a panel X with a row for each row.
    pub(super) fn along_rows(&self, panel: &Panel) -> Result<Products, Error> {
        let (columns, width) = (self.tensor.row_size, panel.width);
        let (mut of_a, mut change) = (Panel::zeros(columns, width), Panel::zeros(columns, width));
        self.over_runs(
            |run, values| self.columns_times(run, values, panel),
            |_, (a, d)| {
                of_a.add(&a.values);
                change.add(&d.values);
            },
        )?;
        Ok((of_a, change))
    }

    /// The number of a run's first row, among those of the tensor that are compared.
    fn first(&self, run: &Range<usize>) -> usize {
        run.start / self.tensor.row_size - self.tensor.values.start / self.tensor.row_size
    }

    fn rows_times(&self, run: &Range<usize>, [a, b]: [&[f32]; 2], panel: &Panel) -> Products {
        let (row_size, width) = (self.tensor.row_size, panel.width);
        let rows = rows_of(run, row_size).count();
        let (mut of_a, mut change) = (Panel::zeros(rows, width), Panel::zeros(rows, width));
        let out = of_a.values.chunks_exact_mut(width).zip(change.values.chunks_exact_mut(width));
        for ((row, at), (of_a, change)) in rows_of(run, row_size).zip(out) {
            let begin = run.start + at.start - row * row_size;
            for ((column, &x), &y) in (begin..).zip(&a[at.clone()]).zip(&b[at]) {
                let (x, d) = (f64::from(x), f64::from(y) - f64::from(x));
                for ((of_a, change), p) in of_a.iter_mut().zip(change.iter_mut()).zip(panel.row(column)) {
                    *of_a += x * p;
                    *change += d * p;
                }
            }
        }
        (of_a, change)
    }

    fn columns_times(&self, run: &Range<usize>, [a, b]: [&[f32]; 2], panel: &Panel) -> Products {
        let (row_size, width) = (self.tensor.row_size, panel.width);
        let (mut of_a, mut change) = (Panel::zeros(row_size, width), Panel::zeros(row_size, width));
        for (i, (row, at)) in rows_of(run, row_size).enumerate() {
            let begin = (run.start + at.start - row * row_size) * width;
            let factors = panel.row(self.first(run) + i);
            let out = of_a.values[begin..].chunks_exact_mut(width).zip(change.values[begin..].chunks_exact_mut(width));
            for ((&x, &y), (of_a, change)) in a[at.clone()].iter().zip(&b[at]).zip(out) {
                let (x, d) = (f64::from(x), f64::from(y) - f64::from(x));
                for ((of_a, change), p) in of_a.iter_mut().zip(change.iter_mut()).zip(factors) {
                    *of_a += x * p;
                    *change += d * p;
                }
            }
        }
        (of_a, change)
    }

    /// Reads all runs of both models, and passes the result of each run to `take`, in their order.
    fn over_runs<T: Send>(
        &self,
        part: impl Fn(&Range<usize>, [&[f32]; 2]) -> T + Sync,
        mut take: impl FnMut(&Range<usize>, T),
    ) -> Result<(), Error> {
        // A result takes as much memory as a side of the matrix, so no more of them wait than threads are at work.
        let mut sweep = Sweep::new().with_waiting(1);
        let [a, b] = self.models;
        sweep.add(self.tensor, [(a, self.tensor.own_names[0]), (b, self.tensor.own_names[1])], &());
        sweep.read(
            self.values,
            |(), run, both| (run.clone(), part(run, both)),
            |(), (run, part)| {
                take(&run, part);
                Ok(())
            },
        )
    }
}
