//! Matches on which both sides agree: each is the other's best by far.

use super::correlation::z_score;

/// By how much, in standard deviations, the best match of a piece must exceed its next one.
///
/// Two that are nearly as good are left unmatched: a wrong match is worse than none.
const MARGIN: f64 = 4.0;

/// The two best scores of one piece.
#[derive(Clone, Copy, Debug, Default)]
struct Best {
    first: f64,
    second: f64,
    at: usize,
}

impl Best {
    fn offer(&mut self, r: f64, at: usize) {
        if r > self.first {
            (self.second, self.first, self.at) = (self.first, r, at);
        } else if r > self.second {
            self.second = r;
        }
    }

    fn is_clear(&self, count: usize) -> bool {
        z_score(self.first, count) - z_score(self.second, count) >= MARGIN
    }
}

/// Returns the pairs (row, column, r) of a table of correlations that beat the threshold and all others of their row and
/// column. `count` values stand behind each correlation. The table is row-major; one pair may stand in it once only.
pub(super) fn mutual(table: &[f64], columns: usize, count: usize, threshold: f64) -> Vec<(usize, usize, f64)> {
    if columns == 0 {
        return Vec::new();
    }
    let mut down = vec![Best::default(); columns];
    let mut across = Vec::with_capacity(table.len() / columns);
    for (i, row) in table.chunks_exact(columns).enumerate() {
        let mut best = Best::default();
        for (j, &r) in row.iter().enumerate() {
            best.offer(r, j);
            down[j].offer(r, i);
        }
        across.push(best);
    }
    let found = across.iter().enumerate().filter(|(i, best)| {
        let back = &down[best.at];
        let beats = z_score(best.first, count) >= threshold;
        beats && back.at == *i && back.first > 0.0 && best.is_clear(count) && back.is_clear(count)
    });
    found.map(|(i, best)| (i, best.at, best.first)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clear_matches_of_both_sides_count() {
        let table = [
            0.9, 0.1, 0.0, 0.0, //
            0.0, 0.8, 0.8, 0.0, // two as good
            0.7, 0.0, 0.0, 0.02, // the best of its column is another
            0.0, 0.0, 0.0, 0.05, // below the threshold
        ];
        assert_eq!(mutual(&table, 4, 1000, 5.0), [(0, 0, 0.9)]);
        assert_eq!(mutual(&table[15..], 1, 10_000, 4.5), [(0, 0, 0.05)]);
        assert_eq!(mutual(&[], 0, 10, 5.0), []);
        assert_eq!(mutual(&[0.0; 4], 2, 1000, 0.0), []);
    }
}
