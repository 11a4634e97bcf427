//! A moment in time, to the millisecond, in UTC.

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The last moment with a year of four digits, which is as far as RFC 3339 goes.
const LAST_MILLIS: u64 = 253_402_300_799_999;

/// Milliseconds since 1970-01-01T00:00:00Z. Written and read as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

/// The text is not a moment that can be represented.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a time as RFC 3339 writes it, such as 2026-01-31T12:00:00Z, from 1970 on")]
pub struct TimestampError;

impl Timestamp {
    /// The moment that many milliseconds after the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn as_seconds(self) -> u64 {
        self.0 / 1000
    }

    /// Reads an RFC 3339 time; fractions beyond the millisecond are cut.
    ///
    /// # Errors
    /// When the text is not RFC 3339, or in UTC lies before 1970 or after the year 9999.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| TimestampError)?;
        let millis = moment.unix_timestamp_nanos() / 1_000_000;
        let millis = u64::try_from(millis).map_err(|_| TimestampError)?;
        if millis <= LAST_MILLIS { Ok(Self(millis)) } else { Err(TimestampError) }
    }

    /// The time from `earlier` to this moment; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// This moment and `wait` later, to the millisecond.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0.min(LAST_MILLIS)) * 1_000_000;
        let moment = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| fmt::Error)?;
        let (hour, minute, second, milli) = moment.to_hms_milli();
        let date = moment.date();
        let mut text = *b"0000-00-00T00:00:00.000Z";
        write_digits(&mut text[..4], date.year().unsigned_abs());
        write_digits(&mut text[5..7], u8::from(date.month()).into());
        write_digits(&mut text[8..10], date.day().into());
        write_digits(&mut text[11..13], hour.into());
        write_digits(&mut text[14..16], minute.into());
        write_digits(&mut text[17..19], second.into());
        write_digits(&mut text[20..23], milli.into());
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// Fills a place with a number's last digits. Every event is written with several times, so this
/// does without seven padded arguments of a format string.
fn write_digits(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b"0123456789"[(number % 10) as usize];
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_with_milliseconds_and_read_back() {
        let moment = Timestamp::from_millis(1_769_860_800_123);
        assert_eq!(moment.to_string(), "2026-01-31T12:00:00.123Z");
        assert_eq!(Timestamp::parse(&moment.to_string()), Ok(moment));
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_millis(u64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn offsets_are_converted_to_utc() {
        let moment = Timestamp::parse("2026-01-31T13:00:00.5+01:00").unwrap();
        assert_eq!(moment.to_string(), "2026-01-31T12:00:00.500Z");
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-01-31",
            "1969-12-31T23:59:59Z",
            "2026-02-30T00:00:00Z",
            "9999-12-31T23:59:59-23:59",
        ] {
            assert_eq!(Timestamp::parse(text), Err(TimestampError), "{text}");
        }
    }
}
