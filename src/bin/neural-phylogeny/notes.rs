//! Notes on standard error: what was passed over, folded by kind where there is much of it.

use crate::printed::say;
use neural_phylogeny::discover::Ignored;
use std::collections::BTreeMap;

/// Most files of one reason that are named one by one.
const NAMED: usize = 5;

/// Notes what a search passed over. Files of one reason are folded into a line when there are many.
pub(crate) fn passed_over(ignored: &[Ignored]) {
    for line in lines(ignored) {
        say("note", &line);
    }
}

/// One line for each file, or for each kind and reason that many files share.
fn lines(ignored: &[Ignored]) -> Vec<String> {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for one in ignored {
        *count.entry(kind(one)).or_default() += 1;
    }
    let mut lines = Vec::new();
    let mut folded: BTreeMap<String, ()> = BTreeMap::new();
    for one in ignored {
        let number = count[&kind(one)];
        if number <= NAMED {
            lines.push(format!("{} is not read: {}", one.path.display(), one.reason));
        } else if folded.insert(kind(one), ()).is_none() {
            lines.push(format!("{number} files such as {} are not read: {}", one.path.display(), one.reason));
        }
    }
    lines
}

/// What makes two files alike. A reason that names another file is taken without that name.
fn kind(ignored: &Ignored) -> String {
    let words = ignored.reason.split(' ').filter(|word| !word.contains(['/', '\\']) && !word.contains('.'));
    format!("{:?} {}", ignored.kind, words.collect::<Vec<_>>().join(" "))
}
