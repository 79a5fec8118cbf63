use super::format::{Content, ContentKind, OutputFormat};
use super::heaviest::HeaviestParent;
use crate::error::{Error, unwritten};
use crate::phylogeny::{Node, Phylogeny};
use std::fmt::Write as _;
use std::io::Write;

/// The form of [`write_newick`].
#[derive(Clone, Copy, Debug)]
pub struct Newick;

impl OutputFormat for Newick {
    fn name(&self) -> &'static str {
        "newick"
    }

    fn extension(&self) -> &'static str {
        "nwk"
    }

    fn description(&self) -> &'static str {
        "Trees with branch lengths"
    }

    fn kinds(&self) -> &'static [ContentKind] {
        &[ContentKind::Phylogeny]
    }

    fn write(&self, content: &Content<'_>, writer: &mut dyn Write) -> Result<(), Error> {
        match content {
            Content::Phylogeny(phylogeny) => write_newick(phylogeny, writer),
            _ => Err(self.refuse(content.kind())),
        }
    }
}

/// Writes a phylogeny as Newick trees, one line per family.
///
/// - Every model is a named node, ancestors included. A child's branch length is its distance; it is absent when not measured.
/// - A name is quoted when it has anything but ASCII letters, digits, `.`, `-` and `/`: without quotes an underscore would mean
///   a blank. A quote in a name is doubled (`'it''s'`). Control characters become blanks, since Newick cannot escape them.
/// - Newick has no models of several parents. A merge hangs under its heaviest parent (of equal weights, the first). A comment
///   gives all parents with their weights: `m[&merge={a=0.7,b=0.3}]:1.5`. In the comment every byte of a name but the
///   characters above and `_` is written as `%` and two hexadecimal digits.
/// - Several roots hang under a root without name. They occur where nothing shows which was first, or where a merge joined
///   them. Models whose parent is [withheld](Phylogeny::is_withheld) hang there too.
/// - A model that is not in the set is a node such as `'?1'[&unobserved=true]`, without a length.
/// - Confidence is not written.
///
/// `W` is taken by value; pass `&mut writer` to keep it.
///
/// # Errors
///
/// [`Error::Write`] when the writer fails.
///
/// ```
/// use neural_phylogeny::{Edge, ModelId, Phylogeny};
/// use neural_phylogeny::write::write_newick;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let edge = |child, distance| Edge::new(ModelId::new(0), ModelId::new(child)).with_distance(distance);
/// let phylogeny = Phylogeny::from_edges(4, vec![edge(1, 0.5), edge(2, 2.0)])?
///     .with_names(["base", "a_1", "it's", "stranger"])?;
///
/// let mut text = Vec::new();
/// write_newick(&phylogeny, &mut text)?;
/// assert_eq!(String::from_utf8(text)?, "('a_1':0.5,'it''s':2)base;\nstranger;\n");
/// # Ok(())
/// # }
/// ```
pub fn write_newick<W: Write>(phylogeny: &Phylogeny, mut writer: W) -> Result<(), Error> {
    let forest = HeaviestParent::new(phylogeny);
    for family in phylogeny.families() {
        // A model whose parent is withheld is no root, and yet no edge leads to it.
        let number = phylogeny.family_of(family.members[0]);
        let absent = phylogeny.unobserved_in(number).filter(|&id| phylogeny.links_to(id).is_empty()).map(Node::from);
        let tops = phylogeny.tops(number).map(Node::from).chain(absent);
        let trees: Vec<String> = tops.map(|top| tree(phylogeny, &forest, top)).collect();
        let text = match &trees[..] {
            [tree] => tree.clone(),
            trees => format!("({})", trees.join(",")),
        };
        writeln!(writer, "{text};").map_err(unwritten)?;
    }
    writer.flush().map_err(unwritten)?;
    Ok(())
}

/// Writes one root's tree without the semicolon. It is not recursive, because a lineage may be as long as the set is large.
fn tree(phylogeny: &Phylogeny, forest: &HeaviestParent, root: Node) -> String {
    let mut text = String::new();
    // Each entry is a model on the way down, and how many of its children are written.
    let mut path = vec![(root, 0)];
    while let Some((model, written)) = path.last_mut() {
        if let Some(&child) = forest.children(*model).get(*written) {
            text.push(if *written == 0 { '(' } else { ',' });
            *written += 1;
            path.push((child, 0));
        } else {
            if *written > 0 {
                text.push(')');
            }
            label(phylogeny, *model, &mut text);
            path.pop();
        }
    }
    text
}

