//! Detectors that go by a name, with settings that go by words: what a command line chooses from.

use super::{Families, PhylogenyDetector};
use crate::error::Error;
use std::collections::BTreeMap;
use std::fmt;

/// A setting of a [`NamedDetector`], written as a word.
#[derive(Clone, Copy, Debug)]
pub struct NamedSetting {
    name: &'static str,
    placeholder: &'static str,
    about: &'static str,
    check: fn(&str) -> Result<(), Error>,
}

impl NamedSetting {
    /// A setting by name, what stands for its value in a usage, what it does with its default, and what refuses bad words.
    pub(super) const fn new(
        name: &'static str,
        placeholder: &'static str,
        about: &'static str,
        check: fn(&str) -> Result<(), Error>,
    ) -> Self {
        Self { name, placeholder, about, check }
    }

    /// Its name, in kebab case.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What stands for its value in a usage.
    pub fn placeholder(&self) -> &'static str {
        self.placeholder
    }

    /// What it does, and its default.
    pub fn about(&self) -> &'static str {
        self.about
    }

    /// Refuses a word that is no value of this setting.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`] with what was found and expected.
    pub fn check(&self, word: &str) -> Result<(), Error> {
        (self.check)(word)
    }
}

/// Words for some settings, by name. What has no word keeps its default.
///
/// ```
/// use neural_phylogeny::detect::SettingWords;
/// let words: SettingWords = [("alpha", "0.5")].into_iter().collect();
/// assert_eq!(words.names().collect::<Vec<_>>(), ["alpha"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingWords(BTreeMap<String, String>);

impl SettingWords {
    /// The settings that have a word, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The value that `read` makes of the word of a setting; `None` without a word.
    pub(super) fn value<T>(&self, name: &str, read: impl Fn(&str) -> Result<T, Error>) -> Result<Option<T>, Error> {
        self.0.get(name).map(|word| read(word)).transpose()
    }
}

impl<N: Into<String>, W: Into<String>> FromIterator<(N, W)> for SettingWords {
    fn from_iter<I: IntoIterator<Item = (N, W)>>(words: I) -> Self {
        Self(words.into_iter().map(|(name, word)| (name.into(), word.into())).collect())
    }
}

/// A detector of this crate by its name.
///
/// ```
/// use neural_phylogeny::detect::{Families, SettingWords, named_detectors};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kmeans = named_detectors().find(|d| d.name() == "kmeans").ok_or("no such detector")?;
/// let words: SettingWords = [("alpha", "0.5"), ("restarts", "3")].into_iter().collect();
/// let detector = kmeans.build(Families::default(), &words)?;
/// assert!(format!("{detector:?}").contains("KMeans"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct NamedDetector {
    name: &'static str,
    about: &'static str,
    settings: &'static [NamedSetting],
    build: Build,
}

type Build = fn(Families, &SettingWords) -> Result<Box<dyn PhylogenyDetector>, Error>;

impl NamedDetector {
    /// A detector by name, what it does, its settings, and how it is made of families and words.
    pub(super) const fn new(
        name: &'static str,
        about: &'static str,
        settings: &'static [NamedSetting],
        build: Build,
    ) -> Self {
        Self { name, about, settings, build }
    }

    /// Its name, in kebab case.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it does, in one line.
    pub fn about(&self) -> &'static str {
        self.about
    }

    /// Its settings, in the order of its page.
    pub fn settings(&self) -> &'static [NamedSetting] {
        self.settings
    }

    /// The detector, with these families expected, and with these settings.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`] for a word that is no value of its setting, and for a setting that this detector does not have.
    pub fn build(&self, families: Families, words: &SettingWords) -> Result<Box<dyn PhylogenyDetector>, Error> {
        if let Some(foreign) = words.names().find(|name| self.settings.iter().all(|s| s.name != *name)) {
            let found = format!("`{foreign}` for the detector `{}`", self.name);
            return Err(Error::InvalidSetting { setting: "detector", found, expected: "settings of its own" });
        }
        (self.build)(families, words)
    }
}

impl fmt::Debug for NamedDetector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NamedDetector").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::named_detectors;
    use std::collections::BTreeSet;

    #[test]
    fn every_detector_is_made_of_its_defaults() -> Result<(), Error> {
        let mut names = BTreeSet::new();
        for detector in named_detectors() {
            assert!(names.insert(detector.name()) && !detector.about().is_empty());
            detector.build(Families::default(), &SettingWords::default())?.check(1, 9)?;
        }
        Ok(())
    }

    #[test]
    fn words_reach_the_detector_and_bad_ones_are_refused() -> Result<(), Error> {
        for detector in named_detectors() {
            let plain = format!("{:?}", detector.build(Families::default(), &SettingWords::default())?);
            for setting in detector.settings() {
                let word = |word: &str| [(setting.name(), word)].into_iter().collect::<SettingWords>();
                // One of these is a value of any setting, and not its default.
                let words = ["0.25", "7", "rises", "likely-parents"];
                let good = words.iter().find(|w| setting.check(w).is_ok()).unwrap();
                let changed = format!("{:?}", detector.build(Families::default(), &word(good))?);
                assert_ne!(changed, plain, "{} {good}", setting.name());
                assert!(setting.check("moon").is_err(), "{}", setting.name());
                assert!(detector.build(Families::default(), &word("moon")).is_err(), "{}", setting.name());
            }
            let foreign: SettingWords = [("moon", "1")].into_iter().collect();
            let refused = detector.build(Families::default(), &foreign).unwrap_err();
            assert!(refused.to_string().contains("`moon`"), "{refused}");
        }
        Ok(())
    }
}
