//! The data of an event by itself: `/v1/events/{id}/data`, and `/d/{token}` for whoever has a link.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::to_bytes;
use axum::http::Method;
use bytes::Bytes;
use postrider_application::links::ReadData;
use postrider_application::ports::{BlobError, Blobs, Freshness, MasterKey, MasterKeys, Table, Vault as _};
use postrider_application::stores::Events;
use postrider_domain::Timestamp;
use postrider_http_api::query_router;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::call::{Answer, Call};
use crate::fixture::Api;

const BASE: &str = "https://events.example.com";

/// White space and the spelling of numbers show whether the data is what was published.
const DATA: &str = r#"{ "n": 1.10, "e":"\u00e9" }"#;

/// Data that is kept as a blob.
fn large() -> String {
    format!(r#"{{ "n": 1.10, "text":"{}"}}"#, "\\\"é".repeat(100_000))
}

/// Publishes an event to an endpoint that gets links. Answers what the receiver got.
async fn thin(api: &Api, id: &str, data: &str, config: Value) -> Value {
    let mut fields = json!({"url": "https://example.com/thin", "payload": "thin"});
    fields.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    api.endpoint(json!({"config": fields})).await;
    let body = format!(r#"{{"event_id":"{id}","type":"a.b","data":{data}}}"#);
    api.send(Call::new(Method::POST, "/v1/events").key(&api.acme.publisher).text(body)).await.expect(202);
    api.run().await;
    let request = api.receiver.requests.lock().unwrap().pop().unwrap();
    serde_json::from_slice(&request.body).unwrap()
}

/// The path and the query of a link.
fn target(body: &Value) -> String {
    body["data_url"].as_str().unwrap().strip_prefix(BASE).unwrap().to_owned()
}

async fn follow(api: &Api, target: &str) -> Answer {
    api.send(Call::new(Method::GET, target)).await
}

/// Tells the kind of problem; none of them says anything of events.
async fn refused(api: &Api, target: &str, status: u16) -> Value {
    let body = follow(api, target).await.expect(status);
    assert_eq!(body.as_object().unwrap().len(), 4, "{body}");
    body["type"].clone()
}

#[tokio::test]
async fn a_link_leads_to_the_data_as_it_was_published() {
    for data in [DATA.to_owned(), large()] {
        let api = Api::new().await;
        let body = thin(&api, "order:1", &data, json!({})).await;
        let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["data_bytes", "data_url", "data_url_expires_at", "id", "timestamp", "type"]);
        assert_eq!((&body["id"], &body["data_bytes"]), (&json!("order:1"), &json!(data.len())));
        let target = target(&body);
        let answer = follow(&api, &target).await;
        answer.expect(200);
        assert_eq!(answer.body, data);

        let head = api.send(Call::new(Method::HEAD, &target)).await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.headers["content-length"], data.len().to_string().as_str());
        for name in ["content-type", "etag", "cache-control"] {
            assert_eq!(head.headers[name], answer.headers[name], "{name}");
        }
        let tag = answer.headers["etag"].to_str().unwrap();
        let known = Call::new(Method::GET, &target).header("if-none-match", &format!("\"other\", {tag}"));
        let unchanged = api.send(known).await;
        assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
        let other = Call::new(Method::GET, &target).header("if-none-match", "\"other\"");
        assert_eq!(api.send(other).await.body, data);
    }
}