fn label(phylogeny: &Phylogeny, node: Node, text: &mut String) {
    let links = phylogeny.links_to(node);
    let edges = node.model().map_or(&[][..], |model| phylogeny.parents(model));
    match node {
        Node::Model(model) => quote(phylogeny.name(model), text),
        // A model may have this name too, so that a comment says what the node is.
        Node::Unobserved(id) => {
            quote(&id.to_string(), text);
            text.push_str("[&unobserved=true]");
        }
    }
    if edges.len() + links.len() > 1 {
        let edges = edges.iter().map(|e| format!("{}={}", encode(phylogeny.name(e.parent)), e.weight));
        let links = links.iter().map(|l| format!("{}={}", encode(&shown(phylogeny, l.parent)), l.weight));
        let shares: Vec<String> = edges.chain(links).collect();
        // Writing to a string cannot fail.
        let _ = write!(text, "[&merge={{{}}}]", shares.join(","));
    }
    let distance = match node.model().and_then(|model| phylogeny.parent(model)) {
        Some(edge) => edge.distance,
        None => links.first().and_then(|link| link.distance),
    };
    if let Some(distance) = distance {
        let _ = write!(text, ":{distance}");
    }
}

fn shown(phylogeny: &Phylogeny, node: Node) -> String {
    match node {
        Node::Model(model) => phylogeny.name(model).to_owned(),
        Node::Unobserved(id) => id.to_string(),
    }
}

fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '/')
}

pub(super) fn quote(name: &str, text: &mut String) {
    if !name.is_empty() && name.chars().all(plain) {
        text.push_str(name);
        return;
    }
    text.push('\'');
    for c in name.chars() {
        match c {
            '\'' => text.push_str("''"),
            c if super::is_hidden(c) => text.push(' '),
            c => text.push(c),
        }
    }
    text.push('\'');
}

fn encode(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        if plain(byte.into()) || byte == b'_' {
            encoded.push(byte.into());
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_set::ModelId;
    use crate::phylogeny::PhylogenyBuilder;
    use crate::phylogeny::arbitrary::{any_phylogeny, builder, family};
    use proptest::prelude::*;

    fn newick(phylogeny: &Phylogeny) -> String {
        let mut text = Vec::new();
        write_newick(phylogeny, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// Strips comments and quoted names; returns what is left and the names met, unquoted ones included.
    fn scan(text: &str) -> (String, Vec<String>) {
        let (mut structure, mut names, mut bare) = (String::new(), Vec::new(), String::new());
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '[' => while chars.next().is_some_and(|c| c != ']') {},
                '\'' => {
                    let mut name = String::new();
                    loop {
                        match chars.next() {
                            Some('\'') if chars.peek() == Some(&'\'') => name.push(chars.next().unwrap()),
                            Some('\'') => break,
                            c => name.push(c.expect("closing quote")),
                        }
                    }
                    names.push(name);
                }
                ':' => while chars.next_if(|c| !",();[".contains(*c)).is_some() {},
                '(' | ')' | ',' | ';' | '\n' => {
                    names.extend((!bare.is_empty()).then(|| std::mem::take(&mut bare)));
                    structure.push(c);
                }
                c => bare.push(c),
            }
        }
        (structure, names)
    }

    #[test]
    fn a_merge_hangs_under_its_heaviest_parent_and_names_all() {
        let phylogeny = family(4, &[(0, 1, 1.0), (0, 2, 1.0), (1, 3, 0.3), (2, 3, 0.7)]);
        let phylogeny = phylogeny.with_names(["r", "a b", "c", "m]"]).unwrap();
        assert_eq!(newick(&phylogeny), "('a b',('m]'[&merge={a%20b=0.3,c=0.7}])c)r;\n");
    }

    #[test]
    fn a_tie_has_an_unnamed_root() {
        let kin = vec![vec![ModelId::new(0), ModelId::new(1)]];
        let phylogeny = kin.into_iter().fold(builder(3, &[]), PhylogenyBuilder::with_kin).build().unwrap();
        assert_eq!(newick(&phylogeny), "(0,1);\n2;\n");
    }

    #[test]
    fn no_models_are_no_trees() {
        assert_eq!(newick(&Phylogeny::from_edges(0, Vec::new()).unwrap()), "");
    }

    #[test]
    fn a_lineage_of_ten_thousand_does_not_overflow_the_stack() {
        let edges: Vec<_> = (1..10_000).map(|i| (i - 1, i, 1.0)).collect();
        assert_eq!(newick(&family(10_000, &edges)).matches('(').count(), 9_999);
    }

    proptest! {
        #[test]
        fn parentheses_balance_and_every_model_stands_once(phylogeny in any_phylogeny()) {
            let text = newick(&phylogeny);
            prop_assert_eq!(text.lines().count(), phylogeny.families().len());
            for line in text.lines() {
                let mut depth = 0i64;
                let (structure, _) = scan(line);
                for c in structure.chars() {
                    depth += match c { '(' => 1, ')' => -1, _ => 0 };
                    prop_assert!(depth >= 0);
                }
                prop_assert_eq!(depth, 0);
                prop_assert!(structure.ends_with(';'));
            }
            let (_, mut found) = scan(&text);
            let blank = |name: &str| name.replace(super::super::is_hidden, " ");
            let mut expected: Vec<String> = phylogeny.models().map(|m| blank(phylogeny.name(m))).collect();
            expected.extend(phylogeny.unobserved().map(|id| id.to_string()));
            found.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
