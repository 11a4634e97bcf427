use super::*;
use crate::Timestamp;

const ULID: &str = "01K8Z3V5Q2T9N4B7C6D5E4F3G2";

#[test]
fn ids_are_read_as_they_are_written() {
    let endpoint: EndpointId = format!("ep_{ULID}").parse().unwrap();
    assert_eq!(endpoint.to_string(), format!("ep_{ULID}"));
    let event: EventId = "order:17-a_B".parse().unwrap();
    let delivery = DeliveryId::derive(Timestamp::from_millis(1_769_860_800_123), &event, endpoint);
    assert_eq!(delivery.to_string().parse::<DeliveryId>(), Ok(delivery));
    assert_eq!(delivery.endpoint(), endpoint);
}

#[test]
fn delivery_ids_are_derived_and_sort_by_time() {
    let endpoint = EndpointId::new(Ulid::from_string(ULID).unwrap());
    let event: EventId = "a".parse().unwrap();
    let early = DeliveryId::derive(Timestamp::from_millis(1_000), &event, endpoint);
    let late = DeliveryId::derive(Timestamp::from_millis(1_001), &event, endpoint);
    assert_eq!(early, DeliveryId::derive(Timestamp::from_millis(1_000), &event, endpoint));
    assert!(early.to_string() < late.to_string());
    let other: EventId = "b".parse().unwrap();
    assert_ne!(early, DeliveryId::derive(Timestamp::from_millis(1_000), &other, endpoint));
}

#[test]
fn an_id_has_one_spelling() {
    assert!(format!("ep_{}", ULID.to_lowercase()).parse::<EndpointId>().is_err());
    assert!(format!("dlv_{ULID}").parse::<EndpointId>().is_err());
    assert!("ep_".parse::<EndpointId>().is_err());
    assert!(format!("dlv_{ULID}").parse::<DeliveryId>().is_err());
    // 'Z' in the first place would need more than 128 bits.
    assert!("ep_ZZZZZZZZZZZZZZZZZZZZZZZZZZ".parse::<EndpointId>().is_err());
}

#[test]
fn event_ids_have_no_dot_and_a_bounded_length() {
    for bad in ["", "a.b", "a b", "é", &"x".repeat(129)] {
        assert!(bad.parse::<EventId>().is_err(), "{bad}");
    }
    assert!("x".repeat(128).parse::<EventId>().is_ok());
}

#[test]
fn a_generated_event_id_can_be_told_apart() {
    let ulid = Ulid::from_string(ULID).unwrap();
    assert_eq!(EventId::generated(ulid).as_generated(), Some(ulid));
    assert_eq!("evt_1".parse::<EventId>().unwrap().as_generated(), None);
    assert_eq!("order-1".parse::<EventId>().unwrap().as_generated(), None);
}

#[test]
fn tenant_ids_are_lower_case_names() {
    assert!("acme-2_eu".parse::<TenantId>().is_ok());
    for bad in ["", "-a", "_a", "Acme", "a#b", "a/b", &"x".repeat(65)] {
        assert!(bad.parse::<TenantId>().is_err(), "{bad}");
    }
}
