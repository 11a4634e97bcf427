use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::id::Ulid;
use crate::{DeliveryStatus, EndpointId};

const MINUTE: Duration = Duration::from_secs(60);

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn endpoint(number: u64) -> EndpointId {
    EndpointId::new(Ulid::from_parts(number, 7))
}

fn hour() -> Reconciliation {
    let hour: Hour = "2026-01-31T12".parse().unwrap();
    Reconciliation::new("acme".parse().unwrap(), hour, hour.settled_at())
}

/// Looks at the hour as often as it asks for until `until`, with the same findings each time. Answers the minutes
/// after the first look at which it was looked at, and how it stood.
fn looks(findings: &Findings, until: Duration) -> Vec<(u64, ReconciliationState)> {
    let mut hour = hour();
    let begun = hour.due_at.unwrap();
    let mut looks = Vec::new();
    while let Some(now) = hour.due_at.filter(|at| at.since(begun) <= until) {
        hour.conclude(findings, now);
        looks.push((now.since(begun).as_secs() / 60, hour.state));
    }
    looks
}

#[test]
fn an_hour_is_written_so_that_it_sorts_by_time() {
    let hour = Hour::of(Timestamp::parse("2026-01-31T12:59:59.999Z").unwrap());
    assert_eq!(hour.to_string(), "2026-01-31T12");
    assert_eq!(hour.to_string().parse(), Ok(hour));
    assert_eq!(hour.begins_at().to_string(), "2026-01-31T12:00:00.000Z");
    assert_eq!(hour.settled_at().to_string(), "2026-01-31T13:15:00.000Z");
    assert_eq!(Hour::first_from(hour.begins_at()), hour);
    assert_eq!(Hour::first_from(hour.begins_at().after(Duration::from_millis(1))), hour.next());
    for bad in ["", "2026-01-31", "2026-01-31T24", "2026-01-31T12:00", "2026-1-31T12", "2026-01-31t12"] {
        assert_eq!(bad.parse::<Hour>(), Err(HourError), "{bad}");
    }
}

#[test]
fn what_is_complete_is_not_looked_at_again() {
    let done = Findings { counts: Counts { accepted: 3, ..Counts::default() }, ..Findings::default() };
    assert_eq!(looks(&done, LOOKED_AT_FOR), [(0, ReconciliationState::Balanced)]);
}

#[test]
fn what_is_in_progress_is_looked_at_ever_more_seldom() {
    let counts = Counts { accepted: 1, matched: 1, in_progress: 1, ..Counts::default() };
    let found = Findings { counts, ..Findings::default() };
    let minutes: Vec<_> = looks(&found, 100 * 60 * MINUTE).into_iter().map(|(minute, _)| minute).collect();
    assert_eq!(minutes, [0, 60, 420, 1_860, 3_300, 4_740]);
    assert!(looks(&found, LOOKED_AT_FOR * 2).len() < 34, "and not for ever");
}

#[test]
fn scheduled_events_are_waited_for() {
    let last_begins_at = Some(hour().hour.ends_at().after(72 * 60 * MINUTE));
    let counts = Counts { accepted: 1, scheduled: 1, ..Counts::default() };
    let found = Findings { counts, last_begins_at, ..Findings::default() };
    assert_eq!(looks(&found, 73 * 60 * MINUTE).len(), 2);
    let far = Findings { last_begins_at: Some(hour().hour.ends_at().after(LOOKED_AT_FOR)), ..found };
    assert_eq!(looks(&far, LOOKED_AT_FOR * 2).len(), 1);
}

#[test]
fn a_gap_is_one_to_tell_when_repairing_did_not_help_for_an_hour() {
    use ReconciliationState::{Gap, Repairing};
    let counts = Counts { accepted: 1, events_missing: 1, ..Counts::default() };
    let found = Findings { counts, ..Findings::default() };
    let expected =
        [(0, Repairing), (5, Repairing), (15, Repairing), (35, Repairing), (75, Gap), (135, Gap), (495, Gap)];
    assert_eq!(looks(&found, 600 * MINUTE), expected);
    let mut hour = hour();
    hour.conclude(&found, at(0));
    assert!(!hour.is_to_be_told());
    hour.conclude(&found, at(0).after(ALARM_AFTER));
    assert!(hour.is_to_be_told());
    hour.told_at = Some(at(1));
    assert!(!hour.is_to_be_told());
    hour.conclude(&Findings::default(), at(2).after(ALARM_AFTER));
    assert_eq!((hour.state, hour.lacks_since), (ReconciliationState::Balanced, None));
}

