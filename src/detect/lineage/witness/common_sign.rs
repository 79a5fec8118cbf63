//! Evidence of edges whose sign is right in all of a lineage, or wrong in all of it.

/// What a witness says of the direction of one edge by itself: `said` where its sign is known.
pub(crate) fn settled(said: f64, sign: Option<f64>) -> f64 {
    sign.map_or(said, |right| together(said, right) - together(-said, right))
}

/// The logarithm of the probability of a tree whose edges together say `said`, where the sign is right with probability `right`.
pub(crate) fn together(said: f64, right: f64) -> f64 {
    // The larger exponent is taken out, so that none overflows.
    let half = said.abs() / 2.0;
    let (same, other) = if said < 0.0 { (1.0 - right, right) } else { (right, 1.0 - right) };
    half + (same + other * (-2.0 * half).exp()).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pair_alone_says_no_more_than_how_often_tails_grow() {
        let most = (0.85f64 / 0.15).ln();
        assert!((settled(100.0, Some(0.85)) - most).abs() < 1e-9 && (settled(-100.0, Some(0.85)) + most).abs() < 1e-9);
        assert_eq!((settled(3.0, None), settled(0.0, Some(0.85))), (3.0, 0.0));
        assert!(settled(1.0, Some(0.85)) > 0.5 && settled(1.0, Some(0.5)).abs() < 1e-12);
    }

    #[test]
    fn edges_with_one_sign_are_right_or_wrong_together() {
        // Ten edges that all say the reverse are nearly as likely as ten that agree: the cause is one.
        assert!((together(40.0, 0.85) - together(-40.0, 0.85) - (0.85f64 / 0.15).ln()).abs() < 1e-9);
        assert!((together(2.0, 0.85) - (0.85 * 1f64.exp() + 0.15 * (-1f64).exp()).ln()).abs() < 1e-12);
    }
}
