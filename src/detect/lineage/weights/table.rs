//! The table of weights in docs/method.md.

use super::Weights;
use std::fmt::Write;

impl Weights {
    /// A Markdown table of all numbers: value, unit, meaning and reason, one number a row.
    ///
    /// ```
    /// let table = neural_phylogeny::detect::Weights::default().table();
    /// assert!(table.contains("| `copies.certain` | 0.98 | probability |"));
    /// ```
    pub fn table(&self) -> String {
        let mut table = "| number | value | unit | what it is | why this value |\n|---|---|---|---|---|\n".to_owned();
        for (group, numbers) in self.groups() {
            for n in numbers {
                let row = [
                    format!("`{group}.{}`", n.name),
                    shown(n.value),
                    n.unit.to_owned(),
                    n.meaning,
                    n.reason.to_owned(),
                ];
                // Writing to a string cannot fail.
                let _ = writeln!(table, "| {} |", row.join(" | "));
            }
        }
        table
    }
}

/// A value as text; below 1e-3 in powers of ten.
fn shown(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-3 { format!("{value:e}") } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "<!-- weights: begin -->\n";
    const END: &str = "<!-- weights: end -->\n";

    /// Run with `UPDATE_GOLDEN=1` to write the table into the document.
    #[test]
    fn the_document_has_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/method.md");
        let document = std::fs::read_to_string(path).unwrap().replace("\r\n", "\n");
        let (before, rest) = document.split_once(BEGIN).expect("docs/method.md has no mark where weights begin");
        let (found, after) = rest.split_once(END).expect("docs/method.md has no mark where weights end");
        let table = Weights::default().table();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
            return;
        }
        assert_eq!(found, table, "run the test again with UPDATE_GOLDEN=1 to write the table of weights");
    }

    #[test]
    fn small_numbers_are_powers_of_ten() {
        assert_eq!([0.5, -20.0, 3e-6, 0.0, 1e-3].map(shown), ["0.5", "-20", "3e-6", "0", "0.001"]);
    }
}
