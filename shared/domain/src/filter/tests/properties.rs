//! The filter's laws, on generated filters and data.

use proptest::prelude::*;
use serde_json::Value;

use super::passes;
use crate::filter::Filter;
use crate::filter::fields::find;

/// A scalar as JSON text.
fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,45})?",
        any::<String>().prop_map(|value| Value::from(value).to_string()),
        "[ab]{0,2}".prop_map(|value| Value::from(value).to_string()),
    ]
}

/// A key that filters are likely to name, or any other.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![8 => "[ab](\\.[ab01]){0,2}", 1 => "[01]", 1 => any::<String>()]
}

/// Any JSON text.
fn json() -> impl Strategy<Value = String> {
    scalar().prop_recursive(4, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|list| format!("[{}]", list.join(" , "))),
            prop::collection::vec((key(), inner), 0..6).prop_map(|members| {
                let members: Vec<_> = members
                    .iter()
                    .map(|(key, value)| format!("{} :{value}", Value::from(key.as_str())))
                    .collect();
                format!("{{ {} }}", members.join(","))
            }),
        ]
    })
}

/// The text of a filter that is accepted.
fn filter_text() -> impl Strategy<Value = String> {
    let condition = prop_oneof![
        scalar(),
        ("eq|ne|contains", scalar()).prop_map(|(operator, value)| format!(r#"{{"{operator}":{value}}}"#)),
        ("gte?|lte?", -9..9_i8).prop_map(|(operator, value)| format!(r#"{{"{operator}":{value}}}"#)),
        ("gte?|lte?|prefix|suffix", "[ab]{0,2}").prop_map(|(name, text)| format!(r#"{{"{name}":"{text}"}}"#)),
        ("n?in", scalar(), scalar()).prop_map(|(name, one, two)| format!(r#"{{"{name}":[{one},{two}]}}"#)),
        any::<bool>().prop_map(|value| format!(r#"{{"exists":{value}}}"#)),
    ];
    let field = ("[ab](\\.[ab01]){0,3}", condition)
        .prop_map(|(path, condition)| format!(r#"{{"{path}":{condition}}}"#));
    field.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            ("and|or", prop::collection::vec(inner.clone(), 1..4))
                .prop_map(|(name, filters)| format!(r#"{{"{name}":[{}]}}"#, filters.join(","))),
            inner.prop_map(|filter| format!(r#"{{"not":{filter}}}"#)),
        ]
    })
}

/// The field at a path, found the plain way on a parsed value.
fn find_plainly<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let inner = match value {
        Value::Object(members) => match members.get(path) {
            Some(whole) => return Some(whole),
            None => members.get(first)?,
        },
        Value::Array(elements) => elements.get(first.parse::<usize>().ok()?)?,
        _ => return None,
    };
    rest.map_or(Some(inner), |rest| find_plainly(inner, rest))
}

proptest! {
    #[test]
    fn parse_never_panics(text: String) {
        if let Ok(filter) = Filter::parse(&text) {
            prop_assert_eq!(filter.as_str(), text);
        }
    }

    #[test]
    fn parse_never_panics_on_json(text in json()) {
        if let Err(error) = Filter::parse(&text) {
            prop_assert!(!error.message.is_empty());
        }
    }

    #[test]
    fn matches_and_explain_agree_on_any_data(text in filter_text(), data in json()) {
        passes(&text, &data);
    }

    #[test]
    fn matches_never_panics_on_text_that_is_not_json(
        text in filter_text(),
        data: String,
        json in json(),
        cut: usize,
    ) {
        passes(&text, &data);
        let cut = (0..=cut % (json.len() + 1)).rev().find(|cut| json.is_char_boundary(*cut)).unwrap();
        passes(&text, &json[..cut]);
    }

    #[test]
    fn not_is_the_opposite(text in filter_text(), data in json()) {
        prop_assert_ne!(passes(&format!(r#"{{"not":{text}}}"#), &data), passes(&text, &data));
    }

    #[test]
    fn and_or_are_all_any(left in filter_text(), right in filter_text(), data in json()) {
        let (one, two) = (passes(&left, &data), passes(&right, &data));
        prop_assert_eq!(passes(&format!(r#"{{"and":[{left},{right}]}}"#), &data), one && two);
        prop_assert_eq!(passes(&format!(r#"{{"or":[{left},{right}]}}"#), &data), one || two);
    }

    #[test]
    fn every_scalar_equals_itself(value in scalar(), other in scalar()) {
        let data = format!(r#"{{"a":{value}}}"#);
        let (eq, list) = (format!(r#"{{"eq":{value}}}"#), format!(r#"{{"in":[{other},{value}]}}"#));
        for condition in [&value, &eq, &list] {
            let text = format!(r#"{{"a":{condition}}}"#);
            prop_assert!(passes(&text, &data), "{}", text);
        }
        let list = format!(r#"{{"a":[{other},{value}]}}"#);
        let text = format!(r#"{{"a":{{"contains":{value}}}}}"#);
        prop_assert!(passes(&text, &list));
    }

    #[test]
    fn each_negative_is_the_opposite_of_its_positive(value in scalar(), data in json()) {
        for (positive, negative) in [
            (format!(r#"{{"eq":{value}}}"#), format!(r#"{{"ne":{value}}}"#)),
            (format!(r#"{{"in":[{value},1]}}"#), format!(r#"{{"nin":[{value},1]}}"#)),
            (r#"{"exists":true}"#.to_owned(), r#"{"exists":false}"#.to_owned()),
        ] {
            let of = |condition| passes(&format!(r#"{{"a":{condition}}}"#), &data);
            prop_assert_ne!(of(positive), of(negative));
        }
    }

    #[test]
    fn one_scan_finds_what_a_walk_for_each_path_finds(
        paths in prop::collection::vec("[ab01](\\.[ab01]){0,3}", 1..6),
        value in json().prop_filter_map("beyond a float", |json| serde_json::from_str::<Value>(&json).ok()),
    ) {
        let data = format!(r#"{{"a":{{"a":7,"b":[8]}},"a":{value},"0":[{value},{{"b":{value}}}]}}"#);
        let parsed: Value = serde_json::from_str(&data).unwrap();
        for (path, found) in paths.iter().zip(find(&paths, &data)) {
            let found = found.map(|json| serde_json::from_str::<Value>(json).unwrap());
            prop_assert_eq!(found.as_ref(), find_plainly(&parsed, path), "{} in {}", path, data);
        }
    }
}
