//! Names without the wrappers that training code puts around a network or around its modules.

use std::collections::HashMap;

/// Modules that hold exactly one other module, and add nothing to it. They stand anywhere in a name.
///
/// In the order of the list: data parallel (PyTorch), `torch.compile`, FSDP, activation checkpoints, DeepSpeed, ONNX Runtime,
/// Opacus, fairscale, and the modules that PEFT adapts.
const TRANSPARENT: [&str; 10] = [
    "module",
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
    "_forward_module",
    "_original_module",
    "_torch_module",
    "_module",
    "_fpw_module",
    "base_layer",
];

/// Modules around a whole network. They count as wrappers at the beginning of a name alone, because inside a network they may
/// be a part among others.
const OUTER: [&str; 17] = [
    "actor",
    "backbone",
    "base_model",
    "diffusion_model",
    "ema",
    "ema_model",
    "inner_model",
    "language_model",
    "llm",
    "model",
    "model_ema",
    "module",
    "net",
    "network",
    "policy",
    "pretrained_model",
    "state_dict",
];

/// Returns the names without wrappers, in their order. Different names stay different.
///
/// A name that would become equal to another keeps its wrappers: a file may hold the network and its average side by side.
///
/// Two spellings of one module are made one, too: `gamma` and `beta` of the first BERT become `weight` and `bias`, and
/// `parametrizations.weight.original0` and `original1` become `weight_g` and `weight_v`
/// (<https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.parametrizations.weight_norm.html>).
///
/// Takes time linear in the length of all names.
pub(crate) fn unwrapped(names: &[&str]) -> Vec<String> {
    let plain: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    let inside = differing(&plain, without_transparent);
    differing(&inside, without_outer)
}

/// Changes all names, but for those that would become equal to another one.
fn differing(names: &[String], change: impl Fn(&str) -> String) -> Vec<String> {
    let changed: Vec<String> = names.iter().map(|n| change(n)).collect();
    let mut count: HashMap<&str, usize> = HashMap::new();
    for (name, new) in names.iter().zip(&changed) {
        *count.entry(new).or_default() += 1;
        // A name that stays as it was may be the new name of another.
        if name != new {
            *count.entry(name).or_default() += 1;
        }
    }
    names.iter().zip(&changed).map(|(name, new)| if count[new.as_str()] == 1 { new } else { name }).cloned().collect()
}

fn without_transparent(name: &str) -> String {
    let mut parts: Vec<&str> = name.split('.').collect();
    let last = parts.pop().unwrap_or_default();
    parts.retain(|part| !TRANSPARENT.contains(part));
    // A parametrization stands between a module and its parameter: `conv.parametrizations.weight.original0`.
    if let [.., "parametrizations", parameter] = parts[..] {
        let suffix = match last {
            "original" => Some(""),
            "original0" => Some("_g"),
            "original1" => Some("_v"),
            _ => None,
        };
        if let Some(suffix) = suffix {
            let own = format!("{parameter}{suffix}");
            parts.truncate(parts.len() - 2);
            return joined(&parts, &own);
        }
    }
    let last = match last {
        "gamma" => "weight",
        "beta" => "bias",
        other => other,
    };
    joined(&parts, last)
}

fn without_outer(name: &str) -> String {
    let mut rest = name;
    while let Some((first, after)) = rest.split_once('.') {
        if !OUTER.contains(&first) || after.is_empty() {
            break;
        }
        rest = after;
    }
    rest.to_owned()
}

fn joined(parts: &[&str], last: &str) -> String {
    let mut name = String::new();
    for part in parts {
        name.push_str(part);
        name.push('.');
    }
    name + last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrapper_is_taken_off() {
        let plain = "layers.0.self_attn.q_proj.weight";
        for wrapped in TRANSPARENT {
            for name in [
                format!("{wrapped}.{plain}"),
                format!("layers.0.{wrapped}.self_attn.q_proj.weight"),
                format!("layers.0.self_attn.q_proj.{wrapped}.weight"),
                format!("{wrapped}.layers.0.{wrapped}.self_attn.q_proj.{wrapped}.weight"),
            ] {
                assert_eq!(unwrapped(&[&name]), [plain], "{name}");
            }
        }
        for outer in OUTER {
            for name in
                [format!("{outer}.{plain}"), format!("{outer}.model.{plain}"), format!("module.{outer}.{plain}")]
            {
                assert_eq!(unwrapped(&[&name]), [plain], "{name}");
            }
            let inside = format!("encoder.{outer}.weight");
            let expected = if outer == "module" { "encoder.weight" } else { inside.as_str() };
            assert_eq!(unwrapped(&[&inside]), [expected]);
        }
        assert_eq!(unwrapped(&["base_model.model.model.layers.0.q.base_layer.weight"]), ["layers.0.q.weight"]);
    }

    #[test]
    fn spellings_of_one_module_are_made_one() {
        let names = [
            "conv.parametrizations.weight.original0",
            "conv.parametrizations.weight.original1",
            "conv.bias",
            "LayerNorm.gamma",
            "LayerNorm.beta",
        ];
        let expected = ["conv.weight_g", "conv.weight_v", "conv.bias", "LayerNorm.weight", "LayerNorm.bias"];
        assert_eq!(unwrapped(&names), expected);
    }

    #[test]
    fn different_names_stay_different() {
        let cases: [&[&str]; 6] = [
            &["model.fc.weight", "ema.fc.weight"],
            &["model.fc.weight", "fc.weight"],
            &["a.module.weight", "a.weight", "a.module.module.weight"],
            &["norm.gamma", "norm.weight"],
            &["", ".", "..", "module", "model.", "model"],
            &["module.model.w", "model.module.w", "w"],
        ];
        for names in cases {
            let mut new = unwrapped(names);
            assert_eq!(new.len(), names.len());
            new.sort();
            new.dedup();
            assert_eq!(new.len(), names.len(), "{names:?} became {new:?}");
        }
        assert_eq!(unwrapped(&["model.fc.weight", "ema.fc.weight"]), ["model.fc.weight", "ema.fc.weight"]);
        assert_eq!(unwrapped(&["model", "model."]), ["model", "model."]);
    }
}
