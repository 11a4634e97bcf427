//! Events that come by the event bus and by the inbox queue. Only where the deployment has them: on AWS's side of
//! an emulator, which is asked in AWS's own protocol.

use postrider_tests::random::fresh;
use postrider_tests::settings::{Emulator, settings};
use postrider_tests::{Client, Receiver, Target, client};
use reqwest::Method;
use serde_json::{Value, json};

pub(crate) async fn an_event_of_the_bus_is_delivered(target: &Target) {
    let emulator = settings().emulator.as_ref().unwrap();
    let tenant = target.tenant("bus").await;
    let receiver = Receiver::start().await;
    let endpoint = tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let detail = json!({"tenant": tenant.id, "order": 1043, "names": ["\u{e9}", "\"quoted\""]});
    let entry = json!({
        "EventBusName": emulator.bus,
        "Source": "com.example.shop",
        "DetailType": "order.paid",
        "Detail": detail.to_string(),
    });
    let answer = ask(emulator, "AWSEvents.PutEvents", "1.1", &json!({"Entries": [entry]})).await;
    assert_eq!(answer["FailedEntryCount"], 0, "{answer}");
    let id = answer["Entries"][0]["EventId"].as_str().unwrap();

    let request = receiver.wait_for("/hook", 1).await.remove(0);
    assert_eq!(request.webhook_id(), id);
    let envelope = request.envelope();
    assert_eq!(envelope.event_type, "order.paid");
    assert_eq!(serde_json::from_str::<Value>(envelope.data.get()).unwrap(), detail);
    tenant.delivery(id, &endpoint.id, "delivered").await;
    let event = tenant.admin.get(&format!("/v1/events/{id}")).await.expect(200).json();
    assert_eq!(event["source"], "com.example.shop");
}

pub(crate) async fn messages_of_the_inbox_are_delivered_once(target: &Target) {
    let emulator = settings().emulator.as_ref().unwrap();
    let tenant = target.tenant("inbox").await;
    let receiver = Receiver::start().await;
    tenant.endpoint(&receiver.url("/hook"), json!({})).await;
    let id = format!("order-{:016x}", fresh());
    let named = json!({"event_id": id, "type": "order.paid", "data": {"order": 1043}});
    let unnamed = json!({"type": "order.shipped", "data": {"order": 1043}});
    let mut message_ids = Vec::new();
    for event in [&named, &named, &unnamed] {
        let body = json!({"tenant": tenant.id, "event": event}).to_string();
        let message = json!({"QueueUrl": emulator.inbox, "MessageBody": body});
        let answer = ask(emulator, "AmazonSQS.SendMessage", "1.0", &message).await;
        message_ids.push(answer["MessageId"].as_str().unwrap().to_owned());
    }
    receiver.wait_for("/hook", 2).await;
    let mut arrived: Vec<_> =
        receiver.requests("/hook").iter().map(|request| request.webhook_id().to_owned()).collect();
    arrived.sort();
    let mut expected = [id, message_ids.remove(2)];
    expected.sort();
    assert_eq!(arrived, expected);
}

/// Asks the emulator as the SDKs ask AWS, but for the signature, which it does not check.
async fn ask(emulator: &Emulator, action: &str, version: &str, body: &Value) -> Value {
    let scope = match action.starts_with("AmazonSQS") {
        true => "sqs",
        false => "events",
    };
    let credential = format!("test/20260101/us-east-1/{scope}/aws4_request");
    let signature = format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=none");
    let request = Client::new(&emulator.url, None)
        .request(Method::POST, "/")
        .header("x-amz-target", action)
        .header("content-type", format!("application/x-amz-json-{version}"))
        .header("authorization", signature)
        .body(body.to_string());
    client::answer(request).await.unwrap().expect(200).json()
}
