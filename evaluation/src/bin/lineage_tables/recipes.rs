//! How models were trained, as `recipes.json` tells it.

use crate::Failure;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// What training did to the weights, roughly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// There is no recipe.
    All,
    /// Every parameter, without weight decay.
    Full,
    /// Every parameter, with weight decay.
    Decayed,
    /// LoRA and its relatives, merged or not.
    LowRank,
    /// Some parameters frozen.
    Partial,
    /// Merged, cast, rounded, pruned, scaled, permuted, duplicated.
    Copied,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] =
        [Self::All, Self::Full, Self::Decayed, Self::LowRank, Self::Partial, Self::Copied];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Full => "full, no decay",
            Self::Decayed => "full, decay",
            Self::LowRank => "LoRA, DoRA",
            Self::Partial => "partial",
            Self::Copied => "merge or copy",
        }
    }
}

/// The kind of each model that was made from another; empty without a file.
pub(crate) fn kinds(folder: &Path) -> Result<BTreeMap<String, Kind>, Failure> {
    let path = folder.join("recipes.json");
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let file: Value = serde_json::from_reader(File::open(path)?)?;
    let models = file["models"].as_array().ok_or("recipes without models")?;
    Ok(models.iter().filter_map(|m| Some((m["name"].as_str().or(m["id"].as_str())?.to_owned(), kind(m)?))).collect())
}

fn kind(recipe: &Value) -> Option<Kind> {
    let method = recipe["method"].as_str()?;
    let decay = recipe["weight_decay"].as_f64().or(recipe["hyper"]["wd"].as_f64()).unwrap_or(0.0);
    Some(match method {
        m if m.contains("lora") || m.contains("dora") => Kind::LowRank,
        "partial" | "head-only" => Kind::Partial,
        "full" if decay > 0.0 => Kind::Decayed,
        "full" => Kind::Full,
        _ => Kind::Copied,
    })
}
