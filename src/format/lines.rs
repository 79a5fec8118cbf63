//! Lines of values that become columns: the work of every transposed reading.

/// Values of one side of a tile. A line of the cache holds as many.
const SIDE: usize = 16;

/// Writes `count` lines of `length` values as columns that stand beside each other.
///
/// Line r begins at value `r * pitch` of `lines`, and its value i goes to `out[i * width + r]`. Tiles of both are small enough
/// that each line of the cache is read and written once.
///
/// # Panics
///
/// Panics when `lines` or `out` is too short.
pub(crate) fn write_columns(lines: &[f32], pitch: usize, [count, length]: [usize; 2], out: &mut [f32], width: usize) {
    for first in (0..count).step_by(SIDE) {
        let together = SIDE.min(count - first);
        for begin in (0..length).step_by(SIDE) {
            let high = SIDE.min(length - begin);
            if together == SIDE && high == SIDE {
                let mut tile = [[0.0; SIDE]; SIDE];
                for (line, row) in tile.iter_mut().enumerate() {
                    row.copy_from_slice(&lines[(first + line) * pitch + begin..][..SIDE]);
                }
                for i in 0..SIDE {
                    let mut column = [0.0; SIDE];
                    for r in 0..SIDE {
                        column[r] = tile[r][i];
                    }
                    out[(begin + i) * width + first..][..SIDE].copy_from_slice(&column);
                }
            } else {
                for i in begin..begin + high {
                    for r in first..first + together {
                        out[i * width + r] = lines[r * pitch + i];
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_columns() {
        for (count, length, pitch, width) in
            [(1, 1, 1, 1), (3, 50, 51, 7), (16, 16, 16, 16), (40, 35, 40, 41), (33, 1, 2, 33)]
        {
            let lines: Vec<f32> = (0..count * pitch).map(|at| at as f32).collect();
            let mut out = vec![-1.0; length * width];
            write_columns(&lines, pitch, [count, length], &mut out, width);
            for (at, value) in out.iter().enumerate() {
                let (i, r) = (at / width, at % width);
                let expected = if r < count { (r * pitch + i) as f32 } else { -1.0 };
                assert_eq!(*value, expected, "{count} {length} {pitch} {width}: {at}");
            }
        }
    }
}
