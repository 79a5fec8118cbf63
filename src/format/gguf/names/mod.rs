//! What a tensor is called in transformers, and what its converter did to its values.

mod table;

use super::metadata::Metadata;
use table::{ARCHITECTURES, Architecture, FALCON_TWO, Names, ROBERTA};

/// The key of the architecture.
pub(super) const ARCHITECTURE: &str = "general.architecture";

/// What a converter does to a tensor besides renaming it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It interleaves the two halves of the rows of each head of queries.
    Queries,
    /// It does so with each head of keys.
    Keys,
    /// It stores the transpose.
    Transposed,
    /// It stores the transpose of each matrix in a stack.
    Stack,
    /// It parts the columns in turn: the even ones, which are here, and the odd ones in the tensor of this name.
    Even(&'static str),
    /// It does so, and this tensor has the odd ones.
    Odd(&'static str),
    /// It parts the queries, keys and values of groups.
    Groups,
    /// It stores a matrix of one row as a vector.
    Row,
}

/// A tensor's name in transformers, and what is to be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The name. `{}` stands for the number of an expert: the tensor is a stack of all experts.
    pub(super) name: String,
    pub(super) change: Option<Change>,
    /// Whether the file holds the values plus one.
    pub(super) plus_one: bool,
    /// The number of its layer, if it has one.
    pub(super) layer: Option<usize>,
}

/// What is known about the names in one file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Naming(Option<&'static Architecture>);

impl Naming {
    /// Finds the names of a model. `holds` tells whether any of its tensors has a name with this ending.
    pub(super) fn of(metadata: &Metadata, holds: impl Fn(&str) -> bool) -> Self {
        let name = match metadata.text(ARCHITECTURE) {
            Some("falcon") if holds(".attn_norm_2.weight") => Some(FALCON_TWO),
            // DistilBERT has the same architecture but other names. It alone has no types of tokens.
            Some("bert") if !holds("token_types.weight") => None,
            Some("bert") if metadata.text("tokenizer.ggml.model") != Some("bert") => Some(ROBERTA),
            // A reader of the file cannot see these two.
            Some(FALCON_TWO | ROBERTA) => None,
            other => other,
        };
        Self(name.and_then(|name| ARCHITECTURES.iter().find(|a| a.names.contains(&name))))
    }

    /// Whether the names depend on which tensors there are, so that one file of several does not tell.
    pub(super) fn depends_on_tensors(metadata: &Metadata) -> bool {
        matches!(metadata.text(ARCHITECTURE), Some("falcon" | "bert"))
    }

    /// Returns the name of a tensor in transformers. `None` when it is not known: then it keeps its own.
    pub(super) fn target(self, name: &str) -> Option<Target> {
        let architecture = self.0?;
        let (layer, found, own) = match name.strip_prefix("blk.") {
            None => (None, find(&[architecture.outside], name)?, name),
            Some(rest) => {
                let (number, own) = rest.split_once('.')?;
                let layer: usize = number.parse().ok().filter(|n: &usize| n.to_string() == number)?;
                let found = find(architecture.inside, own)?;
                (Some(layer), format!("{}{number}.{found}", architecture.layers), own)
            }
        };
        let changed = |key: &&(&str, Change)| key.0 == own || stem(own).is_some_and(|(stem, _)| stem == key.0);
        let change = architecture.changes.iter().find(changed).map(|(_, change)| *change);
        let plus_one = architecture.norms_plus_one && found.ends_with("norm.weight");
        Some(Target { name: found, change, plus_one, layer })
    }
}

/// Parts a name from `weight` or `bias` at its end.
fn stem(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('.').filter(|(_, suffix)| matches!(*suffix, "weight" | "bias"))
}

/// Finds a name in lists of names.
fn find(lists: &[Names], name: &str) -> Option<String> {
    let known = |name: &str| lists.iter().copied().flatten().find(|(own, _)| *own == name).map(|(_, found)| *found);
    if let Some(found) = known(name) {
        return Some(found.to_owned());
    }
    let (stem, suffix) = stem(name)?;
    if let Some(found) = known(stem) {
        return Some(format!("{found}.{suffix}"));
    }
    // Files of before 2024 have each expert for itself, such as `ffn_up.3`.
    let (kind, expert) = stem.rsplit_once('.')?;
    let digits = !expert.is_empty() && expert.len() <= 6 && expert.bytes().all(|b| b.is_ascii_digit());
    let found = known(&format!("{kind}_exps")).filter(|_| digits)?;
    Some(format!("{}.{suffix}", found.replace("{}", expert)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn naming(architecture: &str) -> Naming {
        Naming(ARCHITECTURES.iter().find(|a| a.names.contains(&architecture)))
    }

    #[test]
    fn each_name_stands_once_and_each_change_has_a_tensor() {
        let mut seen = BTreeSet::new();
        for architecture in &ARCHITECTURES {
            for name in architecture.names {
                assert!(seen.insert(name), "{name}");
            }
            let inside: Vec<_> = architecture.inside.iter().copied().flatten().collect();
            let own: BTreeSet<_> = inside.iter().map(|(own, _)| own).collect();
            let found: BTreeSet<_> = inside.iter().map(|(_, found)| found).collect();
            // Odd columns have the name of the even ones.
            let odd = architecture.changes.iter().filter(|(_, change)| matches!(change, Change::Odd(_))).count();
            assert_eq!((own.len(), found.len() + odd), (inside.len(), inside.len()), "{:?}", architecture.names);
            for (key, _) in architecture.changes {
                let stem = stem(key).map_or(*key, |(stem, _)| stem);
                assert!(own.contains(&stem) || own.contains(key), "{key} of {:?}", architecture.names);
            }
            assert!(architecture.layers.ends_with('.'));
        }
    }

    #[test]
    fn names_are_those_of_transformers() {
        let name = |architecture, own: &str| naming(architecture).target(own).map(|t| (t.name, t.change, t.plus_one));
        let plain = |name: &str| Some((name.to_owned(), None, false));
        assert_eq!(name("llama", "token_embd.weight"), plain("model.embed_tokens.weight"));
        assert_eq!(
            name("llama", "blk.12.attn_k.bias"),
            Some(("model.layers.12.self_attn.k_proj.bias".to_owned(), Some(Change::Keys), false))
        );
        assert_eq!(
            name("llama", "blk.3.ffn_up.5.weight"),
            plain("model.layers.3.block_sparse_moe.experts.5.w3.weight")
        );
        assert_eq!(
            name("gemma", "blk.0.attn_norm.weight"),
            Some(("model.layers.0.input_layernorm.weight".to_owned(), None, true))
        );
        assert_eq!(
            name("gpt2", "blk.0.ffn_up.weight"),
            Some(("transformer.h.0.mlp.c_fc.weight".to_owned(), Some(Change::Transposed), false))
        );
        assert_eq!(name("gpt2", "blk.0.ffn_up.bias"), plain("transformer.h.0.mlp.c_fc.bias"));
        let bias = "model.layers.1.mlp.gate.e_score_correction_bias";
        assert_eq!(name("deepseek2", "blk.1.exp_probs_b.bias"), plain(bias));
        assert_eq!(name("gpt-oss", "blk.1.attn_sinks.weight"), plain("model.layers.1.self_attn.sinks"));
        // What is not known keeps its name.
        for own in ["blk.00.attn_q.weight", "blk.x.attn_q.weight", "blk.0.attn_k_b.weight", "attn_q.weight"] {
            assert_eq!(name("llama", own), None, "{own}");
        }
        assert_eq!(name("mamba", "token_embd.weight"), None);
    }
}
