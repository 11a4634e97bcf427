//! Exact comparison of the decimal numbers in JSON text, of any length and exponent, without floats.

use std::borrow::Cow;
use std::cmp::Ordering;

/// A JSON number in canonical form, so that equal values are equal field by field: the value is
/// `0.digits` times ten to the power of `magnitude`.
///
/// The cost is linear in the length of the text; nothing is expanded. A power of ten that does not fit
/// an `i128` (an exponent of 39 digits or more) counts as the largest or smallest one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Number<'a> {
    sign: Sign,
    magnitude: i128,
    /// Neither starts nor ends with 0; empty for zero.
    digits: Cow<'a, str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sign {
    Negative,
    Zero,
    Positive,
}

impl<'a> Number<'a> {
    /// Reads a number; `None` when the text is not one by JSON's grammar (RFC 8259, section 6).
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (sign, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (Sign::Negative, rest),
            None => (Sign::Positive, text),
        };
        let (significand, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((significand, exponent)) => (significand, parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = match significand.split_once('.') {
            Some((whole, fraction)) if is_digits(fraction) => (whole, fraction),
            Some(_) => return None,
            None => (significand, ""),
        };
        if !is_digits(whole) || (whole.len() > 1 && whole.starts_with('0')) {
            return None;
        }

        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        let (digits, point) = if whole.is_empty() {
            let digits = fraction.trim_start_matches('0');
            (Cow::Borrowed(digits), -length(&fraction[digits.len()..]))
        } else if fraction.is_empty() {
            (Cow::Borrowed(whole.trim_end_matches('0')), length(whole))
        } else {
            (Cow::Owned([whole, fraction].concat()), length(whole))
        };
        if digits.is_empty() {
            return Some(Self { sign: Sign::Zero, magnitude: 0, digits });
        }
        Some(Self { sign, magnitude: exponent.saturating_add(point), digits })
    }

    /// The same number, independent of the text it was read from.
    pub(super) fn into_owned(self) -> Number<'static> {
        let Self { sign, magnitude, digits } = self;
        Number { sign, magnitude, digits: Cow::Owned(digits.into_owned()) }
    }
}

impl Ord for Number<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let size = || self.magnitude.cmp(&other.magnitude).then_with(|| self.digits.cmp(&other.digits));
        self.sign.cmp(&other.sign).then_with(|| match self.sign {
            Sign::Negative => size().reverse(),
            Sign::Zero => Ordering::Equal,
            Sign::Positive => size(),
        })
    }
}

impl PartialOrd for Number<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn parse_exponent(text: &str) -> Option<i128> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !is_digits(digits) {
        return None;
    }
    let size = digits
        .bytes()
        .fold(0_i128, |size, digit| size.saturating_mul(10).saturating_add(i128::from(digit - b'0')));
    Some(if text.starts_with('-') { -size } else { size })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The length of a text; no text is longer than an `i128` can count.
fn length(text: &str) -> i128 {
    i128::try_from(text.len()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn compare(left: &str, right: &str) -> Ordering {
        Number::parse(left).unwrap().cmp(&Number::parse(right).unwrap())
    }

    #[test]
    fn one_value_written_in_several_ways_is_equal() {
        for (left, right) in [
            ("1.10", "1.1"),
            ("1.1", "11e-1"),
            ("0.00110E+3", "1.1"),
            ("-0", "0.000e5"),
            ("0e99999999999999999999999999999999999999999999", "0"),
            ("100", "1e00000000000000000000000000000000000000000000000002"),
            ("1e400", "10e399"),
        ] {
            assert_eq!(compare(left, right), Ordering::Equal, "{left} {right}");
            assert_eq!(Number::parse(left), Number::parse(right), "{left} {right}");
        }
    }

    #[test]
    fn differences_below_and_beyond_a_float_count() {
        let sixty_five_digits = "1".repeat(65);
        let next = format!("{}2", "1".repeat(64));
        for (less, greater) in [
            (sixty_five_digits.as_str(), next.as_str()),
            ("9007199254740992", "9007199254740993"),
            ("0.3", "0.30000000000000000001"),
            ("1e400", "1.0000000000000000000001e400"),
            ("1e999999998", "1e999999999"),
            ("1e-999999999", "1e-999999998"),
            ("0", "1e-999999999999999999999999999999999999999999999999999"),
            ("1e999", "1e999999999999999999999999999999999999999999999999999"),
            ("-1e999999999999999999999999999999999999999999999999999", "-1e999"),
            ("-1.1", "-1.09"),
            ("-1", "0"),
            ("9", "10"),
            ("0.09", "0.1"),
        ] {
            assert_eq!(compare(less, greater), Ordering::Less, "{less} {greater}");
            assert_eq!(compare(greater, less), Ordering::Greater, "{less} {greater}");
        }
    }

    #[test]
    fn what_json_does_not_call_a_number_is_refused() {
        for text in
            ["", "-", "+1", "01", "1.", ".5", "1e", "1e+", "1.2.3", "1e5.0", "--1", "0x1", "NaN", "1 ", "١"]
        {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }

    /// `value / 10^scale` as JSON text: the point moved, the rest of the scale as an exponent.
    fn write(value: i64, scale: u32, point: usize) -> String {
        let digits = format!("{:0>1$}", value.unsigned_abs(), point + 1);
        let (whole, fraction) = digits.split_at(digits.len() - point);
        let dot = if point == 0 { "" } else { "." };
        let exponent = i64::try_from(point).unwrap() - i64::from(scale);
        format!("{}{whole}{dot}{fraction}e{exponent}", if value < 0 { "-" } else { "" })
    }

    proptest! {
        #[test]
        fn integers_compare_like_integers(left: i128, right: i128) {
            prop_assert_eq!(compare(&left.to_string(), &right.to_string()), left.cmp(&right));
        }

        #[test]
        fn scaled_decimals_compare_like_scaled_integers(
            (left, left_scale, left_point) in (any::<i64>(), 0..18_u32, 0..25_usize),
            (right, right_scale, right_point) in (any::<i64>(), 0..18_u32, 0..25_usize),
        ) {
            let scaled = |value: i64, scale: u32| i128::from(value) * 10_i128.pow(18 - scale);
            prop_assert_eq!(
                compare(&write(left, left_scale, left_point), &write(right, right_scale, right_point)),
                scaled(left, left_scale).cmp(&scaled(right, right_scale))
            );
        }

        #[test]
        fn small_decimals_compare_like_scaled_integers(
            (left, left_scale, left_point) in (-20..=20_i64, 0..4_u32, 0..4_usize),
            (right, right_scale, right_point) in (-20..=20_i64, 0..4_u32, 0..4_usize),
        ) {
            let scaled = |value: i64, scale: u32| value * 10_i64.pow(4 - scale);
            prop_assert_eq!(
                compare(&write(left, left_scale, left_point), &write(right, right_scale, right_point)),
                scaled(left, left_scale).cmp(&scaled(right, right_scale))
            );
        }

        #[test]
        fn equality_is_the_equality_of_the_order(
            left in "-?(0|[1-9]0?)(\\.[01]{1,2})?(e[+-]?[01])?",
            right in "-?(0|[1-9]0?)(\\.[01]{1,2})?(e[+-]?[01])?",
        ) {
            let (left, right) = (Number::parse(&left).unwrap(), Number::parse(&right).unwrap());
            prop_assert_eq!(left == right, left.cmp(&right) == Ordering::Equal);
            prop_assert_eq!(left.cmp(&right), right.cmp(&left).reverse());
        }
    }
}
