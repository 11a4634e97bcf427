//! What holds whatever is asked for: unknown places, methods, bodies, failures.

use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::Method;
use bytes::Bytes;
use postrider_http_api::{ingest_router, manage_router, query_router};
use serde_json::json;

use crate::call::Call;
use crate::fixture::{Api, PLATFORM};
use crate::routes::{For, Ids, routes};

#[tokio::test]
async fn health_is_for_everyone() {
    let api = Api::new().await;
    let health = api.send(Call::new(Method::GET, "/health")).await;
    assert_eq!(health.expect(200), json!({"status": "ok"}));
}

#[tokio::test]
async fn unknown_places_are_problems() {
    let api = Api::new().await;
    for path in ["/", "/v1", "/v1/", "/v1/event", "/v1/events/", "/v1/events/a/b", "/v2/events", "/V1/events"]
    {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let answer = api.send(Call::new(method, path).key(&api.acme.admin)).await;
            assert_eq!(answer.expect(404)["type"], "/problems/not-found", "{path}");
        }
    }
}

#[tokio::test]
async fn wrong_methods_are_problems_that_name_the_right_ones() {
    let api = Api::new().await;
    let all = routes();
    let ids = Ids::of_acme(&api).await;
    for route in &all {
        let path = route.path_with(&ids);
        let own: Vec<_> = all.iter().filter(|other| other.path == route.path).map(|o| &o.method).collect();
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            // One word in the place of an id is a route of its own.
            if own.contains(&&method) || path.starts_with("/v1/events/batch") && method == Method::GET {
                continue;
            }
            let answer = api.send(Call::new(method.clone(), &path).key(&api.acme.admin)).await;
            let problem = answer.json();
            assert_eq!(
                answer.expect(405)["type"],
                "/problems/method-not-allowed",
                "{method} {path} {problem}"
            );
            let allowed = answer.headers["allow"].to_str().unwrap();
            assert!(own.iter().all(|method| allowed.contains(method.as_str())), "{path}: {allowed}");
        }
    }
}

