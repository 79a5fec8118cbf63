use super::candidates::{label, signed, weight};
use super::number::significant;
use super::text::{count, listed, shown};
use crate::model_set::ModelId;
use crate::phylogeny::{Candidate, Edge, Phylogeny, Relation, Signal, Stage};

/// Number of roots that a sentence names.
const MOST: usize = 3;

/// The confidence of a copy of which nothing tells whether it is one, or the source.
const EVEN: f64 = 0.5;

/// Says in one sentence why a model has the parents it has, or none.
pub(super) fn why(phylogeny: &Phylogeny, model: ModelId) -> String {
    match phylogeny.parents(model) {
        [] => without_parent(phylogeny, model),
        [edge] if phylogeny.links_to(model).is_empty() => of_one_parent(phylogeny, edge),
        parents => {
            let term = |e: &Edge| format!("{:.2} × {}", e.weight, shown(phylogeny.name(e.parent)));
            let absent = phylogeny.links_to(model).iter().map(|l| format!("{:.2} × {}", l.weight, l.parent));
            let sum = parents.iter().map(term).chain(absent).collect::<Vec<_>>().join(" + ");
            let left = phylogeny.residual(model).map_or_else(String::new, |residual| {
                format!(", which leaves {} of its squared distance to the nearest unexplained", significant(residual))
            });
            format!("It is the affine combination {sum}{left}.")
        }
    }
}

fn of_one_parent(phylogeny: &Phylogeny, edge: &Edge) -> String {
    let parent = shown(phylogeny.name(edge.parent));
    let candidates = phylogeny.candidates(edge.child);
    let Some(at) = candidates.iter().position(|c| c.parent == Some(edge.parent)) else {
        return match (candidates, edge.relation) {
            ([], Relation::Duplicate) => "The two have the same weights.".to_owned(),
            ([], _) => by_score(phylogeny, edge.parent, &parent),
            _ => format!("{parent} is the parent in the phylogeny as a whole, and not among the candidates below."),
        };
    };
    // The tree as a whole may name a parent that is not the likeliest one taken by itself. A reader would take that for an
    // error.
    if let Some(first) = candidates.first().filter(|_| at > 0) {
        let [likelier, chosen] = [first, &candidates[at]].map(|c| format!("{:.3}", c.probability));
        if phylogeny.favors_no_parent(edge.child) && first.parent.is_none() {
            return format!(
                "The detector's own odds favor no parent in the set, {likelier} against {chosen}{}; {parent} is the likeliest parent if there is one.",
                decisive(first, &candidates[at])
            );
        }
        return format!(
            "{parent} is the parent in the phylogeny as a whole; taken by itself, {} is more probable, {likelier} against {chosen}.",
            label(phylogeny, first)
        );
    }
    match candidates {
        [chosen, next, ..] => format!(
            "{parent} is {} {}, the next candidate{}.",
            times(chosen.probability, next.probability),
            label(phylogeny, next),
            decisive(chosen, next)
        ),
        _ => made(phylogeny, edge, &parent),
    }
}

/// Says how a model was made from its only candidate.
fn made(phylogeny: &Phylogeny, edge: &Edge, parent: &str) -> String {
    let method =
        phylogeny.method(edge.child).map_or_else(|| "on coarser steps".to_owned(), |m| format!("in {}", shown(m)));
    let how = match edge.relation {
        Relation::Duplicate => format!("It has the weights of {parent} in everything that both hold"),
        Relation::Cast => format!("Its values are those of {parent}, rounded to another dtype"),
        Relation::Quantized => format!("Its values are those of {parent} {method}"),
        Relation::Edited => format!("Its weights are those of {parent} without some directions"),
        Relation::Pruned => format!("Its values are those of {parent}, some set to zero"),
        Relation::Perturbed => {
            format!("It differs from {parent} by noise or rounding, which is not how training moves a model")
        }
        _ => return format!("{parent} is the only candidate."),
    };
    let open = edge.confidence.is_some_and(|confidence| confidence <= EVEN);
    if open { format!("{how}. Nothing tells which of the two was first.") } else { format!("{how}.") }
}

fn times(chosen: f64, next: f64) -> String {
    match chosen / next {
        ratio if !ratio.is_finite() => "the only candidate of any probability, before".to_owned(),
        ratio if ratio < 1.05 => "no more probable than".to_owned(),
        ratio if ratio < 10.0 => format!("{ratio:.1} times as probable as"),
        ratio if ratio < 1e6 => format!("{ratio:.0} times as probable as"),
        _ => "more than a million times as probable as".to_owned(),
    }
}

