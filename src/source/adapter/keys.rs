//! The names of an adapter's tensors: what each one means, and to which tensor of the base it belongs.

use super::piece::Piece;
use std::collections::BTreeMap;

/// What a tensor of an adapter file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// A piece of a module's increment. `adapter` is the name of the adapter, if the key has one.
    Piece { module: String, piece: Piece, adapter: Option<String> },
    /// A whole tensor that replaces one of the base.
    Whole { name: String },
    /// The base's own tensor, stored beside the one that replaces it.
    Untrained,
    /// A factor that all modules share.
    Shared,
    /// A piece of a feature that this crate does not compute.
    Unsupported,
}

/// Parses a name that peft writes, such as `base_model.model.fc.lora_A.weight`.
pub(super) fn parse(stored: &str) -> Key {
    if stored.starts_with(SHARED_A) || stored.starts_with(SHARED_B) {
        return Key::Shared;
    }
    let name = stored.strip_prefix("base_model.model.").unwrap_or(stored);
    let parts: Vec<&str> = name.split('.').collect();
    // The last such part counts, because a module may have such a name itself.
    let named = |part: &str| Piece::named(part).filter(|piece| !OTHERS.contains(piece) && !part.ends_with("norm"));
    let Some((at, piece)) = parts.iter().enumerate().rev().find_map(|(at, part)| named(part).map(|p| (at, p))) else {
        return whole(&parts);
    };
    // Some tensors are weights of modules, others stand for themselves. Both may be followed by the adapter's name.
    let (piece, adapter) = match (piece, &parts[at + 1..]) {
        (Piece::B, ["bias"]) => (Piece::OutputBias, None),
        (Piece::B, [adapter, "bias"]) => (Piece::OutputBias, Some(*adapter)),
        (Piece::A | Piece::B | Piece::Magnitude | Piece::Rotation, ["weight"]) => (piece, None),
        (Piece::A | Piece::B | Piece::Magnitude | Piece::Rotation, [adapter, "weight"]) => (piece, Some(*adapter)),
        (_, []) => (piece, None),
        (_, [adapter]) => (piece, Some(*adapter)),
        _ => return Key::Unsupported,
    };
    match at {
        0 => Key::Unsupported,
        _ => Key::Piece { module: parts[..at].join("."), piece, adapter: adapter.map(ToOwned::to_owned) },
    }
}

/// The factors that all modules share in VeRA.
pub(super) const SHARED_A: &str = "base_model.vera_A";
pub(super) const SHARED_B: &str = "base_model.vera_B";

/// Roles that peft does not write.
const OTHERS: [Piece; 5] = [Piece::Core, Piece::Norms, Piece::Alpha, Piece::Difference, Piece::BiasDifference];

/// Parses a name that MLX writes, such as `model.layers.0.self_attn.q_proj.lora_a`.
pub(super) fn parse_mlx(stored: &str) -> Key {
    let piece = |module: &str, piece| Key::Piece { module: module.to_owned(), piece, adapter: None };
    match stored.rsplit_once('.') {
        Some((module, "lora_a")) => piece(module, Piece::A),
        Some((module, "lora_b")) => piece(module, Piece::B),
        Some((module, "m")) => piece(module, Piece::Magnitude),
        _ => Key::Whole { name: stored.to_owned() },
    }
}

/// Parses the name of a whole tensor and removes the wrappers that peft puts around its module.
fn whole(parts: &[&str]) -> Key {
    if parts.contains(&"original_module") {
        return Key::Untrained;
    }
    let mut name: Vec<&str> = parts.iter().copied().filter(|p| *p != "base_layer").collect();
    if let Some(at) = name.iter().position(|p| *p == "modules_to_save") {
        // The name is `modules_to_save.weight`, or `modules_to_save.default.weight` with the adapter's name.
        let adapter = usize::from(name.get(at + 1) == Some(&"default"));
        name.drain(at..=at + adapter);
    }
    Key::Whole { name: name.join(".") }
}

/// How the names of an adapter become those of its base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Renaming {
    /// Both have the same names.
    Same,
    /// The base has this prefix in front of the adapter's names.
    Prepend(String),
    /// The adapter has this prefix in front of the base's names.
    Strip(String),
}