/// An hour with so many deliveries that are all in progress and stuck.
fn stuck(count: u64) -> Findings {
    let counts = Counts { accepted: count, matched: count, in_progress: count, ..Counts::default() };
    Findings { counts, stuck: count, repaired: count, ..Findings::default() }
}

#[test]
fn what_stays_stuck_is_one_to_tell_as_a_gap_is() {
    use ReconciliationState::{Gap, Repairing};
    let expected = [(0, Repairing), (5, Repairing), (15, Repairing), (35, Repairing), (75, Gap), (135, Gap)];
    assert_eq!(looks(&stuck(1), 140 * MINUTE), expected);
    let mut hour = hour();
    hour.conclude(&stuck(1), at(0));
    hour.conclude(&stuck(1), at(0).after(ALARM_AFTER));
    assert!(hour.is_to_be_told() && hour.stuck == 1);
    let moved = Findings { stuck: 0, ..stuck(1) };
    hour.conclude(&moved, at(1).after(ALARM_AFTER));
    assert_eq!((hour.state, hour.stuck, hour.stuck_since), (ReconciliationState::Open, 0, None));
}

#[test]
fn a_backlog_that_advances_is_not_told() {
    let mut hour = hour();
    for left in (1..500).rev() {
        let now = hour.due_at.unwrap();
        hour.conclude(&stuck(left), now);
        assert_eq!((hour.state, hour.stuck_since), (ReconciliationState::Repairing, Some(now)));
    }
    // Nor when it grew by those that were accepted last, or while it waits behind an earlier hour.
    let begun = hour.due_at.unwrap();
    hour.conclude(&stuck(9), begun);
    hour.conclude(&stuck(8), begun.after(ALARM_AFTER - MINUTE));
    hour.conclude(&stuck(8), begun.after(ALARM_AFTER));
    assert_eq!(hour.state, ReconciliationState::Repairing);
    let held_up = Findings { is_held_up: true, ..stuck(8) };
    hour.conclude(&held_up, begun.after(2 * ALARM_AFTER));
    hour.conclude(&stuck(8), begun.after(3 * ALARM_AFTER - MINUTE));
    assert_eq!(hour.state, ReconciliationState::Repairing);
    hour.conclude(&stuck(8), begun.after(3 * ALARM_AFTER));
    assert_eq!(hour.state, ReconciliationState::Gap);
}

#[test]
fn what_is_released_and_stays_parked_is_one_to_tell() {
    let counts = Counts { accepted: 1, matched: 1, parked: 1, ..Counts::default() };
    let released = Findings { counts, released: 1, ..Findings::default() };
    let left = Findings { released: 0, stuck: 1, ..released };
    // Somebody else's release is nothing to time.
    let mut hour = hour();
    hour.conclude(&released, at(0));
    assert_eq!((hour.state, hour.stuck, hour.stuck_since), (ReconciliationState::Balanced, 0, None));
    hour.conclude(&left, at(1));
    hour.conclude(&released, at(2));
    assert_eq!((hour.state, hour.stuck, hour.stuck_since), (ReconciliationState::Repairing, 1, Some(at(1))));
    hour.conclude(&left, at(1).after(ALARM_AFTER));
    assert!(hour.is_to_be_told());
    // A receiver that is slow gets there.
    let slow = |stuck| Findings { released: stuck, stuck: 0, ..left };
    hour.conclude(&left, at(2).after(ALARM_AFTER));
    hour.conclude(&slow(0), at(3).after(ALARM_AFTER));
    assert_eq!((hour.state, hour.stuck_since), (ReconciliationState::Balanced, None));
    hour.conclude(&Findings { stuck: 3, ..left }, at(0));
    hour.conclude(&slow(2), at(0).after(ALARM_AFTER));
    assert_eq!(hour.state, ReconciliationState::Repairing);
}