#[tokio::test]
async fn head_works_where_get_does() {
    let api = Api::new().await;
    let ids = Ids::of_acme(&api).await;
    for route in routes().into_iter().filter(|route| route.method == Method::GET) {
        let path = route.path_with(&ids);
        let key = if route.whom == For::Operators { PLATFORM } else { &api.acme.admin };
        let answer = api.send(Call::new(Method::HEAD, &path).key(key)).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{path}");
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
    assert_eq!(api.send(Call::new(Method::HEAD, "/health")).await.status, 200);
}

#[tokio::test]
async fn a_body_has_to_be_json_and_say_so() {
    let api = Api::new().await;
    let ids = Ids::of_acme(&api).await;
    for route in routes().into_iter().filter(|route| route.body.is_some()) {
        let path = route.path_with(&ids);
        let key = if route.whom == For::Operators { PLATFORM } else { &api.acme.admin };
        let call = || Call::new(route.method.clone(), &path).key(key);
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json"] {
            let answer = api.send(call().header("content-type", content_type).body(Body::from("{}"))).await;
            assert_eq!(answer.expect(415)["type"], "/problems/unsupported-media-type", "{path}");
        }
        api.send(call().body(Body::from("{}"))).await.expect(415);
        for text in ["", "{", "{,}", "{}x", "nul", "\u{feff}{}"] {
            let answer = api.send(call().text(text.to_owned())).await;
            assert_eq!(answer.expect(400)["type"], "/problems/malformed-json", "{path} {text}");
        }
        api.send(call().text(vec![b'"', 0xff, b'"'])).await.expect(400);
        let deep = "[".repeat(100_000);
        api.send(call().text(format!(r#"{{"config":{deep}}}"#))).await.expect(400);
    }
    for content_type in
        ["application/json; charset=utf-8", "Application/JSON", "application/cloudevents+json"]
    {
        let body = Body::from(r#"{"type":"a","data":1}"#);
        let call = Call::new(Method::POST, "/v1/events").key(&api.acme.publisher);
        api.send(call.header("content-type", content_type).body(body)).await.expect(202);
    }
}

#[tokio::test]
async fn a_body_that_comes_in_pieces_is_read_as_one_that_does_not() {
    let api = Api::new().await;
    let event = r#"{"event_id":"in-pieces","type":"a.b","data":{"n":1.10}}"#;
    for size in 1..=event.len() {
        let pieces =
            event.as_bytes().chunks(size).flat_map(|piece| [Bytes::new(), Bytes::from(piece.to_vec())]);
        let pieces = futures::stream::iter(pieces.map(Ok::<_, std::io::Error>).collect::<Vec<_>>());
        let call = Call::new(Method::POST, "/v1/events").key(&api.acme.admin);
        let call = call.header("content-type", "application/json").body(Body::from_stream(pieces));
        // The same again is no other event.
        let answer = api.send(call).await.expect(if size == 1 { 202 } else { 200 });
        assert_eq!(answer["event_id"], "in-pieces", "{size} bytes at a time");
    }
}

#[tokio::test]
async fn a_body_is_limited_whether_it_announces_its_length_or_not() {
    let api = Api::new().await;
    let call = || {
        let call = Call::new(Method::POST, "/v1/endpoints").key(&api.acme.admin);
        call.header("content-type", "application/json")
    };
    let announced = call().header("content-length", "200000").body(Body::from("{}"));
    assert_eq!(api.send(announced).await.expect(413)["limit_bytes"], 131_072);
    let chunk = || Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1024]));
    let streamed =
        |chunks: usize| Body::from_stream(futures::stream::iter(std::iter::repeat_with(chunk).take(chunks)));
    assert_eq!(api.send(call().body(streamed(129))).await.expect(413)["limit_bytes"], 131_072);
    api.send(call().body(streamed(128))).await.expect(400);
    let broken = futures::stream::iter([chunk(), Err(std::io::Error::other("reset"))]);
    let broken = api.send(call().body(Body::from_stream(broken))).await.expect(400);
    assert_eq!(broken["type"], "/problems/bad-request");
}

#[tokio::test]
async fn a_table_that_fails_is_said_so_on_every_route() {
    let api = Api::new().await;
    let ids = Ids::of_acme(&api).await;
    for route in routes() {
        let path = route.path_with(&ids);
        let key = if route.whom == For::Operators { PLATFORM } else { &api.acme.admin };
        // The key is known already.
        api.get(&api.acme.admin, "/v1/events").await.expect(200);
        api.table.fails.store(true, Ordering::SeqCst);
        let answer = api.send(route.call(&path).key(key)).await;
        api.table.fails.store(false, Ordering::SeqCst);
        if path == "/v1/events/batch" {
            assert_eq!(answer.expect(200)["items"][0]["problem"]["status"], 503);
        } else if path.ends_with("/resolve") && route.body.is_some() || path == "/v1/dead-letters/discard" {
            let item = answer.expect(200)["items"][0].clone();
            assert!(item["error"].as_str().unwrap().contains("try again"), "{item}");
        } else {
            assert_eq!(answer.expect(503)["type"], "/problems/unavailable", "{} {path}", route.method);
            assert_eq!(answer.headers["retry-after"], "1");
        }
    }
}

#[tokio::test]
async fn a_header_that_cannot_be_read_is_named() {
    let api = Api::new().await;
    let call = Call::new(Method::GET, "/v1/events").key(PLATFORM).header("postrider-tenant", "\u{e9}");
    assert_eq!(api.send(call).await.fields(400), ["Postrider-Tenant"]);
    api.send(Call::new(Method::GET, "/v1/events").header("authorization", "Bearer \u{e9}")).await.expect(401);
}

#[tokio::test]
async fn a_panic_fails_one_request_only() {
    let api = Api::new().await;
    let config = json!({"url": "https://panic.example/hook"});
    let body = json!({"name": "n", "channel": "webhook", "config": config});
    let answer = api.post(&api.acme.admin, "/v1/endpoints", body).await;
    assert_eq!(answer.expect(500)["type"], "/problems/internal");
    api.endpoint(json!({})).await;
}

#[tokio::test]
async fn each_function_has_its_own_part_of_the_api() {
    let mut api = Api::new().await;
    let services = api.services.clone();
    let event = json!({"type": "a", "data": 1});
    let whole = std::mem::replace(&mut api.router, ingest_router(services.ingest));
    api.post(&api.acme.publisher, "/v1/events", event.clone()).await.expect(202);
    api.get(&api.acme.publisher, "/v1/events").await.expect(405);
    api.get(&api.acme.publisher, "/v1/endpoints").await.expect(405);
    api.router = query_router(services.query);
    api.get(&api.acme.publisher, "/v1/events").await.expect(200);
    api.post(&api.acme.publisher, "/v1/events", event.clone()).await.expect(405);
    api.router = manage_router(services.manage);
    api.get(&api.acme.admin, "/v1/keys").await.expect(200);
    api.post(&api.acme.publisher, "/v1/events", event).await.expect(405);
    api.send(Call::new(Method::GET, "/health")).await.expect(200);
    api.router = whole;
    api.get(&api.acme.admin, "/v1/keys").await.expect(200);
}
