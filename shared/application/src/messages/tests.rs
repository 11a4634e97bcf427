use std::sync::Arc;

use postrider_domain::event::Audience;
use postrider_domain::outcome::FailureReason;
use postrider_domain::{DeliveryId, Event, Timestamp};
use proptest::prelude::*;

use super::*;

fn event(audience: Audience) -> Event {
    Event {
        tenant: "acme".parse().unwrap(),
        id: "e1".parse().unwrap(),
        event_type: "a.b".parse().unwrap(),
        accepted_at: Timestamp::from_millis(7),
        occurred_at: Some(Timestamp::from_millis(5)),
        source: Some("shop".into()),
        correlation_id: None,
        tags: vec!["x".into()],
        audience,
        deliver_at: Some(Timestamp::from_millis(9)),
        priority: 8.try_into().unwrap(),
    }
}

fn there_and_back(event: &Event, payload: &Payload) -> (Event, Payload) {
    let wire = WireEvent::new(event, payload);
    let body = Body::from(FanOutMessage::new(&event.tenant, wire)).written();
    let EventsMessage::FanOut(read) = body.events().unwrap() else { panic!() };
    read.event.read(&read.tenant).unwrap()
}

#[test]
fn data_travels_unchanged() {
    let texts = [
        "null",
        r#"{"b":1.10,"a":12345678901234567890123456789012345678901234567890123456789012345,"e":1e400}"#,
        " {\"a\" :\n[ 1 ,\t2 ]} ",
        r#"{"s":"\u00e9\/\ud83d\ude00 é😀"}"#,
        "\"\u{ffff}\"",
        "\"\u{7f}\u{2028}\"",
    ];
    for text in texts {
        let event = event(Audience::Subscribers);
        let payload = Payload::Inline(text.trim().parse().unwrap());
        assert_eq!(there_and_back(&event, &payload), (event, payload), "{text}");
    }
}

#[test]
fn every_part_of_an_event_travels() {
    let endpoint = "ep_01K8Z3V5Q2T9N4B7C6D5E4F3G2".parse().unwrap();
    for audience in [Audience::Subscribers, Audience::Defaults, Audience::Endpoints(vec![endpoint])] {
        let event = event(audience);
        let payload = Payload::Stored { key: "payloads/acme/x".into(), size: 900_000 };
        assert_eq!(there_and_back(&event, &payload), (event, payload));
    }
}

#[test]
fn a_message_of_another_kind_is_refused() {
    for body in ["", "{}", "[]", r#"{"other":{}}"#, r#"{"fan_out":{"v":1}}"#] {
        assert!(EventsMessage::read(body).is_err(), "{body}");
        assert!(ChannelMessage::read(body).is_err(), "{body}");
    }
}

#[test]
fn a_message_says_the_same_whether_it_was_written_or_not() {
    let (tenant, endpoint) = ("acme".parse().unwrap(), "ep_01K8Z3V5Q2T9N4B7C6D5E4F3G2".parse().unwrap());
    let (event, payload) = (event(Audience::Subscribers), Payload::Inline("[1.10]".parse().unwrap()));
    let event = Arc::new(WireEvent::new(&event, &payload));
    let events = [
        Body::from(FanOutMessage::new(&tenant, Arc::clone(&event)).repeated().going_on(endpoint)),
        ReleaseMessage::of_circuit(&tenant, endpoint, true).at(Progress::of(7, None, true)).into(),
        SkipMessage::new(&tenant, endpoint, "key_1", Timestamp::from_millis(7)).into(),
        JobMessage::new(&tenant, "job_01K8Z3V5Q2T9N4B7C6D5E4F3G2".parse().unwrap(), 3).into(),
    ];
    let message = DeliverMessage::first(&tenant, endpoint, 4, Timestamp::from_millis(9), event);
    let id = DeliveryId::derive(Timestamp::from_millis(7), &"e1".parse().unwrap(), endpoint);
    let channel = [
        Body::from(message.renewed(None, Timestamp::from_millis(11)).at_slot(Timestamp::from_millis(12), 5)),
        GivenUpMessage::new(&tenant, id, FailureReason::Exhausted).into(),
    ];
    for body in events {
        assert_eq!(format!("{:?}", body.events()), format!("{:?}", body.clone().written().events()));
        assert!(body.channel().is_err() && body.written().channel().is_err());
    }
    for body in channel {
        assert_eq!(format!("{:?}", body.channel()), format!("{:?}", body.clone().written().channel()));
        assert!(body.events().is_err() && body.written().events().is_err());
    }
}

#[test]
fn a_message_about_what_can_have_no_such_id_is_refused() {
    let event = r#"{"id":"e1","type":"a.b","accepted_at":7,"data":null}"#;
    let good = format!(
        r#"{{"fan_out":{{"v":1,"tenant":"acme","event":{event},"after":"ep_01K8Z3V5Q2T9N4B7C6D5E4F3G2"}}}}"#
    );
    assert!(EventsMessage::read(&good).is_ok());
    for (part, wrong) in [("acme", "A"), ("e1", "e.1"), ("a.b", "a..b"), ("ep_", "ep-"), ("\"acme\"", "7")] {
        assert!(EventsMessage::read(&good.replace(part, wrong)).is_err(), "{part}");
    }
}

#[test]
fn only_what_sqs_takes_travels_as_it_is() {
    for character in ('\0'..=char::MAX).filter(|c| *c < '\u{300}' || *c > '\u{d000}') {
        let takes = matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..);
        // Within a JSON string a control character has to be escaped, so only the others can occur at all.
        if character < '\u{20}' || matches!(character, '"' | '\\') {
            continue;
        }
        let payload = Payload::Inline(format!("\"{character}\"").try_into().unwrap());
        let event = event(Audience::Subscribers);
        let written = serde_json::to_string(&WireEvent::new(&event, &payload)).unwrap();
        assert_eq!(written.contains(character), takes, "{character:?}");
    }
}

proptest! {
    #[test]
    fn any_text_travels_unchanged(text: String) {
        let data = serde_json::to_string(&text).unwrap();
        let event = event(Audience::Subscribers);
        let payload = Payload::Inline(data.try_into().unwrap());
        prop_assert_eq!(there_and_back(&event, &payload), (event, payload));
    }
}
