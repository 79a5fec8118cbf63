//! A module imports only what stands to its left.

use std::path::{Path, PathBuf};

const ORDER: [&str; 21] = [
    "error",
    "bytes",
    "format",
    "source",
    "discover",
    "naming",
    "model_set",
    "kernel",
    "geometry",
    "evidence",
    "sketch",
    "store",
    "phylogeny",
    "parent",
    "detect",
    "config",
    "query",
    "rebuild",
    "write",
    "evaluate",
    "testing",
];

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

/// Code without comments, and without a unit test module at its end, which may import anything.
fn code(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    let mut source = text.lines().peekable();
    while let Some(line) = source.next() {
        let is_test = line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test,");
        if is_test && source.peek().is_some_and(|next| next.starts_with("mod ") && next.ends_with('{')) {
            break;
        }
        let comment = line.trim_start().starts_with("//");
        lines.push(if comment { "" } else { line.split_once(" // ").map_or(line, |(code, _)| code) });
    }
    lines.join("\n")
}

/// The first segments after a path's `crate::`: one, or those of a braced list.
fn heads(after: &str) -> Vec<String> {
    let word = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(list) = after.strip_prefix('{') else { return vec![word(after)] };
    let (mut heads, mut depth, mut begin) = (Vec::new(), 0usize, 0);
    for (at, c) in list.char_indices() {
        match (c, depth) {
            ('{', _) => depth += 1,
            ('}' | ',', 0) => {
                heads.push(word(list[begin..at].trim()));
                begin = at + 1;
                if c == '}' {
                    break;
                }
            }
            ('}', _) => depth -= 1,
            _ => {}
        }
    }
    heads.retain(|h| !h.is_empty());
    heads
}

/// What a module of the crate names through `crate::`, or through as many `super::` as lead to the crate.
fn imports(code: &str, depth: usize) -> Vec<String> {
    let root = "super::".repeat(depth);
    let boundary = |before: &str| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '$');
    let of = |prefix: &str| {
        code.match_indices(prefix)
            .filter(|&(at, _)| boundary(&code[..at]))
            .flat_map(|(at, found)| heads(&code[at + found.len()..]))
            .collect::<Vec<_>>()
    };
    [of("crate::"), of(&root)].concat()
}

/// Complaints about one file, given its path under `src`.
fn complaints(path: &str, text: &str) -> Vec<String> {
    let parts: Vec<&str> = path.trim_end_matches(".rs").split('/').filter(|p| *p != "mod").collect();
    let is_test = parts.iter().skip(1).any(|p| *p == "tests");
    // The command is a crate of its own; the library's root has no logic.
    if is_test || matches!(parts[0], "bin" | "lib") {
        return Vec::new();
    }
    let Some(place) = ORDER.iter().position(|m| *m == parts[0]) else {
        return vec![format!(
            "src/{path} belongs to no layer: add `{}` to the order in tests/repository/layers.rs",
            parts[0]
        )];
    };
    let complain = |import: String| match ORDER.iter().position(|m| *m == import) {
        Some(other) if other <= place => None,
        Some(_) => Some(format!("src/{path} imports from `{import}`, which stands to the right of `{}`", parts[0])),
        None => Some(format!(
            "src/{path} names `crate::{import}`: import it from its module, so that layers can be checked"
        )),
    };
    imports(&code(text), parts.len()).into_iter().filter_map(complain).collect()
}

#[test]
fn no_module_imports_from_its_right() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    files.sort();
    assert!(!files.is_empty());
    let mut all = Vec::new();
    for file in files {
        let path = file.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/");
        all.extend(complaints(&path, &std::fs::read_to_string(&file).unwrap()));
    }
    assert!(all.is_empty(), "\n{}", all.join("\n"));
}

#[test]
fn upward_imports_are_seen_however_they_are_written() {
    for text in [
        "use crate::evaluate::Truth;",
        "use crate::{error::Error, evaluate::{Ratio, Truth}};",
        "use crate::{\n    error::{Error, SourceError},\n    write::write_table,\n};",
        "fn f() {\n    crate::evaluate::evaluate(a, b);\n}",
        "pub(crate) use super::super::evaluate::Truth;",
        "use crate::Truth;",
    ] {
        assert_eq!(complaints("detect/lineage.rs", text).len(), 1, "{text}");
    }
    assert_eq!(complaints("detect/mod.rs", "use super::evaluate::Truth;").len(), 1);
    assert_eq!(complaints("unheard.rs", "").len(), 1);
}

#[test]
fn what_is_allowed_is_not_complained_about() {
    for text in [
        "use crate::{error::Error, phylogeny::{Edge, Phylogeny}};",
        "/// See [`Truth`](crate::evaluate::Truth).\nfn f() {}",
        "use super::evaluate::Score;",
        "use crate::error::Error;\n#[cfg(test)]\nmod tests {\n    use crate::evaluate::Truth;\n}",
        "use other_crate::evaluate::Truth;",
    ] {
        assert_eq!(complaints("detect/lineage.rs", text), Vec::<String>::new(), "{text}");
    }
    assert_eq!(complaints("detect/tests.rs", "use crate::evaluate::Truth;"), Vec::<String>::new());
    // A test module that is a file of its own exempts nothing after it.
    let declared = "#[cfg(test)]\nmod tests;\nuse crate::evaluate::Truth;";
    assert_eq!(complaints("detect/mod.rs", declared).len(), 1);
}

/// Complaints about one file, given its path under `src`, where it spells what only a format knows.
fn spelled(path: &str, text: &str) -> Vec<String> {
    // The store keeps files of its own in this container; their names are part of its frozen format. Files that are not read have
    // a command that converts them to it.
    let knows = ["format/safetensors", "format/unread/list.rs", "kernel/format.rs", "store/"]
        .iter()
        .any(|room| path.starts_with(room));
    let lines = code(text);
    let found = lines.lines().filter(|line| !knows && line.contains(".safetensors"));
    found.map(|line| format!("src/{path} spells an extension, ask the list of formats: {}", line.trim())).collect()
}

#[test]
fn the_extension_of_a_format_is_spelled_in_its_room_alone() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let path = file.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/");
        all.extend(spelled(&path, &std::fs::read_to_string(&file).unwrap()));
    }
    assert!(all.is_empty(), "\n{}", all.join("\n"));

    assert_eq!(spelled("discover/names.rs", "fn f() {\n    g(\"model.safetensors\");\n}").len(), 1);
    assert_eq!(spelled("discover/names.rs", "/// As `model.safetensors`.\nfn f() {}").len(), 0);
    assert_eq!(spelled("format/safetensors/mod.rs", "const A: &str = \".safetensors\";").len(), 0);
}
