use super::candidates::write_candidates;
use super::columns::write_columns;
use super::edge::{self, Columns, WeightColumn};
use super::in_part;
use super::movements::write_movements;
use super::shares::{write_shares, write_sources};
use super::text::{count, listed, shown};
use super::why::why;
use crate::error::{Error, unwritten};
use crate::model_set::ModelId;
use crate::phylogeny::Phylogeny;
use std::io::{self, Write};

/// Number of roots and children that the first lines name.
const MOST: usize = 5;

/// Writes why one model has the parents it has, for a terminal.
///
/// - Its generation, family and children, then its parents with weight, relation, distance (four digits) and confidence, and
///   the reason in one sentence. Where the detector tells them apart, three more columns say how sure it is that the two are kin,
///   that this is the parent and came first, and that the parent is in the set. The confidence is their product.
/// - The tensors that it has in common with models of other families, where there are any.
/// - For a merge whose weights differ by tensor, the weight of each parent by group of tensors. For a model put together from layers
///   of others, which layer is which.
/// - The ten most probable candidates that the detector listed, with their probability and the total of each stage. A total is
///   the natural logarithm of a likelihood ratio: +2.3 is ten to one for the candidate. A dash stands where a stage says
///   nothing.
/// - Each stage with the weight of each signal, and what each signal means.
/// - For each parent, the ten parameters that moved most and up to ten that were untouched.
///
/// The default detector lists at most eight candidates, and no parent in the set. The totals of its candidates differ by the
/// logarithm of the ratio of their probabilities.
///
/// What the detector does not report is left out. `W` is taken by value; pass `&mut writer` to keep it.
///
/// # Errors
///
/// [`Error::Write`] when the writer fails.
///
/// # Panics
///
/// When `model` is not one of this phylogeny's.
///
/// ```
/// use neural_phylogeny::{Edge, ModelId};
/// use neural_phylogeny::phylogeny::{Candidate, Evidence, PhylogenyBuilder, Signal, Stage};
/// use neural_phylogeny::write::write_explanation;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let [base, chat] = [0, 1].map(ModelId::new);
/// let edge = Edge::new(base, chat).with_distance(3.21).with_confidence(0.9);
/// let color = Evidence::new(Stage::Parent, Signal::new("color", "the color of the two"), 2.2);
/// let candidates = vec![Candidate::new(Some(base), 0.9, vec![color]), Candidate::new(None, 0.1, Vec::new())];
/// let phylogeny = PhylogenyBuilder::new(2)
///     .with_names(["base", "chat"])
///     .with_edge(edge)
///     .with_candidates(chat, candidates)
///     .build()?;
///
/// let mut text = Vec::new();
/// write_explanation(&phylogeny, chat, &mut text)?;
/// assert_eq!(
///     String::from_utf8(text)?,
///     "\
/// chat: generation 1 of family 0, 2 models, root base
///
///   parent  relation   distance  confidence
///   base    fine-tune     3.210        0.90
///
/// base is 9.0 times as probable as no parent in the set, the next candidate, most of all by color (parent): +2.20 against +0.00.
///
/// 2 candidates considered
///   candidate             probability  total  parent
///   base                        0.900  +2.20   +2.20
///   no parent in the set        0.100  +0.00       -
///
/// parent: which member is the parent, given the root?
///   candidate  color
///   base       +2.20
///
/// natural log of likelihood ratios: +2.3 is ten to one for, -2.3 ten to one against, a dash says nothing
///   color  the color of the two
/// "
/// );
/// # Ok(())
/// # }
/// ```
pub fn write_explanation<W: Write>(phylogeny: &Phylogeny, model: ModelId, writer: W) -> Result<(), Error> {
    explanation(phylogeny, model, writer).map_err(unwritten)
}

fn explanation<W: Write>(phylogeny: &Phylogeny, model: ModelId, mut writer: W) -> io::Result<()> {
    writeln!(writer, "{}: {}", shown(phylogeny.name(model)), place(phylogeny, model))?;
    let children: Vec<&str> = phylogeny.children(model).map(|e| phylogeny.name(e.child)).collect();
    if !children.is_empty() {
        let number = count(children.len(), "child", "children");
        writeln!(writer, "{number}: {}", listed(children.into_iter(), MOST))?;
    }
    in_part::of_model(phylogeny, model).iter().try_for_each(|line| writeln!(writer, "{line}"))?;
    write_parents(phylogeny, model, &mut writer)?;
    write_sources(phylogeny, phylogeny.parents(model), &mut writer)?;
    write_shares(phylogeny, phylogeny.parents(model), &mut writer)?;
    writeln!(writer, "\n{}", why(phylogeny, model))?;
    write_candidates(phylogeny, model, &mut writer)?;
    for edge in phylogeny.parents(model) {
        write_movements(phylogeny, edge, &mut writer)?;
    }
    writer.flush()?;
    Ok(())
}

