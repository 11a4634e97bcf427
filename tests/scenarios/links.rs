//! Links in place of data: what an endpoint with the payload `thin` gets, and where its links lead.

use postrider_tests::client::{answer, follow};
use postrider_tests::tenant::text;
use postrider_tests::{Receiver, Target, Tenant, signature};
use reqwest::Method;
use serde_json::{Value, json};

use crate::payloads::{publish, rows};

/// An endpoint that gets links, and the body of the first request that it got.
async fn thin(tenant: &Tenant, receiver: &Receiver, data: &str) -> (String, Value) {
    let fields = json!({"config": {"payload": "thin", "link_ttl_seconds": 3600}});
    let endpoint = tenant.endpoint(&receiver.url("/thin"), fields).await;
    let id = publish(tenant, data).await;
    let request = receiver.wait_for("/thin", 1).await.remove(0);
    assert!(signature::is_valid(&request, &endpoint.secret), "{request:?}");
    assert_eq!(request.webhook_id(), id);
    (id, request.json())
}

pub(crate) async fn a_link_leads_to_the_data_that_others_get(target: &Target) {
    let tenant = target.tenant("links").await;
    let receiver = Receiver::start().await;
    let full = tenant.endpoint(&receiver.url("/full"), json!({})).await;
    let data = rows(4_900_000);
    assert!(data.len() > 4_899_900);
    let (id, body) = thin(&tenant, &receiver, &data).await;
    let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["data_bytes", "data_url", "data_url_expires_at", "id", "timestamp", "type"]);
    assert_eq!((&body["id"], &body["data_bytes"]), (&json!(id), &json!(data.len())));
    let linked = follow(text(&body, "data_url")).await.expect(200);
    assert_eq!(linked.header("content-type"), "application/json");
    assert!(linked.body == data, "the link leads to other data");

    let request = receiver.wait_for("/full", 1).await.remove(0);
    assert!(request.envelope().data.get() == data, "other data was delivered");
    assert!(signature::is_valid(&request, &full.secret));
    assert_eq!(text(&request.json(), "timestamp"), text(&body, "timestamp"));

    let shown = tenant.admin.get(&format!("/v1/events/{id}")).await.expect(200).json();
    assert_eq!((shown.get("data"), &shown["data_bytes"]), (None, &json!(data.len())));
    let by_key = tenant.admin.get(text(&shown, "data_url")).await;
    let by_key = if by_key.status == 307 { follow(by_key.header("location")).await } else { by_key };
    assert!(by_key.expect(200).body == data);
}

pub(crate) async fn a_link_to_small_data_is_as_good(target: &Target) {
    let tenant = target.tenant("small-links").await;
    let receiver = Receiver::start().await;
    let data = "{ \"price\": 1.10,\t\"é\":\"\\u00e9\" }";
    let (_, body) = thin(&tenant, &receiver, data).await;
    let link = text(&body, "data_url");
    assert_eq!(follow(link).await.expect(200).body, data);
    let path = link.strip_prefix(target.url()).unwrap_or_else(|| panic!("{link} is not {}", target.url()));
    let looked = answer(tenant.admin.without_key().request(Method::HEAD, path)).await.unwrap();
    assert_eq!((looked.status, looked.body.len()), (200, 0));
}

pub(crate) async fn nobody_makes_a_link(target: &Target) {
    let tenant = target.tenant("made-links").await;
    let receiver = Receiver::start().await;
    let (id, body) = thin(&tenant, &receiver, "1").await;
    let link = text(&body, "data_url");
    let (path, signature) = link.split_once("?signature=").unwrap();
    let other = target.tenant("other-links").await;
    let other_receiver = Receiver::start().await;
    let (_, others) = thin(&other, &other_receiver, "2").await;
    let (others_path, others_signature) = text(&others, "data_url").split_once("?signature=").unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let wrong = [
        path.to_owned(),
        format!("{path}?signature={others_signature}"),
        format!("{others_path}?signature={signature}"),
        format!("{path}?signature={flipped}{}", &signature[1..]),
        format!("{}?signature={signature}", &path[..path.len() - 1]),
        format!("{path}A?signature={signature}"),
    ];
    for wrong in wrong {
        follow(&wrong).await.problem(404, "not-found");
    }
    follow(link).await.expect(200);
    // A key opens its own tenant's events only, whatever the link.
    other.admin.get(&format!("/v1/events/{id}/data")).await.problem(404, "not-found");
    tenant.admin.without_key().get(&format!("/v1/events/{id}/data")).await.problem(401, "unauthorized");
}
