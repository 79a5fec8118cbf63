use super::Branch;
use ndarray::Array2;

/// The branches of the tree that neighbor joining makes of dissimilarities: shape (n, n), symmetric, zero diagonal.
///
/// Tips are the nodes `0..n`. Joints are numbered from n on, in the order in which they are made. Of pairs that tie, the first
/// in row order is joined. A joint takes the row of the first of its two nodes.
pub(super) fn join(mut apart: Array2<f64>) -> Vec<Branch> {
    let mut next = apart.nrows();
    // For each node that is not joined yet: its row in the matrix, and its number.
    let mut open: Vec<(usize, usize)> = (0..next).map(|i| (i, i)).collect();
    let mut branches = Vec::new();
    while open.len() > 3 {
        let others = (open.len() - 2) as f64;
        let sum = |i: usize| open.iter().map(|&(k, _)| apart[(i, k)]).sum::<f64>();
        // Sums are computed anew each time, because updated sums drift by rounding.
        let sums: Vec<f64> = open.iter().map(|&(i, _)| sum(i)).collect();
        // The strict comparison below keeps the first of equal pairs, so a tie has one outcome.
        let mut best = (f64::INFINITY, 0, 1);
        for (x, &(i, _)) in open.iter().enumerate() {
            let row = apart.row(i);
            for (y, &(j, _)) in open.iter().enumerate().skip(x + 1) {
                let q = others * row[j] - sums[x] - sums[y];
                if q < best.0 {
                    best = (q, x, y);
                }
            }
        }
        let (_, x, y) = best;
        let ((i, a), (j, b)) = (open[x], open[y]);
        let (between, lean) = (apart[(i, j)], (sums[x] - sums[y]) / others);
        branches.push(Branch { a, b: next, length: (between + lean) / 2.0 });
        branches.push(Branch { a: b, b: next, length: (between - lean) / 2.0 });
        open.remove(y);
        // The joint takes over row i, so the matrix need not grow.
        open[x] = (i, next);
        next += 1;
        for &(k, _) in open.iter().filter(|&&(k, _)| k != i) {
            let to_joint = (apart[(i, k)] + apart[(j, k)] - between) / 2.0;
            apart[(i, k)] = to_joint;
            apart[(k, i)] = to_joint;
        }
    }
    match open[..] {
        [(_, a), (_, b)] => branches.push(Branch { a, b, length: apart[(0, 1)] }),
        // Three nodes meet in one last joint; their distances fix all three lengths.
        [(i, a), (j, b), (k, c)] => {
            let [ij, ik, jk] = [apart[(i, j)], apart[(i, k)], apart[(j, k)]];
            branches.push(Branch { a, b: next, length: (ij + ik - jk) / 2.0 });
            branches.push(Branch { a: b, b: next, length: (ij + jk - ik) / 2.0 });
            branches.push(Branch { a: c, b: next, length: (ik + jk - ij) / 2.0 });
        }
        _ => {}
    }
    branches
}
