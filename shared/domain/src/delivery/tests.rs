use super::*;

fn delivery() -> Delivery {
    let event = Event {
        tenant: "acme".parse().unwrap(),
        id: "e1".parse().unwrap(),
        event_type: "a.b".parse().unwrap(),
        accepted_at: Timestamp::from_millis(1_000),
        occurred_at: None,
        source: None,
        correlation_id: None,
        tags: vec![],
        audience: crate::event::Audience::Subscribers,
        deliver_at: None,
        priority: crate::Priority::default(),
    };
    let endpoint = "ep_01K8Z3V5Q2T9N4B7C6D5E4F3G2".parse().unwrap();
    Delivery::new(&event, endpoint, ChannelKind::Webhook, 5, event.accepted_at)
}

fn attempt(number: u32, outcome: Outcome) -> Attempt {
    Attempt {
        number,
        started_at: Timestamp::from_millis(2_000),
        duration: Duration::from_millis(30),
        outcome,
        request: RequestRecord::default(),
        response: None,
        error: (outcome != Outcome::Delivered).then(|| "refused".to_owned()),
    }
}

#[test]
fn a_delivery_is_retried_and_then_delivered() {
    let mut delivery = delivery();
    let at = Timestamp::from_millis(9_000);
    delivery.record(attempt(1, Outcome::Retry), Verdict::Retry { at }).unwrap();
    assert_eq!(delivery.status, DeliveryStatus::Retrying);
    assert_eq!(delivery.next_attempt_at, Some(at));
    assert_eq!(delivery.error.as_deref(), Some("refused"));
    delivery.record(attempt(2, Outcome::Delivered), Verdict::Delivered).unwrap();
    assert_eq!(delivery.status, DeliveryStatus::Delivered);
    assert_eq!(delivery.delivered_at, Some(Timestamp::from_millis(2_030)));
    assert_eq!((delivery.next_attempt_at, delivery.error.clone()), (None, None));
    assert_eq!(delivery.attempts.len(), 2);
}

#[test]
fn an_attempt_is_recorded_once() {
    let mut delivery = delivery();
    delivery.record(attempt(1, Outcome::Delivered), Verdict::Delivered).unwrap();
    let before = delivery.clone();
    let again = delivery.record(attempt(1, Outcome::Retry), Verdict::Failed(FailureReason::Exhausted));
    assert_eq!(again, Err(AlreadyRecorded(1)));
    assert_eq!(delivery, before);
}

#[test]
fn a_failed_delivery_names_its_dead_letter_and_restarts_with_a_new_budget() {
    let mut delivery = delivery();
    delivery.record(attempt(1, Outcome::Retry), Verdict::Failed(FailureReason::Exhausted)).unwrap();
    assert_eq!(delivery.status, DeliveryStatus::Failed);
    let first = delivery.dead_letter;
    assert!(first.is_some());
    delivery.restart(Timestamp::from_millis(5_000));
    assert_eq!((delivery.status, delivery.spent()), (DeliveryStatus::Pending, 0));
    let late = Attempt { started_at: Timestamp::from_millis(9_000), ..attempt(2, Outcome::Retry) };
    delivery.record(late, Verdict::Failed(FailureReason::Exhausted)).unwrap();
    assert_ne!(delivery.dead_letter, first);
    assert_eq!(delivery.spent(), 1);
}

#[test]
fn the_record_of_attempts_is_bounded_and_keeps_the_first() {
    let mut delivery = delivery();
    let at = Timestamp::from_millis(9_000);
    for number in 1..=60 {
        delivery.record(attempt(number, Outcome::Retry), Verdict::Retry { at }).unwrap();
    }
    assert_eq!(delivery.attempts.len(), KEPT_ATTEMPTS);
    assert_eq!(delivery.attempt_count, 60);
    assert_eq!(delivery.attempts[0].number, 1);
    assert_eq!(delivery.attempts[1].number, 37);
    assert_eq!(delivery.attempts[KEPT_ATTEMPTS - 1].number, 60);
}

#[test]
fn a_parked_delivery_resumes_with_the_budget_it_had() {
    let mut delivery = delivery();
    delivery
        .record(attempt(1, Outcome::Retry), Verdict::Retry { at: Timestamp::from_millis(9_000) })
        .unwrap();
    delivery.park("the endpoint is paused", Timestamp::from_millis(7));
    assert_eq!(delivery.status, DeliveryStatus::Parked);
    delivery.resume(Timestamp::from_millis(99_000));
    assert_eq!((delivery.status, delivery.spent()), (DeliveryStatus::Retrying, 1));
}

#[test]
fn a_cancelled_delivery_stays_cancelled_unless_the_attempt_under_way_succeeds() {
    let at = Timestamp::from_millis(9_000);
    for verdict in [Verdict::Retry { at }, Verdict::Failed(FailureReason::Exhausted)] {
        let mut delivery = delivery();
        delivery.cancel("by request");
        delivery.record(attempt(1, Outcome::Retry), verdict).unwrap();
        assert_eq!((delivery.status, delivery.attempt_count), (DeliveryStatus::Cancelled, 1));
        assert_eq!((delivery.next_attempt_at, delivery.dead_letter), (None, None));
        delivery.restart(at);
        delivery.record(attempt(2, Outcome::Retry), verdict).unwrap();
        assert_ne!(delivery.status, DeliveryStatus::Cancelled, "a new budget is a new life");
    }
    let mut delivery = delivery();
    delivery.cancel("by request");
    delivery.record(attempt(1, Outcome::Delivered), Verdict::Delivered).unwrap();
    assert_eq!(delivery.status, DeliveryStatus::Delivered);
}
