//! Numbers as JSON has them: `5` and `5.0` are the same.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// The largest whole numbers that an `f64` tells apart.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A JSON number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Number(pub(crate) f64);

impl Number {
    /// The number as seconds, to the millisecond; `None` when it is negative or too large for any clock.
    pub(super) fn as_duration(self) -> Option<Duration> {
        let duration = Duration::try_from_secs_f64(self.0).ok()?;
        // A number that is too large becomes the largest, which no rule accepts.
        Some(Duration::from_millis((duration.as_secs_f64() * 1000.0).round() as u64))
    }

    /// The number, if it is whole and not negative.
    pub(super) fn as_whole(self) -> Option<u32> {
        let whole = self.0.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&self.0);
        whole.then_some(self.0 as u32)
    }
}

impl From<Duration> for Number {
    fn from(duration: Duration) -> Self {
        Self(duration.as_secs_f64())
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 && self.0.abs() < EXACT {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_f64(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_f64<E>(self, number: f64) -> Result<Number, E> {
        Ok(Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
        Ok(Number(number as f64))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
        Ok(Number(number as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_are_read_without_a_panic() {
        let read = |text: &str| serde_json::from_str::<Number>(text).unwrap();
        assert_eq!(read("0.25").as_duration(), Some(Duration::from_millis(250)));
        assert_eq!(read("0.3").as_duration(), Some(Duration::from_millis(300)));
        assert_eq!(read("0.0001").as_duration(), Some(Duration::ZERO));
        assert_eq!(read("-0.5").as_duration(), None);
        assert_eq!(read("1e300").as_duration(), None);
        assert_eq!(read("1.8e19").as_duration(), Some(Duration::from_millis(u64::MAX)));
        assert_eq!(read("18446744073709551615").as_whole(), None);
        assert_eq!(
            (read("5.0").as_whole(), read("5.5").as_whole(), read("-1").as_whole()),
            (Some(5), None, None)
        );
    }

    #[test]
    fn whole_numbers_are_written_without_a_fraction() {
        let written = |number| serde_json::to_string(&Number(number)).unwrap();
        assert_eq!(
            (written(300.0), written(0.1), written(1e300)),
            ("300".into(), "0.1".into(), "1e+300".into())
        );
    }
}
