//! `/v1/master-key/reseal`: the operator has everything sealed again.

use std::time::Duration;

use axum::http::Method;
use postrider_application::ports::Freshness;
use postrider_application::ports::{MasterKey, MasterKeys, Vault as _};
use postrider_application::reseal::SETTLING;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::call::Call;
use crate::fixture::{Api, PLATFORM};

const PATH: &str = "/v1/master-key/reseal";

async fn current(api: &Api) -> MasterKey {
    let keys = api.vault.master_keys(Freshness::New).await.unwrap();
    MasterKey::new(Box::new(*keys.current.expose_secret()))
}

fn new_key() -> MasterKey {
    MasterKey::new(Box::new([2; 32]))
}

#[tokio::test]
async fn the_operator_follows_a_run_to_its_end() {
    let api = Api::new().await;
    let endpoint = api.endpoint(json!({})).await;
    let secret = api.get(&api.acme.admin, &format!("/v1/endpoints/{endpoint}/secret")).await.expect(200);
    let before = api.get(PLATFORM, PATH).await.expect(200);
    assert_eq!(before["status"], "none");
    let former = before["current_key"].clone();
    let older = vec![current(&api).await];
    api.vault.set_keys(MasterKeys { current: new_key(), older });

    let start = async || api.send(Call::new(Method::POST, PATH).key(PLATFORM)).await.expect(202);
    let started = start().await;
    assert_eq!((&started["status"], &started["older_keys"]), (&json!("settling"), &json!([former])));
    assert_eq!(started["key"], started["current_key"]);
    let same = |one: &Value, other: &Value| one["started_at"] == other["started_at"];
    assert!(same(&start().await, &started));
    let reseal = &api.services.manage.reseal;
    api.clock.advance(SETTLING);
    reseal.run(Duration::from_secs(60)).await.unwrap();
    let done = api.get(PLATFORM, PATH).await.expect(200);
    assert_eq!((&done["status"], &done["resealed"], &done["failed"]), (&json!("done"), &json!(1), &json!(0)));
    assert!(same(&done, &started) && done["finished_at"].is_string());

    api.vault.set_keys(MasterKeys { current: new_key(), older: Vec::new() });
    let after = api.get(&api.acme.admin, &format!("/v1/endpoints/{endpoint}/secret")).await.expect(200);
    assert_eq!(after, secret);
}

#[tokio::test]
async fn a_run_names_what_it_cannot_open_without_a_secret() {
    let api = Api::new().await;
    let endpoint = api.endpoint(json!({})).await;
    api.vault.set_keys(MasterKeys { current: new_key(), older: Vec::new() });
    api.send(Call::new(Method::POST, PATH).key(PLATFORM)).await.expect(202);
    api.clock.advance(SETTLING);
    api.services.manage.reseal.run(Duration::from_secs(60)).await.unwrap();
    let status = api.get(PLATFORM, PATH).await.expect(200);
    assert_eq!(status["status"], "incomplete");
    let reason = "the value was sealed with another master key";
    let failure = json!({"tenant_id": "acme", "endpoint_id": endpoint, "reason": reason});
    assert_eq!(status["failures"], json!([failure]));
}
