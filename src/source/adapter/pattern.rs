//! Patterns of module names, as peft's configurations have them, matched within bounds.
//!
//! A configuration comes from a stranger, and a pattern of thirty characters can stand for a machine of millions of states. So
//! what is compiled and what is matched is bounded. Most patterns are plain names, which need no machine at all.

use regex_lite::{Regex, RegexBuilder};

/// Largest expression, compiled, in bytes. Thousands of states fit in; one of peft's examples takes a hundredth.
const COMPILED: usize = 1 << 16;

/// Most expressions in one field. Plain names are not counted.
const EXPRESSIONS: usize = 64;

/// Most characters of module names that expressions are matched with: the characters of all modules times the expressions.
const MATCHED: usize = 1 << 23;

/// Most comparisons of plain names with names of modules.
const COMPARED: usize = 1 << 27;

/// Characters of a pattern that an error shows.
const SHOWN: usize = 60;

/// Patterns in their order, each with its value. The first match counts.
#[derive(Debug)]
pub(super) struct Patterns<V> {
    field: &'static str,
    begin: Begin,
    all: Vec<(Pattern, V)>,
}

/// Where a match may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// At the beginning of a module's name.
    Name,
    /// There, or after any of its dots.
    Part,
}

#[derive(Debug)]
enum Pattern {
    /// A name, in which a dot stands for any character.
    Plain(String),
    Expression(Regex),
}

impl<V: Copy> Patterns<V> {
    /// No patterns.
    pub(super) fn none() -> Self {
        Self { field: "", begin: Begin::Name, all: Vec::new() }
    }

    /// Compiles patterns that match the end of a module's name, as peft does.
    ///
    /// The error is a feature that is not supported, with the field, the pattern and the limit.
    pub(super) fn new(
        field: &'static str,
        begin: Begin,
        patterns: impl IntoIterator<Item = (String, V)>,
    ) -> Result<Self, String> {
        let mut all = Vec::new();
        let mut expressions = 0;
        for (pattern, value) in patterns {
            let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
            if pattern.chars().all(is_plain) {
                all.push((Pattern::Plain(pattern), value));
                continue;
            }
            expressions += 1;
            if expressions > EXPRESSIONS {
                return Err(format!("a `{field}` with more than {EXPRESSIONS} expressions"));
            }
            let before = if begin == Begin::Part { r"(?:.*\.)?" } else { "" };
            let whole = RegexBuilder::new(&format!("^(?:{before}(?:{pattern}))$")).size_limit(COMPILED).build();
            let expression = whole.map_err(|e| {
                let shown: String = pattern.chars().take(SHOWN).collect();
                let more = if shown.len() < pattern.len() { "…" } else { "" };
                format!("`{field}` `{shown}{more}` ({e}; at most {COMPILED} bytes, compiled)")
            })?;
            all.push((Pattern::Expression(expression), value));
        }
        Ok(Self { field, begin, all })
    }

    /// Returns the value of the first pattern that matches.
    pub(super) fn first_match(&self, module: &str) -> Option<V> {
        self.all.iter().find(|(pattern, _)| pattern.matches(module, self.begin)).map(|&(_, value)| value)
    }

    /// Checks how long it takes to match all modules, before any is matched.
    ///
    /// The error is a feature that is not supported.
    pub(super) fn check_work<'m>(&self, modules: impl Iterator<Item = &'m str>) -> Result<(), String> {
        let expressions = self.all.iter().filter(|(pattern, _)| matches!(pattern, Pattern::Expression(_))).count();
        let plain = self.all.len() - expressions;
        let (number, characters) = modules.fold((0usize, 0usize), |(n, c), module| (n + 1, c + module.len()));
        let field = self.field;
        if characters.saturating_mul(expressions) > MATCHED {
            return Err(format!(
                "a `{field}` of {expressions} expressions over {characters} characters of names, whose product is more than {MATCHED}"
            ));
        }
        if number.saturating_mul(plain) > COMPARED {
            return Err(format!(
                "a `{field}` of {plain} names over {number} modules, whose product is more than {COMPARED}"
            ));
        }
        Ok(())
    }
}

