//! What SQS takes, checked before anything is sent: one bad message would fail its whole request.

use std::time::Duration;

use postrider_application::ports::queue::MAX_DELAY;
use postrider_application::ports::{OutgoingMessage, QueueError, QueueName};

/// The largest message, and the largest batch in total, in bytes (SQS quotas, since August 2025).
pub(super) const MAX_BYTES: usize = 1024 * 1024;

/// The most messages of a batch (SQS quotas).
pub(super) const MAX_ENTRIES: usize = 10;

/// Refuses what SQS would never take.
pub(super) fn check(queue: QueueName, message: &OutgoingMessage) -> Result<(), QueueError> {
    let refused = |reason: String| Err(QueueError::Refused { queue, reason });
    let OutgoingMessage { body, delay, group } = message;
    let body = body.text();
    if body.is_empty() {
        return refused("a message has at least one character".to_owned());
    }
    if body.len() > MAX_BYTES {
        return refused(format!("{} bytes are more than {MAX_BYTES}", body.len()));
    }
    if let Some(character) = body.chars().find(|character| !is_taken(*character)) {
        return refused(format!("the character U+{:04X} cannot be sent", u32::from(character)));
    }
    if *delay > MAX_DELAY {
        return refused(format!("a delay of {} s is more than 900 s", delay.as_secs()));
    }
    if !(1..=128).contains(&group.len()) || !group.bytes().all(|byte| byte.is_ascii_graphic()) {
        return refused("a message group id has 1 to 128 letters, digits and punctuation marks".to_owned());
    }
    Ok(())
}

/// The characters of a message body (SQS API reference, `SendMessage`): those of XML 1.0.
const fn is_taken(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// A delay in SQS's whole seconds, rounded up so that nothing is early. At most 900, as it was checked.
pub(super) fn whole_seconds(delay: Duration) -> i32 {
    let rounded = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
    i32::try_from(rounded.min(MAX_DELAY.as_secs())).unwrap_or(900)
}

/// Divides messages, given by their sizes, into batches that SQS takes, in their order.
pub(super) fn portions(sizes: impl IntoIterator<Item = usize>) -> Vec<Vec<usize>> {
    let mut portions: Vec<Vec<usize>> = Vec::new();
    let mut bytes = 0;
    for (index, size) in sizes.into_iter().enumerate() {
        match portions.last_mut() {
            Some(last) if last.len() < MAX_ENTRIES && bytes + size <= MAX_BYTES => {
                last.push(index);
                bytes += size;
            }
            _ => {
                portions.push(vec![index]);
                bytes = size;
            }
        }
    }
    portions
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn delays_are_rounded_up_to_whole_seconds() {
        let seconds = |millis| whole_seconds(Duration::from_millis(millis));
        assert_eq!([seconds(0), seconds(1), seconds(1_000), seconds(1_001)], [0, 1, 1, 2]);
        assert_eq!([seconds(899_001), seconds(900_000)], [900, 900]);
        assert_eq!(whole_seconds(Duration::from_nanos(1)), 1);
    }

    #[test]
    fn messages_that_sqs_would_not_take_are_refused() {
        let check = |body: &str, delay: u64, group: &str| {
            let (body, group) = (body.to_owned().into(), group.into());
            check(QueueName::Events, &OutgoingMessage { body, delay: Duration::from_millis(delay), group })
        };
        assert!(check("{\"a\":\"\t\r\n\u{10FFFF}\"}", 900_000, "acme").is_ok());
        for bad in ["", "\0", "\u{B}", "\u{1F}", "\u{FFFE}", "\u{FFFF}"] {
            assert!(matches!(check(bad, 0, "acme"), Err(QueueError::Refused { .. })), "{bad:?}");
        }
        assert!(check(&"x".repeat(MAX_BYTES), 0, "acme").is_ok());
        assert!(check(&"x".repeat(MAX_BYTES + 1), 0, "acme").is_err());
        assert!(check("x", 900_001, "acme").is_err());
        for bad in ["", "two words", "tab\t", "ä", &"x".repeat(129)] {
            assert!(check("x", 0, bad).is_err(), "{bad:?}");
        }
        assert!(check("x", 0, &"x".repeat(128)).is_ok());
    }

    proptest! {
        #[test]
        fn every_message_is_in_one_portion_that_sqs_takes(
            sizes in proptest::collection::vec(1_usize..=MAX_BYTES, 0..60)
        ) {
            let portions = portions(sizes.iter().copied());
            for portion in &portions {
                prop_assert!((1..=MAX_ENTRIES).contains(&portion.len()));
                prop_assert!(portion.iter().map(|index| sizes[*index]).sum::<usize>() <= MAX_BYTES);
            }
            let all: Vec<usize> = portions.into_iter().flatten().collect();
            prop_assert_eq!(all, (0..sizes.len()).collect::<Vec<_>>());
        }
    }
}
