//! Checks of settings, and remarks, that the clusterers share.

use super::clusterer::Points;
use crate::error::Error;
use crate::phylogeny::Remark;

/// K as given or as expected, checked against the number of points; any K does for no point.
pub(super) fn family_count(given: Option<usize>, points: &Points<'_>) -> Result<usize, Error> {
    let n = points.len();
    let families = given.unwrap_or_else(|| points.expected_count());
    if given == Some(0) || (n > 0 && !(1..=n).contains(&families)) {
        let reason = "a family has at least one model";
        return Err(Error::FamilyCount { found: families, least: 1, most: n.max(1), reason });
    }
    Ok(families)
}

pub(super) fn check_count(setting: &'static str, found: usize) -> Result<(), Error> {
    if found > 0 {
        return Ok(());
    }
    Err(Error::InvalidSetting { setting, found: found.to_string(), expected: "at least 1" })
}

pub(super) fn check_tolerance(found: f64) -> Result<(), Error> {
    if found.is_finite() && found >= 0.0 {
        return Ok(());
    }
    Err(Error::InvalidSetting { setting: "tolerance", found: found.to_string(), expected: "a finite number from 0" })
}

pub(super) fn convergence(clusterer: &'static str, converged: bool, iterations: usize) -> Remark {
    let clusterer = clusterer.into();
    if converged { Remark::Converged { clusterer, iterations } } else { Remark::NotConverged { clusterer, iterations } }
}

/// Refuses a given radius that is not finite and above 0.
pub(super) fn check_radius(setting: &'static str, found: f64) -> Result<(), Error> {
    if found.is_finite() && found > 0.0 {
        return Ok(());
    }
    Err(Error::InvalidSetting { setting, found: found.to_string(), expected: "a finite number above 0" })
}