impl Pattern {
    fn matches(&self, module: &str, begin: Begin) -> bool {
        match self {
            Self::Plain(name) => ends_in(module, name, begin),
            Self::Expression(expression) => expression.is_match(module),
        }
    }
}

/// Whether a module's name is a plain pattern, or ends in it where that may begin. A dot of the pattern is any character but a line's end.
fn ends_in(module: &str, pattern: &str, begin: Begin) -> bool {
    let mut rest = module.chars();
    let is_same = |p: char| rest.next_back().is_some_and(|m| m == p || p == '.' && m != '\n');
    if !pattern.chars().rev().all(is_same) {
        return false;
    }
    let before = rest.as_str();
    before.is_empty() || begin == Begin::Part && before.ends_with('.') && !before.contains('\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_pattern_matches_what_its_expression_would() {
        let modules = [
            "q", "a.q", "aq", "a.b.q", "a.bxq", "b.q", "b\nq", "x\ny.b.q", "", ".", "a.", "é.q", "a.é", "b.q.b.q",
            "xb.q",
        ];
        for pattern in ["q", "b.q", "", ".", "é", "a.b.q", "b..", "..q"] {
            let expression = Regex::new(&format!(r"^(?:(?:.*\.)?(?:{pattern}))$")).unwrap();
            let plain = Patterns::new("f", Begin::Part, [(pattern.to_owned(), 1)]).unwrap();
            assert!(matches!(plain.all[0].0, Pattern::Plain(_)));
            for module in modules {
                let found = plain.first_match(module).is_some();
                assert_eq!(found, expression.is_match(module), "`{pattern}` on `{module}`");
            }
        }
    }

    #[test]
    fn the_first_match_counts() {
        let patterns = [("layers.(0|1).q", 1), ("q", 2), (".*", 3)].map(|(p, v)| (p.to_owned(), v));
        let patterns = Patterns::new("rank_pattern", Begin::Part, patterns).unwrap();
        let found = ["model.layers.1.q", "layers.2.q", "layers.2.k"].map(|module| patterns.first_match(module));
        assert_eq!(found, [Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn patterns_beyond_the_limits_are_refused_with_them() {
        let one = |pattern: &str| {
            Patterns::new("rank_pattern", Begin::Part, [(pattern.to_owned(), 1)]).map(drop).unwrap_err()
        };
        for hostile in [r"(?:\w{1,100}){1,100}", r"(?:\w{0,100}){0,100}Z", r"((a{0,99}){0,99}){0,99}"] {
            let error = one(hostile);
            assert!(error.contains(hostile) && error.contains("65536 bytes"), "{error}");
        }
        assert!(one(&format!("({}", "a".repeat(1 << 20))).len() < 400);
        let many = (0..65).map(|i| (format!("q{i}|k"), i));
        assert!(Patterns::new("alpha_pattern", Begin::Part, many).unwrap_err().contains("more than 64 expressions"));
        let names = (0..5000).map(|i| (format!("layers.{i}.q"), i));
        let plain = Patterns::new("rank_pattern", Begin::Name, names).unwrap();
        let module = "m".repeat(1000);
        assert!(plain.check_work((0..20_000).map(|_| module.as_str())).is_ok());
        assert!(plain.check_work((0..30_000).map(|_| module.as_str())).unwrap_err().contains("5000 names"));
        assert_eq!([plain.first_match("layers.7.q"), plain.first_match("a.layers.7.q")], [Some(7), None]);
        let one = Patterns::new("rank_pattern", Begin::Part, [("q|k".to_owned(), 1)]).unwrap();
        assert!(one.check_work((0..8000).map(|_| module.as_str())).is_ok());
        assert!(one.check_work((0..9000).map(|_| module.as_str())).unwrap_err().contains("8388608"));
    }
}
