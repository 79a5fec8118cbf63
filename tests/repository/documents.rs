//! Documents keep what they promise: short enough to be read, links that lead somewhere, options that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All Markdown files that people read, in the root, under docs and under tests.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("docs"), root().join("tests/data")];
    found.extend(markdown_in(root()));
    while let Some(folder) = folders.pop() {
        found.extend(markdown_in(&folder));
        folders.extend(entries(&folder).into_iter().filter(|path| path.is_dir()));
    }
    found.sort();
    assert!(found.len() > 30, "{found:?}");
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn markdown_in(folder: &Path) -> Vec<PathBuf> {
    entries(folder).into_iter().filter(|path| path.extension().is_some_and(|e| e == "md")).collect()
}

/// Lines outside of fenced blocks, and lines inside of them.
fn prose_and_code(text: &str) -> (Vec<&str>, Vec<&str>) {
    let (mut prose, mut code, mut fenced) = (Vec::new(), Vec::new(), false);
    for line in text.lines() {
        match line.trim_start().starts_with("```") {
            true => fenced = !fenced,
            false if fenced => code.push(line),
            false => prose.push(line),
        }
    }
    (prose, code)
}

/// What stands in `](…)`, but for addresses elsewhere.
fn links(text: &str) -> Vec<String> {
    let (prose, _) = prose_and_code(text);
    let text = prose.join("\n");
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|t| !t.contains("://")).map(str::to_owned).collect()
}

/// The anchors of a page, by the rule of the forge: lower case, spaces as hyphens, no punctuation.
fn anchors(text: &str) -> BTreeSet<String> {
    let (prose, _) = prose_and_code(text);
    let headings = prose.iter().filter(|line| line.starts_with('#'));
    let slug = |heading: &&str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        words.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
    };
    headings.map(slug).collect()
}

#[test]
fn what_is_written_by_hand_is_short_enough_to_be_read() {
    for (document, most) in [("README.md", 130), ("docs/evaluation.md", 200)] {
        let lines = read(document).lines().count();
        assert!(lines <= most, "{document} has {lines} lines, expected at most {most}");
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut wrong = Vec::new();
    for document in documents() {
        let text = read(&document);
        for link in links(&text) {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let there = if path.is_empty() { document.clone() } else { document.parent().unwrap().join(path) };
            let known = there.exists()
                && (anchor.is_empty()
                    || there.extension().is_none_or(|e| e != "md")
                    || anchors(&read(&there)).contains(anchor));
            if !known {
                wrong.push(format!("{} -> {link}", document.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_document_names_a_path_of_one_machine() {
    for document in documents().into_iter().chain([root().join("Cargo.toml"), root().join("CITATION.cff")]) {
        for (number, line) in read(&document).lines().enumerate() {
            for path in ["/home/", "/root/", "/work/", "/tmp/", "/Users/", "C:\\"] {
                assert!(!line.contains(path), "{}:{}: {line}", document.display(), number + 1);
            }
        }
    }
}

#[test]
fn decisions_have_their_four_parts_and_stand_in_the_list() {
    let list = read("docs/decisions/README.md");
    let mut pages = markdown_in(&root().join("docs/decisions"));
    pages.retain(|page| !page.ends_with("README.md"));
    pages.sort();
    assert!(pages.len() >= 20);
    for (number, page) in pages.iter().enumerate() {
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with(&format!("{:03}-", number + 1)), "{name} is not number {}", number + 1);
        assert!(list.contains(&format!("]({name})")), "{name} is not in the list");
        let text = read(page);
        for part in ["**Context.**", "**Decision.**", "**Alternatives.**", "**What would overturn it.**"] {
            assert!(text.contains(part), "{name} has no {part}");
        }
    }
}

#[test]
fn generated_pages_say_so() {
    for page in markdown_in(&root().join("docs/evaluation")) {
        let text = read(&page);
        if let Some(mark) = text.lines().find(|line| line.starts_with("<!-- ")) {
            assert!(text.contains("\nGenerated: "), "{} does not say that it is generated", page.display());
            assert!(text.contains(&mark.replace("<!-- ", "<!-- end of ")), "{} has no end of {mark}", page.display());
        }
    }
}

#[cfg(feature = "cli")]
mod command {
    use super::{prose_and_code, read};
    use std::process::Command;

    /// Commands and options that are named, without those of cargo and the shell.
    fn named(document: &str) -> Vec<String> {
        let text = read(document);
        let (prose, code) = prose_and_code(&text);
        let prose = prose.join("\n");
        let spans = prose.split('`').skip(1).step_by(2);
        let mut named = Vec::new();
        for line in code.into_iter().chain(spans) {
            let line = line.split(" #").next().unwrap_or(line);
            let own = match line.trim_start().starts_with("cargo ") {
                true => line.split_once(" -- ").map_or("", |(_, own)| own),
                false => line,
            };
            named.extend(own.split_whitespace().map(|word| word.trim_matches(['[', ']']).to_owned()));
        }
        named
    }

    fn help(words: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_neural-phylogeny")).args(words).arg("--help").output().unwrap();
        assert!(output.status.success(), "{words:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn options_and_commands_that_documents_name_exist() {
        let top = help(&[]);
        let commands = ["detect", "explain", "rebuild", "inspect", "evaluate", "sketch", "query", "store"];
        let help: String =
            commands.iter().map(|command| help(&[command])).chain([help(&["store", "verify"])]).collect();
        for document in ["README.md", "docs/command.md"] {
            let words = named(document);
            let options: Vec<&String> = words.iter().filter(|word| word.len() > 2 && word.starts_with("--")).collect();
            assert!(options.len() > 3, "{document} names {options:?}");
            for option in options {
                let there = help.split_whitespace().any(|word| word.trim_end_matches(',') == option);
                assert!(there, "{document} names {option}, which no command has");
            }
            for pair in
                words.windows(2).filter(|pair| pair[0] == "neural-phylogeny" && pair[1].chars().all(char::is_lowercase))
            {
                assert!(top.contains(&format!("\n  {} ", pair[1])), "{document} names the command {}", pair[1]);
            }
        }
    }
}
