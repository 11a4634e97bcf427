//! What is kept of an answer.

use http::HeaderValue;
use http::header::{HeaderName, SET_COOKIE};
use postrider_domain::delivery::ResponseRecord;
use proptest::prelude::*;
use secrecy::SecretString;

use super::*;
use crate::webhook::record::{Credentials, response};

fn record(answer: &OutboundResponse) -> ResponseRecord {
    response(answer, &Credentials::new(vec![]))
}

fn with_body(body: &[u8], body_truncated: bool) -> OutboundResponse {
    OutboundResponse { body: Bytes::copy_from_slice(body), body_truncated, ..answer(200) }
}

#[test]
fn headers_are_bounded_in_number_and_size() {
    let mut many = answer(200);
    for number in 0..30 {
        many.headers
            .insert(HeaderName::try_from(format!("x-{number}")).unwrap(), HeaderValue::from_static("v"));
    }
    assert_eq!(record(&many).headers.len(), 20);

    let mut large = answer(200);
    for (name, length) in [("x-1", 1500), ("x-2", 1500), ("x-3", 500)] {
        large
            .headers
            .insert(HeaderName::from_static(name), HeaderValue::try_from("v".repeat(length)).unwrap());
    }
    let headers = record(&large).headers;
    let names: Vec<_> = headers.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["x-1", "x-3"], "one that does not fit leaves room for the next");
}

#[test]
fn cookies_are_masked_and_odd_bytes_replaced() {
    let mut odd = answer(200);
    odd.headers.insert(SET_COOKIE, HeaderValue::from_static("session=abc"));
    odd.headers.insert("x-odd", HeaderValue::from_bytes(b"caf\xe9").unwrap());
    let expected = [("set-cookie", "********"), ("x-odd", "caf\u{fffd}")];
    assert_eq!(record(&odd).headers, expected.map(|(name, value)| (name.into(), value.into())));
}

#[test]
fn a_character_that_was_cut_in_two_is_left_out() {
    let cases: [(&[u8], bool, &str); 6] = [
        (b"caf\xc3", true, "caf"),
        (b"caf\xc3", false, "caf\u{fffd}"),
        ("café".as_bytes(), true, "café"),
        (b"\xff\xfeok", true, "\u{fffd}\u{fffd}ok"),
        (b"\xf0\x9f\x98", true, ""),
        (b"a\0b", false, "a\0b"),
    ];
    for (bytes, truncated, expected) in cases {
        let record = record(&with_body(bytes, truncated));
        assert_eq!((record.body.as_str(), record.body_truncated), (expected, truncated), "{bytes:?}");
    }
}

#[test]
fn replacing_odd_bytes_does_not_make_a_body_longer_than_the_bound() {
    let record = record(&with_body(&[0xff; 4096], false));
    assert!(record.body.len() <= 4096 && record.body_truncated, "{}", record.body.len());
}

#[test]
fn credentials_that_come_back_are_masked() {
    let credentials = ["t0k3n-abcdef", "xyz"].map(SecretString::from).to_vec();
    let mut echo = with_body(br#"{"authorization":"Bearer t0k3n-abcdef","x":"xyz"}"#, false);
    echo.headers.insert("x-echo", HeaderValue::from_static("t0k3n-abcdef"));
    let record = response(&echo, &Credentials::new(credentials));
    assert_eq!(record.body, r#"{"authorization":"Bearer ********","x":"xyz"}"#, "too short to be looked for");
    assert_eq!(record.headers, [("x-echo".into(), "********".into())]);
}

proptest! {
    #[test]
    fn any_body_is_kept_as_bounded_text(bytes in proptest::collection::vec(any::<u8>(), 0..6000), truncated: bool) {
        let record = record(&with_body(&bytes, truncated));
        prop_assert!(record.body.len() <= 4096);
        prop_assert!(record.body_truncated >= truncated);
        let lossy = String::from_utf8_lossy(&bytes).into_owned();
        prop_assert!(lossy.starts_with(&record.body));
        prop_assert!(record.body_truncated || lossy == record.body);
    }
}