#[tokio::test]
async fn what_is_not_exactly_a_link_that_was_made_is_nothing() {
    let api = Api::new().await;
    let body = thin(&api, "order:1", DATA, json!({})).await;
    let link = target(&body);
    let (path, signature) = link.split_once("?signature=").unwrap();
    let token = path.strip_prefix("/d/").unwrap();
    let flipped = |text: &str, at: usize| -> String {
        let other = |old| if old == 'A' { 'B' } else { 'A' };
        text.char_indices().map(|(place, old)| if place == at { other(old) } else { old }).collect()
    };
    let second = target(&thin(&api, "order:2", DATA, json!({})).await);
    let (_, signature_of_second) = second.split_once("?signature=").unwrap();
    let mut wrong = vec![
        "/d/x".to_owned(),
        path.to_owned(),
        format!("{path}?signature="),
        format!("{path}?signature={signature_of_second}"),
        format!("{path}?signature={signature}A"),
        format!("{path}?signature={signature}="),
        format!("{path}A?signature={signature}"),
        format!("/d/%FF?signature={signature}"),
    ];
    wrong.extend((0..token.len()).map(|at| format!("/d/{}?signature={signature}", flipped(token, at))));
    wrong.extend((0..signature.len()).map(|at| format!("{path}?signature={}", flipped(signature, at))));
    for wrong in wrong {
        assert_eq!(refused(&api, &wrong, 404).await, "/problems/not-found", "{wrong}");
    }
    follow(&api, &format!("{link}&utm_source=x")).await.expect(200);
    let posted = api.send(Call::new(Method::POST, &link)).await;
    posted.expect(405);
    assert_eq!(posted.headers["allow"], "GET, HEAD");
}

#[tokio::test]
async fn a_link_ends_when_it_says() {
    let api = Api::new().await;
    let ttl = json!({"link_ttl_seconds": 3600});
    let body = thin(&api, "order:1", DATA, ttl).await;
    let ends = Timestamp::parse(body["data_url_expires_at"].as_str().unwrap()).unwrap();
    let accepted = Timestamp::parse(body["timestamp"].as_str().unwrap()).unwrap();
    // The clock of the fixture goes on by ten minutes before the attempt, and again after it.
    let good_for = ends.since(accepted).as_secs() - 600;
    assert!((3_599..=3_601).contains(&good_for), "{good_for}");
    let link = target(&body);
    let forged = link.replace("signature=", "signature=A");
    api.clock.advance(Duration::from_secs(2_900));
    follow(&api, &link).await.expect(200);
    api.clock.advance(Duration::from_secs(200));
    assert_eq!(refused(&api, &link, 410).await, "/problems/gone");
    assert_eq!(refused(&api, &forged, 404).await, "/problems/not-found", "what is forged does not tell");
}

#[tokio::test]
async fn a_link_lives_no_longer_than_its_event() {
    let api = Api::new().await;
    let body = thin(&api, "order:1", DATA, json!({"link_ttl_seconds": 2_592_000})).await;
    let link = target(&body);
    api.clock.advance(Duration::from_secs(29 * 24 * 3600));
    follow(&api, &link).await.expect(200);
    api.get(&api.acme.viewer, "/v1/events/order:1/data").await.expect(200);
    api.clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(refused(&api, &link, 410).await, "/problems/gone");
    // The table removes it some time later.
    api.get(&api.acme.viewer, "/v1/events/order:1/data").await.expect(404);
}

/// A removed event's id may be used again: by then its links lead nowhere, and never to the later event.
#[tokio::test]
async fn a_link_does_not_lead_to_a_later_event_of_the_same_id() {
    let api = Api::new().await;
    let link = target(&thin(&api, "order:1", DATA, json!({})).await);
    let table: Arc<dyn Table> = api.table.clone();
    let events = Events::new(table);
    let mut stored =
        events.get(&"acme".parse().unwrap(), &"order:1".parse().unwrap()).await.unwrap().unwrap();
    stored.event.accepted_at = stored.event.accepted_at.after(Duration::from_millis(1));
    let wire = postrider_application::messages::WireEvent::new(&stored.event, &stored.payload);
    events.put_new(&stored, &wire).await.unwrap();
    assert_eq!(refused(&api, &link, 410).await, "/problems/gone");
}

