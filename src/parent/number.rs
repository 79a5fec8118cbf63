//! Numbers of a method, each declared once with its meaning, unit, range and reason.

use crate::error::Error;
use std::ops::RangeInclusive;

/// One number of a method, as it stands in a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Number {
    /// The name of the field.
    pub(crate) name: &'static str,
    /// What it is, in one or two sentences.
    pub(crate) meaning: String,
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// The values it may have.
    pub(crate) range: RangeInclusive<f64>,
    /// The reason for its default value.
    pub(crate) reason: &'static str,
}

impl Number {
    /// # Errors
    ///
    /// [`Error::InvalidSetting`] when the value is NaN or out of its range.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.range.contains(&self.value) {
            return Ok(());
        }
        let (least, most) = (self.range.start(), self.range.end());
        let found = format!("{}, where {least} to {most} is allowed", self.value);
        Err(Error::InvalidSetting { setting: self.name, found, expected: "a number in the range of its documentation" })
    }
}

/// A group of numbers.
pub(crate) trait NumberGroup {
    /// Every number of the group, in the order of declaration.
    fn numbers(&self) -> Vec<Number>;

    /// Sets the number of a name.
    #[cfg(test)]
    fn set(&mut self, name: &str, value: f64);
}

/// A type of numbers.
pub(crate) trait Value: Copy {
    fn to_number(self) -> f64;

    #[cfg(test)]
    fn of_number(number: f64) -> Self;
}

impl Value for f64 {
    fn to_number(self) -> f64 {
        self
    }

    #[cfg(test)]
    fn of_number(number: f64) -> Self {
        number
    }
}

impl Value for usize {
    fn to_number(self) -> f64 {
        self as f64
    }

    #[cfg(test)]
    fn of_number(number: f64) -> Self {
        number as Self
    }
}

/// Declares a group of numbers: a struct with public fields. The values written here are its `Default`.
///
/// Each field reads `/// meaning`, then `name: type = value, "unit", range, "reason for the value";`.
macro_rules! numbers {
    (
        $(#[doc = $about:literal])+
        $visibility:vis struct $name:ident {
            $(
                $(#[doc = $meaning:literal])+
                $field:ident: $type:ty = $default:expr, $unit:literal, $range:expr, $reason:literal;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
        #[non_exhaustive]
        $visibility struct $name {
            $(
                $(#[doc = $meaning])+
                #[doc = ""]
                #[doc = concat!("In ", stringify!($range), " (", $unit, "), ", stringify!($default), " by default. ", $reason)]
                pub $field: $type,
            )+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default),+ }
            }
        }

        impl $crate::parent::NumberGroup for $name {
            fn numbers(&self) -> Vec<$crate::parent::Number> {
                use $crate::parent::Value;
                vec![$($crate::parent::Number {
                    name: stringify!($field),
                    meaning: concat!($($meaning),+).trim().to_owned(),
                    value: self.$field.to_number(),
                    unit: $unit,
                    range: $range,
                    reason: $reason,
                }),+]
            }

            #[cfg(test)]
            fn set(&mut self, name: &str, value: f64) {
                use $crate::parent::Value;
                match name {
                    $(stringify!($field) => self.$field = <$type>::of_number(value),)+
                    _ => unreachable!("no number is named {name}"),
                }
            }
        }
    };
}

pub(crate) use numbers;

#[cfg(test)]
mod tests {
    use super::*;

    numbers! {
        /// Two numbers.
        struct Two {
            /// A share
            /// of something.
            share: f64 = 0.5, "share", 0.0..=1.0, "It is even.";
            /// A count.
            count: usize = 3, "members", 1.0..=9.0, "It is odd.";
        }
    }

    #[test]
    fn numbers_know_their_value_and_their_range() {
        let mut two = Two::default();
        let [share, count] = &two.numbers()[..] else { unreachable!() };
        assert_eq!((share.name, share.meaning.as_str(), share.value), ("share", "A share of something.", 0.5));
        assert_eq!((count.value, count.unit, count.reason), (3.0, "members", "It is odd."));
        assert!(share.check().is_ok() && count.check().is_ok());
        for refused in [f64::NAN, -0.1, 1.1, f64::INFINITY] {
            two.set("share", refused);
            let message = two.numbers()[0].check().unwrap_err().to_string();
            assert!(message.contains("share") && message.contains("0 to 1"), "{message}");
        }
    }
}
