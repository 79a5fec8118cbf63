//! What was taken out of the weights of an edited model, in one sentence.

use super::text::{count, shown};
use crate::phylogeny::{Movement, Relation};

/// Says how many directions were taken out of how many parameters, and which share; `None` where nothing was.
pub(super) fn edited<'m>(
    relation: Relation,
    method: Option<&str>,
    movements: impl IntoIterator<Item = &'m Movement>,
) -> Option<String> {
    if relation != Relation::Edited {
        return None;
    }
    let shares: Vec<f64> = movements.into_iter().filter_map(|m| m.removed).collect();
    let (least, most) = shares.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, m), s| (l.min(*s), m.max(*s)));
    let [least, most] = [least, most].map(|share| format!("{share:.2}"));
    let what = method.map_or_else(|| "directions".to_owned(), shown);
    let parameters = count(shares.len(), "parameter", "parameters");
    Some(match (shares.len(), least == most) {
        (0, _) => format!("taken out: {what}"),
        (_, true) => format!("taken out: {what}, {least} of it in {parameters}"),
        (_, false) => format!("taken out: {what}, {least} to {most} of it in {parameters}"),
    })
}

/// The heading and the cell of a column of shares, where any parameter has one.
pub(super) const HEADING: &str = "removed";

/// The share that was taken out of a parameter, for a column; a dash where nothing was.
pub(super) fn cell(movement: &Movement) -> String {
    movement.removed.map_or_else(|| "-".to_owned(), |share| format!("{share:.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_has_the_directions_the_share_and_the_number_of_parameters() {
        let moved = |removed: Option<f64>| {
            let movement = Movement::new("w", 4, 0.1);
            removed.into_iter().fold(movement, Movement::with_removed)
        };
        let said = |relation, shares: &[Option<f64>]| {
            edited(relation, Some("one direction"), &shares.iter().map(|s| moved(*s)).collect::<Vec<_>>())
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(said(Relation::LowRank, &[None]), None);
        assert_eq!(said(Relation::Edited, &[None]), some("taken out: one direction"));
        let whole = [Some(1.0), None, Some(0.9999)];
        assert_eq!(said(Relation::Edited, &whole), some("taken out: one direction, 1.00 of it in 2 parameters"));
        let part = [Some(0.7), Some(1.2), None];
        assert_eq!(said(Relation::Edited, &part), some("taken out: one direction, 0.70 to 1.20 of it in 2 parameters"));
    }
}
