//! Tenants cannot see, reach or tell apart from nothing what belongs to another: on every route.

use serde_json::{Value, json};

use crate::fixture::Api;
use crate::routes::{Ids, routes};

const ULID: &str = "01K8Z3V5Q2T9N4B7C6D5E4F3G2";

#[tokio::test]
async fn another_tenants_ids_are_like_unknown_and_malformed_ones() {
    let api = Api::new().await;
    let theirs = Ids::of_acme(&api).await;
    let unknown = Ids {
        event: "evt_unknown".into(),
        scheduled: "evt_unknown".into(),
        endpoint: format!("ep_{ULID}"),
        delivery: format!("dlv_{ULID}{ULID}"),
        key: format!("key_{ULID}"),
        letters: std::array::from_fn(|_| format!("dl_{ULID}")),
        job: format!("job_{ULID}"),
    };
    let malformed = |text: &str| Ids {
        event: text.into(),
        scheduled: text.into(),
        endpoint: text.into(),
        delivery: text.into(),
        key: text.into(),
        letters: std::array::from_fn(|_| text.into()),
        job: text.into(),
    };
    let bad = [malformed("not.an-id"), malformed("%00"), malformed("%FF"), malformed("..%2F..")];
    let mut routes_with_ids = 0;
    for route in routes().into_iter().filter(|route| route.path.contains('{')) {
        routes_with_ids += 1;
        let path = route.path_with(&theirs);
        let refused = api.send(route.call(&path).key(&api.other.admin)).await;
        refused.expect(404);
        for ids in [&unknown].into_iter().chain(&bad) {
            let path = route.path_with(ids);
            let answer = api.send(route.call(&path).key(&api.other.admin)).await;
            answer.expect(404);
            assert_eq!(answer.body, refused.body, "{} {path}", route.method);
        }
    }
    assert_eq!(routes_with_ids, 32);
    // All of it is still there.
    for path in ["/v1/events/{event}", "/v1/endpoints/{endpoint}/secret", "/v1/deliveries/{delivery}"] {
        let route = routes().into_iter().find(|route| route.path == path).unwrap();
        api.get(&api.acme.admin, &route.path_with(&theirs)).await.expect(200);
    }
}

#[tokio::test]
async fn lists_hold_nothing_of_another_tenants() {
    let api = Api::new().await;
    let ids = Ids::of_acme(&api).await;
    let mut paths: Vec<String> =
        ["/v1/events", "/v1/endpoints", "/v1/deliveries", "/v1/dead-letters", "/v1/jobs"]
            .map(String::from)
            .to_vec();
    for status in ["pending", "retrying", "delivered", "failed", "parked", "cancelled"] {
        paths.push(format!("/v1/deliveries?status={status}"));
    }
    paths.push(format!("/v1/deliveries?endpoint_id={}", ids.endpoint));
    paths.push(format!("/v1/deliveries?event_id={}", ids.event));
    paths.push(format!("/v1/deliveries?event_id={}&endpoint_id={}", ids.event, ids.endpoint));
    paths.push(format!("/v1/dead-letters?endpoint_id={}", ids.endpoint));
    for path in paths {
        let list = api.get(&api.other.viewer, &path).await.expect(200);
        assert_eq!(list, json!({"items": [], "next_cursor": null}), "{path}");
    }
    let keys = api.get(&api.other.admin, "/v1/keys").await.expect(200);
    let keys = keys["items"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| key["id"] != ids.key.as_str()));
}

#[tokio::test]
async fn a_cursor_of_another_tenants_leads_nowhere_else() {
    let api = Api::new().await;
    for _ in 0..3 {
        api.failed_delivery().await;
    }
    for list in
        ["/v1/events", "/v1/endpoints", "/v1/deliveries", "/v1/deliveries?status=failed", "/v1/dead-letters"]
    {
        let sign = if list.contains('?') { '&' } else { '?' };
        let page = api.get(&api.acme.viewer, &format!("{list}{sign}limit=1")).await.expect(200);
        let cursor = page["next_cursor"].as_str().unwrap().to_owned();
        let path = format!("{list}{sign}cursor={cursor}");
        let stolen = api.get(&api.other.viewer, &path).await.expect(200);
        assert_eq!(stolen["items"], json!([]), "{list}");
    }
}

#[tokio::test]
async fn another_tenants_ids_in_a_body_are_like_unknown_ones() {
    let api = Api::new().await;
    let [endpoint, _, _, letter] = api.failed_delivery().await;
    let publish = |endpoint: String| json!({"type": "a.b", "data": 1, "endpoints": [endpoint]});
    for endpoint in [endpoint.clone(), format!("ep_{ULID}")] {
        let answer = api.post(&api.other.publisher, "/v1/events", publish(endpoint)).await;
        assert_eq!(answer.fields(422), ["endpoints[0]"]);
    }
    let redrive =
        async |ids: Value| api.post(&api.other.admin, "/v1/dead-letters/redrive", ids).await.expect(200);
    let theirs = redrive(json!({"ids": [letter.clone()]})).await;
    assert_eq!(theirs["items"][0]["status"], "failed");
    assert_eq!(theirs["redriven"], 0);
    assert_eq!(theirs["items"][0]["error"], format!("there is no dead letter {letter}"));
    let all = redrive(json!({"filter": {"endpoint_id": endpoint}, "dry_run": true})).await;
    assert_eq!(all, json!({"matched": 0, "at_least": false}));
    let range =
        json!({"since": "2026-01-01T00:00:00Z", "until": "2026-03-01T00:00:00Z", "to_endpoint": endpoint});
    let own = json!({"name": "n", "channel": "webhook", "config": {"url": "https://example.com"}});
    let own = api.post(&api.other.admin, "/v1/endpoints", own).await.expect(201);
    let path = format!("/v1/endpoints/{}/replay", own["id"].as_str().unwrap());
    assert_eq!(api.post(&api.other.admin, &path, range).await.fields(422), ["to_endpoint"]);
    let event = json!({"type": "a.b", "data": 1});
    let event = api.post(&api.other.publisher, "/v1/events", event).await.expect(202);
    let path = format!("/v1/events/{}/replay", event["event_id"].as_str().unwrap());
    let named = json!({"endpoints": [endpoint]});
    assert_eq!(api.post(&api.other.admin, &path, named).await.fields(422), ["endpoints[0]"]);
    let letters = api.get(&api.acme.viewer, "/v1/dead-letters?state=pending").await.expect(200);
    assert_eq!(letters["items"][0]["id"], letter.as_str());
}
