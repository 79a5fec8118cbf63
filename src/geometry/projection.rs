//! What the increment of one matrix says of a projection: the space that it moves, and what two models have along that space.

/// What two models have along the few directions in which one of their matrices differs, on either side of the matrix.
///
/// Let `Δ = B − A` have rank k. U has the k directions of its columns, V those of its rows. A projection on the side of rows takes
/// them out of what the matrix writes: `B = A − s U Uᵀ A`. One on the side of columns takes them out of what it reads, and out of
/// the rows of embeddings: `B = A − s A V Vᵀ`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Projection {
    /// Along U: `UᵀA` and `UᵀB`.
    pub(crate) rows: Side,
    /// Along V: `A V` and `B V`.
    pub(crate) columns: Side,
}

/// What two models have along one side of a matrix.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Side {
    /// The directions, orthonormal, one after another.
    pub(crate) basis: Vec<Vec<f64>>,
    /// The squared norm of what a has along them.
    pub(crate) squared_a: f64,
    /// The squared norm of what b has along them.
    pub(crate) squared_b: f64,
    /// The inner product of the two.
    pub(crate) inner: f64,
    /// The norm of what the rounding of storage may have left along the directions, where they were taken out.
    pub(crate) rounding: f64,
}

impl Side {
    /// The squared norm of the difference of the two along the directions.
    pub(crate) fn squared_change(&self) -> f64 {
        (self.squared_a + self.squared_b - 2.0 * self.inner).max(0.0)
    }

    /// How many entries of the directions are not zero. A row that is the same in both models has none.
    pub(crate) fn support(&self) -> usize {
        let length = self.basis.first().map_or(0, Vec::len);
        (0..length).filter(|&i| self.basis.iter().any(|direction| direction[i] != 0.0)).count()
    }
}
