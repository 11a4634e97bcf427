use postrider_domain::delivery::{Attempt, RecordedHeader, RequestRecord, ResponseRecord};
use postrider_domain::{ChannelKind, Event, Outcome, Verdict};
use proptest::prelude::*;

use super::*;
use crate::stores::item::{decode, encode};

fn delivery() -> Delivery {
    let event = Event {
        tenant: "acme".parse().unwrap(),
        id: "order-1".parse().unwrap(),
        event_type: "order.paid".parse().unwrap(),
        accepted_at: Timestamp::from_millis(1_770_000_000_123),
        occurred_at: None,
        source: None,
        correlation_id: None,
        tags: vec![],
        audience: postrider_domain::event::Audience::Subscribers,
        deliver_at: None,
        priority: postrider_domain::Priority::default(),
    };
    let endpoint = "ep_01K8Z3V5Q2T9N4B7C6D5E4F3G2".parse().unwrap();
    Delivery::new(&event, endpoint, ChannelKind::Webhook, 5, Timestamp::from_millis(1_770_000_000_456))
}

fn headers(headers: &[(&str, &str)]) -> Vec<RecordedHeader> {
    headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

fn there_and_back(delivery: &Delivery) -> Delivery {
    let item = encode(TABLE, &DeliveryItem::write(delivery).unwrap()).unwrap();
    decode::<DeliveryItem>(TABLE, item).unwrap().read(&delivery.tenant).unwrap()
}

fn attempt(number: u32, url: &str, sent: Vec<RecordedHeader>, outcome: Outcome) -> Attempt {
    Attempt {
        number,
        started_at: Timestamp::from_millis(1_770_000_001_000),
        duration: Duration::from_millis(103),
        outcome,
        request: RequestRecord { method: "POST".into(), url: url.into(), headers: sent },
        response: None,
        error: None,
    }
}

#[test]
fn every_part_of_a_delivery_is_read_as_it_was_written() {
    let mut delivery = delivery();
    assert_eq!(there_and_back(&delivery), delivery);
    let sent = headers(&[
        ("accept", "*/*"),
        ("webhook-id", "order-1"),
        ("webhook-timestamp", "1770000001"),
        ("webhook-signature", "v1,x"),
        ("x-own", "order-1"),
        ("x-place", "2"),
        ("Accept", "1770000002"),
    ]);
    let at = Timestamp::from_millis(1_770_000_009_000);
    let first = attempt(1, "https://a.example/", sent.clone(), Outcome::Retry);
    delivery.record(Attempt { error: Some("no".into()), ..first }, Verdict::Retry { at }).unwrap();
    assert_eq!(there_and_back(&delivery), delivery);
    for (number, url, method) in [(2, "https://a.example/", "PUT"), (3, "https://b.example/", "POST")] {
        let mut next = attempt(number, url, sent.clone(), Outcome::Retry);
        next.request.method = method.into();
        delivery.record(next, Verdict::Retry { at }).unwrap();
    }
    let response = ResponseRecord {
        status: 200,
        headers: headers(&[("server", "nginx"), ("set-cookie", "********"), ("content-length", "1")]),
        body: "{\"a\":\"é\n\"}".to_owned(),
        body_truncated: true,
    };
    let last = attempt(4, "https://a.example/", vec![], Outcome::Delivered);
    delivery.record(Attempt { response: Some(response), ..last }, Verdict::Delivered).unwrap();
    delivery.claimed_at = Some(at);
    assert_eq!(there_and_back(&delivery), delivery);
}

proptest! {
    #[test]
    fn any_headers_are_read_as_they_were_written(
        pairs in proptest::collection::vec(("[a-z0-9-]{1,12}|accept|date", ".{0,12}|[0-9]{1,10}|order-1|nginx"), 0..8)
    ) {
        let mut delivery = delivery();
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value.into()));
        delivery.record(attempt(1, "", pairs.collect(), Outcome::Delivered), Verdict::Delivered).unwrap();
        prop_assert_eq!(there_and_back(&delivery), delivery);
    }
}
