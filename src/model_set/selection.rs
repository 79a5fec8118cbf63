use super::role::{Role, is_buffer};
use crate::error::Error;
use crate::source::ParameterInfo;
use glob::Pattern;

/// The choice of the parameters that are compared, and of how many values of each.
///
/// A parameter is compared if it matches an include pattern and no exclude pattern. Without include patterns, all match.
#[derive(Clone, Debug, Default)]
pub(super) struct Selection {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
    first_values: Option<usize>,
}

fn pattern(setting: &'static str, text: &str) -> Result<Pattern, Error> {
    Pattern::new(text).map_err(|e| Error::InvalidSetting {
        setting,
        found: format!("`{text}` ({e})"),
        expected: "a pattern of `*`, `?` and `[…]`",
    })
}

impl Selection {
    pub(super) fn include(&mut self, text: &str) -> Result<(), Error> {
        self.include.push(pattern("include", text)?);
        Ok(())
    }

    pub(super) fn exclude(&mut self, text: &str) -> Result<(), Error> {
        self.exclude.push(pattern("exclude", text)?);
        Ok(())
    }

    pub(super) fn first_values(&mut self, count: usize) {
        self.first_values = Some(count);
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        match self.first_values {
            Some(0) => {
                Err(Error::InvalidSetting { setting: "first_values", found: "0".into(), expected: "at least 1" })
            }
            _ => Ok(()),
        }
    }

    /// Returns how many of a parameter's values are compared.
    pub(super) fn values(&self, info: &ParameterInfo) -> usize {
        self.first_values.map_or(info.size(), |count| info.size().min(count))
    }

    /// Returns what a tensor is to the comparison.
    pub(super) fn role(&self, info: &ParameterInfo) -> Role {
        let matches = |patterns: &[Pattern]| patterns.iter().any(|p| p.matches(&info.name));
        // Patterns cannot make a buffer a parameter, so the dtype and the name are decided first.
        if is_buffer(info) {
            Role::Buffer
        } else if info.size() == 0 {
            Role::Empty
        } else if (!self.include.is_empty() && !matches(&self.include)) || matches(&self.exclude) {
            Role::Excluded
        } else {
            Role::Parameter
        }
    }
}
