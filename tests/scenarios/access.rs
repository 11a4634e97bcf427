//! Keys: what they open, for how long, and from where.

use std::time::{Duration, SystemTime};

use postrider_tests::pages;
use postrider_tests::tenant::{endpoint_request, text};
use postrider_tests::{Receiver, Target, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub(crate) async fn roles_limit_what_a_key_can_do(target: &Target) {
    let tenant = target.tenant("roles").await;
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let id = tenant.publish(&json!({"type": "a.b", "data": 1})).await;
    let delivery = tenant.delivery(&id, &endpoint.id, "delivered").await;
    let delivery = text(&delivery, "id");
    let (admin, publisher, viewer) =
        (tenant.admin.clone(), tenant.caller("publisher").await, tenant.caller("viewer").await);

    let publish = json!({"type": "a.b", "data": 1});
    publisher.post("/v1/events", &publish).await.expect(202);
    publisher.post("/v1/events/batch", &json!({"events": [publish]})).await.expect(200);
    viewer.post("/v1/events", &publish).await.problem(403, "forbidden");
    viewer.post("/v1/events/batch", &json!({"events": [publish]})).await.problem(403, "forbidden");

    let readable = [
        "/v1/events".to_owned(),
        format!("/v1/events/{id}"),
        "/v1/endpoints".to_owned(),
        format!("/v1/endpoints/{}", endpoint.id),
        format!("/v1/endpoints/{}/deliveries", endpoint.id),
        "/v1/deliveries".to_owned(),
        format!("/v1/deliveries/{delivery}"),
        "/v1/dead-letters".to_owned(),
    ];
    for client in [&admin, &publisher, &viewer] {
        for path in &readable {
            client.get(path).await.expect(200).json();
        }
    }

    let below = |rest: &str| format!("/v1/endpoints/{}{rest}", endpoint.id);
    let new_key = json!({"name": "more", "role": "admin"});
    let administration = [
        (Method::POST, "/v1/endpoints".to_owned(), endpoint_request(&receiver.url("/"), json!({}))),
        (Method::PATCH, below(""), json!({"name": "renamed"})),
        (Method::POST, below("/pause"), json!({})),
        (Method::POST, below("/resume"), json!({})),
        (Method::POST, below("/disable"), json!({})),
        (Method::POST, below("/enable"), json!({})),
        (Method::POST, below("/test"), json!({})),
        (Method::DELETE, below(""), json!({})),
        (Method::GET, below("/secret"), json!({})),
        (Method::POST, format!("/v1/deliveries/{delivery}/retry"), json!({})),
        (Method::POST, "/v1/dead-letters/redrive".to_owned(), json!({"limit": 1})),
        (Method::POST, "/v1/keys".to_owned(), new_key),
        (Method::DELETE, "/v1/keys/key_01K8Z3V5Q2T9N4B7C6D5E4F3G2".to_owned(), json!({})),
    ];
    for client in [&publisher, &viewer] {
        for (method, path, body) in &administration {
            let refused = client.call(method.clone(), path, Some(body.to_string().into())).await;
            refused.problem(403, "forbidden");
        }
    }
    let endpoint = admin.get(&below("")).await.expect(200).json();
    assert_eq!((&endpoint["status"], &endpoint["name"]), (&json!("active"), &json!("receiver")));
}

pub(crate) async fn keys_expire_and_are_deleted(target: &Target) {
    let tenant = target.tenant("keys").await;
    let key = json!({"name": "short", "role": "viewer", "expires_at": in_a_moment()});
    let created = tenant.admin.post("/v1/keys", &key).await.expect(201).json();
    assert!(text(&created, "key").starts_with("prk_"), "{created}");
    for name in ["name", "role"] {
        assert_eq!(created[name], key[name]);
    }
    let expiring = tenant.admin.with_key(text(&created, "key"));
    expiring.get("/v1/events").await.expect(200);
    eventually("the key to expire", async || {
        let status = expiring.get("/v1/events").await.status;
        if status == 401 { Ok(()) } else { Err(status.to_string()) }
    })
    .await;

    let new_key = json!({"name": "deleted", "role": "admin"});
    let created = tenant.admin.post("/v1/keys", &new_key).await.expect(201).json();
    assert_eq!((&created["expires_at"], &created["allowed_cidrs"]), (&json!(null), &json!([])));
    let deleted = tenant.admin.with_key(text(&created, "key"));
    deleted.get("/v1/events").await.expect(200);
    let listed = pages::all(&tenant.admin, "/v1/keys", 2).await;
    let mut names = pages::texts(&listed, "name");
    names.sort();
    assert_eq!(names, ["deleted", "short", "tests"]);
    assert!(!json!(listed).to_string().contains("prk_"), "a key is shown: {listed:?}");
    tenant.admin.delete(&format!("/v1/keys/{}", text(&created, "id"))).await.expect(204);
    // Other instances of the service may know a key for a moment longer.
    eventually("the key to be gone", async || {
        let status = deleted.get("/v1/events").await.status;
        if status == 401 { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
}

/// A time that comes soon, but not before a key with it was used once.
#[expect(clippy::disallowed_methods, reason = "an expiry is a time of the real clock")]
fn in_a_moment() -> Value {
    let moment = SystemTime::now() + postrider_tests::wait::deadline(Duration::from_secs(5));
    OffsetDateTime::from(moment).format(&Rfc3339).unwrap().into()
}

pub(crate) async fn keys_are_bound_to_networks(target: &Target) {
    let tenant = target.tenant("networks").await;
    let create = async |cidrs: Value| {
        let key = json!({"name": "bound", "role": "viewer", "allowed_cidrs": cidrs});
        let created = tenant.admin.post("/v1/keys", &key).await.expect(201).json();
        tenant.admin.with_key(text(&created, "key"))
    };
    // Documentation networks (RFC 5737, RFC 3849): nobody calls from there.
    let elsewhere = create(json!(["192.0.2.0/24", "2001:db8::/32"])).await;
    elsewhere.get("/v1/events").await.problem(403, "forbidden");
    create(json!(["0.0.0.0/0", "::/0"])).await.get("/v1/events").await.expect(200);
    for (cidrs, field) in
        [(json!(["10.0.0.0/33"]), "allowed_cidrs[0]"), (json!(["::/0", "x"]), "allowed_cidrs[1]")]
    {
        let key = json!({"name": "bad", "role": "viewer", "allowed_cidrs": cidrs});
        tenant.admin.post("/v1/keys", &key).await.problem_with(422, "validation", field);
    }
}

pub(crate) async fn only_the_platform_administers_tenants(target: &Target) {
    let tenant = target.tenant("tenants").await;
    let platform = target.platform();
    let id = &tenant.id;
    let shown = platform.get(&format!("/v1/tenants/{id}")).await.expect(200).json();
    assert_eq!((&shown["id"], &shown["name"]), (&json!(id), &json!("tenants")));
    let again = json!({"id": id, "name": "again"});
    platform.post("/v1/tenants", &again).await.problem(409, "conflict");
    let listed = pages::all(&platform, "/v1/tenants", 100).await;
    assert_eq!(listed.iter().filter(|listed| listed["id"] == *id).count(), 1);
    platform.get("/v1/tenants/there-is-none").await.problem(404, "not-found");

    for path in ["/v1/tenants".to_owned(), format!("/v1/tenants/{id}")] {
        tenant.admin.get(&path).await.problem(403, "forbidden");
    }
    tenant.admin.post("/v1/tenants", &json!({"id": "mine", "name": "x"})).await.problem(403, "forbidden");
    // The platform acts for a tenant by name only.
    platform.get("/v1/events").await.problem_with(400, "bad-request", "Postrider-Tenant");
    let nobody = platform.acting_for("there-is-none").get("/v1/events").await;
    nobody.problem_with(400, "bad-request", "Postrider-Tenant");
    platform.acting_for(id).get("/v1/events").await.expect(200);
}