/// Names the signal, with its stage, that speaks most for one candidate against another.
fn decisive(chosen: &Candidate, next: &Candidate) -> String {
    let mut leads: Vec<(Stage, &Signal, f64, f64)> = Vec::new();
    for e in chosen.evidence.iter().chain(&next.evidence).filter(|e| e.stage != Stage::Kinship) {
        if leads.iter().all(|&(stage, signal, ..)| (stage, signal) != (e.stage, &e.signal)) {
            let [ours, theirs] = [chosen, next].map(|c| weight(c, e.stage, &e.signal).unwrap_or(0.0));
            leads.push((e.stage, &e.signal, ours, theirs));
        }
    }
    // Only what speaks for the chosen one can be its reason.
    let ahead = leads.into_iter().filter(|(_, _, ours, theirs)| ours > theirs);
    match ahead.reduce(|best, l| if l.2 - l.3 > best.2 - best.3 { l } else { best }) {
        Some((stage, signal, ours, theirs)) => {
            format!(", most of all by {signal} ({stage}): {} against {}", signed(ours), signed(theirs))
        }
        None => String::new(),
    }
}

fn by_score(phylogeny: &Phylogeny, parent: ModelId, name: &str) -> String {
    let margin = phylogeny.margin(phylogeny.family_of(parent));
    match margin.filter(|_| phylogeny.score(parent).is_some()) {
        Some(margin) => format!(
            "{name} has the lowest score of the parent selector in the family, by a margin of {}; the detector keeps no candidates.",
            significant(margin)
        ),
        None => "The detector keeps no candidates.".to_owned(),
    }
}

