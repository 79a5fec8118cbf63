use std::io::{self, Write};

/// Writes rows as aligned columns: the first `text` ones to the left, the others to the right. No line ends in blanks.
pub(super) fn write_columns<W: Write>(text: usize, rows: &[Vec<String>], writer: &mut W) -> io::Result<()> {
    let widths = widths(rows.iter());
    for row in rows {
        writeln!(writer, "{}", line(text, row, &widths))?;
    }
    Ok(())
}

/// The width of each column, in characters: that of its widest cell.
pub(super) fn widths<'a>(rows: impl Iterator<Item = &'a Vec<String>>) -> Vec<usize> {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths
}

/// Makes one row: the first `text` cells stand to the left, the others to the right.
pub(super) fn line(text: usize, row: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (c, (cell, &width)) in row.iter().zip(widths).enumerate() {
        line.push_str("  ");
        line.push_str(&if c < text { format!("{cell:<width$}") } else { format!("{cell:>width$}") });
    }
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters() {
        let rows = [["é", "1"], ["abc", "10"]].map(|r| r.map(str::to_owned).to_vec());
        let mut text = Vec::new();
        write_columns(1, &rows, &mut text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "  é     1\n  abc  10\n");
    }
}
