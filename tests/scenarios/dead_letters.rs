//! Deliveries that were given up, and what becomes of them.

use postrider_tests::tenant::{list, text};
use postrider_tests::{Answer, Receiver, Target, eventually, pages};
use serde_json::{Value, json};

/// Two attempts, one right after the other.
fn twice() -> Value {
    json!({"retry": {"strategy": "fixed", "initial_delay": 0.05, "max_attempts": 2, "jitter": 0}})
}

pub(crate) async fn exhausted_deliveries_are_redriven_with_a_new_budget(target: &Target) {
    let tenant = target.tenant("redrive").await;
    let receiver = Receiver::start().await;
    receiver.answer("/hook", [Answer::status(500)]);
    let endpoint = tenant.endpoint(&receiver.url("/hook"), twice()).await;
    let id = tenant.publish(&json!({"type": "a.b", "data": {"x": 1}})).await;
    let failed = tenant.delivery(&id, &endpoint.id, "failed").await;
    assert_eq!((&failed["attempt_count"], &failed["next_attempt_at"]), (&json!(2), &json!(null)));
    let letter = tenant.dead_letter(&failed).await;
    assert_eq!(failed["dead_letter_id"], letter["id"]);
    let expected = json!({
        "state": "pending", "reason": "exhausted", "event_id": id, "event_type": "a.b", "attempt_count": 2,
        "endpoint_id": endpoint.id, "handled_at": null, "handled_by": null, "note": null,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(letter[name], *value, "{name}");
    }
    assert!(text(&letter, "error").contains("500"), "{letter}");

    // Repaired, but only after one more failure: the budget is a new one.
    receiver.answer("/hook", [Answer::status(500), Answer::ok()]);
    let request = json!({"ids": [letter["id"]], "note": "the receiver was repaired"});
    let redriven = tenant.admin.post("/v1/dead-letters/redrive", &request).await.expect(200).json();
    assert_eq!(redriven, json!({"items": [{"id": letter["id"], "status": "redriven"}], "redriven": 1}));
    let delivery = tenant.delivery(&id, &endpoint.id, "delivered").await;
    assert_eq!(delivery["attempt_count"], 4);
    assert_eq!(receiver.count("/hook"), 4);

    let handled = tenant.admin.get("/v1/dead-letters?state=redriven").await.expect(200).json();
    let [handled] = list(&handled, "items") else { panic!("one dead letter: {handled}") };
    assert_eq!((&handled["id"], &handled["note"]), (&letter["id"], &request["note"]));
    assert_ne!(text(handled, "handled_by"), "");
    assert!(text(handled, "handled_at") >= text(handled, "created_at"), "{handled}");
    let pending = tenant.admin.get("/v1/dead-letters?state=pending").await.expect(200).json();
    assert_eq!(pending["items"], json!([]));

    // Once more is once: what was delivered is not sent again.
    tenant.admin.post("/v1/dead-letters/redrive", &request).await.expect(200);
    let last = tenant.publish(&json!({"type": "a.last", "data": 1})).await;
    tenant.delivery(&last, &endpoint.id, "delivered").await;
    assert_eq!(receiver.count("/hook"), 5);
}

pub(crate) async fn dead_letters_of_an_endpoint_are_redriven_together(target: &Target) {
    const LETTERS: usize = 5;
    let tenant = target.tenant("redrive-all").await;
    let receiver = Receiver::start().await;
    receiver.answer("/one", [Answer::status(404)]);
    receiver.answer("/other", [Answer::status(404)]);
    let one = tenant.endpoint(&receiver.url("/one"), twice()).await;
    let other = tenant.endpoint(&receiver.url("/other"), twice()).await;
    for number in 0..LETTERS {
        tenant.publish(&json!({"type": "a.b", "data": number})).await;
    }
    let list_of = |id: &str| format!("/v1/dead-letters?state=pending&endpoint_id={id}");
    let of_one = list_of(&one.id);
    eventually("all dead letters", async || {
        let letters = pages::all(&tenant.admin, "/v1/dead-letters", 3).await;
        if letters.len() == 2 * LETTERS { Ok(()) } else { Err(format!("{} dead letters", letters.len())) }
    })
    .await;
    let listed = pages::all(&tenant.admin, &of_one, 2).await;
    assert_eq!(pages::texts(&listed, "endpoint_id"), vec![one.id.clone(); LETTERS]);
    let created = pages::texts(&listed, "created_at");
    assert!(created.is_sorted_by(|a, b| a >= b), "not newest first: {created:?}");

    receiver.answer("/one", [Answer::ok()]);
    let mut redrive = json!({"filter": {"endpoint_id": one.id}, "dry_run": true});
    let counted = tenant.admin.post("/v1/dead-letters/redrive", &redrive).await.expect(200).json();
    assert_eq!(counted, json!({"matched": LETTERS, "at_least": false}));
    assert_eq!(pages::all(&tenant.admin, &of_one, 100).await.len(), LETTERS);
    redrive["dry_run"] = json!(false);
    let job = tenant.admin.post("/v1/dead-letters/redrive", &redrive).await.expect(202).json();
    let done = tenant.job(&job, "done").await;
    assert_eq!((&done["counts"]["sent"], &done["counts"]["matched"]), (&json!(LETTERS), &json!(LETTERS)));
    receiver.wait_for("/one", 2 * LETTERS).await;
    assert!(pages::all(&tenant.admin, &of_one, 100).await.is_empty());
    assert_eq!(pages::all(&tenant.admin, &list_of(&other.id), 100).await.len(), LETTERS);
    assert_eq!((receiver.count("/one"), receiver.count("/other")), (2 * LETTERS, LETTERS));

    let unknown = json!({"ids": ["dl_01K8Z3V5Q2T9N4B7C6D5E4F3G2"]});
    let answer = tenant.admin.post("/v1/dead-letters/redrive", &unknown).await.expect(200).json();
    assert_eq!(
        (&answer["redriven"], &answer["items"][0]["status"]),
        (&json!(0), &json!("failed")),
        "{answer}"
    );
    assert_ne!(text(&answer["items"][0], "error"), "");
}

pub(crate) async fn what_fails_again_becomes_another_dead_letter(target: &Target) {
    let tenant = target.tenant("fails-again").await;
    let receiver = Receiver::start().await;
    receiver.answer("/hook", [Answer::status(500)]);
    let endpoint = tenant.endpoint(&receiver.url("/hook"), twice()).await;
    let id = tenant.publish(&json!({"type": "a.b", "data": 1})).await;
    let first = tenant.dead_letter(&tenant.delivery(&id, &endpoint.id, "failed").await).await;
    let request = json!({"ids": [first["id"]]});
    tenant.admin.post("/v1/dead-letters/redrive", &request).await.expect(200);
    receiver.wait_for("/hook", 4).await;
    let delivery = tenant.delivery(&id, &endpoint.id, "failed").await;
    let second = tenant.dead_letter(&delivery).await;
    assert_ne!(first["id"], second["id"]);
    assert_eq!(second["attempt_count"], 4, "{second}");
    assert_eq!(receiver.count("/hook"), 4);
}

pub(crate) async fn a_dead_letter_is_resolved_and_stays_so(target: &Target) {
    let tenant = target.tenant("resolved").await;
    let receiver = Receiver::start().await;
    receiver.answer("/hook", [Answer::status(404)]);
    let endpoint = tenant.endpoint(&receiver.url("/hook"), twice()).await;
    let id = tenant.publish(&json!({"type": "a.b", "data": 1})).await;
    let letter = tenant.dead_letter(&tenant.delivery(&id, &endpoint.id, "failed").await).await;
    let path = format!("/v1/dead-letters/{}", text(&letter, "id"));
    let note = json!({"note": "told them by telephone"});
    let resolved = tenant.admin.post(&format!("{path}/resolve"), &note).await.expect(200).json();
    assert_eq!((&resolved["state"], &resolved["note"]), (&json!("resolved"), &note["note"]));
    let shown = tenant.admin.get(&path).await.expect(200).json();
    assert_eq!(shown["attempts"][0]["response_status"], 404);
    let states: Vec<_> = list(&shown, "history").iter().map(|entry| text(entry, "state")).collect();
    assert_eq!(states, ["pending", "resolved"]);
    for settle in ["redrive", "discard"] {
        tenant.admin.post(&format!("{path}/{settle}"), &json!({})).await.problem(409, "conflict");
    }
    let viewer = tenant.caller("viewer").await;
    viewer.post(&format!("{path}/resolve"), &note).await.problem(403, "forbidden");
    assert_eq!(receiver.count("/hook"), 1);
}
