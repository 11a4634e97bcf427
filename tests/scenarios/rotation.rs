//! Keys that replace others while events are delivered.

use postrider_tests::tenant::{endpoint_request, list, text};
use postrider_tests::{Endpoint, Receiver, Target, Tenant, eventually, signature};
use serde_json::{Value, json};

async fn rotate(tenant: &Tenant, id: &str, body: Value) -> Value {
    let path = format!("/v1/endpoints/{id}/secret/rotate");
    tenant.admin.post(&path, &body).await.expect(200).json()
}

async fn publish(tenant: &Tenant, count: usize) {
    let event = json!({"type": "a.b", "data": {"x": 1}});
    let events: Vec<_> = (0..count).map(|_| event.clone()).collect();
    tenant.admin.post("/v1/events/batch", &json!({"events": events})).await.expect(200);
}

fn signatures(header: &str) -> usize {
    header.split(' ').count()
}

pub(crate) async fn a_secret_is_replaced_under_traffic(target: &Target) {
    let tenant = target.tenant("rotation").await;
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    publish(&tenant, 50).await;
    let (rotated, ()) = futures::join!(
        rotate(&tenant, &endpoint.id, json!({"overlap_seconds": 86_400})),
        publish(&tenant, 50)
    );
    publish(&tenant, 50).await;
    let new = text(&rotated, "secret");
    let requests = receiver.wait_for("/hook", 150).await;
    for request in &requests {
        // Whoever has not changed the secret yet sees nothing of it.
        assert!(signature::is_valid(request, &endpoint.secret), "{request:?}");
        let is_valid = signature::is_valid(request, new);
        assert_eq!(is_valid, signatures(request.header("webhook-signature")) == 2, "{request:?}");
    }
    let last = requests.iter().filter(|request| signature::is_valid(request, new)).count();
    assert!(last >= 50, "only {last} of those after the rotation are signed with the new secret");
}

pub(crate) async fn after_the_overlap_the_new_secret_signs_alone(target: &Target) {
    let tenant = target.tenant("overlap").await;
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let rotated = rotate(&tenant, &endpoint.id, json!({"overlap_seconds": 1})).await;
    let new = text(&rotated, "secret");
    let mut seen = 0;
    eventually("a request without the former secret's signature", async || {
        publish(&tenant, 1).await;
        seen += 1;
        let request = receiver.wait_for("/hook", seen).await.pop().unwrap();
        assert!(signature::is_valid(&request, new), "{request:?}");
        let header = request.header("webhook-signature");
        if signature::is_valid(&request, &endpoint.secret) { Err(header.to_owned()) } else { Ok(()) }
    })
    .await;
    let shown = tenant.admin.get(&format!("/v1/endpoints/{}/secret", endpoint.id)).await.expect(200).json();
    assert_eq!((list(&shown, "keys").len(), &shown["secret"]), (1, &rotated["secret"]));
}

pub(crate) async fn an_own_secret_is_taken(target: &Target) {
    let tenant = target.tenant("own-secret").await;
    let receiver = Receiver::start().await;
    let Endpoint { id, secret, .. } = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let other = tenant.endpoint(&receiver.url("/other"), json!({})).await;
    let body = json!({"secret": other.secret, "overlap_seconds": 0});
    let rotated = rotate(&tenant, &id, body.clone()).await;
    assert_eq!((text(&rotated, "secret"), &rotated["previous_expires_at"]), (&*other.secret, &Value::Null));
    publish(&tenant, 1).await;
    let request = receiver.wait_for("/hook", 1).await.remove(0);
    assert!(signature::is_valid(&request, &other.secret) && !signature::is_valid(&request, &secret));
    let path = format!("/v1/endpoints/{id}/secret/rotate");
    tenant.admin.post(&path, &body).await.problem_with(422, "validation", "secret");
    let too_long = json!({"overlap_seconds": 604_801});
    tenant.admin.post(&path, &too_long).await.problem_with(422, "validation", "overlap_seconds");
}

pub(crate) async fn rotations_at_the_same_time_leave_whole_keys(target: &Target) {
    let tenant = target.tenant("rotations").await;
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let path = format!("/v1/endpoints/{}/secret/rotate", endpoint.id);
    let body = json!({});
    let replies = futures::future::join_all((0..4).map(|_| tenant.admin.post(&path, &body))).await;
    let mut secrets = vec![endpoint.secret.clone()];
    for reply in &replies {
        if reply.status == 200 {
            secrets.push(text(&reply.json(), "secret").to_owned());
        } else {
            reply.problem(409, "conflict");
        }
    }
    assert!(secrets.len() >= 2, "one wins");
    publish(&tenant, 1).await;
    let request = receiver.wait_for("/hook", 1).await.remove(0);
    for secret in &secrets {
        assert!(signature::is_valid(&request, secret), "a secret that was shown does not sign");
    }
    assert_eq!(signatures(request.header("webhook-signature")), secrets.len());
}

pub(crate) async fn public_keys_are_published_for_those_who_verify(target: &Target) {
    let tenant = target.tenant("public-keys").await;
    let receiver = Receiver::start().await;
    let config = json!({"signature": {"scheme": "ed25519"}});
    let request = endpoint_request(&receiver.url("/hook"), json!({"config": config}));
    let created = tenant.admin.post("/v1/endpoints", &request).await.expect(201).json();
    let id = text(&created, "id");
    let path = format!("/.well-known/postrider/{}/{id}/jwks.json", tenant.id);
    let anybody = tenant.admin.without_key();
    let published = anybody.get(&path).await.expect(200);
    assert_eq!(published.header("cache-control"), "public, max-age=300");
    let rotated = rotate(&tenant, id, json!({})).await;
    let both = anybody.get(&path).await.expect(200).json();
    let [new, former] = list(&both, "keys") else { panic!("two keys: {both}") };
    assert_eq!((&new["kid"], former), (&rotated["kid"], &published.json()["keys"][0]));
    let own = tenant.admin.get(&format!("/v1/endpoints/{id}/jwks")).await.expect(200).json();
    assert_eq!(own, both);
    anybody.get(&path.replace(&tenant.id, "nobody")).await.problem(404, "not-found");
    publish(&tenant, 1).await;
    let request = receiver.wait_for("/hook", 1).await.remove(0);
    let header = request.header("webhook-signature");
    assert!(header.split(' ').all(|signature| signature.starts_with("v1a,")), "{header}");
    assert_eq!(signatures(header), 2);
}
