//! Real deliveries, as they are and tampered with.

use std::collections::BTreeMap;

use postrider_tests::{Receiver, Recorded, Target};
use reqwest::header::HeaderValue;
use serde_json::json;

/// A request to be verified.
pub(crate) struct Case {
    pub(crate) what: String,
    pub(crate) genuine: bool,
    pub(crate) secret: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// Data of events that were hard for somebody's signatures at some time.
const DATA: [&str; 7] = [
    r#"{"amount":1.10,"currency":"EUR"}"#,
    r#"{"n":12345678901234567890123456789012345678901234567890123456789012345}"#,
    r#"{"escaped":"\u00e9\/","plain":"é/😀"}"#,
    "{ \"spaces\" :\t[ 1 ,\r\n 2 ] }",
    "{\"noncharacters\":\"\u{FFFF}\u{2028}\"}",
    "[]",
    "\"text\"",
];

/// Has events delivered, and answers their requests with some that are tampered with.
pub(crate) async fn cases(target: &Target) -> Vec<Case> {
    let tenant = target.tenant("verifiers").await;
    let receiver = Receiver::start().await;
    let one = tenant.endpoint(&receiver.url("/one"), json!({})).await;
    let other = tenant.endpoint(&receiver.url("/other"), json!({"config": {"payload": "data"}})).await;
    for data in DATA {
        let event = format!(r#"{{"type":"payment.success","data":{data}}}"#);
        tenant.admin.post_text("/v1/events", event).await.expect(202);
    }
    let large = json!({"type": "payment.success", "data": {"text": "é".repeat(200_000)}});
    tenant.publish(&large).await;
    let mut cases = Vec::new();
    for (path, secret, wrong) in
        [("/one", &one.secret, &other.secret), ("/other", &other.secret, &one.secret)]
    {
        for request in receiver.wait_for(path, DATA.len() + 1).await {
            cases.extend(with_tampered(&request, secret, wrong));
        }
    }
    cases
}

/// A request as it came, with another body, id, time, signature, and for another secret.
fn with_tampered(request: &Recorded, secret: &str, wrong_secret: &str) -> Vec<Case> {
    let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
    let headers: BTreeMap<_, _> =
        request.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let genuine = || Case {
        what: format!("{} to {}", request.webhook_id(), request.path),
        genuine: true,
        secret: secret.to_owned(),
        headers: headers.clone(),
        body: request.body.to_vec(),
    };
    let tampered = |what: &str, change: &dyn Fn(&mut Case)| {
        let mut case = genuine();
        change(&mut case);
        Case { what: format!("{} with another {what}", case.what), genuine: false, ..case }
    };
    let header = |case: &mut Case, name: &str, change: &dyn Fn(&str) -> String| {
        let value = case.headers.get_mut(name).unwrap();
        *value = change(value);
    };
    vec![
        genuine(),
        // White space: a change that a parser would not see.
        tampered("body", &|case| case.body.push(b' ')),
        tampered("id", &|case| header(case, "webhook-id", &|id| format!("{id}0"))),
        tampered("time", &|case| {
            header(case, "webhook-timestamp", &|time| (time.parse::<u64>().unwrap() - 1).to_string());
        }),
        tampered("signature", &|case| {
            header(case, "webhook-signature", &|signature| {
                let flipped = if signature.as_bytes()[3] == b'A' { "B" } else { "A" };
                format!("v1,{flipped}{}", &signature[4..])
            });
        }),
        tampered("secret", &|case| wrong_secret.clone_into(&mut case.secret)),
    ]
}
