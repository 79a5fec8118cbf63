use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, MatMut, MatRef, Par};

/// Adds the inner products of `n` rows, given one after another, to the lower triangle of a column-major matrix of shape (n, n).
pub(super) fn rank_update(products: &mut [f64], rows: &[f64], n: usize) {
    let rows = MatRef::from_row_major_slice(rows, n, rows.len() / n.max(1));
    triangular::matmul(
        MatMut::from_column_major_slice_mut(products, n, n),
        BlockStructure::TriangularLower,
        Accum::Add,
        rows,
        BlockStructure::Rectangular,
        rows.transpose(),
        BlockStructure::Rectangular,
        1.0,
        Par::Seq,
    );
}
