//! Two models side by side, for a person.

use super::columns::write_columns;
use super::edited::edited;
use super::in_part::{of_tensors, percent};
use super::movements::write_moved;
use super::text::shown;
use crate::detect::Direction;
use crate::error::{Error, unwritten};
use crate::phylogeny::Relation;
use std::io::{self, Write};

/// A probability below this is written as a bound.
const SMALLEST: f64 = 1e-300;

/// Writes what [`direction`](crate::detect::direction) found of two models, for a terminal.
///
/// Whether the two are kin, which came first, and what changed stand apart. `W` is taken by value; pass `&mut writer` to keep it.
///
/// # Errors
///
/// [`Error::Write`] when the writer fails.
pub fn write_direction<W: Write>(found: &Direction, a: &str, b: &str, mut writer: W) -> Result<(), Error> {
    text(found, [&shown(a), &shown(b)], &mut writer).map_err(unwritten)
}

fn text(found: &Direction, [a, b]: [&str; 2], writer: &mut impl Write) -> io::Result<()> {
    let kin = match found.p_value {
        None => "nothing tells".to_owned(),
        Some(p) if p < SMALLEST => format!("p < {SMALLEST:e}"),
        Some(p) => format!("p = {p:.1e}"),
    };
    if let Some(part) = &found.in_part {
        let [of_a, of_b] = part.shares.map(percent);
        let tensors = of_tensors(&part.tensors);
        writeln!(writer, "kin: in part, by {tensors}: {of_a} of the values of {a}, {of_b} of those of {b}")?;
        writeln!(writer, "all else: {kin} (so often two networks that were trained apart are as much alike)")?;
        writeln!(writer, "first: neither, the part came to both from elsewhere or from one of them")?;
        return moved(found, writer);
    }
    writeln!(writer, "kin: {kin} (so often two networks that were trained apart are as much alike)")?;
    let (first, later, probability) = if found.first < 0.5 { (b, a, 1.0 - found.first) } else { (a, b, found.first) };
    if probability == 0.5 {
        writeln!(writer, "first: open, nothing tells which of the two came first")?;
    } else {
        writeln!(writer, "first: {first}, with probability {probability:.2} if one was made from the other")?;
    }
    let made = match found.relation {
        Relation::Edited => "an edit".to_owned(),
        relation => format!("a {relation}"),
    };
    writeln!(writer, "changed: {later} is {made} of {first}")?;
    if let Some(taken) = edited(found.relation, found.method.as_deref(), &found.movements) {
        writeln!(writer, "{taken}")?;
    }
    if !found.evidence.is_empty() {
        writeln!(writer, "\nnatural log of likelihood ratios, above 0 for {a} as the first")?;
        let row = |(signal, nats): &(crate::phylogeny::Signal, f64)| {
            vec![signal.as_str().to_owned(), signal.meaning().to_owned(), format!("{nats:+.2}")]
        };
        write_columns(2, &found.evidence.iter().map(row).collect::<Vec<_>>(), writer)?;
    }
    moved(found, writer)
}

/// Writes how far parameters lie apart.
fn moved(found: &Direction, writer: &mut impl Write) -> io::Result<()> {
    let untouched = found.movements.iter().filter(|m| m.relative == 0.0).count();
    writeln!(writer, "\n{} parameters compared, {untouched} untouched", found.movements.len())?;
    write_moved(&found.movements.iter().collect::<Vec<_>>(), found.movements.len(), untouched, writer)?;
    writer.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Geometry, GeometrySettings};
    use crate::model_set::{ModelId, ModelSet};
    use crate::source::InMemory;

    #[test]
    fn the_three_questions_stand_apart() {
        let values =
            |turn: f32| (0..1024).map(move |i| ((i * 7919 % 1009) as f32 - 504.0 + turn * (i % 13) as f32) / 500.0);
        let model = |turn| InMemory::new().with_parameter("w", [32, 32], values(turn).collect::<Vec<_>>()).unwrap();
        let models = ModelSet::from_models([("a", model(0.0)), ("b", model(5.0))]).unwrap();
        let geometry = Geometry::compute(&models, &GeometrySettings::new()).unwrap();
        let [a, b] = [0, 1].map(ModelId::new);
        let found = crate::detect::direction(&geometry, a, b, &crate::detect::Weights::default()).unwrap();
        let mut out = Vec::new();
        write_direction(&found, "a", "b", &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.starts_with("kin: p = ") || out.starts_with("kin: p < "), "{out}");
        assert!(
            out.contains("\nfirst: ") && out.contains("\nchanged: ") && out.contains("1 parameters compared"),
            "{out}"
        );
    }
}