fn without_parent(phylogeny: &Phylogeny, model: ModelId) -> String {
    let number = phylogeny.family_of(model);
    let family = phylogeny.family(number);
    if phylogeny.is_withheld(model) {
        let likeliest = phylogeny.candidates(model).iter().find(|c| c.parent.is_some());
        let named = likeliest.map_or_else(String::new, |c| {
            format!(": {}, the likeliest one, has a probability of {:.3}", label(phylogeny, c), c.probability)
        });
        return format!("Its parent is withheld, as less sure than the limit{named}.");
    }
    if let [link, ..] = phylogeny.links_to(model) {
        let sure = link.confidence.map_or_else(String::new, |c| format!(", at a probability of {c:.3}"));
        let likeliest = phylogeny.candidates(model).iter().find(|c| c.parent.is_some());
        let named = likeliest.map_or_else(String::new, |c| {
            format!("; {}, the likeliest one in it, has {:.3}", label(phylogeny, c), c.probability)
        });
        let others = phylogeny.links_from(link.parent).count();
        return match others {
            0 | 1 => format!("Its parent, {}, is not in the set{sure}{named}.", link.parent),
            others => format!(
                "Its parent, {}, which it shares with {}, is not in the set{sure}{named}.",
                link.parent,
                count(others - 1, "other model", "other models")
            ),
        };
    }
    // Detectors that keep candidates list the likeliest first, so the first one decides what is said.
    match phylogeny.candidates(model) {
        [none, rest @ ..] if none.parent.is_none() => {
            let next = rest.first().map_or_else(String::new, |c| {
                let decided = decisive(none, c);
                format!("; {}, the likeliest one, has {:.3}{decided}", label(phylogeny, c), c.probability)
            });
            format!("No model of the set is its parent, at a probability of {:.3}{next}.", none.probability)
        }
        [likeliest, ..] => format!(
            "The likeliest parent, {}, has a probability of {:.3}, and the phylogeny names none.",
            label(phylogeny, likeliest),
            likeliest.probability
        ),
        [] if family.members.len() == 1 => match phylogeny.not_comparable(model) {
            Some(reason) => format!("It could not be compared: {}.", shown(reason)),
            None => "No other model of the set is its kin.".to_owned(),
        },
        // Such a family was stated: siblings or a tie.
        [] if phylogeny.edge_components(number) > 1 && !family.roots.is_empty() => {
            let roots = count(family.roots.len(), "root", "roots");
            let names = listed(family.roots.iter().map(|&r| phylogeny.name(r)), MOST);
            format!("No parent is named for the {roots} of its family: {names}.")
        }
        [] if family.roots.len() == 1 => by_score(phylogeny, model, "It"),
        [] => "The detector keeps no candidates.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phylogeny::Evidence;
    use crate::phylogeny::arbitrary::builder;

    fn id(model: usize) -> ModelId {
        ModelId::new(model)
    }

    fn candidate(parent: Option<usize>, probability: f64, weight: f64) -> Candidate {
        Candidate::new(
            parent.map(id),
            probability,
            vec![Evidence::new(Stage::Parent, Signal::from_spelling("angle"), weight)],
        )
    }

    /// Model 2, child of 1, of these candidates.
    #[track_caller]
    fn says(candidates: Vec<Candidate>, expected: &str) {
        let chain = builder(3, &[(0, 1, 1.0), (1, 2, 1.0)]).with_candidates(id(2), candidates);
        assert_eq!(why(&chain.build().unwrap(), id(2)), expected);
    }

    #[test]
    fn a_parent_is_set_against_the_next_candidate() {
        says(
            vec![candidate(Some(1), 0.75, 1.5), candidate(Some(0), 0.25, -0.25)],
            "1 is 3.0 times as probable as 0, the next candidate, most of all by angle (parent): +1.50 against -0.25.",
        );
        says(
            vec![candidate(Some(1), 1.0, 1.5), candidate(None, 0.0, 1.5)],
            "1 is the only candidate of any probability, before no parent in the set, the next candidate.",
        );
        says(
            vec![candidate(Some(1), 0.5, 2.0), candidate(Some(0), 0.5, 1.0)],
            "1 is no more probable than 0, the next candidate, most of all by angle (parent): +2.00 against +1.00.",
        );
        says(vec![candidate(Some(1), 0.9, 1.0)], "1 is the only candidate.");
        says(Vec::new(), "The detector keeps no candidates.");
    }

    #[test]
    fn copies_are_said_to_be_made_as_they_were() {
        let said = |relation, confidence| {
            let edge = Edge::new(id(0), id(1)).with_relation(relation).with_confidence(confidence);
            let copy =
                builder(2, &[]).with_edge(edge).with_candidates(id(1), vec![candidate(Some(0), confidence, 0.0)]);
            let method = if relation == Relation::Quantized { copy.with_method(id(1), "Q8_0") } else { copy };
            why(&method.build().unwrap(), id(1))
        };
        assert_eq!(said(Relation::Quantized, 0.98), "Its values are those of 0 in Q8_0.");
        assert_eq!(
            said(Relation::Duplicate, 0.5),
            "It has the weights of 0 in everything that both hold. Nothing tells which of the two was first."
        );
        assert_eq!(said(Relation::Scaled, 0.5), "0 is the only candidate.");
    }

    #[test]
    fn a_parent_that_is_not_the_likeliest_is_said_to_be_none() {
        says(
            vec![candidate(Some(0), 0.6, 0.0), candidate(Some(1), 0.4, 0.0)],
            "1 is the parent in the phylogeny as a whole; taken by itself, 0 is more probable, 0.600 against 0.400.",
        );
        says(
            vec![candidate(None, 0.6, 1.0), candidate(Some(1), 0.4, 0.0)],
            "The detector's own odds favor no parent in the set, 0.600 against 0.400, most of all by angle (parent): +1.00 against \
             +0.00; 1 is the likeliest parent if there is one.",
        );
        says(
            vec![candidate(Some(0), 0.6, 0.0)],
            "1 is the parent in the phylogeny as a whole, and not among the candidates below.",
        );
    }

    #[test]
    fn a_model_without_parent_has_its_reason() {
        let root = builder(3, &[(0, 1, 1.0)]);
        let said = |candidates| why(&root.clone().with_candidates(id(0), candidates).build().unwrap(), id(0));
        assert_eq!(
            said(vec![candidate(None, 0.8, 0.0), candidate(Some(1), 0.2, 0.0)]),
            "No model of the set is its parent, at a probability of 0.800; 1, the likeliest one, has 0.200."
        );
        assert_eq!(
            said(vec![candidate(Some(1), 0.4, 0.0)]),
            "The likeliest parent, 1, has a probability of 0.400, and the phylogeny names none."
        );
        let scored = root.clone().with_score(id(0), 1.0).with_margin(id(0), 0.5).build().unwrap();
        assert!(why(&scored, id(0)).starts_with("It has the lowest score of the parent selector in the family, by "));
        assert_eq!(why(&root.build().unwrap(), id(2)), "No other model of the set is its kin.");
        let edge = Edge::new(id(0), id(1)).with_confidence(0.4);
        let unsure = builder(2, &[]).with_edge(edge).with_candidates(id(1), vec![candidate(Some(0), 0.4, 0.0)]);
        assert_eq!(
            why(&unsure.build().unwrap().with_minimum_confidence(0.5), id(1)),
            "Its parent is withheld, as less sure than the limit: 0, the likeliest one, has a probability of 0.400."
        );
        let tie = builder(2, &[]).with_kin([id(0), id(1)]).build().unwrap();
        assert_eq!(why(&tie, id(1)), "No parent is named for the 2 roots of its family: 0, 1.");
    }
}