/// Says where a model stands: its generation and its family.
fn place(phylogeny: &Phylogeny, model: ModelId) -> String {
    let number = phylogeny.family_of(model);
    let family = phylogeny.family(number);
    if family.members.len() == 1 {
        return match phylogeny.not_comparable(model) {
            Some(reason) => format!("not comparable: {}, family {number}", shown(reason)),
            None => format!("isolated, family {number}"),
        };
    }
    let generation = phylogeny.generation(model);
    let models = count(family.members.len(), "model", "models");
    let roots = if family.roots.len() == 1 { "root" } else { "roots" };
    let names = match family.roots.len() {
        0 => String::new(),
        _ => format!(", {roots} {}", listed(family.roots.iter().map(|&r| phylogeny.name(r)), MOST)),
    };
    let below = if phylogeny.unobserved_root(number) { ", descended from one that is not in the set" } else { "" };
    if phylogeny.is_withheld(model) {
        return format!("of family {number}, {models}{names}{below}; its parent is withheld");
    }
    format!("generation {generation} of family {number}, {models}{names}{below}")
}

fn write_parents<W: Write>(phylogeny: &Phylogeny, model: ModelId, writer: &mut W) -> io::Result<()> {
    let (parents, unobserved) = (phylogeny.parents(model), phylogeny.links_to(model));
    if parents.is_empty() && unobserved.is_empty() {
        return Ok(());
    }
    let weights = if parents.len() + unobserved.len() > 1 { WeightColumn::Shown } else { WeightColumn::Hidden };
    let columns = Columns::of(phylogeny, weights);
    let mut rows = vec![edge::headings("parent", columns)];
    rows.extend(parents.iter().map(|e| edge::row(phylogeny, shown(phylogeny.name(e.parent)), e, columns)));
    rows.extend(unobserved.iter().map(|l| edge::link_row(format!("{}, not in the set", l.parent), l, columns)));
    writeln!(writer)?;
    write_columns(edge::TEXT, &rows, writer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phylogeny::arbitrary::{any_phylogeny, builder};
    use crate::phylogeny::{Candidate, Movement};
    use proptest::prelude::*;

    fn explained(phylogeny: &Phylogeny, model: ModelId) -> String {
        let mut text = Vec::new();
        write_explanation(phylogeny, model, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn long_lists_are_cut_and_say_so() {
        let [parent, child] = [0, 1].map(ModelId::new);
        let moved = (0..30).map(|i| Movement::new(format!("w{i:02}"), 4, f64::from(i / 15)));
        let candidates = (2..20).map(|i| Candidate::new(Some(ModelId::new(i)), 0.05, Vec::new())).collect();
        let star: Vec<_> = (1..20).map(|i| (0, i, 1.0)).collect();
        let star = builder(20, &star).with_movements(parent, child, moved.collect());
        let phylogeny = star.with_candidates(child, candidates).build().unwrap();
        let text = explained(&phylogeny, child);
        assert!(text.contains("\n18 candidates considered\n") && text.contains("\n  and 8 more\n"), "{text}");
        assert!(text.contains("\nfrom 0: 30 parameters compared, 15 untouched\n"), "{text}");
        assert!(text.contains("\n  w24              4     1.000     -\n  and 5 more\n"), "{text}");
        assert!(
            text.ends_with("\n  untouched: w00, w01, w02, w03, w04, w05, w06, w07, w08, w09 and 5 more\n"),
            "{text}"
        );
        assert!(explained(&phylogeny, parent).contains("\n19 children: 1, 2, 3, 4, 5 and 14 more\n"));
    }

    proptest! {
        #[test]
        fn every_model_is_explained_without_moving_the_cursor(phylogeny in any_phylogeny()) {
            for model in phylogeny.models() {
                let text = explained(&phylogeny, model);
                prop_assert!(!text.contains(|c: char| c.is_control() && c != '\n'));
                prop_assert!(text.lines().all(|l| l.trim_end() == l || l.contains(": ")), "{}", text);
            }
        }
    }
}
