//! All routes at once: nobody gets in without a key, and no role does more than it may.

use std::sync::atomic::Ordering;

use axum::http::Method;
use serde_json::{Value, json};

use crate::call::Call;
use crate::fixture::{Api, PLATFORM};

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    Viewers,
    Publishers,
    Admins,
    Operators,
}

/// A route, with ids in its path where `{...}` says of what, and a body that it takes.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) whom: For,
    pub(crate) body: Option<Value>,
}

/// Every route but `/health`, the published keys and links to data, which are for everybody.
pub(crate) fn routes() -> Vec<Route> {
    let route = |method, path, whom, body| Route { method, path, whom, body };
    let event = json!({"type": "a.b", "data": 1});
    let range = json!({"since": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"});
    let letters = json!({"ids": ["dl_01K8Z3V5Q2T9N4B7C6D5E4F3G2"]});
    let endpoint = json!({"name": "n", "channel": "webhook", "config": {"url": "https://example.com"}});
    vec![
        route(Method::POST, "/v1/events", For::Publishers, Some(event.clone())),
        route(Method::POST, "/v1/events/batch", For::Publishers, Some(json!({"events": [event]}))),
        route(Method::GET, "/v1/events", For::Viewers, None),
        route(Method::GET, "/v1/events/{event}", For::Viewers, None),
        route(Method::GET, "/v1/events/{event}/data", For::Viewers, None),
        route(Method::POST, "/v1/events/{scheduled}/cancel", For::Publishers, None),
        route(Method::POST, "/v1/events/{event}/replay", For::Admins, None),
        route(Method::GET, "/v1/endpoints", For::Viewers, None),
        route(Method::POST, "/v1/endpoints", For::Admins, Some(endpoint)),
        route(Method::GET, "/v1/endpoints/{endpoint}", For::Viewers, None),
        route(Method::PATCH, "/v1/endpoints/{endpoint}", For::Admins, Some(json!({"name": "m"}))),
        route(Method::POST, "/v1/endpoints/{endpoint}/pause", For::Admins, None),
        route(Method::POST, "/v1/endpoints/{endpoint}/resume", For::Admins, None),
        route(Method::POST, "/v1/endpoints/{endpoint}/disable", For::Admins, None),
        route(Method::POST, "/v1/endpoints/{endpoint}/enable", For::Admins, None),
        route(Method::GET, "/v1/endpoints/{endpoint}/health", For::Viewers, None),
        route(Method::GET, "/v1/endpoints/{endpoint}/parked", For::Viewers, None),
        route(Method::POST, "/v1/endpoints/{endpoint}/parked", For::Admins, Some(json!({"parked": "skip"}))),
        route(
            Method::POST,
            "/v1/endpoints/{endpoint}/circuit",
            For::Admins,
            Some(json!({"state": "closed"})),
        ),
        route(Method::GET, "/v1/endpoints/{endpoint}/secret", For::Admins, None),
        route(Method::POST, "/v1/endpoints/{endpoint}/secret/rotate", For::Admins, None),
        route(Method::GET, "/v1/endpoints/{endpoint}/jwks", For::Viewers, None),
        route(Method::POST, "/v1/endpoints/{endpoint}/test", For::Admins, None),
        route(Method::POST, "/v1/endpoints/{endpoint}/replay", For::Admins, Some(range)),
        route(Method::GET, "/v1/endpoints/{endpoint}/deliveries", For::Viewers, None),
        route(Method::GET, "/v1/deliveries", For::Viewers, None),
        route(Method::GET, "/v1/deliveries/{delivery}", For::Viewers, None),
        route(Method::POST, "/v1/deliveries/{delivery}/retry", For::Admins, None),
        route(Method::POST, "/v1/deliveries/{delivery}/cancel", For::Admins, None),
        route(Method::GET, "/v1/dead-letters", For::Viewers, None),
        route(Method::POST, "/v1/dead-letters/redrive", For::Admins, Some(json!({"filter": {}}))),
        route(Method::POST, "/v1/dead-letters/resolve", For::Admins, Some(letters.clone())),
        route(Method::POST, "/v1/dead-letters/discard", For::Admins, Some(letters)),
        route(Method::GET, "/v1/dead-letters/{letter}", For::Viewers, None),
        route(Method::POST, "/v1/dead-letters/{letter}/redrive", For::Admins, None),
        route(Method::POST, "/v1/dead-letters/{second_letter}/resolve", For::Admins, None),
        route(Method::POST, "/v1/dead-letters/{third_letter}/discard", For::Admins, None),
        route(Method::GET, "/v1/jobs", For::Viewers, None),
        route(Method::GET, "/v1/jobs/{job}", For::Viewers, None),
        // It had failed, and can be called off when it goes on.
        route(Method::POST, "/v1/jobs/{job}/resume", For::Admins, None),
        route(Method::POST, "/v1/jobs/{job}/cancel", For::Admins, None),
        route(Method::GET, "/v1/reconciliation", For::Viewers, None),
        route(Method::GET, "/v1/platform/dead-letters", For::Operators, None),
        route(Method::POST, "/v1/keys", For::Admins, Some(json!({"name": "k", "role": "viewer"}))),
        route(Method::GET, "/v1/keys", For::Admins, None),
        route(Method::GET, "/v1/master-key/reseal", For::Operators, None),
        route(Method::POST, "/v1/master-key/reseal", For::Operators, None),
        route(Method::POST, "/v1/tenants", For::Operators, Some(json!({"id": "new", "name": "New"}))),
        route(Method::GET, "/v1/tenants", For::Operators, None),
        route(Method::GET, "/v1/tenants/acme", For::Operators, None),
        route(Method::PATCH, "/v1/tenants/acme", For::Operators, Some(json!({"name": "Acme"}))),
        // Last, because nothing is left of what they name.
        route(Method::DELETE, "/v1/endpoints/{endpoint}", For::Admins, None),
        route(Method::DELETE, "/v1/keys/{key}", For::Admins, None),
    ]
}

impl Route {
    /// The route's path with these ids in it.
    pub(crate) fn path_with(&self, ids: &Ids) -> String {
        self.path
            .replace("{event}", &ids.event)
            .replace("{scheduled}", &ids.scheduled)
            .replace("{endpoint}", &ids.endpoint)
            .replace("{delivery}", &ids.delivery)
            .replace("{key}", &ids.key)
            .replace("{letter}", &ids.letters[0])
            .replace("{second_letter}", &ids.letters[1])
            .replace("{third_letter}", &ids.letters[2])
            .replace("{job}", &ids.job)
    }

    pub(crate) fn call(&self, path: &str) -> Call {
        let call = Call::new(self.method.clone(), path);
        match &self.body {
            Some(body) => call.json(body),
            None => call,
        }
    }
}

/// Ids to put into paths.
pub(crate) struct Ids {
    pub(crate) event: String,
    pub(crate) scheduled: String,
    pub(crate) endpoint: String,
    pub(crate) delivery: String,
    pub(crate) key: String,
    pub(crate) letters: [String; 3],
    pub(crate) job: String,
}

impl Ids {
    /// Ids of acme's.
    pub(crate) async fn of_acme(api: &Api) -> Self {
        let [endpoint, event, delivery, letter] = api.failed_delivery().await;
        let [.., second] = api.failed_delivery().await;
        let [.., third] = api.failed_delivery().await;
        // A job that could not begin.
        api.queue.fails.store(true, Ordering::SeqCst);
        let order = json!({"filter": {"reason": "gone"}});
        api.post(&api.acme.admin, "/v1/dead-letters/redrive", order).await.expect(503);
        api.queue.fails.store(false, Ordering::SeqCst);
        let jobs = api.get(&api.acme.viewer, "/v1/jobs").await.expect(200);
        assert_eq!(jobs["items"][0]["state"], "failed");
        let job = jobs["items"][0]["id"].as_str().unwrap().to_owned();
        let later = json!({"type": "a.b", "data": 1, "deliver_at": "2026-02-20T12:00:00Z"});
        let scheduled = api.publish(later).await;
        let key =
            api.post(&api.acme.admin, "/v1/keys", json!({"name": "k", "role": "viewer"})).await.expect(201);
        let key = key["id"].as_str().unwrap().to_owned();
        Self { event, scheduled, endpoint, delivery, key, letters: [letter, second, third], job }
    }
}

#[tokio::test]
async fn no_route_answers_without_a_key() {
    let api = Api::new().await;
    let ids = Ids::of_acme(&api).await;
    let with_secret_of_another = format!("{}{}", &api.acme.admin[..31], &api.other.admin[31..]);
    let bad =
        ["", "x", "prk_", "prk_01K8Z3V5Q2T9N4B7C6D5E4F3G2_00", &with_secret_of_another, "platform-key2"];
    for route in routes() {
        let path = route.path_with(&ids);
        let answer = api.send(route.call(&path)).await;
        answer.expect(401);
        assert_eq!(answer.headers["www-authenticate"], "Bearer", "{} {path}", route.method);
        for key in bad {
            api.send(route.call(&path).key(key)).await.expect(401);
        }
        api.send(route.call(&path).header("authorization", &format!("Basic {}", api.acme.admin)))
            .await
            .expect(401);
    }
}

#[tokio::test]
async fn a_role_may_do_what_it_is_for_and_nothing_else() {
    let api = Api::new().await;
    let ids = Ids::of_acme(&api).await;
    for route in routes() {
        let path = route.path_with(&ids);
        let allowed = [
            (&api.acme.viewer, route.whom == For::Viewers),
            (&api.acme.publisher, matches!(route.whom, For::Viewers | For::Publishers)),
            (&api.acme.admin, route.whom != For::Operators),
        ];
        for (key, may) in allowed {
            let answer = api.send(route.call(&path).key(key)).await;
            let body = answer.json();
            if may {
                assert!(answer.status < 300, "{} {path}: {body}", route.method);
            } else {
                answer.expect(403);
            }
        }
    }
}

#[tokio::test]
async fn the_platform_key_acts_for_a_tenant_only_by_name() {
    let api = Api::new().await;
    let ids = Ids::of_acme(&api).await;
    for route in routes() {
        let path = route.path_with(&ids);
        if route.whom != For::Operators {
            let answer = api.send(route.call(&path).key(PLATFORM)).await;
            assert_eq!(answer.fields(400), ["Postrider-Tenant"], "{} {path}", route.method);
            let answer = api.send(route.call(&path).key(PLATFORM).acting_for("nobody")).await;
            assert_eq!(answer.fields(400), ["Postrider-Tenant"], "{} {path}", route.method);
        }
        let answer = api.send(route.call(&path).key(PLATFORM).acting_for("acme")).await;
        assert!(answer.status < 300, "{} {path}: {}", route.method, answer.json());
    }
}

#[tokio::test]
async fn a_tenants_key_stays_with_its_tenant_whatever_the_header_says() {
    let api = Api::new().await;
    let endpoint = api.endpoint(json!({})).await;
    let call = Call::new(Method::GET, "/v1/endpoints").key(&api.other.admin).acting_for("acme");
    assert_eq!(api.send(call).await.expect(200)["items"], json!([]));
    let call = Call::new(Method::GET, &format!("/v1/endpoints/{endpoint}")).key(&api.other.admin);
    api.send(call.acting_for("acme")).await.expect(404);
}
