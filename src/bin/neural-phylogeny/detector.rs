//! The choice of a detector, from the library's list of those that go by a name.

use clap::builder::{PossibleValue, PossibleValuesParser, ValueParser};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use neural_phylogeny::PhylogenyDetector;
use neural_phylogeny::detect::{Families, NamedDetector, NamedSetting, SelectorUse, SettingWords, named_detectors};
use std::fmt;
use std::str::FromStr;

/// The detector where neither `--detector` nor `--selector` is given.
const DEFAULT: &str = "lineage";

/// The detector where only `--selector` is given: families first, then one parent each, as in the paper.
const OF_A_SELECTOR: &str = "independence";

/// How models are divided into families, and the settings of each detector.
#[derive(Args, Debug)]
pub(crate) struct Clustering {
    #[command(flatten)]
    choice: Choice,

    /// Number of families to expect, or `auto` for the independence test.
    #[arg(long, value_name = "N|auto", default_value_t = FamilyCount::Auto)]
    families: FamilyCount,

    /// Probability that a set without kin shows any, in (0, 1); for `--families auto`.
    #[arg(long, value_name = "P", default_value_t = 1e-3)]
    false_alarm: f64,
}

impl Clustering {
    /// Makes the detector with its settings. Refuses settings of another detector, and a selector that it would not use.
    pub(crate) fn detector(&self, has_selector: bool) -> Result<Box<dyn PhylogenyDetector>, String> {
        let default = if has_selector { OF_A_SELECTOR } else { DEFAULT };
        let name = self.choice.detector.as_deref().unwrap_or(default);
        let Some(chosen) = named_detectors().find(|d| d.name() == name) else {
            return Err(format!("no detector is named `{name}`"));
        };
        // The library refuses such a setting too. This error also says which detectors have it.
        if let Some(setting) = self.choice.words.names().find(|s| !has(&chosen, s)) {
            let of: Vec<String> =
                named_detectors().filter(|d| has(d, setting)).map(|d| format!("`--detector {}`", d.name())).collect();
            let of = of.join(" and ");
            return Err(format!("`--{setting}` is a setting of {of}, found with `--detector {name}`"));
        }
        let families = match self.families {
            FamilyCount::Auto => Families::Auto { false_alarm: self.false_alarm },
            FamilyCount::Count(count) => Families::Count(count),
        };
        let detector = chosen.build(families, &self.choice.words).map_err(|e| e.to_string())?;
        if has_selector && detector.selector_use() == SelectorUse::Unused {
            return Err(format!("`--detector {name}` uses no selector, found `--selector`"));
        }
        Ok(detector)
    }
}

fn has(detector: &NamedDetector, setting: &str) -> bool {
    detector.settings().iter().any(|s| s.name() == setting)
}

/// A detector by name, and words for settings. The library's list gives its options.
#[derive(Debug)]
struct Choice {
    detector: Option<String>,
    words: SettingWords,
}

/// Each setting once, with the detectors that have it.
fn settings() -> Vec<(NamedSetting, Vec<&'static str>)> {
    let mut settings: Vec<(NamedSetting, Vec<&'static str>)> = Vec::new();
    for detector in named_detectors() {
        for setting in detector.settings() {
            match settings.iter_mut().find(|(known, _)| known.name() == setting.name()) {
                Some((_, detectors)) => detectors.push(detector.name()),
                None => settings.push((*setting, vec![detector.name()])),
            }
        }
    }
    settings
}

impl Args for Choice {
    fn augment_args(command: Command) -> Command {
        let names = named_detectors().map(|d| PossibleValue::new(d.name()).help(d.about()));
        let detector = Arg::new("detector")
            .long("detector")
            .value_name("DETECTOR")
            .value_parser(PossibleValuesParser::new(names))
            .help(format!("How families, parents and directions are found [default: {DEFAULT}]"));
        settings().into_iter().fold(command.arg(detector), |command, (setting, detectors)| {
            let check = move |word: &str| setting.check(word).map(|()| word.to_owned());
            let option = Arg::new(setting.name())
                .long(setting.name())
                .value_name(setting.placeholder())
                .value_parser(ValueParser::new(check))
                .help(format!("{}: {}", detectors.join(", "), setting.about()));
            command.arg(option)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Choice {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let word = |name: &str| matches.get_one::<String>(name).cloned();
        let words = settings().into_iter().filter_map(|(setting, _)| Some((setting.name(), word(setting.name())?)));
        Ok(Self { detector: word("detector"), words: words.collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FamilyCount {
    Auto,
    Count(usize),
}

impl FromStr for FamilyCount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            n => match n.parse() {
                Ok(0) => Err("expected 1 or more, or `auto`".to_owned()),
                Ok(count) => Ok(Self::Count(count)),
                Err(_) => Err("expected a number or `auto`".to_owned()),
            },
        }
    }
}

impl fmt::Display for FamilyCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Count(n) => write!(f, "{n}"),
        }
    }
}
