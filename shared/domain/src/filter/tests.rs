//! The filter's meaning by example, its refusals and hostile input; its laws are in `properties`.

mod properties;

use super::*;

fn filter(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Whether the filter matches, by `matches` and by `explain`, which must agree.
fn passes(text: &str, data: &str) -> bool {
    let filter = filter(text);
    let matches = filter.matches(data);
    assert_eq!(filter.explain(data).is_ok(), matches, "{text} on {data}");
    matches
}

fn refusal(text: &str) -> FilterError {
    Filter::parse(text).expect_err(text)
}

#[test]
fn every_operator_holds_and_fails_as_documented() {
    for (text, data, expected) in [
        (r#"{}"#, r#"{"a":1}"#, true),
        (r#"{}"#, "null", true),
        (r#"{"a":"x"}"#, r#"{"a":"x"}"#, true),
        (r#"{"a":"x"}"#, r#"{"a":"y"}"#, false),
        (r#"{"a":null}"#, r#"{"a":null}"#, true),
        (r#"{"a":null}"#, r#"{}"#, false),
        (r#"{"a":true}"#, r#"{"a":false}"#, false),
        (r#"{"a":1,"b":2}"#, r#"{"a":1,"b":2}"#, true),
        (r#"{"a":1,"b":2}"#, r#"{"a":1,"b":3}"#, false),
        (r#"{"a":{"eq":1.10}}"#, r#"{"a":11e-1}"#, true),
        (r#"{"a":1}"#, r#"{"a":"1"}"#, false),
        (r#"{"a":{"ne":1}}"#, r#"{"a":"1"}"#, true),
        (r#"{"a":{"ne":1}}"#, r#"{"a":[1]}"#, true),
        (r#"{"a":{"ne":1}}"#, r#"{"a":1.0}"#, false),
        (r#"{"a":{"gt":100}}"#, r#"{"a":100}"#, false),
        (r#"{"a":{"gt":100}}"#, r#"{"a":100.0000000000000000000000001}"#, true),
        (r#"{"a":{"gt":100}}"#, r#"{"a":"200"}"#, false),
        (r#"{"a":{"gt":100}}"#, r#"{"a":null}"#, false),
        (r#"{"a":{"gte":100}}"#, r#"{"a":1e2}"#, true),
        (r#"{"a":{"lt":0}}"#, r#"{"a":-0}"#, false),
        (r#"{"a":{"lte":0}}"#, r#"{"a":-0}"#, true),
        (r#"{"a":{"gte":1,"lt":5}}"#, r#"{"a":4}"#, true),
        (r#"{"a":{"gte":1,"lt":5}}"#, r#"{"a":5}"#, false),
        (r#"{"a":{"gt":"b"}}"#, r#"{"a":"ba"}"#, true),
        (r#"{"a":{"gt":"Z"}}"#, r#"{"a":"a"}"#, true),
        // By code point, not by UTF-16 unit.
        (r#"{"a":{"gt":"\uffff"}}"#, r#"{"a":"\ud83d\ude00"}"#, true),
        (r#"{"a":{"in":["a",2,null]}}"#, r#"{"a":2.0}"#, true),
        (r#"{"a":{"in":["a",2,null]}}"#, r#"{"a":null}"#, true),
        (r#"{"a":{"in":["a",2]}}"#, r#"{"a":"2"}"#, false),
        (r#"{"a":{"nin":["a",2]}}"#, r#"{"a":"2"}"#, true),
        (r#"{"a":{"nin":["a",2]}}"#, r#"{"a":"a"}"#, false),
        (r#"{"a":{"exists":true}}"#, r#"{"a":null}"#, true),
        (r#"{"a":{"exists":false}}"#, r#"{"a":null}"#, false),
        (r#"{"a":{"prefix":"ev"}}"#, r#"{"a":"event"}"#, true),
        (r#"{"a":{"prefix":"vent"}}"#, r#"{"a":"event"}"#, false),
        (r#"{"a":{"prefix":"1"}}"#, r#"{"a":12}"#, false),
        (r#"{"a":{"suffix":"ent"}}"#, r#"{"a":"event"}"#, true),
        (r#"{"a":{"contains":"ven"}}"#, r#"{"a":"event"}"#, true),
        (r#"{"a":{"contains":"nev"}}"#, r#"{"a":"event"}"#, false),
        (r#"{"a":{"contains":""}}"#, r#"{"a":""}"#, true),
        (r#"{"a":{"contains":1}}"#, r#"{"a":"1"}"#, false),
        (r#"{"a":{"contains":1}}"#, r#"{"a":[{"x":1},[1],1.0]}"#, true),
        (r#"{"a":{"contains":1}}"#, r#"{"a":[1,2]}"#, true),
        (r#"{"a":{"contains":1}}"#, r#"{"a":[{"x":1},[1],"1"]}"#, false),
        (r#"{"a":{"contains":"x"}}"#, r#"{"a":{"x":"x"}}"#, false),
        (r#"{"and":[{"a":1},{"b":2}]}"#, r#"{"a":1,"b":2}"#, true),
        (r#"{"and":[{"a":1},{"b":2}]}"#, r#"{"a":1}"#, false),
        (r#"{"or":[{"a":1},{"b":2}]}"#, r#"{"b":2}"#, true),
        (r#"{"or":[{"a":1},{"b":2}]}"#, r#"{"b":3}"#, false),
        (r#"{"not":{"a":1,"b":2}}"#, r#"{"a":1,"b":3}"#, true),
        (r#"{"not":{"a":1}}"#, r#"{"a":1}"#, false),
        (r#"{"not":{"a":{"gt":1}}}"#, r#"{}"#, true),
        (r#"{"not":{}}"#, r#"{}"#, false),
        (r#"{"user.not":1}"#, r#"{"user":{"not":1}}"#, true),
    ] {
        assert_eq!(passes(text, data), expected, "{text} on {data}");
    }
}

#[test]
fn on_a_missing_field_only_the_negative_operators_hold() {
    for (condition, expected) in [
        (r#"{"eq":null}"#, false),
        (r#"{"ne":1}"#, true),
        (r#"{"gt":1}"#, false),
        (r#"{"gte":1}"#, false),
        (r#"{"lt":1}"#, false),
        (r#"{"lte":1}"#, false),
        (r#"{"in":[1]}"#, false),
        (r#"{"nin":[1]}"#, true),
        (r#"{"exists":true}"#, false),
        (r#"{"exists":false}"#, true),
        (r#"{"prefix":""}"#, false),
        (r#"{"suffix":""}"#, false),
        (r#"{"contains":""}"#, false),
    ] {
        for data in ["{}", "[]", "1", r#""a""#, r#"{"b":1}"#] {
            assert_eq!(passes(&format!(r#"{{"a":{condition}}}"#), data), expected, "{condition} on {data}");
        }
    }
}

#[test]
fn paths_lead_through_objects_and_lists() {
    let data = r#" {"user":{"name":"x","a.b":{"c":1}}, "user.age":7, "user":{"name":"y","a.b":2,"a":{"b":3}},
        "items":[{"sku":"s0"},{"sku":"s1"}], "n":{"0":"zero"}, "k\u0065y":"escaped", "":{"":"empty"}} "#;
    for (text, expected) in [
        (r#"{"user.name":"y"}"#, true),
        (r#"{"user.age":7}"#, true),
        (r#"{"user.a.b":2}"#, true),
        (r#"{"user.a.b.c":{"exists":false}}"#, true),
        (r#"{"items.1.sku":"s1"}"#, true),
        (r#"{"items.0":{"exists":true},"items.0.sku":"s0","items.1.sku":"s1"}"#, true),
        (r#"{"items.2":{"exists":true}}"#, false),
        (r#"{"items.01.sku":{"exists":true}}"#, false),
        (r#"{"items.+1.sku":{"exists":true}}"#, false),
        (r#"{"items.-1.sku":{"exists":true}}"#, false),
        (r#"{"items.99999999999999999999999":{"exists":true}}"#, false),
        (r#"{"items.sku":{"exists":true}}"#, false),
        (r#"{"n.0":"zero"}"#, true),
        (r#"{"key":"escaped"}"#, true),
        (r#"{".":"empty"}"#, true),
        (r#"{"user.name.first":{"exists":true}}"#, false),
    ] {
        assert_eq!(passes(text, data), expected, "{text}");
    }
    assert!(passes(r#"{"0.a":1}"#, r#"[{"a":1}]"#));
}

#[test]
fn a_mismatch_says_which_condition_failed() {
    let data = r#"{"amount":90,"tag":"c","tags":["x"],"user":{"name":"Ann"}}"#;
    for (text, expected) in [
        (r#"{"amount":{"gt":100}}"#, "amount: 90 is not greater than 100"),
        (r#"{"amount":{"gt":1,"lte":80}}"#, "amount: 90 is not less than or equal to 80"),
        (r#"{"tag":{"lt":1}}"#, r#"tag: "c" is not a number and cannot be compared with 1"#),
        (r#"{"tag":{"in":["a","b"]}}"#, r#"tag: "c" is not one of "a", "b""#),
        (r#"{"tag":{"nin":["a","c"]}}"#, r#"tag: "c" is one of "a", "c""#),
        (r#"{"user":"Ann"}"#, r#"user: an object is not equal to "Ann""#),
        (r#"{"user.name":{"prefix":"B"}}"#, r#"user.name: "Ann" does not start with "B""#),
        (r#"{"tags":{"contains":"y"}}"#, r#"tags: the list does not contain "y""#),
        (r#"{"region":"US"}"#, "region: the field is missing"),
        (r#"{"tag":{"exists":false}}"#, "tag: the field is present"),
        (r#"{"and":[{"tag":"c"},{"and":[{"amount":1}]}]}"#, "and[1].and[0].amount: 90 is not equal to 1"),
        (r#"{"or":[{"tag":"a"},{"tag":"b"}]}"#, "or: none of its 2 filters matches"),
        (r#"{"not":{"tag":"c"}}"#, "not: the filter inside it matches"),
    ] {
        assert_eq!(filter(text).explain(data).unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn long_values_are_cut_in_messages() {
    let data = format!(r#"{{"a":"{}"}}"#, "é".repeat(1000));
    let long = "y".repeat(1000);
    let values = vec!["\"v\""; 256].join(",");
    for text in [format!(r#"{{"a":"{long}"}}"#), format!(r#"{{"a":{{"in":[{values}]}}}}"#)] {
        let message = filter(&text).explain(&data).unwrap_err().to_string();
        assert!(message.contains("é…") && message.chars().count() < 160, "{message}");
    }
    assert!(refusal(&format!(r#"{{"{long}":{{"{long}":1}}}}"#)).to_string().len() < 500);
}

#[test]
fn refusals_name_the_member_and_the_remedy() {
    for (text, path, part) in [
        ("", "", "not valid JSON"),
        (r#"{"a":1"#, "", "not valid JSON"),
        ("[]", "", "a filter is an object"),
        ("null", "", "a filter is an object"),
        (r#"{"amount":{"above":1}}"#, "amount.above", operators::OPERATORS),
        (r#"{"amount":{"GT":1}}"#, "amount.GT", "GT is not an operator"),
        (r#"{"user":{"name":{"eq":1}}}"#, "user.name", "one dotted name"),
        (r#"{"a":{}}"#, "a", operators::OPERATORS),
        (r#"{"a":[1]}"#, "a", "a list cannot be compared"),
        (r#"{"a":{"eq":{"b":1}}}"#, "a.eq", "an object cannot be compared"),
        (r#"{"a":{"ne":[]}}"#, "a.ne", "a list cannot be compared"),
        (r#"{"a":{"gt":true}}"#, "a.gt", "takes a number or a string, not true"),
        (r#"{"a":{"in":"x"}}"#, "a.in", "takes a list"),
        (r#"{"a":{"in":[]}}"#, "a.in", "at least one value"),
        (r#"{"a":{"nin":[1,[2]]}}"#, "a.nin[1]", "a list cannot be compared"),
        (r#"{"a":{"exists":1}}"#, "a.exists", "takes true"),
        (r#"{"a":{"prefix":1}}"#, "a.prefix", "takes a string, not 1"),
        (r#"{"a":{"suffix":null}}"#, "a.suffix", "takes a string, not null"),
        (r#"{"a":"\ud800"}"#, "a", "surrogate"),
        (r#"{"\ud800":1}"#, "", "cannot be read"),
        (r#"{"":1}"#, "", "name is empty"),
        (r#"{"a":1,"a":2}"#, "a", "given twice"),
        (r#"{"a":{"gt":1,"gt":2}}"#, "a.gt", "given twice"),
        (r#"{"and":[]}"#, "and", "at least one filter"),
        (r#"{"or":{"a":1}}"#, "or", "takes a list"),
        (r#"{"and":[{"a":1},{"tag":{"in":5}}]}"#, "and[1].tag.in", "takes a list"),
        (r#"{"not":[{"a":1}]}"#, "not", "a filter is an object"),
        (r#"{"or":[1]}"#, "or[0]", "a filter is an object"),
    ] {
        let error = refusal(text);
        assert_eq!(error.path, path, "{text}");
        assert!(error.message.contains(part), "{text}: {error}");
    }
    assert!(refusal("[]").to_string().starts_with("a filter"));
    assert!(refusal(r#"{"a":{}}"#).to_string().starts_with("a: has no operator"));
}

#[test]
fn each_limit_accepts_its_last_value_and_refuses_the_next() {
    let text = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - 8));
    let nesting = |levels| format!(r#"{}{{"a":1}}{}"#, r#"{"not":"#.repeat(levels), "}".repeat(levels));
    let mixed = |pairs| format!(r#"{}{{"a":1}}{}"#, r#"{"and":[{"or":["#.repeat(pairs), "]}]}".repeat(pairs));
    let conditions = |count| {
        let each: Vec<_> = (0..count).map(|index| format!(r#"{{"f{index}":{index}}}"#)).collect();
        format!(r#"{{"or":[{}]}}"#, each.join(","))
    };
    let values = |count| format!(r#"{{"a":{{"in":[{}]}}}}"#, vec!["1"; count].join(","));
    let path = |segments| format!(r#"{{"{}":1}}"#, vec!["a"; segments].join("."));
    for (accepted, refused, limit) in [
        (text(8192), text(8193), "8192"),
        (nesting(8), nesting(9), "more than 8 deep"),
        (mixed(4), format!(r#"{{"or":[{}]}}"#, mixed(4)), "more than 8 deep"),
        (conditions(64), conditions(65), "more than 64 conditions"),
        (values(256), values(257), "256"),
        (path(32), path(33), "32"),
    ] {
        assert_eq!(filter(&accepted).as_str(), accepted);
        assert!(refusal(&refused).message.contains(limit), "{}", refusal(&refused));
    }
}

#[test]
fn lone_surrogates_in_the_data_hide_no_other_field() {
    let data = r#"{"\ud800":1,"a":5,"s":"x\udc00y","t":"\ufffd"}"#;
    assert!(passes(r#"{"a":5}"#, data));
    assert!(passes(r#"{"s":{"prefix":"x","suffix":"y","contains":"y","ne":"x\ufffdy"}}"#, data));
    assert!(!passes(r#"{"s":{"contains":"xy"}}"#, data));
    assert!(passes(r#"{"t":"\ufffd"}"#, data));
}

#[test]
fn the_raw_value_marker_of_serde_json_is_an_ordinary_key() {
    let data = r#"{"$serde_json::private::RawValue":"[1","$serde_json::private::Number":"2","a":3}"#;
    assert!(passes(r#"{"$serde_json::private::RawValue":"[1","a":3}"#, data));
    assert!(passes(r#"{"$serde_json::private::Number":"2"}"#, data));
}

#[test]
fn deep_nesting_does_not_overflow_a_small_stack() {
    const DEPTH: usize = 100_000;
    let run = || {
        let lists = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
        let objects = format!("{}1{}", r#"{"a":"#.repeat(DEPTH), "}".repeat(DEPTH));
        let data = format!(r#"{{"x":{lists},"a":{objects},"z":1}}"#);
        assert!(passes(r#"{"z":1,"a.a.a":{"exists":true},"x.0.0":{"ne":1}}"#, &data));
        assert!(passes(r#"{"x":{"contains":1}}"#, r#"{"x":[[],1]}"#));
        assert!(!passes(r#"{"x":{"contains":1}}"#, &data));
        assert!(!passes(r#"{"a":1}"#, &data));
        assert!(filter(r#"{"x":1}"#).explain(&data).is_err());
        refusal(&objects);
        let short = 1300;
        refusal(&format!("{}1{}", r#"{"a":"#.repeat(short), "}".repeat(short)));
        refusal(&format!(r#"{{"a":{{"in":{}{}}}}}"#, "[".repeat(short), "]".repeat(short)));
        refusal(&format!("{}1{}", r#"{"or":["#.repeat(900), "]}".repeat(900)));
    };
    std::thread::Builder::new().stack_size(128 * 1024).spawn(run).unwrap().join().unwrap();
}

#[test]
fn absurd_numbers_cost_no_more_than_their_text() {
    let digits = "9".repeat(1_000_000);
    for (number, condition) in [
        (format!("1e{digits}"), r#"{"gt":1e999999999}"#),
        (format!("-1e{digits}"), r#"{"lt":-1e999999999}"#),
        (format!("1e-{digits}"), r#"{"gt":0,"lt":1e-999999999}"#),
        (digits.clone(), r#"{"lt":1e1000000,"gt":9e999999}"#),
        (format!("0.{digits}"), r#"{"lt":1,"gt":0.99}"#),
    ] {
        assert!(passes(&format!(r#"{{"n":{condition}}}"#), &format!(r#"{{"n":{number}}}"#)), "{condition}");
    }
}

#[test]
fn text_that_is_not_json_has_no_fields() {
    for data in ["", "{", r#"{"a":1"#, r#"{"a":1,}"#, r#"{"a" 1}"#, "nul", "[1,", "\u{feff}{\"a\":1}"] {
        assert!(passes(r#"{"a":{"exists":false}}"#, data), "{data}");
    }
}