impl Renaming {
    /// Finds the one renaming under which every target is in the base. Equal names come first. `None` when no renaming works,
    /// or when several do.
    pub(super) fn find<V>(targets: &[String], base: &BTreeMap<String, V>) -> Option<Self> {
        let works = |r: &Self| targets.iter().all(|t| r.apply(t, base).is_some());
        if works(&Self::Same) {
            return Some(Self::Same);
        }
        // The first missing target proposes the prefixes. Every target must then confirm the same one.
        let missing = targets.iter().find(|t| !base.contains_key(*t))?;
        let prepended = base.keys().filter_map(|name| {
            let prefix = name.strip_suffix(missing.as_str())?;
            prefix.ends_with('.').then(|| Self::Prepend(prefix.to_owned()))
        });
        let stripped = missing.match_indices('.').map(|(at, _)| Self::Strip(missing[..=at].to_owned()));
        let mut working = prepended.chain(stripped).filter(works);
        let first = working.next()?;
        working.next().is_none().then_some(first)
    }

    /// Returns the base's name for a target: the same name if the base has it, else the renamed one. `None` when the base has
    /// neither.
    pub(super) fn apply<V>(&self, target: &str, base: &BTreeMap<String, V>) -> Option<String> {
        if base.contains_key(target) {
            return Some(target.to_owned());
        }
        Some(self.rename(target)).filter(|name| base.contains_key(name))
    }

    /// Returns the name that the base would use for a target that it does not have.
    pub(super) fn rename(&self, target: &str) -> String {
        match self {
            Self::Same => target.to_owned(),
            Self::Prepend(prefix) => format!("{prefix}{target}"),
            Self::Strip(prefix) => target.strip_prefix(prefix.as_str()).unwrap_or(target).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let piece = |module: &str, piece, adapter: Option<&str>| Key::Piece {
            module: module.to_owned(),
            piece,
            adapter: adapter.map(ToOwned::to_owned),
        };
        let whole = |name: &str| Key::Whole { name: name.to_owned() };
        let cases = [
            ("base_model.model.a.b.lora_A.weight", piece("a.b", Piece::A, None)),
            ("a.lora_B.default.weight", piece("a", Piece::B, Some("default"))),
            ("base_model.model.e.lora_embedding_A", piece("e", Piece::EmbeddingA, None)),
            ("base_model.model.e.lora_embedding_B.default", piece("e", Piece::EmbeddingB, Some("default"))),
            ("base_model.model.a.lora_magnitude_vector", piece("a", Piece::Magnitude, None)),
            ("base_model.model.a.lora_magnitude_vector.default.weight", piece("a", Piece::Magnitude, Some("default"))),
            ("base_model.model.a.lora_B.bias", piece("a", Piece::OutputBias, None)),
            ("base_model.model.a.lora_A.one.two.weight", Key::Unsupported),
            ("base_model.model.a.hada_w1_a", piece("a", Piece::Hada1A, None)),
            ("base_model.model.a.oft_R.weight", piece("a", Piece::Rotation, None)),
            ("base_model.model.a.ia3_l.default", piece("a", Piece::Scales, Some("default"))),
            ("base_model.vera_A", Key::Shared),
            ("lora_A.weight", Key::Unsupported),
            ("base_model.model.score.weight", whole("score.weight")),
            ("base_model.model.lora_head.weight", whole("lora_head.weight")),
            ("base_model.model.score.modules_to_save.default.weight", whole("score.weight")),
            ("base_model.model.score.modules_to_save.weight", whole("score.weight")),
            ("base_model.model.e.base_layer.weight", whole("e.weight")),
            ("base_model.model.score.original_module.weight", Key::Untrained),
        ];
        for (stored, expected) in cases {
            assert_eq!(parse(stored), expected, "{stored}");
        }
    }

    #[test]
    fn a_prefix_on_either_side_is_recognized() {
        let base = |names: &[&str]| names.iter().map(|n| ((*n).to_owned(), ())).collect::<BTreeMap<_, _>>();
        let targets = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let find = |t: &[&str], b: &[&str]| Renaming::find(&targets(t), &base(b));
        assert_eq!(find(&["a.q", "b.q"], &["a.q", "b.q"]), Some(Renaming::Same));
        assert_eq!(find(&["a.q"], &["model.a.q"]), Some(Renaming::Prepend("model.".to_owned())));
        assert_eq!(find(&["model.a.q", "head"], &["a.q", "head"]), Some(Renaming::Strip("model.".to_owned())));
        assert_eq!(find(&["a.q"], &["b.q"]), None);
        assert_eq!(find(&["a.q"], &["encoder.a.q", "decoder.a.q"]), None);
        assert_eq!(find(&["q"], &["xq"]), None);
    }
}
