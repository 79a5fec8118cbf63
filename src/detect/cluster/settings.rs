//! Checks of settings, and remarks, that clusterers share.

use super::centroid_rule::Alpha;
use super::clusterer::Points;
use crate::detect::{NamedSetting, SettingWords};
use crate::error::Error;
use crate::phylogeny::Remark;

/// K as given, or as expected, checked against the number of points. Without points any K is accepted.
pub(super) fn family_count(given: Option<usize>, points: &Points<'_>) -> Result<usize, Error> {
    let n = points.len();
    let families = given.unwrap_or_else(|| points.expected_count());
    if given == Some(0) || (n > 0 && !(1..=n).contains(&families)) {
        let reason = "a family has at least one model";
        return Err(Error::FamilyCount { found: families, least: 1, most: n.max(1), reason });
    }
    Ok(families)
}

/// Refuses a count of 0.
pub(super) fn check_count(setting: &'static str, found: usize) -> Result<(), Error> {
    if found > 0 {
        return Ok(());
    }
    Err(Error::InvalidSetting { setting, found: found.to_string(), expected: "at least 1" })
}

/// Refuses a tolerance that is negative or not finite.
pub(super) fn check_tolerance(found: f64) -> Result<(), Error> {
    if found.is_finite() && found >= 0.0 {
        return Ok(());
    }
    Err(Error::InvalidSetting { setting: "tolerance", found: found.to_string(), expected: "a finite number from 0" })
}

/// Reads a number from text.
pub(super) fn parsed(setting: &'static str, text: &str, expected: &'static str) -> Result<f64, Error> {
    text.parse().map_err(|_| Error::unknown_word(setting, text, expected))
}

/// The whole number that some text is.
pub(super) fn whole(setting: &'static str, text: &str) -> Result<usize, Error> {
    text.parse().map_err(|_| Error::unknown_word(setting, text, "a whole number"))
}

/// The setting of detectors that follow the α rule.
pub(super) const ALPHA: NamedSetting = NamedSetting::new(
    "alpha",
    "A|sweep",
    "share of iterations in which centroids become means, from 0 to 1; in the others they become the member that the \
     selector prefers. `sweep` tries several and keeps the one nearest to the expected families [default: 1]",
    |word| word.parse::<Alpha>().map(drop),
);

/// α by its words.
pub(super) fn alpha(words: &SettingWords) -> Result<Alpha, Error> {
    Ok(words.value(ALPHA.name(), str::parse::<Alpha>)?.unwrap_or_default())
}

/// The remark on whether a clusterer converged.
pub(super) fn convergence(clusterer: &'static str, converged: bool, iterations: usize) -> Remark {
    let clusterer = clusterer.into();
    if converged { Remark::Converged { clusterer, iterations } } else { Remark::NotConverged { clusterer, iterations } }
}

/// Refuses a radius that is not finite and above 0.
pub(super) fn check_radius(setting: &'static str, found: f64) -> Result<(), Error> {
    if found.is_finite() && found > 0.0 {
        return Ok(());
    }
    Err(Error::InvalidSetting { setting, found: found.to_string(), expected: "a finite number above 0" })
}

#[cfg(test)]
mod tests {
    use crate::detect::Kurtosis;
    use crate::detect::cluster::{Alpha, Bandwidth, Radius, Seeding};
    use crate::error::Error;
    use std::fmt::{Debug, Display};
    use std::str::FromStr;

    fn spelled<T: FromStr<Err = Error> + Display + PartialEq + Debug>(values: &[T]) {
        for value in values {
            assert_eq!(value.to_string().parse::<T>().unwrap(), *value);
        }
        assert!(matches!("nonsense".parse::<T>(), Err(Error::InvalidSetting { .. })));
    }

    #[test]
    fn settings_are_read_as_they_are_written() {
        spelled(&[Alpha::Fixed(0.25), Alpha::Sweep]);
        spelled(&[Bandwidth::Expected, Bandwidth::Quantile(0.3), Bandwidth::Fixed(2.0)]);
        spelled(&[Radius::Expected, Radius::Fixed(1e-3)]);
        spelled(&[Seeding::PlusPlus, Seeding::LikelyParents { share: 0.5 }]);
        spelled(&[Kurtosis::Falls, Kurtosis::Rises]);
        spelled(&[crate::geometry::Scope::Matrices, crate::geometry::Scope::All]);
        spelled(&[crate::model_set::OnUnreadable::Stop, crate::model_set::OnUnreadable::Skip]);
        spelled(&[crate::model_set::Kind::Matrix, crate::model_set::Kind::Vector]);
        use crate::model_set::Role;
        spelled(&[Role::Parameter, Role::Buffer, Role::Empty, Role::Excluded]);
    }
}