#[tokio::test]
async fn a_former_master_keys_links_are_good_until_it_is_removed() {
    let api = Api::new().await;
    let link = target(&thin(&api, "order:1", DATA, json!({})).await);
    let former = || async {
        let keys = api.vault.master_keys(Freshness::New).await.unwrap();
        let key = keys.older.first().unwrap_or(&keys.current);
        MasterKey::new(Box::new(*key.expose_secret()))
    };
    let new = || MasterKey::new(Box::new([2; 32]));
    api.vault.set_keys(MasterKeys { current: new(), older: vec![former().await] });
    follow(&api, &link).await.expect(200);
    let later = target(&thin(&api, "order:2", DATA, json!({})).await);
    let former = former().await;
    api.vault.set_keys(MasterKeys { current: new(), older: Vec::new() });
    assert_eq!(refused(&api, &link, 404).await, "/problems/not-found");
    follow(&api, &later).await.expect(200);
    api.vault.set_keys(MasterKeys { current: former, older: Vec::new() });
    assert_eq!(refused(&api, &later, 404).await, "/problems/not-found", "it was signed with the new one");
}

#[tokio::test]
async fn an_event_that_is_too_large_is_shown_without_its_data() {
    let api = Api::new().await;
    let text = |size: usize| format!("\"{}\"", "x".repeat(size - 2));
    for (id, size, is_shown) in [("fits", 1_048_576, true), ("is-too-large", 1_048_577, false)] {
        let body = format!(r#"{{"event_id":"{id}","type":"a.b","data":{}}}"#, text(size));
        api.send(Call::new(Method::POST, "/v1/events").key(&api.acme.publisher).text(body)).await.expect(202);
        let shown = api.get(&api.acme.viewer, &format!("/v1/events/{id}")).await.expect(200);
        assert_eq!(shown["data_bytes"], size);
        assert_eq!(shown.get("data").is_some(), is_shown, "{id}");
        let path = shown["data_url"].as_str().unwrap();
        let data = api.get(&api.acme.viewer, path).await;
        data.expect(200);
        assert!(data.body == text(size));
        api.get(&api.other.admin, path).await.expect(404);
    }
}

/// A store that serves its blobs by itself, as S3 does.
struct ServedElsewhere;

#[async_trait]
impl Blobs for ServedElsewhere {
    async fn put(&self, _: &str, _: Bytes) -> Result<(), BlobError> {
        unreachable!("nothing is stored");
    }

    async fn get(&self, _: &str) -> Result<Option<Bytes>, BlobError> {
        unreachable!("what the store serves is not read");
    }

    async fn link(&self, key: &str, _: Timestamp, valid_for: Duration) -> Result<Option<String>, BlobError> {
        Ok(Some(format!("https://bucket.example.com/{key}?for={}", valid_for.as_secs())))
    }
}

#[tokio::test]
async fn what_the_store_serves_by_itself_is_redirected_there() {
    let api = Api::new().await;
    let (data, small) = (large(), target(&thin(&api, "small", DATA, json!({})).await));
    let link = target(&thin(&api, "large", &data, json!({})).await);
    let (table, vault): (Arc<dyn Table>, _) = (api.table.clone(), api.vault.clone());
    let mut services = api.services.query.clone();
    services.data = ReadData::new(Events::new(table), Arc::new(ServedElsewhere), vault, api.clock.clone());
    let router: Router = query_router(services);
    let ask = async |call: Call| {
        let (parts, body) = router.clone().oneshot(call.0).await.unwrap().into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    };
    let by_key = || Call::new(Method::GET, "/v1/events/large/data").key(&api.acme.viewer);
    for call in [Call::new(Method::GET, &link), by_key()] {
        let answer = ask(call).await;
        assert_eq!((answer.status, answer.body.len()), (307, 0));
        let location = answer.headers["location"].to_str().unwrap();
        assert!(location.starts_with("https://bucket.example.com/payloads/acme/large/"), "{location}");
        assert!(location.ends_with("?for=300"), "{location}");
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
    let head = ask(Call::new(Method::HEAD, &link)).await;
    assert_eq!(
        (head.status, &head.headers["content-length"]),
        (200, &data.len().to_string().parse().unwrap())
    );
    assert_eq!(ask(Call::new(Method::GET, &small)).await.body, DATA, "what is with the event is served here");
}
