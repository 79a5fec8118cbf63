use super::role::{Role, is_buffer};
use crate::error::Error;
use crate::source::ParameterInfo;
use glob::Pattern;

/// Which parameters are compared: those that match an include pattern, if there is one, and no exclude pattern.
#[derive(Clone, Debug, Default)]
pub(super) struct Selection {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
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

    pub(super) fn role(&self, info: &ParameterInfo) -> Role {
        let matches = |patterns: &[Pattern]| patterns.iter().any(|p| p.matches(&info.name));
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
