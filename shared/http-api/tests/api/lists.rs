//! What all lists share: pages, cursors that clients cannot misuse, parameters that are known.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use postrider_domain::TenantId;
use serde_json::json;

use crate::fixture::{Api, PLATFORM};

const LISTS: [&str; 7] = [
    "/v1/events",
    "/v1/endpoints",
    "/v1/deliveries",
    "/v1/dead-letters",
    "/v1/keys",
    "/v1/tenants",
    "/v1/deliveries?status=failed",
];

fn key<'a>(api: &'a Api, list: &str) -> &'a str {
    if list.starts_with("/v1/tenants") { PLATFORM } else { &api.acme.admin }
}

fn with(list: &str, parameter: &str) -> String {
    format!("{list}{}{parameter}", if list.contains('?') { '&' } else { '?' })
}

#[tokio::test]
async fn pages_together_are_the_whole_list() {
    let api = Api::new().await;
    for n in 0..3 {
        api.failed_delivery().await;
        api.publish(json!({"event_id": format!("own-{n}"), "type": "c.d", "data": n})).await;
        api.run().await;
        api.post(PLATFORM, "/v1/tenants", json!({"id": format!("t{n}"), "name": "t"})).await.expect(201);
    }
    for list in LISTS {
        let whole = api.get(key(&api, list), list).await.expect(200);
        assert_eq!(whole["next_cursor"], json!(null), "{list}");
        let whole = whole["items"].as_array().unwrap().clone();
        assert!(whole.len() >= 3, "{list}");
        for limit in [1, 2, 100] {
            let (mut items, mut cursor) = (Vec::new(), String::new());
            loop {
                let path = format!("{}{cursor}", with(list, &format!("limit={limit}")));
                let page = api.get(key(&api, list), &path).await.expect(200);
                let rows = page["items"].as_array().unwrap();
                assert!(rows.len() <= limit, "{path}");
                items.extend(rows.iter().cloned());
                let Some(next) = page["next_cursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            assert_eq!(items, whole, "{list} by {limit}");
        }
    }
}

#[tokio::test]
async fn a_forged_cursor_is_refused_by_name() {
    let api = Api::new().await;
    api.failed_delivery().await;
    let ulid = "01K8Z3V5Q2T9N4B7C6D5E4F3G2";
    let mut forged: Vec<String> = ["", "a", "!", "é", "T#other#DL", "evt_~", "~", "ep_", "KEY"]
        .iter()
        .flat_map(|text| [(*text).to_owned(), BASE64.encode(text)])
        .collect();
    forged.push(BASE64.encode([0xff, 0xfe]));
    forged.push(BASE64.encode(format!("ep_{}", ulid.to_lowercase())));
    forged.push(BASE64.encode(format!("evt_{ulid}\0")));
    for list in LISTS {
        for cursor in &forged {
            // A tenant's id can be almost any word, and is nothing more than a place in the list.
            let text = BASE64.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            if list == "/v1/tenants" && text.is_some_and(|text| text.parse::<TenantId>().is_ok()) {
                continue;
            }
            let encoded = url::form_urlencoded::byte_serialize(cursor.as_bytes()).collect::<String>();
            let answer = api.get(key(&api, list), &with(list, &format!("cursor={encoded}"))).await;
            assert_eq!(answer.fields(400), ["cursor"], "{list} {cursor}");
        }
    }
}

#[tokio::test]
async fn a_cursor_from_anywhere_in_the_range_of_ids_is_harmless() {
    let api = Api::new().await;
    api.failed_delivery().await;
    let ulids = ["00000000000000000000000000", "01K8Z3V5Q2T9N4B7C6D5E4F3G2", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"];
    for ulid in ulids {
        for (list, place) in [
            ("/v1/events", format!("evt_{ulid}")),
            ("/v1/events?since=2026-01-31T12:00:00Z&until=2027-01-01T00:00:00Z", format!("evt_{ulid}")),
            ("/v1/endpoints", format!("ep_{ulid}")),
            ("/v1/deliveries", format!("dlv_{ulid}{ulid}")),
            ("/v1/deliveries?status=failed", format!("dlv_{ulid}{ulid}")),
            ("/v1/deliveries?status=failed&since=2026-01-31T12:00:00Z", format!("dlv_{ulid}{ulid}")),
            ("/v1/deliveries?event_id=x", format!("dlv_{ulid}{ulid}")),
            ("/v1/dead-letters", format!("dl_{ulid}")),
            ("/v1/dead-letters?state=pending", format!("dl_{ulid}")),
            ("/v1/keys", format!("key_{ulid}")),
            ("/v1/tenants", ulid.to_lowercase()),
        ] {
            let path = with(list, &format!("cursor={}", BASE64.encode(place)));
            api.get(key(&api, list), &path).await.expect(200);
        }
    }
}

#[tokio::test]
async fn parameters_are_known_and_readable_or_refused_by_name() {
    let api = Api::new().await;
    for list in LISTS {
        for (parameter, name) in [
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("limit=-1", "limit"),
            ("limit=ten", "limit"),
            ("limit", "limit"),
            ("colour=red", "colour"),
            ("Limit=5", "Limit"),
            ("limit=5&limit=5", "limit"),
            ("%FF=1", "\u{fffd}"),
        ] {
            let answer = api.get(key(&api, list), &with(list, parameter)).await;
            assert_eq!(answer.fields(400), [name], "{list} {parameter}");
        }
    }
    for (path, name) in [
        ("/v1/events?type=a..b", "type"),
        ("/v1/events?since=yesterday", "since"),
        ("/v1/events?until=", "until"),
        ("/v1/events?since=2026-01-01T00:00:00+01:00", "since"),
        ("/v1/deliveries?status=lost", "status"),
        ("/v1/deliveries?endpoint_id=x", "endpoint_id"),
        ("/v1/deliveries?event_id=a.b", "event_id"),
        ("/v1/deliveries?event_type=*", "event_type"),
        ("/v1/dead-letters?state=lost", "state"),
        ("/v1/dead-letters?endpoint_id=x", "endpoint_id"),
    ] {
        assert_eq!(api.get(&api.acme.viewer, path).await.fields(400), [name], "{path}");
    }
}

#[tokio::test]
async fn events_are_found_by_type_and_time() {
    let api = Api::new().await;
    let first = api.publish(json!({"type": "a", "data": 1})).await;
    let second = api.publish(json!({"event_id": "own", "type": "b", "data": 1, "tags": ["t"]})).await;
    let ids = async |query: &str| {
        let list = api.get(&api.acme.viewer, &format!("/v1/events{query}")).await.expect(200);
        let items = list["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids("").await, [second.clone(), first.clone()]);
    assert_eq!(ids("?type=a").await, std::slice::from_ref(&first));
    assert_eq!(ids("?type=b").await, std::slice::from_ref(&second));
    let list = api.get(&api.acme.viewer, "/v1/events").await.expect(200);
    let own = &list["items"][0];
    let at = own["accepted_at"].as_str().unwrap();
    let expected = json!({"id": "own", "type": "b", "accepted_at": at, "occurred_at": null, "source": null,
        "correlation_id": null, "tags": ["t"], "deliver_at": null, "priority": 5, "status": "accepted"});
    assert_eq!(own, &expected);
    assert_eq!(ids(&format!("?since={at}")).await, [second]);
    assert_eq!(ids(&format!("?until={at}")).await, [first]);
    assert_eq!(ids(&format!("?since={at}&until={at}")).await, Vec::<String>::new());
}
