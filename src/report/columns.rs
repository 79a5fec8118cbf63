use std::io::{self, Write};

/// Writes rows as aligned columns: the first `text` ones to the left, the others to the right, no blanks at the end.
pub(super) fn write_columns<W: Write>(text: usize, rows: &[Vec<String>], writer: &mut W) -> io::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (c, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            line.push_str("  ");
            line.push_str(&if c < text { format!("{cell:<width$}") } else { format!("{cell:>width$}") });
        }
        writeln!(writer, "{}", line.trim_end())?;
    }
    Ok(())
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