#[test]
fn what_is_parked_is_looked_at_again_for_as_long_as_it_can_be_released() {
    let counts = Counts { accepted: 2, matched: 2, parked: 1, delivered: 1, ..Counts::default() };
    let found = Findings { counts, ..Findings::default() };
    let looks = looks(&found, LOOKED_AT_FOR * 2);
    assert!(looks.iter().all(|(_, state)| *state == ReconciliationState::Balanced));
    let minutes: Vec<_> = looks.iter().map(|(minute, _)| *minute).take(5).collect();
    assert_eq!(minutes, [0, 60, 420, 1_860, 3_300]);
    assert!((28..34).contains(&looks.len()), "{}", looks.len());
    // Beside scheduled events that are far away.
    let scheduled = Counts { scheduled: 1, ..counts };
    let last_begins_at = Some(hour().hour.ends_at().after(72 * 60 * MINUTE));
    let found = Findings { counts: scheduled, last_begins_at, ..Findings::default() };
    let mut hour = hour();
    hour.conclude(&found, at(0));
    assert_eq!(hour.due_at, Some(at(0).after(60 * MINUTE)));
}

#[test]
fn a_delivery_is_left_parked_after_half_an_hour() {
    let left = |after| is_left_parked(Some(at(0)), at(0).after(after));
    assert!(!left(29 * MINUTE) && left(30 * MINUTE));
    assert!(is_left_parked(None, at(0)), "nobody knows since when");
}

#[test]
fn a_look_that_could_not_send_all_is_followed_by_another_soon() {
    let counts = Counts { accepted: 1, events_missing: 1, ..Counts::default() };
    let found = Findings { counts, has_more: true, ..Findings::default() };
    let minutes: Vec<_> = looks(&found, 20 * MINUTE).into_iter().map(|(minute, _)| minute).collect();
    assert_eq!(minutes, [0, 5, 10, 15, 20]);
}

#[test]
fn a_delivery_is_stuck_when_nothing_moved_it_for_half_an_hour() {
    let id = crate::DeliveryId::from_parts(Ulid::from_parts(1, 1), endpoint(1));
    let event = crate::Event {
        tenant: "acme".parse().unwrap(),
        id: "e1".parse().unwrap(),
        event_type: "a.b".parse().unwrap(),
        accepted_at: at(0),
        occurred_at: None,
        source: None,
        correlation_id: None,
        tags: vec![],
        audience: crate::event::Audience::Subscribers,
        deliver_at: None,
        priority: crate::Priority::default(),
    };
    let pending = Delivery::new(&event, id.endpoint(), crate::ChannelKind::Webhook, 5, at(0));
    let stuck = |delivery: &Delivery, after| is_stuck(delivery, at(0).after(after));
    assert!(!stuck(&pending, 29 * MINUTE) && stuck(&pending, 30 * MINUTE));
    let next_attempt_at = Some(at(0).after(10 * MINUTE));
    let retrying = Delivery { status: DeliveryStatus::Retrying, next_attempt_at, ..pending.clone() };
    assert!(!stuck(&retrying, 39 * MINUTE) && stuck(&retrying, 40 * MINUTE));
    let claimed = Delivery { claimed_at: Some(at(0).after(20 * MINUTE)), ..pending.clone() };
    assert!(!stuck(&claimed, 49 * MINUTE) && stuck(&claimed, 50 * MINUTE));
    // The schedule has it, or nothing is to come.
    let due = Delivery { due_at: next_attempt_at, ..retrying };
    let others = [DeliveryStatus::Delivered, DeliveryStatus::Failed, DeliveryStatus::Parked];
    let others = others.map(|status| Delivery { status, ..pending.clone() });
    for delivery in [due].into_iter().chain(others) {
        assert!(!stuck(&delivery, 600 * MINUTE), "{delivery:?}");
    }
}

