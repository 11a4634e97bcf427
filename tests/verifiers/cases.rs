//! Real deliveries, as they are and tampered with.

use std::collections::BTreeMap;

use postrider_tests::tenant::{endpoint_request, text};
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
    let thin = tenant.endpoint(&receiver.url("/thin"), json!({"config": {"payload": "thin"}})).await;
    let rotated = tenant.endpoint(&receiver.url("/rotated"), json!({})).await;
    let route = format!("/v1/endpoints/{}/secret/rotate", rotated.id);
    let new = tenant.admin.post(&route, &json!({})).await.expect(200).json();
    let both = [rotated.secret.as_str(), text(&new, "secret")];
    for data in DATA {
        let event = format!(r#"{{"type":"payment.success","data":{data}}}"#);
        tenant.admin.post_text("/v1/events", event).await.expect(202);
    }
    let large = json!({"type": "payment.success", "data": {"text": "é".repeat(200_000)}});
    tenant.publish(&large).await;
    let mut cases = Vec::new();
    for (path, secret, wrong) in [
        ("/one", &one.secret, &other.secret),
        ("/other", &other.secret, &one.secret),
        ("/thin", &thin.secret, &one.secret),
    ] {
        for request in receiver.wait_for(path, DATA.len() + 1).await {
            cases.extend(with_tampered(&request, secret, wrong));
        }
    }
    // While a secret replaces another, whoever knows one of them can verify.
    for request in receiver.wait_for("/rotated", DATA.len() + 1).await {
        for (secret, genuine) in [(both[0], true), (both[1], true), (&*one.secret, false)] {
            cases.push(Case { genuine, ..genuine_case(&request, secret) });
        }
    }
    cases
}

/// The same for an ed25519 key, whose receivers know its published key set.
pub(crate) async fn key_set_cases(target: &Target) -> Vec<Case> {
    let tenant = target.tenant("key-sets").await;
    let receiver = Receiver::start().await;
    let mut sets = Vec::new();
    for (path, scheme) in [("/one", "ed25519"), ("/both", "standard+ed25519")] {
        let fields = json!({"config": {"signature": {"scheme": scheme}}});
        let request = endpoint_request(&receiver.url(path), fields);
        let created = tenant.admin.post("/v1/endpoints", &request).await.expect(201).json();
        let route = format!("/.well-known/postrider/{}/{}/jwks.json", tenant.id, text(&created, "id"));
        sets.push((path, route));
    }
    let published = async |route: &str| tenant.admin.without_key().get(route).await.expect(200).text();
    let [one, both] = [published(&sets[0].1).await, published(&sets[1].1).await];
    for data in DATA {
        let event = format!(r#"{{"type":"payment.success","data":{data}}}"#);
        tenant.admin.post_text("/v1/events", event).await.expect(202);
    }
    let mut cases = Vec::new();
    for request in receiver.wait_for("/one", DATA.len()).await {
        cases.extend(with_tampered(&request, &one, &both));
    }
    for request in receiver.wait_for("/both", DATA.len()).await {
        cases.extend([genuine_case(&request, &both)]);
    }
    cases
}

/// A request as it came.
fn genuine_case(request: &Recorded, secret: &str) -> Case {
    let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
    Case {
        what: format!("{} to {}", request.webhook_id(), request.path),
        genuine: true,
        secret: secret.to_owned(),
        headers: request.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: request.body.to_vec(),
    }
}

/// A request as it came, with another body, id, time, signature, and for another secret.
fn with_tampered(request: &Recorded, secret: &str, wrong_secret: &str) -> Vec<Case> {
    let genuine = || genuine_case(request, secret);
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
                let (version, code) = signature.split_once(',').unwrap();
                let flipped = if code.starts_with('A') { "B" } else { "A" };
                format!("{version},{flipped}{}", &code[1..])
            });
        }),
        tampered("secret", &|case| wrong_secret.clone_into(&mut case.secret)),
    ]
}
