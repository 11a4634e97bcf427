//! `data` is opaque: it arrives as it was sent, byte for byte, up to its limit.

use std::collections::BTreeMap;

use postrider_tests::tenant::text;
use postrider_tests::{Receiver, Target, Tenant};
use serde_json::json;
use serde_json::value::RawValue;

/// The largest `data` in bytes.
const LIMIT: usize = 5_000_000;

/// Publishes a data text as it is. Answers the event's id.
pub(crate) async fn publish(tenant: &Tenant, data: &str) -> String {
    let event = format!(r#"{{"type":"a.b","data":{data}}}"#);
    let accepted = tenant.admin.post_text("/v1/events", event).await.expect(202).json();
    text(&accepted, "event_id").to_owned()
}

/// Publishes data texts and checks that each arrives, and is shown, as it is.
async fn assert_unchanged(tenant: &Tenant, receiver: &Receiver, texts: &[String]) {
    for (number, data) in texts.iter().enumerate() {
        let id = publish(tenant, data).await;
        let request = receiver.wait_for("/hook", number + 1).await.remove(number);
        assert_eq!(request.webhook_id(), id);
        let arrived = request.envelope().data.get();
        assert!(arrived == data, "{} became {}", clip(data), clip(arrived));
        let stored = tenant.admin.get(&format!("/v1/events/{id}")).await.expect(200);
        // An event as the API shows it, each field as it is written.
        let stored = stored.read::<BTreeMap<String, &RawValue>>();
        assert_eq!(stored["data_bytes"].get(), data.len().to_string());
        // What is larger has a place of its own, which the scenarios of links look at.
        if data.len() <= 1_048_576 {
            let shown = stored["data"].get();
            assert!(shown == data, "{} is shown as {}", clip(data), clip(shown));
        }
    }
}

fn clip(text: &str) -> String {
    text.chars().take(200).collect()
}

pub(crate) async fn data_arrives_as_it_was_sent(target: &Target) {
    let tenant = target.tenant("payloads").await;
    let receiver = Receiver::start().await;
    tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let texts = [
        r#"{"n":12345678901234567890123456789012345678901234567890123456789012345}"#,
        r#"{"n":0.12345678901234567890123456789012345678901234567890123456789012345}"#,
        r#"{"price":1.10,"zero":-0.0,"exponent":1E+05,"small":1e-400,"large":1e400}"#,
        r#"{"z":1,"a":2,"m":{"y":1,"b":2},"z2":3,"10":0,"9":0}"#,
        r#"{"repeated":1,"repeated":2}"#,
        r#"{"escaped":"\u00e9\/\u0041\b\f\n\r\t\"\\","plain":"é/A"}"#,
        r#"{"surrogates":"\ud83d\ude00","plain":"😀","lone":"\ud800"}"#,
        "{\"nul\":\"\\u0000\",\"controls\":\"\\u0001\\u001f\",\"delete\":\"\u{7F}\u{85}\"}",
        "{ \"spaces\" :\t[ 1 ,\r\n 2 ] ,  \"end\" : null }",
        "{\"noncharacters\":\"\u{FFFF}\u{FFFE}\u{10FFFF}\",\"separators\":\"\u{2028}\u{2029}\",\"bom\":\"\u{FEFF}\"}",
        "[]",
        "{}",
        "true",
        "\"text\"",
        "-1.50",
        r#"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["deep"]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"#,
        r##"{"":"an empty name","$ref":"#/x","__proto__":{},"data":{"data":1}}"##,
        r#"{"html":"<script>&amp;</script>","sql":"'; DROP TABLE x;--","line":"a\nb"}"#,
        "null",
    ];
    assert_unchanged(&tenant, &receiver, &texts.map(str::to_owned)).await;
}

pub(crate) async fn large_data_arrives_as_it_was_sent(target: &Target) {
    let tenant = target.tenant("large").await;
    let receiver = Receiver::start().await;
    tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let sizes = [10_000, 40_000, 70_000, 200_000, 420_000, 900_000, 2_000_000, 4_000_000];
    assert_unchanged(&tenant, &receiver, &sizes.map(rows)).await;
}

/// A JSON text of about this size, no two parts of which are the same.
pub(crate) fn rows(bytes: usize) -> String {
    let mut rows = Vec::new();
    let mut size = 2;
    for number in 0.. {
        let row = format!(r#"{{"row":{number},"price":{number}.10,"text":"é\u00e9 {number}"}}"#);
        size += row.len() + 1;
        if size > bytes {
            break;
        }
        rows.push(row);
    }
    format!("[{}]", rows.join(","))
}

pub(crate) async fn data_may_be_as_large_as_the_limit_and_no_larger(target: &Target) {
    let tenant = target.tenant("limit").await;
    let receiver = Receiver::start().await;
    tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let data = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    assert_unchanged(&tenant, &receiver, &[data(LIMIT)]).await;

    let event = format!(r#"{{"type":"a.b","data":{}}}"#, data(LIMIT + 1));
    let refused = tenant.admin.post_text("/v1/events", event).await;
    let problem = refused.problem_with(413, "too-large", "data");
    assert_eq!(problem["limit_bytes"], LIMIT, "{problem}");
    assert!(text(&problem, "detail").contains(&LIMIT.to_string()), "{problem}");
}