#[test]
fn an_event_is_matched_when_its_parts_reach_the_end() {
    let part = |after: Option<u64>, endpoints: &[u64], goes_on| MatchedPart {
        after: after.map(endpoint),
        endpoints: endpoints.iter().copied().map(endpoint).collect(),
        goes_on,
        is_repeated: false,
        at: at(0),
    };
    let complete = |parts: Vec<MatchedPart>| Matched::of(parts).is_complete;
    assert!(!complete(vec![]));
    assert!(complete(vec![part(None, &[], false)]));
    assert!(!complete(vec![part(None, &[1, 2], true)]));
    assert!(complete(vec![part(Some(2), &[3], false), part(None, &[1, 2], true)]));
    assert!(!complete(vec![part(Some(2), &[3], false), part(None, &[1], true)]), "nothing is known of 2");
    // Matched again when 2 was deleted: the second part begins within the first one.
    assert!(complete(vec![part(None, &[1, 2], true), part(None, &[1], true), part(Some(1), &[3], false)]));
}

#[test]
fn what_a_message_said_when_it_came_last_holds() {
    let part = |millis, is_repeated, after: Option<u64>, endpoints: &[u64], goes_on| MatchedPart {
        after: after.map(endpoint),
        endpoints: endpoints.iter().copied().map(endpoint).collect(),
        goes_on,
        is_repeated,
        at: at(millis),
    };
    let required = |parts: Vec<MatchedPart>| {
        let matched = Matched::of(parts);
        let numbers = matched.required.iter().map(|id| id.ulid().timestamp_ms());
        (numbers.collect::<Vec<_>>(), matched.endpoints.len())
    };
    let first = part(1, false, None, &[1, 2, 3], true);
    let rest = part(2, false, Some(3), &[5], false);
    assert_eq!(required(vec![first.clone(), rest.clone()]), (vec![1, 2, 3, 5], 4));
    // It came again when 2 was gone, and ended earlier.
    let again = part(3, false, None, &[1, 4], true);
    assert_eq!(required(vec![again.clone(), rest.clone(), first.clone()]), (vec![1, 4, 5], 5));
    // Whoever sends an event again does not take anything back.
    let repeated = part(4, true, None, &[1], false);
    assert_eq!(required(vec![first.clone(), repeated.clone(), rest.clone()]), (vec![1, 2, 3, 5], 4));
    let repeated_again = part(5, true, None, &[9], false);
    assert_eq!(required(vec![repeated_again, repeated, rest, first]), (vec![1, 2, 3, 5, 9], 5));
}

proptest! {
    /// However an event's endpoints are divided, and however often, all of them are known, and only then.
    #[test]
    fn parts_are_complete_exactly_when_none_is_missing(
        count in 1_u64..40,
        sizes in prop::collection::vec(1_usize..9, 1..3),
        lost in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut parts = Vec::new();
        for size in &sizes {
            let all: Vec<_> = (1..=count).map(endpoint).collect();
            let mut after = None;
            for chunk in all.chunks(*size) {
                let last = *chunk.last().unwrap();
                let (endpoints, goes_on) = (chunk.to_vec(), last != all[all.len() - 1]);
                parts.push(MatchedPart { after, endpoints, goes_on, is_repeated: false, at: at(0) });
                after = Some(last);
            }
        }
        let lost = lost.filter(|_| sizes.len() == 1).map(|lost| parts.remove(lost.index(parts.len())));
        let matched = Matched::of(parts);
        prop_assert_eq!(matched.is_complete, lost.is_none());
        let lost: BTreeSet<_> = lost.into_iter().flat_map(|part| part.endpoints).collect();
        let expected: BTreeSet<_> = (1..=count).map(endpoint).filter(|id| !lost.contains(id)).collect();
        prop_assert_eq!(&matched.endpoints, &expected);
        prop_assert_eq!(matched.required, expected);
    }

    /// Whatever is found, an hour is looked at a bounded number of times, and never in the past.
    #[test]
    fn an_hour_is_not_looked_at_for_ever(
        (matched, in_progress, missing) in (0_u64..3, 0_u64..3, 0_u64..2),
        (parked, stuck) in (0_u64..2, 0_u64..2),
    ) {
        let counts =
            Counts { accepted: 3, matched, in_progress, parked, events_missing: missing, ..Counts::default() };
        let found = Findings { counts, stuck, ..Findings::default() };
        let mut hour = hour();
        let mut looks = 0;
        while let Some(now) = hour.due_at {
            hour.conclude(&found, now);
            prop_assert!(hour.due_at.is_none_or(|next| next > now));
            looks += 1;
            prop_assert!(looks < 40);
        }
    }
}
