//! What models of unlike families have in common, for a person.

use super::text::{count, listed, shown};
use crate::model_set::ModelId;
use crate::phylogeny::{Phylogeny, SharedPart};

/// Number of models that a line names.
const MODELS: usize = 8;

/// Number of groups of tensors that a line names.
const GROUPS: usize = 4;

/// One line for each part: who shares what.
pub(super) fn parts(phylogeny: &Phylogeny) -> Vec<String> {
    phylogeny.shared_parts().iter().map(|part| line(phylogeny, part)).collect()
}

fn line(phylogeny: &Phylogeny, part: &SharedPart) -> String {
    let names = listed(part.models.iter().map(|(model, _)| phylogeny.name(*model)), MODELS);
    let shares = part.models.iter().map(|(_, share)| *share);
    let (least, most) = shares.fold((1.0f64, 0.0f64), |(least, most), s| (least.min(s), most.max(s)));
    let of = match [percent(least), percent(most)] {
        [least, most] if least == most => format!("{least} of the values of each"),
        [least, most] => format!("{least} to {most} of their values"),
    };
    format!("{names}: {}, {of}", of_tensors(&part.tensors))
}

/// What a model shares with models of other families, one line for each part.
pub(super) fn of_model(phylogeny: &Phylogeny, model: ModelId) -> Vec<String> {
    let line = |part: &SharedPart| {
        let family = phylogeny.family_of(model);
        let others = part.models.iter().map(|(m, _)| *m).filter(|&m| phylogeny.family_of(m) != family);
        let others: Vec<&str> = others.map(|m| phylogeny.name(m)).collect();
        let share = part.models.iter().find(|(m, _)| *m == model).map_or(0.0, |(_, share)| *share);
        format!(
            "kin in part: {}, {} of its values, with {}; all else is independent",
            of_tensors(&part.tensors),
            percent(share),
            listed(others.into_iter(), MODELS)
        )
    };
    phylogeny.shared_parts_of(model).map(line).collect()
}

/// A share in percent, of two digits where it is small.
pub(super) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent < 1.0 { format!("{percent:.2} %") } else { format!("{percent:.0} %") }
}

/// How many tensors there are, and the modules they are of: `24 tensors of vision_tower.`
pub(super) fn of_tensors(names: &[String]) -> String {
    let number = count(names.len(), "tensor", "tensors");
    let modules = modules(names);
    if modules.is_empty() {
        return number;
    }
    format!("{number} of {}", listed(modules.iter().map(String::as_str), GROUPS))
}

/// The longest path of modules that all names have in common, or the first modules of all names where there is none.
fn modules(names: &[String]) -> Vec<String> {
    let Some((first, rest)) = names.split_first() else { return Vec::new() };
    let mut common = parents(first);
    for name in rest {
        let path = parents(name);
        let same = common.iter().zip(&path).take_while(|(a, b)| a == b).count();
        common.truncate(same);
    }
    if !common.is_empty() {
        return vec![shown(&common.join("."))];
    }
    let mut modules: Vec<String> = names.iter().map(|name| shown(name.split('.').next().unwrap_or(name))).collect();
    modules.sort_unstable();
    modules.dedup();
    modules
}

/// The modules that a tensor is in.
fn parents(name: &str) -> Vec<&str> {
    let mut path: Vec<&str> = name.split('.').collect();
    path.pop();
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phylogeny::{Edge, PhylogenyBuilder};

    #[test]
    fn tensors_are_named_by_the_modules_they_have_in_common() {
        let of = |names: &[&str]| of_tensors(&names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["vision.a.0.weight", "vision.a.1.weight"]), "2 tensors of vision.a");
        assert_eq!(of(&["vision.a.weight", "vision.b.weight"]), "2 tensors of vision");
        assert_eq!(of(&["vision.a.weight", "sound.b.weight", "vision.c"]), "3 tensors of sound, vision");
        assert_eq!(of(&["vision.a.weight"]), "1 tensor of vision.a");
        assert_eq!(of(&["a\u{1b}.w"]), "1 tensor of a\u{fffd}");
        assert_eq!(of(&[]), "0 tensors");
    }

    #[test]
    fn tables_and_explanations_say_who_shares_what() {
        let [a, b, c] = [0, 1, 2].map(ModelId::new);
        let part = SharedPart::new([(a, 0.5), (b, 0.25), (c, 0.5)], ["tower.0.weight", "tower.1.weight"], 512);
        let edges = [Edge::new(a, c)];
        let phylogeny = PhylogenyBuilder::new(3).with_edges(edges).with_shared_part(part).build().unwrap();
        let phylogeny = phylogeny.with_names(["a", "b", "c"]).unwrap();
        let table = phylogeny.to_string();
        assert!(table.contains("\nkin in part: "), "{table}");
        assert!(table.ends_with("\n  a, b, c: 2 tensors of tower, 25 % to 50 % of their values\n"), "{table}");
        // Its own fine-tune is kin as a whole.
        let line = "kin in part: 2 tensors of tower, 50 % of its values, with b; all else is independent";
        assert_eq!(of_model(&phylogeny, a), [line]);
        let mut text = Vec::new();
        crate::write::write_explanation(&phylogeny, a, &mut text).unwrap();
        assert!(String::from_utf8(text).unwrap().contains(line));
    }

    #[test]
    fn small_shares_keep_two_digits() {
        assert_eq!([0.0042, 0.254, 1.0].map(percent), ["0.42 %", "25 %", "100 %"]);
    }
}
