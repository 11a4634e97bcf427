use proptest::prelude::*;

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

fn key(kind: KeyKind, number: u8) -> SigningKey {
    SigningKey::from_random(kind, [number; 32])
}

fn texts<'a>(keys: impl Iterator<Item = &'a RingKey>) -> Vec<String> {
    keys.map(|key| key.key.reveal()).collect()
}

fn secrets(numbers: &[u8]) -> Vec<String> {
    numbers.iter().map(|number| key(KeyKind::Hmac, *number).reveal()).collect()
}

#[test]
fn the_former_key_signs_until_its_end_and_not_at_it() {
    let mut ring = KeyRing::default();
    ring.rotate(key(KeyKind::Hmac, 1), at(0), DAY).unwrap();
    ring.rotate(key(KeyKind::Hmac, 2), at(100), Duration::from_secs(10)).unwrap();
    let last = Timestamp::from_millis(109_999);
    assert_eq!(texts(ring.live(last)), secrets(&[2, 1]));
    assert_eq!(texts(ring.live(at(110))), secrets(&[2]));
    assert_eq!(ring.keys().len(), 2, "an end alone removes nothing");
    ring.prune(at(110));
    assert_eq!(texts(ring.keys().iter()), secrets(&[2]));
}

#[test]
fn without_an_overlap_the_former_keys_are_gone_at_once() {
    let mut ring = KeyRing::default();
    for number in 1..=MAX_LIVE_KEYS as u8 {
        ring.rotate(key(KeyKind::Hmac, number), at(u64::from(number)), DAY).unwrap();
    }
    ring.rotate(key(KeyKind::Hmac, 9), at(50), Duration::ZERO).unwrap();
    assert_eq!(texts(ring.keys().iter()), secrets(&[9]));
}

#[test]
fn an_end_can_come_nearer_and_not_go_away() {
    let mut ring = KeyRing::default();
    ring.rotate(key(KeyKind::Hmac, 1), at(0), DAY).unwrap();
    ring.rotate(key(KeyKind::Hmac, 2), at(10), Duration::from_secs(100)).unwrap();
    ring.rotate(key(KeyKind::Hmac, 3), at(20), DAY).unwrap();
    let ends: Vec<_> = ring.keys().iter().map(|key| key.expires_at).collect();
    assert_eq!(ends, [None, Some(at(20).after(DAY)), Some(at(110))]);
    ring.rotate(key(KeyKind::Hmac, 4), at(30), Duration::from_secs(5)).unwrap();
    assert!(ring.keys()[1..].iter().all(|key| key.expires_at == Some(at(35))));
}

#[test]
fn too_many_are_refused_until_the_first_ends() {
    let mut ring = KeyRing::default();
    for number in 1..=MAX_LIVE_KEYS as u8 {
        ring.rotate(key(KeyKind::Hmac, number), at(u64::from(number)), DAY).unwrap();
    }
    let before = texts(ring.keys().iter());
    let refused = ring.rotate(key(KeyKind::Hmac, 9), at(50), DAY).unwrap_err();
    assert_eq!(refused, TooManyKeys { kind: KeyKind::Hmac, until: at(2).after(DAY) });
    assert_eq!(texts(ring.keys().iter()), before);
    // The other kind has a count of its own.
    ring.rotate(key(KeyKind::Ed25519, 9), at(50), DAY).unwrap();
    ring.rotate(key(KeyKind::Hmac, 9), refused.until, DAY).unwrap();
    assert_eq!(ring.live_of(KeyKind::Hmac, refused.until).count(), MAX_LIVE_KEYS);
}

#[test]
fn kinds_do_not_replace_each_other() {
    let mut ring = KeyRing::default();
    ring.rotate(key(KeyKind::Hmac, 1), at(0), DAY).unwrap();
    ring.rotate(key(KeyKind::Ed25519, 1), at(1), DAY).unwrap();
    assert!(KeyKind::ALL.iter().all(|kind| ring.present(*kind).is_some()));
    let SigningKey::Ed25519(pair) = key(KeyKind::Ed25519, 1) else { panic!() };
    assert_eq!(ring.public_keys(), [PublishedKey { key: pair.public_key(), expires_at: None }]);
    assert!(ring.contains(&key(KeyKind::Hmac, 1)) && !ring.contains(&key(KeyKind::Hmac, 2)));
}

proptest! {
    /// Whatever is rotated when: the newest always signs, at most so many do, nobody signs for longer than
    /// promised, and a former key signs for exactly as long as the shortest overlap since then says.
    #[test]
    fn a_ring_keeps_its_promises(steps in proptest::collection::vec((0_u64..100, 0_u64..300), 1..20)) {
        let (mut ring, mut now) = (KeyRing::default(), 0);
        // When each key ends, by its number.
        let mut expected: Vec<(u8, Option<u64>)> = Vec::new();
        for (number, (wait, overlap)) in steps.into_iter().enumerate() {
            now += wait;
            let number = u8::try_from(number).unwrap();
            let live = |end: &Option<u64>| end.is_none_or(|end| now < end);
            let mut after = expected.clone();
            for (_, end) in &mut after {
                *end = Some(end.unwrap_or(u64::MAX).min(now + overlap));
            }
            after.retain(|(_, end)| live(end));
            let rotated = ring.rotate(key(KeyKind::Hmac, number), at(now), Duration::from_secs(overlap));
            prop_assert_eq!(rotated.is_ok(), after.len() < MAX_LIVE_KEYS);
            if rotated.is_ok() {
                after.insert(0, (number, None));
                expected = after;
            }
            for moment in [now, now + 1, now + overlap, now + 300] {
                let live: Vec<u8> =
                    expected.iter().filter(|(_, end)| end.is_none_or(|end| moment < end)).map(|(n, _)| *n).collect();
                prop_assert_eq!(texts(ring.live(at(moment))), secrets(&live));
                prop_assert!(!live.is_empty() && live.len() <= MAX_LIVE_KEYS);
            }
        }
    }
}
